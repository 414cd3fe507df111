/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that move bytes between files, mapped memory and other processes' memory.
 *
 * What the source of a copy and its destination share is at most a page: the order in which a kernel copies overlapping ranges is its
 * own. Files end on a page, or behind anything that touches write, because what is written behind a file's end is unspecified.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

int fds[FILES];

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	_exit(2);
}

static void fill(char *p, size_t size, uint64_t value)
{
	for (size_t i = 0; i < size; i += 8)
		memcpy(p + i, &(uint64_t){ value + i }, 8);
}

void files_init(void)
{
	fds[FILE_PLAIN] = open("plain", O_RDWR | O_CREAT, 0600);
	fds[FILE_MEMFD] = memfd_create("memory", 0);
	fds[FILE_OLD] = open("old", O_RDONLY); /* made by the runner, before */
	fds[FILE_ZERO] = open("/dev/zero", O_RDWR);
	fds[FILE_SINK] = memfd_create("sink", 0);
	for (int i = 0; i < FILES; i++)
		need(fds[i] >= 0, "files");
}

/* At least as long as one slot and at most as 12. */
void files_reset(struct rng *r)
{
	for (int i = FILE_PLAIN; i <= FILE_MEMFD; i++) {
		size_t size = (1 + rng_below(r, 12)) * slot_size();

		fill(buffer, sizeof(buffer), seq.seed << 32 | (uint64_t)i << 28);
		need(!ftruncate(fds[i], 0) && !ftruncate(fds[i], (off_t)size), "ftruncate");
		for (size_t at = 0; at < size && at < 2 * sizeof(buffer); at += sizeof(buffer)) {
			size_t n = size - at < sizeof(buffer) ? size - at : sizeof(buffer);

			need(pwrite(fds[i], buffer, n, (off_t)at) == (ssize_t)n, "pwrite");
		}
	}
	need(!ftruncate(fds[FILE_SINK], 0), "ftruncate");
}

static int random_file(struct rng *r)
{
	return rng_one_in(r, 2) ? FILE_PLAIN : FILE_MEMFD;
}

/* read(2) and write(2) with the arena as the buffer. */
void op_transfer(struct rng *r)
{
	struct span s = random_span(r, SPAN_MAX);
	int file = random_file(r);
	char *p = span_start(s);
	size_t size = span_size(s);
	off_t off = (off_t)(rng_below(r, 8) * slot_size());

	say(" [%d+%d)", s.first * seq.scale, s.count * seq.scale);
	switch (rng_below(r, 4)) {
	case 0: /* out of the arena, as far as it can be read */
		say(" to the sink");
		say_result(pwrite(fds[FILE_SINK], p, size, 0));
		need(pread(fds[FILE_SINK], buffer, sizeof(buffer), 0) >= 0, "pread");
		say(" %lx", hash_bytes(buffer, PAGE));
		break;
	case 1: /* into the arena */
		say(" from old");
		say_result(pread(fds[FILE_OLD], p, size, off));
		break;
	case 2:
		say(" from file %d", file);
		say_result(pread(fds[file], p, PAGE, off));
		break;
	case 3: /* a write that fails behind the end may move the end, depending on the file system */
		if (seq.private_only[file] || off > lseek(fds[file], 0, SEEK_END))
			break;
		say(" to file %d", file);
		say_result(pwrite(fds[file], p, 64, off));
		break;
	}
}

void op_file_write(struct rng *r)
{
	int file = random_file(r);
	off_t off = (off_t)(rng_below(r, 10) * slot_size());
	size_t n = (1 + rng_below(r, BUFFER_PAGES)) * PAGE;

	if (seq.private_only[file])
		return;
	fill(buffer, n, fresh_value());
	say(" file %d at %ld", file, (long)off / PAGE);
	if (file == FILE_MEMFD && rng_one_in(r, 3))
		say_result(fallocate(fds[file], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, (off_t)n));
	else
		say_result(pwrite(fds[file], buffer, n, off));
}

void op_truncate(struct rng *r)
{
	int file = random_file(r);
	off_t size = (off_t)(rng_below(r, 14) * slot_size()), half = 0;

	/* Into a page and out again: the rest of the page reads as zeroes. A private copy of it would keep what it has. */
	if (!seq.private_only[file] && rng_one_in(r, 4))
		half = size + 64 + (off_t)rng_below(r, 4000);
	say(" file %d to %ld", file, (long)size / PAGE);
	if (half) {
		say(" by %ld", (long)half);
		say_result(ftruncate(fds[file], half));
		size += PAGE;
	}
	say_result(ftruncate(fds[file], size));
}

/* A process that this one may look into even where ptrace is restricted: itself, or a descendant. */
static int random_target(struct rng *r)
{
	int n = (int)rng_below(r, PROCS);

	if (!world->live[n])
		return self;
	for (int at = n; at != self; at = world->parent[at])
		if (!at)
			return self;
	return n;
}

void op_process_vm(struct rng *r)
{
	int target = random_target(r), count = 1 + (int)rng_below(r, 3);
	struct iovec local = { buffer, sizeof(buffer) }, remote[3];
	bool write = rng_one_in(r, 2);
	ssize_t n;

	if (seq.grow)
		return;
	for (int i = 0; i < count; i++) {
		struct span s = random_span(r, 3);

		remote[i] = (struct iovec){ span_start(s), write ? 32 : PAGE * (size_t)s.count };
		say(" [%d+%zu)", s.first * seq.scale, remote[i].iov_len);
	}
	fill(buffer, sizeof(buffer), write ? fresh_value() : 0);
	say(write ? " write to %d" : " read of %d", target);
	if (write)
		n = process_vm_writev(world->pid[target], &local, 1, remote, (unsigned long)count, 0);
	else
		n = process_vm_readv(world->pid[target], &local, 1, remote, (unsigned long)count, 0);
	say_result(n);
	if (!write && n > 0)
		say(" %lx", hash_bytes(buffer, (size_t)n));
}
