/* SPDX-License-Identifier: Apache-2.0 */
/* Making TCP connections: connect(2), listen(2), accept(2); see tcp.c.
 *
 * Two sockets' locks are never held together: a connection is made under no lock, and each side takes it over under its own.
 *
 * A client is in one listener's list of those that wait at most, and leaves it when it gives up. Since either side may be the one to end that,
 * all these lists are under waiting_lock, a leaf below sockets' locks.
 */
#include "net/inet_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* What a connection over the loopback soon grows to. */
enum { SNDBUF_CONNECTED = 2626560, BACKLOG_MAX = 4096 };

/* --- making a connection --- */

/* i is one side of p, whose reference it takes over. False if it does not want it any more. */
static bool adopt(struct inet_sock *i, struct stream_pair *p, int side, bool unreported)
{
	bool wanted;

	mutex_lock(&i->s.lock);
	wanted = i->state == TCP_STATE_CONNECTING;
	if (wanted) {
		i->state = TCP_STATE_CONNECTED;
		i->unreported = unreported;
		i->pair = p;
		i->side = side;
	}
	mutex_unlock(&i->s.lock);
	if (wanted && !i->s.opt.sndbuf_set)
		i->s.opt.sndbuf = SNDBUF_CONNECTED;
	return wanted;
}

static void copy_options(struct inet_sock *to, const struct inet_sock *from)
{
	const struct sock_options *o = &from->s.opt;

	to->s.opt.sndbuf = atomic_load(&o->sndbuf_set) ? atomic_load(&o->sndbuf) : SNDBUF_CONNECTED;
	to->s.opt.sndbuf_set = atomic_load(&o->sndbuf_set);
	to->s.opt.rcvbuf = atomic_load(&o->rcvbuf);
	to->s.opt.rcvbuf_set = atomic_load(&o->rcvbuf_set);
	to->s.opt.rcvlowat = atomic_load(&o->rcvlowat);
	to->s.opt.priority = atomic_load(&o->priority);
	to->s.opt.reuseaddr = atomic_load(&o->reuseaddr);
	to->s.opt.reuseport = atomic_load(&o->reuseport);
	to->s.opt.keepalive = atomic_load(&o->keepalive);
	to->s.opt.linger_on = atomic_load(&o->linger_on);
	to->s.opt.linger = atomic_load(&o->linger);
	to->s.opt.oobinline = atomic_load(&o->oobinline);
	to->s.opt.sndtimeo = atomic_load(&o->sndtimeo);
	to->s.opt.rcvtimeo = atomic_load(&o->rcvtimeo);
	for (int n = 0; n < INET_OPTIONS_MAX; n++)
		to->options[n] = atomic_load(&from->options[n]);
	to->v6only = from->v6only;
	to->uid = from->uid;
}

/* The socket at the listener's end of a connection from `client` to `dest`. */
static int make_end(struct inet_sock *listener, struct inet_sock *client, const struct inet_addr *dest, struct inet_sock **out,
		    struct stream_pair **pair)
{
	struct inet_sock *end = inet_new(&tcp_ops, listener->s.domain, SOCK_STREAM, IPPROTO_TCP);
	int err;

	if (!end)
		return -ENOMEM;
	err = stream_pair_new(STREAM_TCP, &client->s, &end->s, pair);
	if (err) {
		socket_put(&end->s);
		return err;
	}
	copy_options(end, listener);
	stream_pair_get(*pair);
	end->pair = *pair;
	end->side = 1;
	end->state = TCP_STATE_CONNECTED;
	end->local = *dest;
	mutex_lock(&client->s.lock);
	end->peer = client->local;
	mutex_unlock(&client->s.lock);
	end->has_peer = true;
	inet_port_share(end);
	*out = end;
	return 0;
}

/* Nobody will ever accept it. */
static void end_drop(struct inet_sock *end)
{
	end->s.opt.linger_on = true;
	end->s.opt.linger = 0;
	end->s.ops->close(&end->s);
	socket_put(&end->s);
}

/* --- clients that wait --- */

static struct mutex waiting_lock = MUTEX_INITIALIZER;

static void waiting_add(struct inet_sock *l, struct inet_sock *client)
{
	mutex_lock(&waiting_lock);
	if (client->waits_for)
		TAILQ_REMOVE(&client->waits_for->waiting, client, link);
	else
		socket_get(&client->s);
	client->waits_for = l;
	TAILQ_INSERT_TAIL(&l->waiting, client, link);
	mutex_unlock(&waiting_lock);
}

/* The one that waits longest, with the list's reference; NULL: nobody does. */
static struct inet_sock *waiting_take(struct inet_sock *l)
{
	struct inet_sock *c;

	mutex_lock(&waiting_lock);
	c = TAILQ_FIRST(&l->waiting);
	if (c) {
		TAILQ_REMOVE(&l->waiting, c, link);
		c->waits_for = NULL;
	}
	mutex_unlock(&waiting_lock);
	return c;
}

void tcp_stop_waiting(struct inet_sock *i)
{
	bool waited;

	mutex_lock(&waiting_lock);
	waited = i->waits_for;
	if (waited)
		TAILQ_REMOVE(&i->waits_for->waiting, i, link);
	i->waits_for = NULL;
	mutex_unlock(&waiting_lock);
	if (waited)
		socket_put(&i->s);
}

/* --- a connection and its listener --- */

static bool is_full_locked(struct inet_sock *l)
{
	return l->pending_count > l->backlog;
}

enum enqueued { ENQUEUED, ENQUEUE_WAIT, ENQUEUE_REFUSED };

/* Leaves end, or client, with the listener. */
static enum enqueued enqueue(struct inet_sock *l, struct inet_sock *end, struct inet_sock *client)
{
	enum enqueued r = ENQUEUED;

	mutex_lock(&l->s.lock);
	if (l->state != TCP_STATE_LISTENING) {
		r = ENQUEUE_REFUSED;
	} else if (!is_full_locked(l)) {
		TAILQ_INSERT_TAIL(&l->pending, end, link);
		l->pending_count++;
	} else if (client) {
		r = ENQUEUE_WAIT;
		waiting_add(l, client);
	}
	mutex_unlock(&l->s.lock);
	return r;
}

/* Connects client, which is connecting, to the listener. 0, -EAGAIN: later, -ECONNREFUSED, -ENOMEM. */
static int establish(struct inet_sock *client, struct inet_sock *l, const struct inet_addr *dest, bool unreported)
{
	struct stream_pair *pair;
	struct inet_sock *end;
	enum enqueued r;
	bool full, mine;
	int err;

	mutex_lock(&l->s.lock);
	full = is_full_locked(l);
	mutex_unlock(&l->s.lock);
	if (full && enqueue(l, NULL, client) == ENQUEUE_WAIT)
		return -EAGAIN;
	err = make_end(l, client, dest, &end, &pair);
	if (err)
		return err;
	/* The client must have its side before anybody can use the other. */
	if (!adopt(client, pair, 0, unreported)) {
		stream_pair_put(pair);
		end_drop(end);
		return -ECONNABORTED;
	}
	r = enqueue(l, end, NULL);
	if (r == ENQUEUED) {
		socket_tell(&l->s, POLLIN | POLLRDNORM, POLL_IN);
		socket_tell(&client->s, POLLOUT | POLLWRNORM, POLL_OUT);
		return 0;
	}
	/* Another thread may have given the client's side up already, and gone on. */
	mutex_lock(&client->s.lock);
	mine = client->pair == pair;
	if (mine) {
		client->pair = NULL;
		client->state = TCP_STATE_CONNECTING;
	}
	mutex_unlock(&client->s.lock);
	if (mine)
		stream_pair_put(pair);
	end_drop(end);
	return mine ? -ECONNREFUSED : -ECONNABORTED;
}

/* What was chosen for a connection is given back. */
static void forget_addrs(struct inet_sock *i)
{
	struct inet_addr local;
	bool own_port;

	mutex_lock(&i->s.lock);
	own_port = i->own_port;
	local = i->local;
	/* Both families' any-address ends in zeros, and differs from the loopback in nothing else. */
	if (!i->own_ip)
		memset(local.ip + 12, 0, 4);
	mutex_unlock(&i->s.lock);
	if (!own_port)
		inet_port_release(i);
	inet_set_addrs(i, &local, NULL);
}

/* A connection did not come about. later: connect() has returned already and tells the error when it is called again. */
static void fail(struct inet_sock *i, bool later)
{
	mutex_lock(&i->s.lock);
	if (i->state == TCP_STATE_CONNECTING)
		i->state = TCP_STATE_IDLE;
	i->failed = i->unreported = later;
	mutex_unlock(&i->s.lock);
	forget_addrs(i);
	if (later)
		atomic_store(&i->s.error, ECONNREFUSED);
	socket_tell(&i->s, POLLIN | POLLOUT | POLLERR | POLLHUP, POLL_ERR);
}

/* --- connect --- */

/* What connect() says without beginning anything; 1: begin. */
static int connect_state(struct inet_sock *i, bool nonblock)
{
	int r = 1;

	mutex_lock(&i->s.lock);
	switch (i->state) {
	case TCP_STATE_CONNECTED:
		r = i->unreported ? 0 : -EISCONN;
		i->unreported = false;
		break;
	case TCP_STATE_CONNECTING:
		r = nonblock ? -EALREADY : -EAGAIN;
		break;
	case TCP_STATE_IDLE:
		/* The failure of a connection that went on in the background is told once. */
		if (i->failed && i->unreported) {
			i->failed = i->unreported = false;
			r = socket_take_error(&i->s);
			r = r ? r : -ECONNABORTED;
		} else {
			i->state = TCP_STATE_CONNECTING;
			i->failed = false;
		}
		break;
	default:
		r = -EISCONN;
	}
	mutex_unlock(&i->s.lock);
	return r;
}

/* connect() to nowhere: the connection is reset, the socket as new. */
static int disconnect(struct inet_sock *i)
{
	struct stream_pair *pair;

	mutex_lock(&i->s.lock);
	pair = i->pair;
	i->pair = NULL;
	if (i->state != TCP_STATE_CLOSED)
		i->state = TCP_STATE_IDLE;
	i->failed = i->unreported = false;
	mutex_unlock(&i->s.lock);
	if (i->s.listening)
		tcp_stop_listening(i);
	tcp_stop_waiting(i);
	if (pair) {
		stream_close(pair, i->side, true);
		stream_pair_put(pair);
	}
	forget_addrs(i);
	atomic_store(&i->s.error, 0);
	return 0;
}

static int connect_begin(struct inet_sock *i, const struct inet_addr *dest, bool unreported)
{
	struct inet_addr source;
	struct inet_sock *l;
	int err;

	if (!inet_is_local(dest->ip))
		return -ENETUNREACH;
	err = inet_autobind(i, dest);
	if (err)
		return err;
	source = inet_source(i, dest);
	inet_set_addrs(i, &source, dest);
	l = inet_port_find(&tcp_ops, NULL, dest);
	if (!l)
		return -ECONNREFUSED;
	err = establish(i, l, dest, unreported);
	socket_put(&l->s);
	return err;
}

int tcp_connect(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock)
{
	struct inet_sock *i = inet_of(s);
	struct inet_addr dest;
	int err, r;

	(void)t;
	if (len >= sizeof(sa_family_t) && a->sa.sa_family == AF_UNSPEC)
		return disconnect(i);
	r = connect_state(i, nonblock);
	if (r != 1)
		return r;
	err = inet_addr_read(i, a, len, true, &dest);
	if (!err)
		err = connect_begin(i, &dest, nonblock);
	if (err == -EAGAIN || !err)
		return nonblock ? -EINPROGRESS : err;
	if (err == -ECONNREFUSED) {
		fail(i, nonblock);
		return nonblock ? -EINPROGRESS : err;
	}
	/* Nothing was begun. */
	mutex_lock(&s->lock);
	if (i->state == TCP_STATE_CONNECTING)
		i->state = TCP_STATE_IDLE;
	mutex_unlock(&s->lock);
	return err;
}

/* --- listening --- */

int tcp_listen(struct socket *s, int backlog)
{
	struct inet_sock *i = inet_of(s);
	bool was, idle;
	int err = 0;

	mutex_lock(&s->lock);
	was = i->state == TCP_STATE_LISTENING;
	idle = i->state == TCP_STATE_IDLE;
	mutex_unlock(&s->lock);
	if (!was && !idle)
		return -EINVAL;
	if (!was) {
		err = inet_autobind(i, NULL);
		if (!err)
			err = inet_port_check_listener(i);
		if (err)
			return err;
	}
	mutex_lock(&s->lock);
	if (i->state == TCP_STATE_IDLE || i->state == TCP_STATE_LISTENING) {
		i->state = TCP_STATE_LISTENING;
		i->backlog = (unsigned)backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
		i->failed = false;
		s->listening = true;
	} else {
		err = -EINVAL; /* another thread has connected it meanwhile */
	}
	mutex_unlock(&s->lock);
	return err;
}

/* The client that waits longest, if there is room for it. */
static struct inet_sock *next_waiting(struct inet_sock *l)
{
	struct inet_sock *c = NULL;

	mutex_lock(&l->s.lock);
	if (l->state == TCP_STATE_LISTENING && !is_full_locked(l))
		c = waiting_take(l);
	mutex_unlock(&l->s.lock);
	return c;
}

static void admit_waiting(struct inet_sock *l)
{
	struct inet_sock *c;

	while ((c = next_waiting(l))) {
		struct inet_addr dest;
		bool connecting;
		int err = 0;

		mutex_lock(&c->s.lock);
		connecting = c->state == TCP_STATE_CONNECTING;
		dest = c->peer;
		mutex_unlock(&c->s.lock);
		if (connecting)
			err = establish(c, l, &dest, true);
		if (err && err != -EAGAIN && err != -ECONNABORTED)
			fail(c, true);
		socket_put(&c->s);
		if (err == -EAGAIN)
			return;
	}
}

int tcp_accept(struct socket *s, bool nonblock, struct socket **out)
{
	struct inet_sock *i = inet_of(s), *end = NULL;
	int err = 0;

	(void)nonblock;
	mutex_lock(&s->lock);
	if (i->state != TCP_STATE_LISTENING) {
		err = -EINVAL;
	} else if ((end = TAILQ_FIRST(&i->pending))) {
		TAILQ_REMOVE(&i->pending, end, link);
		i->pending_count--;
	} else {
		err = -EAGAIN;
	}
	mutex_unlock(&s->lock);
	if (!end)
		return err;
	admit_waiting(i);
	*out = &end->s;
	return 0;
}

/* Not listening any more: who waits is refused, who was not accepted is reset. */
void tcp_stop_listening(struct inet_sock *i)
{
	struct inet_list pending = TAILQ_HEAD_INITIALIZER(pending);
	struct inet_sock *x;

	mutex_lock(&i->s.lock);
	i->s.listening = false;
	TAILQ_CONCAT(&pending, &i->pending, link);
	i->pending_count = 0;
	mutex_unlock(&i->s.lock);
	while ((x = TAILQ_FIRST(&pending))) {
		TAILQ_REMOVE(&pending, x, link);
		end_drop(x);
	}
	while ((x = waiting_take(i))) {
		fail(x, true);
		socket_put(&x->s);
	}
}
