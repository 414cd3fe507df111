/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/dirlist.h"

#include "fs/vfs_internal.h"
#include "mm/memfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct dirlist *dirlist_new(struct memfile *account)
{
	struct dirlist *l = calloc(1, sizeof(*l));

	if (l) {
		ref_init(&l->ref);
		l->account = account;
	}
	return l;
}

void dirlist_get(struct dirlist *l)
{
	ref_get(&l->ref);
}

void dirlist_put(struct dirlist *l)
{
	if (!l || !ref_put(&l->ref))
		return;
	if (l->account)
		memfile_uncharge(l->account, l->cap + l->offsets_cap * sizeof(*l->offsets));
	free(l->blob);
	free(l->offsets);
	free(l);
}

static bool reserve(struct memfile *account, void **p, size_t *cap, size_t need, size_t unit)
{
	size_t n = *cap ? *cap : 64, more;
	void *q;

	if (need <= *cap)
		return true;
	while (n < need)
		n *= 2;
	more = (n - *cap) * unit;
	if (account && memfile_charge(account, more))
		return false;
	q = realloc(*p, n * unit);
	if (!q) {
		if (account)
			memfile_uncharge(account, more);
		return false;
	}
	*p = q;
	*cap = n;
	return true;
}

/* An entry in the blob: inode number, type, length, name, NUL. */
enum { ENTRY_HEAD = sizeof(uint64_t) + 2 };

void dirlist_add(struct dirlist *l, const char *name, size_t len, uint64_t ino, unsigned char type)
{
	size_t need = ENTRY_HEAD + len + 1;
	char *p;

	if (l->failed || len > NAME_MAX || l->size + need > UINT32_MAX ||
	    !reserve(l->account, (void **)&l->blob, &l->cap, l->size + need, 1) ||
	    !reserve(l->account, (void **)&l->offsets, &l->offsets_cap, l->count + 1, sizeof(*l->offsets))) {
		l->failed = true;
		return;
	}
	p = l->blob + l->size;
	memcpy(p, &ino, sizeof(ino));
	p[8] = (char)type;
	p[9] = (char)len;
	memcpy(p + ENTRY_HEAD, name, len);
	p[ENTRY_HEAD + len] = 0;
	l->offsets[l->count++] = (uint32_t)l->size;
	l->size += need;
}

struct dirlist_entry dirlist_at(const struct dirlist *l, size_t index)
{
	const char *p = l->blob + l->offsets[index];
	struct dirlist_entry e = { .type = (unsigned char)p[8], .len = (unsigned char)p[9], .name = p + ENTRY_HEAD };

	memcpy(&e.ino, p, sizeof(e.ino));
	return e;
}

/* --- open directories --- */

static uint64_t parent_ino(struct file *f)
{
	struct path p;
	struct dentry *parent;
	uint64_t ino;

	if (!f->path)
		return f->inode->ino;
	path_get(f->path);
	p = *f->path;
	while (p.dentry == p.mount->root && path_up_mounts(&p))
		;
	parent = dentry_parent(p.dentry);
	ino = ((struct inode *)parent->inode)->ino;
	dentry_put(parent);
	path_put(&p);
	return ino;
}

bool dirfile_emit_dots(struct file *f, struct dirent_sink *s)
{
	if (f->pos == 0) {
		if (!s->emit(s, ".", 1, f->inode->ino, 1, DT_DIR))
			return false;
		f->pos = 1;
	}
	if (f->pos == 1) {
		if (!s->emit(s, "..", 2, parent_ino(f), 2, DT_DIR))
			return false;
		f->pos = 2;
	}
	return true;
}

static int take_snapshot(struct file *f)
{
	struct dirlist *l = NULL;
	int r;

	mutex_lock(&f->inode->lock);
	r = f->inode->dead ? -ENOENT : f->inode->ops->list(f->inode, &l);
	mutex_unlock(&f->inode->lock);
	if (r)
		return r;
	dirlist_put(f->private);
	f->private = l;
	return 0;
}

static int dirfile_readdir(struct file *f, struct dirent_sink *s)
{
	const struct dirlist *l;
	int r = 0;

	if (f->pos == 0 || !f->private)
		r = take_snapshot(f);
	if (r || !dirfile_emit_dots(f, s))
		return r;
	l = f->private;
	while (f->pos >= 2 && (uint64_t)f->pos - 2 < l->count) {
		struct dirlist_entry e = dirlist_at(l, (size_t)f->pos - 2);

		if (!s->emit(s, e.name, e.len, e.ino, f->pos + 1, e.type))
			break;
		f->pos++;
	}
	return 0;
}

off_t dirfile_seek(struct file *f, off_t off, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	if ((whence == SEEK_CUR && __builtin_add_overflow(f->pos, off, &off)) || off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

static ssize_t dirfile_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	(void)f, (void)io, (void)pos, (void)flags;
	return -EISDIR;
}

static int dirfile_sync(struct file *f, bool data_only)
{
	(void)f, (void)data_only;
	return 0;
}

static void dirfile_release(struct file *f)
{
	dirlist_put(f->private);
}

static const struct file_ops dirfile_ops = {
	.type = "directory",
	.read = dirfile_read,
	.seek = dirfile_seek,
	.readdir = dirfile_readdir,
	.sync = dirfile_sync,
	.release = dirfile_release,
};

int dirfile_open(struct inode *i, struct path *path, int flags, struct file **out)
{
	return file_new_at(&dirfile_ops, flags, path, i, NULL, out);
}
