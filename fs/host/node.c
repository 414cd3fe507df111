/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of host trees: lookup, attributes, symlinks, listings. */
#include "fs/host/host_internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { LIST_BYTES_MAX = 2 << 20, GETDENTS_SIZE = 32 << 10, FD_LIMIT_MAX = 4096 };

/* The sentry's own shortage is not the guest's: it sees what a full system would say. */
int host_map_errno(int e)
{
	switch (e) {
	case EMFILE:
		return -ENFILE;
	case ELOOP: /* a symlink appeared where there was none */
		return -ESTALE;
	default:
		return -e;
	}
}

/* Device numbers as guests see them: the tree's own for its main file system, one more for each other. */
static uint64_t map_dev(struct hostfs *fs, dev_t dev)
{
	uint64_t out = fs->base.dev;
	int i;

	if (dev == fs->root_dev)
		return out;
	mutex_lock(&fs->lock);
	for (i = 0; i < fs->dev_count && fs->devs[i].host != dev; i++)
		;
	if (i == fs->dev_count && i < (int)ARRAY_SIZE(fs->devs)) {
		/* Minor numbers far from those of filesystem_init(). */
		fs->devs[i].host = dev;
		fs->devs[i].dev = makedev(0, 4096 + minor(fs->base.dev) * ARRAY_SIZE(fs->devs) + (unsigned)i);
		fs->dev_count++;
	}
	if (i < fs->dev_count)
		out = fs->devs[i].dev;
	mutex_unlock(&fs->lock);
	return out;
}

/* Nearly all files that are not the caller's are root's. Guests who are not root themselves are told so: what they may do is the
 * same, and programs that want root to be the owner of their files go on working. */
enum { OVERFLOW_ID = 65534 };

static uint32_t shown_id(const struct hostfs *fs, uint32_t id)
{
	return id == OVERFLOW_ID && fs->ids_hidden ? 0 : id;
}

/* Does the sentry's user namespace know some ids only? The first line of the map says it of one that knows all. */
static bool ids_are_hidden(void)
{
	FILE *f = geteuid() ? fopen("/proc/self/uid_map", "re") : NULL;
	unsigned long count = UINT32_MAX;

	if (!f)
		return false;
	if (fscanf(f, "%*u %*u %lu", &count) != 1)
		count = UINT32_MAX;
	fclose(f);
	return count < UINT32_MAX;
}

int host_stat(struct hostfs *fs, int fd, const char *name, struct attr *out, dev_t *host_dev)
{
	struct statx x;

	if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH),
		  STATX_BASIC_STATS | STATX_BTIME, &x))
		return host_map_errno(errno);
	*host_dev = makedev(x.stx_dev_major, x.stx_dev_minor);
	*out = (struct attr){
		.ino = x.stx_ino,
		.dev = map_dev(fs, *host_dev),
		.rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
		.size = x.stx_size,
		.blocks = x.stx_blocks,
		.mode = x.stx_mode,
		.nlink = x.stx_nlink,
		.blksize = x.stx_blksize,
		.uid = shown_id(fs, x.stx_uid),
		.gid = shown_id(fs, x.stx_gid),
		.atime = { x.stx_atime.tv_sec, x.stx_atime.tv_nsec },
		.mtime = { x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec },
		.ctime = { x.stx_ctime.tv_sec, x.stx_ctime.tv_nsec },
		.btime = { x.stx_btime.tv_sec, x.stx_btime.tv_nsec },
	};
	return 0;
}

static struct host_node *node_alloc(struct hostfs *fs, const struct attr *a, dev_t dev)
{
	struct host_node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	inode_init(&n->inode, &fs->base, host_cached(fs) ? &host_ro_ops : &host_rw_ops, a->mode & S_IFMT, a->ino);
	n->attr = *a;
	n->id.dev = dev;
	n->id.ino = a->ino;
	n->fd = -1;
	n->mappable.ops = &host_mappable_ops;
	mappings_init(&n->mappings);
	map_name_init(&n->map_name);
	if (host_cached(fs))
		inode_set_perm(&n->inode, a->mode, a->uid, a->gid);
	return n;
}

/* --- one node a file, whatever its names --- */

static bool shares_node(const struct hostfs *fs, const struct attr *a)
{
	return !host_cached(fs) && !S_ISDIR(a->mode);
}

/* The node of a file that is known already, with a reference. */
static struct host_node *find_node(struct hostfs *fs, const struct attr *a, dev_t dev)
{
	struct host_id id;
	struct host_node *n;

	memset(&id, 0, sizeof(id));
	id.dev = dev;
	id.ino = a->ino;
	mutex_lock(&fs->lock);
	HASH_FIND(hh, fs->nodes, &id, sizeof(id), n);
	if (n && (n->inode.type != (a->mode & S_IFMT) || !ref_get_unless_zero(&n->inode.ref)))
		n = NULL;
	mutex_unlock(&fs->lock);
	return n;
}

/* Where memory is short the node is just not found again. */
static void remember_node(struct hostfs *fs, struct host_node *n)
{
	struct host_node *old;

	mutex_lock(&fs->lock);
	HASH_FIND(hh, fs->nodes, &n->id, sizeof(n->id), old);
	if (old) {
		HASH_DELETE(hh, fs->nodes, old);
		old->in_nodes = false;
	}
	HASH_ADD(hh, fs->nodes, id, sizeof(n->id), n);
	n->in_nodes = n->hh.tbl != NULL;
	mutex_unlock(&fs->lock);
}

int host_node_move(struct host_node *n, struct host_node *dir, const char *name)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	struct host_node *old;
	char *copy;
	bool same;

	mutex_lock(&fs->lock);
	same = n->parent == dir && !strcmp(n->name, name);
	mutex_unlock(&fs->lock);
	if (same)
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	inode_get(&dir->inode);
	mutex_lock(&fs->lock);
	free(n->name);
	n->name = copy;
	old = n->parent;
	n->parent = dir;
	mutex_unlock(&fs->lock);
	if (old)
		inode_put(&old->inode);
	return 0;
}

static int node_name(struct host_node *n, struct host_node *parent, const char *name)
{
	n->name = strdup(name);
	if (!n->name)
		return -ENOMEM;
	inode_get(&parent->inode);
	n->parent = parent;
	return 0;
}

int host_node_made(struct host_node *parent, const char *name, int fd, struct inode **out)
{
	struct hostfs *fs = hostfs_of(&parent->inode);
	struct host_node *n = NULL;
	struct attr a;
	dev_t dev;
	int r = host_stat(fs, fd, "", &a, &dev);

	if (!r) {
		n = node_alloc(fs, &a, dev);
		r = n ? 0 : -ENOMEM;
	}
	if (!r && name)
		r = node_name(n, parent, name);
	if (r) {
		free(n);
		close(fd);
		return r;
	}
	n->fd = fd;
	n->fd_full = true;
	mutex_lock(&fs->lock);
	fs->fds++;
	mutex_unlock(&fs->lock);
	remember_node(fs, n);
	*out = &n->inode;
	return 0;
}

int host_node_new(struct hostfs *fs, struct host_node *parent, const char *name, size_t len, struct host_node **out)
{
	struct host_node *n;
	char part[NAME_MAX + 1];
	struct attr a;
	dev_t dev;
	int fd, r;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(part, name, len);
	part[len] = 0;
	fd = host_fd_use(parent);
	if (fd < 0)
		return fd;
	r = host_stat(fs, fd, part, &a, &dev);
	host_fd_drop(parent);
	if (r)
		return r;
	if (shares_node(fs, &a) && (n = find_node(fs, &a, dev))) {
		r = host_node_move(n, parent, part);
		if (r)
			inode_put(&n->inode);
		*out = n;
		return r;
	}
	n = node_alloc(fs, &a, dev);
	if (!n)
		return -ENOMEM;
	r = node_name(n, parent, part);
	if (r) {
		free(n);
		return r;
	}
	if (shares_node(fs, &a))
		remember_node(fs, n);
	*out = n;
	return 0;
}

int host_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct host_node *n;
	int r = host_node_new(hostfs_of(dir), host_node_of(dir), name, len, &n);

	if (!r)
		*out = &n->inode;
	return r;
}

int host_getattr(struct inode *i, struct attr *out)
{
	struct host_node *n = host_node_of(i);
	struct hostfs *fs = hostfs_of(i);
	dev_t dev;
	int fd, r;

	if (host_cached(fs)) {
		*out = n->attr;
		return 0;
	}
	fd = host_fd_use(n);
	if (fd < 0)
		return fd;
	r = host_stat(fs, fd, "", out, &dev);
	host_fd_drop(n);
	return r;
}

ssize_t host_readlink(struct inode *i, char *buf, size_t size)
{
	struct host_node *n = host_node_of(i);
	bool cached = host_cached(hostfs_of(i));
	struct host_node *at = cached ? n->parent : n;
	ssize_t r;
	int fd;

	if (!at)
		return -EINVAL;
	fd = host_fd_use(at);
	if (fd < 0)
		return fd;
	r = readlinkat(fd, cached ? n->name : "", buf, size);
	if (r < 0)
		r = host_map_errno(errno);
	host_fd_drop(at);
	return r;
}

/* --- listings --- */

struct linux_dirent {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int read_list(struct host_node *n, struct dirlist *l)
{
	char buf[GETDENTS_SIZE] __attribute__((aligned(8)));
	int dir = host_fd_use(n), fd;
	long got = 0;

	if (dir < 0)
		return dir;
	/* Not ".", which wants the right to search. */
	fd = open(host_fd_name(dir).s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == EACCES) {
		/* Opened while it could be read, perhaps: keep_readable() in change.c. */
		fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
		if (fd >= 0 && lseek(fd, 0, SEEK_SET) < 0) {
			close(fd);
			fd = -1;
			errno = EACCES;
		}
	}
	got = fd < 0 ? host_map_errno(errno) : 0;
	host_fd_drop(n);
	if (fd < 0)
		return (int)got;
	while ((got = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < got;) {
			const struct linux_dirent *e = (const struct linux_dirent *)(buf + at);

			if (strcmp(e->name, ".") && strcmp(e->name, ".."))
				dirlist_add(l, e->name, strlen(e->name), e->ino, e->type);
			at += e->reclen;
		}
	}
	if (got < 0)
		got = host_map_errno(errno);
	close(fd);
	return (int)got;
}

/* Keeps l for the next reader; the oldest listings make room. */
static void keep_list(struct hostfs *fs, struct host_node *n, struct dirlist *l)
{
	mutex_lock(&fs->lock);
	if (!n->list && l->size < LIST_BYTES_MAX / 4) {
		dirlist_get(l);
		n->list = l;
		fs->list_bytes += l->size;
		TAILQ_INSERT_TAIL(&fs->listed, n, list_link);
	}
	while (fs->list_bytes > LIST_BYTES_MAX) {
		struct host_node *old = TAILQ_FIRST(&fs->listed);

		TAILQ_REMOVE(&fs->listed, old, list_link);
		fs->list_bytes -= old->list->size;
		dirlist_put(old->list);
		old->list = NULL;
	}
	mutex_unlock(&fs->lock);
}

int host_list(struct inode *dir, struct dirlist **out)
{
	struct host_node *n = host_node_of(dir);
	struct hostfs *fs = hostfs_of(dir);
	struct dirlist *l;
	int r;

	mutex_lock(&fs->lock);
	l = n->list;
	if (l)
		dirlist_get(l);
	mutex_unlock(&fs->lock);
	if (l) {
		*out = l;
		return 0;
	}
	l = dirlist_new(host_cached(fs) ? NULL : fs->mf);
	if (!l)
		return -ENOMEM;
	r = read_list(n, l);
	if (!r && l->failed)
		r = -ENOMEM;
	if (r) {
		dirlist_put(l);
		return r;
	}
	if (host_cached(fs))
		keep_list(fs, n, l);
	*out = l;
	return 0;
}

void host_release(struct inode *i)
{
	struct host_node *n = host_node_of(i), *parent = n->parent;
	struct hostfs *fs = hostfs_of(i);

	host_fd_close(n);
	mutex_lock(&fs->lock);
	if (n->in_nodes)
		HASH_DELETE(hh, fs->nodes, n);
	if (n->list) {
		TAILQ_REMOVE(&fs->listed, n, list_link);
		fs->list_bytes -= n->list->size;
		dirlist_put(n->list);
	}
	mutex_unlock(&fs->lock);
	host_map_free(n->map);
	host_map_free(n->map_rw);
	mappings_destroy(&n->mappings);
	map_name_fini(&n->map_name);
	free(n->name);
	free(n);
	if (parent)
		inode_put(&parent->inode);
}

const struct inode_ops host_ro_ops = {
	.getattr = host_getattr,
	.lookup = host_lookup,
	.list = host_list,
	.readlink = host_readlink,
	.open = host_open,
	.getxattr = host_getxattr,
	.listxattr = host_listxattr,
	.release = host_release,
};

const struct inode_ops host_rw_ops = {
	.getattr = host_getattr,
	.setattr = host_setattr,
	.lookup = host_lookup,
	.create = host_create,
	.mkdir = host_mkdir,
	.symlink = host_symlink,
	.link = host_link,
	.unlink = host_unlink,
	.rmdir = host_rmdir,
	.rename = host_rename,
	.list = host_list,
	.readlink = host_readlink,
	.tmpfile = host_tmpfile,
	.open = host_open,
	.getxattr = host_getxattr,
	.setxattr = host_setxattr,
	.listxattr = host_listxattr,
	.removexattr = host_removexattr,
	.revalidate = host_revalidate,
	.release = host_release,
};

/* --- the instance --- */

static int hostfs_statfs(struct filesystem *base, struct statfs *out)
{
	struct host_node *root = host_node_of(base->root);

	return fstatfs(root->fd, out) ? -errno : 0;
}

static void hostfs_release(struct filesystem *base)
{
	struct hostfs *fs = CONTAINER_OF(base, struct hostfs, base);

	inode_put(base->root);
	mutex_destroy(&fs->lock);
	free(fs);
}

static const struct filesystem_ops hostfs_ops = {
	.type = "hostfs",
	.statfs = hostfs_statfs,
	.release = hostfs_release,
};

static int fd_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur == RLIM_INFINITY)
		return FD_LIMIT_MAX;
	return (int)MIN(l.rlim_cur / 2, (rlim_t)FD_LIMIT_MAX);
}

int hostfs_new(struct memfile *mf, int root_fd, enum hostfs_mode mode, struct filesystem **out)
{
	struct hostfs *fs = calloc(1, sizeof(*fs));
	struct host_node *root;
	struct attr a;
	int r;

	if (!fs)
		return -ENOMEM;
	filesystem_init(&fs->base, &hostfs_ops);
	fs->mode = mode;
	fs->mf = mf;
	fs->fd_limit = fd_limit();
	fs->ids_hidden = ids_are_hidden();
	mutex_init(&fs->lock);
	TAILQ_INIT(&fs->idle);
	TAILQ_INIT(&fs->listed);
	r = host_stat(fs, root_fd, "", &a, &fs->root_dev);
	if (r)
		goto out_free;
	a.dev = fs->base.dev;
	fs->dev_count = 0;
	root = node_alloc(fs, &a, fs->root_dev);
	r = -ENOMEM;
	if (!root)
		goto out_free;
	root->fd = root_fd;
	fs->fds = 1;
	fs->base.root = &root->inode;
	*out = &fs->base;
	return 0;
out_free:
	mutex_destroy(&fs->lock);
	free(fs);
	return r;
}
