/* SPDX-License-Identifier: Apache-2.0 */
/* mremap and madvise. */
#include "harness.h"

#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

TestSuite(remap, .init = harness_setup, .fini = harness_teardown, .timeout = 30);

static int64_t remap(uint64_t old, uint64_t old_len, uint64_t new_len, int flags, uint64_t to)
{
	uint64_t out = 0;
	int err = mm_mremap(test_mm, old, old_len, new_len, flags, to, &out);

	check_mm(test_mm);
	return err ? err : (int64_t)out;
}

Test(remap, argument_errors)
{
	map_anon(test_mm, BASE, 4 * P);
	cr_assert_eq(remap(BASE + 1, P, P, 0, 0), -EINVAL);
	cr_assert_eq(remap(BASE, P, 0, 0, 0), -EINVAL);
	cr_assert_eq(remap(BASE, P, P, MREMAP_FIXED, BASE + 16 * P), -EINVAL);
	cr_assert_eq(remap(BASE, P, P, 8, 0), -EINVAL);
	cr_assert_eq(remap(BASE, 2 * P, 3 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), -EINVAL);
	cr_assert_eq(remap(BASE, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + P), -EINVAL, "overlap");
	cr_assert_eq(remap(BASE + 8 * P, P, 2 * P, 0, 0), -EFAULT);
	cr_assert_eq(remap(BASE, 5 * P, 6 * P, MREMAP_MAYMOVE, 0), -EFAULT);
	cr_assert_eq(remap(BASE, 0, 4 * P, MREMAP_MAYMOVE, 0), -EINVAL, "a private mapping has no second view");
}

Test(remap, grows_and_shrinks_in_place)
{
	map_anon(test_mm, BASE, 4 * P);
	store(test_mm, BASE, 5);
	cr_assert_eq(remap(BASE, 4 * P, 8 * P, 0, 0), (int64_t)BASE);
	cr_assert_str_eq(vmas_text(test_mm), "0-8 rw-p");
	cr_assert_eq(remap(BASE, 8 * P, 2 * P, 0, 0), (int64_t)BASE);
	cr_assert_str_eq(vmas_text(test_mm), "0-2 rw-p");
	map_at(test_mm, BASE + 3 * P, P, PROT_READ, MAP_PRIVATE);
	cr_assert_eq(remap(BASE, 2 * P, 4 * P, 0, 0), -ENOMEM);
	cr_assert_eq(load(test_mm, BASE), 5);
}

Test(remap, moves_pages_without_copying)
{
	map_anon(test_mm, BASE, 4 * P);
	store(test_mm, BASE + P, 5);
	uint64_t off = pma_at(test_mm, BASE)->off, rss = test_mm->rss_anon;
	unsigned batches = fake.batches;
	int64_t to = remap(BASE, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 100 * P);

	cr_assert_eq(to, (int64_t)(BASE + 100 * P));
	cr_assert_eq(fake.batches, batches + 1, "one stop");
	cr_assert_eq(pma_at(test_mm, BASE + 100 * P)->off, off);
	cr_assert_eq(test_mm->rss_anon, rss);
	touch_faults = 0;
	cr_assert_eq(load(test_mm, BASE + 101 * P), 5);
	cr_assert_eq(touch_faults, 0);
	cr_assert_null(pma_at(test_mm, BASE));
	cr_assert_str_eq(vmas_text(test_mm), "100-104 rw-p");
}

/* Two pmas whose file ranges follow each other the other way round than their addresses: the lower one, moved, continues the upper one
 * that has not moved yet. */
static void behind_or_before(int64_t units)
{
	const uint64_t to = BASE + (uint64_t)(units * MM_UNIT);

	map_anon(test_mm, BASE, 2 * MM_UNIT);
	store(test_mm, BASE + MM_UNIT, 2);
	store(test_mm, BASE, 1);
	cr_assert_eq(pma_at(test_mm, BASE)->off, pma_at(test_mm, BASE + MM_UNIT)->off + MM_UNIT, "the case that is meant");
	cr_assert_eq(remap(BASE, 2 * MM_UNIT, 2 * MM_UNIT, MREMAP_MAYMOVE | MREMAP_FIXED, to), (int64_t)to);
	touch_faults = 0;
	cr_assert_eq(load(test_mm, to), 1);
	cr_assert_eq(load(test_mm, to + MM_UNIT), 2);
	cr_assert_eq(touch_faults, 0, "the stub has them where the set has");
	cr_assert_null(pma_at(test_mm, to + 2 * MM_UNIT));
	cr_assert_eq(mm_munmap(test_mm, to, 2 * MM_UNIT), 0);
	check_mm(test_mm);
	cr_assert_eq(memfile_allocated(test_mf), 0);
}

Test(remap, moves_right_behind_itself)
{
	behind_or_before(2);
}

Test(remap, moves_right_before_itself)
{
	behind_or_before(-2);
}

Test(remap, moves_when_it_cannot_grow)
{
	map_anon(test_mm, BASE, 2 * P);
	map_at(test_mm, BASE + 2 * P, P, PROT_READ, MAP_PRIVATE);
	store(test_mm, BASE + P, 6);
	int64_t to = remap(BASE, 2 * P, 10 * P, MREMAP_MAYMOVE, 0);

	cr_assert_gt(to, 0);
	cr_assert_eq(load(test_mm, (uint64_t)to + P), 6);
	cr_assert_eq(load(test_mm, (uint64_t)to + 9 * P), 0);
	cr_assert_str_eq(vmas_text(test_mm) + 0, vmas_text(test_mm));
	cr_assert_eq(touch(test_mm, BASE, PROT_READ), 11 /* SIGSEGV */);
}

Test(remap, part_of_a_mapping_moves)
{
	map_anon(test_mm, BASE, 6 * P);
	for (uint64_t i = 0; i < 6; i++)
		store(test_mm, BASE + i * P, (unsigned char)(i + 1));
	cr_assert_gt(remap(BASE + 2 * P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 50 * P), 0);
	cr_assert_str_eq(vmas_text(test_mm), "0-2 rw-p, 4-6 rw-p, 50-52 rw-p");
	cr_assert_eq(load(test_mm, BASE + 51 * P), 4);
	cr_assert_eq(load(test_mm, BASE + 4 * P), 5);
}

Test(remap, dontunmap_leaves_an_empty_mapping)
{
	map_anon(test_mm, BASE, 2 * P);
	store(test_mm, BASE, 8);
	int64_t to = remap(BASE, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);

	cr_assert_gt(to, 0);
	cr_assert_eq(load(test_mm, (uint64_t)to), 8);
	cr_assert_eq(load(test_mm, BASE), 0);
}

Test(remap, old_size_zero_is_a_second_view)
{
	map_at(test_mm, BASE, 2 * P, RW, MAP_SHARED);
	store(test_mm, BASE, 8);
	int64_t to = remap(BASE, 0, 2 * P, MREMAP_MAYMOVE, 0);

	cr_assert_gt(to, 0);
	cr_assert_eq(load(test_mm, (uint64_t)to), 8);
	store(test_mm, (uint64_t)to + P, 9);
	cr_assert_eq(load(test_mm, BASE + P), 9);
}

Test(remap, a_file_keeps_its_offsets)
{
	struct test_file *f = test_file_new(16 * P);

	map_file(test_mm, f, BASE, 4 * P, PROT_READ, MAP_SHARED, 4 * P);
	cr_assert_eq(load(test_mm, BASE), 5);
	cr_assert_gt(remap(BASE + P, 3 * P, 8 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 100 * P), 0);
	cr_assert_eq(load(test_mm, BASE + 100 * P), 6);
	cr_assert_eq(load(test_mm, BASE + 107 * P), 13);
	cr_assert_eq(mm_munmap(test_mm, BASE, 200 * P), 0);
	test_file_free(f);
}

/* Linux 6.17: several vmas and holes move as they lie; what the target had stays where a hole comes to lie. */
Test(remap, several_vmas_move_to_a_given_place)
{
	map_anon(test_mm, BASE, 2 * P);
	map_at(test_mm, BASE + 2 * P, P, PROT_READ, MAP_PRIVATE);
	map_anon(test_mm, BASE + 5 * P, 2 * P);
	store(test_mm, BASE + P, 1);
	store(test_mm, BASE + 5 * P, 2);
	store(test_mm, BASE + 6 * P, 3);
	map_anon(test_mm, BASE + 20 * P, 8 * P);
	store(test_mm, BASE + 23 * P, 4);
	cr_assert_eq(remap(BASE, 6 * P, 6 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 20 * P), (int64_t)(BASE + 20 * P));
	cr_assert_str_eq(vmas_text(test_mm), "6-7 rw-p, 20-22 rw-p, 22-23 r--p, 23-28 rw-p");
	cr_assert_eq(load(test_mm, BASE + 21 * P), 1);
	cr_assert_eq(load(test_mm, BASE + 22 * P), 0);
	cr_assert_eq(load(test_mm, BASE + 23 * P), 4);
	cr_assert_eq(load(test_mm, BASE + 25 * P), 2);
	cr_assert_eq(load(test_mm, BASE + 6 * P), 3);
	cr_assert_eq(touch(test_mm, BASE + P, PROT_READ), 11 /* SIGSEGV */);
	cr_assert_eq(remap(BASE + 4 * P, 3 * P, 3 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 40 * P), -EFAULT, "begins in a hole");
	cr_assert_eq(remap(BASE + 21 * P, 3 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 40 * P), -EFAULT, "another size");
}

Test(remap, a_refusing_host_leaves_the_old_place)
{
	/* The unmapping fails, the mapping fails. */
	for (int n = 0; n < 2; n++) {
		uint64_t at = BASE + (uint64_t)n * MM_UNIT, to = at + 100 * P;

		map_anon(test_mm, at, 4 * P);
		store(test_mm, at + P, 5);
		fake_fail_after(n, -EPERM);
		cr_assert_eq(remap(at, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to), -EPERM);
		fake_fail_never();
		cr_assert_str_eq(vmas_text(test_mm), n ? "0-4 rw-p, 512-516 rw-p" : "0-4 rw-p");
		cr_assert_eq(load(test_mm, at + P), 5);
		cr_assert_null(fake_at(test_mm->as, to));
		cr_assert_eq(touch(test_mm, to, PROT_READ), 11 /* SIGSEGV */);
	}
}

Test(remap, limits_apply_to_what_is_added)
{
	map_anon(test_mm, BASE, 4 * P);
	mm_limits(test_mm)->as = 6 * P;
	cr_assert_eq(remap(BASE, 4 * P, 7 * P, MREMAP_MAYMOVE, 0), -ENOMEM);
	cr_assert_eq(remap(BASE, 4 * P, 6 * P, MREMAP_MAYMOVE, 0), (int64_t)BASE);
}

Test(madvise, dontneed_reads_zero_without_an_injected_call, .init = harness_setup, .fini = harness_teardown)
{
	map_anon(test_mm, BASE, 4 * P);
	store(test_mm, BASE, 1);
	store(test_mm, BASE + P, 2);
	unsigned calls = fake.maps + fake.unmaps + fake.protects;

	cr_assert_eq(mm_madvise(test_mm, BASE, P, MADV_DONTNEED), 0);
	cr_assert_eq(fake.maps + fake.unmaps + fake.protects, calls);
	cr_assert_eq(load(test_mm, BASE), 0);
	cr_assert_eq(load(test_mm, BASE + P), 2);
	cr_assert_eq(mm_madvise(test_mm, BASE, 5 * P, MADV_DONTNEED), -ENOMEM, "a hole");
	cr_assert_eq(load(test_mm, BASE + P), 0, "but what is mapped was done");
}

Test(madvise, dontneed_of_shared_copies_leaves_the_other_side_alone, .init = harness_setup, .fini = harness_teardown)
{
	struct mm *child;

	map_anon(test_mm, BASE, 2 * P);
	store(test_mm, BASE, 1);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	cr_assert_eq(mm_madvise(child, BASE, 2 * P, MADV_DONTNEED), 0);
	check_mm(child);
	cr_assert_eq(load(child, BASE), 0);
	cr_assert_eq(load(test_mm, BASE), 1);
	mm_user_put(child);
}

Test(madvise, dontneed_of_a_private_file_shows_the_file_again, .init = harness_setup, .fini = harness_teardown)
{
	struct test_file *f = test_file_new(2 * P);

	map_file(test_mm, f, BASE, 2 * P, RW, MAP_PRIVATE, 0);
	store(test_mm, BASE, 55);
	cr_assert_eq(mm_madvise(test_mm, BASE, 2 * P, MADV_DONTNEED), 0);
	cr_assert_eq(load(test_mm, BASE), 1);
	cr_assert_eq(mm_madvise(test_mm, BASE, P, MADV_FREE), -EINVAL);
	cr_assert_eq(mm_madvise(test_mm, BASE, P, MADV_WIPEONFORK), -EINVAL);
	cr_assert_eq(mm_munmap(test_mm, BASE, 2 * P), 0);
	test_file_free(f);
}

Test(madvise, remove_punches_shared_memory, .init = harness_setup, .fini = harness_teardown)
{
	map_at(test_mm, BASE, 2 * P, RW, MAP_SHARED);
	store(test_mm, BASE, 1);
	store(test_mm, BASE + P, 2);
	cr_assert_eq(mm_madvise(test_mm, BASE, P, MADV_REMOVE), 0);
	cr_assert_eq(load(test_mm, BASE), 0);
	cr_assert_eq(load(test_mm, BASE + P), 2);
	map_anon(test_mm, BASE + 4 * P, P);
	cr_assert_eq(mm_madvise(test_mm, BASE + 4 * P, P, MADV_REMOVE), -EINVAL);
}

Test(madvise, unknown_advice_and_bad_ranges, .init = harness_setup, .fini = harness_teardown)
{
	map_anon(test_mm, BASE, 2 * P);
	cr_assert_eq(mm_madvise(test_mm, BASE, P, 12345), -EINVAL);
	cr_assert_eq(mm_madvise(test_mm, BASE + 1, P, MADV_NORMAL), -EINVAL);
	cr_assert_eq(mm_madvise(test_mm, BASE, UINT64_MAX, MADV_NORMAL), -EINVAL);
	cr_assert_eq(mm_madvise(test_mm, BASE, 0, MADV_NORMAL), 0);
	cr_assert_eq(mm_madvise(test_mm, BASE, 2 * P, MADV_HUGEPAGE), 0);
	cr_assert_eq(mm_madvise(test_mm, BASE + 2 * P, P, MADV_NORMAL), -ENOMEM);
}
