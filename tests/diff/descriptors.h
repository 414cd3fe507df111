/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the differential test of descriptors share; see descriptors.c for the theory of operation. */
#ifndef DIFF_DESCRIPTORS_H
#define DIFF_DESCRIPTORS_H

#include "play.h"

#include <sys/types.h>

enum { PAGE = 4096, SLOTS = 14, LONGEST = 70000 };

enum kind { CLOSED, READER, WRITER, BOTH, STREAM, DGRAM, SEQPACKET, PLAIN_FILE, COUNTER, EPOLL, DEVICE };

struct slot {
	int fd; /* -1: closed */
	enum kind kind;
	unsigned rank; /* sockets: when the pair was made */
};
extern struct slot slot[SLOTS];

/* How long transfers are, so that pipes and sockets are full only where both worlds agree when they are. */
enum lengths { SHORT, WHOLE_PAGES, ANY };
extern enum lengths lengths;

extern bool urgent_bytes; /* may be sent */

extern char buffer[1 << 17], lent[PAGE];

/* Adds to what the sequence tells. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A result, and SIGPIPE if it came. */
void say_result(long r);
/* A result, and what was read with it. */
void say_read(long r, size_t room);

int choose_slot(struct rng *r);
int choose_open(struct rng *r); /* an open one, if a few tries find one */
int choose_kind(struct rng *r, enum kind first, enum kind last); /* -1: none found */
size_t choose_length(struct rng *r);
/* Bytes that no other step writes. */
void fill_buffer(size_t n);
void put(int i, int fd, enum kind kind, unsigned rank);
void drop(int i);

static inline bool is_socket(int i)
{
	return slot[i].kind >= STREAM && slot[i].kind <= SEQPACKET;
}

static inline bool is_pipe(int i)
{
	return slot[i].kind >= READER && slot[i].kind <= BOTH;
}

/* One kind of step; all that it does follows from the choices of r. */
struct op {
	const char *name;
	unsigned weight;
	void (*play)(struct rng *r);
};

/* Closed by an entry without a name. */
extern const struct op transfer_ops[], socket_ops[];

#endif
