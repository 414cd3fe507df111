/* SPDX-License-Identifier: Apache-2.0 */
/* Open regular files: read, write, seek, truncate, fallocate. */
#include "fs/tmpfs/tmpfs.h"
#include "fs/tmpfs/tmpfs_internal.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/uio.h>

/* The lower file, with a reference, if the bytes are still there. */
static struct file *lower_get(struct tmpfs_node *n)
{
	struct file *f;

	mutex_lock(&n->data);
	f = n->reg->lower;
	if (f)
		file_get(f);
	mutex_unlock(&n->data);
	return f;
}

static void end_io(struct tmpfs_node *n)
{
	struct tmpfs_freed *freed;

	mutex_lock(&n->data);
	tmpfs_io_end_locked(n, &freed);
	mutex_unlock(&n->data);
	tmpfs_free_ranges(tmpfs_of(&n->inode), freed);
}

/* One contiguous piece from pos on. 0: the end of the file. */
static ssize_t read_piece(struct tmpfs_node *n, struct io *io, uint64_t pos)
{
	struct tmpfs_window w;
	uint64_t len;
	ssize_t r = 0;

	mutex_lock(&n->data);
	len = pos < n->attr.size ? MIN(n->attr.size - pos, (uint64_t)io->left) : 0;
	if (len) {
		r = tmpfs_data_window_locked(n, pos, len, false, &w);
		if (!r)
			tmpfs_io_begin_locked(n->reg);
	}
	mutex_unlock(&n->data);
	if (!len || r)
		return r;
	r = w.ptr ? io_put(io, w.ptr, w.len) : io_put_zero(io, w.len);
	end_io(n);
	return r;
}

static ssize_t reg_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct tmpfs_node *n = f->private;
	struct file *lower = n->lower ? lower_get(n) : NULL;
	ssize_t done = 0, r;

	if (lower) {
		r = lower->ops->read(lower, io, pos, flags);
		file_put(lower);
		return r;
	}
	while (io->left) {
		size_t before = io->left;

		r = read_piece(n, io, (uint64_t)*pos);
		if (r <= 0)
			return done ? done : r;
		*pos += r;
		done += r;
		/* A short copy means that a fault follows. */
		if (before - io->left < (size_t)r)
			break;
	}
	return done;
}

/* How many of count bytes may be written at pos. */
static ssize_t write_room(off_t pos, size_t count)
{
	const off_t end = INT64_MAX - PAGE_SIZE;

	return pos < end ? file_write_room(pos, MIN(count, (size_t)(end - pos))) : -EFBIG;
}

/* New pages are written by the host: it need not zero first what it writes, and pages that nobody maps are made and given back
 * without touching a page table. Small pieces that go on in a page are cheaper copied. */
enum { PIECE_SMALL = 256 };

static ssize_t fill_window(struct tmpfs_node *n, struct io *io, const struct tmpfs_window *w)
{
	if (w->fresh && (w->len >= PIECE_SMALL || !(w->off & ~PAGE_MASK)))
		return memfile_write(tmpfs_of(&n->inode)->mf, io, w->len, w->off);
	return io_take(io, w->ptr, w->len);
}

static ssize_t write_piece(struct tmpfs_node *n, struct io *io, uint64_t pos, size_t max)
{
	struct tmpfs_window w;
	uint64_t size;
	ssize_t r;

	mutex_lock(&n->data);
	r = tmpfs_data_window_locked(n, pos, max, true, &w);
	if (!r)
		tmpfs_io_begin_locked(n->reg);
	mutex_unlock(&n->data);
	if (r)
		return r;
	r = fill_window(n, io, &w);
	mutex_lock(&n->data);
	size = n->attr.size;
	if (r > 0 && pos + (uint64_t)r > size)
		n->attr.size = pos + (uint64_t)r;
	mutex_unlock(&n->data);
	end_io(n);
	return r;
}

/* What a write changes besides bytes. */
static void written(struct tmpfs_node *n)
{
	mutex_lock(&n->data);
	n->attr.mtime = n->attr.ctime = tmpfs_now();
	if (UNLIKELY(n->attr.mode & (S_ISUID | S_ISGID))) {
		struct task *t = task_self();

		if (!t || !cred_capable(t->cred, CAP_FSETID)) {
			n->attr.mode = mode_drop_privs(n->attr.mode, n->attr.gid, t ? t->cred : NULL);
			inode_set_perm(&n->inode, n->attr.mode, n->attr.uid, n->attr.gid);
		}
	}
	mutex_unlock(&n->data);
}

/* Bytes behind the old end become visible when a write starts behind it. */
static int grow_to(struct tmpfs_node *n, uint64_t pos)
{
	struct tmpfs_window w;
	uint64_t start, end;
	int r = 0;

	mutex_lock(&n->data);
	start = n->attr.size;
	end = (start + PAGE_SIZE - 1) & PAGE_MASK;
	if (pos > start && start < end) {
		r = tmpfs_data_window_locked(n, start, MIN(end, pos) - start, false, &w);
		if (!r && w.ptr && guarded_zero(w.ptr, w.len) != w.len)
			r = -EIO;
	}
	mutex_unlock(&n->data);
	return r;
}

static ssize_t write_locked(struct file *f, struct tmpfs_node *n, struct io *io, off_t *pos, int flags)
{
	ssize_t done = 0, r;
	size_t left;

	r = tmpfs_copy_up(n, UINT64_MAX);
	if (r)
		return r;
	if (f->flags & O_APPEND || flags & RWF_APPEND)
		*pos = (off_t)n->attr.size;
	r = write_room(*pos, io->left);
	if (r < 0)
		return r;
	left = (size_t)r;
	if (n->reg->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (n->reg->seals & F_SEAL_GROW) {
		if ((uint64_t)*pos >= n->attr.size)
			return -EPERM;
		left = MIN(left, n->attr.size - (uint64_t)*pos);
	}
	r = grow_to(n, (uint64_t)*pos);
	while (!r && left) {
		r = write_piece(n, io, (uint64_t)*pos, left);
		if (r <= 0)
			break;
		*pos += r;
		done += r;
		left -= (size_t)r;
		r = 0;
	}
	return done ? done : r;
}

static ssize_t reg_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct tmpfs_node *n = f->private;
	ssize_t r;

	if (!io->left)
		return 0;
	r = tmpfs_pin(n);
	if (r)
		return r;
	mutex_lock(&n->inode.lock);
	r = write_locked(f, n, io, pos, flags);
	mutex_unlock(&n->inode.lock);
	if (r > 0)
		written(n);
	return r;
}

/* --- seek --- */

static off_t seek_data_locked(struct tmpfs_node *n, uint64_t off, int whence)
{
	struct segset *pages = &n->reg->pages;
	struct seg g;

	if (off >= n->attr.size)
		return -ENXIO;
	if (whence == SEEK_DATA) {
		g = segset_lower_bound(pages, off);
		if (!seg_ok(g) || seg_start(g) >= n->attr.size)
			return -ENXIO;
		return (off_t)MAX(off, seg_start(g));
	}
	for (g = segset_find(pages, off); seg_ok(g) && seg_start(g) <= off; g = seg_next(g))
		off = seg_end(g);
	return (off_t)MIN(off, n->attr.size);
}

static off_t seek_data(struct tmpfs_node *n, off_t off, int whence)
{
	struct file *lower;

	if (off < 0)
		return -ENXIO;
	mutex_lock(&n->data);
	lower = n->reg->lower;
	if (lower)
		file_get(lower);
	else
		off = seek_data_locked(n, (uint64_t)off, whence);
	mutex_unlock(&n->data);
	if (lower) {
		off = tmpfs_lower_seek(lower, off, whence);
		file_put(lower);
	}
	return off;
}

static off_t reg_seek(struct file *f, off_t off, int whence)
{
	struct tmpfs_node *n = f->private;
	off_t base = 0;

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		off = seek_data(n, off, whence);
		if (off < 0)
			return off;
	}
	if (whence == SEEK_END) {
		mutex_lock(&n->data);
		base = (off_t)n->attr.size;
		mutex_unlock(&n->data);
	}
	if (whence == SEEK_CUR)
		base = f->pos;
	else if (whence > SEEK_HOLE || whence < 0)
		return -EINVAL;
	if (__builtin_add_overflow(base, off, &off) || off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

static int reg_truncate(struct file *f, off_t size)
{
	struct tmpfs_node *n = f->private;
	int r = tmpfs_pin(n);

	if (!r)
		r = tmpfs_data_truncate(n, (uint64_t)size);
	if (!r)
		written(n);
	return r;
}

static int allocate_locked(struct tmpfs_node *n, int mode, uint64_t start, uint64_t end)
{
	struct tmpfs_data *d = n->reg;
	int r = tmpfs_copy_up(n, UINT64_MAX);

	if (r)
		return r;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (d->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
		return tmpfs_data_punch(n, start, end);
	}
	if (end > n->attr.size && d->seals & F_SEAL_GROW)
		return -EPERM;
	r = tmpfs_data_allocate(n, start, end);
	if (r || mode & FALLOC_FL_KEEP_SIZE || end <= n->attr.size)
		return r;
	r = grow_to(n, end);
	mutex_lock(&n->data);
	n->attr.size = end;
	mutex_unlock(&n->data);
	return r;
}

static int reg_allocate(struct file *f, int mode, off_t off, off_t len)
{
	struct tmpfs_node *n = f->private;
	int r;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	r = tmpfs_pin(n);
	if (r)
		return r;
	mutex_lock(&n->inode.lock);
	r = allocate_locked(n, mode, (uint64_t)off, (uint64_t)off + (uint64_t)len);
	mutex_unlock(&n->inode.lock);
	if (!r)
		written(n);
	return r;
}

static int reg_sync(struct file *f, bool data_only)
{
	(void)f, (void)data_only;
	return 0;
}

const struct file_ops tmpfs_file_ops = {
	.type = "regular",
	.read = reg_read,
	.write = reg_write,
	.seek = reg_seek,
	.mappable = tmpfs_mappable,
	.truncate = reg_truncate,
	.allocate = reg_allocate,
	.sync = reg_sync,
};

/* --- seals --- */

int memfd_get_seals(struct file *f)
{
	struct tmpfs_node *n;
	int seals;

	if (f->ops != &tmpfs_file_ops)
		return -EINVAL;
	n = f->private;
	mutex_lock(&n->data);
	seals = n->reg->seals;
	mutex_unlock(&n->data);
	return seals & SEALS_NONE ? -EINVAL : seals;
}

bool memfd_write_sealed(struct file *f)
{
	int seals = memfd_get_seals(f);

	return seals > 0 && seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

int memfd_add_seals(struct file *f, int seals)
{
	struct tmpfs_node *n;
	bool writable_maps;
	int r = 0;

	if (f->ops != &tmpfs_file_ops)
		return -EINVAL;
	if (!file_writable(f))
		return -EPERM;
	if (seals & ~(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC))
		return -EINVAL;
	n = f->private;
	mutex_lock(&n->inode.lock);
	mutex_lock(&n->data);
	writable_maps = mappings_writable(&n->reg->mappings);
	/* What is not executable will never be, and what is not writable any more is what it is. */
	if (seals & F_SEAL_EXEC && n->attr.mode & 0111)
		seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	if (n->reg->seals & SEALS_NONE)
		r = -EINVAL;
	else if (n->reg->seals & F_SEAL_SEAL)
		r = -EPERM;
	else if (seals & F_SEAL_WRITE && writable_maps)
		r = -EBUSY;
	else
		n->reg->seals |= seals;
	mutex_unlock(&n->data);
	mutex_unlock(&n->inode.lock);
	return r;
}
