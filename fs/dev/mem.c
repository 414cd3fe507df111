/* SPDX-License-Identifier: Apache-2.0 */
/* The memory devices: null, zero, full, random, urandom; see null(4), full(4), random(4). None of them ever blocks, and
 * none makes a host call but random. */
#include "fs/dev/dev.h"

#include "kernel/task.h"

#include <errno.h>
#include <linux/random.h>
#include <sys/random.h>
#include <sys/sysmacros.h>

static ssize_t null_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	(void)f, (void)io, (void)pos, (void)flags;
	return 0;
}

static ssize_t null_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	ssize_t n = (ssize_t)io->left;

	(void)f, (void)pos, (void)flags;
	io_advance(io, io->left);
	return n;
}

static ssize_t zero_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	(void)f, (void)pos, (void)flags;
	return io->left ? io_put_zero(io, io->left) : 0;
}

/* No mappable: mm gives anonymous memory, private or shared, which is what mapping /dev/zero means. */
static int zero_mappable(struct file *f, int prot, int flags, struct mappable **out)
{
	(void)f, (void)prot, (void)flags;
	*out = NULL;
	return 0;
}

static ssize_t full_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	(void)f, (void)pos, (void)flags;
	return io->left ? -ENOSPC : 0;
}

static ssize_t random_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	ssize_t done = 0;

	(void)f, (void)pos, (void)flags;
	while (io->left) {
		char buf[4096];
		ssize_t n = getrandom(buf, MIN(sizeof(buf), io->left), 0);

		if (n < 0)
			return done ? done : -errno;
		n = io_put(io, buf, (size_t)n);
		if (n < 0)
			return done ? done : n;
		done += n;
		if (task_self() && task_interrupted(task_self()))
			break;
	}
	return done;
}

static int64_t random_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	int bits = 256;

	(void)f;
	switch (cmd) {
	case RNDGETENTCNT:
		return guest_write(t->mm, arg, &bits, sizeof(bits));
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDZAPENTCNT:
	case RNDCLEARPOOL:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

static off_t mem_seek(struct file *f, off_t off, int whence)
{
	/* null(4): seeking is accepted, and the position stays 0. */
	(void)f, (void)off, (void)whence;
	return 0;
}

static const struct file_ops null_ops = {
	.type = "null", .read = null_read, .write = null_write, .seek = mem_seek, .no_splice_from = true,
};
static const struct file_ops zero_ops = {
	.type = "zero", .read = zero_read, .write = null_write, .seek = mem_seek, .mappable = zero_mappable,
};
static const struct file_ops full_ops = {
	.type = "full", .read = zero_read, .write = full_write, .seek = mem_seek, .no_splice_to = true,
};
static const struct file_ops random_ops = {
	.type = "random", .read = random_read, .write = null_write, .seek = mem_seek, .ioctl = random_ioctl,
};

const struct file_ops *dev_mem_ops(dev_t rdev)
{
	if (major(rdev) != 1)
		return NULL;
	switch (minor(rdev)) {
	case 3:
		return &null_ops;
	case 5:
		return &zero_ops;
	case 7:
		return &full_ops;
	case 8:
	case 9:
		return &random_ops;
	default:
		return NULL;
	}
}
