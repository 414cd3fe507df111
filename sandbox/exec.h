/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the first program, as execvp(3) does, and loading it. */
#ifndef SANDBOX_EXEC_H
#define SANDBOX_EXEC_H

#include "loader/loader.h"

/* env, fs and cred are borrowed. Negative errno as execvp(3). */
int exec_find_and_load(char **argv, const struct strings *env, struct fs_context *fs, struct cred *cred, struct memfile *mf,
		       uint64_t stack_limit, struct loaded *out) MUST_CHECK;

#endif
