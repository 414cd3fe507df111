/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and what hangs on them: dup(2), fcntl(2), flock(2), fsync(2). */
#include "fs/async.h"
#include "fs/fdtable.h"
#include "fs/locks.h"
#include "fs/pipe.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY (F_LINUX_SPECIFIC_BASE + 3)
#define F_CREATED_QUERY (F_LINUX_SPECIFIC_BASE + 4)
#endif
#ifndef F_LINUX_SPECIFIC_BASE
#define F_LINUX_SPECIFIC_BASE 1024
#endif
/* What F_SETFL may change: fcntl(2). O_ASYNC only where the file can tell of events: async_set(). */
#define SETFL_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

/* --- dup --- */

SYSCALL_DECLARE(dup)
{
	struct file *f = fd_lookup_any(t->files, (int)a[0]);

	return f ? fd_install_task(t, f, false) : -EBADF;
}

static int64_t dup_to(struct task *t, int old, int new, bool cloexec)
{
	struct file *f = fd_lookup_any(t->files, old);
	int r;

	if (!f)
		return -EBADF;
	r = fd_install_at(t->files, f, new, cloexec, task_rlimit(t, RLIMIT_NOFILE));
	if (r < 0)
		file_put(f);
	return r < 0 ? r : new;
}

SYSCALL_DECLARE(dup2)
{
	int old = (int)a[0], new = (int)a[1];
	struct file *f;

	if (old != new)
		return dup_to(t, old, new, false);
	f = fd_lookup_any(t->files, old);
	if (!f)
		return -EBADF;
	file_put(f);
	return new;
}

SYSCALL_DECLARE(dup3)
{
	int old = (int)a[0], new = (int)a[1], flags = (int)a[2];

	if (flags & ~O_CLOEXEC || old == new)
		return -EINVAL;
	return dup_to(t, old, new, flags & O_CLOEXEC);
}

static int64_t dup_from(struct task *t, struct file *f, uint64_t from, bool cloexec)
{
	uint64_t limit = task_rlimit(t, RLIMIT_NOFILE);
	int r;

	if (from >= MIN(limit, (uint64_t)INT_MAX))
		return -EINVAL;
	file_get(f);
	r = fd_install(t->files, f, (int)from, cloexec, limit);
	if (r < 0)
		file_put(f);
	return r;
}

/* --- fcntl: flags and owners --- */

static int64_t set_flags(struct task *t, struct file *f, int fd, int flags)
{
	int old = f->flags, new = (old & ~SETFL_FLAGS) | (flags & SETFL_FLAGS), r = 0;

	if (new & ~old & O_NOATIME && !inode_owned(f->inode, t->cred))
		return -EPERM;
	if (f->ops->set_flags)
		r = f->ops->set_flags(f, new);
	if (!r && (flags ^ old) & O_ASYNC && f->ops->async)
		r = async_set(t, f, fd, flags & O_ASYNC);
	if (!r)
		f->flags = (new & ~O_ASYNC) | (f->flags & O_ASYNC);
	return r;
}

static int64_t set_owner_ex(struct task *t, struct file *f, uint64_t addr)
{
	struct f_owner_ex o;
	int r = guest_read(t->mm, &o, addr, sizeof(o));

	if (r)
		return r;
	if (o.type != F_OWNER_TID && o.type != F_OWNER_PID && o.type != F_OWNER_PGRP)
		return -EINVAL;
	return async_set_owner(t, f, o.type, o.pid);
}

static int64_t get_owner_ex(struct task *t, struct file *f, uint64_t addr)
{
	struct f_owner_ex o = { 0 };
	int type;

	o.pid = async_get_owner(f, &type);
	o.type = type;
	return guest_write(t->mm, addr, &o, sizeof(o));
}

/* --- fcntl: record locks --- */

/* struct flock's range as [start, end]: fcntl_locking(2). */
static int lock_range(struct file *f, const struct flock *l, uint64_t *start, uint64_t *end)
{
	struct attr attr;
	int64_t base = 0, first, last;
	int r = 0;

	if (l->l_whence == SEEK_CUR) {
		base = file_position(f);
	} else if (l->l_whence == SEEK_END) {
		r = inode_getattr(f->inode, &attr);
		base = (int64_t)attr.size;
	} else if (l->l_whence != SEEK_SET) {
		r = -EINVAL;
	}
	if (r)
		return r;
	if (__builtin_add_overflow(base, l->l_start, &first))
		return -EOVERFLOW;
	last = INT64_MAX;
	if (l->l_len > 0 && __builtin_add_overflow(first, l->l_len - 1, &last))
		return -EOVERFLOW;
	if (l->l_len < 0) {
		last = first - 1;
		if (__builtin_add_overflow(first, l->l_len, &first))
			return -EINVAL;
	}
	if (first < 0)
		return -EINVAL;
	*start = (uint64_t)first;
	*end = (uint64_t)last;
	return 0;
}

static int64_t get_lock(struct task *t, uint64_t addr, struct flock *l, const struct lock_request *want)
{
	struct lock_request found;

	if (l->l_type != F_RDLCK && l->l_type != F_WRLCK)
		return -EINVAL;
	if (lock_record_test(want, &found)) {
		l->l_type = found.type;
		l->l_whence = SEEK_SET;
		l->l_start = (off_t)found.start;
		l->l_len = found.end == INT64_MAX ? 0 : (off_t)(found.end - found.start + 1);
		l->l_pid = found.pid;
	} else {
		l->l_type = F_UNLCK;
	}
	return guest_write(t->mm, addr, l, sizeof(*l));
}

static int64_t set_lock(struct task *t, int fd, const struct lock_request *want, bool wait)
{
	struct file *f = want->file, *still;
	int64_t r;

	if (want->type != F_RDLCK && want->type != F_WRLCK && want->type != F_UNLCK)
		return -EINVAL;
	if ((want->type == F_RDLCK && !file_readable(f)) || (want->type == F_WRLCK && !file_writable(f)))
		return -EBADF;
	r = lock_record(t, want, wait);
	if (r || want->type == F_UNLCK || want->owner == f)
		return r;
	/* Another thread may have closed fd meanwhile, and then nobody would ever unlock. */
	still = fd_lookup(t->files, fd);
	if (still != f) {
		locks_posix_close(f, want->owner);
		r = -EBADF;
	}
	if (still)
		file_put(still);
	return r;
}

static int64_t record_lock(struct task *t, struct file *f, int fd, int cmd, uint64_t addr)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	struct lock_request want = { .owner = ofd ? (void *)f : (void *)t->files, .file = f, .pid = ofd ? -1 : t->tg->tgid };
	struct flock l;
	int64_t r = guest_read(t->mm, &l, addr, sizeof(l));

	if (r)
		return r;
	if (ofd && l.l_pid)
		return -EINVAL;
	want.type = l.l_type;
	r = lock_range(f, &l, &want.start, &want.end);
	if (r)
		return r;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK)
		return get_lock(t, addr, &l, &want);
	return set_lock(t, fd, &want, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

/* --- fcntl: the rest --- */

static int64_t write_hints(struct task *t, int cmd, uint64_t addr)
{
	uint64_t hint = RWH_WRITE_LIFE_NOT_SET;

	if (cmd == F_GET_RW_HINT || cmd == F_GET_FILE_RW_HINT)
		return guest_write(t->mm, addr, &hint, sizeof(hint));
	/* Advice, which nothing here needs. */
	if (guest_read(t->mm, &hint, addr, sizeof(hint)))
		return -EFAULT;
	return hint <= RWH_WRITE_LIFE_EXTREME ? 0 : -EINVAL;
}

static int64_t same_file(struct task *t, struct file *f, int fd)
{
	struct file *other = fd_lookup_any(t->files, fd);

	if (!other)
		return -EBADF;
	file_put(other);
	return other == f;
}

/* Commands that O_PATH descriptors answer too. */
static bool path_command(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_DUPFD_QUERY || cmd == F_GETFD || cmd == F_SETFD || cmd == F_GETFL;
}

static int64_t control_descriptor(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_from(t, f, arg, cmd == F_DUPFD_CLOEXEC);
	case F_DUPFD_QUERY:
		return same_file(t, f, (int)arg);
	case F_GETFD:
		return fd_get_cloexec(t->files, fd);
	case F_SETFD:
		return fd_set_cloexec(t->files, fd, arg & FD_CLOEXEC);
	default:
		return f->flags;
	}
}

static int64_t control_file(struct task *t, struct file *f, int fd, int cmd, uint64_t arg)
{
	switch (cmd) {
	case F_SETFL:
		return set_flags(t, f, fd, (int)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return record_lock(t, f, fd, cmd, arg);
	case F_GETOWN:
		return async_get_owner_signed(f);
	case F_SETOWN:
		return async_set_owner_signed(t, f, (int)arg);
	case F_GETOWN_EX:
		return get_owner_ex(t, f, arg);
	case F_SETOWN_EX:
		return set_owner_ex(t, f, arg);
	case F_GETSIG:
		return async_get_signal(f);
	case F_SETSIG:
		if (arg >= 65)
			return -EINVAL;
		return async_set_signal(f, (int)arg);
	case F_GETPIPE_SZ:
		return pipe_get_size(f);
	case F_SETPIPE_SZ:
		return pipe_set_size(f, (unsigned)arg, cred_capable(t->cred, CAP_SYS_RESOURCE));
	case F_GET_SEALS:
		return memfd_get_seals(f);
	case F_ADD_SEALS:
		return memfd_add_seals(f, (int)arg);
	case F_GET_RW_HINT:
	case F_SET_RW_HINT:
	case F_GET_FILE_RW_HINT:
	case F_SET_FILE_RW_HINT:
		return write_hints(t, cmd, arg);
	case F_GETLEASE:
		return F_UNLCK; /* there are none: setting one is EINVAL, as on file systems without leases */
	default:
		return -EINVAL;
	}
}

SYSCALL_DECLARE(fcntl)
{
	int fd = (int)a[0], cmd = (int)(unsigned)a[1];
	struct file *f = fd_lookup_any(t->files, fd);
	int64_t r;

	if (!f)
		return -EBADF;
	if (path_command(cmd))
		r = control_descriptor(t, f, fd, cmd, a[2]);
	else
		r = f->flags & O_PATH ? -EBADF : control_file(t, f, fd, cmd, a[2]);
	file_put(f);
	return r;
}

SYSCALL_DECLARE(flock)
{
	int op = (int)a[1], what = op & ~LOCK_NB;
	struct file *f;
	int64_t r;

	if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
		return -EINVAL;
	f = fd_lookup(t->files, (int)a[0]);
	if (!f)
		return -EBADF;
	r = lock_flock(t, f, what, op & LOCK_NB);
	file_put(f);
	return r;
}

/* --- writing back --- */

SYSCALL_DECLARE(sync_file_range)
{
	const unsigned known = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	int64_t off = (int64_t)a[1], len = (int64_t)a[2], r = 0;
	struct file *f = fd_lookup(t->files, (int)a[0]);

	if (!f)
		return -EBADF;
	if ((unsigned)a[3] & ~known || off < 0 || len < 0 || off > INT64_MAX - len)
		r = -EINVAL;
	else if (f->inode->type != S_IFREG && f->inode->type != S_IFDIR && f->inode->type != S_IFBLK)
		r = -ESPIPE;
	else if (f->ops->sync)
		r = f->ops->sync(f, true);
	file_put(f);
	return r;
}

static int64_t sync_fd(struct task *t, int fd, bool data_only)
{
	struct file *f = fd_lookup(t->files, fd);
	int64_t r;

	if (!f)
		return -EBADF;
	r = file_sync(f, data_only);
	file_put(f);
	return r;
}

SYSCALL_DECLARE(fsync)
{
	return sync_fd(t, (int)a[0], false);
}

SYSCALL_DECLARE(fdatasync)
{
	return sync_fd(t, (int)a[0], true);
}

/* What guests write is in memory, or went to the host at once. */
SYSCALL_DECLARE(sync)
{
	(void)t, (void)a;
	return 0;
}

SYSCALL_DECLARE(syncfs)
{
	struct file *f = fd_lookup(t->files, (int)a[0]);

	if (!f)
		return -EBADF;
	file_put(f);
	return 0;
}
