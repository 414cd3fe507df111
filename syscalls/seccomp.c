/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp(2). Listeners (SECCOMP_FILTER_FLAG_NEW_LISTENER) are refused as a flag that the kernel does not know, and the action that
 * needs one is said to be unavailable; what the actions do is kernel/seccomp.c. */
#include "syscalls/seccomp.h"
#include "kernel/seccomp.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdlib.h>

enum {
	FLAGS = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
};

struct fprog_guest { /* struct sock_fprog */
	uint16_t len, pad[3];
	uint64_t filter;
};

static int64_t set_filter(struct task *t, unsigned flags, uint64_t addr)
{
	struct fprog_guest fprog;

	if (flags & ~(unsigned)FLAGS)
		return -EINVAL;
	int64_t r = guest_read(t->mm, &fprog, addr, sizeof(fprog));
	if (r < 0)
		return r;
	if (!fprog.len || fprog.len > BPF_MAXINSNS)
		return -EINVAL;
	/* A filter could make a set-user-ID program go wrong to its author's advantage. */
	if (!atomic_load(&t->no_new_privs) && !cred_capable(t->cred, CAP_SYS_ADMIN))
		return -EACCES;
	struct sock_filter *prog = malloc(fprog.len * sizeof(*prog));
	if (!prog)
		return -ENOMEM;
	r = guest_read(t->mm, prog, fprog.filter, fprog.len * sizeof(*prog));
	if (!r)
		r = seccomp_add_filter(t, prog, fprog.len, flags);
	free(prog);
	return r;
}

static int64_t action_available(struct task *t, uint64_t addr)
{
	uint32_t action;
	int r = guest_read(t->mm, &action, addr, sizeof(action));

	if (r < 0)
		return r;
	switch (action) {
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_TRAP:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ALLOW:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int64_t notif_sizes(struct task *t, uint64_t addr)
{
	const struct seccomp_notif_sizes sizes = {
		.seccomp_notif = sizeof(struct seccomp_notif),
		.seccomp_notif_resp = sizeof(struct seccomp_notif_resp),
		.seccomp_data = sizeof(struct seccomp_data),
	};

	return guest_write(t->mm, addr, &sizes, sizeof(sizes));
}

int64_t seccomp_operation(struct task *t, unsigned op, unsigned flags, uint64_t args)
{
	switch (op) {
	case SECCOMP_SET_MODE_STRICT:
		return flags || args ? -EINVAL : seccomp_set_strict(t);
	case SECCOMP_SET_MODE_FILTER:
		return set_filter(t, flags, args);
	case SECCOMP_GET_ACTION_AVAIL:
		return flags ? -EINVAL : action_available(t, args);
	case SECCOMP_GET_NOTIF_SIZES:
		return flags ? -EINVAL : notif_sizes(t, args);
	default:
		return -EINVAL;
	}
}

int64_t sys_seccomp(struct task *t, const uint64_t a[6])
{
	return seccomp_operation(t, (unsigned)a[0], (unsigned)a[1], a[2]);
}
