/* SPDX-License-Identifier: Apache-2.0 */
/* /dev: the devices that programs expect, as a pseudo file system. Nothing can be added; /dev/shm is a directory for a tmpfs
 * to be mounted on. Numbers are Linux's (its devices.txt). */
#include "fs/dev/dev.h"

#include "fs/device.h"
#include "fs/pseudo.h"
#include "fs/pty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

enum { TMPFS_MAGIC_NUMBER = 0x01021994, MAJOR_MEM = 1, MAJOR_TTY = 5, MINOR_TTY = 0, MINOR_PTMX = 2, MAJOR_PTS = 136,
       PTS_FIRST_INO = 1 << 20 };

static int mem_open(struct inode *i, struct path *path, int flags, dev_t rdev, struct file **out)
{
	const struct file_ops *ops = dev_mem_ops(rdev);

	return ops ? file_new_at(ops, flags, path, i, NULL, out) : -ENXIO;
}

static int tty_open(struct inode *i, struct path *path, int flags, dev_t rdev, struct file **out)
{
	int err;

	if (minor(rdev) == MINOR_PTMX)
		return pty_open_master(path, i, flags, out);
	err = task_self() ? tty_open_current(task_self(), flags, out) : -ENXIO;
	if (!err && path) {
		path_put(path);
		free(path);
	}
	return err;
}

/* --- /dev/pts --- */

static int pts_open(struct pseudo_node *n, struct path *path, int flags, struct file **out)
{
	return pty_open_slave((unsigned)n->id, path, &n->inode, flags, out);
}

static void pts_getattr(struct pseudo_node *n, struct attr *out)
{
	uint32_t mode;

	/* Nodes come and go; the number stays: ttyname(3) compares it. */
	out->ino = PTS_FIRST_INO + n->id;
	if (!pty_attr((unsigned)n->id, &out->uid, &out->gid, &mode))
		out->mode = S_IFCHR | (mode & 07777);
}

static int pts_setattr(struct pseudo_node *n, const struct attr *a, unsigned valid)
{
	return pty_set_attr((unsigned)n->id, valid & ATTR_UID ? &a->uid : NULL, valid & ATTR_GID ? &a->gid : NULL,
			    valid & ATTR_MODE ? &a->mode : NULL);
}

static const struct pseudo_ops pts_ops = { .open = pts_open, .getattr = pts_getattr, .setattr = pts_setattr };

static int pts_lookup(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out)
{
	unsigned index = 0;
	int err;

	if (!len || len > 9)
		return -ENOENT;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -ENOENT;
		index = index * 10 + (unsigned)(name[i] - '0');
	}
	if (!pty_exists(index))
		return -ENOENT;
	err = pseudo_node_new(dir->inode.fs, &pts_ops, S_IFCHR | 0620, NULL, out);
	if (err)
		return err;
	(*out)->id = index;
	(*out)->rdev = makedev(MAJOR_PTS, index);
	return 0;
}

static int pts_iterate(struct pseudo_node *dir, int64_t from,
		       bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg)
{
	(void)dir;
	for (int n = pty_next((int)MAX(from, 0)); n >= 0; n = pty_next(n + 1)) {
		char name[16];

		snprintf(name, sizeof(name), "%d", n);
		if (!emit(arg, name, n, PTS_FIRST_INO + (uint64_t)n, S_IFCHR))
			break;
	}
	return 0;
}

/* A pseudo-terminal that is gone must not be found again. */
static bool pts_revalidate(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node *child)
{
	(void)dir, (void)name, (void)len, (void)child;
	return false;
}

static const struct pseudo_ops pts_dir_ops = {
	.lookup = pts_lookup, .iterate = pts_iterate, .revalidate = pts_revalidate,
};

/* --- the tree --- */

static const struct {
	const char *name;
	uint32_t mode;
	unsigned major, minor;
} devices[] = {
	{ "null", 0666, MAJOR_MEM, 3 },	   { "zero", 0666, MAJOR_MEM, 5 },	    { "full", 0666, MAJOR_MEM, 7 },
	{ "random", 0666, MAJOR_MEM, 8 },  { "urandom", 0666, MAJOR_MEM, 9 },	    { "tty", 0666, MAJOR_TTY, MINOR_TTY },
	{ "ptmx", 0666, MAJOR_TTY, MINOR_PTMX },
};

static const struct {
	const char *name, *target;
} links[] = {
	{ "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

int devfs_new(struct memfile *mf, struct filesystem **out)
{
	struct pseudo_node *root;
	int err = pseudo_fs_new("devtmpfs", TMPFS_MAGIC_NUMBER, false, out);

	(void)mf;
	if (err)
		return err;
	root = pseudo_root(*out);
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (!pseudo_device(root, devices[i].name, S_IFCHR | devices[i].mode,
				   makedev(devices[i].major, devices[i].minor)))
			return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (!pseudo_symlink(root, links[i].name, links[i].target))
			return -ENOMEM;
	if (!pseudo_dir(root, "shm", 01777, NULL, NULL) || !pseudo_dir(root, "mqueue", 01777, NULL, NULL) ||
	    !pseudo_dir(root, "pts", 0755, &pts_dir_ops, NULL))
		return -ENOMEM;
	err = device_register(MAJOR_MEM, 0, 16, mem_open);
	if (!err)
		err = device_register(MAJOR_TTY, 0, 3, tty_open);
	return err;
}
