/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes and mounted instances: life, cached permission data, and inodes of files that live in no directory. */
#include "fs/vfs_internal.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

static _Atomic unsigned next_dev = 16;

void inode_init(struct inode *i, struct filesystem *fs, const struct inode_ops *ops, uint32_t type, uint64_t ino)
{
	memset(i, 0, sizeof(*i));
	ref_init(&i->ref);
	i->ops = ops;
	i->fs = fs;
	i->type = type;
	i->ino = ino;
	mutex_init(&i->lock);
}

void inode_set_perm(struct inode *i, uint32_t mode, uid_t uid, gid_t gid)
{
	atomic_store_explicit(&i->mode, mode, memory_order_relaxed);
	atomic_store_explicit(&i->uid, uid, memory_order_relaxed);
	atomic_store_explicit(&i->gid, gid, memory_order_relaxed);
	i->perm_cached = true;
}

void inode_get(struct inode *i)
{
	ref_get(&i->ref);
}

static void end(struct ended *what)
{
	struct inode *i = CONTAINER_OF(what, struct inode, ended);

	if (i->locks)
		locks_inode_release(i);
	if (i->watches)
		notify_inode_release(i);
	if (i->attached && i->attached_put)
		i->attached_put(i->attached);
	mutex_destroy(&i->lock);
	i->ops->release(i);
}

/* The last reference of a node may be its child's, whose last one is its child's, as deep as a guest made the tree. */
static _Thread_local struct ends ends = { .end = end };

void inode_put(struct inode *i)
{
	if (i && ref_put(&i->ref))
		ends_queue(&ends, &i->ended);
}

int inode_getattr(struct inode *i, struct attr *out)
{
	memset(out, 0, sizeof(*out));
	return i->ops->getattr(i, out);
}

void filesystem_init(struct filesystem *fs, const struct filesystem_ops *ops)
{
	memset(fs, 0, sizeof(*fs));
	ref_init(&fs->ref);
	fs->ops = ops;
	fs->dev = makedev(0, next_dev++);
}

void filesystem_get(struct filesystem *fs)
{
	ref_get(&fs->ref);
}

void filesystem_put(struct filesystem *fs)
{
	if (fs && ref_put(&fs->ref))
		fs->ops->release(fs);
}

/* --- files that live in no directory --- */

struct anon_inode {
	struct inode inode;
	struct attr attr; /* inode.lock */
	char name[];
};

static struct filesystem anon_fs;
static _Atomic uint64_t anon_next_ino = 1024;

static int anon_getattr(struct inode *i, struct attr *out)
{
	struct anon_inode *a = CONTAINER_OF(i, struct anon_inode, inode);

	mutex_lock(&i->lock);
	*out = a->attr;
	mutex_unlock(&i->lock);
	return 0;
}

void attr_change(struct attr *a, struct inode *i, const struct attr *n, unsigned valid)
{
	if (valid & ATTR_MODE)
		a->mode = (a->mode & S_IFMT) | (n->mode & 07777);
	if (valid & ATTR_UID)
		a->uid = n->uid;
	if (valid & ATTR_GID)
		a->gid = n->gid;
	if (valid & ATTR_ATIME)
		a->atime = n->atime;
	if (valid & ATTR_MTIME)
		a->mtime = n->mtime;
	if (valid & ATTR_CTIME)
		a->ctime = n->ctime;
	inode_set_perm(i, a->mode, a->uid, a->gid);
}

static int anon_setattr(struct inode *i, const struct attr *n, unsigned valid)
{
	mutex_lock(&i->lock);
	attr_change(&CONTAINER_OF(i, struct anon_inode, inode)->attr, i, n, valid);
	mutex_unlock(&i->lock);
	return 0;
}

static void anon_release(struct inode *i)
{
	free(CONTAINER_OF(i, struct anon_inode, inode));
}

static const struct inode_ops anon_ops = {
	.getattr = anon_getattr,
	.setattr = anon_setattr,
	.release = anon_release,
};

static int anon_statfs(struct filesystem *fs, struct statfs *out)
{
	(void)fs;
	memset(out, 0, sizeof(*out));
	out->f_type = ANON_INODE_FS_MAGIC;
	out->f_bsize = out->f_frsize = PAGE_SIZE;
	out->f_namelen = NAME_MAX;
	return 0;
}

static void anon_fs_release(struct filesystem *fs)
{
	(void)fs;
}

static const struct filesystem_ops anon_fs_ops = {
	.type = "anon_inodefs",
	.statfs = anon_statfs,
	.release = anon_fs_release,
};

static void anon_fs_once(void)
{
	filesystem_init(&anon_fs, &anon_fs_ops);
}

struct filesystem *anon_filesystem(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, anon_fs_once);
	return &anon_fs;
}

int anon_inode_new(uint32_t mode, const char *name, struct inode **out)
{
	struct filesystem *fs = anon_filesystem();
	size_t room = strlen(name) + 32;
	struct anon_inode *a = calloc(1, sizeof(*a) + room);
	uint64_t ino = anon_next_ino++;

	if (!a)
		return -ENOMEM;
	inode_init(&a->inode, fs, &anon_ops, mode & S_IFMT, ino);
	/* Pipes and sockets are named by their number, as in "pipe:[4026]". */
	if (strchr(name, ':'))
		snprintf(a->name, room, "%s", name);
	else
		snprintf(a->name, room, "%s:[%lu]", name, ino);
	a->attr = (struct attr){ .ino = ino, .dev = fs->dev, .mode = mode, .nlink = 1, .blksize = PAGE_SIZE };
	clock_gettime(CLOCK_REALTIME_COARSE, &a->attr.mtime);
	a->attr.atime = a->attr.ctime = a->attr.btime = a->attr.mtime;
	inode_set_perm(&a->inode, mode, 0, 0);
	*out = &a->inode;
	return 0;
}

const char *anon_inode_name(const struct inode *i)
{
	return i->ops == &anon_ops ? CONTAINER_OF(i, struct anon_inode, inode)->name : NULL;
}

void anon_inode_set_owner(struct inode *i, uid_t uid, gid_t gid)
{
	struct attr a = { .uid = uid, .gid = gid };

	(void)anon_setattr(i, &a, ATTR_UID | ATTR_GID);
}
