/* SPDX-License-Identifier: Apache-2.0 */
/* The blocking half of open files.
 *
 * Theory of operation. File implementations never sleep. What they answer with -EAGAIN is tried again here each time their
 * wait queue is notified. The first try is made before anything is registered, so a call that can be answered at once touches no
 * queue. A waiter is registered before the second try: an event between a try and the sleep is then never lost, and
 * implementations whose events come from outside (host descriptors, timers) may arm themselves only when a try finds a
 * waiter on their queue.
 *
 * Positions: regular files and directories have theirs locked over the whole call (POSIX asks for atomic reads and writes), other
 * seekable files just keep a number. Restart codes as in the kernel: -ERESTARTSYS without a time limit, else -EINTR.
 */
#include "fs/event.h"
#include "fs/notify.h"
#include "fs/vfs.h"
#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <sys/uio.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

void file_sigpipe(void)
{
	struct task *t = task_self();

	if (t)
		signal_send_self(t, SIGPIPE);
}

uint32_t file_poll(struct file *f)
{
	return f->ops->poll ? f->ops->poll(f) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

bool file_can_sync(const struct file *f)
{
	return f->ops->sync || S_ISREG(f->inode->type) || S_ISDIR(f->inode->type);
}

int file_sync(struct file *f, bool data_only)
{
	if (!file_can_sync(f))
		return -EINVAL;
	return f->ops->sync ? f->ops->sync(f, data_only) : 0;
}

static int sleep_for(struct task *t, int64_t deadline)
{
	return t ? task_sleep(t, deadline) : sleep_until(deadline);
}

int64_t file_wait(struct task *t, struct file *f, uint32_t events, bool nonblock, int64_t deadline,
		  int64_t (*try)(void *arg), void *arg)
{
	int64_t r = try(arg);
	struct waitq *q;
	struct waiter w;
	int e;

	if (r != -EAGAIN || nonblock)
		return r;
	q = f->ops->waitq ? f->ops->waitq(f) : NULL;
	if (!q)
		return -EAGAIN;
	waiter_init(&w, sleeper_self(), events | POLLERR | POLLHUP);
	waitq_add(q, &w);
	while ((r = try(arg)) == -EAGAIN) {
		e = sleep_for(t, deadline);
		if (e == -ETIMEDOUT)
			break;
		if (e) {
			r = deadline == NO_DEADLINE ? -ERESTARTSYS : -EINTR;
			break;
		}
	}
	waitq_remove(q, &w);
	return r;
}

/* One transfer in progress. */
struct transfer {
	struct file *f;
	struct io *io;
	off_t *pos;
	int flags;
	bool write;
};

static int64_t transfer_try(void *arg)
{
	struct transfer *x = arg;

	return x->write ? file_write_once(x->f, x->io, x->pos, x->flags) :
			  x->f->ops->read(x->f, x->io, x->pos, x->flags);
}

/* Repeats a write until all is done where the file wants that; what was moved before an error counts. */
static ssize_t transfer_run(struct task *t, struct transfer *x)
{
	struct file *f = x->f;
	uint32_t events = x->write ? POLLOUT : POLLIN;
	bool nonblock = ((f->flags & O_NONBLOCK) && !(x->flags & FILE_WAITS)) || (x->flags & RWF_NOWAIT);
	int64_t deadline = NO_DEADLINE, limit;
	ssize_t total = 0, r;

	if (!nonblock && f->ops->timeout && (limit = f->ops->timeout(f, events)))
		deadline = mono_now() + limit;
	for (;;) {
		r = file_wait(t, f, events, nonblock, deadline, transfer_try, x);
		/* A pipe's writer is told of a lost reader even if something was written before, a stream's is not. */
		if (r == -EPIPE && f->ops->write_all && !(x->flags & FILE_NOSIGNAL) &&
		    (!total || S_ISFIFO(f->inode->type)))
			file_sigpipe();
		if (r <= 0)
			return total ? total : r;
		total += r;
		if (!x->write || !f->ops->write_all || !x->io->left)
			return total;
	}
}

static bool pos_is_atomic(const struct file *f)
{
	return f->inode && (S_ISREG(f->inode->type) || S_ISDIR(f->inode->type));
}

/* Would the transfer end where no file's offset can be? */
static bool beyond_all(const struct transfer *x, off_t pos)
{
	return pos >= 0 && x->io->left > (uint64_t)(INT64_MAX - pos);
}

/* Chooses the position: the caller's, the file's own (locked over the call or copied), or none. */
static ssize_t transfer_at(struct task *t, struct transfer *x)
{
	struct file *f = x->f;
	off_t copy;
	ssize_t r;

	if (x->pos || !f->ops->seek)
		return x->pos && beyond_all(x, *x->pos) ? -EINVAL : transfer_run(t, x);
	if (pos_is_atomic(f)) {
		mutex_lock(&f->pos_lock);
		x->pos = &f->pos;
		r = beyond_all(x, f->pos) ? -EINVAL : transfer_run(t, x);
		mutex_unlock(&f->pos_lock);
		return r;
	}
	mutex_lock(&f->pos_lock);
	copy = f->pos;
	mutex_unlock(&f->pos_lock);
	x->pos = &copy;
	r = transfer_run(t, x);
	mutex_lock(&f->pos_lock);
	f->pos = copy;
	mutex_unlock(&f->pos_lock);
	return r;
}

ssize_t file_read(struct task *t, struct file *f, struct io *io, off_t *pos, int flags)
{
	struct transfer x = { .f = f, .io = io, .pos = pos, .flags = flags };
	ssize_t r;

	if (!file_readable(f))
		return -EBADF;
	if (!f->ops->read)
		return -EINVAL;
	r = transfer_at(t, &x);
	if (r > 0)
		notify_file(f, IN_ACCESS);
	return r;
}

ssize_t file_write(struct task *t, struct file *f, struct io *io, off_t *pos, int flags)
{
	struct transfer x = { .f = f, .io = io, .pos = pos, .flags = flags, .write = true };
	ssize_t r;

	if (!file_writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	r = transfer_at(t, &x);
	if (r > 0)
		notify_file(f, IN_MODIFY);
	return r;
}

bool file_has_offset(const struct file *f)
{
	return f->ops->seek && f->ops->seek != noop_seek;
}

bool file_splices_from(const struct file *f)
{
	return f->ops->seek != noop_seek && !f->ops->no_splice_from;
}

bool file_splices_to(const struct file *f)
{
	return f->ops->seek != noop_seek && !f->ops->no_splice_to;
}

ssize_t file_pread_kernel(struct file *f, void *buf, size_t len, off_t off)
{
	size_t done = 0;

	if (!f->ops->read)
		return -EINVAL;
	while (done < len) {
		struct io io;
		ssize_t r;

		io_init_kernel(&io, (char *)buf + done, len - done);
		r = f->ops->read(f, &io, &off, 0);
		io_fini(&io);
		if (r < 0)
			return done ? (ssize_t)done : r;
		if (!r)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}
