/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd(2), timerfd_create(2), signalfd(2). */
#include "fs/event.h"
#include "fs/fdtable.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int64_t make_eventfd(struct task *t, unsigned count, int flags)
{
	struct file *f;
	int err;

	if (flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	err = eventfd_new(count, flags, &f);
	return err ? err : fd_install_task(t, f, flags & EFD_CLOEXEC);
}

SYSCALL_DECLARE(eventfd)
{
	return make_eventfd(t, (unsigned)a[0], 0);
}

SYSCALL_DECLARE(eventfd2)
{
	return make_eventfd(t, (unsigned)a[0], (int)a[1]);
}

/* --- timerfd --- */

SYSCALL_DECLARE(timerfd_create)
{
	int clock = (int)a[0], flags = (int)a[1], err;
	struct file *f;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		break;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		if (!cred_capable(t->cred, CAP_WAKE_ALARM))
			return -EPERM;
		break;
	default:
		return -EINVAL;
	}
	err = timerfd_new(clock, flags, &f);
	return err ? err : fd_install_task(t, f, flags & TFD_CLOEXEC);
}

static int timerfd_lookup(struct task *t, int fd, struct file **out)
{
	struct file *f = fd_lookup(t->files, fd);

	if (!f)
		return -EBADF;
	if (!file_is_timerfd(f)) {
		file_put(f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

/* struct itimerspec: the interval, then the value. */
static int read_itimerspec(struct task *t, uint64_t addr, int64_t *value, int64_t *interval)
{
	struct timespec ts[2];
	int64_t ns[2];
	int err = guest_read(t->mm, ts, addr, sizeof(ts));

	if (err)
		return err;
	for (int i = 0; i < 2; i++) {
		if (ts[i].tv_sec < 0 || ts[i].tv_nsec < 0 || ts[i].tv_nsec >= 1000000000)
			return -EINVAL;
		ns[i] = ts[i].tv_sec >= INT64_MAX / 1000000000 ? INT64_MAX - 1 :
								 ts[i].tv_sec * 1000000000 + ts[i].tv_nsec;
	}
	*interval = ns[0];
	*value = ns[1];
	return 0;
}

static int write_itimerspec(struct task *t, uint64_t addr, int64_t value, int64_t interval)
{
	struct timespec ts[2] = {
		{ .tv_sec = interval / 1000000000, .tv_nsec = interval % 1000000000 },
		{ .tv_sec = value / 1000000000, .tv_nsec = value % 1000000000 },
	};

	return guest_write(t->mm, addr, ts, sizeof(ts));
}

SYSCALL_DECLARE(timerfd_settime)
{
	int64_t value, interval, old_value, old_interval;
	int flags = (int)a[1], err;
	struct file *f;

	err = read_itimerspec(t, a[2], &value, &interval);
	if (err)
		return err;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	err = timerfd_lookup(t, (int)a[0], &f);
	if (err)
		return err;
	err = timerfd_set(f, flags, value, interval, &old_value, &old_interval);
	file_put(f);
	if (!err && a[3])
		err = write_itimerspec(t, a[3], old_value, old_interval);
	return err;
}

SYSCALL_DECLARE(timerfd_gettime)
{
	int64_t value, interval;
	struct file *f;
	int err = timerfd_lookup(t, (int)a[0], &f);

	if (err)
		return err;
	timerfd_get(f, &value, &interval);
	file_put(f);
	return write_itimerspec(t, a[1], value, interval);
}

/* --- signalfd --- */

static int64_t make_signalfd(struct task *t, int fd, uint64_t addr, uint64_t size, int flags)
{
	sigset_guest mask;
	struct file *f;
	int err;

	if (size != sizeof(mask))
		return -EINVAL;
	err = guest_read(t->mm, &mask, addr, sizeof(mask));
	if (err)
		return err;
	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	if (fd == -1) {
		err = signalfd_new(mask, flags, &f);
		return err ? err : fd_install_task(t, f, flags & SFD_CLOEXEC);
	}
	f = fd_lookup(t->files, fd);
	if (!f)
		return -EBADF;
	if (file_is_signalfd(f))
		signalfd_set_mask(f, mask);
	else
		err = -EINVAL;
	file_put(f);
	return err ? err : fd;
}

SYSCALL_DECLARE(signalfd)
{
	return make_signalfd(t, (int)a[0], a[1], a[2], 0);
}

SYSCALL_DECLARE(signalfd4)
{
	return make_signalfd(t, (int)a[0], a[1], a[2], (int)a[3]);
}
