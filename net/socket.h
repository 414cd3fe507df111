/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: what the families have in common.
 *
 * Theory of operation. A socket is reference counted apart from its open file: its file holds one reference, connections and queues hold
 * others, so that a wait queue that somebody notifies is never gone. close() is told once, when the file is released. The operations
 * below never block; socket_file.c and the system calls wait on the socket's queue and try again, as for all files.
 *
 * Locks, outermost first: a family's name table, socket.lock, the lock of a connection or message queue, wait queues. Two
 * sockets are never locked together.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "fs/async.h"
#include "kernel/cred.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

struct socket;
struct rights;

union sock_addr {
	struct sockaddr sa;
	struct sockaddr_storage storage;
	struct sockaddr_un un;
};

/* Ancillary data beside rights and credentials: one message of control data. */
struct sock_extra {
	int level, type;
	socklen_t len;
	union {
		unsigned char bytes[48];
		int64_t align;
	} data;
};
enum { SOCK_EXTRA_MAX = 6 };

/* One sendmsg or recvmsg, in sentry memory but for the data. */
struct sock_msg {
	struct io *io;
	int flags; /* MSG_* as asked; MSG_DONTWAIT also if the file does not block */
	bool addr_given; /* send: addr is the destination */
	union sock_addr addr; /* send: destination; recv: source */
	socklen_t addr_len; /* recv: 0 when there is none */
	struct rights *rights; /* send: taken over on success; recv: given */
	struct ucred cred; /* send: the sender's; recv: of whoever sent */
	bool has_cred; /* send: given by SCM_CREDENTIALS, so always passed on; recv: cred is set */
	int out_flags; /* recv: MSG_TRUNC, MSG_EOR, ... */
	bool goes_on; /* recv: the same call has given bytes before */
	bool eof; /* recv: there was nothing, not even an empty message */
	bool ends; /* recv: what follows is for another call, whatever MSG_WAITALL says */
	size_t full_len; /* recv: the datagram's real length, if out_flags has MSG_TRUNC */
	int extra_count; /* send: as given; recv: what the receiver asked for by options */
	struct sock_extra extra[SOCK_EXTRA_MAX];
	struct socket *blocked_on; /* send, -EAGAIN: a reference on the receiver whose `room` queue will tell; the caller drops it */
};

/* Adds a control message of len bytes to m; too many and too long ones are dropped. */
void sock_msg_add(struct sock_msg *m, int level, int type, const void *data, socklen_t len);

struct sock_ops {
	const char *name;
	/* setsockopt and getsockopt do SOL_SOCKET too, all but what only the sentry can keep; an error that was taken is lost with them. */
	bool own_generic;
	int (*bind)(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len);
	int (*listen)(struct socket *s, int backlog);
	/* -EAGAIN: try again when the socket is notified; -EINPROGRESS: answered later through SO_ERROR (TCP, nonblock). */
	int (*connect)(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock);
	int (*accept)(struct socket *s, bool nonblock, struct socket **out); /* a reference to a socket without a file */
	int (*getname)(struct socket *s, bool peer, union sock_addr *a, socklen_t *len);
	ssize_t (*send)(struct socket *s, struct sock_msg *m);
	ssize_t (*recv)(struct socket *s, struct sock_msg *m);
	int (*shutdown)(struct socket *s, int how);
	uint32_t (*poll)(struct socket *s);
	/* Options of the family's own levels; generic ones are done, but for own_generic. -ENOPROTOOPT. */
	int (*setsockopt)(struct socket *s, int level, int name, const void *value, socklen_t len);
	int (*getsockopt)(struct socket *s, int level, int name, void *value, socklen_t *len);
	int64_t (*ioctl)(struct socket *s, struct task *t, unsigned cmd, uint64_t arg); /* -ENOTTY */
	/* SCM_RIGHTS: calls fn for each set of rights that waits to be read from s, under whatever lock protects them; throws away all that
	 * waits. NULL: rights cannot be sent to it. */
	void (*each_rights)(struct socket *s, void (*fn)(struct rights *r, void *arg), void *arg);
	void (*purge)(struct socket *s);
	/* Its file has an owner, to be signalled from now on through s->async. NULL: it does so anyway. */
	void (*watch)(struct socket *s);
	void (*close)(struct socket *s); /* the file is gone */
	void (*destroy)(struct socket *s); /* the last reference is gone: frees it */
};

struct sock_options {
	_Atomic int sndbuf, rcvbuf, rcvlowat, priority, mark, busy_poll;
	_Atomic bool sndbuf_set, rcvbuf_set; /* by the guest */
	_Atomic bool reuseaddr, reuseport, keepalive, broadcast, dontroute, oobinline, passcred, passsec, timestamp, timestampns,
		no_check, linger_on;
	_Atomic int linger;
	_Atomic int64_t rcvtimeo, sndtimeo; /* ns; 0 for ever */
};

struct socket {
	struct ref ref;
	const struct sock_ops *ops; /* immutable, as the next three */
	int domain, type, protocol;
	struct mutex lock;
	struct waitq waitq;
	struct async_list async; /* O_ASYNC of its file */
	_Atomic bool no_room; /* a sender was told to wait: its file is to hear of room */
	struct waitq room; /* of a receiver of datagrams: notified when its queue has room again */
	struct sock_options opt;
	_Atomic int error; /* SO_ERROR: positive errno */
	_Atomic bool listening;
	_Atomic(struct file *) file; /* borrowed; NULL before accept and after close */
	_Atomic int64_t queued; /* what it has sent and nobody has read: dgram.c charges it */
	struct ucred peer; /* SO_PEERCRED; lock */
	int in_flight; /* how many times its file is: rights.c, as the next */
	LIST_ENTRY(socket) flight_link;
};

void socket_init(struct socket *s, const struct sock_ops *ops, int domain, int type, int protocol);
/* Frees what socket_init() made; for ops->destroy. */
void socket_fini(struct socket *s);
void socket_get(struct socket *s);
void socket_put(struct socket *s);
/* The socket behind f, or NULL. */
struct socket *socket_of(const struct file *f);
/* An open file for s. Takes over the reference on success. flags: SOCK_NONBLOCK. */
int socket_file_new(struct socket *s, int flags, struct file **out) MUST_CHECK;
/* Something happened: tells who waits for one of the events, and by O_ASYNC's signal what `code` (POLL_IN, ...; 0: nothing) names. No lock
 * held. */
void socket_tell(struct socket *s, uint32_t events, int code);
/* There is room to send again: tells of it, by O_ASYNC only if somebody found none. */
void socket_room(struct socket *s, uint32_t events);
/* Takes the pending error: 0 or negative errno. */
int socket_take_error(struct socket *s);
/* What t sends as its credentials (real ids), and what SO_PEERCRED of its peers shows (effective ids). */
struct ucred socket_cred(struct task *t);
struct ucred socket_peer_cred(struct task *t);
/* Notified when some listener's backlog has room again, or is gone: where connect(2) of unix sockets waits. */
struct waitq *socket_backlog_waitq(void);

/* socket(2) and socketpair(2): type without SOCK_NONBLOCK and SOCK_CLOEXEC. One reference each. */
int socket_create(struct task *t, int domain, int type, int protocol, struct socket **out) MUST_CHECK;
int socket_create_pair(struct task *t, int domain, int type, int protocol, struct socket *out[2]) MUST_CHECK;
int unix_create(struct task *t, int type, int protocol, struct socket **out) MUST_CHECK;
int unix_create_pair(struct task *t, int type, int protocol, struct socket *out[2]) MUST_CHECK;
int inet_create(struct task *t, int domain, int type, int protocol, struct socket **out) MUST_CHECK;

/* The blocking calls. Return as sendmsg(2) and recvmsg(2), restart codes included. */
ssize_t socket_send(struct task *t, struct file *f, struct sock_msg *m) MUST_CHECK;
ssize_t socket_recv(struct task *t, struct file *f, struct sock_msg *m) MUST_CHECK;
int socket_connect(struct task *t, struct file *f, const union sock_addr *a, socklen_t len) MUST_CHECK;
int socket_accept(struct task *t, struct file *f, struct socket **out) MUST_CHECK;

/* SOL_SOCKET options, then the family's. value is sentry memory; *len in and out. */
enum { SOCKOPT_MAX = 256 };
int socket_setsockopt(struct socket *s, struct task *t, int level, int name, const void *value, socklen_t len) MUST_CHECK;
int socket_getsockopt(struct socket *s, int level, int name, void *value, socklen_t *len) MUST_CHECK;

/* --- SCM_RIGHTS: open files in flight (rights.c) --- */

enum { RIGHTS_MAX = 253 };
struct rights {
	bool in_flight;
	int count;
	struct file *files[];
};
/* References on the descriptors of t: -EBADF, -ETOOMANYREFS, -EINVAL, -ENOMEM. */
int rights_new(struct task *t, const int *fds, int count, struct rights **out) MUST_CHECK;
/* A queue that a socket reads takes r, or gives it away: told before r is put in, and when it is taken out to be received. */
void rights_launch(struct rights *r);
void rights_land(struct rights *r);
/* A socket was closed: looks for open files that only lie in each other's queues, and drops them. No lock may be held. */
void rights_collect(void);
/* A second one with the same files, for MSG_PEEK. NULL: no memory. */
struct rights *rights_dup(const struct rights *r);
/* Drops the files. r may be NULL. No lock may be held, unless file_ends_hold() is in force. */
void rights_free(struct rights *r);

#endif
