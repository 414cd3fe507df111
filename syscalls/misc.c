/* SPDX-License-Identifier: Apache-2.0 */
/* What describes the system and the odds and ends of a thread: uname(2), sysinfo(2), getrandom(2), personality(2), set_robust_list(2).
 *
 * rseq(2) has no handler: a kernel without it answers ENOSYS too, and the C library copes. Emulating it would mean looking
 * at every interruption of a guest thread for an abort, which the host does not report. */
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

#ifndef GRND_INSECURE
#define GRND_INSECURE 0x0004
#endif

int64_t sys_uname(struct task *t, const uint64_t a[6])
{
	struct utsname u = *kernel_uts();

	if (t->personality & UNAME26)
		snprintf(u.release, sizeof(u.release), "2.6.60");
	if ((t->personality & PER_MASK) == PER_LINUX32)
		snprintf(u.machine, sizeof(u.machine), "i686");
	return guest_write(t->mm, a[0], &u, sizeof(u));
}

static size_t count_processes(void)
{
	pid_t pids[4096];

	return groups_list(pids, ARRAY_SIZE(pids));
}

int64_t sys_sysinfo(struct task *t, const uint64_t a[6])
{
	struct sysinfo si;

	if (sysinfo(&si) < 0)
		return -errno;
	/* What the host's other users do is not the guest's to know. */
	memset(si.loads, 0, sizeof(si.loads));
	si.procs = (unsigned short)MIN(count_processes(), (size_t)UINT16_MAX);
	return guest_write(t->mm, a[0], &si, sizeof(si));
}

int64_t sys_getrandom(struct task *t, const uint64_t a[6])
{
	unsigned char buf[1024];
	size_t size = MIN((size_t)a[1], (size_t)INT32_MAX), done = 0;
	unsigned flags = (unsigned)a[2];

	if (flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	while (done < size) {
		ssize_t n = getrandom(buf, MIN(size - done, sizeof(buf)), 0);

		if (n < 0)
			return done ? (int64_t)done : -errno;
		ssize_t put = guest_write_some(t->mm, a[0] + done, buf, (size_t)n);
		if (put < 0)
			return done ? (int64_t)done : put;
		done += (size_t)put;
		if (put < n || (done < size && task_interrupted(t)))
			break;
	}
	return (int64_t)done;
}

int64_t sys_personality(struct task *t, const uint64_t a[6])
{
	unsigned old = (unsigned)t->personality, new = (unsigned)a[0];

	if (new != 0xffffffff)
		t->personality = new;
	return old;
}

/* --- robust futex lists: walked at exit by kernel/futex.c --- */

enum { ROBUST_HEAD_SIZE = 24 };

int64_t sys_set_robust_list(struct task *t, const uint64_t a[6])
{
	if (a[1] != ROBUST_HEAD_SIZE)
		return -EINVAL;
	t->robust_list = a[0];
	t->robust_list_len = a[1];
	return 0;
}

int64_t sys_get_robust_list(struct task *t, const uint64_t a[6])
{
	pid_t pid = (pid_t)a[0];
	uint64_t len = ROBUST_HEAD_SIZE, head;
	struct task *target = task_lookup(pid ? pid : t->tid);

	if (!target)
		return -ESRCH;
	bool ok = task_may_access(t, target);
	head = target->robust_list;
	task_put(target);
	if (!ok)
		return -EPERM;
	int r = guest_write(t->mm, a[2], &len, sizeof(len));
	return r ? r : guest_write(t->mm, a[1], &head, sizeof(head));
}
