/* SPDX-License-Identifier: Apache-2.0 */
/* Guest faults: what they map, what they cost, and the signals. */
#include "harness.h"

#include <signal.h>

TestSuite(fault, .init = harness_setup, .fini = harness_teardown, .timeout = 30);

Test(fault, one_fault_serves_the_unit)
{
	map_anon(test_mm, BASE, 4 * MM_UNIT);
	store(test_mm, BASE + MM_UNIT + 5 * P, 1);
	cr_assert_eq(touch_faults, 1);
	cr_assert_eq(fake.maps, 1);
	store(test_mm, BASE + MM_UNIT, 2);
	store(test_mm, BASE + 2 * MM_UNIT - 1, 3);
	cr_assert_eq(touch_faults, 1);
	cr_assert_null(pma_at(test_mm, BASE));
	cr_assert_null(pma_at(test_mm, BASE + 2 * MM_UNIT));
	cr_assert_eq(load(test_mm, BASE + MM_UNIT + 5 * P), 1);
}

Test(fault, the_unit_is_clipped_to_vma_and_gap)
{
	map_anon(test_mm, BASE + 3 * P, 10 * P);
	store(test_mm, BASE + 5 * P, 1);
	cr_assert_eq(test_mm->rss_anon, 10 * P);
	cr_assert_eq(mm_munmap(test_mm, BASE + 6 * P, P), 0);
	map_anon(test_mm, BASE + 6 * P, P);
	store(test_mm, BASE + 6 * P, 1);
	cr_assert_eq(test_mm->rss_anon, 10 * P);
}

Test(fault, an_unknown_access_to_fresh_memory_is_mapped_writable_at_once)
{
	map_anon(test_mm, BASE, P);
	load(test_mm, BASE);
	store(test_mm, BASE, 1);
	cr_assert_eq(touch_faults, 1);
}

Test(fault, a_walk_gets_its_pages_entered)
{
	map_anon(test_mm, BASE, 4 * MM_UNIT);
	store(test_mm, BASE, 1);
	cr_assert_eq(fake.populated, 0);
	store(test_mm, BASE + MM_UNIT, 1);
	cr_assert_eq(fake.populated, 0, "a sparse neighbour is no walk");
	for (uint64_t at = BASE + MM_UNIT; at < BASE + 2 * MM_UNIT; at += P)
		store(test_mm, at, 1);
	store(test_mm, BASE + 2 * MM_UNIT, 1);
	cr_assert_eq(fake.populated, 1);
}

Test(fault, signals_for_what_the_vmas_do_not_allow)
{
	map_at(test_mm, BASE, P, PROT_READ, MAP_PRIVATE);
	map_at(test_mm, BASE + P, P, PROT_NONE, MAP_PRIVATE);
	cr_assert_eq(touch(test_mm, BASE + 2 * P, PROT_READ), SIGSEGV);
	cr_assert_eq(touch_code, SEGV_MAPERR);
	cr_assert_eq(touch(test_mm, 0, PROT_READ), SIGSEGV);
	cr_assert_eq(touch_code, SEGV_MAPERR);
	cr_assert_eq(touch(test_mm, UINT64_MAX, PROT_READ), SIGSEGV);
	cr_assert_eq(touch(test_mm, BASE + P, PROT_READ), SIGSEGV);
	cr_assert_eq(touch_code, SEGV_ACCERR);
	cr_assert_eq(touch(test_mm, BASE, PROT_WRITE), SIGSEGV);
	cr_assert_eq(touch_code, SEGV_ACCERR);
	cr_assert_eq(touch(test_mm, BASE, PROT_EXEC), SIGSEGV);
	cr_assert_eq(touch_code, SEGV_ACCERR);
	load(test_mm, BASE);
}

Test(fault, a_fault_resolved_meanwhile_is_tried_again)
{
	struct mm_fault f = { .addr = BASE, .access = PROT_READ, .mapped = true };
	int code;

	map_at(test_mm, BASE, P, PROT_READ, MAP_PRIVATE);
	load(test_mm, BASE);
	unsigned maps = fake.maps;
	cr_assert_eq(mm_handle_fault(test_mm, &f, &code), 0);
	cr_assert_eq(fake.maps, maps);
	/* The same again without any change: the guest cannot get on. */
	cr_assert_eq(mm_handle_fault(test_mm, &f, &code), SIGSEGV);
}

/* The sentry's thread goes on to an address space at the same place in memory, with the same faults. */
Test(fault, a_fault_of_another_address_space_is_no_second_one)
{
	struct mm_fault f = { .addr = BASE, .access = PROT_WRITE, .access_known = true, .mapped = true };
	int code;

	for (int i = 0; i < 20; i++) {
		map_anon(test_mm, BASE, P);
		store(test_mm, BASE, 1);
		cr_assert_eq(mm_handle_fault(test_mm, &f, &code), 0, "space %d", i);
		mm_user_put(test_mm);
		cr_assert_eq(mm_new(test_mf, &test_mm), 0);
	}
}

/* The platform drops what it cannot map when nobody can be told. */
static void loses_and_faults(uint64_t addr, int access, bool known)
{
	struct mm_fault f = { .addr = addr, .access = access, .access_known = known };
	int code;

	cr_assert_eq(touch(test_mm, addr, access), 0);
	cr_assert_eq(platform_as_unmap(test_mm->as, addr, P), 0);
	cr_assert_eq(mm_handle_fault(test_mm, &f, &code), 0, "it may have been a race");
	cr_assert_eq(mm_handle_fault(test_mm, &f, &code), 0);
	check_mm(test_mm);
	cr_assert(fake_at(test_mm->as, addr)->prot & access);
}

Test(fault, what_the_stub_has_lost_is_mapped_again)
{
	map_anon(test_mm, BASE, P);
	map_at(test_mm, BASE + P, P, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	loses_and_faults(BASE, PROT_READ, false);
	loses_and_faults(BASE + P, PROT_READ, false);
	loses_and_faults(BASE + P, PROT_EXEC, true);
}

/* A stub needs more mappings than its guest where memory lies in pieces. */
Test(fault, a_host_with_few_mappings_is_worked_with)
{
	enum { PAGES = 64, LIMIT = 10 };

	fake_limit_mappings(LIMIT);
	map_anon(test_mm, BASE, PAGES * P);
	for (int i = 0; i < PAGES; i++)
		store(test_mm, BASE + i * P, (unsigned char)(i + 1));
	for (int i = 0; i < PAGES; i += 2) {
		cr_assert_eq(mm_mprotect(test_mm, BASE + i * P, P, PROT_READ, false), 0);
		cr_assert_eq(touch(test_mm, BASE + i * P, PROT_WRITE), SIGSEGV);
	}
	for (int i = 0; i < PAGES; i++)
		cr_assert_eq(load(test_mm, BASE + i * P), i + 1);
	cr_assert_leq(fake_count(test_mm->as), LIMIT);
	for (int i = 1; i < PAGES; i += 4) {
		cr_assert_eq(mm_munmap(test_mm, BASE + i * P, P), 0);
		cr_assert_eq(touch(test_mm, BASE + i * P, PROT_READ), SIGSEGV);
	}
	for (int i = 0; i < PAGES; i += 2) {
		uint64_t to;

		cr_assert_eq(mm_mremap(test_mm, BASE + i * P, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + (100 + i) * P, &to), 0);
		cr_assert_eq(load(test_mm, to), i + 1);
		cr_assert_eq(touch(test_mm, BASE + i * P, PROT_READ), SIGSEGV);
	}
	check_mm(test_mm);
}

Test(fault, a_stack_grows_within_its_limit)
{
	uint64_t top = BASE + 64 * MM_UNIT;

	mm_limits(test_mm)->stack = 16 << 20;
	map_at(test_mm, top - 33 * P, 33 * P, RW, MAP_PRIVATE | MAP_GROWSDOWN);
	store(test_mm, top - 40 * P, 7);
	cr_assert_eq(touch(test_mm, top - (16 << 20), PROT_WRITE), 0);
	cr_assert_eq(touch(test_mm, top - (16 << 20) - 1, PROT_WRITE), SIGSEGV);
	cr_assert_eq(touch_code, SEGV_MAPERR);
	cr_assert_eq(load(test_mm, top - 40 * P), 7);
	cr_assert_eq(test_mm->stack_bytes, 16 << 20);
}

Test(fault, a_stack_keeps_its_gap)
{
	uint64_t low = BASE, top = BASE + 4 * MM_GUARD_GAP;

	map_anon(test_mm, low, P);
	map_at(test_mm, top - P, P, RW, MAP_PRIVATE | MAP_GROWSDOWN);
	cr_assert_eq(touch(test_mm, low + P + MM_GUARD_GAP - 1, PROT_WRITE), SIGSEGV);
	cr_assert_eq(touch(test_mm, low + P + MM_GUARD_GAP, PROT_WRITE), 0);
	/* A neighbour that nobody can access needs no gap. */
	cr_assert_eq(mm_mprotect(test_mm, low, P, PROT_NONE, false), 0);
	cr_assert_eq(touch(test_mm, low + 2 * P, PROT_WRITE), 0);
}

Test(fault, a_shared_file_is_mapped_whole_and_written_through)
{
	struct test_file *f = test_file_new(16 * P);

	map_file(test_mm, f, BASE, 16 * P, RW, MAP_SHARED, 0);
	cr_assert_eq(load(test_mm, BASE + 9 * P), 10);
	store(test_mm, BASE + 15 * P, 99);
	cr_assert_eq(touch_faults, 1);
	cr_assert_eq(f->translations, 1);
	cr_assert_eq(f->internal[15 * P], 99);
	cr_assert_eq(f->page_refs, 16);
	cr_assert_eq(mm_munmap(test_mm, BASE, 16 * P), 0);
	test_file_free(f);
}

Test(fault, a_private_file_is_mapped_without_write_permission)
{
	struct test_file *f = test_file_new(1 << 20);

	map_file(test_mm, f, BASE, 1 << 20, RW, MAP_PRIVATE, 0);
	cr_assert_eq(load(test_mm, BASE + P), 2);
	cr_assert_eq(fake_at(test_mm->as, BASE)->prot, PROT_READ);
	store(test_mm, BASE + P, 77);
	cr_assert_eq(load(test_mm, BASE + P), 77);
	cr_assert_eq(load(test_mm, BASE + P + 1), 2);
	cr_assert_eq(f->internal[P], 2, "the file must not change");
	/* Copied at most the unit around the write. */
	cr_assert_eq(test_mm->rss_anon, MM_COW_UNIT);
	cr_assert_eq(f->page_refs, 256 - 16);
	cr_assert_eq(mm_munmap(test_mm, BASE, 1 << 20), 0);
	test_file_free(f);
}

Test(fault, small_data_segments_are_copied_at_the_first_touch)
{
	struct test_file *f = test_file_new(4 * P);

	map_file(test_mm, f, BASE, 4 * P, RW, MAP_PRIVATE | MAP_DENYWRITE, 0);
	store(test_mm, BASE, 5);
	cr_assert_eq(touch_faults, 1);
	cr_assert_eq(load(test_mm, BASE + P), 2);
	cr_assert_eq(f->page_refs, 0);
	cr_assert_eq(mm_munmap(test_mm, BASE, 4 * P), 0);
	test_file_free(f);
}

Test(fault, past_the_end_of_a_file_is_a_bus_error)
{
	struct test_file *f = test_file_new(2 * P + 10);

	map_file(test_mm, f, BASE, 8 * P, RW, MAP_SHARED, 0);
	cr_assert_eq(touch(test_mm, BASE + 3 * P, PROT_READ), SIGBUS);
	cr_assert_eq(touch_code, BUS_ADRERR);
	cr_assert_eq(load(test_mm, BASE + 2 * P), 3);
	cr_assert_eq(mm_munmap(test_mm, BASE, 8 * P), 0);
	test_file_free(f);
}

Test(fault, a_page_that_lost_its_backing_is_a_bus_error)
{
	struct test_file *f = test_file_new(2 * P);
	struct mm_fault fault = { .addr = BASE + P, .access = PROT_READ, .bus = true };
	int code;

	map_file(test_mm, f, BASE, 2 * P, PROT_READ, MAP_SHARED, 0);
	load(test_mm, BASE);
	cr_assert_eq(mm_handle_fault(test_mm, &fault, &code), 0, "once it may have been a race");
	cr_assert_eq(mm_handle_fault(test_mm, &fault, &code), SIGBUS);
	cr_assert_eq(mm_munmap(test_mm, BASE, 2 * P), 0);
	test_file_free(f);
}

Test(fault, a_translation_that_gave_too_little_is_asked_again)
{
	struct test_file *f = test_file_new(4 * P);

	f->prot = PROT_READ;
	map_file(test_mm, f, BASE, 4 * P, RW, MAP_SHARED, 0);
	load(test_mm, BASE);
	f->prot = PROT_ALL;
	store(test_mm, BASE, 9);
	cr_assert_eq(f->internal[0], 9);
	f->prot = PROT_READ;
	cr_assert_eq(mm_munmap(test_mm, BASE, 4 * P), 0);
	map_file(test_mm, f, BASE, 4 * P, RW, MAP_SHARED, 0);
	cr_assert_eq(touch(test_mm, BASE, PROT_WRITE), SIGSEGV, "a refusal is final");
	cr_assert_eq(mm_munmap(test_mm, BASE, 4 * P), 0);
	test_file_free(f);
}

Test(fault, a_host_that_refuses_leaves_sets_and_stub_in_agreement)
{
	map_anon(test_mm, BASE, 2 * P);
	fake_fail_after(0, -ENOMEM);
	cr_assert_eq(touch(test_mm, BASE, PROT_WRITE), SIGBUS);
	fake_fail_never();
	check_mm(test_mm);
	store(test_mm, BASE, 1);
	fake_fail_after(0, -EPERM);
	cr_assert_eq(mm_munmap(test_mm, BASE, P), -EPERM);
	fake_fail_never();
	cr_assert_str_eq(vmas_text(test_mm), "0-2 rw-p");
	cr_assert_eq(load(test_mm, BASE), 1);
	/* The page is in doubt now, so it is unmapped, and the next fault maps it as it should be. */
	fake_fail_after(0, -EPERM);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, false), -EPERM);
	fake_fail_never();
	check_mm(test_mm);
	cr_assert_eq(load(test_mm, BASE), 1);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, RW, false), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, false), 0);
	cr_assert_eq(touch(test_mm, BASE, PROT_WRITE), SIGSEGV);
	cr_assert_eq(load(test_mm, BASE), 1);
	cr_assert_eq(fake_at(test_mm->as, BASE)->prot, PROT_READ);
}

Test(fault, memory_in_doubt_is_not_writable_after_mprotect)
{
	map_anon(test_mm, BASE, 2 * P);
	store(test_mm, BASE, 1);
	fake_fail_after(0, -EPERM);
	cr_assert_eq(mm_munmap(test_mm, BASE, P), -EPERM);
	fake_fail_never();
	/* The host still maps it writable, whatever we know. */
	cr_assert_eq(mm_mprotect(test_mm, BASE, 2 * P, PROT_READ, false), 0);
	check_mm(test_mm);
	cr_assert_eq(touch(test_mm, BASE, PROT_WRITE), SIGSEGV);
	cr_assert_eq(load(test_mm, BASE), 1);
}

Test(fault, protecting_touched_memory_injects_one_call_a_run)
{
	map_anon(test_mm, BASE, 20 * P);
	store(test_mm, BASE, 1);
	cr_assert_eq(mm_mprotect(test_mm, BASE + 4 * P, 4 * P, PROT_READ, false), 0);
	cr_assert_eq(fake.protects, 1);
	cr_assert_eq(touch(test_mm, BASE + 4 * P, PROT_WRITE), SIGSEGV);
	cr_assert_eq(mm_mprotect(test_mm, BASE + 4 * P, 4 * P, PROT_READ, false), 0);
	cr_assert_eq(fake.protects, 1, "no change, no call");
	cr_assert_eq(mm_mprotect(test_mm, BASE, 20 * P, RW, false), 0);
	cr_assert_eq(fake.protects, 1, "the first write asks");
	store(test_mm, BASE + 4 * P, 1);
	cr_assert_eq(fake.protects, 2);
	check_mm(test_mm);
	cr_assert_eq(mm_munmap(test_mm, BASE, 20 * P), 0);
	cr_assert_eq(fake.unmaps, 1);
}

Test(fault, unprotecting_what_is_not_written_injects_nothing)
{
	map_anon(test_mm, BASE, P);
	store(test_mm, BASE, 1);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, false), 0);
		cr_assert_eq(mm_mprotect(test_mm, BASE, P, RW, false), 0);
		check_mm(test_mm);
	}
	cr_assert_eq(fake.protects, 1);
	/* A program that writes what it unprotects is believed to go on with it. */
	store(test_mm, BASE, 2);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, false), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, RW, false), 0);
	touch_faults = 0;
	store(test_mm, BASE, 3);
	cr_assert_eq(touch_faults, 0);
}

/* The host cannot tell a read or an execution of what is mapped without the right to from a write. */
Test(fault, only_writes_are_left_to_faults)
{
	map_anon(test_mm, BASE, P);
	store(test_mm, BASE, 1);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_NONE, false), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, false), 0);
	cr_assert_eq(fake_at(test_mm->as, BASE)->prot, PROT_READ);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ | PROT_EXEC, false), 0);
	cr_assert_eq(fake_at(test_mm->as, BASE)->prot, PROT_READ | PROT_EXEC);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, RW | PROT_EXEC, false), 0);
	cr_assert_eq(fake_at(test_mm->as, BASE)->prot, PROT_READ | PROT_EXEC);
	store(test_mm, BASE, 2);
	cr_assert_eq(load(test_mm, BASE), 2);
}

Test(fault, what_is_not_written_yet_survives_fork_and_mremap)
{
	struct mm *child;
	uint64_t moved;

	map_anon(test_mm, BASE, 2 * P);
	store(test_mm, BASE, 1);
	store(test_mm, BASE + P, 2);
	cr_assert_eq(mm_mprotect(test_mm, BASE, 2 * P, PROT_READ, false), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE, 2 * P, RW, false), 0);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	check_mm(test_mm);
	check_mm(child);
	store(child, BASE, 3);
	store(test_mm, BASE + P, 4);
	cr_assert_eq(load(test_mm, BASE), 1);
	cr_assert_eq(load(child, BASE + P), 2);
	mm_user_put(child);
	cr_assert_eq(mm_mprotect(test_mm, BASE, 2 * P, PROT_READ, false), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE, 2 * P, RW, false), 0);
	cr_assert_eq(mm_mremap(test_mm, BASE, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 64 * P, &moved), 0);
	check_mm(test_mm);
	store(test_mm, BASE + 65 * P, 5);
	cr_assert_eq(load(test_mm, BASE + 64 * P), 1);
}

Test(fault, populate_maps_now)
{
	map_at(test_mm, BASE, 8 * P, RW, MAP_PRIVATE | MAP_POPULATE);
	store(test_mm, BASE + 7 * P, 1);
	cr_assert_eq(touch_faults, 0);
	map_anon(test_mm, BASE + 16 * P, 4 * P);
	cr_assert_eq(mm_madvise(test_mm, BASE + 16 * P, 4 * P, 23 /* MADV_POPULATE_WRITE */), 0);
	store(test_mm, BASE + 17 * P, 1);
	cr_assert_eq(touch_faults, 0);
	cr_assert_eq(mm_madvise(test_mm, BASE + 16 * P, 5 * P, 23), -ENOMEM);
}
