/* SPDX-License-Identifier: Apache-2.0 */
#include "mm/memfile.h"
#include "mm/segset.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define P ((uint64_t)PAGE_SIZE)

static struct memfile *mf;

static void setup(void)
{
	cr_assert_eq(memfile_new(64 << 20, &mf), 0);
}

static void teardown(void)
{
	cr_assert(memfile_check(mf));
	memfile_free(mf);
}

TestSuite(memfile, .init = setup, .fini = teardown, .timeout = 30);

static uint64_t get(uint64_t len)
{
	uint64_t off;

	cr_assert_eq(memfile_alloc(mf, len, P, 0, MEMFILE_BOTTOM_UP, &off), 0);
	return off;
}

static char *ptr(uint64_t off)
{
	uint64_t len;
	char *p = memfile_ptr(mf, off, &len);

	cr_assert(p && len >= P);
	return p;
}

static struct range at(uint64_t off, uint64_t len)
{
	return range_make(off, off + len);
}

Test(memfile, allocates_zeroes_from_both_ends)
{
	uint64_t a = get(2 * P), b = get(P), c, d;

	cr_assert(a == 0 && b == 2 * P);
	cr_assert_eq(memfile_alloc(mf, P, P, 0, MEMFILE_TOP_DOWN, &c), 0);
	cr_assert_eq(memfile_alloc(mf, P, P, 0, MEMFILE_TOP_DOWN, &d), 0);
	cr_assert(c > b && d == c - P);
	cr_assert(ptr(a)[0] == 0 && ptr(c)[P - 1] == 0);
	cr_assert_eq(memfile_allocated(mf), 5 * P);
}

Test(memfile, freed_pages_return_to_the_host_and_read_as_zero)
{
	uint64_t a = get(4 * P);

	memset(ptr(a), 0x77, 4 * P);
	cr_assert_eq(memfile_resident(mf), 4 * P);
	memfile_unref(mf, at(a + P, 2 * P));
	cr_assert(memfile_resident(mf) == 2 * P && memfile_allocated(mf) == 2 * P);
	cr_assert_eq(get(2 * P), a + P);
	cr_assert(ptr(a + P)[0] == 0 && ptr(a)[0] == 0x77);
	memfile_unref(mf, at(a, 4 * P));
	cr_assert_eq(memfile_resident(mf), 0);
}

Test(memfile, alignment_keeps_the_residue)
{
	uint64_t off;

	get(3 * P);
	cr_assert_eq(memfile_alloc(mf, 2 * P, 1 << 20, 5 * P, MEMFILE_BOTTOM_UP, &off), 0);
	cr_assert_eq(off, 5 * P);
	cr_assert_eq(memfile_alloc(mf, 2 * P, 1 << 20, 5 * P, MEMFILE_BOTTOM_UP, &off), 0);
	cr_assert_eq(off, (1 << 20) + 5 * P);
	cr_assert_eq(memfile_alloc(mf, 1 << 20, 1 << 20, 0, MEMFILE_TOP_DOWN, &off), 0);
	cr_assert_eq(off % (1 << 20), 0);
	cr_assert_eq(memfile_alloc(mf, 2 * P, 1 << 20, 5 * P, MEMFILE_TOP_DOWN, &off), 0);
	cr_assert_eq(off % (1 << 20), 5 * P);
}

Test(memfile, limit_is_enforced_and_given_back)
{
	uint64_t off, big = get(60 << 20);

	cr_assert_eq(memfile_alloc(mf, 5 << 20, P, 0, MEMFILE_BOTTOM_UP, &off), -ENOMEM);
	cr_assert_eq(memfile_alloc(mf, 1ULL << 60, P, 0, MEMFILE_BOTTOM_UP, &off), -ENOMEM);
	memfile_unref(mf, at(big, P));
	cr_assert_eq(memfile_alloc(mf, (4 << 20) + P, P, 0, MEMFILE_BOTTOM_UP, &off), 0);
}

Test(memfile, sole_reference_is_known)
{
	uint64_t a = get(8 * P);

	cr_assert(memfile_sole_ref(mf, at(a, 8 * P)));
	memfile_ref(mf, at(a + 2 * P, P));
	cr_assert(!memfile_sole_ref(mf, at(a, 8 * P)) && memfile_sole_ref(mf, at(a + 3 * P, 5 * P)));
	cr_assert(!memfile_sole_ref(mf, at(a + 2 * P, P)));
	memfile_unref(mf, at(a + 2 * P, P));
	cr_assert(memfile_sole_ref(mf, at(a, 8 * P)) && memfile_check(mf));
	cr_assert(!memfile_sole_ref(mf, at(a + 7 * P, 2 * P)));
}

Test(memfile, decommit_keeps_the_allocation)
{
	uint64_t a = get(2 * P);

	memset(ptr(a), 1, 2 * P);
	cr_assert_eq(memfile_decommit(mf, at(a, P)), 0);
	cr_assert(ptr(a)[0] == 0 && ptr(a + P)[0] == 1 && memfile_allocated(mf) == 2 * P);
	memfile_commit(mf, at(a, 2 * P));
	cr_assert_eq(memfile_resident(mf), 2 * P);
}

Test(memfile, pointers_do_not_move_and_grow_with_the_file)
{
	struct memfile *big;
	uint64_t off, len, len2;
	char *p, *first;

	cr_assert_eq(memfile_new(0, &big), 0);
	cr_assert_eq(memfile_alloc(big, P, P, 0, MEMFILE_BOTTOM_UP, &off), 0);
	first = memfile_ptr(big, off, &len);
	cr_assert_eq(memfile_alloc(big, 3ULL << 30, P, 0, MEMFILE_BOTTOM_UP, &off), 0);
	p = memfile_ptr(big, off + (3ULL << 30) - P, &len2);
	cr_assert_not_null(p);
	p[P - 1] = 1;
	cr_assert(memfile_ptr(big, 0, &len) == first && memfile_resident(big) == P);
	cr_assert_null(memfile_ptr(big, UINT64_MAX & PAGE_MASK, &len));
	cr_assert(memfile_check(big));
	memfile_free(big);
}

Test(memfile, without_memory_nothing_is_shared_or_freed_by_mistake)
{
	uint64_t a, off;

	segset_fail_every(1);
	cr_assert_eq(memfile_alloc(mf, P, P, 0, MEMFILE_BOTTOM_UP, &off), -ENOMEM);
	segset_fail_every(0);
	a = get(1024 * P);
	memset(ptr(a), 3, 1024 * P);
	segset_fail_every(1);
	for (uint64_t i = 0; i < 1024; i += 2)
		memfile_unref(mf, at(a + i * P, P));
	segset_fail_every(0);
	cr_assert(memfile_check(mf));
	for (uint64_t i = 1; i < 1024; i += 2)
		cr_assert_eq(ptr(a + i * P)[0], 3);
}

struct worker {
	pthread_t thread;
	uint64_t random;
	bool bad;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct range held[16] = { 0 };

	for (int i = 0; i < 3000; i++) {
		w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
		struct range *r = &held[w->random >> 60];
		uint64_t len = (1 + (w->random >> 50 & 7)) * P, n;
		char *p;

		if (range_empty(*r)) {
			if (memfile_alloc(mf, len, P, 0, (enum memfile_dir)(w->random >> 40 & 1), &r->start))
				continue;
			r->end = r->start + len;
			p = memfile_ptr(mf, r->start, &n);
			for (uint64_t x = 0; x < len; x += P) {
				w->bad |= p[x] != 0;
				p[x] = 1;
			}
			memfile_ref(mf, *r);
		} else {
			memfile_unref(mf, at(r->start, P));
			memfile_unref(mf, *r);
			if (range_len(*r) > P)
				memfile_unref(mf, range_make(r->start + P, r->end));
			*r = range_make(0, 0);
		}
	}
	for (size_t i = 0; i < 16; i++) {
		if (!range_empty(held[i])) {
			memfile_unref(mf, held[i]);
			memfile_unref(mf, held[i]);
		}
	}
	return NULL;
}

Test(memfile, threads_never_see_each_others_bytes)
{
	struct worker w[4];

	for (size_t i = 0; i < 4; i++) {
		w[i] = (struct worker){ .random = i + 1 };
		cr_assert_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		cr_assert(!w[i].bad);
	}
	cr_assert(memfile_allocated(mf) == 0 && memfile_resident(mf) == 0);
}
