/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of who maps what, and invalidation.
 *
 * Theory of operation. A registry keeps, per mm, a segment set from guest addresses to offsets of the mappable. mms are held by no
 * reference here: a registered range belongs to a vma, and an mm unregisters its vmas before it goes, under the registry's lock.
 *
 * An invalidation may not hold the registry's lock while it takes an mm's locks (they are above it). So it picks an mm that
 * it has not visited, takes a reference, lets go, and drops what the mm's vmas say at that time. A fork that copies a
 * stale pma holds both mms' locks from the child's first registration on, so either the child is found here, and waited for,
 * or it was copied after the parent had been visited. The search ends when every registered mm has been visited in this pass.
 */
#include "base/hash.h"
#include "base/log.h"
#include "mm/mm_internal.h"

#include <errno.h>
#include <stdlib.h>

struct mapped {
	uint64_t off;
	bool writable;
};

struct mapping_mm {
	struct mm *mm;
	struct segset ranges; /* guest addresses -> struct mapped */
	uint64_t visited; /* the last pass that visited it */
	TAILQ_ENTRY(mapping_mm) link; /* who was not visited in this pass comes before who was */
	UT_hash_handle hh;
};

static bool mapped_merge(struct range r1, void *v1, struct range r2, const void *v2)
{
	struct mapped *a = v1;
	const struct mapped *b = v2;

	(void)r2;
	return a->writable == b->writable && a->off + range_len(r1) == b->off;
}

static void mapped_split(struct range r, void *v, uint64_t at, void *v2)
{
	(void)v;
	((struct mapped *)v2)->off += at - r.start;
}

static const struct segset_ops mapped_ops = {
	.value_size = sizeof(struct mapped),
	.merge = mapped_merge,
	.split = mapped_split,
};

void mappings_init(struct mappings *ms)
{
	*ms = (struct mappings){ .lock = MUTEX_INITIALIZER, .invalidating = MUTEX_INITIALIZER };
	TAILQ_INIT(&ms->order);
}

void mappings_destroy(struct mappings *ms)
{
	assert(!ms->mms);
	mutex_destroy(&ms->lock);
	mutex_destroy(&ms->invalidating);
}

static struct mapping_mm *find_mm(struct mappings *ms, struct mm *mm)
{
	struct mapping_mm *e;

	HASH_FIND_PTR(ms->mms, &mm, e);
	return e;
}

static struct mapping_mm *add_mm(struct mappings *ms, struct mm *mm)
{
	struct mapping_mm *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->mm = mm;
	segset_init(&e->ranges, &mapped_ops);
	HASH_ADD_PTR(ms->mms, mm, e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	TAILQ_INSERT_HEAD(&ms->order, e, link);
	return e;
}

static void forget_if_empty(struct mappings *ms, struct mapping_mm *e)
{
	if (!segset_empty(&e->ranges))
		return;
	HASH_DEL(ms->mms, e);
	TAILQ_REMOVE(&ms->order, e, link);
	segset_clear(&e->ranges);
	free(e);
}

int mappings_add(struct mappings *ms, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	struct mapped v = { .off = off, .writable = writable };
	struct mapping_mm *e;
	struct seg out;
	bool ok;
	int err = -ENOMEM;

	mutex_lock(&ms->lock);
	e = find_mm(ms, mm);
	if (!e)
		e = add_mm(ms, mm);
	if (!e)
		goto out;
	err = segset_reserve(&e->ranges, 3);
	if (!err)
		err = segset_insert(&e->ranges, segset_find_gap(&e->ranges, r.start, &ok), r, &v, &out);
	if (err)
		forget_if_empty(ms, e);
	else if (writable)
		ms->writable += range_len(r);
out:
	mutex_unlock(&ms->lock);
	return err;
}

/* Takes r out of g. A cut in the middle needs memory, which add and remove keep in reserve: a removal cannot fail. */
static void cut(struct segset *s, struct seg g, struct range r)
{
	struct range whole = seg_range(g);
	struct mapped *v = seg_value(g);

	if (whole.start == r.start && whole.end == r.end) {
		segset_remove(s, g);
	} else if (whole.start == r.start) {
		v->off += range_len(r);
		seg_set_start(g, r.end);
	} else if (whole.end == r.end) {
		seg_set_end(g, r.start);
	} else {
		if (segset_isolate(s, g, r, &g))
			panic("mappings_remove: out of memory twice");
		segset_remove(s, g);
		if (segset_reserve(s, 2))
			log_debug("mappings_remove: no memory to keep in reserve");
	}
}

void mappings_remove(struct mappings *ms, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	struct mapping_mm *e;
	struct seg g;

	(void)off;
	mutex_lock(&ms->lock);
	e = find_mm(ms, mm);
	if (!e)
		panic("mappings_remove: an mm that maps nothing");
	g = segset_find(&e->ranges, r.start);
	if (!seg_ok(g) || !range_superset(seg_range(g), r))
		panic("mappings_remove: [%#lx, %#lx) is not registered", r.start, r.end);
	cut(&e->ranges, g, r);
	if (writable)
		ms->writable -= range_len(r);
	forget_if_empty(ms, e);
	mutex_unlock(&ms->lock);
}

bool mappings_empty(struct mappings *ms)
{
	bool empty;

	mutex_lock(&ms->lock);
	empty = !ms->mms;
	mutex_unlock(&ms->lock);
	return empty;
}

size_t mappings_count(struct mappings *ms)
{
	struct mapping_mm *e;
	size_t n = 0;

	mutex_lock(&ms->lock);
	TAILQ_FOREACH (e, &ms->order, link)
		n += e->ranges.count;
	mutex_unlock(&ms->lock);
	return n;
}

bool mappings_writable(struct mappings *ms)
{
	bool writable;

	mutex_lock(&ms->lock);
	writable = ms->writable;
	mutex_unlock(&ms->lock);
	return writable;
}

/* An mm that this pass has not visited, with a reference; NULL when there is none. */
static struct mm *next_unvisited(struct mappings *ms, uint64_t pass)
{
	struct mapping_mm *e;
	struct mm *mm = NULL;

	mutex_lock(&ms->lock);
	e = TAILQ_FIRST(&ms->order);
	if (e && e->visited < pass) {
		e->visited = pass;
		TAILQ_REMOVE(&ms->order, e, link);
		TAILQ_INSERT_TAIL(&ms->order, e, link);
		mm = e->mm; /* alive: it unregisters under this lock before it goes */
		mm_get(mm);
	}
	mutex_unlock(&ms->lock);
	return mm;
}

/* The host or memory may refuse to cut a mapping in the middle: then whole pmas go, except private ones. */
static void drop(struct mm *mm, struct range r, enum pma_drop which)
{
	struct seg first, last;

	if (!pmas_drop_locked(mm, r, which))
		return;
	first = segset_lower_bound(&mm->pmas, r.start);
	last = segset_upper_bound(&mm->pmas, r.end - 1);
	if (!seg_ok(first) || !seg_ok(last))
		return;
	r = range_make(MIN(r.start, seg_start(first)), MAX(r.end, seg_end(last)));
	if (pmas_drop_locked(mm, r, DROP_SHARED))
		log_debug("invalidate: the host keeps [%#lx, %#lx) mapped", r.start, r.end);
}

/* Drops the pmas of mm's vmas that map [r) of the registry's offsets, as far as they are registered now. */
static void invalidate_mm(struct mappings *ms, struct mm *mm, struct range r, enum pma_drop which)
{
	uint64_t at = 0;
	struct seg g;

	mm_lock(mm);
	for (;;) {
		struct range part = { 0, 0 };
		struct mapping_mm *e;
		struct mapped v = { 0 };

		mutex_lock(&ms->lock);
		e = find_mm(ms, mm);
		g = e ? segset_lower_bound(&e->ranges, at) : (struct seg){ 0 };
		if (seg_ok(g)) {
			part = seg_range(g);
			v = *(struct mapped *)seg_value(g);
		}
		mutex_unlock(&ms->lock);
		if (range_empty(part))
			break;
		at = part.end;
		if (r.end > v.off && r.start < v.off + range_len(part)) {
			struct range hit = { r.start > v.off ? part.start + (r.start - v.off) : part.start, part.end };

			if (r.end < v.off + range_len(part))
				hit.end = part.start + (r.end - v.off);
			drop(mm, hit, which);
		}
	}
	mm_unlock(mm);
}

void mappings_invalidate(struct mappings *ms, struct range r, enum invalidate_private which)
{
	uint64_t pass;
	struct mm *mm;

	r = range_make(page_down(r.start), align_up(r.end, PAGE_SIZE));
	mutex_lock(&ms->invalidating);
	pass = ++ms->pass;
	while ((mm = next_unvisited(ms, pass))) {
		invalidate_mm(ms, mm, r, which == INVALIDATE_ALL ? DROP_ALL : DROP_SHARED);
		mm_put(mm);
	}
	mutex_unlock(&ms->invalidating);
}
