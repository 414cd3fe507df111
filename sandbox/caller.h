/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest inherits from the caller of sbx, read once in the front process before anything changes. */
#ifndef SANDBOX_CALLER_H
#define SANDBOX_CALLER_H

#include "kernel/signal.h"
#include "loader/loader.h"
#include "sandbox/options.h"

#include <sys/resource.h>

struct caller {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t group_count;
	uint32_t umask;
	struct rlimit rlimits[RLIM_NLIMITS];
	char *cwd; /* "/" when it cannot be named */
	bool open[3]; /* standard descriptors that are open */
	sigset_guest ignored, blocked; /* signals, as an exec would hand them on */
};

void caller_read(struct caller *c);
/* The guest's environment. The strings are borrowed or live as long as the process. */
struct strings caller_environment(const struct options *o);
/* A variable of it, or NULL. */
const char *strings_find_env(const struct strings *env, const char *name);

#endif
