/* SPDX-License-Identifier: Apache-2.0 */
/* Memory goes out of the stub before the reference that keeps it is dropped: a guest thread on another processor may still use the mapping,
 * and what is freed may be somebody else's at once. The fake platform tells of each mapping that goes; here it is looked at what
 * still keeps its pages at that moment. */
#include "harness.h"

static int removed; /* pages */
static struct test_file *file;
static int file_pages; /* that have to be referred to whenever a mapping goes */

static void setup(void)
{
	harness_setup();
	removed = 0;
}

static void teardown(void)
{
	fake_on_removal = NULL;
	harness_teardown();
}

TestSuite(order, .init = setup, .fini = teardown, .timeout = 30);

/* The memory file is punched when the last reference goes, so a byte that was stored is there for as long as there is one. */
static void expect_contents(const struct fake_mapping *m)
{
	for (uint64_t at = 0; at < m->len; at += P) {
		uint64_t len;
		const unsigned char *p = memfile_ptr(test_mf, m->off + at, &len);

		cr_assert_eq(*p, 0xaa);
		removed++;
	}
}

static void expect_second_owner(const struct fake_mapping *m)
{
	cr_assert(!memfile_sole_ref(test_mf, range_make(m->off, m->off + m->len)));
	removed += (int)(m->len / P);
}

static void expect_file_pages(const struct fake_mapping *m)
{
	cr_assert_geq(file->page_refs, file_pages);
	removed += (int)(m->len / P);
}

static void fill(uint64_t pages)
{
	map_anon(test_mm, BASE, pages * P);
	for (uint64_t i = 0; i < pages; i++)
		store(test_mm, BASE + i * P, 0xaa);
	fake_on_removal = expect_contents;
}

Test(order, munmap_of_anonymous_memory)
{
	fill(8);
	cr_assert_eq(mm_munmap(test_mm, BASE + 2 * P, 3 * P), 0);
	cr_assert_eq(removed, 3);
	check_mm(test_mm);
}

Test(order, a_mapping_that_replaces_another)
{
	fill(8);
	map_anon(test_mm, BASE, 8 * P);
	cr_assert_eq(removed, 8);
	check_mm(test_mm);
}

Test(order, munmap_of_what_a_child_has_inherited)
{
	struct mm *child;

	fill(4);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	for (uint64_t i = 0; i < 4; i++)
		cr_assert_eq(load(child, BASE + i * P), 0xaa);
	fake_on_removal = expect_second_owner;
	cr_assert_eq(mm_munmap(child, BASE, 4 * P), 0);
	cr_assert_eq(removed, 4);
	mm_user_put(child);
}

Test(order, a_copy_replaces_the_original_before_it_is_let_go)
{
	struct mm *child;

	fill(4);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	cr_assert_eq(load(child, BASE), 0xaa);
	fake_on_removal = expect_second_owner;
	store(child, BASE, 1);
	cr_assert_geq(removed, 1);
	check_mm(child);
	fake_on_removal = NULL;
	mm_user_put(child);
}

Test(order, munmap_of_a_file)
{
	file = test_file_new(8 * P);
	cr_assert_eq(map_file(test_mm, file, BASE, 8 * P, PROT_READ, MAP_SHARED, 0), (int64_t)BASE);
	for (uint64_t i = 0; i < 8; i++)
		load(test_mm, BASE + i * P);
	file_pages = file->page_refs;
	cr_assert_geq(file_pages, 1);
	fake_on_removal = expect_file_pages;
	cr_assert_eq(mm_munmap(test_mm, BASE, 8 * P), 0);
	cr_assert_eq(removed, 8);
	cr_assert_lt(file->page_refs, file_pages);
	test_file_free(file);
}
