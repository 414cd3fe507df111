/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that keep their boundaries, and queues of them: unix datagrams, sequenced packets, UDP. See dgram.c. */
#ifndef NET_DGRAM_H
#define NET_DGRAM_H

#include "net/socket.h"

#include <time.h>

struct dgram {
	TAILQ_ENTRY(dgram) link;
	struct socket *sender; /* charged for it until it is freed, one reference; NULL: nobody is */
	struct rights *rights;
	struct ucred cred;
	bool has_cred;
	struct timespec stamp; /* when it arrived */
	uint64_t to[2]; /* the family's: where it was sent */
	union sock_addr from;
	socklen_t from_len;
	size_t len, charge;
	unsigned char data[];
};

struct dgram_queue {
	struct mutex lock;
	TAILQ_HEAD(, dgram) list; /* all below: lock */
	int count;
	size_t charge;
	bool closed; /* takes nothing any more */
};

void dgram_queue_init(struct dgram_queue *q);
void dgram_queue_fini(struct dgram_queue *q);

/* All that m->io has left, copied; m->io is advanced. sender (may be NULL) is charged. -EFAULT, -ENOMEM. */
int dgram_new(struct sock_msg *m, struct socket *sender, struct dgram **out) MUST_CHECK;
/* No queue's lock may be held. */
void dgram_free(struct dgram *d);
/* What a message of len bytes is charged for: its own size does not bound how many there are. */
size_t dgram_charge(size_t len);

/* Appends d, launching its rights. -ECONNREFUSED if the queue is closed, -EAGAIN if it has more than count messages or its charge
 * exceeds the limit already; d is the caller's then. */
int dgram_queue_add(struct dgram_queue *q, struct dgram *d, int count, size_t charge) MUST_CHECK;
/* The first message into m, which it leaves unless MSG_PEEK is set: as recvmsg(2), -EAGAIN if there is none. The caller
 * tells writers of room. extra: called for the message while it exists. */
ssize_t dgram_queue_take(struct dgram_queue *q, struct sock_msg *m, void (*extra)(struct sock_msg *m, const struct dgram *d,
		void *arg), void *arg) MUST_CHECK;
bool dgram_queue_is_empty(struct dgram_queue *q);
int dgram_queue_count(struct dgram_queue *q);
/* What its messages are charged for together. */
size_t dgram_queue_charge(struct dgram_queue *q);
/* Bytes of the first message, or of all. */
size_t dgram_queue_bytes(struct dgram_queue *q, bool all);
/* Frees all; closed: for good. True if there was any. */
bool dgram_queue_flush(struct dgram_queue *q, bool closed);
/* As sock_ops.each_rights. */
void dgram_queue_each_rights(struct dgram_queue *q, void (*fn)(struct rights *r, void *arg), void *arg);
/* SO_TIMESTAMP and SO_TIMESTAMPNS. */
void sock_msg_add_stamp(struct sock_msg *m, const struct socket *s, const struct timespec *stamp);

#endif
