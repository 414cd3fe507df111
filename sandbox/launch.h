/* SPDX-License-Identifier: Apache-2.0 */
/* Making the sentry process in as many namespaces of its own as the host allows. */
#ifndef SANDBOX_LAUNCH_H
#define SANDBOX_LAUNCH_H

#include "sandbox/layers.h"

#include "base/compiler.h"

#include <sys/types.h>

/* Forks: the child's pid in the parent, 0 in the child, or negative errno. Names in *layers which namespaces there are.
 * The caller has one thread. */
pid_t launch_clone(struct layers *layers) MUST_CHECK;
/* In the child: makes the caller's ids valid in the new user namespace, if there is one. */
int launch_map_ids(const struct layers *layers, uid_t uid, gid_t gid) MUST_CHECK;
/* Can this process make a child with these CLONE_NEW* flags? 0 or negative errno. */
int launch_probe(int flags) MUST_CHECK;

#endif
