/* SPDX-License-Identifier: Apache-2.0 */
/* rename(2), renameat2(2).
 *
 * Locks. rename_lock first, then both directories: an ancestor before its descendant, else by address; then a directory
 * that is replaced. rename_lock keeps the tree's shape still while ancestry is judged. */
#include "fs/notify.h"
#include "fs/vfs_internal.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>

static struct mutex rename_lock = MUTEX_INITIALIZER;

struct rename {
	struct walk_last from, to;
	struct dentry *d, *target;
	unsigned flags;
	const struct cred *cred;
};

static void lock_dirs(struct dentry *a, struct dentry *b) NO_THREAD_SAFETY_ANALYSIS
{
	struct inode *ia = a->inode, *ib = b->inode;

	if (ia == ib) {
		mutex_lock(&ia->lock);
		return;
	}
	if (dentry_is_ancestor(b, a) || (!dentry_is_ancestor(a, b) && ib < ia)) {
		struct inode *swap = ia;

		ia = ib;
		ib = swap;
	}
	mutex_lock(&ia->lock);
	mutex_lock(&ib->lock);
}

static void unlock_dirs(struct inode *a, struct inode *b) NO_THREAD_SAFETY_ANALYSIS
{
	mutex_unlock(&a->lock);
	if (b != a)
		mutex_unlock(&b->lock);
}

/* What the two names are, whoever asks. Linux's order. */
static int check_names(const struct rename *r)
{
	struct inode *i = r->d->inode, *t = r->target->inode;
	bool exchange = r->flags & RENAME_EXCHANGE;

	if (t && r->flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (exchange && !t)
		return -ENOENT;
	if (exchange && t->type != S_IFDIR && r->to.slash)
		return -ENOTDIR;
	if (i->type != S_IFDIR && (r->from.slash || (!exchange && r->to.slash)))
		return -ENOTDIR;
	/* A directory must not move below itself. */
	if (dentry_is_ancestor(r->d, r->to.dir.dentry))
		return -EINVAL;
	if (dentry_is_ancestor(r->target, r->from.dir.dentry))
		return exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int check_target(struct rename *r)
{
	struct inode *i = r->d->inode, *t = r->target->inode;
	int e;

	if (!t)
		return dir_may_create(&r->to.dir, r->cred);
	e = dir_may_delete(&r->to.dir, t, r->cred);
	if (e || r->flags & RENAME_EXCHANGE)
		return e;
	if (i->type == S_IFDIR && t->type != S_IFDIR)
		return -ENOTDIR;
	if (i->type != S_IFDIR && t->type == S_IFDIR)
		return -EISDIR;
	return 0;
}

static int check_rights(struct rename *r)
{
	struct inode *i = r->d->inode, *t = r->target->inode;
	int e = dir_may_delete(&r->from.dir, i, r->cred);

	if (!e)
		e = check_target(r);
	if (r->from.dir.dentry == r->to.dir.dentry)
		return e;
	/* Moving a directory changes its "..". */
	if (!e && i->type == S_IFDIR)
		e = inode_permission(i, r->cred, MAY_WRITE);
	if (!e && r->flags & RENAME_EXCHANGE && t->type == S_IFDIR)
		e = inode_permission(t, r->cred, MAY_WRITE);
	return e;
}

static int call_fs(struct rename *r) NO_THREAD_SAFETY_ANALYSIS
{
	struct inode *from = path_inode(&r->from.dir), *to = path_inode(&r->to.dir), *t = r->target->inode;
	bool lock_target = t && t->type == S_IFDIR && !(r->flags & RENAME_EXCHANGE);
	int e;

	if (r->d->mounted || r->target->mounted)
		return -EBUSY;
	if (!from->ops->rename)
		return -EPERM;
	if (to->dead)
		return -ENOENT;
	if (lock_target)
		mutex_lock(&t->lock);
	e = from->ops->rename(from, r->from.name, r->from.len, r->d->inode, to, r->to.name, r->to.len, t, r->flags);
	if (!e && lock_target)
		t->dead = true;
	if (lock_target)
		mutex_unlock(&t->lock);
	return e;
}

static void tell_one(const struct walk_last *from, const struct walk_last *to, struct inode *i, struct inode *replaced)
{
	uint32_t dir = i->type == S_IFDIR ? IN_ISDIR : 0, cookie = notify_cookie();

	notify_name(path_inode(&from->dir), from->name, from->len, IN_MOVED_FROM | dir, cookie);
	notify_name(path_inode(&to->dir), to->name, to->len, IN_MOVED_TO | dir, cookie);
	if (replaced)
		notify_inode(replaced, IN_ATTRIB);
	notify_inode(i, IN_MOVE_SELF);
}

static void tell(struct rename *r, struct inode *replaced)
{
	bool exchange = r->flags & RENAME_EXCHANGE;

	if (!notify_watch_count)
		return;
	tell_one(&r->from, &r->to, r->d->inode, exchange ? NULL : replaced);
	if (exchange)
		tell_one(&r->to, &r->from, replaced, NULL);
}

/* 1: both names are the same file, and there is nothing to do. */
static int rename_locked(struct rename *r)
{
	int e = dentry_lookup_locked(r->from.dir.dentry, r->from.name, r->from.len, &r->d);

	if (!e && !r->d->inode)
		e = -ENOENT;
	if (!e)
		e = dentry_lookup_locked(r->to.dir.dentry, r->to.name, r->to.len, &r->target);
	if (!e)
		e = check_names(r);
	if (!e && r->d->inode == r->target->inode)
		return 1;
	if (!e)
		e = check_rights(r);
	if (!e)
		e = call_fs(r);
	if (!e)
		e = dentry_move(r->d, r->target, r->flags & RENAME_EXCHANGE);
	return e;
}

static int rename_walked(struct rename *r)
{
	struct inode *from = path_inode(&r->from.dir), *to = path_inode(&r->to.dir), *replaced = NULL;
	int e;

	if (r->from.dir.mount != r->to.dir.mount)
		return -EXDEV;
	if (r->from.kind != LAST_NAME || r->to.kind != LAST_NAME)
		return r->flags & RENAME_NOREPLACE && r->from.kind == LAST_NAME ? -EEXIST : -EBUSY;
	mutex_lock(&rename_lock);
	lock_dirs(r->from.dir.dentry, r->to.dir.dentry);
	e = rename_locked(r);
	if (!e && r->target->inode) {
		replaced = r->target->inode;
		inode_get(replaced);
	}
	unlock_dirs(from, to);
	mutex_unlock(&rename_lock);
	if (!e)
		tell(r, replaced);
	inode_put(replaced);
	return e == 1 ? 0 : e;
}

int vfs_rename(struct task *t, int olddir, const char *oldname, int newdir, const char *newname, unsigned flags)
{
	struct rename r = { .flags = flags, .cred = t->cred };
	int e;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    (flags & RENAME_NOREPLACE && flags & RENAME_EXCHANGE))
		return -EINVAL;
	e = vfs_walk_parent(t, olddir, oldname, 0, &r.from);
	if (e)
		return e;
	e = vfs_walk_parent(t, newdir, newname, 0, &r.to);
	if (!e) {
		e = rename_walked(&r);
		if (r.d)
			dentry_put(r.d);
		if (r.target)
			dentry_put(r.target);
		walk_last_fini(&r.to);
	}
	walk_last_fini(&r.from);
	return e;
}
