/* SPDX-License-Identifier: Apache-2.0 */
/* getdents(2), getdents64(2): one buffer of the sentry's, copied out once. */
#include "fs/fdtable.h"
#include "fs/notify.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* No more is gathered in one call, whatever the guest's buffer holds. */
enum { BUFFER_MAX = 64 << 10 };

struct old_dirent {
	uint64_t ino, off;
	uint16_t reclen;
	char name[]; /* then, in the last byte of the record, the type */
};

struct gather {
	struct dirent_sink sink;
	char *buf;
	size_t size, used;
	bool old, full;
};

static size_t record_size(const struct gather *g, size_t len)
{
	size_t head = g->old ? offsetof(struct old_dirent, name) + 1 : offsetof(struct dirent64, d_name);

	return (head + len + 1 + 7) & ~(size_t)7;
}

static bool gather_one(struct dirent_sink *s, const char *name, size_t len, uint64_t ino, int64_t next_off, unsigned char type)
{
	struct gather *g = CONTAINER_OF(s, struct gather, sink);
	size_t size = record_size(g, len);
	char *at = g->buf + g->used;

	if (g->size - g->used < size) {
		g->full = true;
		return false;
	}
	memset(at, 0, size);
	if (g->old) {
		struct old_dirent d = { .ino = ino, .off = (uint64_t)next_off, .reclen = (uint16_t)size };

		memcpy(at, &d, offsetof(struct old_dirent, name));
		memcpy(at + offsetof(struct old_dirent, name), name, len);
		at[size - 1] = (char)type;
	} else {
		struct dirent64 *d = (struct dirent64 *)(void *)at;

		d->d_ino = ino;
		d->d_off = next_off;
		d->d_reclen = (unsigned short)size;
		d->d_type = type;
		memcpy(d->d_name, name, len);
	}
	g->used += size;
	return true;
}

static int64_t gather_all(struct task *t, struct file *f, uint64_t addr, struct gather *g)
{
	int64_t r;
	off_t pos;

	mutex_lock(&f->pos_lock);
	pos = f->pos;
	r = f->ops->readdir(f, &g->sink);
	if (g->used)
		r = guest_write(t->mm, addr, g->buf, g->used);
	/* Entries that nobody got are read again. */
	if (r < 0)
		f->pos = pos;
	mutex_unlock(&f->pos_lock);
	if (r >= 0)
		notify_file(f, IN_ACCESS);
	if (r < 0 || g->used)
		return r < 0 ? r : (int64_t)g->used;
	return g->full ? -EINVAL : 0;
}

static int64_t getdents(struct task *t, const uint64_t a[6], bool old)
{
	struct file *f = fd_lookup(t->files, (int)a[0]);
	struct gather g = { .sink.emit = gather_one, .size = MIN((unsigned)a[2], BUFFER_MAX), .old = old };
	int64_t r;

	if (!f)
		return -EBADF;
	g.buf = malloc(g.size ? g.size : 1);
	if (!g.buf)
		r = -ENOMEM;
	else if (!f->ops->readdir)
		r = -ENOTDIR;
	else
		r = gather_all(t, f, a[1], &g);
	free(g.buf);
	file_put(f);
	return r;
}

SYSCALL_DECLARE(getdents)
{
	return getdents(t, a, true);
}

SYSCALL_DECLARE(getdents64)
{
	return getdents(t, a, false);
}
