/* SPDX-License-Identifier: Apache-2.0 */
/* The program loader: from an executable file to an address space ready to run.
 *
 * ELF64 (static, dynamic, PIE, static-PIE) and scripts (#!, at most four levels). Every number in a file is hostile: read
 * once, bounded, then used. See execve(2), elf(5), and binfmt_elf's rules for addresses.
 */
#ifndef LOADER_LOADER_H
#define LOADER_LOADER_H

#include "fs/file.h"
#include "kernel/task.h"

/* An argument or environment vector in sentry memory. */
struct strings {
	char **v;
	size_t count;
	size_t bytes; /* with the NULs */
};

struct load_request {
	struct task *task; /* whose credentials, root and limits apply; NULL for the first program */
	struct fs_context *fs; /* for the first program */
	struct cred *cred;
	int dirfd;
	const char *name; /* as given to execve */
	const char *shown; /* what the program is told it is called; NULL: name */
	unsigned walk; /* WALK_* for the last component */
	bool shown_is_closed; /* `shown` names a descriptor that the new program does not have: no interpreter could open it */
	struct strings argv, envp; /* owned by the caller; the loader may rewrite its own copy */
	uint64_t stack_limit;
	struct memfile *memfile;
};

struct loaded {
	struct mm *mm; /* one user reference */
	struct user_regs_struct regs; /* rip and rsp at the entry, everything else zero */
	char comm[16];
};

/* 0, or what execve(2) returns: -ENOENT, -EACCES, -ENOEXEC, -ELIBBAD, -E2BIG, -ENOMEM, -ELOOP. */
int loader_load(const struct load_request *r, struct loaded *out) MUST_CHECK;

#endif
