/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock, for hosts that refuse mounts. See landlock(7). The rights are numbered here because distributions' headers
 * lag behind their kernels; what a kernel does not know is left out by its version. */
#include "sandbox/confine.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FS_EXECUTE = 1, FS_READ_FILE = 4, FS_READ_DIR = 8 };
enum { NET_BIND_TCP = 1, NET_CONNECT_TCP = 2 }; /* version 4 */
enum { SCOPE_ABSTRACT_SOCKET = 1, SCOPE_SIGNAL = 2 }; /* version 6 */

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

/* Every right on files that version v knows. */
static uint64_t fs_rights(int v)
{
	if (v >= 5)
		return (1 << 16) - 1; /* ioctl on devices */
	if (v >= 3)
		return (1 << 15) - 1; /* truncate */
	if (v == 2)
		return (1 << 14) - 1; /* linking between directories */
	return (1 << 13) - 1;
}

int landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return v < 0 ? -errno : (int)v;
}

static int add_rules(int ruleset, const int *fds, size_t count, uint64_t rights)
{
	for (size_t i = 0; i < count; i++) {
		struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fds[i] };

		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
			return -errno;
	}
	return 0;
}

int landlock_restrict(const int *read_fds, size_t read_count, const int *write_fds, size_t write_count, enum landlock_tcp tcp)
{
	int v = landlock_version(), ruleset, err;
	struct ruleset_attr attr = { 0 };
	size_t size = sizeof(attr.fs);

	if (v <= 0)
		return v ? v : -ENOSYS;
	attr.fs = fs_rights(v);
	if (v >= 4) {
		attr.net = tcp == LANDLOCK_NO_TCP ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
		size = sizeof(attr.fs) + sizeof(attr.net);
	}
	if (v >= 6) {
		attr.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
		size = sizeof(attr);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -errno;
	err = add_rules(ruleset, read_fds, read_count, FS_EXECUTE | FS_READ_FILE | FS_READ_DIR);
	if (!err)
		err = add_rules(ruleset, write_fds, write_count, attr.fs);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	close(ruleset);
	return err;
}
