/* SPDX-License-Identifier: Apache-2.0 */
/* TCP between sockets of the sandbox: tcp(7).
 *
 * Theory of operation. connect() finds the listener in the port table, makes the socket at the other end and the stream between the two, and
 * leaves that end with the listener to be accepted; so a connection exists before accept() is called, as with real packets.
 * A client that finds the backlog full waits in the listener's list (Linux would send its SYN again and again) and is connected by
 * whoever accepts, or refused when the listener goes. A non-blocking connect() always says EINPROGRESS first: that is what a
 * client sees on Linux, even over the loopback.
 *
 * State: idle, connecting, connected, listening; back to idle by a failure, by connect() with AF_UNSPEC, and when a listener is shut
 * down; closed when the file is released. `pair` is there while connected. Connections are made in tcp_connect.c.
 */
#include "net/inet_internal.h"

#include "kernel/task.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

static struct stream_pair *pair_get(struct inet_sock *i)
{
	struct stream_pair *p;

	mutex_lock(&i->s.lock);
	p = i->pair;
	if (p)
		stream_pair_get(p);
	mutex_unlock(&i->s.lock);
	return p;
}

/* --- data --- */

/* What sending or receiving without a connection means. */
static int unconnected(struct inet_sock *i, bool send)
{
	enum tcp_state state;
	bool failed;
	int err = socket_take_error(&i->s);

	mutex_lock(&i->s.lock);
	state = i->state;
	failed = i->failed;
	mutex_unlock(&i->s.lock);
	if (state == TCP_STATE_CONNECTING)
		return -EAGAIN;
	if (err)
		return err;
	if (send)
		return -EPIPE;
	return failed ? 0 : -ENOTCONN;
}

static ssize_t tcp_send(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *i = inet_of(s);
	struct stream_pair *p = pair_get(i);
	ssize_t r;

	if (!p)
		return unconnected(i, true);
	r = stream_send(p, i->side, m);
	stream_pair_put(p);
	return r;
}

static ssize_t tcp_recv(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *i = inet_of(s);
	struct stream_pair *p = pair_get(i);
	ssize_t r;

	if (!p)
		return unconnected(i, false);
	if (m->flags & MSG_ERRQUEUE)
		r = -EAGAIN;
	else
		r = m->flags & MSG_OOB ? stream_recv_urgent(p, i->side, m) : stream_recv(p, i->side, m);
	stream_pair_put(p);
	return r;
}

static int tcp_shutdown(struct socket *s, int how)
{
	struct inet_sock *i = inet_of(s);
	struct stream_pair *p = pair_get(i);
	enum tcp_state state;
	int err = 0;

	if (p) {
		err = stream_is_over(p) ? -ENOTCONN : stream_shutdown(p, i->side, how);
		stream_pair_put(p);
		return err;
	}
	mutex_lock(&s->lock);
	state = i->state;
	if ((state == TCP_STATE_LISTENING && how != SHUT_WR) || state == TCP_STATE_CONNECTING)
		i->state = TCP_STATE_IDLE;
	mutex_unlock(&s->lock);
	if (state == TCP_STATE_IDLE)
		return -ENOTCONN;
	if (state == TCP_STATE_LISTENING && how != SHUT_WR)
		tcp_stop_listening(i);
	tcp_stop_waiting(i);
	waitq_notify(&s->waitq, POLLIN | POLLOUT | POLLHUP);
	return 0;
}

static uint32_t tcp_poll(struct socket *s)
{
	struct inet_sock *i = inet_of(s);
	struct stream_pair *p = pair_get(i);
	uint32_t m = 0;

	if (p) {
		m = stream_poll(p, i->side);
		stream_pair_put(p);
		return m;
	}
	mutex_lock(&s->lock);
	if (i->state == TCP_STATE_LISTENING)
		m = TAILQ_EMPTY(&i->pending) ? 0 : POLLIN | POLLRDNORM;
	else if (i->state != TCP_STATE_CONNECTING)
		m = POLLOUT | POLLWRNORM | POLLHUP;
	if (i->state == TCP_STATE_IDLE && i->failed)
		m |= POLLIN | POLLRDNORM | POLLRDHUP;
	mutex_unlock(&s->lock);
	if (atomic_load(&s->error))
		m |= POLLERR;
	return m;
}

static int tcp_getname(struct socket *s, bool peer, union sock_addr *a, socklen_t *len)
{
	struct inet_sock *i = inet_of(s);
	struct stream_pair *p = peer ? pair_get(i) : NULL;
	struct inet_addr addr;
	bool over = peer && (!p || stream_is_over(p));

	if (p)
		stream_pair_put(p);
	if (over)
		return -ENOTCONN;
	mutex_lock(&s->lock);
	addr = peer ? i->peer : i->local;
	mutex_unlock(&s->lock);
	*len = inet_addr_write(i, &addr, a);
	return 0;
}

static int64_t tcp_ioctl(struct socket *s, struct task *t, unsigned cmd, uint64_t arg)
{
	struct inet_sock *i = inet_of(s);
	struct stream_pair *p;
	int n = 0;

	if (cmd != SIOCINQ && cmd != SIOCOUTQ && cmd != SIOCATMARK)
		return -ENOTTY;
	if (s->listening && cmd != SIOCATMARK)
		return -EINVAL;
	/* What was sent has arrived. */
	p = cmd == SIOCOUTQ ? NULL : pair_get(i);
	if (p) {
		n = cmd == SIOCINQ ? (int)stream_readable(p, i->side) : stream_at_mark(p, i->side);
		stream_pair_put(p);
	}
	return guest_write(t->mm, arg, &n, sizeof(n));
}

/* --- life --- */

static void tcp_close(struct socket *s)
{
	struct inet_sock *i = inet_of(s);
	struct stream_pair *p;

	mutex_lock(&s->lock);
	i->state = TCP_STATE_CLOSED;
	p = i->pair;
	i->pair = NULL;
	mutex_unlock(&s->lock);
	tcp_stop_listening(i);
	tcp_stop_waiting(i);
	inet_port_release(i);
	if (!p)
		return;
	stream_close(p, i->side, s->opt.linger_on && !s->opt.linger);
	stream_pair_put(p);
}

const struct sock_ops tcp_ops = {
	.name = "TCP",
	.bind = inet_bind,
	.listen = tcp_listen,
	.connect = tcp_connect,
	.accept = tcp_accept,
	.getname = tcp_getname,
	.send = tcp_send,
	.recv = tcp_recv,
	.shutdown = tcp_shutdown,
	.poll = tcp_poll,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.ioctl = tcp_ioctl,
	.close = tcp_close,
	.destroy = inet_destroy,
};
