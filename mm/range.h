/* SPDX-License-Identifier: Apache-2.0 */
/* Half-open ranges [start, end) of addresses or file offsets, in bytes. */
#ifndef MM_RANGE_H
#define MM_RANGE_H

#include "platform/platform.h"

#include <stdbool.h>
#include <stdint.h>

struct range {
	uint64_t start, end;
};

static inline struct range range_make(uint64_t start, uint64_t end)
{
	return (struct range){ start, end };
}

static inline uint64_t range_len(struct range r)
{
	return r.end - r.start;
}

static inline bool range_empty(struct range r)
{
	return r.start >= r.end;
}

static inline bool range_contains(struct range r, uint64_t x)
{
	return r.start <= x && x < r.end;
}

static inline bool range_overlaps(struct range a, struct range b)
{
	return a.start < b.end && b.start < a.end;
}

static inline bool range_superset(struct range outer, struct range inner)
{
	return outer.start <= inner.start && inner.end <= outer.end;
}

static inline struct range range_intersect(struct range a, struct range b)
{
	struct range r = { a.start > b.start ? a.start : b.start, a.end < b.end ? a.end : b.end };

	if (r.end < r.start)
		r.end = r.start;
	return r;
}

static inline uint64_t page_down(uint64_t x)
{
	return x & PAGE_MASK;
}

/* Rounds up to a page; false on overflow, *out is then 0. */
static inline bool page_up(uint64_t x, uint64_t *out)
{
	*out = (x + PAGE_SIZE - 1) & PAGE_MASK;
	return *out >= x;
}

#endif
