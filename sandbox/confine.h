/* SPDX-License-Identifier: Apache-2.0 */
/* What the sentry takes from itself. See confine.c for the order. */
#ifndef SANDBOX_CONFINE_H
#define SANDBOX_CONFINE_H

#include "sandbox/layers.h"
#include "sandbox/options.h"

/* A tree of the host that the sandbox may use: opened before the sentry loses sight of the rest. */
struct host_tree {
	int fd; /* O_PATH directory; -1 if there is none */
	const char *file; /* the grant is this one file of it; NULL: the whole tree */
};

struct host_trees {
	struct host_tree root;
	struct host_tree cwd; /* only if the default world would hide the directory */
	struct host_tree *grants; /* one for each of options.grants */
};

/* Opens the granted trees and hides everything else, by mounts or, where the host refuses them, by Landlock. cwd: the host's
 * directory to open too, or NULL. 0, or negative errno after a message. */
int confine_filesystem(const struct options *o, const char *cwd, struct layers *layers, struct host_trees *out) MUST_CHECK;
/* Capabilities, no_new_privs, resource limits. Before the platform starts: stubs inherit it, and ptrace needs equals. */
int confine_privileges(struct layers *layers) MUST_CHECK;
/* The filter of the sentry's own calls, on all its threads; the last step. */
int confine_syscalls(const struct options *o, struct layers *layers) MUST_CHECK;
/* Which version of Landlock the host has: 0 for none, or negative errno. */
int landlock_version(void);
/* Limits the calling thread to reading beneath the read trees and to anything beneath the write trees; and to no TCP, or any. */
enum landlock_tcp { LANDLOCK_NO_TCP, LANDLOCK_ANY_TCP };
int landlock_restrict(const int *read_fds, size_t read_count, const int *write_fds, size_t write_count, enum landlock_tcp tcp)
	MUST_CHECK;

#endif
