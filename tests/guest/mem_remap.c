/* SPDX-License-Identifier: Apache-2.0 */
/* mremap and remap_file_pages. */
#include "mem.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static void refusals(void)
{
	char *p = room(32);

	mmap(p, 4 * PG, RW, ANON | MAP_FIXED, -1, 0);
	mmap(p + 4 * PG, PG, PROT_READ, ANON | MAP_FIXED, -1, 0);
	M(mremap(p + 1, PG, PG, 0));
	M(mremap(p, PG, 0, 0));
	M(mremap(p, PG, -1UL, MREMAP_MAYMOVE));
	M(mremap(p, PG, PG, 8));
	M(mremap(p, PG, PG, MREMAP_FIXED, p + 10 * PG));
	M(mremap(p, PG, PG, MREMAP_FIXED | MREMAP_MAYMOVE, p + 10 * PG + 1));
	M(mremap(p, 2 * PG, 2 * PG, MREMAP_FIXED | MREMAP_MAYMOVE, p + PG));
	M(mremap(p, PG, PG, MREMAP_FIXED | MREMAP_MAYMOVE, (void *)-PG));
	M(mremap(p, PG, PG, MREMAP_DONTUNMAP, NULL));
	M(mremap(p, PG, 2 * PG, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, NULL));
	M(mremap(p + 20 * PG, PG, 2 * PG, MREMAP_MAYMOVE));
	M(mremap(p + 3 * PG, 2 * PG, 3 * PG, MREMAP_MAYMOVE));
	M(mremap(p, 4 * PG, 5 * PG, 0));
	M(mremap(p, 0, PG, MREMAP_MAYMOVE));
	show_maps("as it was", p, 32);
	munmap(p, 32 * PG);
}

static void moves(void)
{
	char *p = room(64), *q;

	mmap(p, 8 * PG, RW, ANON | MAP_FIXED, -1, 0);
	for (int i = 0; i < 8; i += 2)
		p[i * PG] = i + 1;
	q = mremap(p, 8 * PG, 16 * PG, 0);
	printf("grown in place: %d, bytes %d %d %d\n", q == p, q[2 * PG], q[6 * PG], q[12 * PG]);
	q = mremap(p, 16 * PG, 6 * PG, 0);
	printf("shrunk in place: %d\n", q == p);
	get("cut off", p + 6 * PG);
	q = mremap(p, 6 * PG, 4 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + 32 * PG);
	printf("moved and shrunk: %d, %d %d\n", q == p + 32 * PG, q[0], q[2 * PG]);
	show_maps("moved", p, 64);
	get("old place", p);
	q = mremap(p + 32 * PG, 4 * PG, 8 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	printf("moved and grown: %d, %d %d %d\n", q == p, q[0], q[2 * PG], q[7 * PG]);
	mmap(p + 8 * PG, PG, PROT_NONE, ANON | MAP_FIXED, -1, 0);
	q = mremap(p, 8 * PG, 20 * PG, MREMAP_MAYMOVE);
	printf("moved for room: %d, %d\n", q != p && q != MAP_FAILED, q[2 * PG]);
	/* A part out of the middle. */
	char *r = mremap(q + 2 * PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	printf("middle: %d %d\n", r == p, r[0]);
	show_maps("hole", q, 20);
	munmap(q, 20 * PG);
	/* Over something else. */
	mmap(p + 20 * PG, 4 * PG, PROT_READ, ANON | MAP_FIXED, -1, 0);
	r = mremap(p, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + 21 * PG);
	printf("over: %d\n", r[0]);
	show_maps("over", p + 20 * PG, 4);
	munmap(p, 64 * PG);
}

static void dont_unmap(void)
{
	char *p = room(32), *q;
	int fd = memfd_create("m", 0);

	mmap(p, 4 * PG, RW, ANON | MAP_FIXED, -1, 0);
	memset(p, 5, 4 * PG);
	q = mremap(p, 4 * PG, 4 * PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	printf("kept: %d, new %d old %d\n", q != p, q[PG], p[PG]);
	munmap(q, 4 * PG);
	p[PG] = 6;
	q = mremap(p, 4 * PG, 4 * PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, p + 10 * PG);
	printf("fixed: %d, new %d old %d\n", q == p + 10 * PG, q[PG], p[PG]);
	munmap(p, 32 * PG);
	ftruncate(fd, 4 * PG);
	p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	p[0] = 1;
	q = mremap(p, 4 * PG, 4 * PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	printf("shared: %d %d\n", q[0], p[0]);
	q[1] = 3;
	printf("the same bytes: %d\n", p[1]);
	munmap(p, 4 * PG);
	munmap(q, 4 * PG);
	close(fd);
}

static void second_view(void)
{
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q;

	p[0] = 1;
	q = M(mremap(p, 0, 4 * PG, MREMAP_MAYMOVE));
	q[PG] = 2;
	printf("two views: %d %d\n", q[0], p[PG]);
	/* Larger than the object: the rest is not there. */
	char *r = M(mremap(p, 0, 8 * PG, MREMAP_MAYMOVE));
	get("behind the end", r + 5 * PG);
	get("inside", r + PG);
	munmap(p, 4 * PG);
	printf("kept by the view: %d\n", q[0]);
	munmap(q, 4 * PG);
	munmap(r, 8 * PG);
}

/* A growth that one vma does not allow: it was split by its protection. */
static void several_vmas(void)
{
	char *p = anon(8), *q;

	memset(p, 4, 8 * PG);
	mprotect(p + 4 * PG, 4 * PG, PROT_READ);
	M(mremap(p, 8 * PG, 16 * PG, MREMAP_MAYMOVE));
	M(mremap(p + 4 * PG, 4 * PG, 2 * PG, 0));
	q = mremap(p + 4 * PG, 2 * PG, 12 * PG, MREMAP_MAYMOVE);
	get("bytes and protection follow", q + PG);
	put("bytes and protection follow", q + PG, 1);
	munmap(p, 8 * PG);
	munmap(q, 12 * PG);
}

static void locked(void)
{
	char *p = anon(4), *q;
	unsigned char vec[8];

	set_limit(RLIMIT_MEMLOCK, 6 * PG);
	T(mlock(p, 4 * PG));
	M(mremap(p, 4 * PG, 8 * PG, MREMAP_MAYMOVE));
	q = M(mremap(p, 4 * PG, 6 * PG, MREMAP_MAYMOVE));
	T(mincore(q, 6 * PG, vec));
	printf("resident: %d%d\n", vec[0] & 1, vec[5] & 1);
	T(mlock(anon(1), PG));
	munmap(q, 6 * PG);
	T(mlock(anon(1), PG));
}

/* As Linux emulates it: each call maps anew. */
static void file_pages(void)
{
	int fd = memfd_create("pages", 0);
	char *p, *q, path[64];

	ftruncate(fd, 4 * PG);
	for (int i = 0; i < 4; i++)
		pwrite(fd, &(char){ i + 1 }, 1, i * PG);
	p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	for (int i = 0; i < 4; i++)
		T(remap_file_pages(p + i * PG, PG, 0, 3 - i, 0));
	printf("reversed: %d %d %d %d\n", p[0], p[PG], p[2 * PG], p[3 * PG]);
	p[0] = 9;
	pread(fd, path, 1, 3 * PG);
	printf("the file: %d\n", path[0]);
	T(remap_file_pages(p, PG, PROT_READ, 0, 0));
	T(remap_file_pages(p, 0, 0, 0, 0));
	T(remap_file_pages(p + 1, PG, 0, 1, 0));
	printf("rounded: %d\n", p[0]);
	T(remap_file_pages(p, PG, 0, -1UL, 0));
	T(remap_file_pages(p, -1UL, 0, 0, 0));
	T(remap_file_pages(p, 2 * PG, 0, 0, 0));
	T(remap_file_pages(p, PG, 0, 8, 0));
	get("behind the end", p);
	T(remap_file_pages(p, PG, 0, 2, MAP_NONBLOCK));
	T(remap_file_pages(p, PG, 0, 2, 0x12345000));
	get("any flags", p);
	mprotect(p + PG, PG, PROT_READ);
	T(remap_file_pages(p + PG, PG, 0, 0, 0));
	get("keeps its protection", p + PG);
	put("keeps its protection", p + PG, 1);
	q = anon(1);
	T(remap_file_pages(q, PG, 0, 0, 0));
	munmap(q, PG);
	T(remap_file_pages(q, PG, 0, 0, 0));
	q = mmap(NULL, PG, RW, MAP_PRIVATE, fd, 0);
	T(remap_file_pages(q, PG, 0, 0, 0));
	munmap(q, PG);
	munmap(p, 4 * PG);
	close(fd);
}

int main(void)
{
	catch_faults();
	no_caps();
	refusals();
	moves();
	dont_unmap();
	second_view();
	several_vmas();
	in_child(locked);
	file_pages();
	return 0;
}
