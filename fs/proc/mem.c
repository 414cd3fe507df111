/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/mem: a process's memory as a file; see proc(5). Reading and writing ignore the pages' effective permissions, as
 * ptrace(2) does. Only a process of the same user may open it. */
#include "fs/proc/tree.h"

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

static int mem_open(struct pseudo_node *n, struct path *path, int flags, struct file **out)
{
	struct task *t = proc_node_task(n), *self = task_self();
	struct mm *mm;
	bool allowed;

	mutex_lock(&tasks_lock);
	allowed = self && t->cred && (self->tg == t->tg || self->cred->fsuid == t->cred->uid);
	mutex_unlock(&tasks_lock);
	if (!allowed)
		return -EACCES;
	mm = proc_mm_get(t);
	if (!mm)
		return -ESRCH;
	*out = file_new(&mem_file_ops, flags, path, &n->inode, mm);
	if (!*out) {
		mm_put(mm);
		return -ENOMEM;
	}
	return 0;
}

const struct pseudo_ops proc_mem_ops = {
	.open = mem_open, .getattr = proc_node_getattr, .release = proc_node_release,
};
