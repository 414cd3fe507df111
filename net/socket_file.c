/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets as open files, and the calls that block: read(2) and write(2), send(2), recv(2), connect(2), accept(2).
 *
 * Theory of operation. A family's operations never block. Here they are tried, and tried again each time the socket's queue is
 * notified, with the time limits of SO_RCVTIMEO and SO_SNDTIMEO. Streams write all they are given; messages go in one piece.
 *
 * A sender may also have to wait for the receiver's queue to drain, when it sent to an address rather than to its peer: then the
 * family hands over the receiver (sock_msg.blocked_on), and the sender waits there as well.
 */
#include "kernel/task.h"
#include "fs/vfs.h"
#include "net/ifreq.h"
#include "net/socket.h"

#include <errno.h>
#include <poll.h>
#include <sys/uio.h>

static const struct file_ops stream_ops, message_ops;

struct socket *socket_of(const struct file *f)
{
	return f->ops == &stream_ops || f->ops == &message_ops ? f->private : NULL;
}

static bool is_stream(const struct socket *s)
{
	return s->type == SOCK_STREAM;
}

/* --- file operations --- */

static ssize_t send_or_mark(struct socket *s, struct sock_msg *m)
{
	ssize_t r = s->ops->send(s, m);

	if (r == -EAGAIN)
		atomic_store(&s->no_room, true);
	return r;
}

static ssize_t sock_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct socket *s = f->private;
	struct sock_msg m = { .io = io };
	ssize_t r;

	(void)pos;
	if (!io->left)
		return 0;
	if ((f->flags & O_NONBLOCK) || (flags & RWF_NOWAIT))
		m.flags = MSG_DONTWAIT;
	r = s->ops->recv(s, &m);
	rights_free(m.rights); /* read(2) has no place for them */
	return r;
}

static ssize_t sock_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct socket *s = f->private;
	struct sock_msg m = { .io = io, .cred = socket_cred(task_self()) };
	ssize_t r;

	(void)pos, (void)flags;
	if (s->type == SOCK_SEQPACKET)
		m.flags = MSG_EOR;
	r = send_or_mark(s, &m);
	socket_put(m.blocked_on); /* one's own peer: its room shows in one's own queue */
	return r;
}

static uint32_t sock_poll(struct file *f)
{
	struct socket *s = f->private;

	return s->ops->poll(s);
}

static struct waitq *sock_waitq(struct file *f)
{
	return &((struct socket *)f->private)->waitq;
}

static struct async_list *sock_async(struct file *f)
{
	struct socket *s = f->private;

	if (s->ops->watch)
		s->ops->watch(s);
	return &s->async;
}

static int64_t sock_timeout(struct file *f, uint32_t events)
{
	struct socket *s = f->private;

	return events & POLLIN ? s->opt.rcvtimeo : s->opt.sndtimeo;
}

static int64_t sock_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct socket *s = f->private;
	int64_t r = s->ops->ioctl ? s->ops->ioctl(s, t, cmd, arg) : -ENOTTY;

	return r == -ENOTTY ? ifreq_ioctl(f, t, cmd, arg) : r;
}

static void sock_release(struct file *f)
{
	struct socket *s = f->private;

	atomic_store(&s->file, NULL);
	s->ops->close(s);
	socket_put(s);
}

#define COMMON_OPS                                                                                                               \
	.type = "socket", .read = sock_read, .write = sock_write, .poll = sock_poll, .waitq = sock_waitq,                        \
	.async = sock_async, .timeout = sock_timeout, .ioctl = sock_ioctl, .release = sock_release

static const struct file_ops stream_ops = { COMMON_OPS, .write_all = true };
static const struct file_ops message_ops = { COMMON_OPS };

int socket_file_new(struct socket *s, int flags, struct file **out)
{
	struct task *t = task_self();
	struct inode *inode;
	int err = anon_inode_new(S_IFSOCK | 0777, "socket", &inode);

	if (err)
		return err;
	if (t)
		anon_inode_set_owner(inode, t->cred->fsuid, t->cred->fsgid);
	*out = file_new(is_stream(s) ? &stream_ops : &message_ops, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0), NULL, inode,
			s);
	if (!*out) {
		inode_put(inode);
		return -ENOMEM;
	}
	atomic_store(&s->file, *out);
	return 0;
}

/* --- waiting --- */

static int64_t deadline_of(int64_t limit)
{
	return limit ? mono_now() + limit : NO_DEADLINE;
}

struct call {
	struct socket *s;
	struct sock_msg *m;
	const union sock_addr *addr;
	socklen_t len;
	struct socket **out;
	bool nonblock;
};

/* As file_wait(), on a second queue besides the file's own. The caller has tried and failed already. */
static int64_t wait_on_both(struct task *t, struct socket *s, struct waitq *other, int64_t deadline, int64_t (*try)(void *arg),
			    void *arg)
{
	struct waiter own, far;
	int64_t r;
	int err;

	waiter_init(&own, sleeper_self(), POLLOUT | POLLERR | POLLHUP);
	waiter_init(&far, sleeper_self(), POLLOUT | POLLERR | POLLHUP);
	waitq_add(&s->waitq, &own);
	waitq_add(other, &far);
	while ((r = try(arg)) == -EAGAIN) {
		err = t ? task_sleep(t, deadline) : sleep_until(deadline);
		if (err == -ETIMEDOUT)
			break;
		if (err) {
			r = deadline == NO_DEADLINE ? -ERESTARTSYS : -EINTR;
			break;
		}
	}
	waitq_remove(other, &far);
	waitq_remove(&s->waitq, &own);
	return r;
}

/* Part was moved, then r came: the next call must tell it, if the family has forgotten it by now. */
static void keep_error(struct socket *s, ssize_t total, ssize_t r)
{
	if (s->ops->own_generic && total && r < 0 && r != -EAGAIN && r != -ERESTARTSYS && r != -EINTR && r != -EFAULT && r != -EPIPE)
		atomic_store(&s->error, (int)-r);
}

/* --- sending --- */

static int64_t try_send(void *arg)
{
	struct call *c = arg;

	socket_put(c->m->blocked_on);
	c->m->blocked_on = NULL;
	return send_or_mark(c->s, c->m);
}

static ssize_t send_some(struct task *t, struct file *f, struct call *c, bool nonblock, int64_t deadline)
{
	int64_t r = try_send(c);
	struct socket *to = c->m->blocked_on;

	if (r != -EAGAIN || nonblock)
		return r;
	if (!to)
		return file_wait(t, f, POLLOUT, false, deadline, try_send, c);
	/* If the receiver's place is taken by another one meanwhile, this one's queue is notified at its end. */
	socket_get(to);
	r = wait_on_both(t, c->s, &to->room, deadline, try_send, c);
	socket_put(to);
	return r;
}

ssize_t socket_send(struct task *t, struct file *f, struct sock_msg *m)
{
	struct socket *s = f->private;
	struct call c = { .s = s, .m = m };
	bool nonblock = (f->flags & O_NONBLOCK) || (m->flags & MSG_DONTWAIT);
	int64_t deadline = deadline_of(s->opt.sndtimeo);
	ssize_t total = 0, r;

	do {
		r = send_some(t, f, &c, nonblock, deadline);
		if (r > 0)
			total += r;
	} while (r > 0 && is_stream(s) && m->io->left);
	socket_put(m->blocked_on);
	m->blocked_on = NULL;
	keep_error(s, total, r);
	if (r == -EPIPE && is_stream(s) && !total && !(m->flags & MSG_NOSIGNAL))
		file_sigpipe();
	return total ? total : r;
}

/* --- receiving --- */

static int64_t try_recv(void *arg)
{
	struct call *c = arg;

	return c->s->ops->recv(c->s, c->m);
}

/* What a stream's reader waits for: all with MSG_WAITALL, SO_RCVLOWAT otherwise; looking does not take, so it is done once. */
static size_t recv_target(const struct socket *s, const struct sock_msg *m)
{
	size_t low = (size_t)MAX(s->opt.rcvlowat, 1);

	if (!is_stream(s) || (m->flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))
		return 1;
	return m->flags & MSG_WAITALL ? m->io->left : MIN(low, m->io->left);
}

ssize_t socket_recv(struct task *t, struct file *f, struct sock_msg *m)
{
	struct socket *s = f->private;
	struct call c = { .s = s, .m = m };
	bool nonblock = (f->flags & O_NONBLOCK) || (m->flags & (MSG_DONTWAIT | MSG_ERRQUEUE));
	int64_t deadline = deadline_of(s->opt.rcvtimeo);
	size_t target = recv_target(s, m), total = 0;
	ssize_t r;

	if (nonblock)
		m->flags |= MSG_DONTWAIT;
	do {
		r = file_wait(t, f, POLLIN | POLLRDHUP, nonblock, deadline, try_recv, &c);
		if (r > 0)
			total += (size_t)r;
		m->goes_on = total;
		/* Ancillary data ends a read: what follows belongs to the next. */
	} while (r > 0 && total < target && m->io->left && !m->rights && !m->ends);
	keep_error(s, total, r);
	return total ? (ssize_t)total : r;
}

/* --- connections --- */

static int64_t try_connect(void *arg)
{
	struct call *c = arg;

	return c->s->ops->connect(c->s, task_self(), c->addr, c->len, false);
}

int socket_connect(struct task *t, struct file *f, const union sock_addr *a, socklen_t len)
{
	struct socket *s = f->private;
	struct call c = { .s = s, .addr = a, .len = len };
	int64_t r, limit = s->opt.sndtimeo;

	if (f->flags & O_NONBLOCK)
		return s->ops->connect(s, t, a, len, true);
	r = try_connect(&c);
	if (r == -EAGAIN)
		r = wait_on_both(t, s, socket_backlog_waitq(), deadline_of(limit), try_connect, &c);
	/* Time is up: TCP goes on in the background. */
	if (r == -EAGAIN && s->domain != AF_UNIX)
		r = -EINPROGRESS;
	return (int)r;
}

static int64_t try_accept(void *arg)
{
	struct call *c = arg;

	return c->s->ops->accept(c->s, c->nonblock, c->out);
}

int socket_accept(struct task *t, struct file *f, struct socket **out)
{
	struct socket *s = f->private;
	struct call c = { .s = s, .out = out, .nonblock = f->flags & O_NONBLOCK };

	if (!s->ops->accept)
		return -EOPNOTSUPP;
	return (int)file_wait(t, f, POLLIN, c.nonblock, deadline_of(s->opt.rcvtimeo), try_accept, &c);
}
