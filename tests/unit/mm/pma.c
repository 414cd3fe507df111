/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of pmas: which merge, what a split divides, what a lookup accepts, how far making them gets. And what is done with
 * whole mappings: detaching, counting, mapping other pages. */
#include "harness.h"

TestSuite(pma, .init = harness_setup, .fini = harness_teardown, .timeout = 30);

/* Two neighbours of two pages each that merge. */
static void alike(struct pma *a, struct pma *b, char *bytes)
{
	*a = (struct pma){ .file = memfile_file(test_mf), .off = 16 * P, .prot = RW, .max_prot = PROT_ALL, .private = true };
	*b = *a;
	b->off = a->off + 2 * P;
	a->internal = bytes;
	b->internal = bytes + 2 * P;
	a->internal_len = b->internal_len = 2 * P;
}

static bool merges(struct pma *a, const struct pma *b)
{
	return pma_set_ops.merge(range_make(BASE, BASE + 2 * P), a, range_make(BASE + 2 * P, BASE + 4 * P), b);
}

Test(pma, only_those_that_agree_in_everything_merge)
{
	struct mm_file other = { 0 };
	static char bytes[4 * P];
	struct pma a, b;

	alike(&a, &b, bytes);
	cr_assert(merges(&a, &b));
	cr_assert_eq(a.internal, bytes);
	cr_assert_eq(a.internal_len, 4 * P);
#define DIFFERS(change)                                                     \
	do {                                                                \
		alike(&a, &b, bytes);                                       \
		change;                                                     \
		cr_assert(!merges(&a, &b), "merged in spite of " #change);   \
		cr_assert_eq(a.internal_len, 2 * P, "changed by " #change); \
	} while (0)
	DIFFERS(b.file = &other);
	DIFFERS(b.off += P);
	DIFFERS(b.prot = PROT_READ);
	DIFFERS(b.max_prot = RW);
	DIFFERS(b.need_cow = true);
	DIFFERS(b.private = false);
	DIFFERS(b.stub = STUB_MAPPED);
#undef DIFFERS
}

Test(pma, a_merge_keeps_no_address_that_is_not_contiguous)
{
	static char bytes[4 * P], elsewhere[2 * P];
	struct pma a, b;

	alike(&a, &b, bytes);
	b.internal = elsewhere;
	cr_assert(merges(&a, &b));
	cr_assert_eq(a.internal_len, 2 * P);
	/* The first half's address was known in part only: the second lies behind a hole. */
	alike(&a, &b, bytes);
	a.internal_len = P;
	cr_assert(merges(&a, &b));
	cr_assert_eq(a.internal_len, P);
}

Test(pma, a_split_divides_offset_and_address)
{
	static char bytes[4 * P];
	struct pma a, b;

	alike(&a, &b, bytes);
	b = a;
	pma_set_ops.split(range_make(BASE, BASE + 2 * P), &a, BASE + P, &b);
	cr_assert_eq(b.off, a.off + P);
	cr_assert_eq(a.internal_len, P);
	cr_assert_eq(b.internal, bytes + P);
	cr_assert_eq(b.internal_len, P);
	/* An address that does not reach the cut stays with the first half. */
	alike(&a, &b, bytes);
	a.internal_len = P;
	b = a;
	pma_set_ops.split(range_make(BASE, BASE + 2 * P), &a, BASE + P, &b);
	cr_assert_eq(a.internal_len, P);
	cr_assert_null(b.internal);
}

static bool existing(uint64_t addr, uint64_t len, int access, bool ignore_perms)
{
	bool there;

	mm_lock(test_mm);
	there = pmas_existing_locked(test_mm, range_make(addr, addr + len), access, ignore_perms);
	mm_unlock(test_mm);
	return there;
}

Test(pma, a_lookup_wants_every_page_the_permission_and_no_copy)
{
	struct test_file *f = test_file_new(4 * P);
	struct mm *child;

	map_anon(test_mm, BASE, 2 * P);
	map_at(test_mm, BASE + 2 * P, P, PROT_READ, MAP_PRIVATE);
	cr_assert(!existing(BASE, P, PROT_READ, false), "nothing is made yet");
	store(test_mm, BASE, 1);
	load(test_mm, BASE + 2 * P);
	cr_assert(existing(BASE, 3 * P, PROT_READ, false));
	cr_assert(existing(BASE, 2 * P, RW, false));
	cr_assert(!existing(BASE, 3 * P, RW, false), "the last page is read only");
	cr_assert(existing(BASE + 2 * P, P, RW, true), "its maximum allows it");
	cr_assert(!existing(BASE, 4 * P, PROT_READ, false), "one page more than there is");
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	cr_assert(existing(BASE, 3 * P, PROT_READ, false));
	cr_assert(!existing(BASE, P, RW, false), "a write must copy first");
	cr_assert(!existing(BASE, P, RW, true), "whatever is ignored");
	mm_user_put(child);
	map_file(test_mm, f, BASE + 8 * P, 4 * P, RW, MAP_PRIVATE, 0);
	load(test_mm, BASE + 8 * P);
	cr_assert(existing(BASE + 8 * P, P, PROT_READ, false));
	cr_assert(!existing(BASE + 8 * P, P, RW, false));
	cr_assert_eq(mm_munmap(test_mm, BASE, 16 * P), 0);
	test_file_free(f);
}

static int make(struct range r, int access, uint64_t *end)
{
	int err;

	mm_lock(test_mm);
	err = pmas_get_locked(test_mm, r, access, 0, end);
	mm_unlock(test_mm);
	check_mm(test_mm);
	return err;
}

Test(pma, making_them_tells_how_far_it_got_and_why_no_further)
{
	struct test_file *f = test_file_new(2 * P);
	uint64_t end;

	map_anon(test_mm, BASE, 3 * P);
	cr_assert_eq(make(range_make(BASE + 100, BASE + 2 * P + 1), RW, &end), 0);
	cr_assert_eq(end, BASE + 3 * P, "rounded to pages");
	cr_assert_eq(make(range_make(BASE, BASE + 5 * P), RW, &end), -EFAULT);
	cr_assert_eq(end, BASE + 3 * P, "up to the hole");
	cr_assert_eq(mm_mprotect(test_mm, BASE + P, P, PROT_READ, false), 0);
	cr_assert_eq(make(range_make(BASE, BASE + 3 * P), RW, &end), -EFAULT);
	cr_assert_eq(end, BASE + P, "up to what may not be written");
	map_file(test_mm, f, BASE + 16 * P, 4 * P, RW, MAP_SHARED, 0);
	cr_assert_eq(make(range_make(BASE + 16 * P, BASE + 20 * P), PROT_READ, &end), -ENXIO);
	cr_assert_eq(end, BASE + 18 * P, "up to the end of the file");
	cr_assert_eq(make(range_make(BASE + 16 * P, BASE + 18 * P), PROT_READ, &end), 0, "what is behind it is no error then");
	/* An end that wraps around: all that can be done is done first. */
	cr_assert_eq(make(range_make(BASE, UINT64_MAX), PROT_READ, &end), -EFAULT);
	cr_assert_eq(end, BASE + 3 * P);
	cr_assert_eq(mm_munmap(test_mm, BASE, 32 * P), 0);
	test_file_free(f);
}

Test(pma, moving_counts_nothing_twice)
{
	uint64_t at = 0, anon;

	map_anon(test_mm, BASE, 8 * P);
	store(test_mm, BASE, 1);
	anon = test_mm->rss_anon;
	cr_assert_eq(mm_mremap(test_mm, BASE, 8 * P, 8 * P, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 64 * P, &at), 0);
	cr_assert_eq(test_mm->rss_anon, anon);
	cr_assert_eq(load(test_mm, BASE + 64 * P), 1);
	cr_assert_eq(mm_munmap(test_mm, at, 8 * P), 0);
	cr_assert_eq(test_mm->rss_anon, 0);
	cr_assert_eq(memfile_allocated(test_mf), 0);
}

Test(pma, mlock_of_a_part_of_what_is_locked_ends)
{
	map_anon(test_mm, BASE, 8 * P);
	cr_assert_eq(mm_mlock(test_mm, BASE, 8 * P, true, false), 0);
	cr_assert_eq(mm_mlock(test_mm, BASE + P, 2 * P, true, false), 0);
	cr_assert_eq(test_mm->locked_bytes, 8 * P);
}

Test(mappings, a_detach_takes_what_began_at_the_address, .init = harness_setup, .fini = harness_teardown)
{
	struct test_file *f = test_file_new(8 * P);

	map_file(test_mm, f, BASE, 4 * P, RW, MAP_SHARED, 0);
	map_file(test_mm, f, BASE + 8 * P, 4 * P, RW, MAP_SHARED, 0);
	cr_assert_eq(mappings_count(&f->mappings), 2);
	cr_assert_eq(mm_munmap(test_mm, BASE + P, P), 0);
	cr_assert_eq(mappings_count(&f->mappings), 3);
	cr_assert_eq(mm_detach(test_mm, BASE + 1, f->mappable.ops), -EINVAL);
	cr_assert_eq(mm_detach(test_mm, BASE + 2 * P, f->mappable.ops), -EINVAL, "not where it began");
	cr_assert_eq(mm_detach(test_mm, BASE, f->mappable.ops), 0);
	cr_assert_str_eq(vmas_text(test_mm), "8-12 rw-s");
	cr_assert_eq(mm_detach(test_mm, BASE, f->mappable.ops), -EINVAL);
	cr_assert_eq(mm_detach(test_mm, BASE + 8 * P, f->mappable.ops), 0);
	cr_assert_eq(mappings_count(&f->mappings), 0);
	test_file_free(f);
}

Test(mappings, other_pages_take_the_place_of_those_mapped, .init = harness_setup, .fini = harness_teardown)
{
	struct test_file *f = test_file_new(4 * P);

	map_file(test_mm, f, BASE, 4 * P, RW, MAP_SHARED, 0);
	cr_assert_eq(load(test_mm, BASE), 1);
	cr_assert_eq(mm_remap_pages(test_mm, BASE, P, 3, 0), 0);
	cr_assert_eq(load(test_mm, BASE), 4);
	cr_assert_eq(load(test_mm, BASE + P), 2);
	cr_assert_eq(mm_remap_pages(test_mm, BASE, 0, 3, 0), -EINVAL);
	cr_assert_eq(mm_remap_pages(test_mm, BASE, P, UINT64_MAX, 0), -EINVAL);
	cr_assert_eq(mm_remap_pages(test_mm, BASE, P, UINT64_MAX >> PAGE_SHIFT, 0), -EOVERFLOW);
	cr_assert_eq(mm_remap_pages(test_mm, BASE + 4 * P, P, 0, 0), -EINVAL);
	map_anon(test_mm, BASE + 8 * P, P);
	cr_assert_eq(mm_remap_pages(test_mm, BASE + 8 * P, P, 0, 0), -EINVAL);
	check_mm(test_mm);
	cr_assert_eq(mm_munmap(test_mm, BASE, 16 * P), 0);
	test_file_free(f);
}

/* mprotect(2) that failed half-way leaves the stub with rights taken away; the next one with the same rights must not trust the sets. */
Test(pma, a_protection_that_failed_is_tried_again)
{
	map_anon(test_mm, BASE, P);
	store(test_mm, BASE, 1);
	fake_fail_after(0, -EPERM);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, false), -EPERM);
	fake_fail_never();
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, false), 0);
	cr_assert(mm_check(test_mm));
	cr_assert(!fake_at(test_mm->as, BASE) || fake_at(test_mm->as, BASE)->prot == PROT_READ, "the stub still lets it write");
	cr_assert_eq(load(test_mm, BASE), 1);
}
