/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of other processes: process_vm_readv(2), process_vm_writev(2), process_madvise(2). */
#include "syscalls/syscalls.h"

#include "fs/fdtable.h"
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/pidfd.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { BOUNCE = 64 << 10 };

/* The target's mm with a reference, if t may look into it. */
static int mm_of_task(struct task *t, struct task *target, struct mm **out)
{
	int err = 0;

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
	return err;
}

static int target_mm(struct task *t, pid_t pid, struct mm **out)
{
	struct task *target = task_lookup(pid);
	int err = target ? mm_of_task(t, target, out) : -ESRCH;

	if (target)
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

/* May advice be given to others? To oneself anything may. */
static bool harmless(int advice)
{
	return advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_WILLNEED || advice == MADV_COLLAPSE;
}

static int64_t advise_vector(struct mm *mm, const struct io *io, int advice)
{
	size_t total = 0;
	int err = 0;

	for (int i = 0; i < io->count && !err; i++) {
		const struct iovec *v = &io->iov[i];

		err = mm_madvise(mm, (uint64_t)(uintptr_t)v->iov_base, v->iov_len, advice);
		if (!err)
			total += v->iov_len;
	}
	return total ? (int64_t)total : err;
}

/* The leader of the process behind a pidfd, with a reference. */
static int pidfd_leader(struct task *t, int fd, struct task **out)
{
	struct file *f = fd_lookup(t->files, fd);
	struct thread_group *tg = f ? pidfd_group(f) : NULL;

	*out = NULL;
	if (tg) {
		mutex_lock(&tasks_lock);
		if (tg->leader)
			task_get(*out = tg->leader);
		mutex_unlock(&tasks_lock);
	}
	if (f)
		file_put(f);
	return *out ? 0 : tg ? -ESRCH : -EBADF;
}

int64_t sys_process_madvise(struct task *t, const uint64_t a[6])
{
	int advice = (int)a[3];
	struct task *target;
	struct io io;
	struct mm *mm;
	int64_t r;

	if ((unsigned)a[4])
		return -EINVAL;
	r = io_init_vector(&io, t->mm, a[1], a[2]);
	if (r)
		return r;
	r = pidfd_leader(t, (int)a[0], &target);
	if (r)
		goto out_io;
	r = mm_of_task(t, target, &mm);
	task_put(target);
	if (r)
		goto out_io;
	if (mm != t->mm && !harmless(advice))
		r = -EINVAL;
	else if (mm != t->mm && !cred_capable(t->cred, CAP_SYS_NICE))
		r = -EPERM;
	else
		r = advise_vector(mm, &io, advice);
	mm_put(mm);
out_io:
	io_fini(&io);
	return r;
}
