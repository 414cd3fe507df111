/* SPDX-License-Identifier: Apache-2.0 */
/* A process's memory as files, for who could trace it; see proc(5).
 *
 * /proc/PID/mem: reading and writing ignore the pages' effective permissions, as ptrace(2) does.
 * /proc/PID/pagemap: a word for each page, of which the kernel's admin-guide/mm/pagemap.rst tells. Here it says whether the page is there and
 * whether a file is behind it; frame numbers are 0, as for everybody without CAP_SYS_ADMIN. */
#include "fs/proc/tree.h"
#include "kernel/process.h"

#include <errno.h>
#include <unistd.h>

static ssize_t mem_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct mm *mm = f->private;
	ssize_t done = 0;

	(void)flags;
	while (io->left) {
		char buf[4096];
		ssize_t n = guest_peek(mm, buf, (uint64_t)*pos, MIN(sizeof(buf), io->left));

		if (n > 0)
			n = io_put(io, buf, (size_t)n);
		if (n <= 0)
			return done ? done : (n < 0 ? -EIO : 0);
		done += n;
		*pos += n;
	}
	return done;
}

static ssize_t mem_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct mm *mm = f->private;
	ssize_t done = 0;

	(void)flags;
	while (io->left) {
		char buf[4096];
		ssize_t n = io_take(io, buf, MIN(sizeof(buf), io->left));

		if (n < 0)
			return done ? done : n;
		n = guest_poke(mm, (uint64_t)*pos, buf, (size_t)n);
		if (n <= 0)
			return done ? done : -EIO;
		done += n;
		*pos += n;
	}
	return done;
}

static off_t mem_seek(struct file *f, off_t off, int whence)
{
	/* Addresses are offsets: all 64 bits may occur, so only the plain forms are accepted. */
	if (whence == SEEK_CUR)
		off = (off_t)((uint64_t)off + (uint64_t)f->pos);
	else if (whence != SEEK_SET)
		return -EINVAL;
	f->pos = off;
	return off;
}

static void mem_release(struct file *f)
{
	mm_put(f->private);
}

static const struct file_ops mem_file_ops = {
	.type = "mem", .read = mem_read, .write = mem_write, .seek = mem_seek, .release = mem_release,
};

/* --- pagemap --- */

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_FILE (UINT64_C(1) << 61)
enum { PAGEMAP_BATCH = 512 };

static ssize_t pagemap_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	const uint64_t end = platform_max_addr() / PAGE_SIZE * sizeof(uint64_t);
	ssize_t done = 0;

	(void)flags;
	if (((uint64_t)*pos | io->left) % sizeof(uint64_t))
		return -EINVAL;
	while (io->left && (uint64_t)*pos < end) {
		uint64_t words[PAGEMAP_BATCH];
		unsigned char pages[PAGEMAP_BATCH];
		size_t n = MIN(MIN(io->left, end - (uint64_t)*pos) / sizeof(*words), (size_t)PAGEMAP_BATCH);
		ssize_t r;

		mm_page_states(f->private, (uint64_t)*pos / sizeof(*words) * PAGE_SIZE, pages, n);
		for (size_t i = 0; i < n; i++)
			words[i] = (pages[i] & MM_PAGE_PRESENT ? PAGEMAP_PRESENT : 0) | (pages[i] & MM_PAGE_SHARED ? PAGEMAP_FILE : 0);
		r = io_put(io, words, n * sizeof(*words));
		if (r <= 0)
			return done ? done : r;
		done += r;
		*pos += r;
	}
	return done;
}

static const struct file_ops pagemap_file_ops = {
	.type = "pagemap", .read = pagemap_read, .seek = mem_seek, .release = mem_release,
};

/* --- opening --- */

static int open_as(struct pseudo_node *n, struct path *path, int flags, const struct file_ops *ops, struct file **out)
{
	struct task *t = proc_node_task(n), *self = task_self();
	struct mm *mm;
	int err;

	if (!self || !task_may_access(self, t))
		return -EACCES;
	mm = proc_mm_get(t);
	if (!mm)
		return -ESRCH;
	err = file_new_at(ops, flags, path, &n->inode, mm, out);
	if (err)
		mm_put(mm);
	return err;
}

static int mem_open(struct pseudo_node *n, struct path *path, int flags, struct file **out)
{
	return open_as(n, path, flags, &mem_file_ops, out);
}

static int pagemap_open(struct pseudo_node *n, struct path *path, int flags, struct file **out)
{
	return open_as(n, path, flags, &pagemap_file_ops, out);
}

const struct pseudo_ops proc_mem_ops = {
	.open = mem_open, .getattr = proc_node_getattr, .release = proc_node_release,
};

const struct pseudo_ops proc_pagemap_ops = {
	.open = pagemap_open, .getattr = proc_node_getattr, .release = proc_node_release,
};
