/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs: pipe(7), fifo(7).
 *
 * Theory of operation. A pipe is a ring of bytes (ring.h) that grows up to the pipe's capacity. A byte is copied once from the
 * writer's memory into the ring and once from there to the reader's.
 *
 * Packets (O_DIRECT) are in pipe_packet.c.
 *
 * Writers are told of room only when PIPE_BUF bytes are free, so a reader that takes little by little wakes them once,
 * and what poll() promises a write of PIPE_BUF bytes keeps.
 *
 * Invariants (under lock): len <= capacity; size <= capacity or the capacity was lowered to no less than len.
 * Notifications are sent after the lock is dropped, so that the woken thread does not run into it.
 *
 * Limits are pipe(7)'s defaults: once the pipes of the sandbox may hold 64 MiB together, new ones get two pages and cannot grow.
 */
#include "fs/pipe_internal.h"
#include "fs/vfs.h"
#include "kernel/task.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

enum { PIPE_DEFAULT = 65536, PIPE_SMALL = 2 * PIPE_SLOT, PIPE_SOFT_LIMIT = 64 << 20, PIPE_MAX = 1 << 20 };

static _Atomic int64_t pipe_total_capacity;

static const struct file_ops pipe_ops;

/* --- reading and writing --- */

void pipe_written(struct pipe *p)
{
	waitq_notify(&p->waitq, POLLIN | POLLRDNORM);
	async_notify(&p->async_readers, POLL_IN);
}

void pipe_drained(struct pipe *p, bool wake)
{
	if (wake)
		waitq_notify(&p->waitq, POLLOUT | POLLWRNORM);
	async_notify(&p->async_writers, POLL_OUT);
}

static ssize_t pipe_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct pipe *p = f->private;
	bool was_writable, wake;
	ssize_t total = 0, r = 0;

	(void)pos;
	if (!io->left)
		return 0;
	mutex_lock(&p->lock);
	was_writable = pipe_writable_now(p);
	if (!p->ring.len)
		r = p->writers ? -EAGAIN : 0;
	while (p->ring.len && io->left) {
		enum pipe_source source;
		size_t want = MIN(io->left, pipe_run(p, 0, &source));
		bool packet = source == PIPE_PACKET && !(flags & FILE_UNBOUND);

		r = ring_copy_out(&p->ring, io, 0, want);
		if (r > 0 && (size_t)r < want)
			/* A fault in the reader's buffer: Linux counts, and takes out, whole pages of the pipe only. */
			r = r >= PIPE_BUF ? r / PIPE_BUF * PIPE_BUF : -EFAULT;
		if (r <= 0)
			break;
		if (packet)
			pipe_consume_packet(p);
		else
			pipe_consume_some(p, (size_t)r);
		total += r;
		if (packet || (size_t)r < want)
			break;
	}
	wake = !was_writable && pipe_writable_now(p);
	mutex_unlock(&p->lock);
	if (total)
		pipe_drained(p, wake);
	return total ? total : r;
}

static ssize_t write_bytes(struct pipe *p, struct io *io, enum pipe_source source)
{
	size_t n = io->left, room = pipe_room(p);
	ssize_t r;

	/* Up to PIPE_BUF bytes go in whole or not at all; more may be cut wherever the pipe is full. */
	if (room < MIN(n, PIPE_BUF))
		return -EAGAIN;
	r = ring_copy_in(&p->ring, io, MIN(n, room), p->capacity);
	if (r > 0)
		pipe_record_bytes(p, (size_t)r, source);
	return r;
}

/* A FIFO's times are those of its name's file. */
static void touch_fifo(struct inode *i)
{
	struct attr now = { 0 };

	if (anon_inode_name(i) || !i->ops->setattr)
		return;
	clock_gettime(CLOCK_REALTIME_COARSE, &now.mtime);
	now.ctime = now.mtime;
	(void)!i->ops->setattr(i, &now, ATTR_MTIME | ATTR_CTIME);
}

static ssize_t pipe_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct pipe *p = f->private;
	ssize_t r;

	(void)pos;
	if (!io->left)
		return 0;
	mutex_lock(&p->lock);
	if (!p->readers)
		r = -EPIPE;
	else
		r = flags & FILE_UNBOUND ? write_bytes(p, io, PIPE_LENT) :
		    f->flags & O_DIRECT ? pipe_write_packets(p, io) : write_bytes(p, io, PIPE_WRITTEN);
	mutex_unlock(&p->lock);
	if (r > 0) {
		pipe_written(p);
		touch_fifo(f->inode);
	}
	return r;
}

static uint32_t pipe_poll(struct file *f)
{
	struct pipe *p = f->private;
	uint32_t m = 0;

	mutex_lock(&p->lock);
	if (file_readable(f)) {
		if (p->ring.len)
			m |= POLLIN | POLLRDNORM;
		/* A FIFO that never had a writer since it was opened has not been hung up. */
		if (!p->writers && f->pos != (off_t)p->writer_opens)
			m |= POLLHUP;
	}
	if (file_writable(f)) {
		if (pipe_writable_now(p))
			m |= POLLOUT | POLLWRNORM;
		if (!p->readers)
			m |= POLLERR;
	}
	mutex_unlock(&p->lock);
	return m;
}

static struct waitq *pipe_waitq(struct file *f)
{
	return &((struct pipe *)f->private)->waitq;
}

static struct async_list *pipe_async(struct file *f)
{
	struct pipe *p = f->private;

	return file_readable(f) ? &p->async_readers : &p->async_writers;
}

static int64_t pipe_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct pipe *p = f->private;
	int n;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&p->lock);
	n = (int)p->ring.len;
	mutex_unlock(&p->lock);
	return guest_write(t->mm, arg, &n, sizeof(n));
}

/* --- size --- */

static void capacity_set(struct pipe *p, uint32_t capacity)
{
	atomic_fetch_add(&pipe_total_capacity, (int64_t)capacity - p->capacity);
	p->capacity = capacity;
}

int64_t pipe_get_size(struct file *f)
{
	struct pipe *p = pipe_of(f);
	int64_t r;

	if (!p)
		return -EBADF;
	mutex_lock(&p->lock);
	r = p->capacity;
	mutex_unlock(&p->lock);
	return r;
}

static int resize_locked(struct pipe *p, uint32_t capacity, bool privileged)
{
	int err;

	mutex_assert_held(&p->lock);
	if (capacity > p->capacity && !privileged &&
	    (capacity > PIPE_MAX || atomic_load(&pipe_total_capacity) + capacity - p->capacity > PIPE_SOFT_LIMIT))
		return -EPERM;
	if (p->ring.len > capacity)
		return -EBUSY;
	err = p->records ? pipe_records_resize(p, capacity) : 0;
	if (!err && p->ring.size > capacity)
		err = ring_resize(&p->ring, capacity);
	if (err)
		return err;
	capacity_set(p, capacity);
	return 0;
}

int64_t pipe_set_size(struct file *f, unsigned size, bool privileged)
{
	struct pipe *p = pipe_of(f);
	uint32_t capacity = PIPE_SLOT;
	int err;

	if (!p)
		return -EBADF;
	if (size > 1U << 31)
		return -EINVAL;
	while (capacity < size)
		capacity *= 2;
	mutex_lock(&p->lock);
	err = resize_locked(p, capacity, privileged);
	mutex_unlock(&p->lock);
	if (err)
		return err;
	waitq_notify(&p->waitq, POLLOUT | POLLWRNORM);
	return capacity;
}

/* --- life --- */

struct pipe *pipe_of(struct file *f)
{
	return f->ops == &pipe_ops ? f->private : NULL;
}

static struct pipe *pipe_new(void)
{
	struct pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	ref_init(&p->ref);
	mutex_init(&p->lock);
	waitq_init(&p->waitq);
	capacity_set(p, atomic_load(&pipe_total_capacity) >= PIPE_SOFT_LIMIT ? PIPE_SMALL : PIPE_DEFAULT);
	return p;
}

static void pipe_put(struct pipe *p)
{
	if (!ref_put(&p->ref))
		return;
	capacity_set(p, 0);
	free(p->records);
	ring_free(&p->ring);
	mutex_destroy(&p->lock);
	free(p);
}

static void pipe_put_attached(void *attached)
{
	pipe_put(attached);
}

/* The inode keeps its pipe, for whoever opens it by name or by a magic link. */
static void attach(struct inode *i, struct pipe *p)
{
	ref_get(&p->ref);
	i->attached = p;
	i->attached_put = pipe_put_attached;
}

static void ends_add(struct pipe *p, int flags)
{
	int mode = flags & O_ACCMODE;

	if (mode != O_WRONLY) {
		p->readers++;
		p->reader_opens++;
	}
	if (mode != O_RDONLY) {
		p->writers++;
		p->writer_opens++;
	}
}

static void ends_drop(struct pipe *p, int flags)
{
	int mode = flags & O_ACCMODE;

	mutex_lock(&p->lock);
	p->readers -= mode != O_WRONLY;
	p->writers -= mode != O_RDONLY;
	if (!p->readers && !p->writers) {
		/* What nobody read is gone when a FIFO is opened again. */
		ring_consume(&p->ring, p->ring.len);
		p->record_count = 0;
	}
	mutex_unlock(&p->lock);
	waitq_notify(&p->waitq, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLERR | POLLHUP);
	async_notify(&p->async_readers, POLL_IN);
	async_notify(&p->async_writers, POLL_OUT);
	pipe_put(p);
}

static void pipe_release(struct file *f)
{
	ends_drop(f->private, f->flags);
}

static int pipe_set_flags(struct file *f, int flags)
{
	(void)f, (void)flags;
	return 0;
}

static const struct file_ops pipe_ops = {
	.type = "pipe",
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.waitq = pipe_waitq,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
	.set_flags = pipe_set_flags,
	.write_all = true,
	.async = pipe_async,
};

int pipe_new_files(int flags, struct file **rd, struct file **wr)
{
	struct pipe *p = pipe_new();
	struct inode *inode;
	int err;

	if (!p)
		return -ENOMEM;
	err = anon_inode_new(S_IFIFO | 0600, "pipe", &inode);
	if (err)
		goto out_pipe;
	if (task_self())
		anon_inode_set_owner(inode, task_self()->cred->fsuid, task_self()->cred->fsgid);
	attach(inode, p);
	flags &= O_NONBLOCK | O_DIRECT;
	*rd = file_new(&pipe_ops, O_RDONLY | flags, NULL, inode, p);
	if (!*rd) {
		inode_put(inode);
		err = -ENOMEM;
		goto out_pipe;
	}
	ends_add(p, O_RDWR);
	ref_get(&p->ref);
	inode_get(inode);
	*wr = file_new(&pipe_ops, O_WRONLY | flags, NULL, inode, p);
	if (!*wr) {
		inode_put(inode);
		file_put(*rd);
		err = -ENOMEM;
		goto out_pipe;
	}
	return 0;
out_pipe:
	pipe_put(p);
	return err;
}

/* --- FIFOs --- */

static struct pipe *fifo_pipe(struct inode *i)
{
	struct pipe *p;

	mutex_lock(&i->lock);
	p = i->attached;
	if (p) {
		ref_get(&p->ref);
	} else {
		p = pipe_new();
		if (p)
			attach(i, p);
	}
	mutex_unlock(&i->lock);
	return p;
}

/* Sleeps until the other end has been opened since *counter was `seen`, even if it was closed again meanwhile. */
static int fifo_wait(struct pipe *p, const uint32_t *counter, uint32_t seen)
{
	struct task *t = task_self();
	struct waiter w;
	bool there;
	int err = 0;

	waiter_init(&w, sleeper_self(), POLLIN | POLLOUT | POLLHUP);
	waitq_add(&p->waitq, &w);
	for (;;) {
		mutex_lock(&p->lock);
		there = *counter != seen;
		mutex_unlock(&p->lock);
		if (there)
			break;
		err = t ? task_sleep(t, NO_DEADLINE) : sleep_until(NO_DEADLINE);
		if (err) {
			err = -ERESTARTSYS;
			break;
		}
	}
	waitq_remove(&p->waitq, &w);
	return err;
}

/* Counts the opener in and waits for the other end as fifo(7) says. *version is what pipe_poll() compares. A pipe that is opened
 * again by its magic link has no name to meet at: nobody waits. */
static int fifo_join(struct pipe *p, bool named, int flags, off_t *version)
{
	int mode = flags & O_ACCMODE;
	const uint32_t *counter = NULL;
	uint32_t seen = 0;
	bool first;

	mutex_lock(&p->lock);
	if (named && mode == O_WRONLY && (flags & O_NONBLOCK) && !p->readers) {
		mutex_unlock(&p->lock);
		return -ENXIO;
	}
	first = (mode != O_WRONLY && !p->readers) || (mode != O_RDONLY && !p->writers);
	ends_add(p, flags);
	if (named && mode == O_RDONLY && !p->writers) {
		counter = &p->writer_opens;
		if (flags & O_NONBLOCK)
			*version = p->writer_opens;
	} else if (named && mode == O_WRONLY && !p->readers) {
		counter = &p->reader_opens;
	}
	if (counter)
		seen = *counter;
	mutex_unlock(&p->lock);
	if (first) /* more of the same are no news */
		waitq_notify(&p->waitq, POLLIN | POLLOUT);
	return counter && !(flags & O_NONBLOCK) ? fifo_wait(p, counter, seen) : 0;
}

int fifo_open(struct inode *i, struct path *path, int flags, struct file **out)
{
	struct pipe *p = fifo_pipe(i);
	off_t version = 0;
	int err;

	if (!p)
		return -ENOMEM;
	err = fifo_join(p, i->fs != anon_filesystem(), flags, &version);
	if (err == -ENXIO) {
		pipe_put(p);
		return err;
	}
	if (err)
		goto out_leave;
	err = file_new_at(&pipe_ops, flags, path, i, p, out);
	if (err)
		goto out_leave;
	(*out)->pos = version;
	return 0;
out_leave:
	ends_drop(p, flags);
	return err;
}
