/* SPDX-License-Identifier: Apache-2.0 */
/* The line discipline of a pseudo-terminal: what turns the master's bytes into the slave's input, echoes them, raises signals, and
 * what the slave writes into what the master reads. termios(3). See ldisc.c. Not locked: the terminal's lock is held over all. */
#ifndef FS_LDISC_H
#define FS_LDISC_H

#include "fs/ring.h"
#include "fs/termios.h"

enum {
	LDISC_INPUT = 16384, /* what the slave may leave unread; a power of two */
	LDISC_LINE = 4095, /* a line longer than this loses characters: termios(3) */
	LDISC_OUTPUT = 8192, /* when writers wait */
	LDISC_ECHO = 16384, /* when echoes are lost; a power of two */
};

struct ldisc {
	struct termios2 tio;
	unsigned char *in; /* LDISC_INPUT bytes; the three below run freely, in[x % LDISC_INPUT] */
	uint32_t head, tail; /* end and start of the input */
	uint32_t line; /* end of the last complete line; only lines are read in canonical mode */
	uint64_t ends[LDISC_INPUT / 64]; /* which bytes end a line */
	struct ring out;
	uint32_t echoed; /* where the output was when the master's current write began: echoes from here on have not gone out */
	uint32_t held; /* where it was when it was stopped: echoes from here on wait; at most out.len */
	uint32_t column, line_column; /* where the output is, where the line being typed began */
	bool literal; /* the next character is just one (VLNEXT) */
	bool erasing; /* between the \ and / of ECHOPRT */
	bool stopped; /* output is, by the STOP character or TCOOFF */
	bool stopped_by_call; /* by TCOOFF: the START character does not help */
	uint8_t status; /* TIOCPKT_*: what happened since packet mode last asked */
	uint64_t signals; /* sig_bit()s raised and not sent yet */
};

int ldisc_init(struct ldisc *l) MUST_CHECK;
void ldisc_fini(struct ldisc *l);

/* The master has written: takes what there is room for and returns how much that was. */
size_t ldisc_receive(struct ldisc *l, const unsigned char *bytes, size_t n);
/* Can it take a byte? */
bool ldisc_has_room(const struct ldisc *l);
/* What a read of n bytes would have to wait for: at least `least` bytes outside canonical mode, a line in it. */
bool ldisc_readable(const struct ldisc *l, size_t least);
/* Bytes that FIONREAD tells of. */
size_t ldisc_count(const struct ldisc *l);
/* The slave reads; ldisc_readable() was true. As io_put(), and 0 for an end-of-file character. */
ssize_t ldisc_read(struct ldisc *l, struct io *io) MUST_CHECK;
/* The slave writes: as io_take(); -EAGAIN if nothing fits. */
ssize_t ldisc_write(struct ldisc *l, struct io *io) MUST_CHECK;
bool ldisc_writable(const struct ldisc *l);
/* How much the master can read, and the reading: as io_put(); -EAGAIN if there is nothing. */
size_t ldisc_output(const struct ldisc *l);
ssize_t ldisc_take_output(struct ldisc *l, struct io *io) MUST_CHECK;
void ldisc_drop_output(struct ldisc *l);

/* Settings change; what is typed and not read stays, divided anew. */
void ldisc_set(struct ldisc *l, const struct termios2 *tio);
void ldisc_flush_input(struct ldisc *l);
void ldisc_flush_output(struct ldisc *l);
void ldisc_stop(struct ldisc *l);
void ldisc_start(struct ldisc *l);

#endif
