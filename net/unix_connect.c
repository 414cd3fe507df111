/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of unix sockets, streams and sequenced packets alike: listen(2), connect(2), accept(2), and the stream's operations. */
#include "net/unix_internal.h"

#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { BACKLOG_MAX = 4096 };

int unix_listen(struct socket *s, int backlog)
{
	struct unix_sock *u = unix_of(s);
	struct ucred cred = socket_peer_cred(task_self());
	int err = 0;

	if (!atomic_load(&u->name))
		return -EINVAL;
	mutex_lock(&s->lock);
	if (u->state != UNIX_IDLE && u->state != UNIX_LISTENING) {
		err = -EINVAL;
	} else {
		u->state = UNIX_LISTENING;
		u->backlog = (unsigned)backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
		u->listener = cred;
		s->listening = true;
	}
	mutex_unlock(&s->lock);
	if (!err)
		waitq_notify(socket_backlog_waitq(), POLLOUT);
	return err;
}

/* --- connecting --- */

/* Could `to` take one more connection? */
static int check_listener_locked(struct unix_sock *to)
{
	mutex_assert_held(&to->s.lock);
	if (to->state != UNIX_LISTENING || (to->shut & UNIX_SHUT_RECV))
		return -ECONNREFUSED;
	return to->pending_count > to->backlog ? -EAGAIN : 0;
}

static int check_listener(struct unix_sock *to)
{
	int err;

	mutex_lock(&to->s.lock);
	err = check_listener_locked(to);
	mutex_unlock(&to->s.lock);
	return err;
}

/* From idle to connecting. */
static int begin(struct unix_sock *u)
{
	int err = 0;

	mutex_lock(&u->s.lock);
	if (u->state == UNIX_IDLE)
		u->state = UNIX_CONNECTING;
	else
		err = u->state == UNIX_CONNECTED ? -EISCONN : u->state == UNIX_CONNECTING ? -EALREADY : -EINVAL;
	mutex_unlock(&u->s.lock);
	return err;
}

static void finish(struct unix_sock *u, bool connected)
{
	mutex_lock(&u->s.lock);
	if (u->state == UNIX_CONNECTING)
		u->state = connected ? UNIX_CONNECTED : UNIX_IDLE;
	mutex_unlock(&u->s.lock);
}

/* The other end of u's connection to `to`: a socket that waits to be accepted. *pair: u's reference, for streams. */
static int make_end(struct unix_sock *u, struct unix_sock *to, struct task *t, struct unix_sock **out, struct stream_pair **pair)
{
	struct unix_sock *end = unix_new(u->s.type);
	struct unix_name *name = atomic_load(&to->name);
	int err = 0;

	if (!end)
		return -ENOMEM;
	*pair = NULL;
	if (u->s.type == SOCK_STREAM)
		err = stream_pair_new(STREAM_UNIX, &u->s, &end->s, pair);
	if (err) {
		socket_put(&end->s);
		return err;
	}
	if (*pair) {
		stream_pair_get(*pair);
		end->side = 1;
		atomic_store(&end->pair, *pair);
	} else {
		socket_get(&u->s);
		unix_peer_set(end, u);
	}
	if (name) {
		ref_get(&name->ref);
		atomic_store(&end->name, name);
	}
	end->state = UNIX_CONNECTED;
	end->s.peer = socket_peer_cred(t);
	end->s.opt.passcred = atomic_load(&to->s.opt.passcred);
	*out = end;
	return 0;
}

/* Leaves the end with the listener, which may have changed its mind. A stream's pair becomes u's at the same moment: whoever accepts may use
 * it before connect() has returned, and what u has once it keeps, since its other threads use it without a reference. */
static int enqueue(struct unix_sock *to, struct unix_sock *u, struct unix_sock *end, struct ucred *listener)
{
	int err;

	mutex_lock(&to->s.lock);
	err = check_listener_locked(to);
	if (!err) {
		*listener = to->listener;
		atomic_store(&u->pair, atomic_load(&end->pair));
		TAILQ_INSERT_TAIL(&to->pending, end, pending_link);
		to->pending_count++;
	}
	mutex_unlock(&to->s.lock);
	return err;
}

/* The end of a connection that did not come about, which nobody else has seen. */
static void disown(struct unix_sock *end)
{
	struct stream_pair *pair = atomic_exchange(&end->pair, NULL);

	if (pair)
		stream_pair_put(pair);
	unix_peer_set(end, NULL);
}

static int establish(struct unix_sock *u, struct unix_sock *to, struct task *t)
{
	struct stream_pair *pair;
	struct unix_sock *end;
	struct ucred listener;
	int err = make_end(u, to, t, &end, &pair);

	if (err)
		return err;
	if (!pair) {
		socket_get(&end->s);
		unix_peer_set(u, end);
	}
	err = enqueue(to, u, end, &listener);
	if (err) {
		if (pair)
			stream_pair_put(pair);
		else
			unix_peer_set(u, NULL);
		disown(end);
		socket_put(&end->s);
		return err;
	}
	mutex_lock(&u->s.lock);
	u->s.peer = listener;
	mutex_unlock(&u->s.lock);
	socket_tell(&to->s, POLLIN | POLLRDNORM, POLL_IN);
	return 0;
}

int unix_connect(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock)
{
	struct unix_sock *u = unix_of(s), *to;
	int err = unix_check_addr(a, &len);

	(void)nonblock; /* -EAGAIN means to wait or to give up, as the caller says */
	if (!err && s->opt.passcred)
		err = unix_name_autobind(u);
	if (!err)
		err = unix_name_find(t, a, len, s->type, &to);
	if (err)
		return err;
	err = check_listener(to);
	if (!err)
		err = begin(u);
	if (!err) {
		err = establish(u, to, t);
		finish(u, !err);
	}
	socket_put(&to->s);
	if (!err)
		waitq_notify(&s->waitq, POLLOUT | POLLWRNORM);
	return err;
}

/* --- accepting --- */

int unix_accept(struct socket *s, bool nonblock, struct socket **out)
{
	struct unix_sock *u = unix_of(s), *end = NULL;
	int err = 0;
	bool was_full;

	mutex_lock(&s->lock);
	was_full = u->pending_count > u->backlog;
	if (u->state != UNIX_LISTENING)
		err = -EINVAL;
	else if (!(end = TAILQ_FIRST(&u->pending)))
		err = (u->shut & UNIX_SHUT_RECV) && !nonblock ? -EINVAL : -EAGAIN;
	if (end) {
		TAILQ_REMOVE(&u->pending, end, pending_link);
		u->pending_count--;
	}
	mutex_unlock(&s->lock);
	if (!end)
		return err;
	if (was_full)
		waitq_notify(socket_backlog_waitq(), POLLOUT);
	*out = &end->s;
	return 0;
}

void unix_pending_close(struct unix_sock *u)
{
	struct unix_pending dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct unix_sock *end;

	mutex_lock(&u->s.lock);
	TAILQ_CONCAT(&dropped, &u->pending, pending_link);
	u->pending_count = 0;
	mutex_unlock(&u->s.lock);
	if (u->s.listening)
		waitq_notify(socket_backlog_waitq(), POLLOUT);
	while ((end = TAILQ_FIRST(&dropped))) {
		TAILQ_REMOVE(&dropped, end, pending_link);
		/* Nobody ever held it: the other side learns that as a reset. */
		if (atomic_load(&end->pair))
			stream_close(atomic_load(&end->pair), end->side, true);
		else if (end->peer)
			unix_seqpacket_hangup(end->peer, true);
		end->s.ops->close(&end->s);
		socket_put(&end->s);
	}
}

/* --- streams --- */

static ssize_t stream_op_send(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *u = unix_of(s);
	struct stream_pair *pair = atomic_load(&u->pair);
	bool closed;

	if (m->flags & MSG_OOB && !m->io->left)
		return -EOPNOTSUPP;
	if (m->addr_given)
		return pair ? -EISCONN : -EOPNOTSUPP;
	if (pair)
		return stream_send(pair, u->side, m);
	mutex_lock(&s->lock);
	closed = u->shut & UNIX_SHUT_SEND;
	mutex_unlock(&s->lock);
	return closed ? -EPIPE : -ENOTCONN;
}

static ssize_t stream_op_recv(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *u = unix_of(s), *peer;
	struct stream_pair *pair = atomic_load(&u->pair);
	ssize_t r;

	if (!pair)
		return -EINVAL;
	if (m->flags & MSG_OOB)
		return stream_recv_urgent(pair, u->side, m);
	r = stream_recv(pair, u->side, m);
	if (r > 0) {
		peer = unix_of(stream_peer(pair, u->side));
		m->addr_len = atomic_load(&peer->name) ? unix_name_get(peer, &m->addr) : 0;
	}
	return r;
}

static int stream_op_shutdown(struct socket *s, int how)
{
	struct unix_sock *u = unix_of(s);
	struct stream_pair *pair = atomic_load(&u->pair);

	if (pair)
		return stream_shutdown(pair, u->side, how);
	mutex_lock(&s->lock);
	u->shut |= (unsigned)how + 1; /* SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2 */
	mutex_unlock(&s->lock);
	waitq_notify(&s->waitq, POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLRDNORM);
	return 0;
}

static uint32_t stream_op_poll(struct socket *s)
{
	struct unix_sock *u = unix_of(s);
	struct stream_pair *pair = atomic_load(&u->pair);
	uint32_t m = 0;

	if (pair)
		return stream_poll(pair, u->side);
	mutex_lock(&s->lock);
	if (u->shut & UNIX_SHUT_RECV)
		m |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (u->shut == UNIX_SHUT_BOTH)
		m |= POLLHUP;
	if (u->state == UNIX_LISTENING)
		m |= u->pending_count ? POLLIN | POLLRDNORM : 0;
	else
		m |= POLLHUP | POLLOUT | POLLWRNORM | POLLWRBAND;
	mutex_unlock(&s->lock);
	return m;
}

const struct sock_ops unix_stream_ops = {
	.name = "unix stream",
	.bind = unix_bind,
	.listen = unix_listen,
	.connect = unix_connect,
	.accept = unix_accept,
	.getname = unix_getname,
	.send = stream_op_send,
	.recv = stream_op_recv,
	.shutdown = stream_op_shutdown,
	.poll = stream_op_poll,
	.ioctl = unix_ioctl,
	.each_rights = unix_each_rights,
	.purge = unix_purge,
	.close = unix_close,
	.destroy = unix_destroy,
};
