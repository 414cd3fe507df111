/* SPDX-License-Identifier: Apache-2.0 */
/* Changes by name: mknod, mkdir, symlink, link, unlink, rmdir. See the manual pages of these names. rename.c has rename. */
#include "fs/notify.h"
#include "fs/vfs_internal.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

/* A new name: its directory's lock held, its negative dentry, ready to be filled. */
struct new_name {
	struct walk_last l;
	struct dentry *d;
};

static void new_name_drop(struct new_name *n) NO_THREAD_SAFETY_ANALYSIS
{
	struct inode *dir = path_inode(&n->l.dir);

	dentry_put(n->d);
	mutex_unlock(&dir->lock);
	walk_last_fini(&n->l);
}

/* All but the permission to make it. */
static int new_name_find(struct task *t, int dirfd, const char *name, bool dir, struct new_name *n) NO_THREAD_SAFETY_ANALYSIS
{
	struct inode *i;
	int r = vfs_walk_parent(t, dirfd, name, 0, &n->l);

	if (r)
		return r;
	i = path_inode(&n->l.dir);
	r = -EEXIST;
	if (n->l.kind != LAST_NAME)
		goto out_walk;
	mutex_lock(&i->lock);
	r = dentry_lookup_locked(n->l.dir.dentry, n->l.name, n->l.len, &n->d);
	if (r)
		goto out_unlock;
	if (n->d->inode)
		r = -EEXIST;
	else if (i->fs->no_dcache) /* made by the kernel alone: the name is not there, and that is all there is to say */
		r = -ENOENT;
	else if (n->l.slash && !dir)
		r = -ENOENT;
	if (!r)
		return 0;
	dentry_put(n->d);
out_unlock:
	mutex_unlock(&i->lock);
out_walk:
	walk_last_fini(&n->l);
	return r;
}

static int new_name_begin(struct task *t, int dirfd, const char *name, bool dir, struct new_name *n)
{
	int r = new_name_find(t, dirfd, name, dir, n);

	if (r)
		return r;
	r = dir_may_create(&n->l.dir, t ? t->cred : NULL);
	if (r)
		new_name_drop(n);
	return r;
}

static void new_name_end(struct new_name *n, int r, uint32_t mask) NO_THREAD_SAFETY_ANALYSIS
{
	struct inode *dir = path_inode(&n->l.dir);

	mutex_unlock(&dir->lock);
	if (!r)
		notify_name(dir, n->l.name, n->l.len, mask, 0);
	dentry_put(n->d);
	walk_last_fini(&n->l);
}

int vfs_mknod(struct task *t, int dirfd, const char *name, uint32_t mode, dev_t rdev, struct path *out)
{
	struct new_name n;
	int r = new_name_begin(t, dirfd, name, false, &n);

	if (r)
		return r;
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !cred_capable(t->cred, CAP_MKNOD)) {
		new_name_drop(&n);
		return -EPERM;
	}
	mode = (mode & S_IFMT) | (mode & 07777 & ~fs_context_umask(t->fs));
	r = dentry_create_locked(&n.l.dir, n.d, mode, rdev, t->cred);
	if (!r && out) {
		out->mount = n.l.dir.mount;
		out->dentry = n.d;
		path_get(out);
	}
	new_name_end(&n, r, IN_CREATE);
	return r;
}

int vfs_mkdir(struct task *t, int dirfd, const char *name, uint32_t mode)
{
	struct new_name n;
	int r = new_name_begin(t, dirfd, name, true, &n);

	if (r)
		return r;
	mode = (mode & 01777 & ~fs_context_umask(t->fs)) | S_IFDIR;
	r = dentry_create_locked(&n.l.dir, n.d, mode, 0, t->cred);
	new_name_end(&n, r, IN_CREATE | IN_ISDIR);
	return r;
}

int vfs_symlink(struct task *t, const char *target, int dirfd, const char *name)
{
	struct inode *dir, *child = NULL;
	struct new_name n;
	int r;

	if (!*target)
		return -ENOENT;
	r = new_name_begin(t, dirfd, name, false, &n);
	if (r)
		return r;
	dir = path_inode(&n.l.dir);
	r = dir->dead ? -ENOENT : -EPERM;
	if (!dir->dead && dir->ops->symlink)
		r = dir->ops->symlink(dir, n.l.name, n.l.len, target, t->cred, &child);
	if (!r)
		dentry_instantiate(n.d, child);
	new_name_end(&n, r, IN_CREATE);
	return r;
}

/* fs.protected_hardlinks of proc_sys_fs(5): others' files may be linked by who could have changed them. */
static bool may_link(struct inode *i, const struct attr *a, const struct cred *c)
{
	bool runs_as_other = a->mode & S_ISUID || (a->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);

	if (inode_owned(i, c))
		return true;
	return S_ISREG(a->mode) && !runs_as_other && !inode_permission(i, c, MAY_READ | MAY_WRITE);
}

/* The kernel's order of refusals. */
static int check_link(const struct path *what, const struct path *dir, const struct cred *c)
{
	struct inode *i = path_inode(what), *d = path_inode(dir);
	struct attr a;
	int r;

	if (path_readonly(dir))
		return -EROFS;
	if (what->mount != dir->mount || i->fs != d->fs)
		return -EXDEV;
	r = inode_getattr(i, &a);
	if (!r && !may_link(i, &a, c))
		r = -EPERM;
	if (!r)
		r = dir_may_create(dir, c);
	if (r)
		return r;
	if (i->type == S_IFDIR || !d->ops->link)
		return -EPERM;
	return d->dead || (!a.nlink && !i->linkable) ? -ENOENT : 0;
}

int vfs_link(struct task *t, const struct path *what, int dirfd, const char *name)
{
	struct inode *dir, *i = path_inode(what);
	struct new_name n;
	int r = new_name_find(t, dirfd, name, false, &n);

	if (r)
		return r;
	dir = path_inode(&n.l.dir);
	r = check_link(what, &n.l.dir, t->cred);
	if (!r)
		r = dir->ops->link(dir, n.l.name, n.l.len, i);
	if (!r) {
		inode_get(i);
		i->linkable = false;
		dentry_instantiate(n.d, i);
		notify_inode(i, IN_ATTRIB);
	}
	new_name_end(&n, r, IN_CREATE);
	return r;
}

/* --- removal --- */

static int remove_locked(struct task *t, const struct walk_last *l, struct dentry *d, bool dir)
{
	struct inode *parent = path_inode(&l->dir), *i = d->inode;
	int r;

	if (!i)
		return -ENOENT;
	r = dir_may_delete(&l->dir, i, t->cred);
	if (r)
		return r;
	if (dir && i->type != S_IFDIR)
		return -ENOTDIR;
	if (!dir && i->type == S_IFDIR)
		return -EISDIR;
	if (!dir && l->slash)
		return -ENOTDIR;
	if (d->mounted)
		return -EBUSY;
	if (!dir)
		return parent->ops->unlink ? parent->ops->unlink(parent, l->name, l->len, i) : -EPERM;
	if (!parent->ops->rmdir)
		return -EPERM;
	mutex_lock(&i->lock);
	r = parent->ops->rmdir(parent, l->name, l->len, i);
	if (!r)
		i->dead = true;
	mutex_unlock(&i->lock);
	return r;
}

static int remove_name(struct task *t, int dirfd, const char *name, bool dir)
{
	struct inode *parent, *i = NULL;
	struct dentry *d = NULL;
	struct walk_last l;
	int r = vfs_walk_parent(t, dirfd, name, 0, &l);

	if (r)
		return r;
	if (l.kind != LAST_NAME) {
		r = !dir ? -EISDIR : l.kind == LAST_DOT ? -EINVAL : l.kind == LAST_DOTDOT ? -ENOTEMPTY : -EBUSY;
		goto out_walk;
	}
	parent = path_inode(&l.dir);
	mutex_lock(&parent->lock);
	r = dentry_lookup_locked(l.dir.dentry, l.name, l.len, &d);
	if (!r) {
		i = d->inode;
		if (i)
			inode_get(i);
		r = remove_locked(t, &l, d, dir);
		if (!r)
			dentry_delete(d);
	}
	mutex_unlock(&parent->lock);
	if (!r && !dir)
		notify_inode(i, IN_ATTRIB);
	if (d)
		dentry_put(d);
	if (!r)
		notify_name(parent, l.name, l.len, IN_DELETE | (dir ? IN_ISDIR : 0), 0);
	inode_put(i);
out_walk:
	walk_last_fini(&l);
	return r;
}

int vfs_unlink(struct task *t, int dirfd, const char *name)
{
	return remove_name(t, dirfd, name, false);
}

int vfs_rmdir(struct task *t, int dirfd, const char *name)
{
	return remove_name(t, dirfd, name, true);
}

/* --- set-up --- */

static int make_one(struct path *at, const char *name, size_t len, uint32_t mode)
{
	struct inode *dir = path_inode(at);
	struct dentry *d = NULL;
	int r;

	mutex_lock(&dir->lock);
	r = dentry_lookup_locked(at->dentry, name, len, &d);
	if (!r && !d->inode)
		r = dentry_create_locked(at, d, mode, 0, NULL);
	mutex_unlock(&dir->lock);
	if (d)
		dentry_put(d);
	return r;
}

/* Makes name[start, end) in what name[0, start) is. */
static int make_component(const char *name, size_t start, size_t end, uint32_t mode)
{
	char parent[PATH_MAX] = "/";
	struct path at;
	int r;

	memcpy(parent, name, start);
	parent[MAX(start, (size_t)1)] = 0;
	r = vfs_walk_setup(parent, WALK_FOLLOW | WALK_DIRECTORY, &at);
	if (r)
		return r;
	r = end - start > NAME_MAX ? -ENAMETOOLONG : make_one(&at, name + start, end - start, mode);
	path_put(&at);
	return r;
}

int vfs_make_setup(const char *name, uint32_t mode)
{
	size_t end = 0, len = strlen(name);
	char part[PATH_MAX];

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	while (end < len) {
		size_t start = end + strspn(name + end, "/");
		bool last;
		struct path at;
		int r;

		end = start + strcspn(name + start, "/");
		if (end == start)
			break;
		last = !name[end + strspn(name + end, "/")];
		memcpy(part, name, end);
		part[end] = 0;
		r = vfs_walk_setup(part, WALK_FOLLOW | (last ? 0 : WALK_DIRECTORY), &at);
		if (!r)
			path_put(&at);
		else if (r == -ENOENT)
			r = make_component(name, start, end, last ? mode : S_IFDIR | 0755);
		if (r)
			return r;
	}
	return 0;
}
