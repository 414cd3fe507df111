/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/process.h"
#include "tests/support/asserts.h"

#include <signal.h>

Test(wait_status, exit)
{
	cr_assert_eq(wait_status_code(0), CLD_EXITED);
	cr_assert_eq(wait_status_value(0), 0);
	cr_assert_eq(wait_status_code(0x2a00), CLD_EXITED);
	cr_assert_eq(wait_status_value(0x2a00), 42);
	cr_assert_eq(wait_status_value(0xff00), 255);
}

Test(wait_status, killed_and_dumped)
{
	cr_assert_eq(wait_status_code(SIGKILL), CLD_KILLED);
	cr_assert_eq(wait_status_value(SIGKILL), SIGKILL);
	cr_assert_eq(wait_status_code(SIGSEGV | 0x80), CLD_DUMPED);
	cr_assert_eq(wait_status_value(SIGSEGV | 0x80), SIGSEGV);
}

Test(wait_status, stopped_and_continued)
{
	cr_assert_eq(wait_status_code(SIGTSTP << 8 | 0x7f), CLD_STOPPED);
	cr_assert_eq(wait_status_value(SIGTSTP << 8 | 0x7f), SIGTSTP);
	cr_assert_eq(wait_status_code(0xffff), CLD_CONTINUED);
	cr_assert_eq(wait_status_value(0xffff), SIGCONT);
}
