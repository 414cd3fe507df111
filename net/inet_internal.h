/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of internet sockets share. See inet.c. */
#ifndef NET_INET_INTERNAL_H
#define NET_INET_INTERNAL_H

#include "net/dgram.h"
#include "net/stream.h"

#include <netinet/in.h>

/* IPv4 addresses are kept as the IPv6 addresses that stand for them (::ffff:1.2.3.4). */
struct inet_addr {
	uint8_t ip[16];
	uint16_t port; /* host's byte order */
};

enum tcp_state { TCP_STATE_IDLE, TCP_STATE_LISTENING, TCP_STATE_CONNECTING, TCP_STATE_CONNECTED, TCP_STATE_CLOSED };

/* Options that are just kept: inet_option.c has the table. */
enum { INET_OPTIONS_MAX = 64 };

TAILQ_HEAD(inet_list, inet_sock);

struct inet_sock {
	struct socket s;
	uid_t uid; /* who made it: immutable */
	_Atomic int options[INET_OPTIONS_MAX];

	/* ports_lock and s.lock to change, either to read */
	struct inet_addr local, peer;
	bool has_peer;
	bool v6only;
	bool listed; /* has a port; ports_lock as the next */
	LIST_ENTRY(inet_sock) port_link;
	bool own_ip, own_port; /* asked for by bind(); s.lock, as all below */

	/* TCP */
	enum tcp_state state;
	bool unreported; /* connected, and connect() has not said so yet */
	bool failed; /* a connection failed: reads end, connect() tells the error */
	struct stream_pair *pair; /* one reference, NULL unless connected */
	int side;
	struct inet_list pending; /* to be accepted, one reference each */
	struct inet_list waiting; /* clients that found the backlog full, one reference each; waiting_lock of tcp_connect.c */
	struct inet_sock *waits_for; /* the listener in whose list of clients it is; waiting_lock */
	TAILQ_ENTRY(inet_sock) link; /* in one of these, as that list is protected */
	int pending_count, backlog;

	/* UDP */
	unsigned shut; /* 1: receiving, 2: sending */
	struct dgram_queue queue;
};

static inline struct inet_sock *inet_of(struct socket *s)
{
	return CONTAINER_OF(s, struct inet_sock, s);
}

extern const struct sock_ops tcp_ops, udp_ops;

/* --- inet.c --- */
struct inet_sock *inet_new(const struct sock_ops *ops, int domain, int type, int protocol);
void inet_destroy(struct socket *s);
int inet_bind(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len) MUST_CHECK;
/* Binds to a port of the kernel's choice if there is none; local addresses that are not fixed become the one that packets to `to` are
 * sent from. */
int inet_autobind(struct inet_sock *i, const struct inet_addr *to) MUST_CHECK;
/* A guest's address, checked for i's family: -EINVAL, -EAFNOSUPPORT. Nowhere (0.0.0.0, ::) is here when it is a destination. */
int inet_addr_read(struct inet_sock *i, const union sock_addr *a, socklen_t len, bool destination, struct inet_addr *out) MUST_CHECK;
/* As i's family shows it: the length. */
socklen_t inet_addr_write(const struct inet_sock *i, const struct inet_addr *from, union sock_addr *out);
/* The own address as packets to `to` show it. */
struct inet_addr inet_source(struct inet_sock *i, const struct inet_addr *to);
bool inet_is_mapped(const uint8_t ip[16]);
bool inet_is_any(const uint8_t ip[16]);
bool inet_is_local(const uint8_t ip[16]);
bool inet_is_broadcast(const uint8_t ip[16]);

/* --- inet_port.c --- */
/* Gives i the address, with a free port if that is 0: -EADDRINUSE, -EINVAL if it has one. */
int inet_port_take(struct inet_sock *i, const struct inet_addr *want) MUST_CHECK;
/* i, just accepted, shares its listener's port. */
void inet_port_share(struct inet_sock *i);
void inet_port_release(struct inet_sock *i);
/* May i listen, or does somebody already? */
int inet_port_check_listener(struct inet_sock *i) MUST_CHECK;
/* Who would get a connection or packet from `from` (NULL for TCP) to `to`, with a reference; NULL: nobody. */
struct inet_sock *inet_port_find(const struct sock_ops *ops, const struct inet_addr *from, const struct inet_addr *to);
/* Changes what the port table looks at. peer NULL: none. */
void inet_set_addrs(struct inet_sock *i, const struct inet_addr *local, const struct inet_addr *peer);

/* --- tcp_connect.c --- */
int tcp_connect(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock) MUST_CHECK;
int tcp_listen(struct socket *s, int backlog) MUST_CHECK;
int tcp_accept(struct socket *s, bool nonblock, struct socket **out) MUST_CHECK;
/* Not listening any more: who waits is refused, who was not accepted is reset. */
void tcp_stop_listening(struct inet_sock *i);
/* Not connecting any more: whoever has i among its waiting clients forgets it. */
void tcp_stop_waiting(struct inet_sock *i);

/* --- inet_option.c --- */
void inet_options_init(struct inet_sock *i);
int inet_setsockopt(struct socket *s, int level, int name, const void *value, socklen_t len) MUST_CHECK;
int inet_getsockopt(struct socket *s, int level, int name, void *value, socklen_t *len) MUST_CHECK;
/* What asking for an option that there is not says. */
int inet_no_option(const struct socket *s, int level, bool get);
/* The value of an option of the table. */
int inet_option(const struct inet_sock *i, int level, int name);

#endif
