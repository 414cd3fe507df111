/* SPDX-License-Identifier: Apache-2.0 */
/* open(2), openat2(2), close(2), close_range(2), memfd_create(2). */
#include "fs/fdtable.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define KERNEL_O_LARGEFILE 0100000
/* Everything that openat2(2) lets pass. */
#define OPEN_FLAGS                                                                                                               \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_ASYNC | O_DIRECT |     \
	 KERNEL_O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE)

static int64_t open_checked(struct task *t, int dirfd, const char *name, int flags, uint32_t mode, unsigned walk)
{
	struct file *f;
	int r = fd_room(t);

	if (!r)
		r = vfs_open(t, dirfd, name, flags & ~O_CLOEXEC, mode, walk, &f);
	return r ? r : fd_install_task(t, f, flags & O_CLOEXEC);
}

/* open(2) ignores the flags that it does not know. */
static int64_t open_named(struct task *t, int dirfd, uint64_t addr, int flags, uint32_t mode)
{
	char name[PATH_MAX];
	int r = syscall_path(t, addr, name);

	if (r)
		return r;
	if (!(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE)
		mode = 0;
	return open_checked(t, dirfd, name, flags & OPEN_FLAGS, mode & 07777, 0);
}

SYSCALL_DECLARE(open)
{
	return open_named(t, AT_FDCWD, a[0], (int)a[1], (uint32_t)a[2]);
}

SYSCALL_DECLARE(creat)
{
	return open_named(t, AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)a[1]);
}

SYSCALL_DECLARE(openat)
{
	return open_named(t, (int)a[0], a[1], (int)a[2], (uint32_t)a[3]);
}

/* --- openat2 --- */

static int check_how(const struct open_how *how)
{
	const uint64_t path_flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	const uint64_t resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT |
				 RESOLVE_CACHED;
	bool makes = how->flags & O_CREAT || (how->flags & O_TMPFILE) == O_TMPFILE;

	if (how->flags & ~(uint64_t)OPEN_FLAGS || how->resolve & ~resolve || how->mode & ~07777ULL)
		return -EINVAL;
	if (how->resolve & RESOLVE_BENEATH && how->resolve & RESOLVE_IN_ROOT)
		return -EINVAL;
	if (how->mode && !makes)
		return -EINVAL;
	if (how->flags & O_PATH && how->flags & ~path_flags)
		return -EINVAL;
	/* Nothing promises that a walk finds all in caches. */
	return how->resolve & RESOLVE_CACHED ? -EAGAIN : 0;
}

static unsigned walk_flags(uint64_t resolve)
{
	return (resolve & RESOLVE_NO_XDEV ? WALK_NO_XDEV : 0) | (resolve & RESOLVE_NO_MAGICLINKS ? WALK_NO_MAGICLINKS : 0) |
	       (resolve & RESOLVE_NO_SYMLINKS ? WALK_NO_SYMLINKS : 0) | (resolve & RESOLVE_BENEATH ? WALK_BENEATH : 0) |
	       (resolve & RESOLVE_IN_ROOT ? WALK_IN_ROOT : 0);
}

SYSCALL_DECLARE(openat2)
{
	struct open_how how;
	char name[PATH_MAX];
	int r = syscall_read_extensible(t, &how, sizeof(how), sizeof(how), a[2], a[3]);

	if (!r)
		r = check_how(&how);
	if (!r)
		r = syscall_path(t, a[1], name);
	return r ? r : open_checked(t, (int)a[0], name, (int)how.flags, (uint32_t)how.mode, walk_flags(how.resolve));
}

/* --- closing --- */

SYSCALL_DECLARE(close)
{
	return fd_close(t->files, (int)a[0]);
}

SYSCALL_DECLARE(close_range)
{
	unsigned first = (unsigned)a[0], last = (unsigned)a[1], flags = (unsigned)a[2];
	int r = 0;

	if (flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE)
		r = syscall_own_files(t);
	return r ? r : fd_close_range(t->files, first, last, flags & CLOSE_RANGE_CLOEXEC);
}

/* --- memfd_create --- */

enum { MEMFD_NAME_MAX = 249, MEMFD_SEAL_EXEC = 0x20 };
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC 16U
#endif

SYSCALL_DECLARE(memfd_create)
{
	unsigned flags = (unsigned)a[1], known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
	char name[MEMFD_NAME_MAX + 1];
	struct file *f;
	ssize_t n;
	int r;

	/* No huge pages here: as a kernel without them. */
	if (flags & ~known || (flags & MFD_EXEC && flags & MFD_NOEXEC_SEAL))
		return -EINVAL;
	n = guest_read_string(t->mm, name, a[0], sizeof(name));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	if (flags & MFD_NOEXEC_SEAL)
		r = memfd_new(name, MEMFD_SEAL_EXEC, 0666, t->cred, &f);
	else
		r = memfd_new(name, flags & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL, 0777, t->cred, &f);
	return r ? r : fd_install_task(t, f, flags & MFD_CLOEXEC);
}
