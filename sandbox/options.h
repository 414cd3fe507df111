/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `sbx run`, parsed. Strings are borrowed from the command line or live as long as the process. */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum grant_kind { GRANT_READ, GRANT_WRITE, GRANT_TMPFS, GRANT_HIDE };

/* One change to the default world, in command line order. */
struct grant {
	enum grant_kind kind;
	const char *src; /* READ, WRITE: of the host */
	const char *dst; /* of the guest */
	uint64_t size; /* TMPFS: limit, 0 for none */
};

struct options {
	char **argv; /* the program and its arguments, NULL-terminated */
	struct grant *grants;
	size_t grant_count;
	const char **env; /* NAME=VALUE or NAME */
	size_t env_count;
	bool env_all, read_only, quiet, help, host_network;
	const char *root, *workdir, *hostname, *json;
	int json_fd; /* -1: none */
	uint64_t memory; /* bytes, 0 for no limit */
	int64_t time_ns; /* 0 for no limit */
};

/* args: what follows the verb, NULL-terminated. 0, or -EINVAL after a message. */
int options_parse(struct options *o, char **args) MUST_CHECK;
/* Is some tree of the host granted for writing? */
bool options_writable(const struct options *o);
void options_help(FILE *f);
/* The manual page, in man(7) macros. */
void options_man(FILE *f);

#endif
