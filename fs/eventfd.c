/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd(2): a counter that can be waited for. */
#include "fs/event.h"
#include "fs/vfs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct eventfd {
	struct mutex lock;
	uint64_t count; /* lock; at most UINT64_MAX - 1 */
	bool semaphore;
	struct waitq waitq;
};

static ssize_t counter_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct eventfd *e = f->private;
	uint64_t value;
	ssize_t r;

	(void)pos, (void)flags;
	if (io->left < sizeof(value))
		return -EINVAL;
	mutex_lock(&e->lock);
	value = e->semaphore && e->count ? 1 : e->count;
	e->count -= value;
	mutex_unlock(&e->lock);
	if (!value)
		return -EAGAIN;
	waitq_notify(&e->waitq, POLLOUT | POLLWRNORM);
	r = io_put(io, &value, sizeof(value));
	return r < 0 || r == sizeof(value) ? r : -EFAULT;
}

/* Each vector of a writev(2) is a write of its own, as write_all asks for. */
static ssize_t counter_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct eventfd *e = f->private;
	struct io start = *io;
	uint64_t value;
	ssize_t r;

	(void)pos, (void)flags;
	if (!io->left || io->iov[io->index].iov_len != sizeof(value))
		return -EINVAL;
	r = io_take(io, &value, sizeof(value));
	if (r != sizeof(value))
		return r < 0 ? r : -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	mutex_lock(&e->lock);
	if (UINT64_MAX - e->count > value)
		e->count += value;
	else
		r = -EAGAIN;
	mutex_unlock(&e->lock);
	if (r == -EAGAIN)
		*io = start; /* the next try reads the value again */
	else
		waitq_notify(&e->waitq, POLLIN | POLLRDNORM);
	return r;
}

static uint32_t eventfd_poll(struct file *f)
{
	struct eventfd *e = f->private;
	uint32_t m = 0;

	mutex_lock(&e->lock);
	if (e->count)
		m |= POLLIN | POLLRDNORM;
	if (e->count < UINT64_MAX - 1)
		m |= POLLOUT | POLLWRNORM;
	mutex_unlock(&e->lock);
	return m;
}

static struct waitq *eventfd_waitq(struct file *f)
{
	return &((struct eventfd *)f->private)->waitq;
}

static void eventfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct eventfd *e = f->private;

	mutex_lock(&e->lock);
	snprintf(buf, size, "eventfd-count: %16lx\n", e->count);
	mutex_unlock(&e->lock);
}

static void eventfd_release(struct file *f)
{
	struct eventfd *e = f->private;

	mutex_destroy(&e->lock);
	free(e);
}

off_t noop_seek(struct file *f, off_t off, int whence)
{
	(void)off, (void)whence;
	return f->pos;
}

static const struct file_ops eventfd_ops = {
	.type = "eventfd",
	.read = counter_read,
	.write = counter_write,
	.write_all = true,
	.seek = noop_seek,
	.poll = eventfd_poll,
	.waitq = eventfd_waitq,
	.fdinfo = eventfd_fdinfo,
	.release = eventfd_release,
};

int eventfd_new(uint64_t count, int flags, struct file **out)
{
	struct eventfd *e = calloc(1, sizeof(*e));
	struct inode *inode;
	int err;

	if (!e)
		return -ENOMEM;
	mutex_init(&e->lock);
	waitq_init(&e->waitq);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	err = anon_inode_new(0600, "anon_inode:[eventfd]", &inode);
	if (err)
		goto out_free;
	*out = file_new(&eventfd_ops, O_RDWR | (flags & O_NONBLOCK), NULL, inode, e);
	if (*out)
		return 0;
	inode_put(inode);
	err = -ENOMEM;
out_free:
	free(e);
	return err;
}

bool file_is_eventfd(const struct file *f)
{
	return f->ops == &eventfd_ops;
}

void eventfd_signal(struct file *f)
{
	uint64_t one = 1;
	struct io io;

	io_init_kernel(&io, &one, sizeof(one));
	(void)!counter_write(f, &io, NULL, 0);
	io_fini(&io);
}
