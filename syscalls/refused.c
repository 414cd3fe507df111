/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that no guest may make, answered as Linux answers a user without privileges. Those that a kernel may be built without
 * need no handler: without one the answer is ENOSYS. */
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <string.h>

#define REFUSE(name, error)                                     \
	int64_t sys_##name(struct task *t, const uint64_t a[6]) \
	{                                                       \
		(void)t, (void)a;                               \
		return -(error);                                \
	}

/* The system as a whole. */
REFUSE(acct, EPERM)
REFUSE(delete_module, EPERM)
REFUSE(finit_module, EPERM)
REFUSE(init_module, EPERM)
REFUSE(ioperm, EPERM)
REFUSE(iopl, EPERM)
REFUSE(kexec_file_load, EPERM)
REFUSE(kexec_load, EPERM)
REFUSE(open_by_handle_at, EPERM)
REFUSE(quotactl, EPERM)
REFUSE(quotactl_fd, EPERM)
REFUSE(reboot, EPERM)
REFUSE(setdomainname, EPERM)
REFUSE(sethostname, EPERM)
REFUSE(setns, EPERM)
REFUSE(swapoff, EPERM)
REFUSE(swapon, EPERM)
REFUSE(syslog, EPERM)
REFUSE(vhangup, EPERM)

/* Mounts are made at boot: what a guest may see is not its to change. */
REFUSE(fsconfig, EPERM)
REFUSE(fsmount, EPERM)
REFUSE(fsopen, EPERM)
REFUSE(fspick, EPERM)
REFUSE(mount, EPERM)
REFUSE(mount_setattr, EPERM)
REFUSE(move_mount, EPERM)
REFUSE(open_tree, EPERM)
REFUSE(pivot_root, EPERM)
REFUSE(umount2, EPERM)

/* Handles name inodes that the sandbox forgets. */
REFUSE(name_to_handle_at, EOPNOTSUPP)

/* Views of other processes and of the kernel that would be the host's. */
REFUSE(bpf, EPERM)
REFUSE(fanotify_init, EPERM)
REFUSE(fanotify_mark, EPERM)
REFUSE(perf_event_open, EACCES)
REFUSE(userfaultfd, EPERM)

/* One memory node: get_mempolicy(2) without flags says "default"; the rest is ENOSYS as without CONFIG_NUMA. */
int64_t sys_get_mempolicy(struct task *t, const uint64_t a[6])
{
	int policy = 0; /* MPOL_DEFAULT */
	uint64_t max = a[2];
	int r = 0;

	if (a[4])
		return -EINVAL;
	if (a[0])
		r = guest_write(t->mm, a[0], &policy, sizeof(policy));
	if (!r && a[1] && max > 1)
		r = guest_zero(t->mm, a[1], MIN((max - 1 + 63) / 64 * 8, PAGE_SIZE));
	return r;
}
