/* SPDX-License-Identifier: Apache-2.0 */
/* The memory file.
 *
 * Theory of operation. `refs` maps offsets to reference counts and is kept fully merged, so a range whose pages all have one reference
 * is one segment, and its gaps are what can be allocated. The file grows by doubling: allocation searches below `top` only,
 * so that offsets stay small, which keeps the host's page cache index and our table of chunks shallow.
 *
 * A range whose count falls to zero stays in the set with count 0 while its pages are punched out without the lock held, and is removed
 * afterwards: it cannot be allocated in between, hence what is allocated always reads as zero. Segments with count 0
 * never merge, and only the thread that made them touches them.
 *
 * Splitting a segment may need memory where the caller cannot be told (ref, unref). A pool of nodes is filled at each allocation
 * against that. If it is empty nevertheless, whole segments are counted too high: memory is lost, never shared by mistake.
 *
 * The sentry's mappings of the file are chunks, made at first use and kept. Readers of the chunk table take no lock.
 */
#include "mm/memfile.h"

#include "base/lock.h"
#include "base/log.h"
#include "mm/guest.h"
#include "mm/segset.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define CHUNK_SIZE (256ULL << 20)
#define FILE_MAX (16ULL << 40)
#define TOP_MIN (64ULL << 20)
#define NO_LIMIT UINT64_MAX

enum {
	CHUNKS = FILE_MAX / CHUNK_SIZE,
	UNREF_BATCH = 32, /* freed ranges that are punched under one release of the lock */
	ALIGN_TRIES = 64, /* gaps looked at that are large enough but for alignment */
	SPARE_SPLITS = 4, /* insertions that the pool is kept ready for */
};

struct memfile {
	struct mm_file file; /* immutable but for the platform's slot */
	struct mutex lock;
	struct segset refs; /* of uint64_t; lock */
	uint64_t limit; /* immutable */
	uint64_t allocated, charged; /* together never above the limit; lock */
	uint64_t top; /* size of the file; lock */
	struct mutex chunk_lock; /* making a chunk */
	_Atomic(char *) chunks[CHUNKS];
};

/* --- the reference set --- */

static uint64_t *refs_of(struct seg g)
{
	return seg_value(g);
}

static bool refs_merge(struct range r1, void *v1, struct range r2, const void *v2)
{
	uint64_t a = *(uint64_t *)v1, b = *(const uint64_t *)v2;

	(void)r1;
	(void)r2;
	return a == b && a;
}

static void refs_print(const void *v, char *buf, size_t size)
{
	snprintf(buf, size, "refs %llu", (unsigned long long)*(const uint64_t *)v);
}

static bool refs_valid(struct range r, const void *v)
{
	(void)v;
	return !((r.start | r.end) & ~PAGE_MASK);
}

static const struct segset_ops refs_ops = {
	.value_size = sizeof(uint64_t), .merge = refs_merge, .print = refs_print, .valid = refs_valid
};

/* --- making and growing the file --- */

static bool may_execute(int fd)
{
	void *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, PAGE_SIZE);
	return true;
}

/* A memfd that guests can execute from but that nobody can run as a program, where the host knows that kind. */
static int open_memfd(void)
{
	static const unsigned kinds[] = { MFD_NOEXEC_SEAL, MFD_EXEC, 0 };
	int err = ENOSYS;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int fd = memfd_create("sbx-memory", MFD_CLOEXEC | kinds[i]);

		if (fd < 0) {
			err = errno;
			continue;
		}
		if (may_execute(fd))
			return fd;
		err = EPERM;
		close(fd);
	}
	return -err;
}

/* Growing beyond RLIMIT_FSIZE would raise SIGXFSZ. */
static uint64_t file_max(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_FSIZE, &lim) || lim.rlim_cur == RLIM_INFINITY)
		return FILE_MAX;
	return MIN((uint64_t)lim.rlim_cur & PAGE_MASK, (uint64_t)FILE_MAX);
}

static int grow(struct memfile *mf, uint64_t len)
{
	uint64_t max = file_max(), top = mf->top;

	if (top >= max)
		return -ENOMEM;
	top = MAX(2 * top, TOP_MIN);
	while (top - mf->top < len && top < max)
		top *= 2;
	top = MIN(top, max);
	if (ftruncate(mf->file.host.fd, (off_t)top))
		return -ENOMEM;
	mf->top = top;
	return 0;
}

static void file_ref(struct mm_file *f, struct range r)
{
	memfile_ref(CONTAINER_OF(f, struct memfile, file), r);
}

static void file_unref(struct mm_file *f, struct range r)
{
	memfile_unref(CONTAINER_OF(f, struct memfile, file), r);
}

static bool file_sole_ref(struct mm_file *f, struct range r)
{
	return memfile_sole_ref(CONTAINER_OF(f, struct memfile, file), r);
}

static void *file_map_internal(struct mm_file *f, uint64_t off, bool write, uint64_t *len)
{
	(void)write;
	return memfile_ptr(CONTAINER_OF(f, struct memfile, file), off, len);
}

static const struct mm_file_ops file_ops = {
	.ref = file_ref, .unref = file_unref, .sole_ref = file_sole_ref, .map_internal = file_map_internal
};

int memfile_new(uint64_t limit, struct memfile **out)
{
	struct memfile *mf = calloc(1, sizeof(*mf));
	int fd;

	if (!mf)
		return -ENOMEM;
	fd = open_memfd();
	if (fd < 0) {
		free(mf);
		return fd;
	}
	mf->file.ops = &file_ops;
	platform_file_init(&mf->file.host, fd);
	mutex_init(&mf->lock);
	mutex_init(&mf->chunk_lock);
	segset_init(&mf->refs, &refs_ops);
	mf->limit = limit ? limit : NO_LIMIT;
	*out = mf;
	return 0;
}

void memfile_free(struct memfile *mf)
{
	int fd = mf->file.host.fd;

	platform_file_fini(&mf->file.host);
	for (size_t i = 0; i < CHUNKS; i++) {
		char *p = atomic_load_explicit(&mf->chunks[i], memory_order_relaxed);

		if (p)
			munmap(p, CHUNK_SIZE);
	}
	close(fd);
	segset_clear(&mf->refs);
	mutex_destroy(&mf->lock);
	mutex_destroy(&mf->chunk_lock);
	free(mf);
}

struct mm_file *memfile_file(struct memfile *mf)
{
	return &mf->file;
}

/* --- allocation --- */

struct want {
	uint64_t len, align, rest; /* offset % align == rest */
	enum memfile_dir dir;
};

/* The place in gap r that w asks for, if it fits. */
static bool fit(const struct want *w, struct range r, uint64_t *off)
{
	uint64_t x;

	if (range_empty(r) || range_len(r) < w->len)
		return false;
	if (w->dir == MEMFILE_BOTTOM_UP) {
		x = r.start + ((w->rest - r.start) & (w->align - 1));
		*off = x;
		return x >= r.start && x <= r.end - w->len;
	}
	x = r.end - w->len;
	x -= (x - w->rest) & (w->align - 1);
	*off = x;
	return x >= r.start && x <= r.end - w->len;
}

/* Looks at gaps of at least w->len below top; after some that only alignment spoiled, at such that fit in any case. */
static bool find_room(struct memfile *mf, const struct want *w, uint64_t *off, struct gap *gap)
{
	bool up = w->dir == MEMFILE_BOTTOM_UP, ok = true;
	struct gap p = up ? segset_first_gap(&mf->refs) : segset_last_gap(&mf->refs);
	uint64_t size = w->len;

	for (int tries = 0; ok; tries++) {
		struct seg g;

		if (tries == ALIGN_TRIES)
			size += w->align - PAGE_SIZE;
		p = up ? segset_gap_at_least_up(&mf->refs, p, size, &ok) :
			 segset_gap_at_least_down(&mf->refs, p, size, &ok);
		if (!ok)
			break;
		*gap = p;
		if (fit(w, range_intersect(gap_range(&mf->refs, p), range_make(0, mf->top)), off))
			return true;
		g = up ? gap_next_seg(&mf->refs, p) : gap_prev_seg(&mf->refs, p);
		if (!seg_ok(g))
			break;
		p = up ? seg_next_gap(g) : seg_prev_gap(g);
	}
	return false;
}

static uint64_t left_locked(const struct memfile *mf)
{
	return mf->limit - mf->allocated - mf->charged;
}

static int alloc_locked(struct memfile *mf, const struct want *w, uint64_t *off)
{
	uint64_t one = 1;
	struct gap p;
	int err;

	if (w->len > left_locked(mf))
		return -ENOMEM;
	err = segset_reserve(&mf->refs, SPARE_SPLITS);
	while (!err && !find_room(mf, w, off, &p))
		err = grow(mf, w->len + w->align);
	if (!err)
		err = segset_insert(&mf->refs, p, range_make(*off, *off + w->len), &one, NULL);
	if (!err)
		mf->allocated += w->len;
	return err;
}

int memfile_alloc(struct memfile *mf, uint64_t len, uint64_t align, uint64_t align_offset, enum memfile_dir dir,
		  uint64_t *off)
{
	struct want w = { len, align, align_offset & (align - 1), dir };
	int err;

	assert(len && !(len & ~PAGE_MASK) && align >= PAGE_SIZE && !(align & (align - 1)));
	assert(!(align_offset & ~PAGE_MASK));
	if (len > FILE_MAX || align > FILE_MAX)
		return -ENOMEM;
	mutex_lock(&mf->lock);
	err = alloc_locked(mf, &w, off);
	mutex_unlock(&mf->lock);
	return err;
}

/* --- what is counted beside the pages --- */

int memfile_charge(struct memfile *mf, uint64_t bytes)
{
	int err = -ENOMEM;

	mutex_lock(&mf->lock);
	if (bytes <= left_locked(mf)) {
		mf->charged += bytes;
		err = 0;
	}
	mutex_unlock(&mf->lock);
	return err;
}

void memfile_uncharge(struct memfile *mf, uint64_t bytes)
{
	mutex_lock(&mf->lock);
	assert(bytes <= mf->charged);
	mf->charged -= bytes;
	mutex_unlock(&mf->lock);
}

uint64_t memfile_charged(struct memfile *mf)
{
	uint64_t n;

	mutex_lock(&mf->lock);
	n = mf->charged;
	mutex_unlock(&mf->lock);
	return n;
}

uint64_t memfile_left(struct memfile *mf)
{
	uint64_t n;

	mutex_lock(&mf->lock);
	n = mf->limit == NO_LIMIT ? UINT64_MAX : left_locked(mf);
	mutex_unlock(&mf->lock);
	return n;
}

/* --- references --- */

/* The segment that starts at `at`, cut at end; without memory for that, the whole segment that contains it. */
static struct seg cut(struct memfile *mf, uint64_t at, uint64_t end)
{
	struct seg g = segset_find(&mf->refs, at);

	if (!seg_ok(g) || !*refs_of(g))
		panic("memory file: offset %#llx is not allocated", (unsigned long long)at);
	if (segset_isolate(&mf->refs, g, range_make(at, end), &g))
		log_debug("memory file: no memory to split a reference");
	return g;
}

void memfile_ref(struct memfile *mf, struct range r)
{
	struct seg g;

	mutex_lock(&mf->lock);
	for (uint64_t at = r.start; at < r.end; at = seg_end(g)) {
		g = cut(mf, at, r.end);
		++*refs_of(g);
	}
	segset_merge_range(&mf->refs, r);
	mutex_unlock(&mf->lock);
}

static int punch(struct memfile *mf, struct range r)
{
	if (!fallocate(mf->file.host.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)r.start,
		       (off_t)range_len(r)))
		return 0;
	return -errno;
}

/* Takes the segments of r, whose counts are 0, out of the set. */
static void forget_locked(struct memfile *mf, struct range r)
{
	struct seg g;

	while (seg_ok(g = segset_lower_bound(&mf->refs, r.start)) && seg_start(g) < r.end) {
		assert(!*refs_of(g) && range_superset(r, seg_range(g)));
		mf->allocated -= range_len(seg_range(g));
		segset_remove(&mf->refs, g);
	}
}

/* Punches what has no reference left. Drops the lock meanwhile: nobody can allocate or refer to these ranges. */
static void free_locked(struct memfile *mf, const struct range *dead, size_t count) NO_THREAD_SAFETY_ANALYSIS
{
	bool clean[UNREF_BATCH];

	if (!count)
		return;
	mutex_unlock(&mf->lock);
	for (size_t i = 0; i < count; i++) {
		int err = punch(mf, dead[i]);

		clean[i] = !err;
		if (err)
			log_debug("memory file: cannot free %#llx bytes: %d", (unsigned long long)range_len(dead[i]), err);
	}
	mutex_lock(&mf->lock);
	for (size_t i = 0; i < count; i++)
		if (clean[i])
			forget_locked(mf, dead[i]);
}

void memfile_unref(struct memfile *mf, struct range r)
{
	struct range dead[UNREF_BATCH];
	size_t count = 0;

	mutex_lock(&mf->lock);
	for (uint64_t at = r.start; at < r.end;) {
		struct seg g = cut(mf, at, r.end);
		struct range got = seg_range(g);

		at = got.end;
		if (!range_superset(r, got))
			continue; /* it could not be cut: keeps a reference for ever */
		if (--*refs_of(g))
			continue;
		if (count && dead[count - 1].end == got.start)
			dead[count - 1].end = got.end;
		else
			dead[count++] = got;
		if (count == UNREF_BATCH) {
			free_locked(mf, dead, count);
			count = 0;
		}
	}
	segset_merge_range(&mf->refs, r);
	free_locked(mf, dead, count);
	mutex_unlock(&mf->lock);
}

bool memfile_sole_ref(struct memfile *mf, struct range r)
{
	struct seg g;
	bool sole;

	mutex_lock(&mf->lock);
	g = segset_find(&mf->refs, r.start);
	sole = seg_ok(g) && *refs_of(g) == 1 && seg_end(g) >= r.end;
	mutex_unlock(&mf->lock);
	return sole;
}

/* --- the sentry's view --- */

static char *make_chunk(struct memfile *mf, size_t i)
{
	char *p;

	mutex_lock(&mf->chunk_lock);
	p = atomic_load_explicit(&mf->chunks[i], memory_order_relaxed);
	if (!p) {
		p = mmap(NULL, CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, mf->file.host.fd,
			 (off_t)(i * CHUNK_SIZE));
		if (p == MAP_FAILED) {
			p = NULL;
		} else {
			/* Guest memory has no place in a process that the sentry might fork, nor in its core file. */
			madvise(p, CHUNK_SIZE, MADV_DONTFORK);
			madvise(p, CHUNK_SIZE, MADV_DONTDUMP);
			atomic_store_explicit(&mf->chunks[i], p, memory_order_release);
		}
	}
	mutex_unlock(&mf->chunk_lock);
	return p;
}

void *memfile_ptr(struct memfile *mf, uint64_t off, uint64_t *len)
{
	size_t i = off / CHUNK_SIZE;
	char *p;

	if (i >= CHUNKS)
		return NULL;
	p = atomic_load_explicit(&mf->chunks[i], memory_order_acquire);
	if (UNLIKELY(!p)) {
		p = make_chunk(mf, i);
		if (!p)
			return NULL;
	}
	*len = CHUNK_SIZE - off % CHUNK_SIZE;
	return p + off % CHUNK_SIZE;
}

ssize_t memfile_write(struct memfile *mf, struct io *io, size_t max, uint64_t off)
{
	return io_host_write(io, max, mf->file.host.fd, (off_t)off, 0);
}

/* By faults of our own: pages that fallocate(2) makes are no resident ones until somebody touches them. */
void memfile_commit(struct memfile *mf, struct range r)
{
	while (!range_empty(r)) {
		uint64_t len;
		char *p = memfile_ptr(mf, r.start, &len);

		len = MIN(len, range_len(r));
		if (!p || madvise(p, len, MADV_POPULATE_WRITE)) {
			log_debug("memory file: cannot commit %#lx bytes: %d", range_len(r), errno);
			break;
		}
		r.start += len;
	}
}

uint64_t memfile_resident_in(struct memfile *mf, struct range r)
{
	enum { PIECE = 512 };
	unsigned char there[PIECE];
	uint64_t bytes = 0, pages;

	/* Not by SEEK_HOLE, which looks for the end of the data however far behind r that is. */
	for (; !range_empty(r); r.start += pages * PAGE_SIZE) {
		off_t data = lseek(mf->file.host.fd, (off_t)r.start, SEEK_DATA);

		if (data < 0 || (uint64_t)data >= r.end)
			break;
		r.start = (uint64_t)data;
		pages = MIN(range_len(r) / PAGE_SIZE, PIECE);
		file_residency(&mf->file, range_make(r.start, r.start + pages * PAGE_SIZE), there);
		for (uint64_t i = 0; i < pages; i++)
			bytes += there[i] & 1 ? PAGE_SIZE : 0;
	}
	return bytes;
}

int memfile_decommit(struct memfile *mf, struct range r)
{
	return punch(mf, r);
}

uint64_t memfile_allocated(struct memfile *mf)
{
	uint64_t n;

	mutex_lock(&mf->lock);
	n = mf->allocated;
	mutex_unlock(&mf->lock);
	return n;
}

uint64_t memfile_resident(struct memfile *mf)
{
	struct stat st;

	return fstat(mf->file.host.fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

bool memfile_check(struct memfile *mf)
{
	struct seg g, prev = { NULL, 0 };
	bool good;

	mutex_lock(&mf->lock);
	good = segset_check(&mf->refs) && segset_span(&mf->refs) == mf->allocated && mf->allocated <= mf->limit - mf->charged;
	for (g = segset_first(&mf->refs); good && seg_ok(g); prev = g, g = seg_next(g)) {
		good = seg_end(g) <= mf->top;
		if (seg_ok(prev) && seg_end(prev) == seg_start(g) && *refs_of(prev) == *refs_of(g) && *refs_of(g))
			good = false; /* not fully merged */
	}
	if (!good)
		segset_dump(&mf->refs);
	mutex_unlock(&mf->lock);
	return good;
}
