/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes: life and attributes. */
#include "fs/device.h"
#include "fs/tmpfs/tmpfs_internal.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct timespec tmpfs_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return ts;
}

int tmpfs_node_new(struct tmpfs *fs, uint32_t mode, uid_t uid, gid_t gid, dev_t rdev, struct tmpfs_node **out)
{
	struct tmpfs_node *n = calloc(1, sizeof(*n));
	uint64_t ino = fs->next_ino++;

	if (!n)
		return -ENOMEM;
	inode_init(&n->inode, &fs->base, &tmpfs_inode_ops, mode & S_IFMT, ino);
	mutex_init(&n->data);
	n->attr = (struct attr){ .ino = ino, .dev = fs->base.dev, .rdev = rdev, .mode = mode, .uid = uid, .gid = gid,
				 .nlink = S_ISDIR(mode) ? 2 : 1, .blksize = PAGE_SIZE, .mtime = tmpfs_now() };
	n->attr.atime = n->attr.ctime = n->attr.btime = n->attr.mtime;
	inode_set_perm(&n->inode, mode, uid, gid);
	fs->nodes++;
	*out = n;
	return 0;
}

int tmpfs_node_over(struct tmpfs *fs, struct inode *lower, struct tmpfs_node **out)
{
	struct tmpfs_node *n;
	struct attr a;
	int r = inode_getattr(lower, &a);

	if (r)
		return r;
	r = tmpfs_node_new(fs, a.mode, a.uid, a.gid, a.rdev, &n);
	if (r)
		return r;
	if (a.dev == lower->fs->dev)
		a.dev = fs->base.dev;
	n->attr = a;
	n->inode.ino = a.ino;
	n->lower = lower;
	*out = n;
	return 0;
}

void tmpfs_touch(struct tmpfs_node *n)
{
	mutex_lock(&n->data);
	n->attr.mtime = n->attr.ctime = tmpfs_now();
	mutex_unlock(&n->data);
}

void tmpfs_set_nlink(struct tmpfs_node *n, int change)
{
	uint32_t nlink;

	mutex_lock(&n->data);
	nlink = change < 0 && n->attr.nlink < (uint32_t)-change ? 0 : n->attr.nlink + (uint32_t)change;
	n->attr.nlink = nlink;
	n->attr.ctime = tmpfs_now();
	mutex_unlock(&n->data);
	overlay_link_count(n, nlink);
}

static void node_release(struct inode *i)
{
	struct tmpfs_node *n = node_of(i);
	struct tmpfs *fs = tmpfs_of(i);

	tmpfs_names_release(n);
	tmpfs_data_free(n);
	tmpfs_xattrs_free(n);
	inode_put(n->lower);
	free(n->target);
	tmpfs_uncharge_node(n);
	mutex_destroy(&n->data);
	fs->nodes--;
	free(n);
}

/* What Linux's tmpfs counts for each name of a directory, . and .. among them. */
enum { DIRENT_SIZE = 20 };

static int node_getattr(struct inode *i, struct attr *out)
{
	struct tmpfs_node *n = node_of(i);

	mutex_lock(&n->data);
	*out = n->attr;
	/* Room reserved behind the end is not the file's. */
	if (n->reg && !n->reg->lower && S_ISREG(out->mode))
		out->blocks = MIN(n->reg->page_count, (out->size + PAGE_SIZE - 1) >> PAGE_SHIFT) * (PAGE_SIZE / 512);
	mutex_unlock(&n->data);
	if (S_ISDIR(out->mode) && !n->lower)
		out->size = DIRENT_SIZE * (2 + tmpfs_name_count(n));
	return 0;
}

static int node_setattr(struct inode *i, const struct attr *a, unsigned valid)
{
	struct tmpfs_node *n = node_of(i);
	int r = tmpfs_pin(n);

	if (!r && valid & ATTR_SIZE)
		r = i->type == S_IFREG ? tmpfs_data_truncate(n, a->size) : -EINVAL;
	if (r)
		return r;
	mutex_lock(&n->data);
	if (valid & ATTR_MODE && n->reg && n->reg->seals & F_SEAL_EXEC && (n->attr.mode ^ a->mode) & 0111) {
		mutex_unlock(&n->data);
		return -EPERM;
	}
	if (valid & ATTR_MODE)
		n->attr.mode = (n->attr.mode & S_IFMT) | (a->mode & 07777);
	if (valid & ATTR_UID)
		n->attr.uid = a->uid;
	if (valid & ATTR_GID)
		n->attr.gid = a->gid;
	if (valid & ATTR_ATIME)
		n->attr.atime = a->atime;
	if (valid & ATTR_MTIME)
		n->attr.mtime = a->mtime;
	if (valid & ATTR_CTIME)
		n->attr.ctime = a->ctime;
	inode_set_perm(i, n->attr.mode, n->attr.uid, n->attr.gid);
	mutex_unlock(&n->data);
	return 0;
}

static ssize_t node_readlink(struct inode *i, char *buf, size_t size)
{
	struct tmpfs_node *n = node_of(i);
	size_t len;

	if (!n->target)
		return n->lower && n->lower->ops->readlink ? n->lower->ops->readlink(n->lower, buf, size) : -EINVAL;
	len = MIN(strlen(n->target), size);
	memcpy(buf, n->target, len);
	return (ssize_t)len;
}

static int node_open(struct inode *i, struct path *path, int flags, struct file **out)
{
	struct tmpfs_node *n = node_of(i);
	struct tmpfs_data *d;
	int r;

	if (i->type == S_IFDIR)
		return dirfile_open(i, path, flags, out);
	if (i->type != S_IFREG)
		return device_open(i, path, flags, n->attr.rdev, out);
	r = tmpfs_data_get(n, &d);
	if (!r)
		r = tmpfs_lower_open(n);
	return r ? r : file_new_at(&tmpfs_file_ops, flags, path, i, n, out);
}

/* --- names that are made and removed --- */

/* Takes over target, of a symlink, in any case. */
static int add_new(struct inode *dir, const char *name, size_t len, uint32_t mode, dev_t rdev, const struct cred *c,
		   char *target, struct inode **out)
{
	struct tmpfs_node *d = node_of(dir), *n;
	gid_t gid = c ? c->fsgid : 0;
	int r;

	if (dir->mode & S_ISGID) {
		gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
	}
	r = tmpfs_node_new(tmpfs_of(dir), mode, c ? c->fsuid : 0, gid, rdev, &n);
	if (r) {
		free(target);
		return r;
	}
	n->target = target;
	if (target)
		n->attr.size = strlen(target);
	r = tmpfs_charge_node(n);
	if (!r)
		r = tmpfs_name_put(d, name, len, n);
	if (r) {
		inode_put(&n->inode);
		return r;
	}
	if (S_ISDIR(mode))
		tmpfs_set_nlink(d, 1);
	tmpfs_touch(d);
	*out = &n->inode;
	return 0;
}

static int node_create(struct inode *dir, const char *name, size_t len, uint32_t mode, dev_t rdev, const struct cred *c,
		       struct inode **out)
{
	return add_new(dir, name, len, mode, rdev, c, NULL, out);
}

static int node_mkdir(struct inode *dir, const char *name, size_t len, uint32_t mode, const struct cred *c, struct inode **out)
{
	return add_new(dir, name, len, (mode & 07777) | S_IFDIR, 0, c, NULL, out);
}

static int node_symlink(struct inode *dir, const char *name, size_t len, const char *target, const struct cred *c,
			struct inode **out)
{
	char *copy = strdup(target);

	return copy ? add_new(dir, name, len, S_IFLNK | 0777, 0, c, copy, out) : -ENOMEM;
}

static int node_link(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct tmpfs_node *n = node_of(target);
	int r = tmpfs_pin(n);

	if (!r)
		r = tmpfs_name_put(node_of(dir), name, len, n);
	if (r)
		return r;
	tmpfs_set_nlink(n, 1);
	tmpfs_touch(node_of(dir));
	return 0;
}

static int node_unlink(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	int r = tmpfs_pin(node_of(victim));

	if (!r)
		r = tmpfs_pin(node_of(dir));
	if (r)
		return r;
	tmpfs_set_nlink(node_of(victim), -1);
	tmpfs_name_remove(node_of(dir), name, len);
	tmpfs_touch(node_of(dir));
	return 0;
}

static int node_rmdir(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	int err = 0;

	if (!tmpfs_dir_empty(node_of(victim), &err))
		return err ? err : -ENOTEMPTY;
	err = tmpfs_pin(node_of(victim));
	if (!err)
		err = tmpfs_pin(node_of(dir));
	if (err)
		return err;
	tmpfs_set_nlink(node_of(victim), -2);
	tmpfs_set_nlink(node_of(dir), -1);
	tmpfs_name_remove(node_of(dir), name, len);
	tmpfs_touch(node_of(dir));
	return 0;
}

static int node_tmpfile(struct inode *dir, uint32_t mode, const struct cred *c, struct inode **out)
{
	struct tmpfs_node *n;
	int r = tmpfs_node_new(tmpfs_of(dir), mode, c->fsuid, dir->mode & S_ISGID ? (gid_t)dir->gid : c->fsgid, 0, &n);

	if (r)
		return r;
	n->attr.nlink = 0;
	r = tmpfs_charge_node(n);
	if (r) {
		inode_put(&n->inode);
		return r;
	}
	*out = &n->inode;
	return 0;
}

static void moved(struct tmpfs_node *from, struct tmpfs_node *to, struct tmpfs_node *n, struct tmpfs_node *target, bool exchange)
{
	bool dir = n->inode.type == S_IFDIR, target_dir = target && target->inode.type == S_IFDIR;

	if (exchange && dir != target_dir) {
		tmpfs_set_nlink(from, target_dir ? 1 : -1);
		tmpfs_set_nlink(to, target_dir ? -1 : 1);
	} else if (!exchange) {
		if (dir)
			tmpfs_set_nlink(from, -1);
		if (dir && !target_dir)
			tmpfs_set_nlink(to, 1);
		if (target)
			tmpfs_set_nlink(target, target_dir ? -2 : -1);
	}
	tmpfs_touch(from);
	tmpfs_touch(to);
	tmpfs_set_nlink(n, 0);
}

static int node_rename(struct inode *olddir, const char *oldname, size_t oldlen, struct inode *i, struct inode *newdir,
		       const char *newname, size_t newlen, struct inode *target, unsigned flags)
{
	struct tmpfs_node *from = node_of(olddir), *to = node_of(newdir), *n = node_of(i);
	bool exchange = flags & RENAME_EXCHANGE;
	int r = 0;

	if (target && target->type == S_IFDIR && !exchange && !tmpfs_dir_empty(node_of(target), &r))
		return r ? r : -ENOTEMPTY;
	r = tmpfs_pin(n);
	if (!r)
		r = tmpfs_pin(exchange ? node_of(target) : from);
	if (r)
		return r;
	if (exchange) {
		r = tmpfs_names_swap(from, oldname, oldlen, to, newname, newlen);
	} else {
		if (target)
			inode_get(target);
		r = tmpfs_name_move(from, oldname, oldlen, to, newname, newlen);
	}
	if (!r)
		moved(from, to, n, target ? node_of(target) : NULL, exchange);
	if (target && !exchange)
		inode_put(target);
	return r;
}

const struct inode_ops tmpfs_inode_ops = {
	.getattr = node_getattr,
	.setattr = node_setattr,
	.lookup = tmpfs_lookup,
	.create = node_create,
	.mkdir = node_mkdir,
	.symlink = node_symlink,
	.link = node_link,
	.unlink = node_unlink,
	.rmdir = node_rmdir,
	.rename = node_rename,
	.list = tmpfs_list,
	.tmpfile = node_tmpfile,
	.readlink = node_readlink,
	.open = node_open,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.removexattr = tmpfs_removexattr,
	.release = node_release,
};
