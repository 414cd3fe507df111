/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/outcome.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <signal.h>

static int exit_status(enum verdict v, int status, int error)
{
	static struct outcome o; /* large */

	o.verdict = v;
	o.status = status;
	o.error = error;
	return verdict_exit_status(&o);
}

Test(verdict, exit_status)
{
	cr_assert_eq(exit_status(VERDICT_EXITED, 0, 0), 0);
	cr_assert_eq(exit_status(VERDICT_EXITED, 255 << 8, 0), 255);
	cr_assert_eq(exit_status(VERDICT_SIGNALLED, SIGSEGV, 0), 128 + SIGSEGV);
	cr_assert_eq(exit_status(VERDICT_SIGNALLED, SIGABRT | 0x80, 0), 128 + SIGABRT);
	cr_assert_eq(exit_status(VERDICT_TIME_LIMIT, SIGKILL, 0), 124);
	cr_assert_eq(exit_status(VERDICT_NOT_STARTED, 0, ENOENT), 127);
	cr_assert_eq(exit_status(VERDICT_NOT_STARTED, 0, EACCES), 126);
	cr_assert_eq(exit_status(VERDICT_NOT_STARTED, 0, ENOEXEC), 126);
	cr_assert_eq(exit_status(VERDICT_SANDBOX_ERROR, 0, 0), 125);
}

Test(verdict, a_number_out_of_range_is_a_failure_of_the_sandbox)
{
	cr_assert_eq(exit_status((enum verdict)77, 0, 0), 125);
	cr_assert_str_eq(verdict_name((enum verdict)77), "sandbox-error");
	cr_assert_str_eq(verdict_name((enum verdict)-1), "sandbox-error");
}
