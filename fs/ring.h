/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of bytes in the sentry's heap: what pipes, streams and terminals buffer in. Not locked.
 *
 * A ring's size is a power of two and grows with what it holds, up to a capacity its owner names; an empty ring starts again
 * at its beginning, so small transfers stay in one warm page. */
#ifndef FS_RING_H
#define FS_RING_H

#include "mm/guest.h"

struct ring {
	unsigned char *bytes;
	uint32_t size, head, len;
};

struct ring_piece {
	unsigned char *data;
	size_t len;
};

void ring_free(struct ring *r);
/* The first contiguous piece of the data from `skip` on, and of the room that ring_reserve() made. */
struct ring_piece ring_data(const struct ring *r, size_t skip, size_t max);
struct ring_piece ring_room(const struct ring *r, size_t max);
/* All of the room that was reserved, at most max bytes, or of the data: a transfer's memory, in as many pieces as the ring has there. */
enum { RING_PIECES = 2 };
void ring_room_io(const struct ring *r, size_t max, struct iovec pieces[static RING_PIECES], struct io *out);
void ring_data_io(const struct ring *r, size_t max, struct iovec pieces[static RING_PIECES], struct io *out);
/* Makes the ring large enough for n more bytes, as far as capacity allows. -ENOMEM. */
int ring_reserve(struct ring *r, size_t n, uint32_t capacity) MUST_CHECK;
/* Gives memory back: the ring becomes `size`, which holds what is in it. */
int ring_resize(struct ring *r, uint32_t size) MUST_CHECK;
void ring_consume(struct ring *r, size_t n);
/* Takes the byte at `at` out of the middle. */
void ring_remove(struct ring *r, size_t at);
/* n bytes, which are there, from `skip` on to io; nothing is consumed. As io_put(). */
ssize_t ring_copy_out(const struct ring *r, struct io *io, size_t skip, size_t n) MUST_CHECK;
/* n bytes, which fit the capacity, from io to the end of the ring. As io_take(), or -ENOMEM. */
ssize_t ring_copy_in(struct ring *r, struct io *io, size_t n, uint32_t capacity) MUST_CHECK;

#endif
