/* SPDX-License-Identifier: Apache-2.0 */
/* Instances of the memory file system, and memfds, which live in one that is mounted nowhere. */
#include "fs/tmpfs/tmpfs.h"

#include "fs/tmpfs/tmpfs_internal.h"
#include "fs/vfs_internal.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of files that are made in an overlay start here, out of the way of the lower tree's. */
#define OVERLAY_FIRST_INO (1ULL << 40)

static int tmpfs_statfs(struct filesystem *base, struct statfs *out)
{
	struct tmpfs *fs = CONTAINER_OF(base, struct tmpfs, base);
	uint64_t used = fs->pages, total = fs->limit ? fs->limit : MAX(used * 2, (uint64_t)1 << 20);

	memset(out, 0, sizeof(*out));
	out->f_type = fs->lower ? OVERLAYFS_SUPER_MAGIC : TMPFS_MAGIC;
	out->f_bsize = out->f_frsize = PAGE_SIZE;
	out->f_blocks = total;
	out->f_bfree = out->f_bavail = total > used ? total - used : 0;
	out->f_ffree = MIN(MAX(out->f_bfree, (uint64_t)1 << 20), tmpfs_nodes_left(fs));
	out->f_files = fs->nodes + out->f_ffree;
	out->f_namelen = NAME_MAX;
	out->f_fsid.__val[0] = (int)base->dev;
	return 0;
}

static void tmpfs_release(struct filesystem *base)
{
	struct tmpfs *fs = CONTAINER_OF(base, struct tmpfs, base);

	overlay_links_drop(fs);
	inode_put(base->root);
	if (fs->lower)
		filesystem_put(fs->lower);
	mutex_destroy(&fs->names);
	free(fs);
}

static const struct filesystem_ops tmpfs_ops = {
	.type = "tmpfs",
	.statfs = tmpfs_statfs,
	.release = tmpfs_release,
};

static const struct filesystem_ops overlay_ops = {
	.type = "overlay",
	.statfs = tmpfs_statfs,
	.release = tmpfs_release,
};

static struct tmpfs *instance_new(struct memfile *mf, const struct filesystem_ops *ops, uint64_t size_limit)
{
	struct tmpfs *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	filesystem_init(&fs->base, ops);
	mutex_init(&fs->names);
	fs->mf = mf;
	fs->limit = (size_limit + PAGE_SIZE - 1) >> PAGE_SHIFT;
	fs->next_ino = 1;
	return fs;
}

/* memfds need a file system before anybody can ask for one. */
static struct tmpfs *memfd_fs;

static int memfd_fs_init(struct memfile *mf)
{
	if (!memfd_fs)
		memfd_fs = instance_new(mf, &tmpfs_ops, 0);
	return memfd_fs ? 0 : -ENOMEM;
}

int tmpfs_new(struct memfile *mf, uint64_t size_limit, uint32_t root_mode, struct filesystem **out)
{
	struct tmpfs *fs = instance_new(mf, &tmpfs_ops, size_limit);
	struct tmpfs_node *root;
	int r;

	if (!fs)
		return -ENOMEM;
	r = memfd_fs_init(mf);
	if (!r)
		r = tmpfs_node_new(fs, (root_mode & 07777) | S_IFDIR, 0, 0, 0, &root);
	if (r) {
		free(fs);
		return r;
	}
	fs->base.root = &root->inode;
	*out = &fs->base;
	return 0;
}

int overlay_new(struct memfile *mf, struct filesystem *lower, uint64_t size_limit, struct filesystem **out)
{
	struct tmpfs *fs = instance_new(mf, &overlay_ops, size_limit);
	struct tmpfs_node *root;
	int r;

	if (!fs)
		return -ENOMEM;
	r = memfd_fs_init(mf);
	inode_get(lower->root);
	if (!r)
		r = tmpfs_node_over(fs, lower->root, &root);
	if (r) {
		inode_put(lower->root);
		free(fs);
		return r;
	}
	fs->next_ino = OVERLAY_FIRST_INO;
	fs->lower = lower;
	fs->base.root = &root->inode;
	*out = &fs->base;
	return 0;
}

int memfd_new(const char *name, int seals, uint32_t mode, const struct cred *c, struct file **out)
{
	struct mount *m = anon_mount();
	struct tmpfs_node *n;
	struct tmpfs_data *d;
	struct path *p;
	char full[NAME_MAX + 8];
	int r;

	if (!memfd_fs)
		return -ENOSYS;
	r = tmpfs_node_new(memfd_fs, mode | S_IFREG, c->fsuid, c->fsgid, 0, &n);
	if (r)
		return r;
	n->attr.nlink = 0;
	r = tmpfs_charge_node(n);
	if (r)
		goto out_node;
	snprintf(full, sizeof(full), "/memfd:%s", name);
	p = malloc(sizeof(*p));
	r = tmpfs_data_get(n, &d);
	if (!p || r)
		goto out_nomem;
	d->seals = seals;
	p->dentry = dentry_new_nameless(&memfd_fs->base, &n->inode, full);
	if (!p->dentry)
		goto out_nomem;
	p->dentry->deleted = true;
	p->mount = m;
	mount_get(m);
	r = file_new_at(&tmpfs_file_ops, O_RDWR | 0100000, p, &n->inode, n, out);
	if (!r)
		return 0;
	path_put(p);
	free(p);
	return r;
out_nomem:
	r = -ENOMEM;
	free(p);
out_node:
	inode_put(&n->inode);
	return r;
}
