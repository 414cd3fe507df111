/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_create1(2), epoll_ctl(2), epoll_wait(2). */
#include "fs/event.h"
#include "fs/fdtable.h"
#include "syscalls/sigmask.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static int64_t make_epoll(struct task *t, int flags)
{
	struct file *f;
	int err;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	err = epoll_new(flags, &f);
	return err ? err : fd_install_task(t, f, flags & EPOLL_CLOEXEC);
}

SYSCALL_DECLARE(epoll_create)
{
	return (int)a[0] <= 0 ? -EINVAL : make_epoll(t, 0);
}

SYSCALL_DECLARE(epoll_create1)
{
	return make_epoll(t, (int)a[0]);
}

SYSCALL_DECLARE(epoll_ctl)
{
	int op = (int)a[1], fd = (int)a[2], err = 0;
	struct epoll_event ev = { 0 };
	struct file *ep, *target;

	if (op != EPOLL_CTL_DEL)
		err = guest_read(t->mm, &ev, a[3], sizeof(ev));
	if (err)
		return err;
	ep = fd_lookup(t->files, (int)a[0]);
	if (!ep)
		return -EBADF;
	target = fd_lookup(t->files, fd);
	err = target ? epoll_control(ep, op, fd, target, &ev) : -EBADF;
	if (target)
		file_put(target);
	file_put(ep);
	return err;
}

/* --- waiting --- */

enum { EVENTS_INLINE = 32, EVENTS_MAX = INT_MAX / (int)sizeof(struct epoll_event), EVENTS_AT_ONCE = 4096 };

static int64_t collect(struct task *t, struct file *ep, uint64_t addr, int max, int64_t deadline)
{
	struct epoll_event few[EVENTS_INLINE], *out = few;
	int64_t n;
	int err;

	/* More than this are never ready at once; the guest's number must not size an allocation. */
	max = MIN(max, EVENTS_AT_ONCE);
	if (max > EVENTS_INLINE && !(out = malloc((size_t)max * sizeof(*out)))) {
		out = few;
		max = EVENTS_INLINE;
	}
	n = epoll_collect(t, ep, out, max, deadline);
	if (n > 0) {
		err = guest_write(t->mm, addr, out, (size_t)n * sizeof(*out));
		if (err)
			n = err;
	}
	if (out != few)
		free(out);
	return n;
}

static int64_t wait_for_events(struct task *t, const uint64_t a[6], int64_t ns)
{
	int max = (int)a[2];
	int64_t deadline = ns, r;
	struct file *ep;

	if (max <= 0 || max > EVENTS_MAX)
		return -EINVAL;
	if (a[1] > platform_max_addr() - (uint64_t)max * sizeof(struct epoll_event))
		return -EFAULT;
	if (ns != NO_DEADLINE && ns != 0) {
		int64_t now = mono_now();

		deadline = ns > NO_DEADLINE - 1 - now ? NO_DEADLINE - 1 : now + ns;
	}
	ep = fd_lookup(t->files, (int)a[0]);
	if (!ep)
		return -EBADF;
	r = file_is_epoll(ep) ? collect(t, ep, a[1], max, deadline) : -EINVAL;
	file_put(ep);
	return r;
}

static int64_t milliseconds(int timeout)
{
	return timeout < 0 ? NO_DEADLINE : (int64_t)timeout * 1000000;
}

SYSCALL_DECLARE(epoll_wait)
{
	return wait_for_events(t, a, milliseconds((int)a[3]));
}

SYSCALL_DECLARE(epoll_pwait)
{
	int64_t r;
	int err = sigmask_begin(t, a[4], a[5]);

	if (err)
		return err;
	r = wait_for_events(t, a, milliseconds((int)a[3]));
	return sigmask_end(t, a[4], r);
}

SYSCALL_DECLARE(epoll_pwait2)
{
	int64_t ns = NO_DEADLINE, r;
	int err;

	if (a[3] && (err = syscall_timespec(t, a[3], &ns)))
		return err;
	err = sigmask_begin(t, a[4], a[5]);
	if (err)
		return err;
	r = wait_for_events(t, a, ns);
	return sigmask_end(t, a[4], r);
}
