/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of sbx's caller, handed through: standard input, output and error.
 *
 * Theory of operation. The open file description behind such a descriptor belongs to the caller too: its offset is used and
 * moved as any child's would be, and its flags are never changed. Reading and writing must still not block the sentry thread
 * uninterruptibly, so each kind has its way to ask without waiting:
 *   regular files    never wait;
 *   pipes, terminals are opened a second time through /proc/self/fd, which gives a description of the sentry's own that may be
 *                    O_NONBLOCK; where that is refused, as below;
 *   sockets          recvmsg and sendmsg with MSG_DONTWAIT;
 *   other            poll(2) first, and RWF_NOWAIT where the file knows it; writes then take at most PIPE_BUF bytes, which a ready pipe has.
 * What is not ready is left to host_notify.c. Bytes move straight between the host and pinned guest pages.
 *
 * Terminal ioctls pass an allow-list (host_tty.c); everything else is ENOTTY.
 */
#include "fs/host_fd_internal.h"

#include "fs/vfs_internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

/* One host call moves at most this much, so that a huge read pins a bounded amount of guest memory. */
enum { HOST_PIECE = 1 << 20, STREAM_PIECE = 65536 };

static _Atomic uint64_t total_read, total_written, output_limit = UINT64_MAX;
static void (*_Atomic output_over)(void);

void host_fd_totals(uint64_t *r, uint64_t *w)
{
	*r = atomic_load(&total_read);
	*w = atomic_load(&total_written);
}

void host_fd_set_output_limit(uint64_t bytes, void (*over)(void))
{
	atomic_store(&output_over, over);
	atomic_store(&output_limit, bytes);
}

static void count_written(size_t n)
{
	uint64_t before = atomic_fetch_add(&total_written, n), limit = atomic_load(&output_limit);
	void (*over)(void) = atomic_load(&output_over);

	if (before <= limit && before + n > limit && over)
		over();
}

/* --- moving bytes --- */

static ssize_t host_move(struct host_fd *h, struct io_pin *pin, off_t *pos, bool write)
{
	off_t at = pos ? *pos : -1;
	int wait = h->kind == HOST_POLLED && !atomic_load(&h->no_nowait) ? RWF_NOWAIT : 0;
	ssize_t n;

	if (h->kind == HOST_SOCKET) {
		struct msghdr m = { .msg_iov = pin->iov, .msg_iovlen = (size_t)pin->count };

		n = write ? sendmsg(h->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) : recvmsg(h->fd, &m, MSG_DONTWAIT);
		return n < 0 ? -errno : n;
	}
	n = write ? pwritev2(h->fd, pin->iov, pin->count, at, wait) : preadv2(h->fd, pin->iov, pin->count, at, wait);
	if (n < 0 && wait && (errno == EOPNOTSUPP || errno == EINVAL)) {
		atomic_store(&h->no_nowait, true);
		n = write ? writev(h->fd, pin->iov, pin->count) : readv(h->fd, pin->iov, pin->count);
	}
	return n < 0 ? -errno : n;
}

static uint32_t host_ready(struct host_fd *h, uint32_t events)
{
	struct pollfd p = { .fd = h->fd, .events = (short)events };

	return poll(&p, 1, 0) > 0 ? (uint32_t)(unsigned short)p.revents : 0;
}

/* Nothing to be had now: if somebody waits, ask to be told. */
static void host_arm(struct host_fd *h, uint32_t events)
{
	if (events && atomic_load(&h->waitq.count))
		(void)!host_notify_arm(h->fd, &h->waitq, events);
}

static ssize_t stream_piece(struct host_fd *h, struct io *io, bool write)
{
	uint32_t events = write ? POLLOUT : POLLIN;
	size_t max = STREAM_PIECE;
	struct io_pin pin;
	ssize_t n;
	int err;

	if (h->kind == HOST_POLLED) {
		if (!host_ready(h, events))
			return -EAGAIN;
		if (write)
			max = PIPE_BUF;
	}
	err = io_pin(io, max, write ? PROT_READ : PROT_WRITE, &pin);
	if (err)
		return err;
	n = host_move(h, &pin, NULL, write);
	io_unpin(io, &pin, n > 0 ? (size_t)n : 0);
	return n;
}

static ssize_t stream_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct host_fd *h = f->private;
	ssize_t n;
	int err;

	(void)pos, (void)flags;
	if (!io->left)
		return 0;
	if (h->tty && (err = tty_check_change(h->tty, TTY_READ)))
		return err;
	n = stream_piece(h, io, false);
	/* An epoll may wait for the next edge without having found nothing: what a short read tells is enough. */
	if (n == -EAGAIN || (n > 0 && f->epoll))
		host_arm(h, POLLIN);
	if (n > 0)
		atomic_fetch_add(&total_read, (uint64_t)n);
	return n;
}

static ssize_t stream_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct host_fd *h = f->private;
	ssize_t n;
	int err;

	(void)pos, (void)flags;
	if (!io->left)
		return 0;
	if (h->tty && (err = tty_check_change(h->tty, TTY_WRITE)))
		return err;
	n = stream_piece(h, io, true);
	if (n == -EAGAIN)
		atomic_store(&h->no_room, true);
	if (n == -EAGAIN || (n > 0 && io->left && f->epoll))
		host_arm(h, POLLOUT);
	if (n > 0)
		count_written((size_t)n);
	return n;
}

static uint32_t stream_poll(struct file *f)
{
	struct host_fd *h = f->private;
	uint32_t want = POLLIN | POLLOUT | POLLPRI | POLLRDHUP, m;

	if (!file_readable(f))
		want &= ~(uint32_t)(POLLIN | POLLPRI | POLLRDHUP);
	if (!file_writable(f))
		want &= ~(uint32_t)POLLOUT;
	m = host_ready(h, want);
	host_arm(h, want & ~m & (POLLIN | POLLOUT));
	if (m & POLLIN)
		m |= POLLRDNORM;
	if (m & POLLOUT)
		m |= POLLWRNORM;
	return m;
}

static struct waitq *host_waitq(struct file *f)
{
	return &((struct host_fd *)f->private)->waitq;
}

/* A terminal or socket of the host may be full and empty in turn without a guest that minds: of room hears who found none. */
static void host_happened(struct waitq *q, uint32_t events)
{
	struct host_fd *h = CONTAINER_OF(q, struct host_fd, waitq);

	mutex_assert_held(&tasks_lock);
	if (events & POLLIN)
		async_notify_locked(&h->async, POLL_IN);
	if (events & POLLOUT && atomic_exchange(&h->no_room, false))
		async_notify_locked(&h->async, POLL_OUT);
}

static struct async_list *host_async(struct file *f)
{
	struct host_fd *h = f->private;

	(void)!host_notify_async(h->fd, &h->waitq, host_happened);
	return &h->async;
}

static pid_t host_async_owner(struct file *f)
{
	struct host_fd *h = f->private;

	return h->tty ? tty_foreground(h->tty) : 0;
}

/* --- regular files --- */

static ssize_t regular_transfer(struct file *f, struct io *io, off_t *pos, bool write)
{
	struct host_fd *h = f->private;
	ssize_t total = 0, n = 0;

	while (io->left) {
		/* The file's own position is the host's: the caller of sbx shares it. */
		off_t *at = pos == &f->pos ? NULL : pos;
		struct io_pin pin;
		int err = io_pin(io, HOST_PIECE, write ? PROT_READ : PROT_WRITE, &pin);

		if (err)
			return total ? total : err;
		n = host_move(h, &pin, at, write);
		io_unpin(io, &pin, n > 0 ? (size_t)n : 0);
		if (n <= 0)
			break;
		if (at)
			*at += n;
		total += n;
		if ((size_t)n < pin.bytes)
			break;
	}
	return total ? total : n;
}

static ssize_t regular_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	ssize_t n = regular_transfer(f, io, pos, false);

	(void)flags;
	if (n > 0)
		atomic_fetch_add(&total_read, (uint64_t)n);
	return n;
}

static off_t write_position(struct file *f, const off_t *pos)
{
	struct host_fd *h = f->private;
	struct stat st;

	if (f->flags & O_APPEND)
		return fstat(h->fd, &st) ? 0 : st.st_size;
	return pos == &f->pos ? lseek(h->fd, 0, SEEK_CUR) : *pos;
}

static ssize_t regular_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	size_t cut = 0;
	ssize_t n;

	(void)flags;
	if (io->left && file_write_limited()) {
		*pos = write_position(f, pos);
		n = file_write_room(*pos, io->left);
		if (n < 0)
			return n;
		cut = io->left - (size_t)n;
	}
	io->left -= cut;
	n = regular_transfer(f, io, pos, true);
	io->left += cut;
	if (n > 0)
		count_written((size_t)n);
	return n;
}

static off_t regular_seek(struct file *f, off_t off, int whence)
{
	off_t r = lseek(((struct host_fd *)f->private)->fd, off, whence);

	return r < 0 ? -errno : r;
}

static int regular_truncate(struct file *f, off_t size)
{
	return ftruncate(((struct host_fd *)f->private)->fd, size) ? -errno : 0;
}

static int regular_sync(struct file *f, bool data_only)
{
	int fd = ((struct host_fd *)f->private)->fd;

	return (data_only ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

/* --- the rest --- */

static int64_t host_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct host_fd *h = f->private;
	int n, err;

	if (cmd == FIONREAD) {
		if (ioctl(h->fd, FIONREAD, &n))
			return -errno;
		err = guest_write(t->mm, arg, &n, sizeof(n));
		return err;
	}
	return h->tty ? host_tty_ioctl(h, f, t, cmd, arg) : -ENOTTY;
}

static void host_release(struct file *f)
{
	struct host_fd *h = f->private;

	host_notify_forget(h->fd);
	if (h->tty)
		tty_put(h->tty);
	close(h->fd);
	free(h);
}

static const struct file_ops stream_ops = {
	.type = "host",
	.read = stream_read,
	.write = stream_write,
	.poll = stream_poll,
	.waitq = host_waitq,
	.async = host_async,
	.async_owner = host_async_owner,
	.ioctl = host_ioctl,
	.release = host_release,
	.write_all = true,
};

static const struct file_ops regular_ops = {
	.type = "host-file",
	.read = regular_read,
	.write = regular_write,
	.seek = regular_seek,
	.truncate = regular_truncate,
	.sync = regular_sync,
	.ioctl = host_ioctl,
	.release = host_release,
	.write_all = true,
};

/* --- the inode: what fstat(2) says --- */

struct host_inode {
	struct inode inode;
	int fd; /* a duplicate: the inode may outlive the file */
};

static int host_getattr(struct inode *i, struct attr *out)
{
	struct host_inode *hi = CONTAINER_OF(i, struct host_inode, inode);
	struct stat st;

	if (fstat(hi->fd, &st))
		return -errno;
	*out = (struct attr){
		.ino = st.st_ino, .dev = st.st_dev, .rdev = st.st_rdev, .size = (uint64_t)st.st_size,
		.blocks = (uint64_t)st.st_blocks, .mode = st.st_mode, .nlink = (uint32_t)st.st_nlink,
		.blksize = (uint32_t)st.st_blksize, .uid = st.st_uid, .gid = st.st_gid, .atime = st.st_atim,
		.mtime = st.st_mtim, .ctime = st.st_ctim,
	};
	return 0;
}

static int host_setattr(struct inode *i, const struct attr *a, unsigned valid)
{
	struct host_inode *hi = CONTAINER_OF(i, struct host_inode, inode);

	if (valid & (ATTR_MODE | ATTR_UID | ATTR_GID))
		return -EPERM;
	if ((valid & ATTR_SIZE) && ftruncate(hi->fd, (off_t)a->size))
		return -errno;
	return 0;
}

static void host_inode_release(struct inode *i)
{
	struct host_inode *hi = CONTAINER_OF(i, struct host_inode, inode);

	close(hi->fd);
	free(hi);
}

static const struct inode_ops host_inode_ops = {
	.getattr = host_getattr,
	.setattr = host_setattr,
	.release = host_inode_release,
};

static struct filesystem host_fs;

static int host_statfs(struct filesystem *fs, struct statfs *out)
{
	(void)fs;
	*out = (struct statfs){ .f_bsize = 4096, .f_frsize = 4096, .f_namelen = 255 };
	return 0;
}

static void host_fs_release(struct filesystem *fs)
{
	(void)fs;
}

static const struct filesystem_ops host_fs_ops = { .type = "host", .statfs = host_statfs, .release = host_fs_release };

static void host_fs_once(void)
{
	filesystem_init(&host_fs, &host_fs_ops);
	/* A reader that goes away must not kill the sentry: the guest gets its own SIGPIPE. */
	signal(SIGPIPE, SIG_IGN);
}

static int host_inode_new(int fd, const struct stat *st, struct inode **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct host_inode *hi = calloc(1, sizeof(*hi));

	pthread_once(&once, host_fs_once);
	if (!hi)
		return -ENOMEM;
	hi->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (hi->fd < 0) {
		free(hi);
		return -EMFILE;
	}
	inode_init(&hi->inode, &host_fs, &host_inode_ops, st->st_mode & S_IFMT, st->st_ino);
	inode_set_perm(&hi->inode, st->st_mode, st->st_uid, st->st_gid);
	*out = &hi->inode;
	return 0;
}

/* --- construction --- */

/* A description of the sentry's own for the pipe or terminal behind fd; the caller's stays as it is. Takes the place of fd, so nothing may
 * fail afterwards. */
static void reopen_nonblocking(struct host_fd *h, int flags)
{
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", h->fd);
	fd = open(name, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	close(h->fd);
	h->fd = fd;
	h->kind = HOST_NONBLOCK;
}

static int host_classify(struct host_fd *h, const struct stat *st, int flags)
{
	bool terminal = S_ISCHR(st->st_mode) && isatty(h->fd);
	int err = 0;

	h->kind = HOST_POLLED;
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode) || S_ISDIR(st->st_mode))
		h->kind = HOST_REGULAR;
	else if (S_ISSOCK(st->st_mode))
		h->kind = HOST_SOCKET;
	else if (flags & O_NONBLOCK)
		h->kind = HOST_NONBLOCK;
	if (terminal)
		err = host_tty_get(h->fd, st->st_rdev, &h->tty);
	return err;
}

static int host_fd_make(int fd, const struct stat *st, int flags, struct host_fd **out)
{
	struct host_fd *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->fd = fd;
	waitq_init(&h->waitq);
	err = host_classify(h, st, flags);
	if (err) {
		free(h);
		return err;
	}
	*out = h;
	return 0;
}

int host_fd_new(int fd, struct file **out)
{
	int err, flags = fcntl(fd, F_GETFL);
	struct inode *inode;
	struct host_fd *h;
	struct stat st;

	if (flags < 0 || fstat(fd, &st))
		return -errno;
	err = host_inode_new(fd, &st, &inode);
	if (err)
		return err;
	err = host_fd_make(fd, &st, flags, &h);
	if (err)
		goto out_inode;
	*out = file_new(h->kind == HOST_REGULAR ? &regular_ops : &stream_ops, flags & (O_ACCMODE | O_APPEND), NULL,
			inode, h);
	if (*out) {
		if (h->kind == HOST_POLLED && (S_ISFIFO(st.st_mode) || h->tty))
			reopen_nonblocking(h, flags);
		return 0;
	}
	err = -ENOMEM;
	if (h->tty)
		tty_put(h->tty);
	free(h);
out_inode:
	inode_put(inode);
	return err;
}
