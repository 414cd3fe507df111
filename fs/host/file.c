/* SPDX-License-Identifier: Apache-2.0 */
/* Open regular files of the host. Bytes move between the host's page cache and guest memory in one host call, over pinned pages. */
#include "fs/host/host_internal.h"
#include "kernel/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A write-through file's own descriptor; cached files share the node's and have none of these. */
struct host_file {
	int fd;
};

static int use_fd(struct file *f)
{
	struct host_file *h = f->private;

	return h ? h->fd : host_fd_use(host_node_of(f->inode));
}

static void drop_fd(struct file *f)
{
	if (!f->private)
		host_fd_drop(host_node_of(f->inode));
}

/* A page that cannot be pinned ends it. */
static ssize_t move_all(struct file *f, struct io *io, off_t *pos, bool write, int rwf)
{
	ssize_t done = 0, n = 0;
	int fd = use_fd(f);

	if (fd < 0)
		return fd;
	while (io->left) {
		n = write ? io_host_write(io, io->left, fd, *pos, rwf) : io_host_read(io, io->left, fd, *pos);
		if (n <= 0)
			break;
		*pos += n;
		done += n;
	}
	drop_fd(f);
	return done ? done : n;
}

/* Where nothing is to be read, no buffer is looked at. */
static bool at_end(struct file *f, off_t pos)
{
	int fd = use_fd(f);
	bool end = false;
	char c;

	if (fd >= 0) {
		end = pread(fd, &c, 1, pos) == 0;
		drop_fd(f);
	}
	return end;
}

/* A cached file's size is known: reads at its end make no host call. */
static ssize_t host_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct host_node *n = host_node_of(f->inode);
	ssize_t r;

	(void)flags;
	if (*pos < 0)
		return -EINVAL;
	if (!f->private) {
		uint64_t size = n->attr.size, left = io->left;

		/* Files of pseudo file systems say 0. */
		if (size && (uint64_t)*pos >= size)
			return 0;
		if (size && left > size - (uint64_t)*pos)
			io->left = size - (uint64_t)*pos;
		uint64_t cut = left - io->left;

		r = move_all(f, io, pos, false, 0);
		io->left += cut;
		return r;
	}
	if (!io_is_mapped(io) && at_end(f, *pos))
		return 0;
	r = move_all(f, io, pos, false, 0);
	return r == -EFAULT && at_end(f, *pos) ? 0 : r;
}

static ssize_t host_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct host_file *h = f->private;
	bool append = f->flags & O_APPEND || flags & RWF_APPEND;
	ssize_t r;

	if (!h)
		return -EBADF;
	if (!io->left) /* not even a file that is appended to has its position moved */
		return 0;
	mutex_lock(&f->inode->lock);
	if (append) {
		struct stat st;

		if (!fstat(h->fd, &st))
			*pos = st.st_size;
	}
	r = file_write_room(*pos, io->left);
	if (r >= 0) {
		size_t cut = io->left - (size_t)r;

		io->left -= cut;
		r = move_all(f, io, pos, true, append ? RWF_APPEND : 0);
		io->left += cut;
	}
	mutex_unlock(&f->inode->lock);
	return r;
}

static off_t host_seek(struct file *f, off_t off, int whence)
{
	struct attr a;
	off_t r;
	int fd;

	if (whence == SEEK_CUR && __builtin_add_overflow(f->pos, off, &off))
		return -EINVAL;
	if (whence == SEEK_END) {
		r = inode_getattr(f->inode, &a);
		if (r)
			return r;
		if (__builtin_add_overflow((off_t)a.size, off, &off))
			return -EINVAL;
	}
	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		fd = use_fd(f);
		if (fd < 0)
			return fd;
		off = lseek(fd, off, whence);
		if (off < 0)
			off = -errno;
		drop_fd(f);
		if (off < 0)
			return off;
	} else if (whence < 0 || whence > SEEK_HOLE || off < 0) {
		return -EINVAL;
	}
	f->pos = off;
	return off;
}

static int host_truncate(struct file *f, off_t size)
{
	struct host_file *h = f->private;

	if (!h)
		return -EINVAL;
	if (ftruncate(h->fd, size))
		return host_map_errno(errno);
	mappings_invalidate(&host_node_of(f->inode)->mappings,
			    range_make(((uint64_t)size + PAGE_SIZE - 1) & PAGE_MASK, INT64_MAX & PAGE_MASK), INVALIDATE_ALL);
	return 0;
}

static int host_allocate(struct file *f, int mode, off_t off, off_t len)
{
	struct host_file *h = f->private;

	if (!h)
		return -EBADF;
	return fallocate(h->fd, mode, off, len) ? host_map_errno(errno) : 0;
}

static int host_sync(struct file *f, bool data_only)
{
	struct host_file *h = f->private;

	if (!h)
		return 0;
	return (data_only ? fdatasync(h->fd) : fsync(h->fd)) ? -errno : 0;
}

static int host_mappable(struct file *f, int prot, int flags, struct mappable **out)
{
	struct host_node *n = host_node_of(f->inode);
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE, writable = shared && file_writable(f);
	struct host_file *h = f->private;
	struct host_map *m;
	int r = host_map_get(n, writable, h ? h->fd : -1, &m);

	(void)prot;
	if (r)
		return r;
	inode_get(&n->inode);
	map_name_get(&n->map_name, f->path);
	*out = &n->mappable;
	return 0;
}

static void host_file_release(struct file *f)
{
	struct host_file *h = f->private;

	if (!h)
		return;
	close(h->fd);
	free(h);
	host_fd_drop(host_node_of(f->inode));
}

static const struct file_ops host_file_ops = {
	.type = "regular",
	.read = host_read,
	.write = host_write,
	.seek = host_seek,
	.mappable = host_mappable,
	.truncate = host_truncate,
	.allocate = host_allocate,
	.sync = host_sync,
	.release = host_file_release,
};

/* The first open asks the host, so that what it refuses is refused; the descriptor stays for the next ones. */
static int open_cached(struct inode *i, struct path *path, int flags, struct file **out)
{
	struct host_node *n = host_node_of(i);
	int fd = host_fd_use(n);

	if (fd < 0)
		return fd;
	host_fd_drop(n);
	return file_new_at(&host_file_ops, flags, path, i, NULL, out);
}

static int open_through(struct inode *i, struct path *path, int flags, struct file **out)
{
	struct host_node *n = host_node_of(i);
	struct host_file *h;
	int r = host_fd_use(n); /* as long as the file is open, its node can be asked for attributes */

	if (r < 0)
		return r;
	h = malloc(sizeof(*h));
	r = -ENOMEM;
	if (!h)
		goto out_drop;
	h->fd = host_open_node(n, flags & O_ACCMODE);
	r = h->fd;
	if (r < 0)
		goto out_free;
	r = file_new_at(&host_file_ops, flags, path, i, h, out);
	if (!r)
		return 0;
	close(h->fd);
out_free:
	free(h);
out_drop:
	host_fd_drop(n);
	return r;
}

int host_open(struct inode *i, struct path *path, int flags, struct file **out)
{
	if (i->type == S_IFDIR)
		return dirfile_open(i, path, flags, out);
	if (i->type != S_IFREG)
		return -ENXIO;
	return host_cached(hostfs_of(i)) ? open_cached(i, path, flags, out) : open_through(i, path, flags, out);
}
