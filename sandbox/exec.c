/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/exec.h"

#include "fs/vfs.h"
#include "sandbox/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What execvp(3) searches where PATH is not set. */
#define DEFAULT_PATH "/bin:/usr/bin"

static int load_along_path(struct load_request *r, const char *path, struct loaded *out)
{
	const char *name = r->name;
	char candidate[PATH_MAX];
	bool refused = false;
	int err = -ENOENT;

	for (const char *p = path; p; p = strchr(p, ':') ? strchr(p, ':') + 1 : NULL) {
		int len = (int)strcspn(p, ":");

		/* An empty element is the current directory. */
		if (snprintf(candidate, sizeof(candidate), "%.*s%s%s", len, p, len ? "/" : "./", name) >= (int)sizeof(candidate))
			continue;
		r->name = candidate;
		err = loader_load(r, out);
		if (err == -EACCES)
			refused = true;
		else if (err != -ENOENT && err != -ENOTDIR)
			break;
	}
	r->name = name;
	if ((err == -ENOENT || err == -ENOTDIR) && refused)
		err = -EACCES;
	return err;
}

int exec_find_and_load(char **argv, const struct strings *env, struct fs_context *fs, struct cred *cred, struct memfile *mf,
		       uint64_t stack_limit, struct loaded *out)
{
	struct load_request r = {
		.fs = fs, .cred = cred, .dirfd = AT_FDCWD, .name = argv[0], .walk = WALK_FOLLOW,
		.argv = { .v = argv }, .envp = *env, .stack_limit = stack_limit, .memfile = mf,
	};
	const char *path;

	for (; argv[r.argv.count]; r.argv.count++)
		r.argv.bytes += strlen(argv[r.argv.count]) + 1;
	if (!argv[0][0])
		return -ENOENT;
	if (strchr(argv[0], '/'))
		return loader_load(&r, out);
	path = strings_find_env(env, "PATH");
	return load_along_path(&r, path ? path : DEFAULT_PATH, out);
}
