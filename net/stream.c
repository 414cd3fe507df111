/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of bytes between two sockets.
 *
 * Theory of operation. A pair has two directions; direction i is what side i reads: a ring of bytes and, only while something
 * besides bytes is under way, a list of segments that says which bytes carry which ancillary data, or are urgent. A read stops after
 * a segment that carries rights, and before other credentials than it began with if the reader asks for them.
 *
 * Ends. A direction ends for its reader when the writer shut it down or closed, after the bytes in it were read. Closing a
 * side with unread bytes resets the other. Writing to a closed side fails with EPIPE at once on unix sockets; on TCP the first write after
 * the close is still taken, as it would have been sent, and is answered by a reset.
 *
 * A writer is told of room when half of the capacity is free, so that bulk moves in large pieces. All streams together should not fill
 * the sentry's memory: beyond STREAM_SOFT_LIMIT each may hold little.
 *
 * Urgent data: stream_urgent.c.
 *
 * A pair has a reference from each side's socket, and references both sockets until it dies; closing drops the first
 * kind, so there is no cycle left.
 */
#include "net/stream_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* What a segment counts for beside its bytes, which do not bound how many there are. */
enum { SEGMENT_COST = 256 };
enum { STREAM_SOFT_LIMIT = 256 << 20, STREAM_SMALL = 64 << 10, STREAM_MIN = 4096, STREAM_KEPT = 256 << 10, STREAM_MAX = 16 << 20 };

static _Atomic int64_t stream_memory; /* bytes of all rings */

/* How much direction d may hold. */
static uint32_t capacity(const struct stream_pair *p, const struct direction *d)
{
	int reader = d == &p->dir[1];
	int64_t n = p->sock[!reader]->opt.sndbuf;

	if (p->kind == STREAM_TCP)
		n += p->sock[reader]->opt.rcvbuf;
	if (atomic_load(&stream_memory) > STREAM_SOFT_LIMIT)
		n = MIN(n, STREAM_SMALL);
	return (uint32_t)MIN(MAX(n, STREAM_MIN), STREAM_MAX);
}

/* How much of it is taken. */
static size_t under_way(const struct direction *d)
{
	return d->ring.len + d->segment_count * SEGMENT_COST;
}

/* Keeps the sum right around a change of a ring's size. */
static void account(uint32_t before, const struct direction *d)
{
	if (d->ring.size != before)
		atomic_fetch_add(&stream_memory, (int64_t)d->ring.size - before);
}

int stream_pair_new(enum stream_kind kind, struct socket *a, struct socket *b, struct stream_pair **out)
{
	struct stream_pair *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	ref_init(&p->ref);
	mutex_init(&p->lock);
	p->kind = kind;
	TAILQ_INIT(&p->dir[0].segments);
	TAILQ_INIT(&p->dir[1].segments);
	socket_get(a);
	socket_get(b);
	p->sock[0] = a;
	p->sock[1] = b;
	*out = p;
	return 0;
}

void stream_pair_get(struct stream_pair *p)
{
	ref_get(&p->ref);
}

static void ring_drop(struct direction *d)
{
	uint32_t before = d->ring.size;

	ring_free(&d->ring);
	account(before, d);
}

/* Nobody will read what is under way: its segments are for the caller to free, without the lock. */
static void direction_empty(struct direction *d, struct segments *dropped)
{
	TAILQ_CONCAT(dropped, &d->segments, link);
	d->oob = NULL;
	d->segment_count = 0;
	ring_drop(d);
}

static void segments_free(struct segments *list)
{
	struct segment *s;

	while ((s = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, s, link);
		rights_free(s->rights);
		free(s);
	}
}

void stream_pair_put(struct stream_pair *p)
{
	if (!ref_put(&p->ref))
		return;
	for (int i = 0; i < 2; i++) {
		segments_free(&p->dir[i].segments);
		ring_drop(&p->dir[i]);
		socket_put(p->sock[i]);
	}
	mutex_destroy(&p->lock);
	free(p);
}

struct socket *stream_peer(struct stream_pair *p, int side)
{
	return p->sock[!side];
}

/* --- segments --- */

static struct segment *segment_append(struct direction *d, size_t len)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->len = len;
	TAILQ_INSERT_TAIL(&d->segments, s, link);
	d->segment_count++;
	return s;
}

static bool same_cred(const struct ucred *a, const struct ucred *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/* Who has not been accepted yet may still ask. */
static bool wants_cred(const struct stream_pair *p, int reader, const struct sock_msg *m)
{
	if (p->kind != STREAM_UNIX)
		return false;
	return m->has_cred || p->sock[0]->opt.passcred || p->sock[1]->opt.passcred || !atomic_load(&p->sock[reader]->file);
}

/* Bytes are about to be appended that carry what m says: makes the segment that will hold them, or returns the one they join, or NULL
 * with *err 0 when they are plain among plain. */
static struct segment *segment_for(struct stream_pair *p, struct direction *d, const struct sock_msg *m, bool urgent, int *err)
{
	bool cred = wants_cred(p, d == &p->dir[1], m);
	struct segment *last = TAILQ_LAST(&d->segments, segments);

	*err = 0;
	if (urgent || (last && last->urgent)) {
		/* It stands alone. */
	} else if (!m->rights && !cred) {
		if (!last || (!last->rights && !last->has_cred))
			return last;
	} else if (!m->rights && last && !last->rights && last->has_cred && same_cred(&last->cred, &m->cred)) {
		return last;
	}
	if (!last && d->ring.len && !segment_append(d, d->ring.len)) {
		*err = -ENOMEM;
		return NULL;
	}
	last = segment_append(d, 0);
	if (!last) {
		*err = -ENOMEM;
		return NULL;
	}
	last->has_cred = cred;
	last->cred = m->cred;
	last->urgent = urgent;
	return last;
}

static void segment_drop_empty(struct direction *d, struct segment *s)
{
	if (s && !s->len) {
		segment_unlink(d, s);
		free(s);
	}
}

/* --- writing --- */

/* Is there so much room that it is told of? On unix streams Linux wants more of it. */
static bool is_writable(const struct stream_pair *p, const struct direction *d)
{
	return under_way(d) <= capacity(p, d) / (p->kind == STREAM_UNIX ? 4 : 2);
}

/* 0: send; 1: pretend to; an error. d is what the other side reads. */
static int send_check(struct stream_pair *p, int side, struct direction *d)
{
	struct direction *in = &p->dir[side];
	int err = p->kind == STREAM_TCP && atomic_load(&p->sock[side]->error) ? socket_take_error(p->sock[side]) : 0;

	if (err)
		return err;
	if (d->writer_done || d->reset)
		return -EPIPE;
	if (!d->reader_done)
		return 0;
	if (p->kind == STREAM_UNIX)
		return -EPIPE;
	/* A TCP receiver that only shut down its reading does not tell; one that closed answers with a reset. */
	if (d->reader_closed) {
		d->reset = true;
		in->writer_done = in->reader_done = true;
		atomic_store(&p->sock[side]->error, EPIPE);
	}
	return 1;
}

/* At most max bytes; urgent: one that is a segment of its own. */
static ssize_t send_locked(struct stream_pair *p, struct direction *d, struct sock_msg *m, size_t max, bool urgent)
{
	uint32_t room = capacity(p, d), before = d->ring.size;
	struct segment *s;
	ssize_t r;
	int err;

	room = room > under_way(d) ? room - (uint32_t)under_way(d) : 0;
	if (!room) {
		d->awaited = true;
		return -EAGAIN;
	}
	s = segment_for(p, d, m, urgent, &err);
	if (err)
		return err;
	r = ring_copy_in(&d->ring, m->io, MIN(max, room), d->ring.len + room);
	account(before, d);
	if (r <= 0) {
		segment_drop_empty(d, s);
		return r;
	}
	if (s) {
		s->len += (size_t)r;
		if (m->rights) {
			rights_launch(m->rights);
			s->rights = m->rights;
			m->rights = NULL;
		}
	}
	if (urgent)
		d->oob = s;
	return r;
}

/* *urgent: did the urgent byte, the last of all, go too? */
static ssize_t send_oob_locked(struct stream_pair *p, struct direction *d, struct sock_msg *m, bool *urgent)
{
	size_t plain = m->io->left - 1;
	ssize_t done = 0, r;

	if (p->kind == STREAM_TCP) {
		r = send_locked(p, d, m, m->io->left, false);
		*urgent = r > 0;
		if (*urgent)
			stream_mark_urgent(p, d);
		return r;
	}
	if (plain) {
		done = send_locked(p, d, m, plain, false);
		if (done < (ssize_t)plain)
			return done;
	}
	r = send_locked(p, d, m, 1, true);
	*urgent = r > 0;
	if (*urgent)
		done += r;
	return done ? done : r;
}

ssize_t stream_send(struct stream_pair *p, int side, struct sock_msg *m)
{
	struct direction *d = &p->dir[!side];
	size_t all = m->io->left;
	ssize_t r;
	bool reset, urgent = false;

	mutex_lock(&p->lock);
	r = send_check(p, side, d);
	reset = d->reset;
	if (!r && all)
		r = m->flags & MSG_OOB ? send_oob_locked(p, d, m, &urgent) : send_locked(p, d, m, all, false);
	mutex_unlock(&p->lock);
	if (r == 1 && m->io->left == all && all) { /* sent to nobody */
		io_advance(m->io, all);
		r = (ssize_t)all;
		socket_tell(p->sock[side], POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP, reset ? POLL_ERR : 0);
		return r;
	}
	if (urgent)
		async_urgent(&p->sock[!side]->async);
	if (r > 0)
		socket_tell(p->sock[!side], POLLIN | POLLRDNORM | (urgent ? POLLPRI : 0), POLL_IN);
	return r;
}

/* --- reading --- */

/* Copies bytes of one segment (or plain ones) from `skip` on; consumes them unless peeking. */
static ssize_t take_bytes(struct direction *d, struct sock_msg *m, bool tcp, size_t skip, size_t n)
{
	ssize_t r;

	if ((m->flags & MSG_TRUNC) && tcp) { /* tcp(7): discard */
		io_advance(m->io, n);
		r = (ssize_t)n;
	} else {
		r = ring_copy_out(&d->ring, m->io, skip, n);
	}
	if (r > 0 && !(m->flags & MSG_PEEK))
		stream_consume(d, (size_t)r);
	return r;
}

/* The rights of s go to the reader with its first byte. */
static void take_rights(struct segment *s, struct sock_msg *m)
{
	if (!s->rights)
		return;
	if (m->flags & MSG_PEEK) {
		m->rights = rights_dup(s->rights);
	} else {
		rights_land(s->rights);
		m->rights = s->rights;
		s->rights = NULL;
	}
}

static void take_cred(const struct segment *s, struct sock_msg *m)
{
	m->has_cred = s->has_cred;
	m->cred = s->cred;
}

/* May a read go on from bytes with the credentials that m has to those of s? Only who looks at them cares. */
static bool goes_on(const struct segment *s, const struct sock_msg *m, bool passcred)
{
	return !passcred || (s->has_cred == m->has_cred && (!s->has_cred || same_cred(&s->cred, &m->cred)));
}

/* Bytes of several segments: up to the end of the first that brings rights, to other credentials, or to a fault. */
static ssize_t recv_segments(struct stream_pair *p, int side, struct sock_msg *m, struct segments *dropped)
{
	struct direction *d = &p->dir[side];
	struct segment *s = TAILQ_FIRST(&d->segments), *next;
	bool peek = m->flags & MSG_PEEK, ends = false, passcred = p->sock[side]->opt.passcred;
	size_t skip = 0, n;
	ssize_t total = 0, r = 0;

	s = stream_pass_urgent(p, side, s, m, m->goes_on, &skip, dropped);
	if (!s)
		return m->ends ? 0 : -EAGAIN;
	if (m->goes_on && !goes_on(s, m, passcred))
		return 0;
	take_cred(s, m);
	/* Who looks sees the next rights even if they are behind all the bytes that there was room for: so it is on Linux. */
	for (; s && (m->io->left || peek) && !ends && goes_on(s, m, passcred);
	     s = stream_pass_urgent(p, side, next, m, true, &skip, dropped)) {
		next = TAILQ_NEXT(s, link);
		n = MIN(s->len, m->io->left);
		r = n ? take_bytes(d, m, false, skip, n) : 0;
		if (n && r <= 0)
			break;
		total += r;
		ends = s->rights || (size_t)r < n;
		take_rights(s, m);
		if (peek) {
			skip += (size_t)r;
			continue;
		}
		s->len -= (size_t)r;
		if (s->len)
			break;
		segment_unlink(d, s);
		free(s);
	}
	return total ? total : r;
}

/* Bytes of a TCP stream: up to the urgent one, or from behind it on. */
static ssize_t recv_bytes(struct stream_pair *p, int side, struct direction *d, struct sock_msg *m)
{
	size_t skip = 0, n = d->ring.len;
	ssize_t r;

	if (stream_at_hole(p, side, d)) {
		n--;
		if (m->flags & MSG_PEEK)
			skip = 1;
		else
			stream_consume(d, 1);
	} else if (d->urgent && d->urgent_at) {
		n = d->urgent_at;
	}
	if (!n)
		return d->writer_done || d->reader_done ? 0 : -EAGAIN;
	r = take_bytes(d, m, true, skip, MIN(n, m->io->left));
	m->ends = d->urgent && (m->flags & MSG_PEEK ? r == (ssize_t)d->urgent_at : !d->urgent_at);
	return r;
}

static ssize_t recv_locked(struct stream_pair *p, int side, struct direction *d, struct sock_msg *m, struct segments *dropped)
{
	ssize_t r = -EAGAIN;
	int err;

	if (d->ring.len && !m->io->left)
		return 0;
	if (!TAILQ_EMPTY(&d->segments))
		r = recv_segments(p, side, m, dropped);
	else if (d->ring.len && p->kind == STREAM_TCP)
		return recv_bytes(p, side, d, m);
	else if (d->ring.len)
		return take_bytes(d, m, false, 0, MIN(d->ring.len, m->io->left));
	if (r != -EAGAIN)
		return r;
	err = socket_take_error(p->sock[side]);
	if (err)
		return err;
	if (!d->writer_done && !d->reader_done)
		return -EAGAIN;
	m->eof = !m->goes_on;
	return 0;
}

ssize_t stream_recv(struct stream_pair *p, int side, struct sock_msg *m)
{
	struct segments dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct direction *d = &p->dir[side];
	bool was_writable, wake;
	ssize_t r;

	mutex_lock(&p->lock);
	was_writable = is_writable(p, d);
	r = recv_locked(p, side, d, m, &dropped);
	/* The capacity may have grown meanwhile, so that it was writable and who waits has not heard of it. */
	wake = (!was_writable || d->awaited) && is_writable(p, d);
	if (wake)
		d->awaited = false;
	if (!d->ring.len && d->ring.size > STREAM_KEPT)
		ring_drop(d);
	mutex_unlock(&p->lock);
	segments_free(&dropped);
	if (wake)
		socket_room(p->sock[!side], POLLOUT | POLLWRNORM);
	return r;
}

/* --- ends --- */

int stream_shutdown(struct stream_pair *p, int side, int how)
{
	int code = 0;

	mutex_lock(&p->lock);
	if (how == SHUT_RD || how == SHUT_RDWR) {
		p->dir[side].reader_done = true;
		/* A unix peer learns that nobody reads: its sending side is shut too. */
		if (p->kind == STREAM_UNIX)
			p->dir[side].writer_done = true;
	}
	if (how == SHUT_WR || how == SHUT_RDWR)
		p->dir[!side].writer_done = true;
	if (how != SHUT_RD)
		code = (p->kind == STREAM_TCP ? p->dir[side].writer_done : how == SHUT_RDWR) ? POLL_HUP : POLL_IN;
	mutex_unlock(&p->lock);
	socket_tell(p->sock[side], POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLRDNORM, 0);
	socket_tell(p->sock[!side], POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLRDNORM, code);
	return 0;
}

void stream_close(struct stream_pair *p, int side, bool reset)
{
	struct direction *in = &p->dir[side], *out = &p->dir[!side];
	struct segments dropped = TAILQ_HEAD_INITIALIZER(dropped);
	int code = POLL_HUP;

	mutex_lock(&p->lock);
	/* A TCP peer hears of a reset or of the first end. */
	if (p->kind == STREAM_TCP)
		code = in->ring.len || reset ? POLL_ERR : out->writer_done ? 0 : in->writer_done ? POLL_HUP : POLL_IN;
	if (in->ring.len || reset) {
		/* Data that nobody will read: the writer must not believe it arrived. One that closed itself does not care. */
		if (!out->reader_closed)
			atomic_store(&p->sock[!side]->error, ECONNRESET);
		in->reset = true;
		in->writer_done = true;
	}
	in->reader_done = in->reader_closed = true;
	out->writer_done = true;
	direction_empty(in, &dropped);
	mutex_unlock(&p->lock);
	segments_free(&dropped);
	socket_tell(p->sock[!side], POLLIN | POLLOUT | POLLHUP | POLLERR | POLLRDHUP | POLLRDNORM, code);
}

uint32_t stream_poll(struct stream_pair *p, int side)
{
	struct direction *in = &p->dir[side], *out = &p->dir[!side];
	bool read_end, write_end;
	uint32_t m = 0, enough = 1;

	mutex_lock(&p->lock);
	read_end = in->writer_done || in->reader_done;
	write_end = out->writer_done || out->reset || (p->kind == STREAM_UNIX && out->reader_done);
	if (p->kind == STREAM_TCP) /* a unix socket's SO_RCVLOWAT is for who reads only */
		enough = (uint32_t)MAX(atomic_load(&p->sock[side]->opt.rcvlowat), 1) + stream_at_hole(p, side, in);
	if (in->ring.len >= enough)
		m |= POLLIN | POLLRDNORM;
	if (!in->ring.len && !TAILQ_EMPTY(&in->segments)) /* the place of an urgent byte: Linux counts it */
		m |= POLLIN | POLLRDNORM;
	if (in->oob || (in->urgent && !in->urgent_read))
		m |= POLLPRI;
	if (read_end)
		m |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (read_end && write_end)
		m |= POLLHUP;
	if (is_writable(p, out) || write_end)
		m |= POLLOUT | POLLWRNORM | (p->kind == STREAM_UNIX ? POLLWRBAND : 0);
	else
		out->awaited = true;
	mutex_unlock(&p->lock);
	if (atomic_load(&p->sock[side]->error))
		m |= POLLERR;
	return m;
}

bool stream_is_over(struct stream_pair *p)
{
	bool over;

	mutex_lock(&p->lock);
	over = (p->dir[0].writer_done && p->dir[1].writer_done) || p->dir[0].reset || p->dir[1].reset;
	mutex_unlock(&p->lock);
	return over;
}

size_t stream_readable(struct stream_pair *p, int side)
{
	const struct direction *d = &p->dir[side];
	size_t n;

	mutex_lock(&p->lock);
	n = d->urgent && !p->sock[side]->opt.oobinline ? d->urgent_at : d->ring.len;
	mutex_unlock(&p->lock);
	return n;
}

size_t stream_unread(struct stream_pair *p, int side)
{
	return stream_readable(p, !side);
}

void stream_each_rights(struct stream_pair *p, int side, void (*fn)(struct rights *r, void *arg), void *arg)
{
	struct segment *s;

	mutex_lock(&p->lock);
	TAILQ_FOREACH(s, &p->dir[side].segments, link)
		if (s->rights)
			fn(s->rights, arg);
	mutex_unlock(&p->lock);
}

void stream_purge(struct stream_pair *p, int side)
{
	struct segments dropped = TAILQ_HEAD_INITIALIZER(dropped);

	mutex_lock(&p->lock);
	direction_empty(&p->dir[side], &dropped);
	mutex_unlock(&p->lock);
	segments_free(&dropped);
}
