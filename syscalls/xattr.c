/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: xattr(7), getxattr(2), setxattr(2), listxattr(2), removexattr(2). */
#include "fs/fdtable.h"
#include "fs/notify.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/* What a call is about: a name that is walked, or a descriptor. */
struct target {
	struct path path;
	struct inode *inode; /* borrowed */
	struct file *file;
};

enum how { BY_NAME, BY_LINK, BY_FD };

static int target_find(struct task *t, uint64_t arg, enum how how, struct target *out)
{
	char name[PATH_MAX];
	int r;

	out->file = NULL;
	if (how == BY_FD) {
		out->file = fd_lookup(t->files, (int)arg);
		if (!out->file)
			return -EBADF;
		r = file_path(out->file, &out->path);
		if (r) {
			file_put(out->file);
			return r;
		}
	} else {
		r = syscall_path(t, arg, name);
		if (!r)
			r = vfs_walk(t, AT_FDCWD, name, how == BY_NAME ? WALK_FOLLOW : 0, &out->path);
		if (r)
			return r;
	}
	out->inode = path_inode(&out->path);
	return 0;
}

static void target_put(struct target *g)
{
	path_put(&g->path);
	if (g->file)
		file_put(g->file);
}

static int read_name(struct task *t, uint64_t addr, char name[static XATTR_NAME_MAX + 1])
{
	ssize_t n = guest_read_string(t->mm, name, addr, XATTR_NAME_MAX + 1);

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

/* xattr(7): who may use a name. mask: R_OK or W_OK. */
static int check_name(struct task *t, const struct target *g, const char *name, int mask)
{
	if (!strncmp(name, "user.", 5)) {
		if (g->inode->type != S_IFREG && g->inode->type != S_IFDIR)
			return mask & W_OK ? -EPERM : -ENODATA;
		return vfs_permission(&g->path, t->cred, mask);
	}
	if (!strncmp(name, "trusted.", 8))
		return cred_capable(t->cred, CAP_SYS_ADMIN) ? 0 : mask & W_OK ? -EPERM : -ENODATA;
	if (!strncmp(name, "security.", 9) || !strncmp(name, "system.", 7))
		return mask & W_OK && !cred_capable(t->cred, CAP_SYS_ADMIN) ? -EPERM : 0;
	return -EOPNOTSUPP;
}

/* --- get and list: both fill a buffer, or tell how large it must be --- */

static int64_t give(struct task *t, uint64_t addr, size_t size, const void *buf, ssize_t n)
{
	int r;

	if (n < 0 || !size)
		return n;
	r = guest_write(t->mm, addr, buf, (size_t)n);
	return r ? r : n;
}

static int64_t get(struct task *t, const uint64_t a[6], enum how how)
{
	size_t size = MIN(a[3], (uint64_t)XATTR_SIZE_MAX);
	char name[XATTR_NAME_MAX + 1];
	void *buf = malloc(size ? size : 1);
	struct target g;
	int64_t r = buf ? read_name(t, a[1], name) : -ENOMEM;

	if (!r)
		r = target_find(t, a[0], how, &g);
	if (!r) {
		r = check_name(t, &g, name, R_OK);
		if (!r)
			r = g.inode->ops->getxattr ? g.inode->ops->getxattr(g.inode, name, buf, size) : -EOPNOTSUPP;
		r = give(t, a[2], size, buf, r);
		target_put(&g);
	}
	free(buf);
	return r;
}

static int64_t list(struct task *t, const uint64_t a[6], enum how how)
{
	size_t size = MIN(a[2], (uint64_t)XATTR_LIST_MAX);
	char *buf = malloc(size ? size : 1);
	struct target g;
	int64_t r = buf ? target_find(t, a[0], how, &g) : -ENOMEM;

	if (!r) {
		r = g.inode->ops->listxattr ? g.inode->ops->listxattr(g.inode, buf, size) : 0;
		r = give(t, a[1], size, buf, r);
		target_put(&g);
	}
	free(buf);
	return r;
}

/* --- set and remove --- */

static int64_t change(struct task *t, struct target *g, const char *name, const void *value, size_t size, int flags)
{
	const struct inode_ops *ops = g->inode->ops;
	int64_t r = path_readonly(&g->path) ? -EROFS : check_name(t, g, name, W_OK);

	if (r)
		return r;
	if (value)
		r = ops->setxattr ? ops->setxattr(g->inode, name, value, size, flags) : -EOPNOTSUPP;
	else
		r = ops->removexattr ? ops->removexattr(g->inode, name) : -EOPNOTSUPP;
	if (!r)
		notify_path(&g->path, IN_ATTRIB);
	return r;
}

static int64_t set(struct task *t, const uint64_t a[6], enum how how)
{
	int flags = (int)a[4];
	char name[XATTR_NAME_MAX + 1];
	struct target g;
	void *value;
	int64_t r;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	r = read_name(t, a[1], name);
	if (r)
		return r;
	if (a[3] > XATTR_SIZE_MAX)
		return -E2BIG;
	value = malloc(a[3] ? a[3] : 1);
	if (!value)
		return -ENOMEM;
	r = guest_read(t->mm, value, a[2], a[3]);
	if (!r)
		r = target_find(t, a[0], how, &g);
	if (!r) {
		r = change(t, &g, name, value, a[3], flags);
		target_put(&g);
	}
	free(value);
	return r;
}

static int64_t remove_named(struct task *t, const uint64_t a[6], enum how how)
{
	char name[XATTR_NAME_MAX + 1];
	struct target g;
	int64_t r = read_name(t, a[1], name);

	if (!r)
		r = target_find(t, a[0], how, &g);
	if (r)
		return r;
	r = change(t, &g, name, NULL, 0, 0);
	target_put(&g);
	return r;
}

SYSCALL_DECLARE(getxattr) { return get(t, a, BY_NAME); }
SYSCALL_DECLARE(lgetxattr) { return get(t, a, BY_LINK); }
SYSCALL_DECLARE(fgetxattr) { return get(t, a, BY_FD); }
SYSCALL_DECLARE(listxattr) { return list(t, a, BY_NAME); }
SYSCALL_DECLARE(llistxattr) { return list(t, a, BY_LINK); }
SYSCALL_DECLARE(flistxattr) { return list(t, a, BY_FD); }
SYSCALL_DECLARE(setxattr) { return set(t, a, BY_NAME); }
SYSCALL_DECLARE(lsetxattr) { return set(t, a, BY_LINK); }
SYSCALL_DECLARE(fsetxattr) { return set(t, a, BY_FD); }
SYSCALL_DECLARE(removexattr) { return remove_named(t, a, BY_NAME); }
SYSCALL_DECLARE(lremovexattr) { return remove_named(t, a, BY_LINK); }
SYSCALL_DECLARE(fremovexattr) { return remove_named(t, a, BY_FD); }
