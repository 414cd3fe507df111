/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry process: from its birth to the end of the guest. */
#ifndef SANDBOX_SENTRY_H
#define SANDBOX_SENTRY_H

#include "sandbox/caller.h"
#include "sandbox/outcome.h"

struct sentry_start {
	const struct options *options;
	const struct caller *caller;
	struct outcome *outcome; /* shared with the front process */
	int alive_fd; /* its other end closes when the front process ends */
};

/* Which signals the front process hands on, and what carries how it came by one. All are blocked in both processes. */
void sentry_relayed_signals(sigset_t *set);
enum relay_origin { RELAY_PROCESS, RELAY_TERMINAL };

/* Runs the sandbox and ends the process. The status says nothing; the outcome does. */
NORETURN void sentry_main(const struct sentry_start *s);

#endif
