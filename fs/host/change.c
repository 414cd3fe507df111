/* SPDX-License-Identifier: Apache-2.0 */
/* Changes passed through to the host. Every call names one component in a directory that we hold a descriptor of, or works on a
 * descriptor of the very file, so no symlink that appears meanwhile is followed. */
#include "fs/host/host_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool host_revalidate(struct inode *dir, const char *name, size_t len, struct inode *child)
{
	struct hostfs *fs = hostfs_of(dir);
	struct host_node *d = host_node_of(dir), *n;
	char part[NAME_MAX + 1];
	struct attr a;
	dev_t dev;
	int fd, r;

	if (len > NAME_MAX)
		return false;
	memcpy(part, name, len);
	part[len] = 0;
	fd = host_fd_use(d);
	if (fd < 0)
		return false;
	r = host_stat(fs, fd, part, &a, &dev);
	host_fd_drop(d);
	if (!child)
		return r == -ENOENT;
	n = host_node_of(child);
	if (r || a.ino != n->id.ino || dev != n->id.dev || (a.mode & S_IFMT) != child->type)
		return false;
	/* A name that is there just now: others that the file had may be gone. Directories have but one. */
	return child->type == S_IFDIR || !host_node_move(n, d, part);
}

/* --- attributes --- */

static int change_size(struct host_node *n, uint64_t size)
{
	int fd, r;

	if (n->inode.type != S_IFREG)
		return -EINVAL;
	fd = host_open_node(n, O_WRONLY);
	if (fd < 0)
		return fd;
	r = ftruncate(fd, (off_t)size) ? host_map_errno(errno) : 0;
	close(fd);
	if (!r)
		mappings_invalidate(&n->mappings, range_make((size + PAGE_SIZE - 1) & PAGE_MASK, INT64_MAX & PAGE_MASK),
				    INVALIDATE_ALL);
	return r;
}

/* The directory's owner is about to lose the right to list it; who has opened it goes on. The descriptor that the node has anyway, fd,
 * becomes one that can read: in place, since others may be using it. */
static void keep_readable(int fd)
{
	int full = open(host_fd_name(fd).s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (full < 0)
		return;
	(void)dup3(full, fd, O_CLOEXEC);
	close(full);
}

int host_setattr(struct inode *i, const struct attr *a, unsigned valid)
{
	struct host_node *n = host_node_of(i);
	struct timespec ts[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };
	bool now = !(valid & ATTR_TIMES_SET);
	int fd = host_fd_use(n), r = 0;

	if (fd < 0)
		return fd;
	if (valid & ATTR_SIZE)
		r = change_size(n, a->size);
	if (!r && valid & (ATTR_UID | ATTR_GID))
		r = fchownat(fd, "", valid & ATTR_UID ? a->uid : (uid_t)-1, valid & ATTR_GID ? a->gid : (gid_t)-1, AT_EMPTY_PATH) ?
			    host_map_errno(errno) :
			    0;
	if (!r && valid & ATTR_MODE && i->type == S_IFDIR && !(a->mode & S_IRUSR))
		keep_readable(fd);
	/* With a new size, and by who may write but does not own it, the host takes set-ID bits away itself. */
	if (!r && valid & ATTR_MODE && !(valid & ATTR_SIZE))
		r = fchmodat(AT_FDCWD, host_fd_name(fd).s, a->mode & 07777, 0) ? host_map_errno(errno) : 0;
	/* The present may be set by all who may write, other times by the owner alone. */
	if (valid & ATTR_ATIME)
		ts[0] = now ? (struct timespec){ 0, UTIME_NOW } : a->atime;
	if (valid & ATTR_MTIME && !(valid & ATTR_SIZE))
		ts[1] = now ? (struct timespec){ 0, UTIME_NOW } : a->mtime;
	if (!r && valid & (ATTR_ATIME | ATTR_MTIME) && !(valid & ATTR_SIZE))
		r = utimensat(fd, "", ts, AT_EMPTY_PATH) ? host_map_errno(errno) : 0;
	host_fd_drop(n);
	return r;
}

/* --- names --- */

struct target {
	struct host_node *dir;
	char name[NAME_MAX + 1];
	int fd;
};

static int target_begin(struct inode *dir, const char *name, size_t len, struct target *t)
{
	t->dir = host_node_of(dir);
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(t->name, name, len);
	t->name[len] = 0;
	t->fd = host_fd_use(t->dir);
	return t->fd < 0 ? t->fd : 0;
}

static int target_end(struct target *t, int r)
{
	int e = r < 0 ? host_map_errno(errno) : 0;

	host_fd_drop(t->dir);
	return e;
}

int host_create(struct inode *dir, const char *name, size_t len, uint32_t mode, dev_t rdev, const struct cred *c, struct inode **out)
{
	struct target t;
	int r = target_begin(dir, name, len, &t), fd;

	(void)rdev, (void)c;
	if (r)
		return r;
	if (S_ISREG(mode)) {
		fd = openat(t.fd, t.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 07777);
		r = target_end(&t, fd < 0 ? -1 : 0);
		return r ? r : host_node_made(t.dir, t.name, fd, out);
	}
	if (S_ISFIFO(mode) || S_ISSOCK(mode)) {
		r = mknodat(t.fd, t.name, mode, 0);
	} else {
		errno = EPERM;
		r = -1;
	}
	r = target_end(&t, r);
	return r ? r : host_lookup(dir, name, len, out);
}

int host_tmpfile(struct inode *dir, uint32_t mode, const struct cred *c, struct inode **out)
{
	struct target t;
	int r = target_begin(dir, ".", 1, &t), fd;

	(void)c;
	if (r)
		return r;
	fd = openat(t.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode & 07777);
	r = target_end(&t, fd < 0 ? -1 : 0);
	return r ? r : host_node_made(t.dir, NULL, fd, out);
}

int host_mkdir(struct inode *dir, const char *name, size_t len, uint32_t mode, const struct cred *c, struct inode **out)
{
	struct target t;
	int r = target_begin(dir, name, len, &t);

	(void)c;
	if (r)
		return r;
	r = target_end(&t, mkdirat(t.fd, t.name, mode & 07777));
	return r ? r : host_lookup(dir, name, len, out);
}

int host_symlink(struct inode *dir, const char *name, size_t len, const char *target, const struct cred *c, struct inode **out)
{
	struct target t;
	int r = target_begin(dir, name, len, &t);

	(void)c;
	if (r)
		return r;
	r = target_end(&t, symlinkat(target, t.fd, t.name));
	return r ? r : host_lookup(dir, name, len, out);
}

int host_link(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct host_node *n = host_node_of(target);
	struct target t;
	int from, r;

	r = target_begin(dir, name, len, &t);
	if (r)
		return r;
	from = host_fd_use(n);
	if (from < 0) {
		host_fd_drop(t.dir);
		return from;
	}
	r = target_end(&t, linkat(AT_FDCWD, host_fd_name(from).s, t.fd, t.name, AT_SYMLINK_FOLLOW));
	host_fd_drop(n);
	return r ? r : host_node_move(n, t.dir, t.name);
}

static int remove_name(struct inode *dir, const char *name, size_t len, int flags)
{
	struct target t;
	int r = target_begin(dir, name, len, &t);

	return r ? r : target_end(&t, unlinkat(t.fd, t.name, flags));
}

int host_unlink(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	(void)victim;
	return remove_name(dir, name, len, 0);
}

int host_rmdir(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	(void)victim;
	return remove_name(dir, name, len, AT_REMOVEDIR);
}

int host_rename(struct inode *olddir, const char *oldname, size_t oldlen, struct inode *i, struct inode *newdir,
		const char *newname, size_t newlen, struct inode *target, unsigned flags)
{
	struct target from, to;
	int r = target_begin(olddir, oldname, oldlen, &from);

	if (r)
		return r;
	r = target_begin(newdir, newname, newlen, &to);
	if (r) {
		host_fd_drop(from.dir);
		return r;
	}
	r = syscall(SYS_renameat2, from.fd, from.name, to.fd, to.name, flags) ? -1 : 0;
	r = target_end(&from, r);
	host_fd_drop(to.dir);
	if (!r)
		r = host_node_move(host_node_of(i), to.dir, to.name);
	if (!r && flags & RENAME_EXCHANGE)
		r = host_node_move(host_node_of(target), from.dir, from.name);
	return r;
}
