/* SPDX-License-Identifier: Apache-2.0 */
/* mmap, munmap, mprotect and brk as far as vmas go: placement, flags, merging, splitting, limits. */
#include "harness.h"

TestSuite(vma, .init = harness_setup, .fini = harness_teardown, .timeout = 30);

#define expect_vmas(text) cr_assert_str_eq(vmas_text(test_mm), text, "%s", vmas_text(test_mm))

Test(vma, untouched_mappings_inject_nothing)
{
	uint64_t at = map_anon(test_mm, 0, 100 * P);

	cr_assert_eq(mm_mprotect(test_mm, at + P, 5 * P, PROT_READ, false), 0);
	cr_assert_eq(mm_munmap(test_mm, at, 100 * P), 0);
	cr_assert_eq(fake.maps + fake.unmaps + fake.protects, 0);
}

Test(vma, neighbours_merge_when_alike)
{
	map_anon(test_mm, BASE, P);
	map_anon(test_mm, BASE + 2 * P, P);
	expect_vmas("0-1 rw-p, 2-3 rw-p");
	map_anon(test_mm, BASE + P, P);
	expect_vmas("0-3 rw-p");
	map_at(test_mm, BASE + 3 * P, P, PROT_READ, MAP_PRIVATE);
	expect_vmas("0-3 rw-p, 3-4 r--p");
}

Test(vma, munmap_splits_and_ignores_holes)
{
	map_anon(test_mm, BASE, 10 * P);
	cr_assert_eq(mm_munmap(test_mm, BASE + 3 * P, 2 * P), 0);
	expect_vmas("0-3 rw-p, 5-10 rw-p");
	cr_assert_eq(mm_munmap(test_mm, BASE + 2 * P, 4 * P), 0);
	expect_vmas("0-2 rw-p, 6-10 rw-p");
	cr_assert_eq(mm_munmap(test_mm, BASE + 20 * P, P), 0);
	cr_assert_eq(mm_munmap(test_mm, BASE, 0), -EINVAL);
	cr_assert_eq(mm_munmap(test_mm, BASE + 1, P), -EINVAL);
	cr_assert_eq(mm_munmap(test_mm, BASE, UINT64_MAX - P), -EINVAL);
}

Test(vma, placement_goes_down_and_fills_holes)
{
	uint64_t a = map_anon(test_mm, 0, 4 * P), b = map_anon(test_mm, 0, 4 * P), c;

	cr_assert_eq(b + 4 * P, a);
	c = map_anon(test_mm, 0, 4 * P);
	cr_assert_eq(mm_munmap(test_mm, b, 4 * P), 0);
	cr_assert_eq(map_anon(test_mm, 0, 4 * P), b);
	cr_assert_eq(map_anon(test_mm, 0, P), c - P);
}

Test(vma, hints_are_taken_if_free)
{
	cr_assert_eq(map_at(test_mm, 0, P, RW, MAP_PRIVATE) > 0, true);
	struct mmap_args a = { .addr = BASE + 123, .len = P, .prot = RW, .max_prot = -1, .flags = MAP_PRIVATE | MAP_ANONYMOUS };
	uint64_t out;

	cr_assert_eq(mm_mmap(test_mm, &a, &out), 0);
	cr_assert_eq(out, BASE);
	cr_assert_eq(mm_mmap(test_mm, &a, &out), 0);
	cr_assert_neq(out, BASE);
	a.flags |= MAP_FIXED_NOREPLACE;
	a.addr = BASE;
	cr_assert_eq(mm_mmap(test_mm, &a, &out), -EEXIST);
	a.addr = BASE + P;
	cr_assert_eq(mm_mmap(test_mm, &a, &out), 0);
}

Test(vma, flag_and_address_errors)
{
	cr_assert_eq(map_at(test_mm, 0, 0, RW, MAP_PRIVATE), -EINVAL);
	cr_assert_eq(map_at(test_mm, 0, P, RW, 0), -EINVAL);
	cr_assert_eq(map_at(test_mm, 0, UINT64_MAX, RW, MAP_PRIVATE), -ENOMEM);
	cr_assert_eq(map_at(test_mm, 0, 1ULL << 47, RW, MAP_PRIVATE), -ENOMEM);
	cr_assert_eq(map_at(test_mm, BASE + 1, P, RW, MAP_PRIVATE), -EINVAL);
	cr_assert_eq(map_at(test_mm, P, P, RW, MAP_PRIVATE), -EPERM);
	cr_assert_eq(map_at(test_mm, platform_max_addr(), P, RW, MAP_PRIVATE), -ENOMEM);
	cr_assert_eq(map_at(test_mm, BASE, P, RW, MAP_SHARED | MAP_GROWSDOWN), -EINVAL);
	cr_assert_eq(map_at(test_mm, BASE, P, RW, MAP_SHARED_VALIDATE | 0x40000000), -EINVAL);
}

Test(vma, map_32bit_stays_low)
{
	int64_t a = map_at(test_mm, 0, P, RW, MAP_PRIVATE | MAP_32BIT);

	cr_assert(a >= 0x40000000 && a < 0x80000000LL);
}

Test(vma, placement_keeps_the_gap_to_a_stack)
{
	uint64_t stack = test_mm->mmap_base - 64 * P, at;

	map_at(test_mm, stack, 64 * P, RW, MAP_PRIVATE | MAP_GROWSDOWN);
	at = map_anon(test_mm, 0, P);
	cr_assert_eq(at + P + MM_GUARD_GAP, stack);
}

Test(vma, mprotect_splits_merges_and_stops_at_holes)
{
	map_anon(test_mm, BASE, 10 * P);
	cr_assert_eq(mm_mprotect(test_mm, BASE + 2 * P, 2 * P, PROT_READ, false), 0);
	expect_vmas("0-2 rw-p, 2-4 r--p, 4-10 rw-p");
	cr_assert_eq(mm_mprotect(test_mm, BASE, 10 * P, RW, false), 0);
	expect_vmas("0-10 rw-p");
	cr_assert_eq(mm_munmap(test_mm, BASE + 5 * P, P), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE + 4 * P, 4 * P, PROT_NONE, false), -ENOMEM);
	expect_vmas("0-4 rw-p, 4-5 ---p, 6-10 rw-p");
	cr_assert_eq(mm_mprotect(test_mm, BASE + 5 * P, P, PROT_READ, false), -ENOMEM);
	cr_assert_eq(mm_mprotect(test_mm, BASE + 1, P, PROT_READ, false), -EINVAL);
	cr_assert_eq(mm_mprotect(test_mm, BASE, 0, PROT_READ, false), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, true), -EINVAL);
}

Test(vma, mprotect_keeps_to_the_maximum)
{
	struct test_file *f = test_file_new(4 * P);
	struct mmap_args a = { .addr = BASE, .len = 4 * P, .prot = PROT_READ, .max_prot = PROT_READ | PROT_EXEC,
			       .flags = MAP_SHARED | MAP_FIXED, .mappable = &f->mappable };
	uint64_t out;

	cr_assert_eq(mm_mmap(test_mm, &a, &out), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, RW, false), -EACCES);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ | PROT_EXEC, false), 0);
	a.prot = RW;
	cr_assert_eq(mm_mmap(test_mm, &a, &out), -EACCES);
	cr_assert_eq(mm_munmap(test_mm, BASE, 4 * P), 0);
	test_file_free(f);
}

Test(vma, address_space_and_data_limits)
{
	map_anon(test_mm, BASE, 4 * P);
	mm_limits(test_mm)->as = 8 * P;
	cr_assert_eq(map_at(test_mm, 0, 5 * P, RW, MAP_PRIVATE), -ENOMEM);
	/* What is replaced does not count. */
	cr_assert_eq(map_at(test_mm, BASE, 8 * P, RW, MAP_PRIVATE), (int64_t)BASE);
	mm_limits(test_mm)->as = UINT64_MAX;
	mm_limits(test_mm)->data = 9 * P;
	cr_assert_eq(map_at(test_mm, 0, 2 * P, RW, MAP_PRIVATE), -ENOMEM);
	cr_assert_gt(map_at(test_mm, 0, 2 * P, PROT_READ, MAP_PRIVATE), 0);
	cr_assert_gt(map_at(test_mm, 0, 2 * P, RW, MAP_SHARED), 0);
}

Test(vma, map_count_limit)
{
	test_mm->brk_start = test_mm->brk_end = 0x8000000;
	mm_check_always = false;
	map_anon(test_mm, BASE, 2 * (uint64_t)MM_MAX_VMAS * P);
	for (uint64_t i = 0; test_mm->vmas.count < MM_MAX_VMAS - 1; i++)
		cr_assert_eq(mm_mprotect(test_mm, BASE + (2 * i + 1) * P, P, PROT_READ, false), 0);
	cr_assert_eq(test_mm->vmas.count, MM_MAX_VMAS - 1);
	/* A cut in the middle would make two more. */
	uint64_t end = BASE + 2 * (uint64_t)MM_MAX_VMAS * P;
	cr_assert_eq(mm_mprotect(test_mm, end - 2 * P, P, PROT_READ, false), -ENOMEM);
	cr_assert_eq(mm_mprotect(test_mm, end - P, P, PROT_READ, false), 0);
	cr_assert_eq(mm_munmap(test_mm, end - 3 * P, P), -ENOMEM);
	cr_assert_eq(map_at(test_mm, 0, P, PROT_EXEC, MAP_PRIVATE), -ENOMEM);
	cr_assert_eq(mm_munmap(test_mm, BASE, end - BASE), 0);
}

Test(vma, brk_moves_within_limits)
{
	uint64_t start = BASE + 123;

	mm_set_brk_start(test_mm, start);
	cr_assert_eq(mm_brk(test_mm, 0), start);
	cr_assert_eq(mm_brk(test_mm, start + 5 * P), start + 5 * P);
	expect_vmas("1-6 rw-p");
	cr_assert_eq(mm_brk(test_mm, start + 5 * P + 7), start + 5 * P + 7);
	cr_assert_eq(mm_brk(test_mm, start + 2 * P), start + 2 * P);
	expect_vmas("1-3 rw-p");
	cr_assert_eq(mm_brk(test_mm, start - 1), start + 2 * P);
	/* A page is kept to what follows. */
	map_anon(test_mm, BASE + 10 * P, P);
	cr_assert_eq(mm_brk(test_mm, BASE + 10 * P), start + 2 * P);
	cr_assert_eq(mm_brk(test_mm, BASE + 9 * P), BASE + 9 * P);
	mm_limits(test_mm)->data = P;
	cr_assert_eq(mm_brk(test_mm, BASE + 9 * P - 1), BASE + 9 * P);
}

Test(vma, locked_memory_is_limited)
{
	map_anon(test_mm, BASE, 10 * P);
	mm_limits(test_mm)->memlock = 4 * P;
	cr_assert_eq(mm_mlock(test_mm, BASE + 1, P, true, true), 0);
	cr_assert_eq(test_mm->locked_bytes, 2 * P);
	cr_assert_eq(mm_mlock(test_mm, BASE, 5 * P, true, true), -ENOMEM);
	cr_assert_eq(mm_mlock(test_mm, BASE, 4 * P, true, true), 0);
	cr_assert_eq(mm_mlock(test_mm, BASE, 10 * P, false, false), 0);
	cr_assert_eq(test_mm->locked_bytes, 0);
	cr_assert_eq(mm_mlock(test_mm, BASE + 9 * P, 2 * P, true, true), -ENOMEM);
	mm_limits(test_mm)->memlock = 0;
	cr_assert_eq(mm_mlock(test_mm, BASE, P, true, false), -EPERM);
}

Test(vma, a_walk_names_what_is_mapped)
{
	struct mmap_args a = { .addr = BASE, .len = P, .prot = RW, .max_prot = -1,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, .name = "[stack]", .grows_down = true };
	struct mm_stats s;
	uint64_t out;

	cr_assert_eq(mm_mmap(test_mm, &a, &out), 0);
	cr_assert_eq(map_at(test_mm, BASE + 4 * P, 2 * P, RW, MAP_SHARED), (int64_t)(BASE + 4 * P));
	mm_get_stats(test_mm, &s);
	cr_assert_eq(s.vm_bytes, 3 * P);
	cr_assert_eq(s.stack_bytes, P);
	cr_assert_eq(s.vmas, 2);
}
