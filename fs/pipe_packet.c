/* SPDX-License-Identifier: Apache-2.0 */
/* The room of a pipe, and packets in it: pipe(2) on O_DIRECT.
 *
 * While the ring holds a packet, records[] says how its bytes are divided: a packet's, or those without bounds between packets. Each
 * record takes one of as many slots as capacity has pages, as in the kernel. Without packets there are no records, and bytes count as
 * packed into their slots.
 *
 * Invariant (under the pipe's lock): the records sum up to ring.len if there are any.
 */
#include "fs/pipe_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/param.h>

static struct pipe_record *record_at(struct pipe *p, uint32_t i)
{
	return &p->records[(p->first_record + i) & (p->record_slots - 1)];
}

static struct pipe_record *last_record(struct pipe *p)
{
	return record_at(p, p->record_count - 1);
}

/* Bytes without packets lie packed in theirs. */
static uint32_t slots_used(const struct pipe *p)
{
	return p->record_count ? p->record_count : (p->ring.len + PIPE_SLOT - 1) / PIPE_SLOT;
}

static bool packet_room(const struct pipe *p)
{
	return slots_used(p) < p->capacity / PIPE_SLOT;
}

static uint32_t free_bytes(const struct pipe *p)
{
	return p->capacity > p->ring.len ? p->capacity - p->ring.len : 0;
}

size_t pipe_room(struct pipe *p)
{
	if (p->ring.len && p->source == PIPE_PACKET && !packet_room(p))
		return 0; /* a packet is not added to */
	return free_bytes(p);
}

bool pipe_writable_now(const struct pipe *p)
{
	return free_bytes(p) >= PIPE_BUF && packet_room(p);
}

int pipe_records_resize(struct pipe *p, uint32_t capacity)
{
	uint32_t slots = capacity / PIPE_SLOT;
	struct pipe_record *records;

	if (p->record_count > slots)
		return -EBUSY;
	records = calloc(slots, sizeof(*records));
	if (!records)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->record_count; i++)
		records[i] = *record_at(p, i);
	free(p->records);
	p->records = records;
	p->record_slots = slots;
	p->first_record = 0;
	return 0;
}

size_t pipe_packet_room(const struct pipe *p)
{
	return packet_room(p) ? MIN(free_bytes(p), PIPE_SLOT) : 0;
}

/* Makes room for one more record, and one for plain bytes that are there already. */
int pipe_packets_begin(struct pipe *p)
{
	int err;

	if (p->record_count)
		return 0;
	err = p->records ? 0 : pipe_records_resize(p, p->capacity);
	if (err)
		return err;
	p->first_record = 0;
	if (p->ring.len)
		*record_at(p, p->record_count++) = (struct pipe_record){ p->ring.len, p->source };
	return 0;
}

void pipe_record_packet(struct pipe *p, size_t n)
{
	p->source = PIPE_PACKET;
	*record_at(p, p->record_count++) = (struct pipe_record){ (uint32_t)n, PIPE_PACKET };
}

void pipe_record_bytes(struct pipe *p, size_t n, enum pipe_source source)
{
	struct pipe_record *last;

	p->source = source;
	if (!p->record_count)
		return;
	last = last_record(p);
	if (last->source == PIPE_PACKET && p->record_count < p->record_slots) {
		*record_at(p, p->record_count++) = (struct pipe_record){ (uint32_t)n, source };
		return;
	}
	last->len += (uint32_t)n;
	last->source = source;
}

/* n bytes at the head were consumed. */
static void records_consume(struct pipe *p, size_t n)
{
	while (n && p->record_count) {
		struct pipe_record *r = record_at(p, 0);
		size_t k = MIN(n, r->len);

		r->len -= (uint32_t)k;
		n -= k;
		if (!r->len) {
			p->first_record++;
			p->record_count--;
		}
	}
}

size_t pipe_run(struct pipe *p, uint32_t i, enum pipe_source *source)
{
	*source = p->record_count ? record_at(p, i)->source : p->source;
	return p->record_count ? record_at(p, i)->len : p->ring.len;
}

void pipe_consume_some(struct pipe *p, size_t n)
{
	records_consume(p, n);
	ring_consume(&p->ring, n);
}

void pipe_consume_packet(struct pipe *p)
{
	pipe_consume_some(p, record_at(p, 0)->len);
}

/* What is no whole page joins the bytes without bounds that come last, if their page has room for it: Linux asks the last page, not
 * the writer, whether it may be added to. */
static ssize_t join_bytes(struct pipe *p, struct io *io)
{
	size_t n = io->left % PIPE_SLOT, last = p->record_count ? last_record(p)->len : p->ring.len;
	ssize_t r;

	if (p->source != PIPE_WRITTEN || !n || last % PIPE_SLOT == 0 || last % PIPE_SLOT + n > PIPE_SLOT || free_bytes(p) < n)
		return 0;
	r = ring_copy_in(&p->ring, io, n, p->capacity);
	if (r > 0)
		pipe_record_bytes(p, (size_t)r, PIPE_WRITTEN);
	return r;
}

ssize_t pipe_write_packets(struct pipe *p, struct io *io)
{
	ssize_t total = join_bytes(p, io), r = -EAGAIN;

	if (total < 0)
		return total;
	while (io->left) {
		size_t n = MIN(io->left, PIPE_BUF);

		if (pipe_packet_room(p) < n)
			break;
		r = pipe_packets_begin(p);
		if (r)
			break;
		r = ring_copy_in(&p->ring, io, n, p->capacity);
		if (r <= 0)
			break;
		pipe_record_packet(p, (size_t)r);
		total += r;
	}
	return total ? total : r;
}
