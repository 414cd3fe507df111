/* SPDX-License-Identifier: Apache-2.0 */
/* From how a run ended to what the caller sees. */
#include "sandbox/outcome.h"

#include <errno.h>
#include <sys/wait.h>

const char *verdict_name(enum verdict v)
{
	static const char *const names[VERDICT_COUNT] = {
		[VERDICT_SANDBOX_ERROR] = "sandbox-error", [VERDICT_NOT_STARTED] = "not-started",
		[VERDICT_EXITED] = "exited",		   [VERDICT_SIGNALLED] = "signalled",
		[VERDICT_TIME_LIMIT] = "time-limit",	   [VERDICT_MEMORY_LIMIT] = "memory-limit",
	};

	return (unsigned)v < VERDICT_COUNT ? names[v] : names[VERDICT_SANDBOX_ERROR];
}

static int wait_exit_status(int status)
{
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

int verdict_exit_status(const struct outcome *o)
{
	switch (o->verdict) {
	case VERDICT_EXITED:
	case VERDICT_SIGNALLED:
	case VERDICT_MEMORY_LIMIT:
		return wait_exit_status(o->status);
	case VERDICT_TIME_LIMIT:
		return EXIT_TIME_LIMIT;
	case VERDICT_NOT_STARTED:
		return o->error == ENOENT || o->error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
	default:
		return EXIT_SANDBOX_ERROR;
	}
}
