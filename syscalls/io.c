/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, writing and positions: read(2), readv(2), preadv2(2), lseek(2), ioctl(2), readahead(2), posix_fadvise(2).
 *
 * The order of errors is the kernel's: descriptor, vector, mode, then the file's own. */
#include "fs/async.h"
#include "fs/fdtable.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <limits.h>
#include <sys/uio.h>

enum direction { READ, WRITE };

static int64_t run(struct task *t, struct file *f, struct io *io, off_t *pos, int flags, enum direction dir)
{
	return dir == READ ? file_read(t, f, io, pos, flags) : file_write(t, f, io, pos, flags);
}

static int64_t transfer(struct task *t, int fd, uint64_t addr, uint64_t len, enum direction dir)
{
	struct file *f = fd_lookup(t->files, fd);
	struct io io;
	int64_t r;

	if (!f)
		return -EBADF;
	if (!(dir == READ ? file_readable(f) : file_writable(f)))
		r = -EBADF;
	else if (!guest_range_ok(addr, len))
		r = -EFAULT;
	else {
		io_init(&io, t->mm, addr, len);
		r = run(t, f, &io, NULL, 0, dir);
		io_fini(&io);
	}
	file_put(f);
	return r;
}

SYSCALL_DECLARE(read)
{
	return transfer(t, (int)a[0], a[1], a[2], READ);
}

SYSCALL_DECLARE(write)
{
	return transfer(t, (int)a[0], a[1], a[2], WRITE);
}

static int64_t transfer_at(struct task *t, int fd, uint64_t addr, uint64_t len, int64_t off, enum direction dir)
{
	struct file *f;
	struct io io;
	off_t pos = off;
	int64_t r;

	if (off < 0)
		return -EINVAL;
	f = fd_lookup(t->files, fd);
	if (!f)
		return -EBADF;
	if (!file_has_offset(f))
		r = -ESPIPE;
	else if (!(dir == READ ? file_readable(f) : file_writable(f)))
		r = -EBADF;
	else if (!guest_range_ok(addr, len))
		r = -EFAULT;
	else {
		io_init(&io, t->mm, addr, len);
		r = run(t, f, &io, &pos, 0, dir);
		io_fini(&io);
	}
	file_put(f);
	return r;
}

SYSCALL_DECLARE(pread64)
{
	return transfer_at(t, (int)a[0], a[1], a[2], (int64_t)a[3], READ);
}

SYSCALL_DECLARE(pwrite64)
{
	return transfer_at(t, (int)a[0], a[1], a[2], (int64_t)a[3], WRITE);
}

/* off NULL: at the file's position. */
static int64_t transfer_vector(struct task *t, const uint64_t a[6], const int64_t *off, int flags, enum direction dir)
{
	struct file *f = fd_lookup(t->files, (int)a[0]);
	off_t pos = off ? *off : 0;
	struct io io;
	int64_t r;

	if (!f)
		return -EBADF;
	if (off && !file_has_offset(f)) {
		r = -ESPIPE;
		goto out;
	}
	if (!(dir == READ ? file_readable(f) : file_writable(f))) {
		r = -EBADF;
		goto out;
	}
	if (dir == READ ? !f->ops->read : !f->ops->write) {
		r = -EINVAL;
		goto out;
	}
	r = io_init_vector(&io, t->mm, a[1], a[2]);
	if (r)
		goto out;
	if (!io.left) /* nothing is asked of the file */
		r = 0;
	else
		r = flags & ~FILE_RWF_KNOWN ? -EOPNOTSUPP : run(t, f, &io, off ? &pos : NULL, flags, dir);
	io_fini(&io);
out:
	file_put(f);
	return r;
}

SYSCALL_DECLARE(readv)
{
	return transfer_vector(t, a, NULL, 0, READ);
}

SYSCALL_DECLARE(writev)
{
	return transfer_vector(t, a, NULL, 0, WRITE);
}

/* preadv and its kind pass the offset in two registers; on 64-bit machines the first has all of it. */
static int64_t vector_at(struct task *t, const uint64_t a[6], int flags, bool current_allowed, enum direction dir)
{
	int64_t off = (int64_t)a[3];

	if (current_allowed && off == -1)
		return transfer_vector(t, a, NULL, flags, dir);
	if (off < 0)
		return -EINVAL;
	return transfer_vector(t, a, &off, flags, dir);
}

SYSCALL_DECLARE(preadv)
{
	return vector_at(t, a, 0, false, READ);
}

SYSCALL_DECLARE(pwritev)
{
	return vector_at(t, a, 0, false, WRITE);
}

SYSCALL_DECLARE(preadv2)
{
	return vector_at(t, a, (int)a[5], true, READ);
}

SYSCALL_DECLARE(pwritev2)
{
	return vector_at(t, a, (int)a[5], true, WRITE);
}

SYSCALL_DECLARE(lseek)
{
	unsigned whence = (unsigned)a[2];
	struct file *f = fd_lookup(t->files, (int)a[0]);
	int64_t r;

	if (!f)
		return -EBADF;
	if (whence > SEEK_HOLE) {
		r = -EINVAL;
	} else if (!f->ops->seek) {
		r = -ESPIPE;
	} else {
		mutex_lock(&f->pos_lock);
		r = f->ops->seek(f, (off_t)a[1], (int)whence);
		mutex_unlock(&f->pos_lock);
	}
	file_put(f);
	return r;
}

/* --- ioctl: what every file understands, then the file's own --- */

static int64_t set_async(struct task *t, struct file *f, int fd, uint64_t arg)
{
	int on, err = guest_read(t->mm, &on, arg, sizeof(on));

	if (err || !on == !(f->flags & O_ASYNC))
		return err;
	return async_set(t, f, fd, on);
}

static int64_t set_nonblock(struct task *t, struct file *f, uint64_t arg)
{
	int on, flags, err = guest_read(t->mm, &on, arg, sizeof(on));

	if (err)
		return err;
	flags = on ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK;
	if (f->ops->set_flags && (err = f->ops->set_flags(f, flags)))
		return err;
	if (on)
		f->flags |= O_NONBLOCK;
	else
		f->flags &= ~O_NONBLOCK;
	return 0;
}

static int64_t regular_size_left(struct task *t, struct file *f, uint64_t arg)
{
	struct attr at;
	int n, err = inode_getattr(f->inode, &at);

	if (err)
		return err;
	mutex_lock(&f->pos_lock);
	n = (int)((off_t)at.size - f->pos);
	mutex_unlock(&f->pos_lock);
	return guest_write(t->mm, arg, &n, sizeof(n));
}

static int64_t file_ioctl(struct task *t, struct file *f, unsigned cmd, uint64_t arg)
{
	if (cmd == FIONREAD && f->inode && S_ISREG(f->inode->type))
		return regular_size_left(t, f, arg);
	return f->ops->ioctl ? f->ops->ioctl(f, t, cmd, arg) : -ENOTTY;
}

SYSCALL_DECLARE(ioctl)
{
	struct file *f = fd_lookup(t->files, (int)a[0]);
	unsigned cmd = (unsigned)a[1];
	int64_t r;

	if (!f)
		return -EBADF;
	switch (cmd) {
	case FIOCLEX:
		r = fd_set_cloexec(t->files, (int)a[0], true);
		break;
	case FIONCLEX:
		r = fd_set_cloexec(t->files, (int)a[0], false);
		break;
	case FIONBIO:
		r = set_nonblock(t, f, a[2]);
		break;
	case FIOASYNC:
		r = set_async(t, f, (int)a[0], a[2]);
		break;
	default:
		r = file_ioctl(t, f, cmd, a[2]);
	}
	file_put(f);
	return r;
}

/* --- advice --- */

SYSCALL_DECLARE(readahead)
{
	struct file *f = fd_lookup(t->files, (int)a[0]);
	int64_t r = 0;

	if (!f || !file_readable(f))
		r = -EBADF;
	else if (!S_ISREG(f->inode->type))
		r = -EINVAL;
	if (f)
		file_put(f);
	return r;
}

SYSCALL_DECLARE(fadvise64)
{
	struct file *f = fd_lookup(t->files, (int)a[0]);
	int advice = (int)a[3];
	int64_t r = 0;

	if (!f)
		return -EBADF;
	if (S_ISFIFO(f->inode->type))
		r = -ESPIPE;
	else if ((int64_t)a[2] < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE)
		r = -EINVAL;
	file_put(f);
	return r;
}
