/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of other processes and barriers: process_vm_readv(2), process_vm_writev(2), membarrier(2). */
#include "syscalls/syscalls.h"

#include "kernel/process.h"
#include "mm/guest.h"

#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BOUNCE = 64 << 10 };

/* The target's mm with a reference, if t may look into it. */
static int target_mm(struct task *t, pid_t pid, struct mm **out)
{
	struct task *target = task_lookup(pid);
	int err = 0;

	if (!target)
		return -ESRCH;
	mutex_lock(&tasks_lock);
	if (!target->mm)
		err = -ESRCH;
	else
		mm_get(*out = target->mm);
	mutex_unlock(&tasks_lock);
	if (!err && !task_may_access(t, target)) {
		mm_put(*out);
		err = -EPERM;
	}
	task_put(target);
	return err;
}

/* Moves bytes from one vector to the other through a buffer until one ends or faults. */
static int64_t move_all(struct io *from, struct io *to)
{
	char *buf = malloc(BOUNCE);
	int64_t done = 0;
	ssize_t n = 0;

	if (!buf)
		return -ENOMEM;
	while (from->left && to->left) {
		ssize_t put;

		n = io_take(from, buf, MIN(to->left, (size_t)BOUNCE));
		if (n <= 0)
			break;
		put = io_put(to, buf, (size_t)n);
		if (put > 0)
			done += put;
		if (put != n) {
			n = -EFAULT;
			break;
		}
	}
	free(buf);
	return done || n >= 0 ? done : n;
}

static int64_t process_vm(struct task *t, const uint64_t a[6], bool write)
{
	struct io local, remote;
	struct mm *mm;
	int64_t r;

	if (a[5] || a[2] > GUEST_IOV_MAX || a[4] > GUEST_IOV_MAX)
		return -EINVAL;
	r = io_init_vector(&local, t->mm, a[1], a[2]);
	if (r)
		return r;
	/* The remote vector is read from the caller's memory, and speaks of the target's. */
	r = io_init_vector(&remote, t->mm, a[3], a[4]);
	if (r)
		goto out_local;
	if (!local.left || !remote.left)
		goto out_remote;
	r = target_mm(t, (pid_t)a[0], &mm);
	if (r)
		goto out_remote;
	remote.mm = mm;
	r = write ? move_all(&local, &remote) : move_all(&remote, &local);
	mm_put(mm);
out_remote:
	io_fini(&remote);
out_local:
	io_fini(&local);
	return r;
}

int64_t sys_process_vm_readv(struct task *t, const uint64_t a[6])
{
	return process_vm(t, a, false);
}

int64_t sys_process_vm_writev(struct task *t, const uint64_t a[6])
{
	return process_vm(t, a, true);
}

/* Only the global barrier reaches the threads of a stub, which are not the sentry's own: the host does it for every processor. */
int64_t sys_membarrier(struct task *t, const uint64_t a[6])
{
	(void)t;
	if ((unsigned)a[1])
		return -EINVAL;
	switch ((int)a[0]) {
	case MEMBARRIER_CMD_QUERY:
		return MEMBARRIER_CMD_GLOBAL;
	case MEMBARRIER_CMD_GLOBAL:
		return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) ? -errno : 0;
	default:
		return -EINVAL;
	}
}
