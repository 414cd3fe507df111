/* SPDX-License-Identifier: Apache-2.0 */
/* Moving bytes between a pipe and another file, or two pipes, without a detour over guest memory: splice(2), tee(2).
 *
 * A file is read straight into the ring and written straight from it, with the pipe's lock held: the operations of files do not
 * block. That is one transfer even where the ring comes to its end, since a message must not be cut there. What was read from a
 * socket may have brought rights, the last on this very pipe among them: no file ends before the lock is dropped. Two pipes are
 * locked in the order of their addresses. Packets stay packets on their way from one to the other.
 */
#include "fs/pipe_internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

enum { SPLICE_ONCE = 16 * PIPE_SLOT }; /* what a file is given in one write, and so the longest message, as on Linux */

ssize_t pipe_splice_from_file(struct file *pf, struct file *in, off_t *pos, size_t len, int flags)
{
	struct pipe *p = pipe_of(pf);
	struct iovec pieces[RING_PIECES];
	struct io io;
	ssize_t r;

	file_ends_hold();
	mutex_lock(&p->lock);
	r = -EPIPE;
	if (!p->readers)
		goto out;
	r = -EAGAIN;
	if (!pipe_room(p))
		goto out;
	r = -EINVAL;
	if (!in->ops->read || !file_splices_from(in))
		goto out;
	len = MIN(len, pipe_room(p));
	r = ring_reserve(&p->ring, len, p->capacity);
	if (r)
		goto out;
	ring_room_io(&p->ring, len, pieces, &io);
	r = in->ops->read(in, &io, pos, flags);
	io_fini(&io);
	if (r > 0) {
		p->ring.len += (uint32_t)r;
		pipe_record_bytes(p, (size_t)r, PIPE_LENT);
	}
out:
	mutex_unlock(&p->lock);
	file_ends_release();
	if (r > 0)
		pipe_written(p);
	return r;
}

ssize_t pipe_splice_to_file(struct file *pf, struct file *out, off_t *pos, size_t len, int flags)
{
	struct pipe *p = pipe_of(pf);
	struct iovec pieces[RING_PIECES];
	bool was_writable, wake = false, empty = false;
	struct io io;
	ssize_t r;

	if (!out->ops->write)
		return -EINVAL;
	file_ends_hold();
	mutex_lock(&p->lock);
	was_writable = pipe_writable_now(p);
	if (!p->ring.len) {
		r = p->writers ? -EAGAIN : 0;
		goto out;
	}
	ring_data_io(&p->ring, MIN(len, SPLICE_ONCE), pieces, &io); /* packets end where the pipe does */
	r = file_write_once(out, &io, pos, flags);
	io_fini(&io);
	if (r > 0)
		pipe_consume_some(p, (size_t)r);
	wake = !was_writable && pipe_writable_now(p);
	empty = !p->ring.len;
out:
	mutex_unlock(&p->lock);
	file_ends_release();
	if (r > 0 && (wake || empty))
		pipe_drained(p, wake);
	return r;
}

/* n bytes, which are there from `skip` on and are of one kind, from in to out, which has room for them; in keeps them. */
static int copy_between(struct pipe *in, size_t skip, struct pipe *out, size_t n, enum pipe_source source)
{
	int err = ring_reserve(&out->ring, n, out->capacity);

	if (!err && source == PIPE_PACKET)
		err = pipe_packets_begin(out);
	if (err)
		return err;
	for (size_t done = 0; done < n;) {
		struct ring_piece from = ring_data(&in->ring, skip + done, n - done), room = ring_room(&out->ring, from.len);

		memcpy(room.data, from.data, room.len);
		out->ring.len += (uint32_t)room.len;
		done += room.len;
	}
	if (source == PIPE_PACKET)
		pipe_record_packet(out, n);
	else
		pipe_record_bytes(out, n, source);
	return 0;
}

static ssize_t move_locked(struct pipe *in, struct pipe *out, size_t len, enum pipe_move how)
{
	size_t total = 0;
	int err = 0;

	if (!in->ring.len && in->writers)
		return -EAGAIN;
	if (!out->readers)
		return -EPIPE;
	/* Room is asked for even if there is nothing to move. */
	if (!pipe_room(out))
		return -EAGAIN;
	if (!in->ring.len)
		return 0;
	len = MIN(len, in->ring.len);
	for (uint32_t i = 0; total < len; i++) {
		enum pipe_source source;
		size_t run = pipe_run(in, i, &source), room = source == PIPE_PACKET ? pipe_packet_room(out) : pipe_room(out);
		size_t n = MIN(MIN(run, room), len - total);

		/* A page that both pipes have is not added to. */
		if (source == PIPE_WRITTEN && (how == PIPE_TEE || n < run))
			source = PIPE_LENT;
		err = n ? copy_between(in, total, out, n, source) : 0;
		if (!n || err)
			break;
		total += n;
		if (n < run)
			break;
	}
	if (!total)
		return err ? err : -EAGAIN;
	if (how == PIPE_MOVE)
		pipe_consume_some(in, total);
	return (ssize_t)total;
}

ssize_t pipe_to_pipe(struct file *fin, struct file *fout, size_t len, enum pipe_move how) NO_THREAD_SAFETY_ANALYSIS
{
	struct pipe *in = pipe_of(fin), *out = pipe_of(fout);
	struct pipe *first = in < out ? in : out, *second = in < out ? out : in;
	bool was_writable, wake, empty;
	ssize_t r;

	if (in == out)
		return -EINVAL;
	mutex_lock(&first->lock);
	mutex_lock(&second->lock);
	was_writable = pipe_writable_now(in);
	r = move_locked(in, out, len, how);
	wake = !was_writable && pipe_writable_now(in);
	empty = !in->ring.len;
	mutex_unlock(&second->lock);
	mutex_unlock(&first->lock);
	if (r > 0)
		pipe_written(out);
	/* Linux tells writers when a page is free again. */
	if (r > 0 && how == PIPE_MOVE && (wake || empty))
		pipe_drained(in, wake);
	return r;
}
