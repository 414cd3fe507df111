/* SPDX-License-Identifier: Apache-2.0 */
/* The memory file: one memfd that backs all guest anonymous memory and every file that lives in memory.
 *
 * Theory of operation. Offsets are allocated in page units from a growing sparse file. A reference set (a segment set from
 * offsets to counts, always fully merged) says how often each byte range is used; at zero the range is punched out of
 * the file at once, so it goes back to the host and reads as zero when it is allocated again. The sentry maps the file in
 * fixed chunks on first use, so the internal address of an offset is arithmetic and never changes.
 *
 * Its limit is the guest's memory limit, so the account is kept here of everything that counts against it: the pages, and the
 * sentry's own memory where a guest can make that grow without having pages, as by files without contents (memfile_charge).
 *
 * Locks: its own mutex, a leaf but for nothing. Safe from any thread.
 */
#ifndef MM_MEMFILE_H
#define MM_MEMFILE_H

#include "mm/file.h"

struct memfile;
struct io;

/* limit: how many bytes may be allocated and charged at once; 0 for no limit. */
int memfile_new(uint64_t limit, struct memfile **out) MUST_CHECK;
void memfile_free(struct memfile *mf);
/* The memory file as something pmas can refer to. */
struct mm_file *memfile_file(struct memfile *mf);

enum memfile_dir { MEMFILE_BOTTOM_UP, MEMFILE_TOP_DOWN };
/* Allocates `len` bytes (page multiple) of zeroes with one reference, at an offset congruent to `align_offset` modulo `align`
 * (power of two, at least a page). -ENOMEM: limit, or the host. */
int memfile_alloc(struct memfile *mf, uint64_t len, uint64_t align, uint64_t align_offset, enum memfile_dir dir,
		  uint64_t *off) MUST_CHECK;
/* Counts bytes of the sentry's own memory against the limit, until they are given back. -ENOMEM: it has no room for them. */
int memfile_charge(struct memfile *mf, uint64_t bytes) MUST_CHECK;
void memfile_uncharge(struct memfile *mf, uint64_t bytes);
/* How many bytes the limit leaves; UINT64_MAX without a limit. */
uint64_t memfile_left(struct memfile *mf);
void memfile_ref(struct memfile *mf, struct range r);
void memfile_unref(struct memfile *mf, struct range r);
/* Does every page of r have exactly one reference? */
bool memfile_sole_ref(struct memfile *mf, struct range r);
/* The sentry's address of r: up to the end of the chunk that holds r.start; *len is how much is contiguous. NULL on failure (-ENOMEM). */
void *memfile_ptr(struct memfile *mf, uint64_t off, uint64_t *len);
/* Moves up to max bytes of io to off, which must be allocated, without mapping what is written. */
ssize_t memfile_write(struct memfile *mf, struct io *io, size_t max, uint64_t off) MUST_CHECK;
/* Enters the pages of r in the page cache now, in one host call; best effort. */
void memfile_commit(struct memfile *mf, struct range r);
/* How many bytes of r are in the page cache. */
uint64_t memfile_resident_in(struct memfile *mf, struct range r);
/* Frees the pages of r but keeps the allocation: they read as zero. */
int memfile_decommit(struct memfile *mf, struct range r) MUST_CHECK;
/* Bytes allocated, bytes charged, and bytes of the file that the host actually holds. */
uint64_t memfile_allocated(struct memfile *mf);
uint64_t memfile_charged(struct memfile *mf);
uint64_t memfile_resident(struct memfile *mf);
bool memfile_check(struct memfile *mf);

#endif
