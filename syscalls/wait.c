/* SPDX-License-Identifier: Apache-2.0 */
/* wait4(2) and waitid(2). */
#include "fs/fdtable.h"
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/pidfd.h"
#include "syscalls/syscalls.h"
#include "syscalls/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum { WAIT_COMMON = WNOHANG | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL };

int64_t sys_wait4(struct task *t, const uint64_t a[6])
{
	pid_t pid = (pid_t)a[0];
	int options = (int)a[2];
	struct wait_request w = { .options = options | WEXITED, .id = pid };
	struct wait_result res;

	if (options & ~(WAIT_COMMON | WUNTRACED))
		return -EINVAL;
	if (pid == INT_MIN)
		return -ESRCH;
	if (pid == -1) {
		w.kind = WAIT_FOR_ANY;
	} else if (pid > 0) {
		w.kind = WAIT_FOR_PID;
	} else {
		w.kind = WAIT_FOR_PGROUP;
		w.id = pid ? -pid : (pid_t)process_getpgid(t, 0);
	}
	int64_t r = process_wait(t, &w, &res);
	/* The child has been collected even if the caller's addresses are bad. */
	if (r > 0 && a[1] && guest_write(t->mm, a[1], &res.status, sizeof(res.status)) < 0)
		r = -EFAULT;
	if (r > 0 && a[3] && usage_write(t, a[3], &res.usage) < 0)
		r = -EFAULT;
	return r;
}

/* Fills kind and id. For P_PIDFD w->group gets a reference and a non-blocking descriptor adds WNOHANG. */
static int decode_target(struct task *t, int type, pid_t id, struct wait_request *w, bool *nonblock)
{
	w->id = id;
	*nonblock = false;
	switch (type) {
	case P_ALL:
		w->kind = WAIT_FOR_ANY;
		return 0;
	case P_PID:
		w->kind = WAIT_FOR_PID;
		return id > 0 ? 0 : -EINVAL;
	case P_PGID:
		w->kind = WAIT_FOR_PGROUP;
		if (!id)
			w->id = (pid_t)process_getpgid(t, 0);
		return id >= 0 ? 0 : -EINVAL;
	case P_PIDFD:
		break;
	default:
		return -EINVAL;
	}
	if (id < 0)
		return -EINVAL;
	struct file *f = fd_lookup(t->files, id);
	if (!f)
		return -EBADF;
	w->kind = WAIT_FOR_GROUP;
	w->group = pidfd_group(f);
	if (w->group) {
		group_get(w->group);
		*nonblock = f->flags & O_NONBLOCK;
	}
	file_put(f);
	return w->group ? 0 : -EBADF;
}

/* The fields of siginfo that waitid sets: signo, errno, code; pid, uid, status. The others keep what they had. */
static int write_info(struct task *t, uint64_t addr, const struct wait_result *res, bool found)
{
	int head[3] = { found ? SIGCHLD : 0, 0, found ? res->code : 0 };
	int tail[3] = { 0, 0, 0 };

	if (found) {
		tail[0] = res->pid;
		tail[1] = (int)res->uid;
		tail[2] = wait_status_value(res->status);
	}
	int r = guest_write(t->mm, addr, head, sizeof(head));
	return r ? r : guest_write(t->mm, addr + 16, tail, sizeof(tail));
}

int64_t sys_waitid(struct task *t, const uint64_t a[6])
{
	int options = (int)a[3];
	struct wait_request w = { .options = options };
	struct wait_result res = { 0 };
	bool nonblock;
	int64_t r;

	if (options & ~(WAIT_COMMON | WEXITED | WSTOPPED | WNOWAIT) || !(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	r = decode_target(t, (int)a[0], (pid_t)a[1], &w, &nonblock);
	if (r < 0)
		return r;
	if (nonblock)
		w.options |= WNOHANG;
	r = process_wait(t, &w, &res);
	if (w.group)
		group_put(w.group);
	if (!r && nonblock && !(options & WNOHANG))
		r = -EAGAIN;
	bool found = r > 0;
	if (found)
		r = 0;
	if (found && a[4] && usage_write(t, a[4], &res.usage) < 0)
		return -EFAULT;
	if (a[2] && write_info(t, a[2], &res, found) < 0)
		return -EFAULT;
	return r;
}
