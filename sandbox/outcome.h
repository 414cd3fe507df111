/* SPDX-License-Identifier: Apache-2.0 */
/* How a run ended: one object in memory that the front process and the sentry share, so that a report can be written
 * whatever became of the sentry.
 *
 * The sentry writes it, the front reads it after the sentry has been reaped. A sentry that a guest took over could have
 * written anything: the front bounds every number it uses as an index and prints no string from here.
 */
#ifndef SANDBOX_OUTCOME_H
#define SANDBOX_OUTCOME_H

#include "sandbox/layers.h"
#include "syscalls/syscalls.h"

#include <stdatomic.h>
#include <stdint.h>

enum verdict {
	VERDICT_SANDBOX_ERROR, /* also what stands here when the sentry was killed */
	VERDICT_NOT_STARTED, /* the program could not be executed: `error` */
	VERDICT_EXITED,
	VERDICT_SIGNALLED,
	VERDICT_TIME_LIMIT,
	VERDICT_MEMORY_LIMIT,
	VERDICT_COUNT
};

enum { EXIT_TIME_LIMIT = 124, EXIT_SANDBOX_ERROR = 125, EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127 };

/* What Ctrl-Z stops: the front process asks, the sentry answers. */
enum suspension { SUSPEND_UNKNOWN, SUSPEND_SANDBOX, SUSPEND_JOB };

struct outcome {
	_Atomic uint32_t suspension; /* enum suspension: a futex */
	_Atomic bool complete; /* the sentry has written all it had to say */
	enum verdict verdict;
	int status; /* EXITED, SIGNALLED: wait(2) encoding */
	int error; /* NOT_STARTED: positive errno */
	bool reported; /* SANDBOX_ERROR: the sentry has printed why */
	uint64_t fault_address; /* SIGNALLED by a fault */
	int64_t start_ns; /* CLOCK_MONOTONIC, when the guest started; 0 before */
	int64_t wall_ns, user_ns, system_ns;
	uint64_t peak_resident;
	uint64_t processes, threads; /* made, the first included */
	struct layers layers;
	struct platform_stats platform;
	struct syscall_count counts[SYSCALL_MAX + 1];
};

const char *verdict_name(enum verdict v);
/* What `sbx run` exits with. */
int verdict_exit_status(const struct outcome *o);

#endif
