/* SPDX-License-Identifier: Apache-2.0 */
/* Urgent data of TCP streams: tcp(7), "MSG_OOB".
 *
 * Theory of operation. The last byte sent with MSG_OOB stays where it is in the ring, and its place is remembered until the reader has passed
 * it. Reads stop before it and, without SO_OOBINLINE, leave it out; recv(2) with MSG_OOB looks at it there. As in Linux, who reads past it
 * has lost it, and a newer one makes the older a byte as any other.
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

ssize_t stream_recv_urgent(struct stream_pair *p, int side, struct sock_msg *m)
{
	struct direction *d = &p->dir[side];
	ssize_t r = 1;

	mutex_lock(&p->lock);
	if (!d->urgent || d->urgent_read || p->sock[side]->opt.oobinline) {
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
	bool r;

	mutex_lock(&p->lock);
	r = d->urgent && !d->urgent_at;
	mutex_unlock(&p->lock);
	return r;
}
