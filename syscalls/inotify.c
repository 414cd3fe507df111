/* SPDX-License-Identifier: Apache-2.0 */
/* inotify(7). */
#include "fs/fdtable.h"
#include "fs/notify.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

static int64_t make(struct task *t, int flags)
{
	struct file *f;
	int r;

	if (flags & ~(IN_NONBLOCK | IN_CLOEXEC))
		return -EINVAL;
	r = inotify_new(flags & IN_NONBLOCK, &f);
	return r ? r : fd_install_task(t, f, flags & IN_CLOEXEC);
}

SYSCALL_DECLARE(inotify_init)
{
	(void)a;
	return make(t, 0);
}

SYSCALL_DECLARE(inotify_init1)
{
	return make(t, (int)a[0]);
}

static int64_t watch(struct task *t, struct file *f, uint64_t addr, uint32_t mask)
{
	unsigned walk = (mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW) | (mask & IN_ONLYDIR ? WALK_DIRECTORY : 0);
	char name[PATH_MAX];
	struct path p;
	int64_t r = syscall_path(t, addr, name);

	if (!r)
		r = vfs_walk(t, AT_FDCWD, name, walk, &p);
	if (r)
		return r;
	r = vfs_permission(&p, t->cred, R_OK);
	if (!r)
		r = inotify_add(f, &p, mask);
	path_put(&p);
	return r;
}

SYSCALL_DECLARE(inotify_add_watch)
{
	uint32_t mask = (uint32_t)a[2];
	struct file *f;
	int64_t r;

	/* Any bit that inotify(7) knows will do. */
	if (!(mask & (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK |
		      IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)))
		return -EINVAL;
	if (mask & IN_MASK_ADD && mask & IN_MASK_CREATE)
		return -EINVAL;
	f = fd_lookup(t->files, (int)a[0]);
	if (!f)
		return -EBADF;
	r = file_is_inotify(f) ? watch(t, f, a[1], mask) : -EINVAL;
	file_put(f);
	return r;
}

SYSCALL_DECLARE(inotify_rm_watch)
{
	struct file *f = fd_lookup(t->files, (int)a[0]);
	int64_t r;

	if (!f)
		return -EBADF;
	r = file_is_inotify(f) ? inotify_remove(f, (int)a[1]) : -EINVAL;
	file_put(f);
	return r;
}
