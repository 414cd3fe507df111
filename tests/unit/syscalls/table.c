/* SPDX-License-Identifier: Apache-2.0 */
#include "syscalls/syscalls.h"
#include "tests/support/asserts.h"

#include <string.h>
#include <sys/syscall.h>

Test(table, rows_have_the_hosts_numbers)
{
	cr_assert_str_eq(syscall_entry(SYS_read)->name, "read");
	cr_assert_str_eq(syscall_entry(SYS_clone3)->name, "clone3");
	cr_assert_str_eq(syscall_entry(SYS_newfstatat)->name, "newfstatat");
}

Test(table, there_is_no_row_beyond_it)
{
	cr_assert_null(syscall_entry(SYSCALL_MAX));
	cr_assert_null(syscall_entry(UINT64_MAX));
	cr_assert_null(syscall_entry(0x40000000));
	cr_assert_null(syscall_entry(400));
}

Test(table, every_row_is_well_formed)
{
	for (uint64_t nr = 0; nr < SYSCALL_MAX; nr++) {
		const struct syscall_entry *e = syscall_entry(nr);

		if (!e)
			continue;
		cr_assert_leq(strlen(e->args), 6, "%s", e->name);
		cr_assert_eq(strspn(e->args, "dulzOxpsfFoit"), strlen(e->args), "%s", e->name);
		cr_assert_eq(e->level == SYSCALL_FULL, e->note[0] == 0, "%s: a gap has a note", e->name);
	}
}
