/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors of host nodes: opened when needed, kept while idle, closed when there are too many.
 *
 * A node is opened in its parent, which may have to be opened first, and so on. A guest can make trees far deeper than a stack: the
 * ancestors without a descriptor are collected, and opened from the top down, each while the one above it is in use. */
#include "fs/host/host_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void idle_remove_locked(struct hostfs *fs, struct host_node *n)
{
	if (n->on_idle) {
		TAILQ_REMOVE(&fs->idle, n, idle_link);
		n->on_idle = false;
	}
}

static void idle_add_locked(struct hostfs *fs, struct host_node *n)
{
	if (n->fd >= 0 && !n->users && n->parent) {
		TAILQ_INSERT_TAIL(&fs->idle, n, idle_link);
		n->on_idle = true;
	}
}

/* Takes the node's descriptor away; what must be closed is returned. */
static int detach_locked(struct hostfs *fs, struct host_node *n)
{
	int fd = n->fd;

	idle_remove_locked(fs, n);
	if (fd < 0)
		return -1;
	n->fd = -1;
	fs->fds--;
	if (n->map && n->map->file.host.fd == fd) {
		host_map_windows_drop(n->map);
		platform_file_fini(&n->map->file.host);
		n->map->file.host.fd = -1;
	}
	return fd;
}

/* Room for one more: closes the longest idle one. Files that guests still map stay. */
static int evict_locked(struct hostfs *fs)
{
	struct host_node *n, *next;

	if (fs->fds < fs->fd_limit)
		return -1;
	for (n = TAILQ_FIRST(&fs->idle); n; n = next) {
		next = TAILQ_NEXT(n, idle_link);
		if (!n->map || n->map->refs == 0)
			return detach_locked(fs, n);
	}
	return -1;
}

/* Where the node is to be found now: renames change it. */
static struct host_node *location(struct host_node *n, char name[NAME_MAX + 1])
{
	struct hostfs *fs = hostfs_of(&n->inode);
	struct host_node *parent;

	mutex_lock(&fs->lock);
	parent = n->parent;
	if (parent) {
		inode_get(&parent->inode);
		snprintf(name, NAME_MAX + 1, "%s", n->name);
	}
	mutex_unlock(&fs->lock);
	return parent;
}

static int open_in(struct host_node *dir, const char *name, int flags)
{
	int at = host_fd_use(dir), fd;

	if (at < 0)
		return at;
	fd = openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | (flags & O_PATH ? 0 : O_NONBLOCK));
	if (fd < 0)
		fd = host_map_errno(errno);
	host_fd_drop(dir);
	return fd;
}

struct host_fd_name host_fd_name(int fd)
{
	struct host_fd_name n;

	snprintf(n.s, sizeof(n.s), "/proc/self/fd/%d", fd);
	return n;
}

static int open_by_name(struct host_node *n, int flags)
{
	struct host_node *parent;
	char name[NAME_MAX + 1];
	struct attr a;
	dev_t dev;
	int fd, r;

	parent = location(n, name);
	if (!parent)
		return -ENOENT;
	fd = open_in(parent, name, flags);
	inode_put(&parent->inode);
	if (fd < 0)
		return fd;
	/* A file that was replaced behind our back must not be taken for what the guest has permission for. */
	r = host_stat(hostfs_of(&n->inode), fd, "", &a, &dev);
	if (!r && (a.ino != n->id.ino || dev != n->id.dev || (a.mode & S_IFMT) != n->inode.type))
		r = -ESTALE;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

/* Another one of what is open already: it may be of a mode that could not be opened again. */
static int dup_full(struct host_node *n)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	int fd = -EBADF;

	mutex_lock(&fs->lock);
	if (n->fd >= 0 && n->fd_full) {
		fd = fcntl(n->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			fd = host_map_errno(errno);
	}
	mutex_unlock(&fs->lock);
	return fd;
}

int host_open_node(struct host_node *n, int flags)
{
	int at, fd;

	if (host_cached(hostfs_of(&n->inode)))
		return open_by_name(n, flags);
	fd = dup_full(n);
	if (fd != -EBADF)
		return fd;
	at = host_fd_use(n);
	if (at < 0)
		return at;
	fd = open(host_fd_name(at).s, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		fd = host_map_errno(errno);
	host_fd_drop(n);
	return fd;
}

static int open_flags(const struct host_node *n)
{
	return n->inode.type == S_IFREG && host_cached(hostfs_of(&n->inode)) ? O_RDONLY : O_PATH;
}

/* The node's descriptor, if it is open: in use from now on. */
static int use_open(struct host_node *n)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	int fd;

	mutex_lock(&fs->lock);
	fd = n->fd;
	if (fd >= 0) {
		idle_remove_locked(fs, n);
		n->users++;
	}
	mutex_unlock(&fs->lock);
	return fd;
}

/* As host_fd_use(), when the parent is open, or soon will be. */
static int use_in_parent(struct host_node *n)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	int fd = use_open(n), spare = -1, victim;

	if (fd >= 0)
		return fd;
	fd = open_by_name(n, open_flags(n));
	if (fd < 0)
		return fd;
	mutex_lock(&fs->lock);
	victim = evict_locked(fs);
	if (n->fd >= 0) {
		idle_remove_locked(fs, n);
		spare = fd;
		fd = n->fd;
	} else {
		n->fd = fd;
		n->fd_full = false;
		fs->fds++;
		/* What is mapped through a writable tree has a descriptor of its own, and this one cannot be mapped. */
		if (n->map && host_cached(fs))
			platform_file_init(&n->map->file.host, fd);
	}
	n->users++;
	mutex_unlock(&fs->lock);
	if (spare >= 0)
		close(spare);
	if (victim >= 0)
		close(victim);
	return fd;
}

/* The ancestors of n that have no descriptor, nearest first, with references. */
struct ancestry {
	struct host_node **v;
	size_t count, room;
};

static int ancestry_add(struct ancestry *a, struct host_node *n)
{
	struct host_node **v;

	if (a->count == a->room) {
		a->room = MAX(a->room * 2, (size_t)16);
		v = realloc(a->v, a->room * sizeof(struct host_node *));
		if (!v)
			return -ENOMEM;
		a->v = v;
	}
	inode_get(&n->inode);
	a->v[a->count++] = n;
	return 0;
}

static int ancestry_take(struct ancestry *a, struct host_node *n)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	int err = 0;

	mutex_lock(&fs->lock);
	for (n = n->parent; !err && n && n->fd < 0; n = n->parent)
		err = ancestry_add(a, n);
	mutex_unlock(&fs->lock);
	return err;
}

int host_fd_use(struct host_node *n)
{
	struct host_node *above = NULL;
	struct ancestry a = { 0 };
	int fd = use_open(n), err;

	if (fd >= 0)
		return fd;
	err = ancestry_take(&a, n);
	for (size_t i = a.count; !err && i--;) {
		fd = use_in_parent(a.v[i]);
		err = MIN(fd, 0);
		if (above)
			host_fd_drop(above);
		above = err ? NULL : a.v[i];
	}
	fd = err ? err : use_in_parent(n);
	if (above)
		host_fd_drop(above);
	for (size_t i = 0; i < a.count; i++)
		inode_put(&a.v[i]->inode);
	free(a.v);
	return fd;
}

/* A descriptor for writing is not kept: nobody on the host could execute the file meanwhile. */
void host_fd_drop(struct host_node *n)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	int fd = -1;

	mutex_lock(&fs->lock);
	n->users--;
	if (n->fd_full && !n->users && n->parent)
		fd = detach_locked(fs, n);
	else
		idle_add_locked(fs, n);
	mutex_unlock(&fs->lock);
	if (fd >= 0)
		close(fd);
}

void host_fd_close(struct host_node *n)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	int fd;

	mutex_lock(&fs->lock);
	fd = detach_locked(fs, n);
	mutex_unlock(&fs->lock);
	if (fd >= 0)
		close(fd);
}
