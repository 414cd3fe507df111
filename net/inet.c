/* SPDX-License-Identifier: Apache-2.0 */
/* Internet sockets inside of the sandbox: ip(7), ipv6(7).
 *
 * Theory of operation. A sandbox has a network of its own with nothing but the loopback in it: 127.0.0.0/8 and ::1. Whatever is sent
 * there is handed to the receiving socket at once; everything else is unreachable, as in a network namespace whose only interface
 * is lo. No packet is ever made and nothing of this reaches the host. With --network host none of it is used: the sockets made
 * here are the host's (host_socket.c).
 *
 * Ports are a table of who is bound where (inet_port.c). TCP connections are stream_pairs (tcp.c), UDP packets are messages in their
 * receiver's queue (udp.c). Addresses are kept in one form; an IPv4 socket shows them as sockaddr_in, an IPv6 socket as sockaddr_in6.
 *
 * Locks: ports_lock is the family's name table, before any socket's lock.
 */
#include "net/inet_internal.h"

#include "kernel/task.h"
#include "net/host_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

/* The buffers are what Linux gives a TCP socket that is not connected. */
enum { TCP_SNDBUF = 16384, TCP_RCVBUF = 131072, PORT_UNPRIVILEGED = 1024, NET_LOOPBACK = 127, SIN6_MIN = 24 /* without the scope, as old programs pass it */ };

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t loopback6[16] = { [15] = 1 };
static const uint8_t any6[16];

bool inet_is_mapped(const uint8_t ip[16])
{
	return !memcmp(ip, mapped_prefix, sizeof(mapped_prefix));
}

bool inet_is_any(const uint8_t ip[16])
{
	return !memcmp(ip, any6, sizeof(any6)) || (inet_is_mapped(ip) && !memcmp(ip + 12, any6, 4));
}

bool inet_is_local(const uint8_t ip[16])
{
	return inet_is_mapped(ip) ? ip[12] == NET_LOOPBACK : !memcmp(ip, loopback6, sizeof(loopback6));
}

bool inet_is_broadcast(const uint8_t ip[16])
{
	return inet_is_mapped(ip) && ip[12] == 255 && ip[13] == 255 && ip[14] == 255 && ip[15] == 255;
}

static void set_v4(uint8_t ip[16], uint32_t address /* network's byte order */)
{
	memcpy(ip, mapped_prefix, sizeof(mapped_prefix));
	memcpy(ip + 12, &address, sizeof(address));
}

/* --- addresses from and to guests --- */

static int read_v4(const union sock_addr *a, socklen_t len, struct inet_addr *out)
{
	struct sockaddr_in in;

	if (len < sizeof(in))
		return -EINVAL;
	memcpy(&in, a, sizeof(in));
	if (in.sin_family != AF_INET && !(in.sin_family == AF_UNSPEC && in.sin_addr.s_addr == INADDR_ANY))
		return -EAFNOSUPPORT;
	set_v4(out->ip, in.sin_addr.s_addr);
	out->port = ntohs(in.sin_port);
	return 0;
}

static int read_v6(const union sock_addr *a, socklen_t len, struct inet_addr *out)
{
	struct sockaddr_in6 in = { 0 };

	if (len < SIN6_MIN)
		return -EINVAL;
	memcpy(&in, a, MIN(len, (socklen_t)sizeof(in)));
	if (in.sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(out->ip, &in.sin6_addr, sizeof(out->ip));
	out->port = ntohs(in.sin6_port);
	return 0;
}

int inet_addr_read(struct inet_sock *i, const union sock_addr *a, socklen_t len, bool destination, struct inet_addr *out)
{
	int err;

	if (len < sizeof(sa_family_t))
		return -EINVAL;
	/* An IPv6 socket sends to IPv4 addresses as such. */
	if (i->s.domain == AF_INET || (destination && i->s.type == SOCK_DGRAM && a->sa.sa_family == AF_INET && !i->v6only))
		err = read_v4(a, len, out);
	else
		err = read_v6(a, len, out);
	if (err || !destination)
		return err;
	if (i->s.domain == AF_INET6 && i->v6only && inet_is_mapped(out->ip))
		return -ENETUNREACH;
	if (inet_is_any(out->ip)) {
		if (inet_is_mapped(out->ip))
			set_v4(out->ip, htonl(INADDR_LOOPBACK));
		else
			memcpy(out->ip, loopback6, sizeof(loopback6));
	}
	return 0;
}

socklen_t inet_addr_write(const struct inet_sock *i, const struct inet_addr *from, union sock_addr *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(from->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(from->port) };

	if (i->s.domain == AF_INET) {
		memcpy(&in.sin_addr, from->ip + 12, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, from->ip, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

struct inet_addr inet_source(struct inet_sock *i, const struct inet_addr *to)
{
	struct inet_addr a;

	mutex_lock(&i->s.lock);
	a = i->local;
	mutex_unlock(&i->s.lock);
	if (!inet_is_any(a.ip))
		return a;
	if (inet_is_mapped(to->ip))
		set_v4(a.ip, htonl(INADDR_LOOPBACK));
	else
		memcpy(a.ip, loopback6, sizeof(loopback6));
	return a;
}

/* --- binding --- */

int inet_bind(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len)
{
	struct inet_sock *i = inet_of(s);
	struct inet_addr want;
	bool idle;
	int err = inet_addr_read(i, a, len, false, &want);

	if (err)
		return err;
	if (i->s.domain == AF_INET6 && i->v6only && inet_is_mapped(want.ip))
		return -EINVAL;
	if (!inet_is_any(want.ip) && !inet_is_local(want.ip) &&
	    !inet_option(i, IPPROTO_IP, IP_FREEBIND) && !inet_option(i, IPPROTO_IPV6, IPV6_FREEBIND))
		return -EADDRNOTAVAIL;
	if (want.port && want.port < PORT_UNPRIVILEGED && !cred_capable(t->cred, CAP_NET_BIND_SERVICE))
		return -EACCES;
	mutex_lock(&s->lock);
	idle = i->state == TCP_STATE_IDLE;
	mutex_unlock(&s->lock);
	err = idle ? inet_port_take(i, &want) : -EINVAL;
	if (err)
		return err;
	mutex_lock(&s->lock);
	i->own_ip = !inet_is_any(want.ip);
	i->own_port = want.port != 0;
	mutex_unlock(&s->lock);
	return 0;
}

int inet_autobind(struct inet_sock *i, const struct inet_addr *to)
{
	struct inet_addr none = { .port = 0 }, source;
	int err = 0;
	bool bound;

	if (i->s.domain == AF_INET)
		set_v4(none.ip, INADDR_ANY);
	mutex_lock(&i->s.lock);
	bound = i->local.port != 0;
	mutex_unlock(&i->s.lock);
	if (!bound)
		err = inet_port_take(i, &none);
	/* Another thread may have done it. */
	if (err && err != -EINVAL)
		return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
	if (to) {
		source = inet_source(i, to);
		if (inet_is_mapped(source.ip) != inet_is_mapped(to->ip))
			return -EINVAL;
	}
	return 0;
}

/* --- life --- */

struct inet_sock *inet_new(const struct sock_ops *ops, int domain, int type, int protocol)
{
	struct inet_sock *i = calloc(1, sizeof(*i));
	struct task *t = task_self();

	if (!i)
		return NULL;
	socket_init(&i->s, ops, domain, type, protocol);
	i->uid = t ? t->cred->euid : 0;
	if (domain == AF_INET)
		set_v4(i->local.ip, INADDR_ANY);
	i->peer = i->local;
	if (type == SOCK_STREAM) {
		i->s.opt.sndbuf = TCP_SNDBUF;
		i->s.opt.rcvbuf = TCP_RCVBUF;
	}
	TAILQ_INIT(&i->pending);
	TAILQ_INIT(&i->waiting);
	dgram_queue_init(&i->queue);
	inet_options_init(i);
	return i;
}

void inet_destroy(struct socket *s)
{
	struct inet_sock *i = inet_of(s);

	dgram_queue_fini(&i->queue);
	socket_fini(s);
	free(i);
}

/* Which protocol a type is. */
static int find_protocol(struct task *t, int type, int *protocol)
{
	int own = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;

	if (*protocol < 0 || *protocol >= IPPROTO_MAX)
		return -EINVAL;
	if (type == SOCK_RAW)
		return cred_capable(t->cred, CAP_NET_RAW) ? -EPROTONOSUPPORT : -EPERM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (type == SOCK_DGRAM && (*protocol == IPPROTO_ICMP || *protocol == IPPROTO_ICMPV6))
		return -EACCES; /* net.ipv4.ping_group_range lets nobody, as by default */
	if (*protocol && *protocol != own)
		return -EPROTONOSUPPORT;
	*protocol = own;
	return 0;
}

int inet_create(struct task *t, int domain, int type, int protocol, struct socket **out)
{
	struct inet_sock *i;
	int err = find_protocol(t, type, &protocol);

	if (err)
		return err;
	if (host_network_enabled())
		return host_socket_create(domain, type, protocol, out);
	i = inet_new(type == SOCK_STREAM ? &tcp_ops : &udp_ops, domain, type, protocol);
	if (!i)
		return -ENOMEM;
	*out = &i->s;
	return 0;
}
