/* SPDX-License-Identifier: Apache-2.0 */
/* What ldisc.c (output, reading) and ldisc_input.c (editing, receiving) share. */
#ifndef FS_LDISC_INTERNAL_H
#define FS_LDISC_INTERNAL_H

#include "fs/ldisc.h"

enum { DELETE = 0x7f, TAB = 8 };

static inline bool iflag(const struct ldisc *l, uint32_t f)
{
	return l->tio.c_iflag & f;
}

static inline bool lflag(const struct ldisc *l, uint32_t f)
{
	return l->tio.c_lflag & f;
}

/* Is c the character of that function? NUL means that there is none. */
static inline bool is(const struct ldisc *l, int function, unsigned char c)
{
	return c && l->tio.c_cc[function] == c;
}

static inline bool is_control(unsigned char c)
{
	return c < ' ' || c == DELETE;
}

/* A byte of a UTF-8 character that is not its first. */
static inline bool continues(const struct ldisc *l, unsigned char c)
{
	return iflag(l, IUTF8) && (c & 0xc0) == 0x80;
}

/* Input comes in lines. */
static inline bool by_line(const struct ldisc *l)
{
	return lflag(l, ICANON) && !lflag(l, EXTPROC);
}

static inline unsigned char *at(const struct ldisc *l, uint32_t x)
{
	return &l->in[x % LDISC_INPUT];
}

static inline bool ends_line(const struct ldisc *l, uint32_t x)
{
	x %= LDISC_INPUT;
	return l->ends[x / 64] >> (x % 64) & 1;
}

static inline void mark_end(struct ldisc *l, uint32_t x, bool on)
{
	x %= LDISC_INPUT;
	if (on)
		l->ends[x / 64] |= 1ULL << (x % 64);
	else
		l->ends[x / 64] &= ~(1ULL << (x % 64));
}

/* One character of output, as it is and as OPOST and its companions say (at most TAB bytes). */
void ldisc_put(struct ldisc *l, unsigned char c);
void ldisc_put_processed(struct ldisc *l, unsigned char c);

#endif
