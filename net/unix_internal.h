/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of unix sockets share. See unix.c. */
#ifndef NET_UNIX_INTERNAL_H
#define NET_UNIX_INTERNAL_H

#include "fs/vfs.h"
#include "net/dgram.h"
#include "net/stream.h"

enum unix_state { UNIX_IDLE, UNIX_CONNECTING, UNIX_LISTENING, UNIX_CONNECTED, UNIX_CLOSED };
enum { UNIX_SHUT_RECV = 1, UNIX_SHUT_SEND = 2, UNIX_SHUT_BOTH = 3 };

/* An address that sockets share: a listener's with those that it accepted. */
struct unix_name {
	struct ref ref;
	socklen_t len; /* with the family; one more than a sockaddr_un for the longest path */
	union sock_addr addr;
};

TAILQ_HEAD(unix_pending, unix_sock);

struct unix_sock {
	struct socket s;
	_Atomic(struct unix_name *) name; /* set once; one reference */
	bool listed; /* names_lock: in the table of abstract names */
	LIST_ENTRY(unix_sock) name_link; /* names_lock */
	struct path bound; /* s.lock: where its file is, with references; mount NULL if nowhere */

	/* s.lock, all below */
	enum unix_state state;
	unsigned shut; /* UNIX_SHUT_* */
	struct ucred listener; /* who called listen() */
	struct unix_pending pending; /* to be accepted, one reference each */
	TAILQ_ENTRY(unix_sock) pending_link; /* the listener's lock */
	int pending_count, backlog;

	_Atomic(struct stream_pair *) pair; /* streams: set once, put at close */
	int side; /* immutable once there is a pair */

	struct mutex peering; /* held over changes of the next two; before s.lock */
	struct unix_sock *peer; /* messages: one reference */
	struct waiter peer_room; /* on the peer's room queue, while there is a peer */
	struct dgram_queue queue; /* messages; its own lock */
};

static inline struct unix_sock *unix_of(struct socket *s)
{
	return CONTAINER_OF(s, struct unix_sock, s);
}

extern const struct sock_ops unix_stream_ops, unix_dgram_ops, unix_seqpacket_ops;

/* --- unix.c --- */
/* A socket without a name; NULL: no memory. */
struct unix_sock *unix_new(int type);
int unix_bind(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len) MUST_CHECK;
int unix_getname(struct socket *s, bool peer, union sock_addr *a, socklen_t *len) MUST_CHECK;
int64_t unix_ioctl(struct socket *s, struct task *t, unsigned cmd, uint64_t arg) MUST_CHECK;
void unix_close(struct socket *s);
void unix_destroy(struct socket *s);
void unix_each_rights(struct socket *s, void (*fn)(struct rights *r, void *arg), void *arg);
void unix_purge(struct socket *s);
/* With a reference, or NULL. */
struct unix_sock *unix_peer_get(struct unix_sock *u);
/* u's peer from now on is `peer` (may be NULL), whose room wakes u; takes over that reference and returns the old peer with its. No
 * lock held. */
struct unix_sock *unix_peer_swap(struct unix_sock *u, struct unix_sock *peer);
/* The same, dropping the old one. */
void unix_peer_set(struct unix_sock *u, struct unix_sock *peer);

/* --- unix_name.c --- */
int unix_name_new(const union sock_addr *addr, socklen_t len, struct unix_name **out) MUST_CHECK;
void unix_name_put(struct unix_name *n);
/* Is a a unix address: -EINVAL. Paths end at their NUL: *len becomes that of Linux's own idea of the address. */
int unix_check_addr(const union sock_addr *a, socklen_t *len) MUST_CHECK;
int unix_name_bind_path(struct unix_sock *u, struct task *t, const union sock_addr *addr, socklen_t len) MUST_CHECK;
int unix_name_bind_abstract(struct unix_sock *u, const union sock_addr *addr, socklen_t len) MUST_CHECK;
/* An abstract name of five hexadecimal digits for a socket that has none. */
int unix_name_autobind(struct unix_sock *u) MUST_CHECK;
/* Nobody finds u any more. */
void unix_name_release(struct unix_sock *u);
/* Who has that address, with a reference: -ECONNREFUSED, -EPROTOTYPE, or what walking to a path gives. */
int unix_name_find(struct task *t, const union sock_addr *a, socklen_t len, int type, struct unix_sock **out) MUST_CHECK;
/* Into a[]: the name of u, or just the family. Returns the length. */
socklen_t unix_name_get(struct unix_sock *u, union sock_addr *a);

/* --- unix_connect.c --- */
int unix_listen(struct socket *s, int backlog) MUST_CHECK;
int unix_connect(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock) MUST_CHECK;
int unix_accept(struct socket *s, bool nonblock, struct socket **out) MUST_CHECK;
/* u was listening and is closed: so are those that nobody accepted. */
void unix_pending_close(struct unix_sock *u);

/* --- unix_dgram.c --- */
/* u, of sequenced packets, is closed: so is its peer's way to it. reset: with messages unread, or never accepted. */
void unix_seqpacket_hangup(struct unix_sock *peer, bool reset);

#endif
