/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/task_internal.h"
#include "tests/support/asserts.h"

#include <errno.h>

static void lock(void)
{
	mutex_lock(&tasks_lock);
}

static void unlock(void)
{
	mutex_unlock(&tasks_lock);
}

TestSuite(ids, .init = lock, .fini = unlock);

Test(ids, start_at_one_and_go_up)
{
	cr_assert_eq(ids_alloc_locked(), 1);
	cr_assert_eq(ids_alloc_locked(), 2);
	ids_release_locked(2);
	cr_assert_eq(ids_alloc_locked(), 3, "a number is reused late");
}

Test(ids, names_nothing_once_released)
{
	pid_t id = ids_alloc_locked();

	cr_assert_not_null(ids_find_locked(id));
	ids_release_locked(id);
	cr_assert_null(ids_find_locked(id));
	ids_release_locked(id);
	cr_assert_null(ids_find_locked(id), "releasing twice does no harm");
}

Test(ids, stay_in_use_while_a_process_group_has_the_number)
{
	pid_t id = ids_alloc_locked();
	struct pgroup pg = { .id = id };

	ids_find_locked(id)->pgroup = &pg;
	ids_release_locked(id);
	cr_assert_not_null(ids_find_locked(id));
	ids_find_locked(id)->pgroup = NULL;
	ids_release_locked(id);
	cr_assert_null(ids_find_locked(id));
}

Test(ids, refuse_numbers_out_of_range)
{
	cr_assert_null(ids_find_locked(0));
	cr_assert_null(ids_find_locked(-5));
	cr_assert_null(ids_find_locked(PID_MAX));
	cr_assert_null(ids_find_locked(INT32_MAX));
	cr_assert_null(ids_find_locked(INT32_MIN));
}

Test(ids, next_walks_in_order_over_gaps)
{
	pid_t kept[3] = { 0 };

	for (int i = 0; i < 3000; i++) {
		pid_t id = ids_alloc_locked();

		if (i % 1400 == 0)
			kept[i / 1400] = id;
		else
			ids_release_locked(id);
	}
	cr_assert_eq(ids_next_locked(0), kept[0]);
	cr_assert_eq(ids_next_locked(kept[0] + 1), kept[1]);
	cr_assert_eq(ids_next_locked(kept[1] + 1), kept[2]);
	cr_assert_eq(ids_next_locked(kept[2] + 1), 0);
}

Test(ids, wrap_around_above_the_reserved_ones, .timeout = 30)
{
	pid_t init = ids_alloc_locked(), last = 0;

	for (int i = 0; i < PID_MAX - 2; i++) {
		last = ids_alloc_locked();
		ids_release_locked(last);
	}
	cr_assert_eq(last, PID_MAX - 1);
	cr_assert_eq(ids_alloc_locked(), PID_RESERVED);
	cr_assert_not_null(ids_find_locked(init));
}
