/* SPDX-License-Identifier: Apache-2.0 */
/* `sbx syscalls`: which calls there are and how far each goes, from the one table. */
#include "sandbox/run.h"

#include "base/log.h"
#include "sandbox/outcome.h"

#include <stdio.h>
#include <string.h>

static const char *support(const struct syscall_entry *e)
{
	static const char *const words[] = {
		[SYSCALL_NONE] = "no", [SYSCALL_PARTIAL] = "partly", [SYSCALL_FULL] = "yes"
	};

	return words[e->fn ? e->level : SYSCALL_NONE];
}

static const char *note(const struct syscall_entry *e)
{
	return !e->fn && !e->note[0] ? "no handler" : e->note;
}

static void print_markdown(void)
{
	puts("# System calls\n\nMade by `sbx syscalls --markdown`. A call that is not supported answers ENOSYS, or what an unprivileged "
	     "process\ngets from Linux; the run's report counts it.\n\n| number | call | supported | |\n|---|---|---|---|");
	for (uint64_t nr = 0; nr < SYSCALL_MAX; nr++) {
		const struct syscall_entry *e = syscall_entry(nr);

		if (e)
			printf("| %d | %s | %s | %s |\n", (int)nr, e->name, support(e), note(e));
	}
}

int verb_syscalls(char **args)
{
	if (args[0] && !strcmp(args[0], "--markdown")) {
		print_markdown();
		return 0;
	}
	if (args[0]) {
		log_user("unknown argument %s; usage: sbx syscalls [--markdown]", args[0]);
		return EXIT_SANDBOX_ERROR;
	}
	for (uint64_t nr = 0; nr < SYSCALL_MAX; nr++) {
		const struct syscall_entry *e = syscall_entry(nr);

		if (e)
			printf("%3d %-24s %-7s %s\n", (int)nr, e->name, support(e), note(e));
	}
	return 0;
}
