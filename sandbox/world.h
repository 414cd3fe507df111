/* SPDX-License-Identifier: Apache-2.0 */
/* The file systems that the guest sees. */
#ifndef SANDBOX_WORLD_H
#define SANDBOX_WORLD_H

#include "fs/vfs.h"
#include "sandbox/caller.h"
#include "sandbox/confine.h"

/* The host's directory that the caller stands in, if the default world would hide it; else NULL. Before confinement. */
const char *world_hidden_cwd(const struct options *o, const struct caller *c);
/* Mounts everything and makes the first program's context. Takes over the descriptors in *trees.
 * 0, or negative errno after a message. */
int world_build(const struct options *o, const struct caller *c, const struct host_trees *trees, struct memfile *mf,
		const char *home, struct fs_context **out) MUST_CHECK;
/* Does the default world hide this host path? For messages. */
bool world_is_private(const char *path);

#endif
