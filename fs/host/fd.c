/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors of host nodes: opened when needed, kept while idle, closed when there are too many. */
#include "fs/host/host_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
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

int host_fd_use(struct host_node *n)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	int fd, spare = -1, victim;

	mutex_lock(&fs->lock);
	if (n->fd >= 0) {
		idle_remove_locked(fs, n);
		n->users++;
		fd = n->fd;
		mutex_unlock(&fs->lock);
		return fd;
	}
	mutex_unlock(&fs->lock);
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
		if (n->map)
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
