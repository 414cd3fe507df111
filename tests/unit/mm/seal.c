/* SPDX-License-Identifier: Apache-2.0 */
/* mseal: sealed mappings stay, and the sets stay right when a call meets one. */
#include "harness.h"

#include <sys/mman.h>

TestSuite(seal, .init = harness_setup, .fini = harness_teardown, .timeout = 30);

/* Six pages with bytes in them, of which pages 2 and 3 are sealed. */
static void sealed(int prot)
{
	map_anon(test_mm, BASE, 6 * P);
	for (uint64_t i = 0; i < 6; i++)
		store(test_mm, BASE + i * P, (unsigned char)(i + 1));
	cr_assert_eq(mm_mprotect(test_mm, BASE + 2 * P, 2 * P, prot, false), 0);
	cr_assert_eq(mm_mseal(test_mm, BASE + 2 * P, 2 * P), 0);
	check_mm(test_mm);
}

static void expect_all_there(void)
{
	check_mm(test_mm);
	for (uint64_t i = 0; i < 6; i++)
		cr_assert_eq(load(test_mm, BASE + i * P), i + 1);
}

Test(seal, arguments)
{
	map_anon(test_mm, BASE, P);
	cr_assert_eq(mm_mseal(test_mm, BASE + 1, P), -EINVAL);
	cr_assert_eq(mm_mseal(test_mm, BASE, 0), 0);
	cr_assert_eq(mm_mseal(test_mm, BASE, UINT64_MAX), -EINVAL);
	cr_assert_eq(mm_mseal(test_mm, BASE, -2 * P), -EINVAL);
	cr_assert_eq(mm_mseal(test_mm, BASE, 2 * P), -ENOMEM);
	cr_assert_eq(mm_munmap(test_mm, BASE, P), 0, "nothing was sealed");
}

Test(seal, unmapping_does_all_or_nothing)
{
	uint64_t out;

	sealed(RW);
	unsigned batches = fake.batches;

	cr_assert_eq(mm_munmap(test_mm, BASE, 6 * P), -EPERM);
	cr_assert_eq(map_at(test_mm, BASE + P, 2 * P, RW, MAP_PRIVATE), -EPERM);
	cr_assert_eq(mm_mremap(test_mm, BASE, 6 * P, P, 0, 0, &out), -EPERM);
	cr_assert_eq(mm_mremap(test_mm, BASE, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 3 * P, &out), -EPERM);
	cr_assert_eq(mm_mremap(test_mm, BASE + 2 * P, P, 2 * P, MREMAP_MAYMOVE, 0, &out), -EPERM);
	cr_assert_eq(fake.batches, batches, "the stub was left alone");
	expect_all_there();
	cr_assert_eq(mm_munmap(test_mm, BASE + 4 * P, 2 * P), 0);
	cr_assert_eq(mm_munmap(test_mm, BASE, 2 * P), 0);
	cr_assert_str_eq(vmas_text(test_mm), "2-4 rw-p");
}

Test(seal, protection_changes_up_to_the_first_sealed_page)
{
	sealed(RW);
	cr_assert_eq(mm_mprotect(test_mm, BASE, 6 * P, PROT_READ, false), -EPERM);
	check_mm(test_mm);
	cr_assert_str_eq(vmas_text(test_mm), "0-2 r--p, 2-4 rw-p, 4-6 rw-p");
	cr_assert_eq(mm_mprotect(test_mm, BASE + 2 * P, P, RW, false), -EPERM, "even to what it is");
}

Test(seal, advice_loses_no_byte_that_could_not_be_written)
{
	static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_WIPEONFORK, MADV_REMOVE };

	sealed(PROT_READ);
	for (size_t i = 0; i < ARRAY_SIZE(advices); i++)
		cr_assert_eq(mm_madvise(test_mm, BASE + 2 * P, P, advices[i]), -EPERM);
	cr_assert_eq(mm_madvise(test_mm, BASE + 2 * P, P, MADV_WILLNEED), 0);
	expect_all_there();
	cr_assert_eq(mm_madvise(test_mm, BASE, 6 * P, MADV_DONTNEED), -EPERM);
	cr_assert_eq(load(test_mm, BASE), 0);
	cr_assert_eq(load(test_mm, BASE + 2 * P), 3);
}

Test(seal, a_child_inherits_it)
{
	struct mm *child;

	sealed(RW);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	cr_assert_eq(mm_munmap(child, BASE, 6 * P), -EPERM);
	cr_assert_eq(load(child, BASE + 2 * P), 3);
	store(child, BASE + 2 * P, 9);
	cr_assert_eq(load(test_mm, BASE + 2 * P), 3);
	mm_user_put(child);
}
