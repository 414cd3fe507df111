/* SPDX-License-Identifier: Apache-2.0 */
/* pidfds: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), process_mrelease(2). One refers to a thread group for ever, whoever gets its
 * number next, and is readable once the group is a zombie. */
#include "syscalls/pidfd.h"
#include "fs/fdtable.h"
#include "fs/proc/proc.h"
#include "fs/vfs.h"
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#ifndef PIDFD_SIGNAL_THREAD
#define PIDFD_SIGNAL_THREAD (1U << 0)
#define PIDFD_SIGNAL_THREAD_GROUP (1U << 1)
#define PIDFD_SIGNAL_PROCESS_GROUP (1U << 2)
#endif

static uint32_t pidfd_poll(struct file *f)
{
	return group_is_zombie(f->private) ? POLLIN | POLLRDNORM : 0;
}

static struct waitq *pidfd_waitq(struct file *f)
{
	struct thread_group *tg = f->private;

	return &tg->exit_wait;
}

static void pidfd_release(struct file *f)
{
	group_put(f->private);
}

static void pidfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct thread_group *tg = f->private;

	mutex_lock(&tasks_lock);
	pid_t pid = tg->leader ? tg->tgid : -1;
	mutex_unlock(&tasks_lock);
	snprintf(buf, size, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static ssize_t pidfd_no_io(struct file *f, struct io *io, off_t *pos, int flags)
{
	(void)f, (void)io, (void)pos, (void)flags;
	return -EINVAL;
}

static const struct file_ops pidfd_ops = {
	.type = "[pidfd]",
	.read = pidfd_no_io,
	.write = pidfd_no_io,
	.poll = pidfd_poll,
	.waitq = pidfd_waitq,
	.release = pidfd_release,
	.fdinfo = pidfd_fdinfo,
};

struct thread_group *pidfd_group(struct file *f)
{
	return f->ops == &pidfd_ops ? f->private : NULL;
}

int pidfd_install(struct task *t, struct thread_group *tg, int flags)
{
	struct inode *inode;
	int r = anon_inode_new(S_IFREG | 0600, "[pidfd]", &inode);

	if (r < 0)
		return r;
	group_get(tg);
	struct file *f = file_new(&pidfd_ops, O_RDWR | (flags & O_NONBLOCK), NULL, inode, tg);
	if (!f) {
		inode_put(inode);
		group_put(tg);
		return -ENOMEM;
	}
	return fd_install_task(t, f, true);
}

int64_t sys_pidfd_open(struct task *t, const uint64_t a[6])
{
	pid_t pid = (pid_t)a[0];
	unsigned flags = (unsigned)a[1];

	if ((flags & ~(unsigned)O_NONBLOCK) || pid <= 0)
		return -EINVAL;
	mutex_lock(&tasks_lock);
	struct task *target = task_find_locked(pid);
	struct thread_group *tg = group_find_locked(pid);
	if (tg)
		group_get(tg);
	mutex_unlock(&tasks_lock);
	if (!tg)
		return target ? -EINVAL : -ESRCH; /* a thread that leads no process: EINVAL, as the manual page says */
	int r = pidfd_install(t, tg, (int)flags);
	group_put(tg);
	return r;
}

/* The group behind descriptor fd with a reference, or NULL and *err. Signals may go by directories of /proc as well. */
static struct thread_group *lookup(struct task *t, int fd, bool directories, int *err)
{
	struct file *f = fd_lookup(t->files, fd);
	struct thread_group *tg = f ? pidfd_group(f) : NULL;

	*err = -EBADF;
	if (tg)
		group_get(tg);
	else if (f && directories)
		tg = proc_group_of(f);
	if (f)
		file_put(f);
	return tg;
}

int64_t sys_pidfd_send_signal(struct task *t, const uint64_t a[6])
{
	int fd = (int)a[0], sig = (int)a[1], r;
	unsigned flags = (unsigned)a[3];
	siginfo_t info = signal_info(sig, SI_USER, t);

	/* PIDFD_SIGNAL_THREAD and _PROCESS_GROUP need pidfds of threads, or are newer than what we follow. */
	if (flags & ~PIDFD_SIGNAL_THREAD_GROUP)
		return -EINVAL;
	if (sig < 0 || sig > SIGNAL_COUNT)
		return -EINVAL;
	struct thread_group *tg = lookup(t, fd, true, &r);
	if (!tg)
		return r;
	if (a[2]) {
		r = guest_read(t->mm, &info, a[2], sizeof(info));
		if (r < 0)
			goto out_put;
		r = -EINVAL;
		if (info.si_signo != sig)
			goto out_put;
		/* Only to oneself may one pretend to be the kernel or kill(2). */
		r = -EPERM;
		if (tg != t->tg && (info.si_code >= 0 || info.si_code == SI_TKILL))
			goto out_put;
	}
	mutex_lock(&tasks_lock);
	r = kill_process_locked(t, tg, &info);
	mutex_unlock(&tasks_lock);
out_put:
	group_put(tg);
	return r;
}

/* A file of the group's leader, with a reference. */
static struct file *file_of(struct task *t, struct thread_group *tg, int fd, int *err)
{
	struct file *f = NULL;
	struct fdtable *files = NULL;

	mutex_lock(&tasks_lock);
	struct task *target = TAILQ_FIRST(&tg->tasks);
	if (target)
		task_get(target);
	mutex_unlock(&tasks_lock);
	*err = -ESRCH;
	if (!target)
		return NULL;
	*err = -EPERM;
	if (task_may_access(t, target)) {
		mutex_lock(&tasks_lock);
		files = target->files ? fdtable_get(target->files) : NULL;
		mutex_unlock(&tasks_lock);
		*err = -EBADF;
	}
	if (files) {
		f = fd_lookup_any(files, fd);
		fdtable_put(files);
	}
	task_put(target);
	return f;
}

int64_t sys_pidfd_getfd(struct task *t, const uint64_t a[6])
{
	int r;

	if ((unsigned)a[2])
		return -EINVAL;
	struct thread_group *tg = lookup(t, (int)a[0], false, &r);
	if (!tg)
		return r;
	struct file *f = file_of(t, tg, (int)a[1], &r);
	if (f)
		r = fd_install_task(t, f, true);
	group_put(tg);
	return r;
}

/* The memory of a process that is being killed is on its way back already: there is nothing to be hurried. */
int64_t sys_process_mrelease(struct task *t, const uint64_t a[6])
{
	int r;

	if ((unsigned)a[1])
		return -EINVAL;
	struct thread_group *tg = lookup(t, (int)a[0], false, &r);
	if (!tg)
		return r;
	mutex_lock(&tasks_lock);
	if (!tg->task_count)
		r = -ESRCH;
	else
		r = tg->state == GROUP_EXITING ? 0 : -EINVAL;
	mutex_unlock(&tasks_lock);
	group_put(tg);
	return r;
}
