/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: xattr(7), getxattr(2), setxattr(2), listxattr(2), removexattr(2), and the newer forms of these that take a
 * directory's descriptor and flags. */
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

/* What a call names: a descriptor, or a path to be walked from dirfd. */
struct subject {
	int fd; /* BY_FD; else where the walk starts */
	enum { BY_NAME, BY_FD } how;
	uint64_t name;
	int flags; /* AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH */
};

/* struct xattr_args of linux/xattr.h, where it is new enough. */
struct value_args {
	uint64_t value;
	uint32_t size, flags;
};

static struct subject named(uint64_t name, int flags)
{
	return (struct subject){ .how = BY_NAME, .fd = AT_FDCWD, .name = name, .flags = flags };
}

static struct subject opened(uint64_t fd)
{
	return (struct subject){ .how = BY_FD, .fd = (int)fd };
}

static struct subject at(const uint64_t a[6])
{
	return (struct subject){ .how = BY_NAME, .fd = (int)a[0], .name = a[1], .flags = (int)(unsigned)a[2] };
}

static int find_opened(struct task *t, int fd, struct path *out)
{
	struct file *f = fd_lookup(t->files, fd);
	int r;

	if (!f)
		return -EBADF;
	r = file_path(f, out);
	file_put(f);
	return r;
}

/* *out gets references. */
static int find(struct task *t, const struct subject *s, struct path *out)
{
	unsigned walk = (s->flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (s->flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	char name[PATH_MAX] = "";
	int r = 0;

	if (s->how == BY_FD)
		return find_opened(t, s->fd, out);
	if (s->flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (s->name || !(s->flags & AT_EMPTY_PATH))
		r = syscall_path(t, s->name, name);
	if (r)
		return r;
	if (!name[0] && s->flags & AT_EMPTY_PATH && s->fd >= 0)
		return find_opened(t, s->fd, out);
	return vfs_walk(t, s->fd, name, walk, out);
}

static int read_name(struct task *t, uint64_t addr, char name[static XATTR_NAME_MAX + 1])
{
	ssize_t n = guest_read_string(t->mm, name, addr, XATTR_NAME_MAX + 1);

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

static int check_user(struct task *t, const struct path *p, int mask)
{
	struct inode *i = path_inode(p);
	struct attr attr;
	int r;

	if (i->type != S_IFREG && i->type != S_IFDIR)
		return mask & W_OK ? -EPERM : -ENODATA;
	/* In a directory like /tmp, who may only write leaves no notes on it. */
	if (mask & W_OK && i->type == S_IFDIR) {
		r = inode_getattr(i, &attr);
		if (r)
			return r;
		if (attr.mode & S_ISVTX && t->cred->fsuid != attr.uid && !cred_capable(t->cred, CAP_FOWNER))
			return -EPERM;
	}
	return vfs_permission(p, t->cred, mask);
}

static bool has_prefix(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

/* xattr(7): who may use a name. mask: R_OK or W_OK. */
static int check_rights(struct task *t, const struct path *p, const char *name, int mask)
{
	if (has_prefix(name, "security.") || has_prefix(name, "system."))
		return 0;
	if (has_prefix(name, "trusted."))
		return cred_capable(t->cred, CAP_SYS_ADMIN) ? 0 : mask & W_OK ? -EPERM : -ENODATA;
	if (has_prefix(name, "user."))
		return check_user(t, p, mask);
	return vfs_permission(p, t->cred, mask);
}

/* That, and then whether there is such a name: in Linux's order. */
static int check_name(struct task *t, const struct path *p, const char *name, int mask)
{
	static const char *const families[] = { "user.", "trusted.", "security." };
	int r = check_rights(t, p, name, mask);

	for (size_t i = 0; !r && i < ARRAY_SIZE(families); i++) {
		if (!has_prefix(name, families[i]))
			continue;
		if (!name[strlen(families[i])])
			return -EINVAL;
		return i == 2 && mask & W_OK && !cred_capable(t->cred, CAP_SYS_ADMIN) ? -EPERM : 0;
	}
	/* No access control lists here. */
	return r ? r : -EOPNOTSUPP;
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

static int64_t get(struct task *t, struct subject s, uint64_t name_addr, uint64_t addr, uint64_t room)
{
	size_t size = MIN(room, (uint64_t)XATTR_SIZE_MAX);
	char name[XATTR_NAME_MAX + 1];
	void *buf = malloc(size ? size : 1);
	struct inode *i;
	struct path p;
	int64_t r = buf ? read_name(t, name_addr, name) : -ENOMEM;

	if (!r)
		r = find(t, &s, &p);
	if (!r) {
		i = path_inode(&p);
		r = check_name(t, &p, name, R_OK);
		if (!r)
			r = i->ops->getxattr ? i->ops->getxattr(i, name, buf, size) : -EOPNOTSUPP;
		r = give(t, addr, size, buf, r);
		path_put(&p);
	}
	free(buf);
	return r;
}

static int64_t list(struct task *t, struct subject s, uint64_t addr, uint64_t room)
{
	size_t size = MIN(room, (uint64_t)XATTR_LIST_MAX);
	char *buf = malloc(size ? size : 1);
	struct inode *i;
	struct path p;
	int64_t r = buf ? find(t, &s, &p) : -ENOMEM;

	if (!r) {
		i = path_inode(&p);
		r = i->ops->listxattr ? i->ops->listxattr(i, buf, size) : 0;
		r = give(t, addr, size, buf, r);
		path_put(&p);
	}
	free(buf);
	return r;
}

/* --- set and remove --- */

/* value NULL: removes. */
static int64_t change(struct task *t, const struct path *p, const char *name, const void *value, size_t size, int flags)
{
	struct inode *i = path_inode(p);
	int64_t r = path_readonly(p) ? -EROFS : check_name(t, p, name, W_OK);

	if (r)
		return r;
	if (value)
		r = i->ops->setxattr ? i->ops->setxattr(i, name, value, size, flags) : -EOPNOTSUPP;
	else
		r = i->ops->removexattr ? i->ops->removexattr(i, name) : -EOPNOTSUPP;
	if (!r)
		notify_path(p, IN_ATTRIB);
	return r;
}

static int64_t set(struct task *t, struct subject s, uint64_t name_addr, uint64_t addr, uint64_t size, int flags)
{
	char name[XATTR_NAME_MAX + 1];
	struct path p;
	void *value;
	int64_t r;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	r = read_name(t, name_addr, name);
	if (r)
		return r;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	value = malloc(size ? size : 1);
	if (!value)
		return -ENOMEM;
	r = guest_read(t->mm, value, addr, size);
	if (!r)
		r = find(t, &s, &p);
	if (!r) {
		r = change(t, &p, name, value, size, flags);
		path_put(&p);
	}
	free(value);
	return r;
}

static int64_t remove_named(struct task *t, struct subject s, uint64_t name_addr)
{
	char name[XATTR_NAME_MAX + 1];
	struct path p;
	int64_t r = read_name(t, name_addr, name);

	if (!r)
		r = find(t, &s, &p);
	if (r)
		return r;
	r = change(t, &p, name, NULL, 0, 0);
	path_put(&p);
	return r;
}

/* --- the calls --- */

#define FAMILY(prefix, subject)                                                                         \
	SYSCALL_DECLARE(prefix##getxattr) { return get(t, subject, a[1], a[2], a[3]); }                 \
	SYSCALL_DECLARE(prefix##listxattr) { return list(t, subject, a[1], a[2]); }                     \
	SYSCALL_DECLARE(prefix##setxattr) { return set(t, subject, a[1], a[2], a[3], (int)a[4]); }      \
	SYSCALL_DECLARE(prefix##removexattr) { return remove_named(t, subject, a[1]); }

FAMILY(, named(a[0], 0))
FAMILY(l, named(a[0], AT_SYMLINK_NOFOLLOW))
FAMILY(f, opened(a[0]))

SYSCALL_DECLARE(setxattrat)
{
	struct value_args v;
	int r = syscall_read_extensible(t, &v, sizeof(v), sizeof(v), a[4], a[5]);

	return r ? r : set(t, at(a), a[3], v.value, v.size, (int)v.flags);
}

SYSCALL_DECLARE(getxattrat)
{
	struct value_args v;
	int r = syscall_read_extensible(t, &v, sizeof(v), sizeof(v), a[4], a[5]);

	if (!r && v.flags)
		r = -EINVAL;
	return r ? r : get(t, at(a), a[3], v.value, v.size);
}

SYSCALL_DECLARE(listxattrat)
{
	return list(t, at(a), a[3], a[4]);
}

SYSCALL_DECLARE(removexattrat)
{
	return remove_named(t, at(a), a[3]);
}
