/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of messages.
 *
 * Theory of operation. A message is copied once from the sender's memory into a buffer of its own and once from there to the receiver's.
 * What a sender has under way is charged to it; it waits (its own queue is notified) when that reaches SO_SNDBUF, so a guest
 * cannot fill the sentry's memory by sending. Small messages are charged for more than they hold, as the kernel's buffers are.
 *
 * A message leaves the queue before it is copied out: if the receiver's memory is bad it is lost, as on Linux. One that is only looked
 * at (MSG_PEEK) is copied under the queue's lock.
 *
 * Locks: a queue's lock is below sockets' locks; nothing is freed under it, since freeing may close files.
 */
#include "net/dgram.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { CHARGE_UNIT = 256, CHARGE_BASE = 512 };

void dgram_queue_init(struct dgram_queue *q)
{
	mutex_init(&q->lock);
	TAILQ_INIT(&q->list);
	q->count = 0;
	q->charge = 0;
	q->closed = false;
}

void dgram_queue_fini(struct dgram_queue *q)
{
	mutex_destroy(&q->lock);
}

size_t dgram_charge(size_t len)
{
	return (len + CHARGE_UNIT - 1) / CHARGE_UNIT * CHARGE_UNIT + CHARGE_BASE;
}

/* --- messages --- */

int dgram_new(struct sock_msg *m, struct socket *sender, struct dgram **out)
{
	size_t len = m->io->left;
	struct dgram *d = malloc(sizeof(*d) + len);
	ssize_t n;

	if (!d)
		return -ENOMEM;
	memset(d, 0, sizeof(*d));
	n = len ? io_take(m->io, d->data, len) : 0;
	if (n != (ssize_t)len) {
		free(d);
		return n < 0 ? (int)n : -EFAULT;
	}
	d->len = len;
	d->charge = dgram_charge(len);
	d->cred = m->cred;
	d->has_cred = m->has_cred;
	clock_gettime(CLOCK_REALTIME, &d->stamp);
	if (sender) {
		socket_get(sender);
		d->sender = sender;
		atomic_fetch_add(&sender->queued, (int64_t)d->charge);
	}
	*out = d;
	return 0;
}

void dgram_free(struct dgram *d)
{
	rights_free(d->rights);
	if (d->sender) {
		atomic_fetch_sub(&d->sender->queued, (int64_t)d->charge);
		socket_room(d->sender, POLLOUT | POLLWRNORM);
		socket_put(d->sender);
	}
	free(d);
}

void sock_msg_add(struct sock_msg *m, int level, int type, const void *data, socklen_t len)
{
	struct sock_extra *e;

	if (m->extra_count == SOCK_EXTRA_MAX || len > sizeof(e->data.bytes))
		return;
	e = &m->extra[m->extra_count++];
	e->level = level;
	e->type = type;
	e->len = len;
	memcpy(e->data.bytes, data, len);
}

void sock_msg_add_stamp(struct sock_msg *m, const struct socket *s, const struct timespec *stamp)
{
	struct timeval tv = { .tv_sec = stamp->tv_sec, .tv_usec = stamp->tv_nsec / 1000 };

	if (s->opt.timestampns)
		sock_msg_add(m, SOL_SOCKET, SO_TIMESTAMPNS, stamp, sizeof(*stamp));
	else if (s->opt.timestamp)
		sock_msg_add(m, SOL_SOCKET, SO_TIMESTAMP, &tv, sizeof(tv));
}

/* --- queues --- */

int dgram_queue_add(struct dgram_queue *q, struct dgram *d, int count, size_t charge)
{
	int err = 0;

	mutex_lock(&q->lock);
	if (q->closed)
		err = -ECONNREFUSED;
	else if (q->count > count || q->charge > charge)
		err = -EAGAIN;
	if (!err) {
		if (d->rights)
			rights_launch(d->rights);
		TAILQ_INSERT_TAIL(&q->list, d, link);
		q->count++;
		q->charge += d->charge;
	}
	mutex_unlock(&q->lock);
	return err;
}

static void remove_locked(struct dgram_queue *q, struct dgram *d)
{
	mutex_assert_held(&q->lock);
	TAILQ_REMOVE(&q->list, d, link);
	q->count--;
	q->charge -= d->charge;
	if (d->rights)
		rights_land(d->rights);
}

/* Everything but the rights. */
static ssize_t copy_out(const struct dgram *d, struct sock_msg *m)
{
	size_t n = MIN(d->len, m->io->left);
	ssize_t r = n ? io_put(m->io, d->data, n) : 0;

	if (r < (ssize_t)n)
		return r < 0 ? r : -EFAULT;
	m->cred = d->cred;
	m->has_cred = d->has_cred;
	m->addr = d->from;
	m->addr_len = d->from_len;
	m->full_len = d->len;
	if (n < d->len)
		m->out_flags |= MSG_TRUNC;
	return r;
}

/* What recvmsg(2) returns: with MSG_TRUNC the real length. */
static ssize_t result(const struct sock_msg *m, ssize_t copied)
{
	return copied >= 0 && (m->flags & MSG_TRUNC) ? (ssize_t)m->full_len : copied;
}

ssize_t dgram_queue_take(struct dgram_queue *q, struct sock_msg *m,
			 void (*extra)(struct sock_msg *m, const struct dgram *d, void *arg), void *arg)
{
	struct dgram *d;
	ssize_t r;

	mutex_lock(&q->lock);
	d = TAILQ_FIRST(&q->list);
	if (!d) {
		mutex_unlock(&q->lock);
		return -EAGAIN;
	}
	if (m->flags & MSG_PEEK) {
		r = copy_out(d, m);
		if (r >= 0) {
			if (d->rights)
				m->rights = rights_dup(d->rights);
			if (extra)
				extra(m, d, arg);
		}
		mutex_unlock(&q->lock);
		return result(m, r);
	}
	remove_locked(q, d);
	mutex_unlock(&q->lock);
	r = copy_out(d, m);
	if (r >= 0) {
		m->rights = d->rights;
		d->rights = NULL;
		if (extra)
			extra(m, d, arg);
	}
	dgram_free(d);
	return result(m, r);
}

bool dgram_queue_is_empty(struct dgram_queue *q)
{
	return !dgram_queue_count(q);
}

int dgram_queue_count(struct dgram_queue *q)
{
	int n;

	mutex_lock(&q->lock);
	n = q->count;
	mutex_unlock(&q->lock);
	return n;
}

size_t dgram_queue_charge(struct dgram_queue *q)
{
	size_t n;

	mutex_lock(&q->lock);
	n = q->charge;
	mutex_unlock(&q->lock);
	return n;
}

size_t dgram_queue_bytes(struct dgram_queue *q, bool all)
{
	struct dgram *d;
	size_t n = 0;

	mutex_lock(&q->lock);
	TAILQ_FOREACH(d, &q->list, link) {
		n += d->len;
		if (!all)
			break;
	}
	mutex_unlock(&q->lock);
	return n;
}

bool dgram_queue_flush(struct dgram_queue *q, bool closed)
{
	TAILQ_HEAD(, dgram) dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct dgram *d;
	bool any;

	mutex_lock(&q->lock);
	q->closed |= closed;
	TAILQ_CONCAT(&dropped, &q->list, link);
	q->count = 0;
	q->charge = 0;
	mutex_unlock(&q->lock);
	any = !TAILQ_EMPTY(&dropped);
	while ((d = TAILQ_FIRST(&dropped))) {
		TAILQ_REMOVE(&dropped, d, link);
		dgram_free(d);
	}
	return any;
}

void dgram_queue_each_rights(struct dgram_queue *q, void (*fn)(struct rights *r, void *arg), void *arg)
{
	struct dgram *d;

	mutex_lock(&q->lock);
	TAILQ_FOREACH(d, &q->list, link)
		if (d->rights)
			fn(d->rights, arg);
	mutex_unlock(&q->lock);
}
