/* SPDX-License-Identifier: Apache-2.0 */
/* Who is bound to which port: the rules of SO_REUSEADDR and SO_REUSEPORT in socket(7), and who gets what arrives.
 *
 * One table for both protocols, hashed by port. What two sockets' addresses have in common decides whether they can share a port:
 * any address of a family overlaps with each of that family, and an IPv6 socket that is not IPV6_V6ONLY has IPv4's as well.
 *
 * Locks: ports_lock, before sockets' locks. What the table looks at in a socket is changed under both.
 */
#include "net/inet_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* net.ipv4.ip_local_port_range */
enum { BUCKETS = 256, PORT_FIRST = 32768, PORT_LAST = 60999, FAMILY_4 = 1, FAMILY_6 = 2 };

static struct mutex ports_lock = MUTEX_INITIALIZER;
static LIST_HEAD(bucket, inet_sock) table[BUCKETS] GUARDED_BY(ports_lock);

static struct bucket *bucket_of(uint16_t port)
{
	return &table[port % BUCKETS];
}

static unsigned families(const struct inet_sock *i, const uint8_t ip[16])
{
	if (i->s.domain == AF_INET || inet_is_mapped(ip))
		return FAMILY_4;
	return inet_is_any(ip) && !i->v6only ? FAMILY_4 | FAMILY_6 : FAMILY_6;
}

static bool overlap(const struct inet_sock *a, const uint8_t ip[16], const struct inet_sock *b)
{
	if (!(families(a, ip) & families(b, b->local.ip)))
		return false;
	return inet_is_any(ip) || inet_is_any(b->local.ip) || !memcmp(ip, b->local.ip, 16);
}

/* May both have the port, though their addresses overlap? */
static bool may_share(const struct inet_sock *a, const struct inet_sock *b)
{
	if (a->s.opt.reuseport && b->s.opt.reuseport && a->uid == b->uid)
		return true;
	return a->s.opt.reuseaddr && b->s.opt.reuseaddr && !b->s.listening;
}

static bool conflicts(const struct inet_sock *i, const struct inet_addr *want) REQUIRES(ports_lock)
{
	struct inet_sock *o;

	LIST_FOREACH(o, bucket_of(want->port), port_link)
		if (o != i && o->s.ops == i->s.ops && o->local.port == want->port && overlap(i, want->ip, o) &&
		    !may_share(i, o))
			return true;
	return false;
}

static bool is_used(const struct inet_sock *i, uint16_t port) REQUIRES(ports_lock)
{
	struct inet_sock *o;

	LIST_FOREACH(o, bucket_of(port), port_link)
		if (o->s.ops == i->s.ops && o->local.port == port)
			return true;
	return false;
}

/* A port that nobody has; where the search begins cannot be foreseen. 0: none is left. */
static uint16_t choose(const struct inet_sock *i) REQUIRES(ports_lock)
{
	unsigned count = PORT_LAST - PORT_FIRST + 1, start = 0;

	if (getrandom(&start, sizeof(start), GRND_NONBLOCK) != sizeof(start))
		start = (unsigned)mono_now();
	for (unsigned n = 0; n < count; n++) {
		uint16_t port = (uint16_t)(PORT_FIRST + (start + n) % count);

		if (!is_used(i, port))
			return port;
	}
	return 0;
}

static void list_locked(struct inet_sock *i) REQUIRES(ports_lock)
{
	LIST_INSERT_HEAD(bucket_of(i->local.port), i, port_link);
	i->listed = true;
}

int inet_port_take(struct inet_sock *i, const struct inet_addr *want)
{
	struct inet_addr a = *want;
	int err = 0;

	mutex_lock(&ports_lock);
	if (i->listed)
		err = -EINVAL;
	else if (a.port)
		err = conflicts(i, &a) ? -EADDRINUSE : 0;
	else if (!(a.port = choose(i)))
		err = -EADDRINUSE;
	if (!err) {
		mutex_lock(&i->s.lock);
		i->local = a;
		mutex_unlock(&i->s.lock);
		list_locked(i);
	}
	mutex_unlock(&ports_lock);
	return err;
}

void inet_port_share(struct inet_sock *i)
{
	mutex_lock(&ports_lock);
	list_locked(i);
	mutex_unlock(&ports_lock);
}

void inet_port_release(struct inet_sock *i)
{
	mutex_lock(&ports_lock);
	if (i->listed) {
		LIST_REMOVE(i, port_link);
		i->listed = false;
		mutex_lock(&i->s.lock);
		i->local.port = 0;
		mutex_unlock(&i->s.lock);
	}
	mutex_unlock(&ports_lock);
}

int inet_port_check_listener(struct inet_sock *i)
{
	struct inet_sock *o;
	int err = 0;

	mutex_lock(&ports_lock);
	LIST_FOREACH(o, bucket_of(i->local.port), port_link)
		if (o != i && o->s.ops == i->s.ops && o->local.port == i->local.port && o->s.listening &&
		    overlap(i, i->local.ip, o) && !may_share(i, o))
			err = -EADDRINUSE;
	mutex_unlock(&ports_lock);
	return err;
}

void inet_set_addrs(struct inet_sock *i, const struct inet_addr *local, const struct inet_addr *peer)
{
	mutex_lock(&ports_lock);
	mutex_lock(&i->s.lock);
	/* The port is where the table has it. */
	if (local)
		memcpy(i->local.ip, local->ip, sizeof(i->local.ip));
	i->has_peer = peer != NULL;
	if (peer)
		i->peer = *peer;
	mutex_unlock(&i->s.lock);
	mutex_unlock(&ports_lock);
}

/* How well o fits: 0 not at all; its own peer beats an address of its own, which beats any. */
static int score(const struct inet_sock *o, const struct inet_addr *from, const struct inet_addr *to)
{
	int n = 1;

	if (o->local.port != to->port || !(families(o, o->local.ip) & (inet_is_mapped(to->ip) ? FAMILY_4 : FAMILY_6)))
		return 0;
	if (!inet_is_any(o->local.ip)) {
		if (memcmp(o->local.ip, to->ip, 16))
			return 0;
		n += 2;
	}
	if (!from)
		return o->s.listening ? n + (o->s.domain == AF_INET) : 0;
	if (o->has_peer) {
		if (memcmp(o->peer.ip, from->ip, 16) || o->peer.port != from->port)
			return 0;
		n += 4;
	}
	return n + (o->s.domain == AF_INET);
}

/* Of those that share a port by SO_REUSEPORT each gets its part. */
struct inet_sock *inet_port_find(const struct sock_ops *ops, const struct inet_addr *from, const struct inet_addr *to)
{
	static unsigned turn GUARDED_BY(ports_lock);
	struct inet_sock *o, *best = NULL;
	int best_score = 0;
	unsigned equals = 0;

	mutex_lock(&ports_lock);
	turn = turn * 1103515245u + 12345u;
	LIST_FOREACH(o, bucket_of(to->port), port_link) {
		int n = o->s.ops == ops ? score(o, from, to) : 0;

		if (n > best_score) {
			best = o;
			best_score = n;
			equals = 1;
		} else if (n && n == best_score && o->s.opt.reuseport && (turn >> 16) % ++equals == 0) {
			best = o;
		}
	}
	if (best)
		socket_get(&best->s);
	mutex_unlock(&ports_lock);
	return best;
}
