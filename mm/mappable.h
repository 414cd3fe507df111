/* SPDX-License-Identifier: Apache-2.0 */
/* Mappables: what a vma can map besides anonymous memory. Inodes implement it, shared memory too.
 *
 * A mappable translates ranges of its own offsets into pieces of mm_files, and remembers who maps it so that it can
 * invalidate when the translation changes (truncation, hole punching).
 *
 * Locks: add, remove and copy are called with the mapping lock held; translate with the active lock held too. The
 * mappable's own lock is below both in these calls, so a mappable must not call mappings_invalidate() with a lock held that its translate takes.
 */
#ifndef MM_MAPPABLE_H
#define MM_MAPPABLE_H

#include "base/lock.h"
#include "mm/file.h"
#include "mm/segset.h"

#include <sys/queue.h>

struct mm;
struct mappable;

/* One piece of a translation: source [src) of the mappable lies in file at off. */
struct translation {
	struct range src;
	struct mm_file *file;
	uint64_t off;
	int prot; /* maximum permissions that this piece allows */
};

enum { TRANSLATIONS_MAX = 16 };

struct mappable_ops {
	/* A reference on the object that the mappable is part of. Under an mm's locks never the last one is given back. */
	void (*get)(struct mappable *m);
	void (*put)(struct mappable *m);
	/* The vma [r) of mm now maps the mappable from off on. may fail with errno. */
	int (*add_mapping)(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable);
	void (*remove_mapping)(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable);
	/* Stores increasing, adjacent pieces that cover `required` as far as possible and maybe more of `optional` (its superset), for an access `prot`.
	 * Each piece carries one reference for the caller on its file range. Returns the count; *err is the errno (negative) that
	 * ended it before optional.end, else 0: -EFAULT beyond the end of the object (SIGBUS), -ENOMEM, -EIO. */
	int (*translate)(struct mappable *m, struct range required, struct range optional, int prot,
			 struct translation out[static TRANSLATIONS_MAX], int *err);
	/* msync: writes what was changed through shared mappings back. May be NULL. */
	int (*sync)(struct mappable *m, struct range r);
	/* madvise(MADV_REMOVE): the bytes of r read as zero from now on. NULL: -EOPNOTSUPP. */
	int (*punch)(struct mappable *m, struct range r);
	/* mincore: a byte for each page of r, bit 0 set if it is in memory, bit 0 clear or the byte left alone if not. Makes nothing. May be NULL. */
	void (*residency)(struct mappable *m, struct range r, unsigned char *vec);
	/* "/dev/zero (deleted)", a path: for /proc/PID/maps. dev and inode numbers too. May be NULL. */
	void (*describe)(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino);
};

/* Which pages of r of a file the host holds: a byte a page, bit 0. Touches nothing. */
void file_residency(struct mm_file *f, struct range r, unsigned char *vec);

struct mappable {
	const struct mappable_ops *ops;
};

/* The registry most mappables embed: who maps which range. */
struct mapping_mm;
struct mappings {
	struct mutex invalidating; /* one invalidation at a time; above the mm locks */
	struct mutex lock; /* protects the rest */
	struct mapping_mm *mms; /* hash table of mms that map something: mappable.c */
	TAILQ_HEAD(, mapping_mm) order; /* the same ones, in the order of their next visit */
	uint64_t writable; /* bytes mapped shared and possibly writable */
	uint64_t pass; /* invalidations so far */
};

void mappings_init(struct mappings *ms);
void mappings_destroy(struct mappings *ms);
int mappings_add(struct mappings *ms, struct mm *mm, struct range r, uint64_t off, bool writable) MUST_CHECK;
void mappings_remove(struct mappings *ms, struct mm *mm, struct range r, uint64_t off, bool writable);
bool mappings_empty(struct mappings *ms);
/* Runs of addresses that map a run of the mappable, in all mms. */
size_t mappings_count(struct mappings *ms);
bool mappings_writable(struct mappings *ms);

enum invalidate_private { INVALIDATE_SHARED, INVALIDATE_ALL };
/* Drops the pmas of every mapping of [r) of the mappable's offsets, in every mm; private (already copied) pages too if ALL. */
void mappings_invalidate(struct mappings *ms, struct range r, enum invalidate_private which);

#endif
