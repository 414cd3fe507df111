/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of bytes: see ring.h. */
#include "fs/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RING_MIN = 4096 };

void ring_free(struct ring *r)
{
	free(r->bytes);
	*r = (struct ring){ 0 };
}

struct ring_piece ring_data(const struct ring *r, size_t skip, size_t max)
{
	uint32_t at = r->size ? (r->head + (uint32_t)skip) & (r->size - 1) : 0;
	size_t n = MIN(MIN(max, r->len - skip), r->size - at);

	return (struct ring_piece){ r->bytes + at, n };
}

struct ring_piece ring_room(const struct ring *r, size_t max)
{
	uint32_t tail = (r->head + r->len) & (r->size - 1);
	size_t n = MIN(MIN(max, (size_t)r->size - r->len), r->size - tail);

	return (struct ring_piece){ r->bytes + tail, n };
}

static void wrapped_io(const struct ring *r, struct ring_piece first, size_t n, struct iovec pieces[static RING_PIECES],
		       struct io *out)
{
	pieces[0] = (struct iovec){ .iov_base = first.data, .iov_len = first.len };
	pieces[1] = (struct iovec){ .iov_base = r->bytes, .iov_len = n - first.len };
	io_init_pieces(out, pieces, n > first.len ? 2 : 1);
}

void ring_room_io(const struct ring *r, size_t max, struct iovec pieces[static RING_PIECES], struct io *out)
{
	wrapped_io(r, ring_room(r, max), MIN(max, (size_t)r->size - r->len), pieces, out);
}

void ring_data_io(const struct ring *r, size_t max, struct iovec pieces[static RING_PIECES], struct io *out)
{
	wrapped_io(r, ring_data(r, 0, max), MIN(max, r->len), pieces, out);
}

int ring_resize(struct ring *r, uint32_t size)
{
	unsigned char *bytes = malloc(size);
	uint32_t first;

	if (!bytes)
		return -ENOMEM;
	if (r->len) {
		first = MIN(r->len, r->size - r->head);
		memcpy(bytes, r->bytes + r->head, first);
		memcpy(bytes + first, r->bytes, r->len - first);
	}
	free(r->bytes);
	r->bytes = bytes;
	r->size = size;
	r->head = 0;
	return 0;
}

int ring_reserve(struct ring *r, size_t n, uint32_t capacity)
{
	uint32_t size = r->size ? r->size : RING_MIN;

	while (size < r->len + n && size < capacity)
		size *= 2;
	return size == r->size ? 0 : ring_resize(r, size);
}

void ring_consume(struct ring *r, size_t n)
{
	r->len -= (uint32_t)n;
	r->head = r->len ? (r->head + (uint32_t)n) & (r->size - 1) : 0;
}

ssize_t ring_copy_out(const struct ring *r, struct io *io, size_t skip, size_t n)
{
	size_t total = 0;

	while (total < n) {
		struct ring_piece p = ring_data(r, skip + total, n - total);
		ssize_t k = io_put(io, p.data, p.len);

		if (k <= 0)
			return total ? (ssize_t)total : k;
		total += (size_t)k;
		if ((size_t)k < p.len)
			break;
	}
	return (ssize_t)total;
}

ssize_t ring_copy_in(struct ring *r, struct io *io, size_t n, uint32_t capacity)
{
	size_t total = 0;
	int err = ring_reserve(r, n, capacity);

	if (err)
		return err;
	while (total < n) {
		struct ring_piece p = ring_room(r, n - total);
		ssize_t k = p.len ? io_take(io, p.data, p.len) : 0;

		if (k <= 0)
			return total ? (ssize_t)total : k;
		r->len += (uint32_t)k;
		total += (size_t)k;
		if ((size_t)k < p.len)
			break;
	}
	return (ssize_t)total;
}

void ring_remove(struct ring *r, size_t at)
{
	for (; at; at--)
		r->bytes[(r->head + at) & (r->size - 1)] = r->bytes[(r->head + at - 1) & (r->size - 1)];
	ring_consume(r, 1);
}
