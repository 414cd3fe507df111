/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: making and ending them, their numbers, sessions and process groups. The work is done in kernel/clone.c, exit.c and
 * session.c; here arguments are decoded. Which mistake is reported first follows clone(2) and Linux's order of checks. */
#include "fs/fdtable.h"
#include "fs/vfs.h"
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/pidfd.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>

int64_t sys_getpid(struct task *t, const uint64_t a[6])
{
	(void)a;
	return t->tg->tgid;
}

int64_t sys_gettid(struct task *t, const uint64_t a[6])
{
	(void)a;
	return t->tid;
}

int64_t sys_getppid(struct task *t, const uint64_t a[6])
{
	(void)a;
	mutex_lock(&tasks_lock);
	pid_t pid = t->tg->parent ? t->tg->parent->tgid : 0;
	mutex_unlock(&tasks_lock);
	return pid;
}

int64_t sys_getpgrp(struct task *t, const uint64_t a[6])
{
	(void)a;
	return process_getpgid(t, 0);
}

int64_t sys_getpgid(struct task *t, const uint64_t a[6])
{
	return process_getpgid(t, (pid_t)a[0]);
}

int64_t sys_setpgid(struct task *t, const uint64_t a[6])
{
	return process_setpgid(t, (pid_t)a[0], (pid_t)a[1]);
}

int64_t sys_getsid(struct task *t, const uint64_t a[6])
{
	return process_getsid(t, (pid_t)a[0]);
}

int64_t sys_setsid(struct task *t, const uint64_t a[6])
{
	(void)a;
	return process_setsid(t);
}

int64_t sys_exit(struct task *t, const uint64_t a[6])
{
	task_exit(t, (int)(a[0] & 0xff) << 8);
	return SYSCALL_NO_RESULT;
}

int64_t sys_exit_group(struct task *t, const uint64_t a[6])
{
	group_exit(t, (int)(a[0] & 0xff) << 8);
	return SYSCALL_NO_RESULT;
}

int64_t sys_set_tid_address(struct task *t, const uint64_t a[6])
{
	t->clear_child_tid = a[0];
	return t->tid;
}

/* --- clone --- */

struct pidfd_request {
	uint64_t addr; /* where the guest wants the number */
	int fd;
};

static int make_pidfd(struct task *child, void *arg)
{
	struct pidfd_request *rq = arg;
	struct task *t = task_self();
	int fd = pidfd_install(t, child->tg, 0);

	if (fd < 0)
		return fd;
	rq->fd = fd;
	return guest_write(t->mm, rq->addr, &fd, sizeof(fd));
}

static int64_t do_clone(struct task *t, struct clone_params *p)
{
	struct pidfd_request rq = { .addr = p->pidfd, .fd = -1 };

	if (p->flags & CLONE_PIDFD) {
		p->make_pidfd = make_pidfd;
		p->arg = &rq;
	}
	int64_t r = task_clone(t, p);
	if (r < 0 && rq.fd >= 0) {
		int ignored = fd_close(t->files, rq.fd);
		(void)ignored;
	}
	return r;
}

int64_t sys_fork(struct task *t, const uint64_t a[6])
{
	struct clone_params p = { .exit_signal = SIGCHLD };

	(void)a;
	return do_clone(t, &p);
}

int64_t sys_vfork(struct task *t, const uint64_t a[6])
{
	struct clone_params p = { .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD };

	(void)a;
	return do_clone(t, &p);
}

/* clone(flags, stack, parent_tid, child_tid, tls). Bits above 31 are ignored, unlike clone3. */
int64_t sys_clone(struct task *t, const uint64_t a[6])
{
	uint64_t flags = (uint32_t)a[0];
	struct clone_params p = {
		.flags = flags & ~(uint64_t)CSIGNAL,
		.exit_signal = flags & CSIGNAL,
		.stack = a[1],
		.parent_tid = a[2],
		.pidfd = a[2],
		.child_tid = a[3],
		.tls = a[4],
	};

	/* The number and the descriptor would be written to one place. */
	if ((flags & CLONE_PIDFD) && (flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)))
		return -EINVAL;
	p.flags &= ~(uint64_t)CLONE_DETACHED;
	if (flags & CLONE_THREAD)
		p.exit_signal = 0;
	if (p.exit_signal > SIGNAL_COUNT)
		p.exit_signal = 0; /* Linux sends no signal whose number is none */
	return do_clone(t, &p);
}

/* Numbers that the caller chose; that it may not choose any is said later. */
static int check_chosen_tids(struct task *t, const struct clone_args *ca)
{
	enum { LEVELS_MAX = 32 };
	pid_t tids[LEVELS_MAX];
	int r;

	if (ca->set_tid_size > LEVELS_MAX || !ca->set_tid != !ca->set_tid_size)
		return -EINVAL;
	r = guest_read(t->mm, tids, ca->set_tid, ca->set_tid_size * sizeof(*tids));
	if (r < 0 || !ca->set_tid_size)
		return r;
	/* One number for each pid namespace that the caller can see: there is one. */
	return ca->set_tid_size > 1 || tids[0] < 1 ? -EINVAL : 0;
}

static int check_clone3(const struct clone_args *ca, uint64_t size)
{
	if (ca->exit_signal > SIGNAL_COUNT)
		return -EINVAL;
	if ((ca->flags & CLONE_INTO_CGROUP) && (ca->cgroup > INT32_MAX || size < CLONE_ARGS_SIZE_VER2))
		return -EINVAL;
	if (ca->flags & ~(0xffffffffULL | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP))
		return -EINVAL;
	if (ca->flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME)))
		return -EINVAL;
	if ((ca->flags & (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND)) == (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((ca->flags & (CLONE_THREAD | CLONE_PARENT)) && ca->exit_signal)
		return -EINVAL;
	if (!ca->stack != !ca->stack_size)
		return -EINVAL;
	if (ca->stack && (ca->stack > UINT64_MAX - ca->stack_size || ca->stack + ca->stack_size > platform_max_addr()))
		return -EINVAL;
	/* The number and the descriptor would be written to one place. */
	if ((ca->flags & CLONE_PIDFD) && (ca->flags & CLONE_PARENT_SETTID) && ca->pidfd == ca->parent_tid)
		return -EINVAL;
	return 0;
}

int64_t sys_clone3(struct task *t, const uint64_t a[6])
{
	struct clone_args ca;
	int r = syscall_read_extensible(t, &ca, sizeof(ca), CLONE_ARGS_SIZE_VER0, a[0], a[1]);

	if (!r)
		r = check_chosen_tids(t, &ca);
	if (!r)
		r = check_clone3(&ca, a[1]);
	if (r < 0)
		return r;
	if (ca.flags & CLONE_INTO_CGROUP)
		return -EBADF; /* there are no cgroups, so no descriptor is one */
	struct clone_params p = {
		.flags = ca.flags,
		.pidfd = ca.pidfd,
		.child_tid = ca.child_tid,
		.parent_tid = ca.parent_tid,
		.exit_signal = ca.exit_signal,
		.stack = ca.stack,
		.stack_size = ca.stack_size,
		.tls = ca.tls,
		.chosen_tid = ca.set_tid_size,
	};
	return do_clone(t, &p);
}

/* --- unshare --- */

static int unshare_fs(struct task *t)
{
	struct fs_context *copy, *old = t->fs;
	int r = fs_context_copy(old, &copy);

	if (r < 0)
		return r;
	mutex_lock(&tasks_lock);
	t->fs = copy;
	mutex_unlock(&tasks_lock);
	fs_context_put(old);
	return 0;
}

int syscall_own_files(struct task *t)
{
	struct fdtable *copy, *old = t->files;

	if (!fdtable_shared(old))
		return 0;
	int r = fdtable_copy(old, &copy);
	if (r < 0)
		return r;
	mutex_lock(&tasks_lock);
	t->files = copy;
	mutex_unlock(&tasks_lock);
	fdtable_put(old);
	return 0;
}

int64_t sys_unshare(struct task *t, const uint64_t a[6])
{
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
				    CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;
	const uint64_t threads = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
	uint64_t flags = a[0];
	int r = 0;

	if (flags & ~(namespaces | threads | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM))
		return -EINVAL;
	mutex_lock(&tasks_lock);
	bool alone = t->tg->task_count == 1;
	mutex_unlock(&tasks_lock);
	if ((flags & (threads | CLONE_NEWUSER)) && !alone)
		return -EINVAL;
	if (flags & namespaces)
		return -EPERM;
	if (flags & CLONE_FS)
		r = unshare_fs(t);
	if (!r && (flags & CLONE_FILES))
		r = syscall_own_files(t);
	return r;
}
