/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that change attributes and sizes: chmod(2), chown(2), utimensat(2), truncate(2), fallocate(2). */
#include "fs/fdtable.h"
#include "fs/notify.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/falloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { NSEC_MAX = 999999999 };

/* In place of what is to be set: times that cannot be, once the file is found. */
#define TIMES_WRONG (~0u)

static int64_t set_file(struct task *t, struct file *f, struct attr *attr, unsigned valid)
{
	struct path p;
	int64_t r = file_path(f, &p);

	if (r)
		return r;
	r = valid == TIMES_WRONG ? -EINVAL : vfs_setattr(&p, t->cred, attr, valid);
	path_put(&p);
	return r;
}

static int64_t set_fd(struct task *t, int fd, struct attr *attr, unsigned valid)
{
	struct file *f = fd_lookup(t->files, fd);
	int64_t r;

	if (!f)
		return -EBADF;
	r = set_file(t, f, attr, valid);
	file_put(f);
	return r;
}

static int64_t set_name(struct task *t, int dirfd, uint64_t addr, unsigned walk, struct attr *attr, unsigned valid)
{
	char name[PATH_MAX];
	struct path p;
	int64_t r = syscall_path(t, addr, name);

	if (!r)
		r = vfs_walk(t, dirfd, name, walk, &p);
	if (r)
		return r;
	r = valid == TIMES_WRONG ? -EINVAL : vfs_setattr(&p, t->cred, attr, valid);
	path_put(&p);
	return r;
}

/* -EINVAL for other flags than these two. */
static int at_walk(int flags)
{
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
}

/* --- mode --- */

static int64_t chmod_at(struct task *t, int dirfd, uint64_t addr, uint32_t mode, int flags)
{
	struct attr attr = { .mode = mode & 07777 };
	int walk = at_walk(flags);

	return walk < 0 ? walk : set_name(t, dirfd, addr, (unsigned)walk, &attr, ATTR_MODE);
}

SYSCALL_DECLARE(chmod)
{
	return chmod_at(t, AT_FDCWD, a[0], (uint32_t)a[1], 0);
}

SYSCALL_DECLARE(fchmod)
{
	struct attr attr = { .mode = (uint32_t)a[1] & 07777 };

	return set_fd(t, (int)a[0], &attr, ATTR_MODE);
}

SYSCALL_DECLARE(fchmodat)
{
	return chmod_at(t, (int)a[0], a[1], (uint32_t)a[2], 0);
}

SYSCALL_DECLARE(fchmodat2)
{
	return chmod_at(t, (int)a[0], a[1], (uint32_t)a[2], (int)a[3]);
}

/* --- owner --- */

static unsigned owner(struct attr *attr, uint32_t uid, uint32_t gid)
{
	attr->uid = uid;
	attr->gid = gid;
	return ATTR_DROP_PRIVS | (uid != (uint32_t)-1 ? ATTR_UID : 0) | (gid != (uint32_t)-1 ? ATTR_GID : 0);
}

static int64_t chown_at(struct task *t, int dirfd, uint64_t addr, uint32_t uid, uint32_t gid, int flags)
{
	struct attr attr = { 0 };
	unsigned valid = owner(&attr, uid, gid);
	int walk = at_walk(flags);

	return walk < 0 ? walk : set_name(t, dirfd, addr, (unsigned)walk, &attr, valid);
}

SYSCALL_DECLARE(chown)
{
	return chown_at(t, AT_FDCWD, a[0], (uint32_t)a[1], (uint32_t)a[2], 0);
}

SYSCALL_DECLARE(lchown)
{
	return chown_at(t, AT_FDCWD, a[0], (uint32_t)a[1], (uint32_t)a[2], AT_SYMLINK_NOFOLLOW);
}

SYSCALL_DECLARE(fchownat)
{
	return chown_at(t, (int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3], (int)a[4]);
}

SYSCALL_DECLARE(fchown)
{
	struct attr attr = { 0 };
	unsigned valid = owner(&attr, (uint32_t)a[1], (uint32_t)a[2]);

	return set_fd(t, (int)a[0], &attr, valid);
}

/* --- times --- */

static bool nsec_ok(long nsec)
{
	return nsec == UTIME_NOW || nsec == UTIME_OMIT || (nsec >= 0 && nsec <= NSEC_MAX);
}

/* What ts (NULL: now, both) asks for. */
static unsigned times(struct attr *attr, const struct timespec *ts)
{
	struct timespec now;
	unsigned valid = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	attr->atime = attr->mtime = now;
	if (!ts || (ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW))
		return ATTR_ATIME | ATTR_MTIME;
	if (ts[0].tv_nsec != UTIME_OMIT)
		valid |= ATTR_ATIME;
	if (ts[1].tv_nsec != UTIME_OMIT)
		valid |= ATTR_MTIME;
	if (ts[0].tv_nsec != UTIME_NOW)
		attr->atime = ts[0];
	if (ts[1].tv_nsec != UTIME_NOW)
		attr->mtime = ts[1];
	return valid | ATTR_TIMES_SET;
}

static int64_t set_times(struct task *t, int dirfd, uint64_t addr, const struct timespec *ts, int flags)
{
	struct attr attr = { 0 };
	int walk = at_walk(flags);
	unsigned valid;

	if (walk < 0)
		return walk;
	/* Names are walked before times are judged. */
	valid = !ts || (nsec_ok(ts[0].tv_nsec) && nsec_ok(ts[1].tv_nsec)) ? times(&attr, ts) : TIMES_WRONG;
	if (!addr && dirfd != AT_FDCWD)
		return flags ? -EINVAL : set_fd(t, dirfd, &attr, valid); /* futimens(3) */
	return set_name(t, dirfd, addr, (unsigned)walk, &attr, valid);
}

SYSCALL_DECLARE(utimensat)
{
	struct timespec ts[2];
	int r = a[2] ? guest_read(t->mm, ts, a[2], sizeof(ts)) : 0;

	if (r)
		return r;
	/* Nothing to do: not even the name is looked at. */
	if (a[2] && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	return set_times(t, (int)a[0], a[1], a[2] ? ts : NULL, (int)a[3]);
}

static int64_t set_timevals(struct task *t, int dirfd, uint64_t addr, uint64_t tv_addr)
{
	struct timeval tv[2];
	struct timespec ts[2];
	int r;

	if (!tv_addr)
		return set_times(t, dirfd, addr, NULL, 0);
	r = guest_read(t->mm, tv, tv_addr, sizeof(tv));
	if (r)
		return r;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		ts[i] = (struct timespec){ .tv_sec = tv[i].tv_sec, .tv_nsec = tv[i].tv_usec * 1000 };
	}
	return set_times(t, dirfd, addr, ts, 0);
}

SYSCALL_DECLARE(utimes)
{
	return set_timevals(t, AT_FDCWD, a[0], a[1]);
}

SYSCALL_DECLARE(futimesat)
{
	return set_timevals(t, (int)a[0], a[1], a[2]);
}

SYSCALL_DECLARE(utime)
{
	struct timespec ts[2] = { { 0 } };
	int64_t buf[2];
	int r = a[1] ? guest_read(t->mm, buf, a[1], sizeof(buf)) : 0;

	if (r)
		return r;
	if (a[1]) {
		ts[0].tv_sec = buf[0];
		ts[1].tv_sec = buf[1];
	}
	return set_times(t, AT_FDCWD, a[0], a[1] ? ts : NULL, 0);
}

/* --- sizes --- */

SYSCALL_DECLARE(truncate)
{
	struct attr attr = { .size = a[1] };
	char name[PATH_MAX];
	struct path p;
	int64_t r;

	if ((int64_t)a[1] < 0)
		return -EINVAL;
	r = syscall_path(t, a[0], name);
	if (!r)
		r = vfs_walk(t, AT_FDCWD, name, WALK_FOLLOW, &p);
	if (r)
		return r;
	if (path_inode(&p)->type == S_IFDIR)
		r = -EISDIR;
	else if (path_inode(&p)->type != S_IFREG)
		r = -EINVAL;
	else
		r = vfs_permission(&p, t->cred, W_OK);
	if (!r && path_inode(&p)->write_count < 0)
		r = -ETXTBSY;
	if (!r)
		r = inode_grow_check(path_inode(&p), attr.size);
	if (!r)
		r = vfs_setattr(&p, t->cred, &attr, ATTR_SIZE | ATTR_MTIME);
	path_put(&p);
	return r;
}

SYSCALL_DECLARE(ftruncate)
{
	int64_t size = (int64_t)a[1], r;
	struct file *f;

	if (size < 0)
		return -EINVAL;
	f = fd_lookup(t->files, (int)a[0]);
	if (!f)
		return -EBADF;
	r = f->ops->truncate && file_writable(f) ? inode_grow_check(f->inode, (uint64_t)size) : -EINVAL;
	if (!r)
		r = f->ops->truncate(f, size);
	if (!r)
		notify_file(f, IN_MODIFY);
	file_put(f);
	return r;
}

/* fallocate(2)'s combinations. */
static int check_allocate(int mode)
{
	const int all = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE |
			FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;

	if (mode & ~all)
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE && mode & FALLOC_FL_ZERO_RANGE)
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	return 0;
}

SYSCALL_DECLARE(fallocate)
{
	struct file *f = fd_lookup(t->files, (int)a[0]);
	int mode = (int)a[1];
	int64_t off = (int64_t)a[2], len = (int64_t)a[3], r;

	if (!f)
		return -EBADF;
	r = off < 0 || len <= 0 ? -EINVAL : check_allocate(mode);
	if (!r && !file_writable(f))
		r = -EBADF;
	if (!r && f->inode->type == S_IFIFO)
		r = -ESPIPE;
	if (!r && f->inode->type == S_IFDIR)
		r = -EISDIR;
	if (!r && f->inode->type != S_IFREG)
		r = -ENODEV;
	if (!r && off > INT64_MAX - len)
		r = -EFBIG;
	if (!r && !(mode & FALLOC_FL_KEEP_SIZE))
		r = inode_grow_check(f->inode, (uint64_t)(off + len));
	if (!r)
		r = f->ops->allocate ? f->ops->allocate(f, mode, off, len) : -EOPNOTSUPP;
	if (!r)
		notify_file(f, IN_MODIFY);
	file_put(f);
	return r;
}
