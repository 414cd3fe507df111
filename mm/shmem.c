/* SPDX-License-Identifier: Apache-2.0 */
/* Shared memory without a file. Its bytes are allocated from the memory file in units of 2 MiB when they are first translated,
 * and never move, so that nothing needs to be invalidated; it goes away with the last vma or segment that refers to it. */
#include "mm/shmem.h"

#include "base/ref.h"
#include "mm/mm_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shmem {
	struct mappable mappable;
	struct ref ref;
	struct memfile *memfile; /* immutable */
	uint64_t size, ino; /* immutable */
	struct mutex lock;
	struct segset data; /* offsets -> offset in the memory file; one reference each. Protected by lock */
	char name[];
};

static bool data_merge(struct range r1, void *v1, struct range r2, const void *v2)
{
	(void)r2;
	return *(uint64_t *)v1 + range_len(r1) == *(const uint64_t *)v2;
}

static void data_split(struct range r, void *v, uint64_t at, void *v2)
{
	(void)v;
	*(uint64_t *)v2 += at - r.start;
}

static const struct segset_ops data_ops = {
	.value_size = sizeof(uint64_t),
	.merge = data_merge,
	.split = data_split,
};

static struct shmem *shmem_of(struct mappable *m)
{
	return CONTAINER_OF(m, struct shmem, mappable);
}

static void shmem_get(struct mappable *m)
{
	ref_get(&shmem_of(m)->ref);
}

/* Where the part of g, all of it or less, lies in the memory file. */
static struct range part_of(struct seg g, struct range part)
{
	uint64_t off = *(uint64_t *)seg_value(g) + (part.start - seg_start(g));

	return range_make(off, off + range_len(part));
}

static void shmem_put(struct mappable *m)
{
	struct shmem *s = shmem_of(m);
	struct seg g;

	if (!ref_put(&s->ref))
		return;
	for (g = segset_first(&s->data); seg_ok(g); g = seg_next(g))
		memfile_unref(s->memfile, part_of(g, seg_range(g)));
	segset_clear(&s->data);
	mutex_destroy(&s->lock);
	free(s);
}

static int shmem_add(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	(void)m, (void)mm, (void)r, (void)off, (void)writable;
	return 0;
}

static void shmem_remove(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	(void)m, (void)mm, (void)r, (void)off, (void)writable;
}

/* The segment that holds `at`, made if need be. */
static int find_or_alloc(struct shmem *s, uint64_t at, struct seg *out)
{
	struct range room, r;
	struct gap gap;
	uint64_t off;
	bool ok;
	int err;

	*out = segset_find(&s->data, at);
	if (seg_ok(*out))
		return 0;
	gap = segset_find_gap(&s->data, at, &ok);
	room = range_intersect(gap_range(&s->data, gap), range_make(0, s->size));
	r = range_intersect(range_make(align_down(at, MM_UNIT), align_down(at, MM_UNIT) + MM_UNIT), room);
	err = memfile_alloc(s->memfile, range_len(r), PAGE_SIZE, 0, MEMFILE_BOTTOM_UP, &off);
	if (err == -ENOMEM) {
		r = range_make(page_down(at), page_down(at) + PAGE_SIZE);
		err = memfile_alloc(s->memfile, PAGE_SIZE, PAGE_SIZE, 0, MEMFILE_BOTTOM_UP, &off);
	}
	if (err)
		return err;
	err = segset_insert(&s->data, gap, r, &off, out);
	if (err)
		memfile_unref(s->memfile, range_make(off, off + range_len(r)));
	return err;
}

static int shmem_translate(struct mappable *m, struct range required, struct range optional, int prot,
			   struct translation out[static TRANSLATIONS_MAX], int *err)
{
	struct shmem *s = shmem_of(m);
	uint64_t at = required.start;
	int n = 0;

	(void)prot;
	*err = 0;
	mutex_lock(&s->lock);
	while (n < TRANSLATIONS_MAX && at < optional.end) {
		struct range r;
		struct seg g;

		if (at >= s->size) {
			*err = -EFAULT;
			break;
		}
		if (at >= required.end && !seg_ok(segset_find(&s->data, at)))
			break;
		*err = find_or_alloc(s, at, &g);
		if (*err)
			break;
		r = range_intersect(seg_range(g), optional);
		if (n)
			r.start = at;
		out[n] = (struct translation){ .src = r,
					       .file = memfile_file(s->memfile),
					       .off = *(uint64_t *)seg_value(g) + (r.start - seg_start(g)),
					       .prot = PROT_ALL };
		memfile_ref(s->memfile, range_make(out[n].off, out[n].off + range_len(r)));
		n++;
		at = r.end;
	}
	mutex_unlock(&s->lock);
	return n;
}

static int shmem_punch(struct mappable *m, struct range r)
{
	struct shmem *s = shmem_of(m);
	struct seg g;
	int err = 0;

	mutex_lock(&s->lock);
	for (g = segset_lower_bound(&s->data, r.start); seg_ok(g) && seg_start(g) < r.end && !err; g = seg_next(g)) {
		err = memfile_decommit(s->memfile, part_of(g, range_intersect(seg_range(g), r)));
	}
	mutex_unlock(&s->lock);
	return err;
}

static void shmem_residency(struct mappable *m, struct range r, unsigned char *vec)
{
	struct shmem *s = shmem_of(m);
	struct seg g;

	mutex_lock(&s->lock);
	for (g = segset_lower_bound(&s->data, r.start); seg_ok(g) && seg_start(g) < r.end; g = seg_next(g)) {
		struct range part = range_intersect(seg_range(g), r);

		file_residency(memfile_file(s->memfile), part_of(g, part), vec + (part.start - r.start) / PAGE_SIZE);
	}
	mutex_unlock(&s->lock);
}

static void shmem_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	snprintf(buf, size, "%s", shmem_of(m)->name);
	*dev = 1;
	*ino = shmem_of(m)->ino;
}

static const struct mappable_ops shmem_ops = {
	.get = shmem_get,
	.put = shmem_put,
	.add_mapping = shmem_add,
	.remove_mapping = shmem_remove,
	.translate = shmem_translate,
	.punch = shmem_punch,
	.residency = shmem_residency,
	.describe = shmem_describe,
};

int shmem_new(struct memfile *mf, uint64_t size, const char *name, struct mappable **out)
{
	static _Atomic uint64_t next_ino = 1024;
	size_t n = strlen(name) + 1;
	struct shmem *s = calloc(1, sizeof(*s) + n);

	if (!s)
		return -ENOMEM;
	s->mappable.ops = &shmem_ops;
	ref_init(&s->ref);
	s->memfile = mf;
	s->size = align_up(size, PAGE_SIZE);
	s->ino = next_ino++;
	mutex_init(&s->lock);
	segset_init(&s->data, &data_ops);
	memcpy(s->name, name, n);
	*out = &s->mappable;
	return 0;
}

uint64_t shmem_size(const struct mappable *m)
{
	return CONTAINER_OF(m, const struct shmem, mappable)->size;
}

uint64_t shmem_resident(struct mappable *m)
{
	struct shmem *s = shmem_of(m);
	uint64_t bytes = 0;
	struct seg g;

	mutex_lock(&s->lock);
	for (g = segset_first(&s->data); seg_ok(g); g = seg_next(g))
		bytes += memfile_resident_in(s->memfile, part_of(g, seg_range(g)));
	mutex_unlock(&s->lock);
	return bytes;
}
