/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: open(2), openat2(2), and the loader's open. */
#include "fs/fdtable.h"
#include "fs/notify.h"
#include "fs/pipe.h"
#include "fs/vfs_internal.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <time.h>

/* What F_GETFL shows of every file on a 64-bit Linux; the C library's O_LARGEFILE is 0. */
#define KERNEL_O_LARGEFILE 0100000

static const struct file_ops path_ops = { .type = "path" };

/* --- who writes, who executes: ETXTBSY --- */

static int deny_or_count(struct inode *i, int step)
{
	int n = i->write_count;

	do {
		if ((step > 0 && n < 0) || (step < 0 && n > 0))
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak(&i->write_count, &n, n + step));
	return 0;
}

void file_write_count_put(struct file *f)
{
	if (f->write_count)
		atomic_fetch_sub(&f->inode->write_count, f->write_count);
}

/* --- an existing file --- */

static int access_mask(int flags)
{
	static const int masks[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };
	int mask = masks[flags & O_ACCMODE];

	return flags & O_TRUNC ? mask | MAY_WRITE : mask;
}

static int check_open(const struct path *p, int flags, const struct cred *c, bool created)
{
	struct inode *i = p->dentry->inode;
	int mask = access_mask(flags), r;

	if (i->type == S_IFLNK)
		return -ELOOP;
	if (i->type == S_IFDIR && (mask & MAY_WRITE || flags & O_CREAT))
		return -EISDIR;
	if (flags & O_DIRECTORY && i->type != S_IFDIR)
		return -ENOTDIR;
	if ((i->type == S_IFCHR || i->type == S_IFBLK) && p->mount->flags & MOUNT_NODEV)
		return -EACCES;
	r = created ? 0 : vfs_permission(p, c, mask);
	if (!r && flags & O_NOATIME && !inode_owned(i, c))
		r = -EPERM;
	return r;
}

static int open_inode(struct inode *i, struct path *path, int flags, struct file **out)
{
	if (i->type == S_IFIFO)
		return fifo_open(i, path, flags, out);
	if (i->type == S_IFSOCK || !i->ops->open)
		return -ENXIO;
	return i->ops->open(i, path, flags, out);
}

static int truncate_at_open(const struct path *p, const struct cred *c)
{
	struct attr a = { .size = 0 };

	if (((struct inode *)p->dentry->inode)->type != S_IFREG)
		return 0;
	return vfs_setattr(p, c, &a, ATTR_SIZE | ATTR_MTIME);
}

/* The file gets a copy of *p. */
static int open_path(const struct path *p, int flags, const struct cred *c, bool created, struct file **out)
{
	struct inode *i = p->dentry->inode;
	struct path *copy;
	int step = 0, r = 0;

	if (!i)
		return -ENOENT;
	if (flags & O_PATH) {
		if (flags & O_DIRECTORY && i->type != S_IFDIR)
			return -ENOTDIR;
	} else {
		r = check_open(p, flags, c, created);
		if (r)
			return r;
		step = i->type == S_IFREG && access_mask(flags) & MAY_WRITE;
		if (step && (r = deny_or_count(i, step)))
			return r;
	}
	copy = path_dup(p);
	if (!copy) {
		r = -ENOMEM;
		goto out_count;
	}
	if (flags & O_PATH)
		r = file_new_at(&path_ops, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW), copy, i, NULL, out);
	else
		r = open_inode(i, copy, flags | KERNEL_O_LARGEFILE, out);
	if (r)
		goto out_copy;
	(*out)->write_count = (int8_t)step;
	if (flags & O_PATH)
		return 0;
	notify_path(p, IN_OPEN);
	if (flags & O_TRUNC && !created)
		r = truncate_at_open(p, c);
	if (r)
		file_put(*out);
	return r;
out_copy:
	path_put(copy);
	free(copy);
out_count:
	if (step)
		atomic_fetch_sub(&i->write_count, step);
	return r;
}

int vfs_open_path(const struct path *p, int flags, const struct cred *c, struct file **out)
{
	return open_path(p, flags & ~O_CREAT, c, false, out);
}

/* --- creating --- */

int dentry_create_locked(const struct path *dir, struct dentry *d, uint32_t mode, dev_t rdev, const struct cred *c)
{
	struct inode *parent = dir->dentry->inode, *child = NULL;
	int r = dir_may_create(dir, c);

	if (r)
		return r;
	if (parent->dead)
		return -ENOENT;
	if (S_ISDIR(mode))
		r = parent->ops->mkdir ? parent->ops->mkdir(parent, d->name, d->len, mode & ~S_IFMT, c, &child) : -EPERM;
	else
		r = parent->ops->create ? parent->ops->create(parent, d->name, d->len, mode, rdev, c, &child) : -EACCES;
	if (r)
		return r;
	dentry_instantiate(d, child);
	return 0;
}

/* The dentry of l's name, made if it does not exist. */
static int lookup_or_create(struct task *t, const struct walk_last *l, int flags, uint32_t mode, struct dentry **out,
			    bool *created)
{
	struct inode *dir = l->dir.dentry->inode;
	struct dentry *d = NULL;
	int r;

	*created = false;
	if (!dir->ops->revalidate && (d = dentry_find(l->dir.dentry, l->name, l->len))) {
		if (d->inode) {
			*out = d;
			return 0;
		}
		dentry_put(d);
	}
	mutex_lock(&dir->lock);
	r = dentry_lookup_locked(l->dir.dentry, l->name, l->len, &d);
	if (!r && !d->inode) {
		mode = (mode & 07777 & ~fs_context_umask(t->fs)) | S_IFREG;
		r = dir->fs->no_dcache ? -ENOENT : dentry_create_locked(&l->dir, d, mode, 0, t->cred);
		if (r)
			dentry_put(d);
		else
			*created = true;
	}
	mutex_unlock(&dir->lock);
	(void)flags;
	if (r)
		return r;
	if (*created)
		notify_name(dir, l->name, l->len, IN_CREATE, 0);
	*out = d;
	return 0;
}

/* One turn of an open with O_CREAT. 1: the name was a symlink, and l is where it leads. */
static int open_create_once(struct task *t, struct walk_last *l, int flags, uint32_t mode, unsigned walk, struct file **out)
{
	struct dentry *d = NULL;
	struct path p;
	bool created, jumped;
	int r;

	if (l->kind != LAST_NAME)
		return flags & O_EXCL ? -EEXIST : -EISDIR;
	/* A name with a slash behind it asks for a directory, which open(2) does not make. */
	if (l->slash)
		return -EISDIR;
	r = lookup_or_create(t, l, flags, mode, &d, &created);
	if (r)
		return r;
	if (!created && flags & O_EXCL) {
		dentry_put(d);
		return -EEXIST;
	}
	if (d->inode->type == S_IFLNK) {
		r = flags & O_NOFOLLOW ? -ELOOP : vfs_walk_link(t->cred, l, d, walk, &jumped);
		dentry_put(d);
		if (r)
			return r;
		return jumped ? open_path(&l->dir, flags, t->cred, false, out) : 1;
	}
	p = (struct path){ l->dir.mount, d };
	mount_get(p.mount);
	path_follow_mounts(&p);
	r = open_path(&p, flags, t->cred, created, out);
	path_put(&p);
	return r;
}

static int open_create(struct task *t, int dirfd, const char *name, int flags, uint32_t mode, unsigned walk, struct file **out)
{
	struct walk_last l;
	int r = vfs_walk_parent(t, dirfd, name, walk, &l);

	if (r)
		return r;
	do
		r = open_create_once(t, &l, flags, mode, walk, out);
	while (r == 1);
	walk_last_fini(&l);
	return r;
}

static int open_tmpfile(struct task *t, int dirfd, const char *name, int flags, uint32_t mode, unsigned walk, struct file **out)
{
	struct inode *dir, *i = NULL;
	struct path p, n;
	int r;

	if (!(access_mask(flags & O_ACCMODE) & MAY_WRITE) || flags & O_CREAT)
		return -EINVAL;
	r = vfs_walk(t, dirfd, name, walk | WALK_DIRECTORY, &p);
	if (r)
		return r;
	dir = path_inode(&p);
	r = dir_may_create(&p, t->cred);
	if (!r)
		r = dir->ops->tmpfile ? dir->ops->tmpfile(dir, (mode & 07777 & ~fs_context_umask(t->fs)) | S_IFREG, t->cred, &i) :
					-EOPNOTSUPP;
	if (r)
		goto out_put;
	i->linkable = !(flags & O_EXCL);
	n.dentry = dentry_new_nameless(p.mount->fs, i, "");
	if (!n.dentry) {
		inode_put(i);
		r = -ENOMEM;
		goto out_put;
	}
	mount_get(p.mount);
	n.mount = p.mount;
	r = open_path(&n, flags & ~(O_DIRECTORY | O_TRUNC), t->cred, true, out);
	if (!r)
		(*out)->flags |= O_DIRECTORY; /* F_GETFL shows it */
	path_put(&n);
out_put:
	path_put(&p);
	return r;
}

int vfs_open(struct task *t, int dirfd, const char *name, int flags, uint32_t mode, unsigned walk, struct file **out)
{
	struct path p;
	int r;

	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (flags & (O_TMPFILE & ~O_DIRECTORY) && !(flags & O_DIRECTORY))
		return -EINVAL;
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return open_tmpfile(t, dirfd, name, flags, mode, walk | (flags & O_NOFOLLOW ? 0 : WALK_FOLLOW), out);
	if (flags & O_CREAT) {
		if (flags & O_DIRECTORY)
			return -EINVAL;
		return open_create(t, dirfd, name, flags, mode, walk, out);
	}
	if (!(flags & O_NOFOLLOW))
		walk |= WALK_FOLLOW;
	if (flags & O_DIRECTORY)
		walk |= WALK_DIRECTORY;
	r = vfs_walk(t, dirfd, name, walk, &p);
	if (r)
		return r;
	r = open_path(&p, flags, t->cred, false, out);
	path_put(&p);
	return r;
}

int vfs_open_exec_path(const struct path *p, const struct cred *c, struct file **out)
{
	struct inode *i = path_inode(p);
	struct path *copy;
	int r;

	if (i->type == S_IFLNK)
		return -ELOOP;
	if (i->type != S_IFREG)
		return -EACCES;
	r = vfs_permission(p, c, MAY_EXEC);
	if (!r)
		r = deny_or_count(i, -1);
	if (r)
		return r;
	copy = path_dup(p);
	r = copy ? open_inode(i, copy, O_RDONLY | KERNEL_O_LARGEFILE, out) : -ENOMEM;
	if (!r) {
		(*out)->write_count = -1;
		return 0;
	}
	atomic_fetch_add(&i->write_count, 1);
	if (copy) {
		path_put(copy);
		free(copy);
	}
	return r;
}

int vfs_open_exec(struct task *t, int dirfd, const char *name, unsigned walk, struct file **out)
{
	struct path p;
	int r = vfs_walk(t, dirfd, name, walk, &p);

	if (r)
		return r;
	r = vfs_open_exec_path(&p, t->cred, out);
	path_put(&p);
	return r;
}
