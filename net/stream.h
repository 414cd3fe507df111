/* SPDX-License-Identifier: Apache-2.0 */
/* A two-way stream of bytes between two sockets of this sandbox: unix streams and loopback TCP. See stream.c. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "net/socket.h"

struct stream_pair;

/* What the end of the other side does to a writer. */
enum stream_kind { STREAM_UNIX, STREAM_TCP };

/* Connects a (side 0) and b (side 1); takes references on both. What may be under way is what SO_SNDBUF of the writer says, and for
 * TCP SO_RCVBUF of the reader as well. */
int stream_pair_new(enum stream_kind kind, struct socket *a, struct socket *b, struct stream_pair **out) MUST_CHECK;
void stream_pair_get(struct stream_pair *p);
void stream_pair_put(struct stream_pair *p);
struct socket *stream_peer(struct stream_pair *p, int side); /* borrowed while the pair is referenced */

/* As sock_ops. recv: 0 at the end. */
ssize_t stream_send(struct stream_pair *p, int side, struct sock_msg *m) MUST_CHECK;
ssize_t stream_recv(struct stream_pair *p, int side, struct sock_msg *m) MUST_CHECK;
/* The urgent byte: as recv(2) with MSG_OOB. */
ssize_t stream_recv_urgent(struct stream_pair *p, int side, struct sock_msg *m) MUST_CHECK;
/* Is it what side would read next? */
bool stream_at_mark(struct stream_pair *p, int side);
int stream_shutdown(struct stream_pair *p, int side, int how);
uint32_t stream_poll(struct stream_pair *p, int side);
/* The socket of that side is closed. linger0: as SO_LINGER with 0, a reset. */
void stream_close(struct stream_pair *p, int side, bool reset);
/* Both sides have said that they write no more, or the connection was reset. */
bool stream_is_over(struct stream_pair *p);
/* Bytes that side can read, up to an urgent one; that it has written and that were not read yet. */
size_t stream_readable(struct stream_pair *p, int side);
size_t stream_unread(struct stream_pair *p, int side);
/* Calls fn for every set of rights that waits to be read by side, under the pair's lock. */
void stream_each_rights(struct stream_pair *p, int side, void (*fn)(struct rights *r, void *arg), void *arg);
/* Throws away all that side could read. */
void stream_purge(struct stream_pair *p, int side);

#endif
