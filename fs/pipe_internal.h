/* SPDX-License-Identifier: Apache-2.0 */
/* What pipe.c and splice.c share. */
#ifndef FS_PIPE_INTERNAL_H
#define FS_PIPE_INTERNAL_H

#include "fs/pipe.h"

struct pipe_record {
	uint32_t len;
	bool packet;
};

struct pipe {
	struct ref ref; /* one for each open file, one for a FIFO's inode */
	struct mutex lock;
	struct waitq waitq;
	/* All below: protected by lock. */
	unsigned char *ring;
	uint32_t size, head, len; /* of the ring, a power of two; of the data in it */
	uint32_t capacity;
	int readers, writers;
	uint32_t reader_opens, writer_opens; /* ever */
	struct pipe_record *records; /* record_slots of them, a ring too */
	uint32_t record_slots, first_record, record_count;
};

struct ring_piece {
	unsigned char *data;
	size_t len;
};

/* The first contiguous piece of the data, and of the room that pipe_reserve() made. Lock held in all of these. */
struct ring_piece pipe_data(struct pipe *p, size_t max);
struct ring_piece pipe_room(struct pipe *p, size_t max);
/* Makes the ring large enough for n more bytes, as far as the capacity allows. */
int pipe_reserve(struct pipe *p, size_t n) MUST_CHECK;
void pipe_consume(struct pipe *p, size_t n);
/* How many bytes one read may take: a packet's, or all that come before one. */
size_t pipe_readable(struct pipe *p);
/* Consumes n bytes just read; all of a packet. */
void pipe_consume_read(struct pipe *p, size_t n);
/* Consumes n bytes, maybe a part of a packet. */
void pipe_consume_some(struct pipe *p, size_t n);
void pipe_record_bytes(struct pipe *p, size_t n);
bool pipe_packet_room(const struct pipe *p);
bool pipe_writable_now(const struct pipe *p);

#endif
