/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of regular files: a segment set from file offsets to ranges of the memory file. Holes read as zero.
 *
 * Invariants (under node->data): segments are page-aligned; each holds one reference on its range of the memory file; bytes of
 * the last page behind the file's end are zero unless a guest wrote them through a mapping, and are zeroed when the file grows over them.
 */
#include "fs/tmpfs/tmpfs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Files that grow are given room ahead, so that appending does not cost an allocation a page. */
enum { GROW_MIN = 64 << 10, GROW_MAX = 1 << 20, FILL_MAX = 2 << 20 };

static bool pages_merge(struct range r1, void *v1, struct range r2, const void *v2)
{
	uint64_t a, b;

	(void)r2;
	memcpy(&a, v1, sizeof(a));
	memcpy(&b, v2, sizeof(b));
	return a + range_len(r1) == b;
}

static void pages_split(struct range r, void *v, uint64_t at, void *v2)
{
	uint64_t a;

	memcpy(&a, v, sizeof(a));
	a += at - r.start;
	memcpy(v2, &a, sizeof(a));
}

static const struct segset_ops pages_ops = {
	.value_size = sizeof(uint64_t),
	.merge = pages_merge,
	.split = pages_split,
};

int tmpfs_data_get(struct tmpfs_node *n, struct tmpfs_data **out)
{
	struct tmpfs_data *d;

	mutex_lock(&n->data);
	d = n->reg;
	if (!d) {
		d = calloc(1, sizeof(*d));
		if (d) {
			segset_init(&d->pages, &pages_ops);
			mappings_init(&d->mappings);
			map_name_init(&d->map_name);
			d->mappable.ops = &tmpfs_mappable_ops;
			d->node = n;
			d->seals = tmpfs_of(&n->inode)->lower ? SEALS_NONE : F_SEAL_SEAL;
			n->reg = d;
		}
	}
	mutex_unlock(&n->data);
	*out = d;
	return d ? 0 : -ENOMEM;
}

static void charge(struct tmpfs *fs, int64_t pages)
{
	atomic_fetch_add(&fs->pages, (uint64_t)pages);
}

static void free_range(struct tmpfs *fs, struct range r)
{
	memfile_unref(fs->mf, r);
	charge(fs, -(int64_t)(range_len(r) >> PAGE_SHIFT));
}

void tmpfs_free_ranges(struct tmpfs *fs, struct tmpfs_freed *list)
{
	while (list) {
		struct tmpfs_freed *next = list->next;

		free_range(fs, list->range);
		free(list);
		list = next;
	}
}

void tmpfs_data_free(struct tmpfs_node *n)
{
	struct tmpfs *fs = tmpfs_of(&n->inode);
	struct tmpfs_data *d = n->reg;

	if (!d)
		return;
	for (struct seg g = segset_first(&d->pages); seg_ok(g); g = seg_next(g))
		free_range(fs, range_make(seg_offset(g, seg_start(g)), seg_offset(g, seg_end(g))));
	segset_clear(&d->pages);
	mappings_destroy(&d->mappings);
	if (d->lower_map)
		d->lower_map->ops->put(d->lower_map);
	if (d->lower)
		file_put(d->lower);
	map_name_fini(&d->map_name);
	free(d);
	n->reg = NULL;
}

void tmpfs_io_begin_locked(struct tmpfs_data *d)
{
	d->ios++;
}

void tmpfs_io_end_locked(struct tmpfs_node *n, struct tmpfs_freed **out)
{
	struct tmpfs_data *d = n->reg;

	*out = NULL;
	if (--d->ios == 0) {
		*out = d->freed;
		d->freed = NULL;
	}
}

/* --- allocation --- */

/* Enough room under the size limit? Takes it if so. */
static bool reserve_pages(struct tmpfs *fs, uint64_t pages)
{
	uint64_t now = fs->pages;

	do {
		if (fs->limit && (now >= fs->limit || pages > fs->limit - now))
			return false;
	} while (!atomic_compare_exchange_weak(&fs->pages, &now, now + pages));
	return true;
}

static int fill_gap_locked(struct tmpfs_node *n, struct gap gap, struct range r, struct seg *out)
{
	struct tmpfs *fs = tmpfs_of(&n->inode);
	uint64_t off, pages = range_len(r) >> PAGE_SHIFT;
	int e;

	if (!reserve_pages(fs, pages))
		return -ENOSPC;
	e = memfile_alloc(fs->mf, range_len(r), PAGE_SIZE, 0, MEMFILE_BOTTOM_UP, &off);
	if (e) {
		charge(fs, -(int64_t)pages);
		return e == -ENOMEM ? -ENOSPC : e;
	}
	e = segset_insert(&n->reg->pages, gap, r, &off, out);
	if (e) {
		free_range(fs, range_make(off, off + range_len(r)));
		return e;
	}
	n->reg->page_count += pages;
	return 0;
}

/* Makes pages for the first hole of `want` (page-aligned), and more of `max` around it if there is room. */
int tmpfs_data_fill_locked(struct tmpfs_node *n, struct range want, struct range max, struct seg *out)
{
	bool ok;
	struct gap gap = segset_find_gap(&n->reg->pages, want.start, &ok);
	struct range hole, r;
	int e;

	if (!ok) {
		*out = segset_find(&n->reg->pages, want.start);
		return 0;
	}
	hole = gap_range(&n->reg->pages, gap);
	r = range_intersect(max, hole);
	if (range_len(r) > FILL_MAX)
		r = range_intersect(range_make(want.start, want.start + FILL_MAX), r);
	e = fill_gap_locked(n, gap, r, out);
	if (e != -ENOSPC || range_superset(range_intersect(want, hole), r))
		return e;
	r = range_make(want.start, want.start + PAGE_SIZE);
	return fill_gap_locked(n, segset_find_gap(&n->reg->pages, want.start, &ok), r, out);
}

/* How much to allocate for a write of [pos, end): whole pages, with room ahead when the file grows at its end. */
static struct range fill_range(const struct tmpfs_node *n, uint64_t pos, uint64_t end)
{
	uint64_t size = n->attr.size, ahead = 0;
	struct range r = { page_down(pos), (end + PAGE_SIZE - 1) & PAGE_MASK };

	if (end > size && pos >= page_down(size) && size >= GROW_MIN)
		ahead = MIN(size / 4, (uint64_t)GROW_MAX) & PAGE_MASK;
	r.end += ahead;
	return r;
}

int tmpfs_data_window_locked(struct tmpfs_node *n, uint64_t pos, uint64_t len, bool alloc, struct tmpfs_window *out)
{
	struct tmpfs_data *d = n->reg;
	struct seg g = segset_find(&d->pages, pos);
	uint64_t contiguous;

	*out = (struct tmpfs_window){ .fresh = !seg_ok(g) || pos >= n->attr.size };
	if (!seg_ok(g) && !alloc) {
		struct seg next = segset_lower_bound(&d->pages, pos);

		out->len = seg_ok(next) ? MIN(len, seg_start(next) - pos) : len;
		return 0;
	}
	if (!seg_ok(g)) {
		struct range max = fill_range(n, pos, pos + len);
		int e = tmpfs_data_fill_locked(n, range_make(page_down(pos), page_down(pos) + PAGE_SIZE), max, &g);

		if (e)
			return e;
	}
	out->off = seg_offset(g, pos);
	out->ptr = memfile_ptr(tmpfs_of(&n->inode)->mf, out->off, &contiguous);
	if (!out->ptr)
		return -ENOMEM;
	out->len = MIN(MIN(len, seg_end(g) - pos), contiguous);
	return 0;
}

int tmpfs_data_allocate(struct tmpfs_node *n, uint64_t start, uint64_t end)
{
	int e = 0;

	mutex_lock(&n->data);
	for (uint64_t pos = page_down(start); !e && pos < end;) {
		struct seg g = segset_find(&n->reg->pages, pos);

		if (!seg_ok(g)) {
			struct range max = { pos, (end + PAGE_SIZE - 1) & PAGE_MASK };

			e = tmpfs_data_fill_locked(n, range_make(pos, pos + PAGE_SIZE), max, &g);
		}
		if (!e)
			pos = seg_end(g);
	}
	mutex_unlock(&n->data);
	return e;
}

/* --- giving pages back --- */

/* Takes the segments of r out of the set; the pages go to *freed, or wait until the copies in flight have ended. */
static int drop_locked(struct tmpfs_node *n, struct range r, struct tmpfs_freed **freed)
{
	struct tmpfs_data *d = n->reg;
	struct seg g;
	int e = segset_split_at_ends(&d->pages, r);

	*freed = NULL;
	if (e)
		return e;
	for (g = segset_lower_bound(&d->pages, r.start); seg_ok(g) && seg_start(g) < r.end;) {
		struct tmpfs_freed *f = malloc(sizeof(*f));
		struct gap gap;

		if (!f) {
			e = -ENOMEM;
			break;
		}
		f->range = range_make(seg_offset(g, seg_start(g)), seg_offset(g, seg_end(g)));
		f->next = d->freed;
		d->freed = f;
		d->page_count -= range_len(f->range) >> PAGE_SHIFT;
		gap = segset_remove(&d->pages, g);
		g = gap_next_seg(&d->pages, gap);
	}
	if (d->ios == 0) {
		*freed = d->freed;
		d->freed = NULL;
	}
	return e;
}

/* Zeroes [start, end), which lies in one page, if there is one. */
static void zero_part_locked(struct tmpfs_node *n, uint64_t start, uint64_t end)
{
	struct seg g = segset_find(&n->reg->pages, start);
	uint64_t contiguous;
	char *p;

	if (start >= end || !seg_ok(g))
		return;
	p = memfile_ptr(tmpfs_of(&n->inode)->mf, seg_offset(g, start), &contiguous);
	if (p)
		(void)!guarded_zero(p, MIN(end - start, contiguous));
}

static struct range whole_pages(uint64_t start, uint64_t end)
{
	struct range r = { (start + PAGE_SIZE - 1) & PAGE_MASK, page_down(end) };

	if (r.end < r.start)
		r.end = r.start;
	return r;
}

enum { TO_END = 0 };

int tmpfs_data_punch(struct tmpfs_node *n, uint64_t start, uint64_t end)
{
	struct range r = whole_pages(start, end);
	struct tmpfs_freed *freed = NULL;
	int e = 0;

	mutex_lock(&n->data);
	zero_part_locked(n, start, MIN(end, (start + PAGE_SIZE - 1) & PAGE_MASK));
	if (page_down(end) >= start)
		zero_part_locked(n, page_down(end), end);
	if (!range_empty(r))
		e = drop_locked(n, r, &freed);
	mutex_unlock(&n->data);
	if (!range_empty(r))
		mappings_invalidate(&n->reg->mappings, r, INVALIDATE_SHARED);
	tmpfs_free_ranges(tmpfs_of(&n->inode), freed);
	return e;
}

int tmpfs_data_truncate(struct tmpfs_node *n, uint64_t size)
{
	struct tmpfs_freed *freed = NULL;
	struct tmpfs_data *d;
	struct range gone;
	uint64_t old;
	int e;

	if (size > INT64_MAX - PAGE_SIZE)
		return -EFBIG;
	e = tmpfs_data_get(n, &d);
	if (e)
		return e;
	mutex_lock(&n->inode.lock);
	e = tmpfs_copy_up(n, size);
	if (e)
		goto out_unlock;
	mutex_lock(&n->data);
	old = n->attr.size;
	if ((size < old && d->seals & F_SEAL_SHRINK) || (size > old && d->seals & F_SEAL_GROW)) {
		mutex_unlock(&n->data);
		e = -EPERM;
		goto out_unlock;
	}
	n->attr.size = size;
	gone = range_make((size + PAGE_SIZE - 1) & PAGE_MASK, INT64_MAX & PAGE_MASK);
	if (size < old) {
		zero_part_locked(n, size, gone.start);
		e = drop_locked(n, gone, &freed);
	} else {
		zero_part_locked(n, old, MIN(size, (old + PAGE_SIZE - 1) & PAGE_MASK));
	}
	mutex_unlock(&n->data);
	if (size < old)
		mappings_invalidate(&d->mappings, gone, INVALIDATE_ALL);
	tmpfs_free_ranges(tmpfs_of(&n->inode), freed);
out_unlock:
	mutex_unlock(&n->inode.lock);
	return e;
}
