/* SPDX-License-Identifier: Apache-2.0 */
/* What is resident, and its peak: over unmapping, discarding, copy-on-write and fork. Linux's getrusage(2) and
 * /proc/PID/status tell the same numbers, where a page shared with a child counts in both. */
#include "harness.h"

#include <sys/mman.h>

TestSuite(rss, .init = harness_setup, .fini = harness_teardown, .timeout = 30);

static void expect(struct mm *mm, uint64_t pages, uint64_t peak)
{
	struct mm_stats s;

	mm_get_stats(mm, &s);
	cr_assert_eq(s.rss_bytes, pages * P, "%lu pages are resident, not %lu", s.rss_bytes / P, pages);
	cr_assert_eq(s.rss_peak, peak * P, "the peak is %lu pages, not %lu", s.rss_peak / P, peak);
}

static void fill(struct mm *mm, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		store(mm, BASE + i * P, (unsigned char)(i + 1));
}

Test(rss, what_nobody_touched_is_not_there)
{
	map_anon(test_mm, BASE, 1ULL << 40);
	expect(test_mm, 0, 0);
	store(test_mm, BASE + (1ULL << 39), 1);
	expect(test_mm, 1, 1);
}

Test(rss, the_peak_stays_when_memory_goes)
{
	map_anon(test_mm, BASE, 600 * P);
	fill(test_mm, 600);
	cr_assert_eq(mm_munmap(test_mm, BASE, 500 * P), 0);
	expect(test_mm, 100, 600);
	cr_assert_eq(mm_madvise(test_mm, BASE + 500 * P, 50 * P, MADV_DONTNEED), 0);
	expect(test_mm, 50, 600);
	map_anon(test_mm, BASE, 100 * P);
	fill(test_mm, 100);
	expect(test_mm, 150, 600);
}

Test(rss, a_child_begins_with_what_is_there)
{
	struct mm *child;

	map_anon(test_mm, BASE, 300 * P);
	fill(test_mm, 300);
	cr_assert_eq(mm_munmap(test_mm, BASE + 100 * P, 200 * P), 0);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	expect(test_mm, 100, 300);
	expect(child, 100, 100);
	mm_user_put(child);
}

Test(rss, a_copy_takes_the_place_of_what_was_shared)
{
	struct mm *child;

	map_anon(test_mm, BASE, 256 * P);
	fill(test_mm, 256);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	for (uint64_t i = 0; i < 256; i += 3) {
		store(child, BASE + i * P, 0xcc);
		expect(child, 256, 256);
		expect(test_mm, 256, 256);
	}
	/* Two of each page that was copied, one of each that was not. */
	cr_assert_leq(memfile_resident(test_mf), 512 * P);
	mm_user_put(child);
	cr_assert_eq(memfile_resident(test_mf), 256 * P);
	expect(test_mm, 256, 256);
}

Test(rss, what_the_child_adds_is_the_childs_alone)
{
	struct mm *child;

	map_anon(test_mm, BASE, 64 * P);
	fill(test_mm, 16);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	fill(child, 48);
	expect(child, 48, 48);
	expect(test_mm, 16, 16);
	cr_assert_eq(mm_munmap(child, BASE, 64 * P), 0);
	expect(child, 0, 48);
	expect(test_mm, 16, 16);
	mm_user_put(child);
}

Test(rss, pages_of_a_file_count_as_mapped)
{
	struct test_file *f = test_file_new(8 * P);

	map_file(test_mm, f, BASE, 8 * P, RW, MAP_PRIVATE, 0);
	load(test_mm, BASE);
	struct mm_stats s;

	mm_get_stats(test_mm, &s);
	cr_assert_gt(s.rss_file, 0);
	store(test_mm, BASE, 9);
	mm_get_stats(test_mm, &s);
	cr_assert_geq(s.rss_bytes, P);
	cr_assert_eq(mm_munmap(test_mm, BASE, 8 * P), 0);
	mm_get_stats(test_mm, &s);
	cr_assert_eq(s.rss_bytes, 0);
	cr_assert_geq(s.rss_peak, P);
	test_file_free(f);
}
