/* SPDX-License-Identifier: Apache-2.0 */
/* What stream.c and stream_urgent.c share. */
#ifndef NET_STREAM_INTERNAL_H
#define NET_STREAM_INTERNAL_H

#include "fs/ring.h"
#include "net/stream.h"

#include <sys/queue.h>

struct segment {
	TAILQ_ENTRY(segment) link;
	size_t len;
	struct rights *rights;
	struct ucred cred;
	bool has_cred;
	bool urgent; /* one byte sent with MSG_OOB, or, when len is 0, the place where it was */
};

TAILQ_HEAD(segments, segment);

struct direction {
	struct ring ring;
	struct segments segments; /* empty: all bytes are plain */
	size_t segment_count;
	struct segment *oob; /* unix: the last urgent byte, unless it was read */
	bool urgent; /* TCP: byte urgent_at of the ring is, or was when urgent_read */
	bool urgent_read;
	size_t urgent_at;
	bool awaited; /* since it was last told of room, somebody was told that there is none */
	bool writer_done; /* shut down for writing, or closed */
	bool reader_done; /* shut down for reading, or closed */
	bool reader_closed;
	bool reset; /* the connection is no more: writing fails whatever TCP knows */
};

struct stream_pair {
	struct ref ref;
	enum stream_kind kind;
	struct mutex lock;
	struct direction dir[2]; /* lock */
	struct socket *sock[2]; /* immutable */
};

/* The pair's lock is held in all of these. */
static inline void segment_unlink(struct direction *d, struct segment *s)
{
	TAILQ_REMOVE(&d->segments, s, link);
	d->segment_count--;
}

/* n bytes have been read. */
void stream_consume(struct direction *d, size_t n);
/* Is d's next byte one that a read leaves out? */
bool stream_at_hole(const struct stream_pair *p, int reader, const struct direction *d);
/* The last byte is urgent from now on; one that was so before is a byte as any other, or gone if it was next. */
void stream_mark_urgent(struct stream_pair *p, struct direction *d);

/* The segment that a read of side goes on with, or begins with unless `copied`: s, or one behind urgent bytes, which go to *dropped, or
 * are left out by adding to *skip when the read only looks. NULL: none; m->ends if it stops before an urgent byte. */
struct segment *stream_pass_urgent(struct stream_pair *p, int side, struct segment *s, struct sock_msg *m, bool copied, size_t *skip,
				   struct segments *dropped);

#endif
