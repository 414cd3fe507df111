/* SPDX-License-Identifier: Apache-2.0 */
/* One asynchronous operation, done at once: io_submit(2).
 *
 * What is wrong with the request itself, the order is Linux's, refuses it; what becomes of it is its event. A wait that a signal ends is an event
 * too (EINTR): it cannot be begun anew. Polling (IOCB_CMD_POLL) has no answer at once and is refused as by a kernel that does not know it,
 * which libraries expect. */
#include "fs/aio.h"
#include "fs/event.h"
#include "fs/fdtable.h"
#include "kernel/process.h"

#include <errno.h>
#include <string.h>

/* What Linux writes into the block to find it again when it is to be cancelled. */
enum { KEY = 0 };

/* The request, checked so far. */
struct request {
	struct task *t;
	struct file *f, *eventfd; /* references; eventfd may be NULL */
	const struct iocb *b;
};

static bool is_write(const struct iocb *b)
{
	return b->aio_lio_opcode == IOCB_CMD_PWRITE || b->aio_lio_opcode == IOCB_CMD_PWRITEV;
}

static int check_transfer(const struct request *q)
{
	const struct iocb *b = q->b;
	int err = 0;

	if (b->aio_flags & IOCB_FLAG_IOPRIO)
		err = ioprio_check(q->t, b->aio_reqprio);
	if (err)
		return err;
	if (b->aio_rw_flags & ~FILE_RWF_KNOWN)
		return -EOPNOTSUPP;
	if (!(is_write(b) ? file_writable(q->f) : file_readable(q->f)))
		return -EBADF;
	return (is_write(b) ? !!q->f->ops->write : !!q->f->ops->read) ? 0 : -EINVAL;
}

static int get_buffers(const struct request *q, struct io *io)
{
	const struct iocb *b = q->b;

	if (b->aio_lio_opcode == IOCB_CMD_PREADV || b->aio_lio_opcode == IOCB_CMD_PWRITEV)
		return io_init_vector(io, q->t->mm, b->aio_buf, b->aio_nbytes);
	if (!guest_range_ok(b->aio_buf, b->aio_nbytes))
		return -EFAULT;
	io_init(io, q->t->mm, b->aio_buf, b->aio_nbytes);
	return 0;
}

/* *result is set when 0 is returned. */
static int transfer(const struct request *q, int64_t *result)
{
	off_t pos = q->b->aio_offset, *at = q->f->ops->seek ? &pos : NULL;
	int flags = (int)q->b->aio_rw_flags, err = check_transfer(q);
	struct io io;

	if (!err)
		err = get_buffers(q, &io);
	if (err)
		return err;
	if (pos < 0)
		err = -EINVAL;
	else if (is_write(q->b))
		*result = file_write(q->t, q->f, &io, at, flags);
	else
		*result = file_read(q->t, q->f, &io, at, flags);
	io_fini(&io);
	return err;
}

static int synchronize(const struct request *q, bool data_only, int64_t *result)
{
	const struct iocb *b = q->b;

	if (b->aio_buf || b->aio_offset || b->aio_nbytes || b->aio_rw_flags || !file_can_sync(q->f))
		return -EINVAL;
	*result = file_sync(q->f, data_only);
	return 0;
}

static int perform(const struct request *q, int64_t *result)
{
	switch (q->b->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
	case IOCB_CMD_PREADV:
	case IOCB_CMD_PWRITE:
	case IOCB_CMD_PWRITEV:
		return transfer(q, result);
	case IOCB_CMD_FSYNC:
	case IOCB_CMD_FDSYNC:
		return synchronize(q, q->b->aio_lio_opcode == IOCB_CMD_FDSYNC, result);
	default:
		return -EINVAL;
	}
}

static int find_files(struct request *q)
{
	q->f = fd_lookup(q->t->files, (int)q->b->aio_fildes);
	if (!q->f)
		return -EBADF;
	if (!(q->b->aio_flags & IOCB_FLAG_RESFD))
		return 0;
	q->eventfd = fd_lookup(q->t->files, (int)q->b->aio_resfd);
	if (!q->eventfd)
		return -EBADF;
	return file_is_eventfd(q->eventfd) ? 0 : -EINVAL;
}

static int64_t as_event(int64_t result)
{
	switch (result) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return -EINTR;
	default:
		return result;
	}
}

int aio_submit(struct task *t, struct aio_context *c, uint64_t at, const struct iocb *b)
{
	struct request q = { .t = t, .b = b };
	struct io_event e = { .data = b->aio_data, .obj = at };
	uint32_t key = KEY;
	int64_t result = 0;
	int err;

	if (b->aio_reserved2 || b->aio_nbytes > INT64_MAX)
		return -EINVAL;
	err = aio_reserve(c);
	if (err)
		return err;
	err = find_files(&q);
	if (!err)
		err = guest_write(t->mm, at + offsetof(struct iocb, aio_key), &key, sizeof(key));
	if (!err)
		err = perform(&q, &result);
	if (err) {
		aio_release(c, 1);
	} else {
		e.res = as_event(result);
		aio_complete(c, &e);
		if (q.eventfd)
			eventfd_signal(q.eventfd);
	}
	if (q.eventfd)
		file_put(q.eventfd);
	if (q.f)
		file_put(q.f);
	return err;
}
