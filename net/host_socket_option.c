/* SPDX-License-Identifier: Apache-2.0 */
/* Options and ioctls of host sockets: an allow-list, which the sentry's filter is made of too.
 *
 * What is listed is plain data of at most SOCKOPT_MAX bytes: no pointer, no program (SO_ATTACH_FILTER and its like), no other protocol put on top
 * (TCP_ULP), no memory of the kernel's mapped (TCP_ZEROCOPY_RECEIVE). What needs a capability is refused by the host itself, as
 * the sentry has none. */
#include "net/host_socket_internal.h"

#include "kernel/task.h"
#include "net/inet_internal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { GET = HOST_OPTION_GET, SET = HOST_OPTION_SET, BOTH = GET | SET };

static const struct host_option options[] = {
	{ SOL_SOCKET, SO_LINGER, HOST_OPTION_OWN },
	{ SOL_SOCKET, SO_ERROR, GET },
	{ SOL_SOCKET, SO_TYPE, GET },
	{ SOL_SOCKET, SO_DOMAIN, GET },
	{ SOL_SOCKET, SO_PROTOCOL, GET },
	{ SOL_SOCKET, SO_ACCEPTCONN, GET },
	{ SOL_SOCKET, SO_SNDLOWAT, GET },
	{ SOL_SOCKET, SO_LOCK_FILTER, GET },
	{ SOL_SOCKET, SO_COOKIE, GET },
	{ SOL_SOCKET, SO_MEMINFO, GET },
	{ SOL_SOCKET, SO_INCOMING_NAPI_ID, GET },
	{ SOL_SOCKET, SO_DEBUG, BOTH },
	{ SOL_SOCKET, SO_REUSEADDR, BOTH },
	{ SOL_SOCKET, SO_REUSEPORT, BOTH },
	{ SOL_SOCKET, SO_KEEPALIVE, BOTH },
	{ SOL_SOCKET, SO_BROADCAST, BOTH },
	{ SOL_SOCKET, SO_DONTROUTE, BOTH },
	{ SOL_SOCKET, SO_OOBINLINE, BOTH },
	{ SOL_SOCKET, SO_SNDBUF, BOTH },
	{ SOL_SOCKET, SO_RCVBUF, BOTH },
	{ SOL_SOCKET, SO_SNDBUFFORCE, SET },
	{ SOL_SOCKET, SO_RCVBUFFORCE, SET },
	{ SOL_SOCKET, SO_RCVLOWAT, BOTH },
	{ SOL_SOCKET, SO_PRIORITY, BOTH },
	{ SOL_SOCKET, SO_MARK, BOTH },
	{ SOL_SOCKET, SO_NO_CHECK, BOTH },
	{ SOL_SOCKET, SO_BUSY_POLL, BOTH },
	{ SOL_SOCKET, SO_PEEK_OFF, GET },
	{ SOL_SOCKET, SO_RXQ_OVFL, BOTH },
	{ SOL_SOCKET, SO_SELECT_ERR_QUEUE, BOTH },
	{ SOL_SOCKET, SO_INCOMING_CPU, BOTH },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, BOTH },
	{ SOL_SOCKET, SO_BINDTODEVICE, BOTH },
	{ SOL_SOCKET, SO_TIMESTAMP_OLD, BOTH },
	{ SOL_SOCKET, SO_TIMESTAMP_NEW, BOTH },
	{ SOL_SOCKET, SO_TIMESTAMPNS_OLD, BOTH },
	{ SOL_SOCKET, SO_TIMESTAMPNS_NEW, BOTH },
	{ SOL_SOCKET, SO_TIMESTAMPING_OLD, BOTH },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, BOTH },
	{ IPPROTO_IP, IP_TOS, BOTH },
	{ IPPROTO_IP, IP_TTL, BOTH },
	{ IPPROTO_IP, IP_MTU, GET },
	{ IPPROTO_IP, IP_RECVOPTS, BOTH },
	{ IPPROTO_IP, IP_RETOPTS, BOTH },
	{ IPPROTO_IP, IP_PKTINFO, BOTH },
	{ IPPROTO_IP, IP_MTU_DISCOVER, BOTH },
	{ IPPROTO_IP, IP_RECVERR, BOTH },
	{ IPPROTO_IP, IP_RECVTTL, BOTH },
	{ IPPROTO_IP, IP_RECVTOS, BOTH },
	{ IPPROTO_IP, IP_RECVORIGDSTADDR, BOTH },
	{ IPPROTO_IP, IP_FREEBIND, BOTH },
	{ IPPROTO_IP, IP_MINTTL, BOTH },
	{ IPPROTO_IP, IP_TRANSPARENT, BOTH },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, BOTH },
	{ IPPROTO_IP, IP_UNICAST_IF, BOTH },
	{ IPPROTO_IP, IP_MULTICAST_IF, BOTH },
	{ IPPROTO_IP, IP_MULTICAST_TTL, BOTH },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, BOTH },
	{ IPPROTO_IP, IP_MULTICAST_ALL, BOTH },
	{ IPPROTO_IP, IP_ADD_MEMBERSHIP, SET },
	{ IPPROTO_IP, IP_DROP_MEMBERSHIP, SET },
	{ IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, SET },
	{ IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, SET },
	{ IPPROTO_IP, MCAST_JOIN_GROUP, SET },
	{ IPPROTO_IP, MCAST_LEAVE_GROUP, SET },
	{ IPPROTO_IPV6, IPV6_V6ONLY, BOTH },
	{ IPPROTO_IPV6, IPV6_MTU, BOTH },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, BOTH },
	{ IPPROTO_IPV6, IPV6_UNICAST_IF, BOTH },
	{ IPPROTO_IPV6, IPV6_MULTICAST_IF, BOTH },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS, BOTH },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, BOTH },
	{ IPPROTO_IPV6, IPV6_MULTICAST_ALL, BOTH },
	{ IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, SET },
	{ IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, SET },
	{ IPPROTO_IPV6, MCAST_JOIN_GROUP, SET },
	{ IPPROTO_IPV6, MCAST_LEAVE_GROUP, SET },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, BOTH },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, BOTH },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, BOTH },
	{ IPPROTO_IPV6, IPV6_RECVERR, BOTH },
	{ IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, BOTH },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, BOTH },
	{ IPPROTO_IPV6, IPV6_TCLASS, BOTH },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, BOTH },
	{ IPPROTO_IPV6, IPV6_FREEBIND, BOTH },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, BOTH },
	{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, BOTH },
	{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, BOTH },
	{ IPPROTO_TCP, TCP_NODELAY, BOTH },
	{ IPPROTO_TCP, TCP_MAXSEG, BOTH },
	{ IPPROTO_TCP, TCP_CORK, BOTH },
	{ IPPROTO_TCP, TCP_KEEPIDLE, BOTH },
	{ IPPROTO_TCP, TCP_KEEPINTVL, BOTH },
	{ IPPROTO_TCP, TCP_KEEPCNT, BOTH },
	{ IPPROTO_TCP, TCP_SYNCNT, BOTH },
	{ IPPROTO_TCP, TCP_LINGER2, BOTH },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, BOTH },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, BOTH },
	{ IPPROTO_TCP, TCP_INFO, GET },
	{ IPPROTO_TCP, TCP_QUICKACK, BOTH },
	{ IPPROTO_TCP, TCP_CONGESTION, BOTH },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, BOTH },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, BOTH },
	{ IPPROTO_TCP, TCP_FASTOPEN, BOTH },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, BOTH },
	{ IPPROTO_TCP, TCP_INQ, BOTH },
	{ IPPROTO_TCP, TCP_TX_DELAY, BOTH },
	{ IPPROTO_UDP, UDP_CORK, BOTH },
	{ IPPROTO_UDP, UDP_NO_CHECK6_TX, BOTH },
	{ IPPROTO_UDP, UDP_NO_CHECK6_RX, BOTH },
	{ IPPROTO_UDP, UDP_SEGMENT, BOTH },
	{ IPPROTO_UDP, UDP_GRO, BOTH },
};

const struct host_option *host_options(size_t *count)
{
	*count = ARRAY_SIZE(options);
	return options;
}

/* 0, or the errno for an option that is not listed. */
static int check_option(const struct socket *s, int level, int name, unsigned use)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].level == level && options[i].name == name && (options[i].use & use))
			return 0;
	return level == SOL_SOCKET ? -ENOPROTOOPT : inet_no_option(s, level, use == HOST_OPTION_GET);
}

int host_socket_setsockopt(struct socket *s, int level, int name, const void *value, socklen_t len)
{
	int err = check_option(s, level, name, HOST_OPTION_SET), low;

	if (err)
		return err;
	if (setsockopt(host_of(s)->fd, level, name, value, MIN(len, (socklen_t)SOCKOPT_MAX)))
		return -errno;
	/* socket_recv() goes on until there is so much. */
	if (level == SOL_SOCKET && name == SO_RCVLOWAT) {
		memcpy(&low, value, sizeof(low));
		s->opt.rcvlowat = low < 0 ? INT32_MAX : MAX(low, 1);
	}
	return 0;
}

int host_socket_getsockopt(struct socket *s, int level, int name, void *value, socklen_t *len)
{
	int err = check_option(s, level, name, HOST_OPTION_GET);

	if (err)
		return err;
	/* One that a call kept for later comes first. */
	if (level == SOL_SOCKET && name == SO_ERROR && (err = -socket_take_error(s))) {
		*len = MIN(*len, (socklen_t)sizeof(err));
		memcpy(value, &err, *len);
		return 0;
	}
	return getsockopt(host_of(s)->fd, level, name, value, len) ? -errno : 0;
}

int64_t host_socket_ioctl(struct socket *s, struct task *t, unsigned cmd, uint64_t arg)
{
	int n;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
	case SIOCATMARK:
		if (ioctl(host_of(s)->fd, cmd, &n))
			return -errno;
		return guest_write(t->mm, arg, &n, sizeof(n));
	default:
		return -ENOTTY;
	}
}
