/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that move bytes: reads and writes, splices of all kinds, and what moves files' ends and positions. */
#include "descriptors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

static void op_write(struct rng *r)
{
	int i = choose_open(r);
	size_t n = choose_length(r);

	fill_buffer(n);
	say(" %d %zu", i, n);
	say_result(write(slot[i].fd, buffer, n));
}

static void op_read(struct rng *r)
{
	int i = choose_open(r);
	size_t n = choose_length(r);

	memset(buffer, 0, n);
	say(" %d %zu", i, n);
	say_read(read(slot[i].fd, buffer, n), n);
}

/* Four pieces, some of them empty. */
static void op_vector(struct rng *r)
{
	int i = choose_open(r);
	bool out = one_in(r, 2);
	struct iovec v[4];

	fill_buffer(sizeof(v) * 256);
	for (int k = 0; k < 4; k++) {
		size_t n = lengths == WHOLE_PAGES ? rng_below(r, 2) * PAGE : rng_below(r, 3) * rng_below(r, 50);

		v[k] = (struct iovec){ buffer + k * PAGE, slot[i].kind == COUNTER ? rng_below(r, 2) * 8 : n };
		say("%s%zu", k ? "," : out ? " out " : " in ", v[k].iov_len);
	}
	if (slot[i].kind == COUNTER && out)
		memset(buffer, 0, 4 * PAGE);
	say(" %d", i);
	if (out)
		say_result(writev(slot[i].fd, v, 4));
	else
		say_read(readv(slot[i].fd, v, 4), v[0].iov_len);
}

/* A socket's pieces of memory are slots of the pipe that nobody can foresee. */
static bool foreseeable(int in)
{
	return lengths != WHOLE_PAGES || !is_socket(in);
}

static loff_t *choose_offset(struct rng *r, int i, loff_t *at)
{
	bool given = slot[i].kind == PLAIN_FILE ? one_in(r, 2) : one_in(r, 12);

	*at = (loff_t)rng_below(r, 3) * (lengths == WHOLE_PAGES ? PAGE : 100);
	say(given ? " at %ld" : "", (long)*at);
	return given ? at : NULL;
}

static void op_splice(struct rng *r)
{
	int in = choose_open(r), out = choose_open(r);
	size_t n = choose_length(r);
	loff_t from, to, *p, *q;

	if (!foreseeable(in))
		return;
	if (one_in(r, 2) && choose_kind(r, READER, BOTH) >= 0)
		in = choose_kind(r, READER, READER);
	else if (one_in(r, 2))
		out = choose_kind(r, WRITER, WRITER);
	if (out >= 0 && is_socket(out) && n > PAGE * 5) /* more than some pages are several messages, by how the pipe is filled */
		n = PAGE * 5;
	if (in < 0 || out < 0 || (slot[in].kind == PLAIN_FILE && is_pipe(out)))
		return;
	say(" %d", in);
	p = choose_offset(r, in, &from);
	say(" to %d", out);
	q = choose_offset(r, out, &to);
	say(" %zu", n);
	say_result(splice(slot[in].fd, p, slot[out].fd, q, n, SPLICE_F_NONBLOCK));
	say(" %ld %ld", p ? (long)from : 0, q ? (long)to : 0);
}

/* From a file that nobody writes to afterwards: on Linux a pipe holds the file's own pages. */
static void op_file_splice(struct rng *r)
{
	int out = choose_kind(r, READER, BOTH), fd = memfd_create("y", 0);
	size_t size = choose_length(r), n = choose_length(r);
	loff_t from = (loff_t)rng_below(r, 3) * (lengths == WHOLE_PAGES ? PAGE : 100);

	fill_buffer(size);
	(void)!write(fd, buffer, size);
	say(" of %zu at %ld to %d %zu", size, (long)from, out, n);
	if (one_in(r, 3))
		say_result(sendfile(out < 0 ? -1 : slot[out].fd, fd, &from, n));
	else
		say_result(splice(fd, &from, out < 0 ? -1 : slot[out].fd, NULL, n, SPLICE_F_NONBLOCK));
	say(" %ld", (long)from);
	close(fd);
}

static void op_tee(struct rng *r)
{
	int in = choose_kind(r, READER, BOTH), out = choose_kind(r, READER, BOTH);
	size_t n = choose_length(r);

	if (in < 0 || out < 0)
		return;
	say(" %d to %d %zu", in, out, n);
	say_result(tee(slot[in].fd, slot[out].fd, n, SPLICE_F_NONBLOCK));
}

static void op_vmsplice(struct rng *r)
{
	int i = one_in(r, 3) ? choose_open(r) : choose_kind(r, READER, BOTH);
	/* The page that is lent is never written to, since a pipe has it as it is now. */
	struct iovec v = { i >= 0 && slot[i].kind == READER ? buffer : lent, PAGE };
	long n;

	if (i < 0)
		return;
	say(" %d", i);
	n = vmsplice(slot[i].fd, &v, 1, SPLICE_F_NONBLOCK);
	if (slot[i].kind == READER)
		say_read(n, PAGE);
	else
		say_result(n);
}

static void op_sendfile(struct rng *r)
{
	int in = one_in(r, 4) ? choose_open(r) : choose_kind(r, PLAIN_FILE, PLAIN_FILE), out = choose_open(r);
	off_t at = (off_t)rng_below(r, 3) * PAGE;
	bool given = one_in(r, 2);
	size_t n = choose_length(r);

	/* A file to itself grows as it is read. */
	if (in < 0 || (slot[in].kind == PLAIN_FILE && (slot[out].kind == PLAIN_FILE || is_pipe(out))) || !foreseeable(in))
		return;
	say(" %d to %d at %ld %zu", in, out, given ? (long)at : -1, n);
	say_result(sendfile(slot[out].fd, slot[in].fd, given ? &at : NULL, n));
	say(" %ld", (long)at);
}

static void op_copy(struct rng *r)
{
	int in = choose_kind(r, PLAIN_FILE, PLAIN_FILE), out = choose_open(r);
	size_t n = choose_length(r);

	if (in < 0)
		return;
	say(" %d to %d %zu", in, out, n);
	say_result(copy_file_range(slot[in].fd, NULL, slot[out].fd, NULL, n, 0));
}

static void op_place(struct rng *r)
{
	static const int whences[] = { SEEK_SET, SEEK_CUR, SEEK_END };
	int i = one_in(r, 4) ? choose_open(r) : choose_kind(r, PLAIN_FILE, PLAIN_FILE), whence = PICK(r, whences);
	off_t at = (off_t)rng_below(r, 5) * PAGE;

	if (i < 0)
		return;
	say(" %d %ld %d", i, (long)at, whence);
	say_result(one_in(r, 3) ? ftruncate(slot[i].fd, at) : lseek(slot[i].fd, at, whence));
}

static void op_unread(struct rng *r)
{
	int i = choose_open(r), n = -1;

	/* Kernels differ on epoll sets, and on the place of an urgent byte that was read. */
	if (slot[i].kind == EPOLL || (slot[i].kind == STREAM && lengths != WHOLE_PAGES))
		return;
	say(" %d", i);
	say_result(ioctl(slot[i].fd, FIONREAD, &n));
	say(" %d", n);
}

static void op_pipe_size(struct rng *r)
{
	int i = choose_kind(r, READER, BOTH), size = PAGE << rng_below(r, 6);

	if (i < 0 || lengths != WHOLE_PAGES)
		return;
	say(" %d %d", i, size);
	say_result(fcntl(slot[i].fd, F_SETPIPE_SZ, size));
}

static void op_packets(struct rng *r)
{
	int i = choose_kind(r, WRITER, BOTH), flags;

	if (i < 0)
		return;
	flags = fcntl(slot[i].fd, F_GETFL) ^ O_DIRECT;
	say(" %d %s", i, flags & O_DIRECT ? "on" : "off");
	say_result(fcntl(slot[i].fd, F_SETFL, flags));
}

const struct op transfer_ops[] = {
	{ "write", 9, op_write },	{ "read", 9, op_read },	      { "vector", 3, op_vector },
	{ "splice", 9, op_splice },	{ "tee", 3, op_tee },	      { "vmsplice", 3, op_vmsplice },
	{ "file splice", 5, op_file_splice },	{ "sendfile", 3, op_sendfile }, { "copy", 1, op_copy },	      { "place", 2, op_place },
	{ "unread", 3, op_unread },	{ "pipe size", 2, op_pipe_size }, { "packets", 1, op_packets },
	{ 0 },
};
