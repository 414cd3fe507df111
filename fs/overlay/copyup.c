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

off_t tmpfs_lower_seek(struct file *lower, off_t off, int whence)
{
	off_t r;

	mutex_lock(&lower->pos_lock);
	r = lower->ops->seek ? lower->ops->seek(lower, off, whence) : -EINVAL;
	mutex_unlock(&lower->pos_lock);
	return r;
}

/* The next piece of [pos, len) that is to be copied: holes stay holes, where the file has any. */
static struct range next_piece(const struct tmpfs_node *n, struct file *lower, uint64_t pos, uint64_t len)
{
	struct range all = { pos, len };
	off_t start, end;

	if (n->attr.blocks >= n->attr.size / 512)
		return all;
	start = tmpfs_lower_seek(lower, (off_t)pos, SEEK_DATA);
	if (start == -ENXIO)
		return range_make(len, len);
	end = start < 0 ? start : tmpfs_lower_seek(lower, start, SEEK_HOLE);
	return end < 0 ? all : range_intersect(all, range_make((uint64_t)start, (uint64_t)end));
}

/* Fills [0, len) of n's pages from the lower file. Nobody sees them before the switch. */
static int copy_bytes(struct tmpfs_node *n, struct file *lower, uint64_t len)
{
	struct range piece = next_piece(n, lower, 0, len);

	while (!range_empty(piece)) {
		struct tmpfs_window w;
		ssize_t r;

		mutex_lock(&n->data);
		r = tmpfs_data_window_locked(n, piece.start, range_len(piece), true, &w);
		mutex_unlock(&n->data);
		if (r)
			return (int)r;
		if (w.len >= COMMIT_MIN)
			memfile_commit(tmpfs_of(&n->inode)->mf, range_make(w.off, w.off + w.len));
		r = file_pread_kernel(lower, w.ptr, w.len, (off_t)piece.start);
		if (r < 0)
			return (int)r;
		if (r == 0)
			break;
		piece.start += (uint64_t)r;
		if (range_empty(piece) && piece.end < len)
			piece = next_piece(n, lower, piece.end, len);
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
