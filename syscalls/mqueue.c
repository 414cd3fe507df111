/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX message queues: mq_open(2), mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr. */
#include "fs/fdtable.h"
#include "fs/mqueue.h"
#include "fs/vfs.h"
#include "kernel/timer.h"
#include "mm/guest.h"
#include "net/netlink.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

SYSCALL_DECLARE(mq_open)
{
	struct mq_attr attr;
	char name[PATH_MAX];
	struct file *f;
	int err = a[3] ? guest_read(t->mm, &attr, a[3], sizeof(attr)) : 0;

	if (!err)
		err = syscall_path(t, a[0], name);
	if (!err)
		err = fd_room(t);
	if (!err)
		err = mqueue_open(t, name, (int)a[1], (uint32_t)a[2], a[3] ? &attr : NULL, &f);
	return err ? err : fd_install_task(t, f, true); /* always: mq_open(3) */
}

SYSCALL_DECLARE(mq_unlink)
{
	char name[PATH_MAX];
	int err = syscall_path(t, a[0], name);

	return err ? err : mqueue_unlink(t, name);
}

/* The queue behind fd, which must be open for reading or writing if `usable` is given. */
static int lookup(struct task *t, int fd, bool (*usable)(const struct file *f), struct file **out)
{
	struct file *f = fd_lookup(t->files, fd);

	if (!f)
		return -EBADF;
	if (!file_is_mqueue(f) || (usable && !usable(f))) {
		file_put(f);
		return -EBADF;
	}
	*out = f;
	return 0;
}

static int read_deadline(struct task *t, uint64_t addr, int64_t *deadline)
{
	int64_t ns;
	int err = syscall_timespec(t, addr, &ns);

	return err ? err : clock_to_mono(CLOCK_REALTIME, ns, deadline);
}

static int send_message(struct task *t, struct file *f, const uint64_t a[6], int64_t deadline)
{
	struct mq_message *m;
	int err;

	if (a[2] > mqueue_message_size(f))
		return -EMSGSIZE;
	m = mq_message_new(a[2], (unsigned)a[3]);
	if (!m)
		return -ENOMEM;
	err = guest_read(t->mm, m->data, a[1], m->size);
	if (!err)
		err = mqueue_send(t, f, m, deadline);
	if (err)
		free(m);
	return err;
}

SYSCALL_DECLARE(mq_timedsend)
{
	struct file *f;
	int64_t deadline;
	int err = read_deadline(t, a[4], &deadline);

	if (err)
		return err;
	if ((unsigned)a[3] >= MQUEUE_PRIORITIES)
		return -EINVAL;
	err = lookup(t, (int)a[0], file_writable, &f);
	if (err)
		return err;
	err = send_message(t, f, a, deadline);
	file_put(f);
	return err;
}

static int64_t receive_message(struct task *t, struct file *f, const uint64_t a[6], int64_t deadline)
{
	struct mq_message *m;
	int64_t r;
	int err;

	if (a[2] < mqueue_message_size(f))
		return -EMSGSIZE;
	err = mqueue_receive(t, f, deadline, &m);
	if (err)
		return err;
	err = a[3] ? guest_write(t->mm, a[3], &m->priority, sizeof(m->priority)) : 0;
	if (!err)
		err = guest_write(t->mm, a[1], m->data, m->size);
	r = err ? err : (int64_t)m->size;
	free(m);
	return r;
}

SYSCALL_DECLARE(mq_timedreceive)
{
	struct file *f;
	int64_t deadline, r = read_deadline(t, a[4], &deadline);

	if (r)
		return r;
	r = lookup(t, (int)a[0], file_readable, &f);
	if (r)
		return r;
	r = receive_message(t, f, a, deadline);
	file_put(f);
	return r;
}

/* SIGEV_THREAD: the C library's thread waits on a netlink socket for the cookie. */
static int thread_notice(struct task *t, const struct sigevent_guest *ev, struct mqueue_sink **out)
{
	char cookie[NETLINK_COOKIE];
	struct file *f;
	int err = guest_read(t->mm, cookie, ev->value, sizeof(cookie));

	if (err)
		return err;
	f = fd_lookup(t->files, ev->signo);
	if (!f)
		return -EBADF;
	err = netlink_sink_new(t, f, cookie, out);
	file_put(f);
	return err;
}

static int make_notice(struct task *t, const struct sigevent_guest *ev, struct mqueue_notice *out)
{
	*out = (struct mqueue_notice){ .notify = ev->notify, .signo = ev->signo, .value = ev->value };
	switch (ev->notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_SIGNAL:
		return (unsigned)ev->signo > SIGNAL_COUNT ? -EINVAL : 0;
	case SIGEV_THREAD:
		return thread_notice(t, ev, &out->sink);
	default:
		return -EINVAL;
	}
}

SYSCALL_DECLARE(mq_notify)
{
	struct mqueue_notice n = { 0 };
	struct sigevent_guest ev;
	struct file *f;
	int err = 0;

	if (a[1]) {
		err = guest_read(t->mm, &ev, a[1], sizeof(ev));
		if (!err)
			err = make_notice(t, &ev, &n);
		if (err)
			return err;
	}
	err = lookup(t, (int)a[0], NULL, &f);
	if (!err) {
		err = mqueue_notify(t, f, a[1] ? &n : NULL);
		file_put(f);
	}
	if (err && n.sink)
		n.sink->tell(n.sink, MQUEUE_NOTHING);
	return err;
}

SYSCALL_DECLARE(mq_getsetattr)
{
	struct mq_attr set, old;
	struct file *f;
	int err = a[1] ? guest_read(t->mm, &set, a[1], sizeof(set)) : 0;

	if (err)
		return err;
	if (a[1] && set.mq_flags & ~(long)O_NONBLOCK)
		return -EINVAL;
	err = lookup(t, (int)a[0], NULL, &f);
	if (err)
		return err;
	mqueue_attributes(f, a[1] ? &set : NULL, &old);
	file_put(f);
	return a[2] ? guest_write(t->mm, a[2], &old, sizeof(old)) : 0;
}
