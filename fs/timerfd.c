/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd_create(2).
 *
 * How often a timer has expired is computed from the clock when somebody asks. The timer service is only needed to wake who
 * waits, so it is armed by a look (read or poll) that finds no expiration, and by a read that takes all there are; an
 * interval timer that nobody reads costs nothing.
 */
#include "fs/event.h"
#include "fs/vfs.h"
#include "kernel/timer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>

struct timerfd {
	struct mutex lock;
	int clock;
	int64_t next; /* lock; CLOCK_MONOTONIC ns of the next expiration not yet read, 0 when disarmed */
	int64_t interval; /* lock */
	struct timer timer;
	struct waitq waitq;
};

static const struct file_ops timerfd_ops;

/* Runs on the service thread. */
static void timerfd_fired(struct timer *t, void *arg)
{
	struct timerfd *tf = arg;

	(void)t;
	waitq_notify(&tf->waitq, POLLIN | POLLRDNORM);
}

/* Expirations that were not read yet. If there are none and somebody waits, the service will tell. */
static uint64_t expirations_locked(struct timerfd *tf)
{
	int64_t now;

	mutex_assert_held(&tf->lock);
	if (!tf->next)
		return 0;
	now = mono_now();
	if (now < tf->next) {
		if (atomic_load(&tf->waitq.count))
			timer_arm(&tf->timer, tf->next);
		return 0;
	}
	return tf->interval ? 1 + (uint64_t)((now - tf->next) / tf->interval) : 1;
}

/* n intervals after `from`; times that cannot be told are never. */
static int64_t later(int64_t from, uint64_t n, int64_t interval)
{
	int64_t r;

	return __builtin_mul_overflow(n, interval, &r) || __builtin_add_overflow(from, r, &r) ? NO_DEADLINE - 1 : r;
}

static ssize_t timerfd_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct timerfd *tf = f->private;
	uint64_t n;
	ssize_t r;

	(void)pos, (void)flags;
	if (io->left < sizeof(n))
		return -EINVAL;
	mutex_lock(&tf->lock);
	n = expirations_locked(tf);
	if (n) {
		tf->next = tf->interval ? later(tf->next, n, tf->interval) : 0;
		/* Who waits for edges does not look again before the next one. */
		(void)expirations_locked(tf);
	}
	mutex_unlock(&tf->lock);
	if (!n)
		return -EAGAIN;
	r = io_put(io, &n, sizeof(n));
	return r < 0 || r == sizeof(n) ? r : -EFAULT;
}

static uint32_t timerfd_poll(struct file *f)
{
	struct timerfd *tf = f->private;
	uint64_t n;

	mutex_lock(&tf->lock);
	n = expirations_locked(tf);
	mutex_unlock(&tf->lock);
	return n ? POLLIN | POLLRDNORM : 0;
}

static struct waitq *timerfd_waitq(struct file *f)
{
	return &((struct timerfd *)f->private)->waitq;
}

static void remaining_locked(struct timerfd *tf, int64_t *value, int64_t *interval)
{
	int64_t now, next = tf->next;

	mutex_assert_held(&tf->lock);
	*interval = tf->interval;
	*value = 0;
	if (!next)
		return;
	now = mono_now();
	if (next <= now && tf->interval)
		next = later(next, (uint64_t)((now - next) / tf->interval) + 1, tf->interval);
	*value = MAX(next - now, 0);
}

bool file_is_timerfd(const struct file *f)
{
	return f->ops == &timerfd_ops;
}

void timerfd_get(struct file *f, int64_t *value, int64_t *interval)
{
	struct timerfd *tf = f->private;

	mutex_lock(&tf->lock);
	remaining_locked(tf, value, interval);
	mutex_unlock(&tf->lock);
}

int timerfd_set(struct file *f, int flags, int64_t value, int64_t interval, int64_t *old_value, int64_t *old_interval)
{
	struct timerfd *tf = f->private;
	int64_t next = 0, now;
	int err;

	if (value && (flags & TFD_TIMER_ABSTIME)) {
		err = clock_to_mono(tf->clock, value, &next);
		if (err)
			return err;
		/* 0 means disarmed; a time before the machine started has simply passed. */
		next = MAX(next, 1);
	} else if (value) {
		now = mono_now();
		next = value > INT64_MAX - 1 - now ? INT64_MAX - 1 : now + value;
	}
	timer_cancel(&tf->timer);
	mutex_lock(&tf->lock);
	remaining_locked(tf, old_value, old_interval);
	tf->next = next;
	tf->interval = interval;
	(void)expirations_locked(tf);
	mutex_unlock(&tf->lock);
	/* Who slept on the old time looks again. */
	waitq_notify(&tf->waitq, POLLIN | POLLRDNORM);
	return 0;
}

static void timerfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct timerfd *tf = f->private;
	int64_t value, interval;
	uint64_t ticks;

	mutex_lock(&tf->lock);
	ticks = expirations_locked(tf);
	remaining_locked(tf, &value, &interval);
	mutex_unlock(&tf->lock);
	snprintf(buf, size,
		 "clockid: %d\nticks: %lu\nsettime flags: 00\nit_value: (%ld, %ld)\nit_interval: (%ld, %ld)\n", tf->clock, ticks,
		 value / 1000000000, value % 1000000000, interval / 1000000000, interval % 1000000000);
}

static void timerfd_release(struct file *f)
{
	struct timerfd *tf = f->private;

	timer_cancel(&tf->timer);
	mutex_destroy(&tf->lock);
	free(tf);
}

static const struct file_ops timerfd_ops = {
	.type = "timerfd",
	.read = timerfd_read,
	.seek = noop_seek,
	.poll = timerfd_poll,
	.waitq = timerfd_waitq,
	.fdinfo = timerfd_fdinfo,
	.release = timerfd_release,
};

int timerfd_new(int clock, int flags, struct file **out)
{
	struct timerfd *tf = calloc(1, sizeof(*tf));
	struct inode *inode;
	int err;

	if (!tf)
		return -ENOMEM;
	mutex_init(&tf->lock);
	waitq_init(&tf->waitq);
	timer_init(&tf->timer, timerfd_fired, tf);
	tf->clock = clock;
	err = anon_inode_new(0600, "anon_inode:[timerfd]", &inode);
	if (err)
		goto out_free;
	*out = file_new(&timerfd_ops, O_RDWR | (flags & O_NONBLOCK), NULL, inode, tf);
	if (*out)
		return 0;
	inode_put(inode);
	err = -ENOMEM;
out_free:
	free(tf);
	return err;
}
