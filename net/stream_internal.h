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
};

TAILQ_HEAD(segments, segment);

struct direction {
	struct ring ring;
	struct segments segments; /* empty: all bytes are plain */
	bool urgent; /* byte urgent_at of the ring is, or was when urgent_read */
	bool urgent_read;
	size_t urgent_at;
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

/* The pair's lock is held in all of these. n bytes have been read. */
void stream_consume(struct direction *d, size_t n);
/* Is d's next byte one that a read leaves out? */
bool stream_at_hole(const struct stream_pair *p, int reader, const struct direction *d);
/* The last byte is urgent from now on; one that was so before is a byte as any other, or gone if it was next. */
void stream_mark_urgent(struct stream_pair *p, struct direction *d);

#endif
