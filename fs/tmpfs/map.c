/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping regular files: pages translate to the memory file, or, before copy-up, to what the lower file says.
 *
 * translate runs under the mm's locks and takes node->data. Holes are filled, so a page that is mapped is the file's page from then
 * on, and a later write through another descriptor is seen. */
#include "fs/tmpfs/tmpfs_internal.h"
#include "fs/vfs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct tmpfs_data *data_of(struct mappable *m)
{
	return CONTAINER_OF(m, struct tmpfs_data, mappable);
}

static void map_get(struct mappable *m)
{
	struct tmpfs_data *d = data_of(m);

	inode_get(&d->node->inode);
	map_name_get(&d->map_name, NULL);
}

static void map_put(struct mappable *m)
{
	struct tmpfs_data *d = data_of(m);

	map_name_put(&d->map_name);
	inode_put(&d->node->inode);
}

static int map_add(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	struct tmpfs_data *d = data_of(m);
	int e = -EPERM;

	/* Under the lock that seals are set under, so that none comes between tmpfs_mappable() and the mapping. */
	mutex_lock(&d->node->data);
	if (!writable || !(d->seals & F_SEAL_WRITE))
		e = mappings_add(&d->mappings, mm, r, off, writable);
	mutex_unlock(&d->node->data);
	return e;
}

static void map_remove(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	mappings_remove(&data_of(m)->mappings, mm, r, off, writable);
}

/* The page-aligned part of [r) that lies in segment g, as one piece with a reference. */
static struct translation piece(struct tmpfs *fs, struct seg g, struct range r)
{
	struct translation t = { .src = range_intersect(r, seg_range(g)), .file = memfile_file(fs->mf),
				 .prot = PROT_READ | PROT_WRITE | PROT_EXEC };

	t.off = seg_offset(g, t.src.start);
	memfile_ref(fs->mf, range_make(t.off, t.off + range_len(t.src)));
	return t;
}

/* [required) cut to the file's end is made to have pages; what already has some of [optional) comes along. */
static int translate_pages(struct tmpfs_node *n, struct range required, struct range optional, struct translation *out, int *err)
{
	struct tmpfs *fs = tmpfs_of(&n->inode);
	uint64_t end = (n->attr.size + PAGE_SIZE - 1) & PAGE_MASK, pos;
	struct range want = range_intersect(required, range_make(0, end));
	struct range max = range_intersect(optional, range_make(0, end));
	int count = 0;

	*err = required.end > end ? -EFAULT : 0;
	for (pos = want.start; pos < want.end && count < TRANSLATIONS_MAX;) {
		struct seg g = segset_find(&n->reg->pages, pos);
		int e = 0;

		if (!seg_ok(g))
			e = tmpfs_data_fill_locked(n, range_make(pos, pos + PAGE_SIZE), range_make(pos, want.end), &g);
		if (e) {
			*err = e == -ENOSPC ? -EFAULT : e;
			return count;
		}
		out[count] = piece(fs, g, range_make(count ? pos : max.start, max.end));
		pos = out[count++].src.end;
	}
	return count;
}

static int map_translate(struct mappable *m, struct range required, struct range optional, int prot,
			 struct translation out[static TRANSLATIONS_MAX], int *err)
{
	struct tmpfs_data *d = data_of(m);
	struct tmpfs_node *n = d->node;
	int count;

	mutex_lock(&n->data);
	if (d->lower && d->lower_map)
		count = d->lower_map->ops->translate(d->lower_map, required, optional, prot, out, err);
	else if (d->lower) {
		count = 0;
		*err = -EIO;
	} else {
		count = translate_pages(n, required, optional, out, err);
	}
	mutex_unlock(&n->data);
	return count;
}

static int map_punch(struct mappable *m, struct range r)
{
	struct tmpfs_node *n = data_of(m)->node;
	int e = tmpfs_pin(n);

	if (e)
		return e;
	mutex_lock(&n->inode.lock);
	if (n->reg->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		e = -EPERM;
	if (!e)
		e = tmpfs_copy_up(n, UINT64_MAX);
	if (!e)
		e = tmpfs_data_punch(n, r.start, r.end);
	mutex_unlock(&n->inode.lock);
	if (!e)
		tmpfs_touch(n);
	return e;
}

static void map_residency(struct mappable *m, struct range r, unsigned char *vec)
{
	struct tmpfs_data *d = data_of(m);
	struct tmpfs_node *n = d->node;
	struct mappable *lower;
	struct seg g;

	mutex_lock(&n->data);
	lower = d->lower ? d->lower_map : NULL;
	if (lower)
		lower->ops->residency(lower, r, vec);
	for (g = segset_lower_bound(&d->pages, r.start); !d->lower && seg_ok(g) && seg_start(g) < r.end; g = seg_next(g)) {
		struct range part = range_intersect(r, seg_range(g));
		struct range at = range_make(seg_offset(g, part.start), seg_offset(g, part.end));

		file_residency(memfile_file(tmpfs_of(&n->inode)->mf), at, vec + (part.start - r.start) / PAGE_SIZE);
	}
	mutex_unlock(&n->data);
}

static void map_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	struct tmpfs_data *d = data_of(m);

	mutex_lock(&d->node->data);
	*dev = d->node->attr.dev;
	*ino = d->node->attr.ino;
	mutex_unlock(&d->node->data);
	map_name_print(&d->map_name, buf, size);
}

const struct mappable_ops tmpfs_mappable_ops = {
	.get = map_get,
	.put = map_put,
	.add_mapping = map_add,
	.remove_mapping = map_remove,
	.translate = map_translate,
	.punch = map_punch,
	.residency = map_residency,
	.describe = map_describe,
};

/* A mapping through which the file may ever be written needs pages of its own. */
static int prepare_shared(struct file *f, struct tmpfs_node *n, int prot)
{
	int r;

	if (n->reg->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) && prot & PROT_WRITE)
		return -EPERM;
	if (!file_writable(f))
		return 0;
	r = tmpfs_pin(n);
	if (r)
		return r;
	mutex_lock(&n->inode.lock);
	r = tmpfs_copy_up(n, UINT64_MAX);
	mutex_unlock(&n->inode.lock);
	return r;
}

static int open_lower_map(struct tmpfs_data *d, struct file *lower, int prot)
{
	struct mappable *m = NULL;
	int r;

	if (!lower->ops->mappable)
		return -ENODEV;
	r = lower->ops->mappable(lower, prot & ~PROT_WRITE, MAP_PRIVATE, &m);
	if (r)
		return r;
	mutex_lock(&d->node->data);
	if (d->lower && !d->lower_map) {
		d->lower_map = m;
		m = NULL;
	}
	mutex_unlock(&d->node->data);
	if (m)
		m->ops->put(m);
	return 0;
}

int tmpfs_mappable(struct file *f, int prot, int flags, struct mappable **out)
{
	struct tmpfs_node *n = f->private;
	struct tmpfs_data *d = n->reg;
	struct file *lower = NULL;
	int r = 0;

	if ((flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE)
		r = prepare_shared(f, n, prot);
	if (r)
		return r;
	mutex_lock(&n->data);
	if (d->lower && !d->lower_map) {
		lower = d->lower;
		file_get(lower);
	}
	mutex_unlock(&n->data);
	if (lower) {
		r = open_lower_map(d, lower, prot);
		file_put(lower);
		if (r)
			return r;
	}
	inode_get(&n->inode);
	map_name_get(&d->map_name, f->path);
	*out = &d->mappable;
	return 0;
}
