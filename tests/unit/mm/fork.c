/* SPDX-License-Identifier: Apache-2.0 */
/* fork: contents on both sides, copies, take-overs, what is not inherited. */
#include "harness.h"

TestSuite(fork, .init = harness_setup, .fini = harness_teardown, .timeout = 30);

static struct mm *child;

static void fork_mm(void)
{
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	check_mm(test_mm);
	check_mm(child);
}

static void child_exits(void)
{
	check_mm(child);
	mm_user_put(child);
}

Test(fork, each_side_keeps_its_own_bytes)
{
	map_anon(test_mm, BASE, 4 * P);
	store(test_mm, BASE, 1);
	store(test_mm, BASE + P, 2);
	fork_mm();
	store(test_mm, BASE, 10);
	cr_assert_eq(load(child, BASE), 1);
	store(child, BASE + P, 20);
	cr_assert_eq(load(test_mm, BASE + P), 2);
	cr_assert_eq(load(child, BASE + P), 20);
	cr_assert_eq(load(test_mm, BASE), 10);
	child_exits();
}

Test(fork, a_byte_that_was_never_written_stays_zero_on_both_sides)
{
	map_anon(test_mm, BASE, MM_UNIT);
	store(test_mm, BASE + 100 * P, 1);
	fork_mm();
	store(child, BASE + 101 * P, 3);
	cr_assert_eq(load(child, BASE + 100 * P), 1);
	cr_assert_eq(load(child, BASE + 99 * P), 0);
	cr_assert_eq(load(test_mm, BASE + 101 * P), 0);
	/* Holes were not copied: both pages that hold a byte, in two copies of at most one more. */
	cr_assert_leq(memfile_resident(test_mf), 6 * P);
	child_exits();
}

Test(fork, the_parent_is_write_protected_in_one_batch)
{
	for (int i = 0; i < 10; i++) {
		map_at(test_mm, BASE + (uint64_t)i * 4 * P, 2 * P, RW, MAP_PRIVATE);
		store(test_mm, BASE + (uint64_t)i * 4 * P, 1);
	}
	unsigned batches = fake.batches, protects = fake.protects;

	fork_mm();
	cr_assert_eq(fake.protects, protects + 10);
	cr_assert_eq(fake.batches, batches + 2, "one for the parent, one for the child");
	cr_assert_eq(fake_at(test_mm->as, BASE)->prot, PROT_READ);
	child_exits();
}

Test(fork, the_last_owner_takes_over_without_a_copy)
{
	map_anon(test_mm, BASE, 64 * P);
	store(test_mm, BASE, 1);
	uint64_t off = pma_at(test_mm, BASE)->off, allocated = memfile_allocated(test_mf);

	fork_mm();
	child_exits();
	store(test_mm, BASE + 3 * P, 2);
	cr_assert_eq(pma_at(test_mm, BASE)->off, off);
	cr_assert_not(pma_at(test_mm, BASE)->need_cow);
	cr_assert_eq(memfile_allocated(test_mf), allocated);
}

Test(fork, what_the_child_copied_the_parent_takes_over)
{
	map_anon(test_mm, BASE, 2 * MM_COW_UNIT);
	store(test_mm, BASE, 1);
	uint64_t off = pma_at(test_mm, BASE)->off;

	fork_mm();
	store(child, BASE, 2);
	uint64_t allocated = memfile_allocated(test_mf);
	store(test_mm, BASE + P, 3);
	cr_assert_eq(memfile_allocated(test_mf), allocated, "the child's copy left the original to the parent alone");
	cr_assert_eq(pma_at(test_mm, BASE)->off, off);
	cr_assert(pma_at(test_mm, BASE + MM_COW_UNIT)->need_cow, "the rest is still shared");
	child_exits();
}

Test(fork, copies_grow_while_writes_walk)
{
	map_anon(test_mm, BASE, MM_UNIT);
	for (uint64_t at = 0; at < MM_UNIT; at += P)
		store(test_mm, BASE + at, (unsigned char)(at / P));
	fork_mm();
	touch_faults = 0;
	for (uint64_t at = 0; at < MM_UNIT; at += P)
		store(child, BASE + at, 0x55);
	cr_assert_leq(touch_faults, 8);
	for (uint64_t at = 0; at < MM_UNIT; at += P)
		cr_assert_eq(load(test_mm, BASE + at), (unsigned char)(at / P));
	child_exits();
}

Test(fork, shared_memory_stays_shared)
{
	int64_t at = map_at(test_mm, BASE, 2 * P, RW, MAP_SHARED);

	cr_assert_eq(at, (int64_t)BASE);
	store(test_mm, BASE, 1);
	fork_mm();
	store(child, BASE, 2);
	store(child, BASE + P, 3);
	cr_assert_eq(load(test_mm, BASE), 2);
	cr_assert_eq(load(test_mm, BASE + P), 3);
	child_exits();
}

Test(fork, grandchildren_see_what_their_parent_had)
{
	struct mm *first;

	map_anon(test_mm, BASE, P);
	store(test_mm, BASE, 1);
	fork_mm();
	first = child;
	store(first, BASE, 2);
	cr_assert_eq(mm_fork(first, &child), 0);
	store(first, BASE, 3);
	cr_assert_eq(load(child, BASE), 2);
	cr_assert_eq(load(test_mm, BASE), 1);
	mm_user_put(first);
	store(child, BASE, 4);
	cr_assert_eq(load(child, BASE), 4);
	child_exits();
}

Test(fork, advice_says_what_is_inherited)
{
	map_anon(test_mm, BASE, 3 * P);
	store(test_mm, BASE, 1);
	store(test_mm, BASE + P, 2);
	store(test_mm, BASE + 2 * P, 3);
	cr_assert_eq(mm_madvise(test_mm, BASE, P, MADV_DONTFORK), 0);
	cr_assert_eq(mm_madvise(test_mm, BASE + P, P, MADV_WIPEONFORK), 0);
	fork_mm();
	cr_assert_str_eq(vmas_text(child), "1-2 rw-p, 2-3 rw-p");
	cr_assert_eq(load(child, BASE + P), 0);
	cr_assert_eq(load(child, BASE + 2 * P), 3);
	cr_assert_eq(load(test_mm, BASE + P), 2);
	child_exits();
}

Test(fork, locks_are_not_inherited)
{
	map_anon(test_mm, BASE, 3 * P);
	cr_assert_eq(mm_mlock(test_mm, BASE, P, true, false), 0);
	fork_mm();
	cr_assert_eq(child->locked_bytes, 0);
	cr_assert_eq(test_mm->locked_bytes, P);
	child_exits();
}

Test(fork, a_failure_leaves_nothing_behind)
{
	map_anon(test_mm, BASE, P);
	store(test_mm, BASE, 1);
	fake_fail_after(0, -EPERM);
	cr_assert_eq(mm_fork(test_mm, &child), -EPERM);
	fake_fail_never();
	check_mm(test_mm);
	cr_assert_eq(fake.live, 1);
	store(test_mm, BASE, 2);
	cr_assert_eq(load(test_mm, BASE), 2);
}

Test(fork, a_parent_in_doubt_is_protected_by_the_next_fork)
{
	map_anon(test_mm, BASE, P);
	store(test_mm, BASE, 1);
	fake_fail_after(0, -EPERM);
	cr_assert_eq(mm_fork(test_mm, &child), -EPERM);
	fake_fail_never();
	/* The stub may still write: it must not once a child shares the page. */
	cr_assert_eq(fake_at(test_mm->as, BASE)->prot, RW);
	fork_mm();
	cr_assert(!fake_at(test_mm->as, BASE) || !(fake_at(test_mm->as, BASE)->prot & PROT_WRITE));
	child_exits();
}

Test(fork, the_sentry_breaks_copies_too)
{
	unsigned char c = 9;

	map_anon(test_mm, BASE, P);
	store(test_mm, BASE, 1);
	fork_mm();
	cr_assert_eq(guest_write(child, BASE, &c, 1), 0);
	cr_assert_eq(load(test_mm, BASE), 1);
	cr_assert_eq(load(child, BASE), 9);
	child_exits();
}

Test(fork, many_pmas_are_left_to_faults)
{
	for (uint64_t i = 0; i < 100; i++) {
		map_anon(test_mm, BASE + i * 2 * P, P);
		store(test_mm, BASE + i * 2 * P, (unsigned char)i);
	}
	fork_mm();
	cr_assert_eq(fake_count(child->as), 0);
	cr_assert_eq(load(child, BASE + 20 * P), 10);
	child_exits();
}
