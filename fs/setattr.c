/* SPDX-License-Identifier: Apache-2.0 */
/* Changing attributes: who may, and what changes along. See chmod(2), chown(2), utimensat(2), truncate(2). */
#include "fs/notify.h"
#include "fs/vfs_internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <time.h>

static bool owner_or_capable(const struct cred *c, uid_t uid)
{
	return !c || c->fsuid == uid || cred_capable(c, CAP_FOWNER);
}

uint32_t mode_drop_privs(uint32_t mode, gid_t gid, const struct cred *c)
{
	bool in_group = !c || cred_in_group(c, gid) || cred_capable(c, CAP_FSETID);

	mode &= ~(uint32_t)S_ISUID;
	return mode & S_IXGRP || !in_group ? mode & ~(uint32_t)S_ISGID : mode;
}

static int check_mode(const struct attr *old, const struct cred *c, struct attr *a)
{
	if (S_ISLNK(old->mode))
		return -EOPNOTSUPP;
	if (!owner_or_capable(c, old->uid))
		return -EPERM;
	a->mode &= 07777;
	if (c && !cred_in_group(c, old->gid) && !cred_capable(c, CAP_FSETID))
		a->mode &= ~(uint32_t)S_ISGID;
	return 0;
}

/* Adds a mode without set-ID bits to the change, if there are any. */
static bool drop_privs(const struct attr *old, const struct cred *c, struct attr *a, unsigned *valid)
{
	uint32_t mode = mode_drop_privs(old->mode, old->gid, c);

	if (*valid & ATTR_MODE || mode == old->mode)
		return false;
	a->mode = mode & 07777;
	*valid |= ATTR_MODE;
	return true;
}

static int check_owner(const struct attr *old, const struct cred *c, struct attr *a, unsigned *valid)
{
	bool capable = !c || cred_capable(c, CAP_CHOWN);

	if (*valid & ATTR_UID && !capable && (c->fsuid != old->uid || a->uid != old->uid))
		return -EPERM;
	if (*valid & ATTR_GID && !capable && (c->fsuid != old->uid || (!cred_in_group(c, a->gid) && a->gid != old->gid)))
		return -EPERM;
	/* A new owner must not get another's set-user-ID program. */
	if (!S_ISDIR(old->mode) && drop_privs(old, c, a, valid) && !owner_or_capable(c, old->uid))
		return -EPERM;
	return 0;
}

static int check_times(const struct path *p, const struct attr *old, const struct cred *c, struct attr *a, unsigned valid)
{
	int r;

	if (!owner_or_capable(c, old->uid)) {
		if (valid & ATTR_TIMES_SET)
			return -EPERM;
		r = inode_permission(p->dentry->inode, c, MAY_WRITE);
		if (r)
			return r;
	}
	if (!(valid & ATTR_TIMES_SET)) {
		clock_gettime(CLOCK_REALTIME_COARSE, &a->atime);
		a->mtime = a->atime;
	}
	return 0;
}

static uint32_t notify_mask(unsigned valid)
{
	uint32_t mask = 0;

	if (valid & (ATTR_MODE | ATTR_UID | ATTR_GID))
		mask |= IN_ATTRIB;
	if (valid & ATTR_SIZE)
		return mask | IN_MODIFY;
	/* One time alone is taken for what would have changed it. */
	if ((valid & (ATTR_ATIME | ATTR_MTIME)) == (ATTR_ATIME | ATTR_MTIME))
		mask |= IN_ATTRIB;
	else if (valid & ATTR_ATIME)
		mask |= IN_ACCESS;
	else if (valid & ATTR_MTIME)
		mask |= IN_MODIFY;
	return mask;
}

int vfs_setattr(const struct path *p, const struct cred *c, struct attr *a, unsigned valid)
{
	struct inode *i = p->dentry->inode;
	struct attr old;
	int r;

	if (path_readonly(p))
		return -EROFS;
	if (!i->ops->setattr)
		return -EPERM;
	r = inode_getattr(i, &old);
	if (!r && valid & ATTR_MODE)
		r = check_mode(&old, c, a);
	if (!r && valid & (ATTR_UID | ATTR_GID | ATTR_DROP_PRIVS))
		r = check_owner(&old, c, a, &valid);
	if (!r && valid & (ATTR_ATIME | ATTR_MTIME) && !(valid & ATTR_SIZE))
		r = check_times(p, &old, c, a, valid);
	if (r)
		return r;
	if (valid & ATTR_SIZE && c && !cred_capable(c, CAP_FSETID))
		(void)drop_privs(&old, c, a, &valid);
	clock_gettime(CLOCK_REALTIME_COARSE, &a->ctime);
	if (valid & ATTR_SIZE)
		a->mtime = a->ctime;
	valid |= ATTR_CTIME;
	r = i->ops->setattr(i, a, valid);
	if (!r)
		notify_path(p, notify_mask(valid));
	return r;
}

int vfs_getattr(const struct path *p, struct attr *out)
{
	struct inode *i = p->dentry->inode;

	return i ? inode_getattr(i, out) : -ENOENT;
}

ssize_t vfs_readlink(const struct path *p, char *buf, size_t size)
{
	struct inode *i = p->dentry->inode;

	if (i->type != S_IFLNK)
		return -EINVAL;
	if (!i->ops->readlink)
		return -EINVAL;
	return i->ops->readlink(i, buf, size);
}
