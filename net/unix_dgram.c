/* SPDX-License-Identifier: Apache-2.0 */
/* Unix datagrams and sequenced packets.
 *
 * A sender waits for two things: what it has under way (SO_SNDBUF), told by its own queue, and the receiver's number of
 * messages, told by the receiver's `room`. Two sockets that are each other's peers know only the first, as on Linux.
 */
#include "net/unix_internal.h"

#include "kernel/task.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

enum { QUEUE_MAX = 512, HEADROOM = 32 };

static bool is_seqpacket(const struct unix_sock *u)
{
	return u->s.type == SOCK_SEQPACKET;
}

/* --- connecting --- */

/* One end of a two-way association goes: the other one must notice. */
static void disconnect(struct unix_sock *u)
{
	struct unix_sock *old = unix_peer_swap(u, NULL);
	bool mutual;

	if (!old)
		return;
	dgram_queue_flush(&u->queue, false);
	mutex_lock(&old->s.lock);
	mutual = old->peer == u && old->state != UNIX_CLOSED;
	mutex_unlock(&old->s.lock);
	if (mutual) {
		atomic_store(&old->s.error, ECONNRESET);
		socket_tell(&old->s, POLLERR | POLLIN | POLLOUT, POLL_ERR);
	}
	socket_put(&old->s);
}

/* Would `to` take messages from u? *paired: they are each other's peers. */
static int check_receiver(struct unix_sock *u, struct unix_sock *to, bool *paired)
{
	int err = 0;

	mutex_lock(&to->s.lock);
	*paired = to->peer == u;
	if (to->state == UNIX_CLOSED)
		err = -ECONNREFUSED;
	else if (to->peer && to->peer != u)
		err = -EPERM;
	else if (to->shut & UNIX_SHUT_RECV)
		err = -EPIPE;
	mutex_unlock(&to->s.lock);
	return err;
}

static int dgram_connect(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock)
{
	struct unix_sock *u = unix_of(s), *to;
	bool paired;
	int err;

	(void)nonblock;
	if (len < sizeof(sa_family_t))
		return -EINVAL;
	if (a->sa.sa_family == AF_UNSPEC) {
		disconnect(u);
		return 0;
	}
	err = unix_check_addr(a, &len);
	if (!err && s->opt.passcred)
		err = unix_name_autobind(u);
	if (!err)
		err = unix_name_find(t, a, len, s->type, &to);
	if (err)
		return err;
	err = check_receiver(u, to, &paired);
	if (err && err != -EPIPE) {
		socket_put(&to->s);
		return err;
	}
	disconnect(u);
	unix_peer_set(u, to);
	mutex_lock(&s->lock);
	u->state = UNIX_CONNECTED;
	mutex_unlock(&s->lock);
	waitq_notify(&s->waitq, POLLOUT | POLLWRNORM);
	return 0;
}

/* --- sending --- */

/* Whom m goes to, with a reference. */
static int receiver(struct unix_sock *u, const struct sock_msg *m, struct unix_sock **out)
{
	socklen_t len = m->addr_len;
	int err;

	if (m->addr_given && !is_seqpacket(u)) {
		err = unix_check_addr(&m->addr, &len);
		return err ? err : unix_name_find(task_self(), &m->addr, len, u->s.type, out);
	}
	*out = unix_peer_get(u);
	return *out ? 0 : -ENOTCONN;
}

static int check_sender(struct unix_sock *u, const struct sock_msg *m)
{
	bool shut, connected;
	int err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	mutex_lock(&u->s.lock);
	shut = u->shut & UNIX_SHUT_SEND;
	connected = u->state == UNIX_CONNECTED;
	mutex_unlock(&u->s.lock);
	if (is_seqpacket(u)) {
		err = socket_take_error(&u->s);
		if (err)
			return err;
		if (!connected)
			return -ENOTCONN;
	}
	if ((int64_t)m->io->left > u->s.opt.sndbuf - HEADROOM)
		return -EMSGSIZE;
	err = u->s.opt.passcred ? unix_name_autobind(u) : 0;
	if (err)
		return err;
	return shut ? -EPIPE : 0;
}

/* Copies the message and hands it over. m is as it was unless this succeeds. */
static ssize_t hand_over(struct unix_sock *u, struct unix_sock *to, struct sock_msg *m, int count)
{
	struct io start = *m->io;
	struct sock_msg copy = *m;
	struct dgram *d;
	ssize_t len;
	int err;

	if (dgram_queue_count(&to->queue) > count)
		return -EAGAIN;
	/* Explicit, or because somebody may ask. */
	copy.has_cred = m->has_cred || u->s.opt.passcred || to->s.opt.passcred || !atomic_load(&to->s.file);
	err = dgram_new(&copy, &u->s, &d);
	if (err)
		goto out_restore;
	if (atomic_load(&u->name))
		d->from_len = unix_name_get(u, &d->from);
	d->rights = m->rights;
	len = (ssize_t)d->len;
	err = dgram_queue_add(&to->queue, d, count, SIZE_MAX);
	if (!err) {
		m->rights = NULL;
		return len;
	}
	d->rights = NULL;
	dgram_free(d);
out_restore:
	*m->io = start;
	return err;
}

static ssize_t message_send(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *u = unix_of(s), *to;
	bool paired = false;
	ssize_t r = check_sender(u, m);

	if (r)
		return r;
	r = receiver(u, m, &to);
	if (r)
		return r;
	r = check_receiver(u, to, &paired);
	if (!r && atomic_load(&s->queued) >= s->opt.sndbuf)
		r = -EAGAIN;
	else if (!r && (r = hand_over(u, to, m, paired || to == u ? INT_MAX : QUEUE_MAX)) == -EAGAIN)
		m->blocked_on = &to->s;
	if (r >= 0) {
		socket_tell(&to->s, POLLIN | POLLRDNORM, POLL_IN);
	} else if (r == -ECONNREFUSED && !m->addr_given && !is_seqpacket(u)) {
		disconnect(u); /* the peer is no more */
	} else if (r == -ECONNREFUSED && is_seqpacket(u)) {
		r = -EPIPE;
	}
	if (!m->blocked_on)
		socket_put(&to->s);
	return r;
}

/* --- receiving --- */

static void add_stamp_and_name(struct sock_msg *m, const struct dgram *d, void *arg)
{
	sock_msg_add_stamp(m, arg, &d->stamp);
	/* Linux asks for the sender's name when its message is read: it may have been given one since. */
	if (!m->addr_len && atomic_load(&unix_of(d->sender)->name))
		m->addr_len = unix_name_get(unix_of(d->sender), &m->addr);
}

static ssize_t message_recv(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *u = unix_of(s);
	unsigned shut;
	enum unix_state state;
	ssize_t r;
	bool peek = m->flags & MSG_PEEK;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	mutex_lock(&s->lock);
	state = u->state;
	shut = u->shut;
	mutex_unlock(&s->lock);
	if (is_seqpacket(u) && state != UNIX_CONNECTED)
		return -ENOTCONN;
	/* An error comes before the messages that are left, other than on a stream. */
	r = socket_take_error(s);
	if (r)
		return r;
	r = dgram_queue_take(&u->queue, m, add_stamp_and_name, s);
	if (r != -EAGAIN) {
		if (!peek)
			waitq_notify(&s->room, POLLOUT);
		return r;
	}
	/* A datagram socket that was shut down ends waiting, and only that. */
	m->eof = (shut & UNIX_SHUT_RECV) && (is_seqpacket(u) || !(m->flags & MSG_DONTWAIT));
	return m->eof ? 0 : -EAGAIN;
}

/* --- ends --- */

static void add_shut(struct unix_sock *u, unsigned shut, int code)
{
	mutex_lock(&u->s.lock);
	u->shut |= shut;
	mutex_unlock(&u->s.lock);
	socket_tell(&u->s, POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLRDNORM, code);
	waitq_notify(&u->s.room, POLLOUT);
}

void unix_seqpacket_hangup(struct unix_sock *peer, bool reset)
{
	if (reset)
		atomic_store(&peer->s.error, ECONNRESET);
	add_shut(peer, UNIX_SHUT_BOTH, POLL_HUP);
}

static int message_shutdown(struct socket *s, int how)
{
	struct unix_sock *u = unix_of(s), *peer;
	unsigned own = (unsigned)how + 1, far = (own & UNIX_SHUT_RECV ? UNIX_SHUT_SEND : 0) | (own & UNIX_SHUT_SEND ? UNIX_SHUT_RECV : 0);

	add_shut(u, own, 0);
	peer = is_seqpacket(u) ? unix_peer_get(u) : NULL;
	if (peer) {
		add_shut(peer, far, far == UNIX_SHUT_BOTH ? POLL_HUP : far & UNIX_SHUT_RECV ? POLL_IN : 0);
		socket_put(&peer->s);
	}
	return 0;
}

/* Could a message be sent to the peer now? */
static bool peer_has_room(struct unix_sock *u)
{
	struct unix_sock *peer = unix_peer_get(u);
	bool room = true, paired;

	if (!peer)
		return true;
	if (!check_receiver(u, peer, &paired) && !paired)
		room = dgram_queue_count(&peer->queue) <= QUEUE_MAX;
	socket_put(&peer->s);
	return room;
}

static uint32_t message_poll(struct socket *s)
{
	struct unix_sock *u = unix_of(s);
	uint32_t m = 0;
	bool listening;

	mutex_lock(&s->lock);
	if (u->shut & UNIX_SHUT_RECV)
		m |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (u->shut == UNIX_SHUT_BOTH || (is_seqpacket(u) && u->state == UNIX_IDLE))
		m |= POLLHUP;
	listening = u->state == UNIX_LISTENING;
	if (listening && u->pending_count)
		m |= POLLIN | POLLRDNORM;
	mutex_unlock(&s->lock);
	if (atomic_load(&s->error))
		m |= POLLERR;
	if (!dgram_queue_is_empty(&u->queue))
		m |= POLLIN | POLLRDNORM;
	if (!listening && atomic_load(&s->queued) * 4 <= s->opt.sndbuf && peer_has_room(u))
		m |= POLLOUT | POLLWRNORM | POLLWRBAND;
	return m;
}

#define COMMON_OPS                                                                                                               \
	.bind = unix_bind, .getname = unix_getname, .send = message_send, .recv = message_recv, .shutdown = message_shutdown,    \
	.poll = message_poll, .ioctl = unix_ioctl, .each_rights = unix_each_rights, .purge = unix_purge, .close = unix_close,    \
	.destroy = unix_destroy

const struct sock_ops unix_dgram_ops = { .name = "unix datagram", COMMON_OPS, .connect = dgram_connect };

const struct sock_ops unix_seqpacket_ops = {
	.name = "unix seqpacket",
	COMMON_OPS,
	.connect = unix_connect,
	.listen = unix_listen,
	.accept = unix_accept,
};
