/* SPDX-License-Identifier: Apache-2.0 */
/* What pipe.c and splice.c share. */
#ifndef FS_PIPE_INTERNAL_H
#define FS_PIPE_INTERNAL_H

#include "fs/async.h"
#include "fs/pipe.h"
#include "fs/ring.h"

/* Where bytes come from, and so what later ones may do: join those that were written; keep off what a splice brought, and packets. */
enum pipe_source { PIPE_WRITTEN, PIPE_LENT, PIPE_PACKET };

struct pipe_record {
	uint32_t len;
	enum pipe_source source; /* without bounds: of the last bytes */
};

enum { PIPE_SLOT = 4096 }; /* bytes, the kernel's page */

struct pipe {
	struct ref ref; /* one for each open file, one for a FIFO's inode */
	struct mutex lock;
	struct waitq waitq;
	struct async_list async_readers, async_writers; /* a file open for both is told as a reader */
	/* All below: protected by lock. */
	struct ring ring;
	uint32_t capacity;
	int readers, writers;
	uint32_t reader_opens, writer_opens; /* ever */
	struct pipe_record *records; /* record_slots of them, a ring too */
	uint32_t record_slots, first_record, record_count;
	enum pipe_source source; /* of the last bytes, if there are any */
};

/* In all of these the lock is held. Consumes all of the packet that comes first. */
void pipe_consume_packet(struct pipe *p);
/* Consumes n bytes, maybe a part of a packet. */
void pipe_consume_some(struct pipe *p, size_t n);
/* How many bytes without bounds may be put in now; they are, n of them. */
size_t pipe_room(struct pipe *p);
void pipe_record_bytes(struct pipe *p, size_t n, enum pipe_source source);
/* The i-th run of bytes of one kind: a packet, what is between packets, or everything where there are none. */
size_t pipe_run(struct pipe *p, uint32_t i, enum pipe_source *source);
/* The same as room and record for a packet; before its bytes are put in it is begun. -ENOMEM. */
size_t pipe_packet_room(const struct pipe *p);
int pipe_packets_begin(struct pipe *p) MUST_CHECK;
void pipe_record_packet(struct pipe *p, size_t n);
/* A write to a pipe that was opened with O_DIRECT. -EAGAIN: no room. */
ssize_t pipe_write_packets(struct pipe *p, struct io *io) MUST_CHECK;
/* Slots for a pipe of this capacity, with the records that there are. -EBUSY: they are too many, -ENOMEM: nothing has changed. */
int pipe_records_resize(struct pipe *p, uint32_t capacity) MUST_CHECK;
bool pipe_writable_now(const struct pipe *p);

/* Bytes were put in, taken out. No lock held. */
void pipe_written(struct pipe *p);
void pipe_drained(struct pipe *p, bool wake);

#endif
