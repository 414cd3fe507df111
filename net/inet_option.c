/* SPDX-License-Identifier: Apache-2.0 */
/* Options of IP, IPv6, TCP and UDP. Where there are no packets most of them change nothing, but programs read back what they set:
 * the table says what may be set and what is there at first. */
#include "net/inet_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

enum { HOPS = 64, LOOPBACK_MTU = 65536, MSS_DEFAULT = 536, MSS_LOOPBACK = 65483, TOS_KEPT = 0xff };
#define CONGESTION "cubic"

static const struct inet_option {
	int level, name, initial, min, max;
} table[] = {
	{ IPPROTO_IP, IP_TOS, 0, 0, 255 },
	{ IPPROTO_IP, IP_TTL, HOPS, 1, 255 },
	{ IPPROTO_IP, IP_RECVOPTS, 0, 0, 1 },
	{ IPPROTO_IP, IP_RETOPTS, 0, 0, 1 },
	{ IPPROTO_IP, IP_PKTINFO, 0, 0, 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT, 0, IP_PMTUDISC_OMIT },
	{ IPPROTO_IP, IP_RECVERR, 0, 0, 1 },
	{ IPPROTO_IP, IP_RECVTTL, 0, 0, 1 },
	{ IPPROTO_IP, IP_RECVTOS, 0, 0, 1 },
	{ IPPROTO_IP, IP_FREEBIND, 0, 0, 1 },
	{ IPPROTO_IP, IP_MINTTL, 0, 0, 255 },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0, 0, 1 },
	{ IPPROTO_IP, IP_MULTICAST_TTL, 1, 0, 255 },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, 1, 0, 1 },
	{ IPPROTO_IP, IP_MULTICAST_ALL, 1, 0, 1 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, HOPS, 0, 255 },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, 0, 255 },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, 0, 1 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 0, 0, 1 },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0, 0, 1 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 0, 0, 1 },
	{ IPPROTO_IPV6, IPV6_RECVERR, 0, 0, 1 },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT, 0, IPV6_PMTUDISC_OMIT },
	{ IPPROTO_IPV6, IPV6_TCLASS, 0, 0, 255 },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, 0, 0, 1 },
	{ IPPROTO_IPV6, IPV6_FREEBIND, 0, 0, 1 },
	{ IPPROTO_TCP, TCP_NODELAY, 0, 0, 1 },
	{ IPPROTO_TCP, TCP_CORK, 0, 0, 1 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, 7200, 1, 32767 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 75, 1, 32767 },
	{ IPPROTO_TCP, TCP_KEEPCNT, 9, 1, 127 },
	{ IPPROTO_TCP, TCP_SYNCNT, 6, 1, 127 },
	{ IPPROTO_TCP, TCP_LINGER2, 60, -1, 120 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 0, INT32_MAX },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 0, INT32_MAX },
	{ IPPROTO_TCP, TCP_QUICKACK, 1, 0, 1 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 0, INT32_MAX },
	{ IPPROTO_TCP, TCP_FASTOPEN, 0, 0, INT32_MAX },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, 0, 1 },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, 0, INT32_MAX },
	{ IPPROTO_UDP, UDP_CORK, 0, 0, 1 },
};

_Static_assert(ARRAY_SIZE(table) <= INET_OPTIONS_MAX, "room for all options");

static bool is_switch(const struct inet_option *o)
{
	return o->min == 0 && o->max == 1;
}

static const struct inet_option *find(int level, int name)
{
	for (size_t n = 0; n < ARRAY_SIZE(table); n++)
		if (table[n].level == level && table[n].name == name)
			return &table[n];
	return NULL;
}

void inet_options_init(struct inet_sock *i)
{
	for (size_t n = 0; n < ARRAY_SIZE(table); n++)
		atomic_store(&i->options[n], table[n].initial);
}

int inet_option(const struct inet_sock *i, int level, int name)
{
	const struct inet_option *o = find(level, name);

	return o ? atomic_load(&i->options[o - table]) : 0;
}

/* Which levels a socket has. */
static bool has_level(const struct socket *s, int level)
{
	if (level == IPPROTO_IP)
		return true;
	if (level == IPPROTO_IPV6)
		return s->domain == AF_INET6;
	return level == s->protocol;
}

int inet_no_option(const struct socket *s, int level, bool get)
{
	return get && s->domain == AF_INET && !has_level(s, level) ? -EOPNOTSUPP : -ENOPROTOOPT;
}

static int set_v6only(struct inet_sock *i, int on)
{
	int err = 0;

	mutex_lock(&i->s.lock);
	if (i->local.port)
		err = -EINVAL;
	else
		i->v6only = on;
	mutex_unlock(&i->s.lock);
	return err;
}

/* Options that are no numbers, or do something. -ENOPROTOOPT for all others. */
static int set_special(struct inet_sock *i, int level, int name, int value, const char *bytes, socklen_t len)
{
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		return set_v6only(i, value != 0);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return len == strnlen(CONGESTION, len) + (len > strlen(CONGESTION)) && !strncmp(bytes, CONGESTION, len) ? 0 : -ENOENT;
	if (level == IPPROTO_TCP && name == TCP_MAXSEG)
		return value && (value < 88 || value > 32767) ? -EINVAL : 0;
	if (level == IPPROTO_IP && (name == IP_MULTICAST_IF || name == IP_UNICAST_IF))
		return 0;
	if (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_IF)
		return 0;
	/* No interface has multicast. */
	if (level == IPPROTO_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP))
		return len < sizeof(struct ip_mreq) ? -EINVAL : -ENODEV;
	if (level == IPPROTO_IPV6 && (name == IPV6_ADD_MEMBERSHIP || name == IPV6_DROP_MEMBERSHIP))
		return len < sizeof(struct ipv6_mreq) ? -EINVAL : -ENODEV;
	if (level == IPPROTO_IP && name == IP_TRANSPARENT)
		return -EPERM;
	return -ENOPROTOOPT;
}

int inet_setsockopt(struct socket *s, int level, int name, const void *value, socklen_t len)
{
	const struct inet_option *o = find(level, name);
	struct inet_sock *i = inet_of(s);
	int number = 0;

	if (!has_level(s, level))
		return inet_no_option(s, level, false);
	/* IP takes single bytes too. */
	if (len >= sizeof(number))
		memcpy(&number, value, sizeof(number));
	else if (level == IPPROTO_IP && len >= 1)
		number = *(const unsigned char *)value;
	else if (o)
		return -EINVAL;
	if (!o)
		return set_special(i, level, name, number, value, len);
	if (is_switch(o))
		number = number != 0;
	else if (number == -1 && (name == IP_TTL || level == IPPROTO_IPV6))
		number = o->initial;
	else if (level == IPPROTO_IP && name == IP_TOS)
		number &= TOS_KEPT;
	if (number < o->min || number > o->max)
		return -EINVAL;
	atomic_store(&i->options[o - table], number);
	return 0;
}

/* --- getsockopt --- */

static int give(void *value, socklen_t *len, const void *what, size_t size)
{
	*len = MIN(*len, (socklen_t)size);
	memcpy(value, what, *len);
	return 0;
}

static int give_number(int level, void *value, socklen_t *len, int number)
{
	unsigned char byte = (unsigned char)number;

	if (level == IPPROTO_IP && *len > 0 && *len < sizeof(number) && number >= 0 && number <= 255)
		return give(value, len, &byte, 1);
	return give(value, len, &number, sizeof(number));
}

static int get_tcp_info(struct inet_sock *i, void *value, socklen_t *len)
{
	static const unsigned char states[] = { TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT, TCP_ESTABLISHED, TCP_CLOSE };
	struct tcp_info info = { .tcpi_snd_mss = MSS_LOOPBACK, .tcpi_rcv_mss = MSS_LOOPBACK, .tcpi_pmtu = LOOPBACK_MTU,
				 .tcpi_snd_cwnd = 10, .tcpi_rto = 200000 };

	mutex_lock(&i->s.lock);
	info.tcpi_state = states[i->state];
	mutex_unlock(&i->s.lock);
	return give(value, len, &info, sizeof(info));
}

static int get_special(struct inet_sock *i, int level, int name, void *value, socklen_t *len)
{
	bool has_peer;

	mutex_lock(&i->s.lock);
	has_peer = i->has_peer;
	mutex_unlock(&i->s.lock);
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		return give_number(level, value, len, i->v6only);
	if ((level == IPPROTO_IP && name == IP_MTU) || (level == IPPROTO_IPV6 && name == IPV6_MTU))
		return has_peer ? give_number(level, value, len, LOOPBACK_MTU - (level == IPPROTO_IP)) : -ENOTCONN;
	if (level == IPPROTO_TCP && name == TCP_MAXSEG)
		return give_number(level, value, len, has_peer ? MSS_LOOPBACK : MSS_DEFAULT);
	if (level == IPPROTO_TCP && name == TCP_INFO)
		return get_tcp_info(i, value, len);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return give(value, len, CONGESTION "\0\0\0\0\0\0\0\0\0\0", 16);
	if ((level == IPPROTO_IP && name == IP_MULTICAST_IF) || (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_IF))
		return give_number(level, value, len, 0);
	return -ENOPROTOOPT;
}

int inet_getsockopt(struct socket *s, int level, int name, void *value, socklen_t *len)
{
	const struct inet_option *o = find(level, name);
	struct inet_sock *i = inet_of(s);

	if (!has_level(s, level))
		return inet_no_option(s, level, true);
	if (!o)
		return get_special(i, level, name, value, len);
	return give_number(level, value, len, atomic_load(&i->options[o - table]));
}
