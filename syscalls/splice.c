/* SPDX-License-Identifier: Apache-2.0 */
/* splice(2), tee(2), vmsplice(2), sendfile(2), copy_file_range(2). */
#include "fs/fdtable.h"
#include "fs/pipe.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>

enum { SPLICE_KNOWN = 0xf, COPY_PIECE = 65536, MAX_RW = 0x7ffff000 };

/* --- offsets: a number in guest memory, or the file's own position --- */

struct at {
	struct file *f;
	uint64_t addr; /* of the guest's loff_t; 0: none */
	off_t off;
	off_t *pos; /* what operations get; NULL for files without a position */
	bool locked;
};

static int at_begin(struct task *t, struct at *at, struct file *f, uint64_t addr) NO_THREAD_SAFETY_ANALYSIS
{
	int err;

	*at = (struct at){ .f = f, .addr = addr };
	if (addr) {
		err = guest_read(t->mm, &at->off, addr, sizeof(at->off));
		if (err)
			return err;
		at->pos = &at->off;
	} else if (f->ops->seek) {
		mutex_lock(&f->pos_lock);
		at->locked = true;
		at->pos = &f->pos;
	}
	return 0;
}

static bool at_negative(const struct at *at)
{
	return at->addr && at->off < 0;
}

static int at_end(struct task *t, struct at *at) NO_THREAD_SAFETY_ANALYSIS
{
	if (at->locked)
		mutex_unlock(&at->f->pos_lock);
	return at->addr ? guest_write(t->mm, at->addr, &at->off, sizeof(at->off)) : 0;
}

/* --- waiting for one side --- */

struct readiness {
	struct file *f;
	uint32_t events;
};

static int64_t ready_try(void *arg)
{
	struct readiness *r = arg;

	return file_poll(r->f) & (r->events | POLLERR | POLLHUP) ? 0 : -EAGAIN;
}

static int64_t wait_ready(struct task *t, struct file *f, uint32_t events, bool nonblock)
{
	struct readiness r = { .f = f, .events = events };

	return file_wait(t, f, events, nonblock, NO_DEADLINE, ready_try, &r);
}

/* --- splice --- */

struct splice {
	struct file *in, *out;
	uint64_t off_in, off_out;
	size_t len;
	unsigned flags;
	bool waited;
};

/* Nothing could be moved: waits for the side that is to blame. A file that is ready and yet has nothing (a datagram socket that was shut
 * down) must not keep a call that does not block, nor one that is to end. */
static int64_t splice_wait(struct task *t, struct splice *s)
{
	bool nonblock = s->flags & SPLICE_F_NONBLOCK;
	int64_t r;

	if (s->waited && (nonblock || ((s->in->flags | s->out->flags) & O_NONBLOCK)))
		return -EAGAIN;
	if (task_interrupted(t))
		return -ERESTARTSYS;
	s->waited = true;
	r = wait_ready(t, s->in, POLLIN, nonblock || (s->in->flags & O_NONBLOCK));

	return r ? r : wait_ready(t, s->out, POLLOUT, nonblock || (s->out->flags & O_NONBLOCK));
}

static ssize_t splice_piece(const struct splice *s, off_t *in, off_t *out, size_t len)
{
	if (pipe_of(s->in) && pipe_of(s->out))
		return pipe_to_pipe(s->in, s->out, len, PIPE_MOVE);
	if (pipe_of(s->in))
		return pipe_splice_to_file(s->in, s->out, out, len, 0);
	return pipe_splice_from_file(s->out, s->in, in, len, 0);
}

static int64_t splice_some(const struct splice *s, struct at *in, struct at *out)
{
	int64_t total = 0;
	ssize_t r = 0;

	while ((size_t)total < s->len) {
		r = splice_piece(s, in->pos, out->pos, s->len - (size_t)total);
		if (r <= 0)
			break;
		total += r;
		if (!pipe_of(s->in)) /* one read: of a socket one message, or what comes before descriptors */
			break;
	}
	if (r == -EPIPE && !total && s->out->ops->write_all)
		file_sigpipe();
	return total ? total : r;
}

static int64_t splice_once(struct task *t, const struct splice *s)
{
	struct at in, out;
	int64_t r = at_begin(t, &in, s->in, s->off_in);
	int err;

	if (r)
		return r;
	r = at_begin(t, &out, s->out, s->off_out);
	if (!r && (at_negative(&in) || at_negative(&out)))
		r = -EINVAL;
	if (!r) {
		r = splice_some(s, &in, &out);
		err = at_end(t, &out);
		if (err && r >= 0)
			r = err;
	}
	err = at_end(t, &in);
	return err && r >= 0 ? err : r;
}

static int splice_check(const struct splice *s)
{
	bool in_pipe = pipe_of(s->in), out_pipe = pipe_of(s->out);

	if ((in_pipe && s->off_in) || (out_pipe && s->off_out))
		return -ESPIPE;
	if (!file_readable(s->in) || !file_writable(s->out))
		return -EBADF;
	if (!in_pipe && !out_pipe)
		return -EINVAL;
	if ((s->off_in && !file_has_offset(s->in)) || (s->off_out && !file_has_offset(s->out)))
		return -EINVAL;
	if (!file_splices_to(s->out)) /* of the input the pipe's side asks, once it has room */
		return -EINVAL;
	if (in_pipe && out_pipe && pipe_of(s->in) == pipe_of(s->out))
		return -EINVAL;
	if (S_ISDIR(s->in->inode->type) || (!out_pipe && (s->out->flags & O_APPEND)))
		return -EINVAL;
	return 0;
}

static int64_t do_splice(struct task *t, struct splice *s)
{
	int64_t r = splice_check(s);

	if (r)
		return r;
	while ((r = splice_once(t, s)) == -EAGAIN) {
		r = splice_wait(t, s);
		if (r)
			return r;
	}
	return r;
}

SYSCALL_DECLARE(splice)
{
	struct splice s = { .off_in = a[1], .off_out = a[3], .len = MIN(a[4], MAX_RW), .flags = (unsigned)a[5] };
	int64_t r = -EBADF;

	if (!a[4])
		return 0;
	if (s.flags & ~SPLICE_KNOWN)
		return -EINVAL;
	s.in = fd_lookup(t->files, (int)a[0]);
	s.out = fd_lookup(t->files, (int)a[2]);
	if (s.in && s.out)
		r = do_splice(t, &s);
	file_put(s.in);
	file_put(s.out);
	return r;
}

static int64_t do_tee(struct task *t, struct splice *s)
{
	int64_t r;

	if (!file_readable(s->in) || !file_writable(s->out))
		return -EBADF;
	if (!pipe_of(s->in) || !pipe_of(s->out))
		return -EINVAL;
	while ((r = pipe_to_pipe(s->in, s->out, s->len, PIPE_TEE)) == -EAGAIN) {
		r = splice_wait(t, s);
		if (r)
			return r;
	}
	if (r == -EPIPE)
		file_sigpipe();
	return r;
}

SYSCALL_DECLARE(tee)
{
	struct splice s = { .len = MIN(a[2], MAX_RW), .flags = (unsigned)a[3] };
	int64_t r = -EBADF;

	if (s.flags & ~SPLICE_KNOWN)
		return -EINVAL;
	if (!a[2])
		return 0;
	s.in = fd_lookup(t->files, (int)a[0]);
	s.out = fd_lookup(t->files, (int)a[1]);
	if (s.in && s.out)
		r = do_tee(t, &s);
	file_put(s.in);
	file_put(s.out);
	return r;
}

/* Pages are copied, not lent: SPLICE_F_GIFT is a hint. */
SYSCALL_DECLARE(vmsplice)
{
	struct file *f;
	struct io io;
	unsigned flags = (unsigned)a[3];
	/* Its own flag alone counts, unlike splice(2)'s. */
	int rwf = FILE_UNBOUND | (flags & SPLICE_F_NONBLOCK ? RWF_NOWAIT : FILE_WAITS);
	int64_t r;

	if (flags & ~SPLICE_KNOWN)
		return -EINVAL;
	f = fd_lookup(t->files, (int)a[0]);
	if (!f)
		return -EBADF;
	r = pipe_of(f) ? io_init_vector(&io, t->mm, a[1], a[2]) : -EBADF;
	if (!r) {
		r = file_writable(f) ? file_write(t, f, &io, NULL, rwf) : file_read(t, f, &io, NULL, rwf);
		io_fini(&io);
	}
	file_put(f);
	return r;
}

/* --- copies between files --- */

struct copy {
	struct file *in, *out;
	struct at from, to;
	size_t len;
	unsigned char *buf;
};

/* Writes what was read; what does not fit is read again by the next call: the source's position goes back. */
static ssize_t copy_piece(struct task *t, struct copy *c, size_t len)
{
	off_t from = c->from.pos ? *c->from.pos : 0;
	struct io io;
	ssize_t n, w;

	io_init_kernel(&io, c->buf, MIN(len, COPY_PIECE));
	n = file_read(t, c->in, &io, c->from.pos, 0);
	io_fini(&io);
	if (n <= 0)
		return n;
	io_init_kernel(&io, c->buf, (size_t)n);
	w = file_splices_to(c->out) ? file_write(t, c->out, &io, c->to.pos, FILE_UNBOUND) : -EINVAL;
	io_fini(&io);
	if (c->from.pos && w < n && *c->from.pos != from) /* /dev/zero has no places to go back to */
		*c->from.pos = from + MAX(w, 0);
	return w;
}

static int64_t copy_run(struct task *t, struct copy *c)
{
	int64_t total = 0;
	ssize_t r = 0;

	c->buf = malloc(MIN(MAX(c->len, 1), COPY_PIECE));
	if (!c->buf)
		return -ENOMEM;
	while ((size_t)total < c->len) {
		r = copy_piece(t, c, c->len - (size_t)total);
		if (r <= 0)
			break;
		total += r;
		if (task_interrupted(t))
			break;
	}
	free(c->buf);
	return total ? total : r;
}

/* Both positions are numbers of this call's while it runs: two position locks would need an order. */
static int at_copy(struct task *t, struct at *at, struct file *f, uint64_t addr)
{
	int err = at_begin(t, at, f, addr);

	if (!err && at->locked) {
		at->off = f->ops->seek(f, 0, SEEK_CUR);
		(void)at_end(t, at);
		at->locked = false;
		at->pos = &at->off;
	}
	return err;
}

static int at_copy_end(struct task *t, struct at *at)
{
	off_t r;

	if (at->addr || !at->pos)
		return at_end(t, at);
	mutex_lock(&at->f->pos_lock);
	r = at->f->ops->seek(at->f, at->off, SEEK_SET);
	mutex_unlock(&at->f->pos_lock);
	return r < 0 ? (int)r : 0;
}

static int sendfile_check(const struct copy *c, uint64_t off)
{
	if (!file_readable(c->in))
		return -EBADF;
	if (off && !file_has_offset(c->in))
		return -ESPIPE;
	return 0;
}

/* A pipe is asked for readers and room before the input is asked for anything, even if there is nothing to send. */
static int pipe_check(const struct copy *c)
{
	uint32_t polled = pipe_of(c->out) ? file_poll(c->out) : POLLOUT;

	if (polled & POLLERR) {
		file_sigpipe();
		return -EPIPE;
	}
	return polled & POLLOUT || !((c->in->flags | c->out->flags) & O_NONBLOCK) ? 0 : -EAGAIN;
}

/* A socket or terminal to a pipe: a splice, which ends with what is there and does not wait for all that was asked for. */
static int64_t send_stream(struct task *t, const struct copy *c)
{
	struct splice s = { .in = c->in, .out = c->out, .len = c->len, .flags = c->in->flags & O_NONBLOCK ? SPLICE_F_NONBLOCK : 0 };

	return s.len ? do_splice(t, &s) : 0;
}

static int64_t do_sendfile(struct task *t, struct copy *c, uint64_t off)
{
	int64_t r = at_copy(t, &c->from, c->in, off);
	int err;

	if (!r && at_negative(&c->from))
		r = -EINVAL;
	if (r)
		return r;
	if (!c->out || !file_writable(c->out))
		return -EBADF;
	if (pipe_of(c->out) && !pipe_of(c->in) && !c->in->ops->seek)
		return send_stream(t, c);
	r = pipe_check(c);
	if (r)
		return r;
	if (!file_has_offset(c->in) || (c->len && (S_ISDIR(c->in->inode->type) || !file_splices_from(c->in))))
		return -EINVAL;
	if (!pipe_of(c->out) && c->out->flags & O_APPEND)
		return -EINVAL;
	r = at_copy(t, &c->to, c->out, 0);
	if (!r)
		r = copy_run(t, c);
	/* The output's last: where both are one file, it is what counts. */
	err = r > 0 || off ? at_copy_end(t, &c->from) : 0;
	if (!err && r > 0)
		err = at_copy_end(t, &c->to);
	return err && r >= 0 ? err : r;
}

SYSCALL_DECLARE(sendfile)
{
	struct copy c = { .len = MIN(a[3], MAX_RW) };
	int64_t r = -EBADF;

	c.out = fd_lookup(t->files, (int)a[0]);
	c.in = fd_lookup(t->files, (int)a[1]);
	if (c.in)
		r = sendfile_check(&c, a[2]);
	if (!r)
		r = (int64_t)a[3] < 0 ? -EINVAL : do_sendfile(t, &c, a[2]);
	file_put(c.in);
	file_put(c.out);
	return r;
}

static int copy_range_check(struct copy *c)
{
	struct attr attr;
	uint64_t in, out;
	int r;

	if (S_ISDIR(c->in->inode->type) || S_ISDIR(c->out->inode->type))
		return -EISDIR;
	if (!S_ISREG(c->in->inode->type) || !S_ISREG(c->out->inode->type) || !c->from.pos || !c->to.pos)
		return -EINVAL;
	if (!file_readable(c->in) || !file_writable(c->out) || (c->out->flags & O_APPEND))
		return -EBADF;
	in = (uint64_t)*c->from.pos;
	out = (uint64_t)*c->to.pos;
	if (in + c->len < in || out + c->len < out)
		return -EOVERFLOW;
	/* What lies behind the end is not copied, and does not overlap. */
	r = inode_getattr(c->in->inode, &attr);
	if (r)
		return r;
	c->len = in < attr.size ? MIN(c->len, attr.size - in) : 0;
	if (c->in->inode == c->out->inode && in < out + c->len && out < in + c->len)
		return -EINVAL;
	return at_negative(&c->from) || at_negative(&c->to) ? -EINVAL : 0;
}

static int64_t do_copy_range(struct task *t, struct copy *c, uint64_t off_in, uint64_t off_out)
{
	int64_t r = at_copy(t, &c->from, c->in, off_in);
	int err;

	if (!r)
		r = at_copy(t, &c->to, c->out, off_out);
	if (!r)
		r = copy_range_check(c);
	if (r)
		return r;
	if (c->len)
		r = copy_run(t, c);
	if (r <= 0)
		return r;
	err = at_copy_end(t, &c->from);
	if (!err)
		err = at_copy_end(t, &c->to);
	return err ? err : r;
}

SYSCALL_DECLARE(copy_file_range)
{
	struct copy c = { .len = MIN(a[4], MAX_RW) };
	int64_t r = -EBADF;

	c.in = fd_lookup(t->files, (int)a[0]);
	c.out = fd_lookup(t->files, (int)a[2]);
	if (c.in && c.out)
		r = (unsigned)a[5] ? -EINVAL : do_copy_range(t, &c, a[1], a[3]);
	file_put(c.in);
	file_put(c.out);
	return r;
}
