/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: mode bits, owners, capabilities. See path_resolution(7), capabilities(7), unlink(2) for the sticky bit. */
#include "fs/vfs_internal.h"

#include <errno.h>
#include <linux/capability.h>

static int load_perm(struct inode *i, uint32_t *mode, uid_t *uid, gid_t *gid)
{
	struct attr a;
	int r;

	if (LIKELY(i->perm_cached)) {
		*mode = atomic_load_explicit(&i->mode, memory_order_relaxed);
		*uid = atomic_load_explicit(&i->uid, memory_order_relaxed);
		*gid = atomic_load_explicit(&i->gid, memory_order_relaxed);
		return 0;
	}
	r = inode_getattr(i, &a);
	*mode = a.mode;
	*uid = a.uid;
	*gid = a.gid;
	return r;
}

bool inode_owned(struct inode *i, const struct cred *c)
{
	uint32_t mode;
	uid_t uid;
	gid_t gid;

	if (!c || cred_capable(c, CAP_FOWNER))
		return true;
	return !load_perm(i, &mode, &uid, &gid) && c->fsuid == uid;
}

static bool capable_override(const struct cred *c, uint32_t type, uint32_t mode, int mask)
{
	bool exec_ok = type == S_IFDIR || !(mask & MAY_EXEC) || (mode & 0111);

	if (exec_ok && cred_capable(c, CAP_DAC_OVERRIDE))
		return true;
	if (mask & MAY_WRITE || (type != S_IFDIR && mask & MAY_EXEC))
		return false;
	return cred_capable(c, CAP_DAC_READ_SEARCH);
}

int inode_permission(struct inode *i, const struct cred *c, int mask)
{
	uint32_t mode = 0;
	uid_t uid = 0;
	gid_t gid = 0;
	int r, bits;

	if (!c) /* set-up, before there is a guest */
		return 0;
	if (i->ops->permission)
		return i->ops->permission(i, c, mask);
	r = load_perm(i, &mode, &uid, &gid);
	if (r)
		return r;
	if (c->fsuid == uid)
		bits = mode >> 6;
	else if (cred_in_group(c, gid))
		bits = mode >> 3;
	else
		bits = mode;
	if ((bits & mask & 7) == mask)
		return 0;
	return capable_override(c, i->type, mode, mask) ? 0 : -EACCES;
}

int vfs_permission(const struct path *p, const struct cred *c, int mask)
{
	struct inode *i = p->dentry->inode;

	if (!i)
		return -ENOENT;
	if (mask & MAY_WRITE && path_readonly(p) && (i->type == S_IFREG || i->type == S_IFDIR || i->type == S_IFLNK))
		return -EROFS;
	if (mask & MAY_EXEC && i->type == S_IFREG && (p->mount->flags & MOUNT_NOEXEC || i->fs->no_exec))
		return -EACCES;
	return inode_permission(i, c, mask);
}

int dir_may_create(const struct path *dir, const struct cred *c)
{
	if (path_readonly(dir))
		return -EROFS;
	return inode_permission(dir->dentry->inode, c, MAY_WRITE | MAY_EXEC);
}

int dir_may_delete(const struct path *dir, struct inode *victim, const struct cred *c)
{
	struct inode *d = dir->dentry->inode;
	uint32_t mode = 0, vmode = 0;
	uid_t uid = 0, vuid = 0;
	gid_t gid;
	int r = dir_may_create(dir, c);

	if (r || !c)
		return r;
	r = load_perm(d, &mode, &uid, &gid);
	if (r || !(mode & S_ISVTX) || c->fsuid == uid)
		return r;
	r = load_perm(victim, &vmode, &vuid, &gid);
	if (r || c->fsuid == vuid || cred_capable(c, CAP_FOWNER))
		return r;
	return -EPERM;
}
