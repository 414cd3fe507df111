// SPDX-License-Identifier: Apache-2.0
/* Steps on what is in files, by descriptors: reading, writing, offsets, sizes, holes, copies between descriptors. */
#include "files.h"

#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DATA = 12288 };
static char data[DATA];

static size_t choose_size(struct player *p, struct rng *r)
{
	static const size_t most[] = { 1, 10, 100, 1000, 5000, DATA };
	size_t n = rng_below(r, (unsigned)PICK(r, most) + 1);

	text_add(&p->out, " %zu", n);
	return n;
}

static off_t choose_offset(struct player *p, struct rng *r)
{
	static const off_t most[] = { 1, 100, 5000, 20000, 60000 };
	off_t n = one_in(r, 30) ? -1 : (off_t)rng_below(r, (unsigned)PICK(r, most));

	if (one_in(r, 4))
		n &= ~(off_t)(PAGE - 1);
	text_add(&p->out, " @%ld", (long)n);
	return n;
}

static void make_data(struct rng *r, size_t n)
{
	uint64_t x = rng_next(r);

	for (size_t i = 0; i < n; i++)
		data[i] = (char)('A' + (x + i + i / 63) % 50);
}

static void tell_data(struct player *p, ssize_t n)
{
	text_result(&p->out, n);
	if (n > 0)
		text_add(&p->out, " %016llx", (unsigned long long)fnv(FNV_START, data, (size_t)n));
}

static void split(struct rng *r, struct iovec v[3], size_t n)
{
	size_t a = rng_below(r, (unsigned)n + 1), b = rng_below(r, (unsigned)(n - a) + 1);

	v[0] = (struct iovec){ data, a };
	v[1] = (struct iovec){ data + a, b };
	v[2] = (struct iovec){ data + a + b, n - a - b };
}

static void play_read(struct player *p, struct rng *r)
{
	int fd = choose_fd(p, r);
	size_t n = choose_size(p, r);
	struct iovec v[3];

	split(r, v, n);
	switch (rng_below(r, 4)) {
	case 0:
		tell_data(p, read(fd, data, n));
		break;
	case 1:
		tell_data(p, readv(fd, v, 3));
		break;
	case 2:
		tell_data(p, pread(fd, data, n, choose_offset(p, r)));
		break;
	default:
		tell_data(p, preadv2(fd, v, 3, choose_offset(p, r), 0));
	}
}

static void play_write(struct player *p, struct rng *r)
{
	int fd = choose_fd(p, r);
	size_t n = choose_size(p, r);
	struct iovec v[3];

	make_data(r, n);
	split(r, v, n);
	switch (rng_below(r, 5)) {
	case 0:
		text_result(&p->out, write(fd, data, n));
		break;
	case 1:
		text_result(&p->out, writev(fd, v, 3));
		break;
	case 2:
		text_result(&p->out, pwrite(fd, data, n, choose_offset(p, r)));
		break;
	case 3:
		text_result(&p->out, pwritev2(fd, v, 3, choose_offset(p, r), 0));
		break;
	default:
		text_add(&p->out, " append");
		text_result(&p->out, pwritev2(fd, v, 3, choose_offset(p, r), RWF_APPEND));
	}
}

static void play_seek(struct player *p, struct rng *r)
{
	int fd = choose_fd(p, r), whence = (int)rng_below(r, 3);
	off_t at = choose_offset(p, r);
	struct stat st;

	text_add(&p->out, " %d", whence);
	/* What a directory's offsets are is its file system's affair. */
	if (!fstat(fd, &st) && S_ISDIR(st.st_mode))
		at = whence = 0;
	if (whence == SEEK_END)
		at = -at / 4;
	text_result(&p->out, lseek(fd, at, whence));
}

static void play_seek_data(struct player *p, struct rng *r)
{
	int fd = choose_fd(p, r), whence = one_in(r, 2) ? SEEK_DATA : SEEK_HOLE;

	text_add(&p->out, " %s", whence == SEEK_DATA ? "data" : "hole");
	if (!p->holes)
		return;
	text_result(&p->out, lseek(fd, choose_offset(p, r), whence));
}

static void play_truncate(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];

	if (one_in(r, 3)) {
		choose_path(p, r, path);
		text_result(&p->out, truncate(path, choose_offset(p, r)));
	} else {
		int fd = choose_fd(p, r);

		text_result(&p->out, ftruncate(fd, choose_offset(p, r)));
	}
}

static void play_fallocate(struct player *p, struct rng *r)
{
	static const int modes[] = { 0, 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE };
	int fd = choose_fd(p, r), mode = PICK(r, modes);

	if (p->holes)
		mode |= FALLOC_FL_PUNCH_HOLE;
	off_t at = choose_offset(p, r);

	text_add(&p->out, " %#x", mode);
	text_result(&p->out, fallocate(fd, mode, at, (off_t)choose_size(p, r)));
}

static void play_copy(struct player *p, struct rng *r)
{
	int in = choose_fd(p, r), out = choose_fd(p, r);
	off_t from = one_in(r, 2) ? choose_offset(p, r) : -2, to = one_in(r, 2) ? choose_offset(p, r) : -2;
	size_t n = choose_size(p, r);

	text_result(&p->out, copy_file_range(in, from == -2 ? NULL : &from, out, to == -2 ? NULL : &to, n, one_in(r, 30)));
	text_add(&p->out, " %ld %ld", (long)from, (long)to);
}

/* Linux lends pages to pipes, so a file that is spliced to itself may be read as it is being overwritten. */
static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

static void play_sendfile(struct player *p, struct rng *r)
{
	int out = choose_fd(p, r), in = choose_fd(p, r);
	off_t from = one_in(r, 2) ? choose_offset(p, r) : -2;

	size_t n = 1 + choose_size(p, r); /* of none, releases differ in what they check */

	if (same_file(in, out) && (in != out || from != -2))
		return;
	text_result(&p->out, sendfile(out, in, from == -2 ? NULL : &from, n));
	text_add(&p->out, " %ld", (long)from);
}

static void play_pipe(struct player *p, struct rng *r)
{
	int ends[2], r0 = pipe2(ends, O_NONBLOCK);

	text_result(&p->out, r0);
	if (r0)
		return;
	keep_fd(p, r, ends[0]);
	keep_fd(p, r, ends[1]);
}

/* From one to the other by way of a pipe of their own: how many bytes a pipe takes of pages that are partly filled is its own affair. */
static void play_splice(struct player *p, struct rng *r)
{
	int in = choose_fd(p, r), out = choose_fd(p, r), ends[2];
	off_t from = one_in(r, 2) ? choose_offset(p, r) : -2;
	size_t n = choose_size(p, r);

	if (same_file(in, out) || pipe2(ends, O_NONBLOCK))
		return;
	text_result(&p->out, splice(in, from == -2 ? NULL : &from, ends[1], NULL, n, SPLICE_F_NONBLOCK));
	errno = 0;
	text_result(&p->out, splice(ends[0], NULL, out, NULL, n, SPLICE_F_NONBLOCK));
	tell_data(p, read(ends[0], data, sizeof(data)));
	text_add(&p->out, " %ld", (long)from);
	close(ends[0]);
	close(ends[1]);
}

static void play_dup(struct player *p, struct rng *r)
{
	int fd = choose_fd(p, r);

	switch (rng_below(r, 2)) {
	case 0:
		keep_fd(p, r, dup(fd));
		break;
	default:
		keep_fd(p, r, fcntl(fd, F_DUPFD_CLOEXEC, 60));
	}
}

static void play_close(struct player *p, struct rng *r)
{
	int i = choose_slot(p, r);

	text_result(&p->out, close(p->fd[i]));
	p->fd[i] = -1;
}

static void play_flags(struct player *p, struct rng *r)
{
	int fd = choose_fd(p, r);

	if (one_in(r, 2)) {
		int flags = O_NONBLOCK | (one_in(r, 2) ? O_APPEND : 0);

		text_add(&p->out, " set %#o", flags);
		text_result(&p->out, fcntl(fd, F_SETFL, flags));
	} else {
		text_result(&p->out, fcntl(fd, F_GETFL));
		text_result(&p->out, fcntl(fd, F_GETFD));
	}
}

static void play_sync(struct player *p, struct rng *r)
{
	int fd = choose_fd(p, r);

	text_result(&p->out, one_in(r, 2) ? fsync(fd) : fdatasync(fd));
}

const struct op data_ops[] = {
	{ "read", 20, play_read },          { "write", 24, play_write },       { "seek", 6, play_seek },
	{ "seek_data", 4, play_seek_data }, { "truncate", 8, play_truncate },  { "fallocate", 6, play_fallocate },
	{ "copy_file_range", 4, play_copy }, { "sendfile", 4, play_sendfile }, { "splice", 4, play_splice },
	{ "pipe", 1, play_pipe },           { "dup", 4, play_dup },            { "close", 5, play_close },
	{ "flags", 3, play_flags },         { "sync", 1, play_sync },          { NULL, 0, NULL },
};
