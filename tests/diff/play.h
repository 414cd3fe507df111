/* SPDX-License-Identifier: Apache-2.0 */
/* What the differential tests share: seeded choices, and the text of what happened. */
#ifndef DIFF_PLAY_H
#define DIFF_PLAY_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct rng {
	uint64_t state;
};

/* splitmix64: any seed is as good as another, and a sequence can start at any number. */
static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline unsigned rng_below(struct rng *r, unsigned n)
{
	return (unsigned)(rng_next(r) % n);
}

static inline bool one_in(struct rng *r, unsigned n)
{
	return rng_below(r, n) == 0;
}

#define PICK(r, array) ((array)[rng_below(r, COUNT(array))])

static inline uint64_t fnv(uint64_t h, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size--)
		h = (h ^ *p++) * 0x100000001b3u;
	return h;
}
#define FNV_START 0xcbf29ce484222325u

struct text {
	size_t len;
	char buf[16384];
};

static inline void text_add(struct text *t, const char *format, ...)
{
	va_list ap;
	size_t room = sizeof(t->buf) - t->len;

	va_start(ap, format);
	int n = vsnprintf(t->buf + t->len, room, format, ap);
	va_end(ap);
	t->len += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

/* The result of a call: a number, or the name of its error. */
static inline void text_result(struct text *t, long r)
{
	if (r < 0)
		text_add(t, " = %s", strerrorname_np(errno) ? strerrorname_np(errno) : "?");
	else
		text_add(t, " = %ld", r);
}

#endif
