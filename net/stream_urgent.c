/* SPDX-License-Identifier: Apache-2.0 */
/* Urgent data of streams: tcp(7), "MSG_OOB"; unix(7), "Out-of-band".
 *
 * Theory of operation. The last byte sent with MSG_OOB stays where it is in the ring, and its place is remembered until the reader has passed
 * it. Reads stop before it and, without SO_OOBINLINE, leave it out; recv(2) with MSG_OOB looks at it there. As in Linux, who reads past it
 * has lost it, and a newer one makes the older a byte as any other.
 *
 * On unix streams an urgent byte is a segment of its own. Reads stop before it, and the next read throws it away (without SO_OOBINLINE). recv(2) with
 * MSG_OOB takes the last one out and leaves an empty segment, where reads still stop unless there is a newer one.
 */
#include "net/stream_internal.h"

#include <errno.h>

void stream_consume(struct direction *d, size_t n)
{
	ring_consume(&d->ring, n);
	if (n > d->urgent_at)
		d->urgent = false;
	d->urgent_at -= MIN(n, d->urgent_at);
}

bool stream_at_hole(const struct stream_pair *p, int reader, const struct direction *d)
{
	return d->urgent && !d->urgent_at && !p->sock[reader]->opt.oobinline;
}

void stream_mark_urgent(struct stream_pair *p, struct direction *d)
{
	if (stream_at_hole(p, d == &p->dir[1], d))
		stream_consume(d, 1);
	d->urgent = true;
	d->urgent_read = false;
	d->urgent_at = d->ring.len - 1;
}

static void drop(struct direction *d, struct segment *s, struct segments *dropped)
{
	segment_unlink(d, s);
	TAILQ_INSERT_TAIL(dropped, s, link);
}

struct segment *stream_pass_urgent(struct stream_pair *p, int side, struct segment *s, struct sock_msg *m, bool copied, size_t *skip,
				   struct segments *dropped)
{
	struct direction *d = &p->dir[side];
	bool peek = m->flags & MSG_PEEK;
	struct segment *next;

	for (; s && s->urgent; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->len && s != d->oob)
			break; /* there is a newer one */
		if (copied && (s->len || !d->oob)) {
			m->ends = true;
			return NULL;
		}
		if (s->len && p->sock[side]->opt.oobinline) {
			if (!peek)
				d->oob = NULL;
			break;
		}
		if (peek) {
			*skip += s->len;
			continue;
		}
		if (s->len) {
			d->oob = NULL;
			ring_consume(&d->ring, 1);
		}
		drop(d, s, dropped);
	}
	return s;
}

/* What the byte brought beside itself is given to nobody; it goes with the segment. */
static ssize_t recv_oob(struct stream_pair *p, int side, struct sock_msg *m)
{
	struct direction *d = &p->dir[side];
	struct segment *s = d->oob, *before = s;
	size_t at = 0;
	ssize_t r = 1;

	if (!s || p->sock[side]->opt.oobinline)
		return -EINVAL;
	while ((before = TAILQ_PREV(before, segments, link)))
		at += before->len;
	if (m->io->left)
		r = ring_copy_out(&d->ring, m->io, at, 1);
	if (!(m->flags & MSG_PEEK)) {
		d->oob = NULL;
		s->len = 0;
		ring_remove(&d->ring, at);
	}
	if (r > 0)
		m->out_flags |= MSG_OOB;
	return r;
}

ssize_t stream_recv_urgent(struct stream_pair *p, int side, struct sock_msg *m)
{
	struct direction *d = &p->dir[side];
	ssize_t r = 1;

	mutex_lock(&p->lock);
	if (p->kind == STREAM_UNIX) {
		r = recv_oob(p, side, m);
	} else if (!d->urgent || d->urgent_read || p->sock[side]->opt.oobinline) {
		r = -EINVAL;
	} else {
		d->urgent_read = !(m->flags & MSG_PEEK);
		m->out_flags |= MSG_OOB;
		if (!m->io->left) {
			m->out_flags |= MSG_TRUNC;
			r = 0;
		} else if (!(m->flags & MSG_TRUNC)) {
			r = ring_copy_out(&d->ring, m->io, d->urgent_at, 1);
		}
	}
	mutex_unlock(&p->lock);
	return r;
}

bool stream_at_mark(struct stream_pair *p, int side)
{
	const struct direction *d = &p->dir[side];
	const struct segment *s;
	bool r;

	mutex_lock(&p->lock);
	s = TAILQ_FIRST(&d->segments);
	if (p->kind == STREAM_UNIX)
		r = s && s->urgent && (s == d->oob || (!s->len && (!d->oob || TAILQ_NEXT(s, link) == d->oob)));
	else
		r = d->urgent && !d->urgent_at;
	mutex_unlock(&p->lock);
	return r;
}
