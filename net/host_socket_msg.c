/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of host sockets: bytes, addresses, flags, control data.
 *
 * Theory of operation. Bytes move straight between the host and pinned guest pages, a bounded piece at a time for streams, whole for
 * datagrams. A datagram whose buffers are too scattered to be pinned at once goes through a copy, since it cannot be sent or received in
 * parts. Flags and control messages that are not listed here do not reach the host: flags are dropped, as Linux drops what it does not know;
 * an unknown control message of a level that Linux looks at is EINVAL, of another level nothing.
 */
#include "net/host_socket_internal.h"

#include "net/dgram.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* One host call moves at most so much of a stream: what a call pins is bounded. No datagram is longer than DATAGRAM_MAX. */
enum { STREAM_PIECE = 256 << 10, DATAGRAM_MAX = 65535, CONTROL_ROOM = 1024 };

enum {
	SEND_FLAGS = MSG_OOB | MSG_DONTROUTE | MSG_MORE | MSG_EOR | MSG_CONFIRM,
	RECV_FLAGS = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE,
	TOLD_FLAGS = MSG_OOB | MSG_TRUNC | MSG_CTRUNC | MSG_EOR | MSG_ERRQUEUE,
};

union control {
	struct cmsghdr align;
	char bytes[CONTROL_ROOM];
};

/* Memory for one host call: pinned guest pages, or a copy of the sentry's. */
struct buffer {
	struct io_pin pin;
	char *copy; /* NULL: pinned */
	struct iovec one;
};

static int buffer_get(struct buffer *b, struct io *io, size_t want, int access, bool whole)
{
	int err;

	b->copy = NULL;
	err = io_pin(io, want, access, &b->pin);
	if (err || !whole || b->pin.bytes == want)
		return err;
	io_unpin(io, &b->pin, 0);
	b->copy = malloc(want);
	b->one = (struct iovec){ .iov_base = b->copy, .iov_len = want };
	return b->copy ? 0 : -ENOBUFS;
}

/* The host has moved `moved` bytes of io: advances by them. */
static void buffer_put(struct buffer *b, struct io *io, size_t moved)
{
	if (!b->copy) {
		io_unpin(io, &b->pin, moved);
		return;
	}
	free(b->copy);
	io_advance(io, moved);
}

static void buffer_show(struct buffer *b, struct msghdr *h)
{
	h->msg_iov = b->copy ? &b->one : b->pin.iov;
	h->msg_iovlen = b->copy ? 1 : (size_t)b->pin.count;
}

/* --- sending --- */

static bool may_send_control(int level, int type)
{
	switch (level) {
	case IPPROTO_IP:
		return type == IP_PKTINFO || type == IP_TTL || type == IP_TOS;
	case IPPROTO_IPV6:
		return type == IPV6_PKTINFO || type == IPV6_HOPLIMIT || type == IPV6_TCLASS || type == IPV6_DONTFRAG;
	case IPPROTO_UDP:
		return type == UDP_SEGMENT;
	case SOL_SOCKET:
		return type == SO_TIMESTAMPING;
	default:
		return false;
	}
}

/* Does Linux look at control messages of this level, and so at ones that it does not know? */
static bool looks_at(const struct socket *s, int level)
{
	return level == SOL_SOCKET || (s->type == SOCK_DGRAM && (level == (s->domain == AF_INET ? IPPROTO_IP : IPPROTO_IPV6)));
}

static int put_control(const struct socket *s, const struct sock_msg *m, union control *c, struct msghdr *h)
{
	size_t at = 0;

	for (int i = 0; i < m->extra_count; i++) {
		const struct sock_extra *e = &m->extra[i];
		struct cmsghdr head = { .cmsg_len = CMSG_LEN(e->len), .cmsg_level = e->level, .cmsg_type = e->type };

		if (!may_send_control(e->level, e->type)) {
			if (looks_at(s, e->level))
				return -EINVAL;
			continue;
		}
		/* As many as there can be have room. */
		memcpy(c->bytes + at, &head, sizeof(head));
		memcpy(c->bytes + at + sizeof(head), e->data.bytes, e->len);
		at += CMSG_SPACE(e->len);
	}
	if (at) {
		h->msg_control = c->bytes;
		h->msg_controllen = at;
	}
	return 0;
}

_Static_assert(SOCK_EXTRA_MAX * CMSG_SPACE(sizeof(((struct sock_extra *)0)->data)) <= CONTROL_ROOM, "room for all control messages");

/* The guest's bytes into the copy; io stays where it is, for the host may want to be asked again. */
static int fill_copy(struct buffer *b, const struct io *io, size_t want)
{
	struct io again = *io;

	return io_take(&again, b->copy, want) == (ssize_t)want ? 0 : -EFAULT;
}

static ssize_t send_buffer(struct host_sock *h, struct sock_msg *m, struct msghdr *hdr, size_t want)
{
	int flags = (m->flags & SEND_FLAGS) | MSG_DONTWAIT | MSG_NOSIGNAL;
	struct buffer b;
	int err = buffer_get(&b, m->io, want, PROT_READ, h->s.type == SOCK_DGRAM);
	ssize_t n;

	if (err)
		return err;
	if (b.copy && (err = fill_copy(&b, m->io, want))) {
		buffer_put(&b, m->io, 0);
		return err;
	}
	/* The urgent byte is the last one. */
	if (!b.copy && b.pin.bytes < m->io->left)
		flags &= ~MSG_OOB;
	buffer_show(&b, hdr);
	n = sendmsg(h->fd, hdr, flags);
	err = n < 0 ? -errno : 0;
	buffer_put(&b, m->io, n > 0 ? (size_t)n : 0);
	return err ? err : n;
}

ssize_t host_socket_send(struct socket *s, struct sock_msg *m)
{
	struct host_sock *h = host_of(s);
	struct msghdr hdr = { .msg_namelen = 0 };
	union control control;
	int err = socket_take_error(s);
	ssize_t n;

	if (err)
		return err;
	if (m->flags & MSG_FASTOPEN)
		return -EOPNOTSUPP;
	if (s->type == SOCK_DGRAM && m->io->left > DATAGRAM_MAX)
		return -EMSGSIZE;
	if (m->addr_given) {
		hdr.msg_name = &m->addr;
		hdr.msg_namelen = m->addr_len;
	}
	err = put_control(s, m, &control, &hdr);
	if (err)
		return err;
	n = send_buffer(h, m, &hdr, s->type == SOCK_DGRAM ? m->io->left : MIN(m->io->left, STREAM_PIECE));
	return n == -EAGAIN ? host_socket_again(h) : n;
}

/* --- receiving --- */

static void take_control(struct sock_msg *m, struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
		sock_msg_add(m, c->cmsg_level, c->cmsg_type, CMSG_DATA(c), (socklen_t)(c->cmsg_len - CMSG_LEN(0)));
}

static ssize_t recv_buffer(struct host_sock *h, struct sock_msg *m, struct msghdr *hdr, size_t want)
{
	bool datagram = h->s.type == SOCK_DGRAM || (m->flags & MSG_ERRQUEUE);
	/* A datagram's real length is asked for always; of a stream MSG_TRUNC throws bytes away. */
	int flags = (m->flags & RECV_FLAGS) | MSG_DONTWAIT | (datagram ? MSG_TRUNC : 0);
	struct buffer b;
	int err = buffer_get(&b, m->io, want, PROT_WRITE, datagram);
	ssize_t n, here;

	if (err)
		return err;
	buffer_show(&b, hdr);
	n = recvmsg(h->fd, hdr, flags);
	err = n < 0 ? -errno : 0;
	here = MIN(n, (ssize_t)want);
	if (b.copy && here > 0)
		err = io_put(m->io, b.copy, (size_t)here) == here ? 0 : -EFAULT;
	buffer_put(&b, m->io, !b.copy && here > 0 ? (size_t)here : 0);
	if (err)
		return err;
	m->full_len = (size_t)n;
	return datagram && !(m->flags & MSG_TRUNC) ? here : n;
}

ssize_t host_socket_recv(struct socket *s, struct sock_msg *m)
{
	struct host_sock *h = host_of(s);
	union control control;
	struct msghdr hdr = { .msg_name = &m->addr, .msg_namelen = sizeof(m->addr), .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = socket_take_error(s);
	int mark = 0;

	if (n)
		return n;
	n = recv_buffer(h, m, &hdr, MIN(m->io->left, s->type == SOCK_DGRAM ? DATAGRAM_MAX : STREAM_PIECE));
	if (atomic_load_explicit(&h->urgent, memory_order_relaxed))
		atomic_store(&h->urgent, false);
	/* A read that waits for all ends before urgent data. */
	if (n > 0 && (m->flags & MSG_WAITALL) && m->io->left && !ioctl(h->fd, SIOCATMARK, &mark))
		m->ends = mark;
	/* Of a UDP socket that is shut the host tells the end only to who waits. */
	if (n == -EAGAIN && s->type == SOCK_DGRAM && atomic_load(&h->shut) && !(m->flags & (MSG_DONTWAIT | MSG_ERRQUEUE)))
		return 0;
	if (n == -EAGAIN)
		return host_socket_again(h);
	if (n < 0)
		return n;
	m->addr_len = MIN(hdr.msg_namelen, (socklen_t)sizeof(m->addr));
	m->out_flags |= hdr.msg_flags & TOLD_FLAGS;
	m->extra_count = 0; /* of a stream's last piece only */
	take_control(m, &hdr);
	return n;
}
