/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that make, remove and move names: mkdir(2), mknod(2), link(2), symlink(2), unlink(2), rmdir(2), rename(2). */
#include "fs/fdtable.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

static int64_t mkdir_at(struct task *t, int dirfd, uint64_t addr, uint32_t mode)
{
	char name[PATH_MAX];
	int r = syscall_path(t, addr, name);

	return r ? r : vfs_mkdir(t, dirfd, name, mode & 01777);
}

SYSCALL_DECLARE(mkdir)
{
	return mkdir_at(t, AT_FDCWD, a[0], (uint32_t)a[1]);
}

SYSCALL_DECLARE(mkdirat)
{
	return mkdir_at(t, (int)a[0], a[1], (uint32_t)a[2]);
}

/* The kernel's 32-bit dev_t of the call: minor in two parts around the major. */
static dev_t decode_dev(uint32_t dev)
{
	return makedev((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

static int64_t mknod_at(struct task *t, int dirfd, uint64_t addr, uint32_t mode, uint32_t dev)
{
	char name[PATH_MAX];
	int r = syscall_path(t, addr, name);

	if (r)
		return r;
	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	return vfs_mknod(t, dirfd, name, mode & (S_IFMT | 07777), decode_dev(dev), NULL);
}

SYSCALL_DECLARE(mknod)
{
	return mknod_at(t, AT_FDCWD, a[0], (uint32_t)a[1], (uint32_t)a[2]);
}

SYSCALL_DECLARE(mknodat)
{
	return mknod_at(t, (int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

static int64_t unlink_at(struct task *t, int dirfd, uint64_t addr, int flags)
{
	char name[PATH_MAX];
	int r;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	r = syscall_path(t, addr, name);
	if (r)
		return r;
	return flags & AT_REMOVEDIR ? vfs_rmdir(t, dirfd, name) : vfs_unlink(t, dirfd, name);
}

SYSCALL_DECLARE(unlink)
{
	return unlink_at(t, AT_FDCWD, a[0], 0);
}

SYSCALL_DECLARE(unlinkat)
{
	return unlink_at(t, (int)a[0], a[1], (int)a[2]);
}

SYSCALL_DECLARE(rmdir)
{
	return unlink_at(t, AT_FDCWD, a[0], AT_REMOVEDIR);
}

/* --- links --- */

static int64_t link_at(struct task *t, int olddir, uint64_t oldaddr, int newdir, uint64_t newaddr, int flags)
{
	char old[PATH_MAX], new[PATH_MAX];
	unsigned walk = (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	struct path p;
	int r;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = syscall_path(t, oldaddr, old);
	if (!r)
		r = syscall_path(t, newaddr, new);
	if (!r)
		r = vfs_walk(t, olddir, old, walk, &p);
	if (r)
		return r;
	r = vfs_link(t, &p, newdir, new);
	path_put(&p);
	return r;
}

SYSCALL_DECLARE(link)
{
	return link_at(t, AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
}

SYSCALL_DECLARE(linkat)
{
	return link_at(t, (int)a[0], a[1], (int)a[2], a[3], (int)a[4]);
}

static int64_t symlink_at(struct task *t, uint64_t target_addr, int dirfd, uint64_t addr)
{
	char target[PATH_MAX], name[PATH_MAX];
	int r = syscall_path(t, target_addr, target);

	if (!r && !target[0])
		r = -ENOENT;
	if (!r)
		r = syscall_path(t, addr, name);
	return r ? r : vfs_symlink(t, target, dirfd, name);
}

SYSCALL_DECLARE(symlink)
{
	return symlink_at(t, a[0], AT_FDCWD, a[1]);
}

SYSCALL_DECLARE(symlinkat)
{
	return symlink_at(t, a[0], (int)a[1], a[2]);
}

/* --- rename --- */

static int64_t rename_at(struct task *t, int olddir, uint64_t oldaddr, int newdir, uint64_t newaddr, unsigned flags)
{
	char old[PATH_MAX], new[PATH_MAX];
	int r;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT) && flags & RENAME_EXCHANGE)
		return -EINVAL;
	if (flags & RENAME_WHITEOUT)
		return -EINVAL; /* as file systems that have no whiteouts */
	r = syscall_path(t, oldaddr, old);
	if (!r)
		r = syscall_path(t, newaddr, new);
	return r ? r : vfs_rename(t, olddir, old, newdir, new, flags);
}

SYSCALL_DECLARE(rename)
{
	return rename_at(t, AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
}

SYSCALL_DECLARE(renameat)
{
	return rename_at(t, (int)a[0], a[1], (int)a[2], a[3], 0);
}

SYSCALL_DECLARE(renameat2)
{
	return rename_at(t, (int)a[0], a[1], (int)a[2], a[3], (unsigned)a[4]);
}
