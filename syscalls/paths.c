/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about paths and a task's place among them: access(2), readlink(2), getcwd(2), chdir(2), chroot(2), umask(2). */
#include "fs/fdtable.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <unistd.h>

/* --- access --- */

/* access(2) asks for the real ids. */
static struct cred *real_cred(const struct cred *c)
{
	struct cred *copy = cred_copy(c);

	if (!copy)
		return NULL;
	copy->fsuid = copy->uid;
	copy->fsgid = copy->gid;
	/* As the kernel: whoever is not root really has no capability, root has what it may have. */
	copy->cap_effective = copy->uid ? 0 : copy->cap_permitted;
	return copy;
}

/* Others may look at t's credentials at any time, but hold the lock while they take a reference. */
static struct cred *exchange_cred(struct task *t, struct cred *c)
{
	struct cred *old = t->cred;

	mutex_lock(&tasks_lock);
	t->cred = c;
	mutex_unlock(&tasks_lock);
	return old;
}

static int check_access(const struct path *p, const struct cred *c, int mode)
{
	if (mode & W_OK && path_readonly(p) && (path_inode(p)->type == S_IFREG || path_inode(p)->type == S_IFDIR ||
						path_inode(p)->type == S_IFLNK))
		return -EROFS;
	return mode ? vfs_permission(p, c, mode) : 0;
}

static int64_t access_at(struct task *t, int dirfd, uint64_t addr, int mode, int flags)
{
	unsigned walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	const struct cred *own = t->cred;
	struct cred *real = NULL;
	char name[PATH_MAX];
	struct path p;
	int64_t r;

	if (mode & ~(R_OK | W_OK | X_OK) || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = syscall_path(t, addr, name);
	if (r)
		return r;
	if (!(flags & AT_EACCESS) && (own->uid != own->fsuid || own->gid != own->fsgid || (own->uid && own->cap_effective))) {
		real = real_cred(own);
		if (!real)
			return -ENOMEM;
		real = exchange_cred(t, real);
	}
	r = vfs_walk(t, dirfd, name, walk, &p);
	if (!r) {
		r = check_access(&p, t->cred, mode);
		path_put(&p);
	}
	if (real)
		cred_put(exchange_cred(t, real));
	return r;
}

SYSCALL_DECLARE(access)
{
	return access_at(t, AT_FDCWD, a[0], (int)a[1], 0);
}

SYSCALL_DECLARE(faccessat)
{
	return access_at(t, (int)a[0], a[1], (int)a[2], 0);
}

SYSCALL_DECLARE(faccessat2)
{
	return access_at(t, (int)a[0], a[1], (int)a[2], (int)a[3]);
}

/* --- readlink --- */

static int64_t readlink_at(struct task *t, int dirfd, uint64_t addr, uint64_t buf, int size)
{
	char name[PATH_MAX], target[PATH_MAX];
	struct path p;
	ssize_t n;
	int r;

	if (size <= 0)
		return -EINVAL;
	r = syscall_path(t, addr, name);
	if (!r)
		r = vfs_walk(t, dirfd, name, WALK_EMPTY, &p);
	if (r)
		return r;
	if (path_inode(&p)->type != S_IFLNK)
		n = name[0] ? -EINVAL : -ENOENT;
	else
		n = vfs_readlink(&p, target, sizeof(target));
	path_put(&p);
	if (n < 0)
		return n;
	n = MIN(n, size);
	r = guest_write(t->mm, buf, target, (size_t)n);
	return r ? r : n;
}

SYSCALL_DECLARE(readlink)
{
	return readlink_at(t, AT_FDCWD, a[0], a[1], (int)a[2]);
}

SYSCALL_DECLARE(readlinkat)
{
	return readlink_at(t, (int)a[0], a[1], a[2], (int)a[3]);
}

/* --- where a task is --- */

SYSCALL_DECLARE(getcwd)
{
	char name[PATH_MAX + 32];
	struct path root, cwd;
	ssize_t n;
	int r;

	fs_context_root(t->fs, &root);
	fs_context_cwd(t->fs, &cwd);
	n = path_inode(&cwd)->dead ? -ENOENT : vfs_path_name(&cwd, &root, name, sizeof(name));
	path_put(&cwd);
	path_put(&root);
	if (n < 0)
		return n == -ENAMETOOLONG ? -ERANGE : n;
	if ((uint64_t)n + 1 > a[1])
		return -ERANGE;
	r = guest_write(t->mm, a[0], name, (size_t)n + 1);
	return r ? r : n + 1;
}

static int directory_by_name(struct task *t, uint64_t addr, struct path *out)
{
	char name[PATH_MAX];
	int r = syscall_path(t, addr, name);

	if (!r)
		r = vfs_walk(t, AT_FDCWD, name, WALK_FOLLOW | WALK_DIRECTORY, out);
	if (r)
		return r;
	r = vfs_permission(out, t->cred, X_OK);
	if (r)
		path_put(out);
	return r;
}

SYSCALL_DECLARE(chdir)
{
	struct path p;
	int r = directory_by_name(t, a[0], &p);

	if (r)
		return r;
	fs_context_set_cwd(t->fs, &p);
	path_put(&p);
	return 0;
}

SYSCALL_DECLARE(fchdir)
{
	struct file *f = fd_lookup_any(t->files, (int)a[0]);
	int r;

	if (!f)
		return -EBADF;
	if (!f->path || f->inode->type != S_IFDIR)
		r = -ENOTDIR;
	else
		r = vfs_permission(f->path, t->cred, X_OK);
	if (!r)
		fs_context_set_cwd(t->fs, f->path);
	file_put(f);
	return r;
}

SYSCALL_DECLARE(chroot)
{
	struct path p;
	int r = directory_by_name(t, a[0], &p);

	if (r)
		return r;
	if (cred_capable(t->cred, CAP_SYS_CHROOT))
		fs_context_set_root(t->fs, &p);
	else
		r = -EPERM;
	path_put(&p);
	return r;
}

SYSCALL_DECLARE(umask)
{
	return fs_context_set_umask(t->fs, (uint32_t)a[0] & 0777);
}
