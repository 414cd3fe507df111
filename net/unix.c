/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets: life and what the types have in common; unix(7).
 *
 * Theory of operation. Streams carry bytes through a stream_pair (stream.c), datagrams and sequenced packets through each
 * receiver's own queue of messages (dgram.c). Connections of streams and sequenced packets are made in unix_connect.c: connect() makes
 * the other end at once and leaves it with the listener, where accept() finds it; until then it is a socket without a file.
 *
 * Two sockets of messages refer to each other as peers; closing one drops its own reference and tells the other side, so no
 * cycle outlives the files. `peer_room` wakes a sender when its peer's queue has room.
 *
 * The state only goes from idle to connected or listening, and to closed when the file is released. No two sockets' locks are held
 * together: connect() marks its own socket as connecting, then looks after the listener.
 */
#include "net/unix_internal.h"

#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

/* --- peers of messages --- */

static void peer_has_room(struct waiter *w, uint32_t events)
{
	struct unix_sock *u = w->arg;

	(void)events;
	waitq_notify(&u->s.waitq, POLLOUT | POLLWRNORM | POLLWRBAND);
}

struct unix_sock *unix_peer_get(struct unix_sock *u)
{
	struct unix_sock *peer;

	mutex_lock(&u->s.lock);
	peer = u->peer;
	if (peer)
		socket_get(&peer->s);
	mutex_unlock(&u->s.lock);
	return peer;
}

struct unix_sock *unix_peer_swap(struct unix_sock *u, struct unix_sock *peer)
{
	struct unix_sock *old;

	mutex_lock(&u->peering);
	mutex_lock(&u->s.lock);
	old = u->peer;
	u->peer = NULL;
	mutex_unlock(&u->s.lock);
	if (old)
		waitq_remove(&old->s.room, &u->peer_room);
	if (peer) {
		waiter_init_callback(&u->peer_room, peer_has_room, u, POLLOUT);
		waitq_add(&peer->s.room, &u->peer_room);
		mutex_lock(&u->s.lock);
		u->peer = peer;
		mutex_unlock(&u->s.lock);
	}
	mutex_unlock(&u->peering);
	return old;
}

void unix_peer_set(struct unix_sock *u, struct unix_sock *peer)
{
	struct unix_sock *old = unix_peer_swap(u, peer);

	if (old)
		socket_put(&old->s);
}

/* --- names --- */

int unix_bind(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len)
{
	struct unix_sock *u = unix_of(s);
	int err;

	if (len == sizeof(a->un.sun_family) && a->un.sun_family == AF_UNIX)
		return unix_name_autobind(u);
	err = unix_check_addr(a, &len);
	if (err)
		return err;
	if (a->un.sun_path[0])
		return unix_name_bind_path(u, t, a, len);
	return unix_name_bind_abstract(u, a, len);
}

int unix_getname(struct socket *s, bool peer, union sock_addr *a, socklen_t *len)
{
	struct unix_sock *u = unix_of(s), *other = NULL;
	struct stream_pair *pair = atomic_load(&u->pair);

	if (!peer) {
		*len = unix_name_get(u, a);
		return 0;
	}
	if (pair) {
		*len = unix_name_get(unix_of(stream_peer(pair, u->side)), a);
		return 0;
	}
	other = unix_peer_get(u);
	if (!other)
		return -ENOTCONN;
	*len = unix_name_get(other, a);
	socket_put(&other->s);
	return 0;
}

/* --- ioctl --- */

static int64_t unread(struct unix_sock *u)
{
	struct stream_pair *pair = atomic_load(&u->pair);

	if (u->s.listening)
		return -EINVAL;
	if (u->s.type == SOCK_STREAM)
		return pair ? (int64_t)stream_readable(pair, u->side) : 0;
	return (int64_t)dgram_queue_bytes(&u->queue, u->s.type == SOCK_SEQPACKET);
}

int64_t unix_ioctl(struct socket *s, struct task *t, unsigned cmd, uint64_t arg)
{
	struct unix_sock *u = unix_of(s);
	struct stream_pair *pair = atomic_load(&u->pair);
	int64_t n;
	int value;

	switch (cmd) {
	case SIOCINQ:
		n = unread(u);
		break;
	case SIOCOUTQ:
		n = pair ? (int64_t)stream_unread(pair, u->side) : atomic_load(&s->queued);
		break;
	case SIOCATMARK:
		n = s->type == SOCK_STREAM ? pair && stream_at_mark(pair, u->side) : -EOPNOTSUPP;
		break;
	default:
		return -ENOTTY;
	}
	if (n < 0)
		return n;
	value = (int)n;
	return guest_write(t->mm, arg, &value, sizeof(value));
}

/* --- rights that wait --- */

static void pending_each(struct unix_sock *u, void (*fn)(struct rights *r, void *arg), void *arg)
{
	struct unix_sock *p;

	mutex_lock(&u->s.lock);
	TAILQ_FOREACH(p, &u->pending, pending_link) {
		struct stream_pair *pair = atomic_load(&p->pair);

		if (pair)
			stream_each_rights(pair, p->side, fn, arg);
		dgram_queue_each_rights(&p->queue, fn, arg);
	}
	mutex_unlock(&u->s.lock);
}

static struct stream_pair *pair_get(struct unix_sock *u)
{
	struct stream_pair *pair;

	mutex_lock(&u->s.lock);
	pair = u->state == UNIX_CLOSED ? NULL : atomic_load(&u->pair);
	if (pair)
		stream_pair_get(pair);
	mutex_unlock(&u->s.lock);
	return pair;
}

void unix_each_rights(struct socket *s, void (*fn)(struct rights *r, void *arg), void *arg)
{
	struct unix_sock *u = unix_of(s);
	struct stream_pair *pair = pair_get(u);

	if (pair) {
		stream_each_rights(pair, u->side, fn, arg);
		stream_pair_put(pair);
	}
	dgram_queue_each_rights(&u->queue, fn, arg);
	pending_each(u, fn, arg);
}

void unix_purge(struct socket *s)
{
	struct unix_sock *u = unix_of(s);
	struct stream_pair *pair = pair_get(u);

	if (pair) {
		stream_purge(pair, u->side);
		stream_pair_put(pair);
	}
	dgram_queue_flush(&u->queue, false);
	unix_pending_close(u);
}

/* --- life --- */

struct unix_sock *unix_new(int type)
{
	const struct sock_ops *ops = type == SOCK_STREAM ? &unix_stream_ops :
				     type == SOCK_DGRAM	 ? &unix_dgram_ops :
							   &unix_seqpacket_ops;
	struct unix_sock *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	socket_init(&u->s, ops, AF_UNIX, type, 0);
	TAILQ_INIT(&u->pending);
	mutex_init(&u->peering);
	dgram_queue_init(&u->queue);
	return u;
}

void unix_close(struct socket *s)
{
	struct unix_sock *u = unix_of(s), *peer;
	struct stream_pair *pair;
	bool unread_left;

	unix_name_release(u);
	mutex_lock(&s->lock);
	u->state = UNIX_CLOSED;
	u->shut = UNIX_SHUT_BOTH;
	pair = atomic_load(&u->pair);
	mutex_unlock(&s->lock);
	unix_pending_close(u);
	if (pair)
		stream_close(pair, u->side, false);
	unread_left = dgram_queue_flush(&u->queue, true);
	peer = unix_peer_swap(u, NULL);
	if (peer && s->type == SOCK_SEQPACKET)
		unix_seqpacket_hangup(peer, unread_left);
	if (peer)
		socket_put(&peer->s);
	waitq_notify(&s->room, POLLOUT | POLLERR | POLLHUP);
	if (pair) {
		/* The name of the peer is not asked for any more, and that was the last use. */
		mutex_lock(&s->lock);
		atomic_store(&u->pair, NULL);
		mutex_unlock(&s->lock);
		stream_pair_put(pair);
	}
	rights_collect();
}

void unix_destroy(struct socket *s)
{
	struct unix_sock *u = unix_of(s);

	unix_name_put(atomic_load(&u->name));
	mutex_destroy(&u->peering);
	dgram_queue_fini(&u->queue);
	socket_fini(s);
	free(u);
}

int unix_create(struct task *t, int type, int protocol, struct socket **out)
{
	struct unix_sock *u;

	(void)t;
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCK_RAW)
		type = SOCK_DGRAM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	u = unix_new(type);
	if (!u)
		return -ENOMEM;
	*out = &u->s;
	return 0;
}

static int connect_pair(struct unix_sock *a, struct unix_sock *b)
{
	struct stream_pair *pair;
	int err;

	if (a->s.type == SOCK_STREAM) {
		err = stream_pair_new(STREAM_UNIX, &a->s, &b->s, &pair);
		if (err)
			return err;
		stream_pair_get(pair);
		b->side = 1;
		atomic_store(&a->pair, pair);
		atomic_store(&b->pair, pair);
	} else {
		socket_get(&a->s);
		socket_get(&b->s);
		unix_peer_set(a, b);
		unix_peer_set(b, a);
	}
	a->state = b->state = UNIX_CONNECTED;
	return 0;
}

int unix_create_pair(struct task *t, int type, int protocol, struct socket *out[2])
{
	struct unix_sock *a, *b;
	int err = unix_create(t, type, protocol, &out[0]);

	if (err)
		return err;
	err = unix_create(t, type, protocol, &out[1]);
	if (err) {
		socket_put(out[0]);
		return err;
	}
	a = unix_of(out[0]);
	b = unix_of(out[1]);
	a->s.peer = b->s.peer = socket_peer_cred(t);
	err = connect_pair(a, b);
	if (err) {
		socket_put(out[0]);
		socket_put(out[1]);
	}
	return err;
}
