/* SPDX-License-Identifier: Apache-2.0 */
/* UDP between sockets of the sandbox: udp(7).
 *
 * A packet is put into its receiver's queue at once, or lost when that holds SO_RCVBUF already; sending never waits. A packet to
 * a port that nobody has comes back as ECONNREFUSED to who is connected there, as the ICMP message would say. */
#include "net/inet_internal.h"

#include "kernel/task.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

enum { SHUT_RECV = 1, SHUT_SEND = 2, PACKET_MAX = 65507, PACKET_MAX_6 = 65527, HOPS = 64, LOOPBACK_INDEX = 1 };

/* --- addresses --- */

static int udp_connect(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock)
{
	struct inet_sock *i = inet_of(s);
	struct inet_addr dest, local;
	int err;

	(void)t, (void)nonblock;
	if (len >= sizeof(sa_family_t) && a->sa.sa_family == AF_UNSPEC) {
		mutex_lock(&s->lock);
		local = i->local;
		if (!i->own_ip)
			memset(local.ip + 12, 0, 4);
		mutex_unlock(&s->lock);
		inet_set_addrs(i, &local, NULL);
		if (!i->own_port)
			inet_port_release(i);
		return 0;
	}
	err = inet_addr_read(i, a, len, true, &dest);
	if (err)
		return err;
	if (!inet_is_local(dest.ip))
		return inet_is_broadcast(dest.ip) && !s->opt.broadcast ? -EACCES : -ENETUNREACH;
	err = inet_autobind(i, &dest);
	if (err)
		return err;
	local = inet_source(i, &dest);
	inet_set_addrs(i, &local, &dest);
	return 0;
}

static int udp_getname(struct socket *s, bool peer, union sock_addr *a, socklen_t *len)
{
	struct inet_sock *i = inet_of(s);
	struct inet_addr addr;
	bool connected;

	mutex_lock(&s->lock);
	connected = i->has_peer;
	addr = peer ? i->peer : i->local;
	mutex_unlock(&s->lock);
	if (peer && !connected)
		return -ENOTCONN;
	*len = inet_addr_write(i, &addr, a);
	return 0;
}

/* --- sending --- */

/* Where m goes. */
static int destination(struct inet_sock *i, const struct sock_msg *m, struct inet_addr *dest)
{
	bool connected;
	int err;

	if (m->addr_given) {
		err = inet_addr_read(i, &m->addr, m->addr_len, true, dest);
		if (err)
			return err;
		if (!dest->port)
			return -EINVAL;
	} else {
		mutex_lock(&i->s.lock);
		connected = i->has_peer;
		*dest = i->peer;
		mutex_unlock(&i->s.lock);
		if (!connected)
			return -EDESTADDRREQ;
	}
	if (m->io->left > (inet_is_mapped(dest->ip) ? PACKET_MAX : PACKET_MAX_6))
		return -EMSGSIZE;
	if (inet_is_local(dest->ip))
		return 0;
	return inet_is_broadcast(dest->ip) && !i->s.opt.broadcast ? -EACCES : -ENETUNREACH;
}

static int check_sender(struct inet_sock *i, const struct sock_msg *m)
{
	bool shut;
	int err;

	if (m->io->left > UINT16_MAX)
		return -EMSGSIZE;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	err = socket_take_error(&i->s);
	if (err)
		return err;
	mutex_lock(&i->s.lock);
	shut = i->shut & SHUT_SEND;
	mutex_unlock(&i->s.lock);
	return shut ? -EPIPE : 0;
}

/* Nobody is there: who is connected learns it. */
static void unreachable(struct inet_sock *i, const struct inet_addr *dest)
{
	bool told;

	mutex_lock(&i->s.lock);
	told = i->has_peer && i->peer.port == dest->port && !memcmp(i->peer.ip, dest->ip, sizeof(dest->ip));
	mutex_unlock(&i->s.lock);
	if (!told)
		return;
	atomic_store(&i->s.error, ECONNREFUSED);
	socket_tell(&i->s, POLLERR | POLLIN | POLLOUT, POLL_ERR);
}

static ssize_t udp_send(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *i = inet_of(s), *to;
	struct inet_addr dest, source;
	struct dgram *d;
	ssize_t len;
	int err = check_sender(i, m);

	if (!err)
		err = destination(i, m, &dest);
	if (!err)
		err = inet_autobind(i, &dest);
	if (!err)
		err = dgram_new(m, NULL, &d);
	if (err)
		return err;
	len = (ssize_t)d->len;
	source = inet_source(i, &dest);
	to = inet_port_find(&udp_ops, &source, &dest);
	if (!to) {
		dgram_free(d);
		unreachable(i, &dest);
		return len;
	}
	d->from_len = inet_addr_write(to, &source, &d->from);
	memcpy(d->to, dest.ip, sizeof(dest.ip));
	err = dgram_queue_add(&to->queue, d, INT_MAX, (size_t)to->s.opt.rcvbuf);
	if (err) {
		dgram_free(d); /* no room, as if lost on the way */
	} else {
		socket_tell(&to->s, POLLIN | POLLRDNORM, POLL_IN);
	}
	socket_put(&to->s);
	return len;
}

/* --- receiving --- */

static void add_extra(struct sock_msg *m, const struct dgram *d, void *arg)
{
	struct inet_sock *i = arg;
	struct in6_pktinfo info6 = { .ipi6_ifindex = LOOPBACK_INDEX };
	struct in_pktinfo info4 = { .ipi_ifindex = LOOPBACK_INDEX };
	const uint8_t *to = (const uint8_t *)d->to;
	int hops = HOPS, none = 0;
	uint8_t tos = 0;

	sock_msg_add_stamp(m, &i->s, &d->stamp);
	if (inet_option(i, IPPROTO_IP, IP_PKTINFO) && inet_is_mapped(to)) {
		memcpy(&info4.ipi_addr, to + 12, 4);
		info4.ipi_spec_dst = info4.ipi_addr;
		sock_msg_add(m, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
	}
	if (i->s.domain == AF_INET6 && inet_option(i, IPPROTO_IPV6, IPV6_RECVPKTINFO)) {
		memcpy(&info6.ipi6_addr, to, 16);
		sock_msg_add(m, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	}
	if (inet_option(i, IPPROTO_IP, IP_RECVTTL) && inet_is_mapped(to))
		sock_msg_add(m, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
	if (inet_option(i, IPPROTO_IP, IP_RECVTOS) && inet_is_mapped(to))
		sock_msg_add(m, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	if (i->s.domain == AF_INET6 && inet_option(i, IPPROTO_IPV6, IPV6_RECVHOPLIMIT))
		sock_msg_add(m, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (i->s.domain == AF_INET6 && inet_option(i, IPPROTO_IPV6, IPV6_RECVTCLASS))
		sock_msg_add(m, IPPROTO_IPV6, IPV6_TCLASS, &none, sizeof(none));
}

static ssize_t udp_recv(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *i = inet_of(s);
	bool shut;
	ssize_t r;

	if (m->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	r = socket_take_error(s);
	if (!r)
		r = dgram_queue_take(&i->queue, m, add_extra, i);
	if (r != -EAGAIN)
		return r;
	mutex_lock(&s->lock);
	shut = i->shut & SHUT_RECV;
	mutex_unlock(&s->lock);
	return shut && !(m->flags & MSG_DONTWAIT) ? 0 : -EAGAIN;
}

/* --- the rest --- */

static int udp_shutdown(struct socket *s, int how)
{
	struct inet_sock *i = inet_of(s);
	bool connected;

	mutex_lock(&s->lock);
	connected = i->has_peer;
	i->shut |= (unsigned)how + 1; /* even if it says that it was not */
	mutex_unlock(&s->lock);
	waitq_notify(&s->waitq, POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	return connected ? 0 : -ENOTCONN;
}

static uint32_t udp_poll(struct socket *s)
{
	struct inet_sock *i = inet_of(s);
	uint32_t m = POLLOUT | POLLWRNORM | POLLWRBAND;

	mutex_lock(&s->lock);
	if (i->shut & SHUT_RECV)
		m |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (i->shut == (SHUT_RECV | SHUT_SEND))
		m |= POLLHUP;
	mutex_unlock(&s->lock);
	if (!dgram_queue_is_empty(&i->queue))
		m |= POLLIN | POLLRDNORM;
	if (atomic_load(&s->error))
		m |= POLLERR;
	return m;
}

static int64_t udp_ioctl(struct socket *s, struct task *t, unsigned cmd, uint64_t arg)
{
	struct inet_sock *i = inet_of(s);
	int n = 0;

	if (cmd != SIOCINQ && cmd != SIOCOUTQ)
		return -ENOTTY;
	if (cmd == SIOCINQ)
		n = (int)dgram_queue_bytes(&i->queue, false);
	return guest_write(t->mm, arg, &n, sizeof(n));
}

static void udp_close(struct socket *s)
{
	struct inet_sock *i = inet_of(s);

	mutex_lock(&s->lock);
	i->state = TCP_STATE_CLOSED;
	mutex_unlock(&s->lock);
	inet_port_release(i);
	dgram_queue_flush(&i->queue, true);
}

const struct sock_ops udp_ops = {
	.name = "UDP",
	.bind = inet_bind,
	.connect = udp_connect,
	.getname = udp_getname,
	.send = udp_send,
	.recv = udp_recv,
	.shutdown = udp_shutdown,
	.poll = udp_poll,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.ioctl = udp_ioctl,
	.close = udp_close,
	.destroy = inet_destroy,
};
