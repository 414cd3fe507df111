/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/options.h"
#include "sandbox/outcome.h"
#include "sandbox/run.h"

#include "base/log.h"

#include <string.h>

static int verb_version(char **args)
{
	(void)args;
	puts("sbx " SBX_VERSION);
	return 0;
}

static int verb_help(char **args)
{
	if (args[0] && !strcmp(args[0], "--man")) {
		options_man(stdout);
		return 0;
	}
	puts("usage: sbx run [options] [--] PROGRAM [ARGUMENTS]   run a program in a sandbox (sbx run --help)\n"
	     "       sbx doctor                                 what this host allows, and what to change\n"
	     "       sbx syscalls [--markdown]                  which system calls programs may make\n"
	     "       sbx version");
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **args);
} verbs[] = {
	{ "run", verb_run },	     { "doctor", verb_doctor }, { "syscalls", verb_syscalls }, { "version", verb_version },
	{ "--version", verb_version }, { "help", verb_help },	{ "--help", verb_help },       { "-h", verb_help },
};

int main(int argc, char **argv)
{
	if (argc < 2) {
		log_user("no verb given; see `sbx help`");
		return EXIT_SANDBOX_ERROR;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argv + 2);
	log_user("unknown verb %s; see `sbx help`", argv[1]);
	return EXIT_SANDBOX_ERROR;
}
