/* SPDX-License-Identifier: Apache-2.0 */
/* Copy-up: a file of the lower tree is about to change, so its bytes become the node's own.
 *
 * The lower file is read in big pieces straight into the memory file. Then the node is switched over under node->data, and whatever
 * is mapped of the lower file is dropped, to be faulted in again from the copy. See fs/tmpfs/tmpfs_internal.h. */
#include "fs/tmpfs/tmpfs_internal.h"

#include <errno.h>

#define COMMIT_MIN (64UL << 10)

int tmpfs_lower_open(struct tmpfs_node *n)
{
	struct inode *lower = n->lower;
	struct file *f = NULL;
	bool need;
	int r;

	if (!lower)
		return 0;
	mutex_lock(&n->data);
	need = !n->reg->lower && n->lower;
	mutex_unlock(&n->data);
	if (!need)
		return 0;
	r = lower->ops->open(lower, NULL, O_RDONLY, &f);
	if (r)
		return r;
	mutex_lock(&n->data);
	if (!n->reg->lower && !n->copied_up) {
		n->reg->lower = f;
		f = NULL;
	}
	mutex_unlock(&n->data);
	if (f)
		file_put(f);
	return 0;
}

/* Fills [0, len) of n's pages from the lower file. Nobody sees them before the switch. */
static int copy_bytes(struct tmpfs_node *n, struct file *lower, uint64_t len)
{
	uint64_t pos = 0;

	while (pos < len) {
		struct tmpfs_window w;
		ssize_t r;

		mutex_lock(&n->data);
		r = tmpfs_data_window_locked(n, pos, len - pos, true, &w);
		mutex_unlock(&n->data);
		if (r)
			return (int)r;
		if (w.len >= COMMIT_MIN)
			memfile_commit(tmpfs_of(&n->inode)->mf, range_make(w.off, w.off + w.len));
		r = file_pread_kernel(lower, w.ptr, w.len, (off_t)pos);
		if (r < 0)
			return (int)r;
		if (r == 0)
			break;
		pos += (uint64_t)r;
	}
	return 0;
}

int tmpfs_copy_up(struct tmpfs_node *n, uint64_t keep)
{
	struct tmpfs_data *d = n->reg;
	struct mappable *map;
	struct file *lower;
	int r;

	mutex_assert_held(&n->inode.lock);
	if (!n->lower || n->copied_up)
		return 0;
	r = tmpfs_lower_open(n);
	if (r)
		return r;
	lower = d->lower;
	keep = MIN(keep, n->attr.size);
	r = copy_bytes(n, lower, keep);
	if (r) {
		int e = tmpfs_data_punch(n, 0, INT64_MAX & PAGE_MASK);

		return e ? e : r;
	}
	mutex_lock(&n->data);
	map = d->lower_map;
	d->lower = NULL;
	d->lower_map = NULL;
	n->copied_up = true;
	mutex_unlock(&n->data);
	mappings_invalidate(&d->mappings, range_make(0, INT64_MAX & PAGE_MASK), INVALIDATE_SHARED);
	if (map)
		map->ops->put(map);
	file_put(lower);
	return 0;
}
