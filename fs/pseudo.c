/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/pseudo.h"

#include "fs/device.h"
#include "fs/dirlist.h"
#include "kernel/task.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What one write to a text file may carry, as in proc(5)'s own handlers. */
enum { STORE_MAX = 64 << 10 };

struct pseudo_child {
	char *name;
	struct pseudo_node *node;
};

struct pseudo_fs {
	struct filesystem base;
	struct filesystem_ops ops; /* with this instance's type */
	long magic;
	_Atomic uint64_t next_ino;
};

struct pseudo_node *pseudo_node(struct inode *i)
{
	return CONTAINER_OF(i, struct pseudo_node, inode);
}

struct pseudo_node *pseudo_root(struct filesystem *fs)
{
	return pseudo_node(fs->root);
}

/* --- directories --- */

static struct pseudo_node *find_static(struct pseudo_node *dir, const char *name, size_t len)
{
	for (size_t i = 0; i < dir->child_count; i++)
		if (strlen(dir->children[i].name) == len && !memcmp(dir->children[i].name, name, len))
			return dir->children[i].node;
	return NULL;
}

struct pseudo_node *pseudo_child(struct pseudo_node *dir, const char *name)
{
	return find_static(dir, name, strlen(name));
}

static int node_lookup(struct inode *i, const char *name, size_t len, struct inode **out)
{
	struct pseudo_node *dir = pseudo_node(i), *child = find_static(dir, name, len);
	int r;

	if (child) {
		inode_get(&child->inode);
		*out = &child->inode;
		return 0;
	}
	if (!dir->ops || !dir->ops->lookup)
		return -ENOENT;
	r = dir->ops->lookup(dir, name, len, &child);
	if (!r)
		*out = &child->inode;
	return r;
}

static bool node_revalidate(struct inode *i, const char *name, size_t len, struct inode *child)
{
	struct pseudo_node *dir = pseudo_node(i);

	if (!dir->ops || !dir->ops->revalidate || find_static(dir, name, len))
		return true;
	return child && dir->ops->revalidate(dir, name, len, pseudo_node(child));
}

struct emit_arg {
	struct file *f;
	struct dirent_sink *sink;
	off_t base;
};

static bool emit_dynamic(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type)
{
	struct emit_arg *a = arg;

	if (!a->sink->emit(a->sink, name, strlen(name), ino, a->base + cookie + 1, (unsigned char)IFTODT(type)))
		return false;
	a->f->pos = a->base + cookie + 1;
	return true;
}

/* Positions: 0 and 1 the dots, then the static children, then 2 + their count + cookie. */
static int dir_readdir(struct file *f, struct dirent_sink *s)
{
	struct pseudo_node *dir = pseudo_node(f->inode);
	struct emit_arg a = { f, s, 2 + (off_t)dir->child_count };
	int r = 0;

	if (!dirfile_emit_dots(f, s))
		return 0;
	while (f->pos < a.base) {
		const struct pseudo_child *c = &dir->children[f->pos - 2];

		if (!s->emit(s, c->name, strlen(c->name), c->node->inode.ino, f->pos + 1,
			     (unsigned char)IFTODT(c->node->inode.type)))
			return 0;
		f->pos++;
	}
	if (dir->ops && dir->ops->iterate) {
		mutex_lock(&f->inode->lock);
		r = dir->ops->iterate(dir, f->pos - a.base, emit_dynamic, &a);
		mutex_unlock(&f->inode->lock);
	}
	return r;
}

static ssize_t dir_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	(void)f, (void)io, (void)pos, (void)flags;
	return -EISDIR;
}

static const struct file_ops dir_ops = {
	.type = "directory",
	.read = dir_read,
	.seek = dirfile_seek,
	.readdir = dir_readdir,
};

/* --- text files --- */

struct text_file {
	struct mutex lock; /* protects the rest */
	struct text text; /* the piece at `base`, or all of it */
	uint64_t base, cursor;
	bool filled, all;
};

/* Replaces the text by what comes after it, nothing at the end. */
static int next_piece_locked(struct pseudo_node *n, struct text_file *t)
{
	uint64_t skip = t->text.len;
	int e = 0;

	text_free(&t->text);
	t->text = (struct text){ 0 };
	t->base += skip;
	if (n->ops->show_piece)
		e = n->ops->show_piece(n, &t->cursor, &t->text);
	else if (!t->all)
		e = n->ops->show(n, &t->text);
	t->all = true;
	return !e && t->text.failed ? -ENOMEM : e;
}

/* Makes the text hold pos, unless it ends before. */
static int seek_piece_locked(struct pseudo_node *n, struct text_file *t, uint64_t pos)
{
	int e = 0;

	if (!t->filled || !pos || pos < t->base) {
		text_free(&t->text);
		t->text = (struct text){ 0 };
		t->base = t->cursor = 0;
		t->all = false;
		e = next_piece_locked(n, t);
	}
	while (!e && t->text.len && n->ops->show_piece && pos >= t->base + t->text.len)
		e = next_piece_locked(n, t);
	t->filled = !e;
	return e;
}

static ssize_t text_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct pseudo_node *n = pseudo_node(f->inode);
	struct text_file *t = f->private;
	ssize_t done = 0, r = 0;

	(void)flags;
	if (!n->ops->show && !n->ops->show_piece)
		return -EINVAL;
	mutex_lock(&t->lock);
	while (io->left && r >= 0) {
		uint64_t at = (uint64_t)*pos;

		r = seek_piece_locked(n, t, at);
		if (r || at >= t->base + t->text.len)
			break;
		r = io_put(io, t->text.data + (at - t->base), MIN(io->left, t->base + t->text.len - at));
		if (r > 0) {
			*pos += r;
			done += r;
		}
	}
	mutex_unlock(&t->lock);
	return done ? done : r;
}

static ssize_t text_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct pseudo_node *n = pseudo_node(f->inode);
	size_t len = MIN(io->left, (size_t)STORE_MAX);
	char *data;
	ssize_t r;

	(void)flags;
	if (!n->ops->store)
		return -EINVAL;
	data = malloc(len + 1);
	if (!data)
		return -ENOMEM;
	r = io_take(io, data, len);
	if (r >= 0) {
		data[r] = 0;
		r = n->ops->store(n, task_self(), data, (size_t)r, *pos);
	}
	free(data);
	if (r > 0)
		*pos += r;
	return r;
}

static off_t text_seek(struct file *f, off_t off, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	if ((whence == SEEK_CUR && __builtin_add_overflow(f->pos, off, &off)) || off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

static int text_truncate(struct file *f, off_t size)
{
	(void)f, (void)size;
	return 0;
}

static void text_release(struct file *f)
{
	struct text_file *t = f->private;

	text_free(&t->text);
	mutex_destroy(&t->lock);
	free(t);
}

static const struct file_ops text_ops = {
	.type = "text",
	.read = text_read,
	.write = text_write,
	.seek = text_seek,
	.truncate = text_truncate,
	.release = text_release,
};

static int open_text(struct inode *i, struct path *path, int flags, struct file **out)
{
	struct text_file *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	mutex_init(&t->lock);
	r = file_new_at(&text_ops, flags, path, i, t, out);
	if (r)
		free(t);
	return r;
}

static int node_open(struct inode *i, struct path *path, int flags, struct file **out)
{
	struct pseudo_node *n = pseudo_node(i);

	if (n->ops && n->ops->open)
		return n->ops->open(n, path, flags, out);
	if (i->type == S_IFDIR)
		return file_new_at(&dir_ops, flags, path, i, NULL, out);
	if (i->type == S_IFREG)
		return open_text(i, path, flags, out);
	return device_open(i, path, flags, n->rdev, out);
}

/* --- attributes --- */

/* A leaf, since attributes are asked for with a directory's own lock held. */
static struct mutex attr_lock = MUTEX_INITIALIZER;

static int node_getattr(struct inode *i, struct attr *out)
{
	struct pseudo_node *n = pseudo_node(i);

	mutex_lock(&attr_lock);
	*out = (struct attr){ .ino = i->ino, .dev = i->fs->dev, .rdev = n->rdev, .mode = n->mode, .uid = n->uid, .gid = n->gid,
			      .nlink = i->type == S_IFDIR ? 2 : 1, .blksize = i->type == S_IFREG ? 1024 : 4096,
			      .atime = n->time, .mtime = n->time, .ctime = n->time };
	mutex_unlock(&attr_lock);
	if (n->ops && n->ops->getattr)
		n->ops->getattr(n, out);
	return 0;
}

static int node_setattr(struct inode *i, const struct attr *a, unsigned valid)
{
	struct pseudo_node *n = pseudo_node(i);

	if (n->ops && n->ops->setattr)
		return n->ops->setattr(n, a, valid);
	mutex_lock(&attr_lock);
	if (valid & ATTR_MODE)
		n->mode = (n->mode & S_IFMT) | (a->mode & 07777);
	if (valid & ATTR_UID)
		n->uid = a->uid;
	if (valid & ATTR_GID)
		n->gid = a->gid;
	if (valid & ATTR_MTIME)
		n->time = a->mtime;
	if (i->perm_cached)
		inode_set_perm(i, n->mode, n->uid, n->gid);
	mutex_unlock(&attr_lock);
	return 0;
}

static int node_permission(struct inode *i, const struct cred *c, int mask)
{
	struct pseudo_node *n = pseudo_node(i);

	return n->ops->permission(n, c, mask);
}

/* Where a magic link leads, as the calling task would name it. */
static ssize_t magic_readlink(struct pseudo_node *n, char *buf, size_t size)
{
	char name[PATH_MAX];
	struct path p, root;
	ssize_t len = n->ops->follow(n, &p);

	if (len)
		return len;
	fs_context_root(task_self()->fs, &root);
	len = vfs_path_name(&p, &root, name, sizeof(name));
	path_put(&root);
	path_put(&p);
	if (len < 0)
		return len;
	len = MIN(len, (ssize_t)size);
	memcpy(buf, name, (size_t)len);
	return len;
}

static ssize_t node_readlink(struct inode *i, char *buf, size_t size)
{
	struct pseudo_node *n = pseudo_node(i);
	size_t len;

	if (n->ops && n->ops->readlink)
		return n->ops->readlink(n, buf, size);
	if (n->ops && n->ops->follow)
		return magic_readlink(n, buf, size);
	if (!n->target)
		return -EINVAL;
	len = MIN(strlen(n->target), size);
	memcpy(buf, n->target, len);
	return (ssize_t)len;
}

static int node_follow(struct inode *i, struct path *out)
{
	struct pseudo_node *n = pseudo_node(i);

	return n->ops->follow(n, out);
}

static void node_release(struct inode *i)
{
	struct pseudo_node *n = pseudo_node(i);

	if (n->ops && n->ops->release)
		n->ops->release(n);
	for (size_t c = 0; c < n->child_count; c++) {
		inode_put(&n->children[c].node->inode);
		free(n->children[c].name);
	}
	free(n->children);
	free(n->target);
	free(n);
}

#define COMMON_OPS                                                                                                               \
	.getattr = node_getattr, .setattr = node_setattr, .lookup = node_lookup, .readlink = node_readlink, .open = node_open,   \
	.release = node_release

/* Optional operations are told by whether they are set, so each combination that differs has a table of its own. */
static const struct inode_ops plain_ops = { COMMON_OPS };
static const struct inode_ops permission_ops = { COMMON_OPS, .permission = node_permission };
static const struct inode_ops revalidate_ops = { COMMON_OPS, .revalidate = node_revalidate };
static const struct inode_ops revalidate_permission_ops = { COMMON_OPS, .revalidate = node_revalidate,
							    .permission = node_permission };
static const struct inode_ops magic_ops = { COMMON_OPS, .follow = node_follow };
static const struct inode_ops magic_permission_ops = { COMMON_OPS, .follow = node_follow, .permission = node_permission };

struct pseudo_node *pseudo_node_of_any(struct inode *i)
{
	return i->ops->open == node_open ? pseudo_node(i) : NULL;
}

static const struct inode_ops *choose_ops(const struct pseudo_ops *ops)
{
	if (!ops)
		return &plain_ops;
	if (ops->follow)
		return ops->permission ? &magic_permission_ops : &magic_ops;
	if (ops->revalidate)
		return ops->permission ? &revalidate_permission_ops : &revalidate_ops;
	return ops->permission ? &permission_ops : &plain_ops;
}

/* --- making --- */

int pseudo_node_new(struct filesystem *base, const struct pseudo_ops *ops, uint32_t mode, void *data, struct pseudo_node **out)
{
	struct pseudo_fs *fs = CONTAINER_OF(base, struct pseudo_fs, base);
	struct pseudo_node *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	inode_init(&n->inode, base, choose_ops(ops), mode & S_IFMT, fs->next_ino++);
	n->ops = ops;
	n->mode = mode;
	n->data = data;
	clock_gettime(CLOCK_REALTIME_COARSE, &n->time);
	/* Who corrects attributes may change the owner at any time. */
	if (!ops || !ops->getattr)
		inode_set_perm(&n->inode, mode, 0, 0);
	*out = n;
	return 0;
}

int pseudo_add(struct pseudo_node *dir, const char *name, struct pseudo_node *child)
{
	struct pseudo_child *c = realloc(dir->children, (dir->child_count + 1) * sizeof(*c));
	char *copy = strdup(name);

	if (c)
		dir->children = c;
	if (!c || !copy) {
		free(copy);
		return -ENOMEM;
	}
	c[dir->child_count].name = copy;
	c[dir->child_count].node = child;
	dir->child_count++;
	return 0;
}

static struct pseudo_node *make(struct pseudo_node *dir, const char *name, uint32_t mode, const struct pseudo_ops *ops, void *data)
{
	struct pseudo_node *n;

	if (!dir || pseudo_node_new(dir->inode.fs, ops, mode, data, &n))
		return NULL;
	if (pseudo_add(dir, name, n)) {
		inode_put(&n->inode);
		return NULL;
	}
	return n;
}

struct pseudo_node *pseudo_dir(struct pseudo_node *dir, const char *name, uint32_t mode, const struct pseudo_ops *ops, void *data)
{
	return make(dir, name, S_IFDIR | (mode & 07777), ops, data);
}

struct pseudo_node *pseudo_file(struct pseudo_node *dir, const char *name, uint32_t mode, const struct pseudo_ops *ops, void *data)
{
	return make(dir, name, S_IFREG | (mode & 07777), ops, data);
}

struct pseudo_node *pseudo_magic_link(struct pseudo_node *dir, const char *name, const struct pseudo_ops *ops, void *data)
{
	return make(dir, name, S_IFLNK | 0777, ops, data);
}

struct pseudo_node *pseudo_symlink(struct pseudo_node *dir, const char *name, const char *target)
{
	char *copy = strdup(target);
	struct pseudo_node *n = copy ? make(dir, name, S_IFLNK | 0777, NULL, NULL) : NULL;

	if (n)
		n->target = copy;
	else
		free(copy);
	return n;
}

struct pseudo_node *pseudo_device(struct pseudo_node *dir, const char *name, uint32_t mode_and_type, dev_t rdev)
{
	struct pseudo_node *n = make(dir, name, mode_and_type, NULL, NULL);

	if (n)
		n->rdev = rdev;
	return n;
}

/* --- the instance --- */

static int fs_statfs(struct filesystem *base, struct statfs *out)
{
	memset(out, 0, sizeof(*out));
	out->f_type = CONTAINER_OF(base, struct pseudo_fs, base)->magic;
	out->f_bsize = out->f_frsize = PAGE_SIZE;
	out->f_namelen = NAME_MAX;
	return 0;
}

static void fs_release(struct filesystem *base)
{
	inode_put(base->root);
	free(CONTAINER_OF(base, struct pseudo_fs, base));
}

int pseudo_fs_new(const char *type, long magic, bool no_dcache, struct filesystem **out)
{
	struct pseudo_fs *fs = calloc(1, sizeof(*fs));
	struct pseudo_node *root;
	int r;

	if (!fs)
		return -ENOMEM;
	fs->ops = (struct filesystem_ops){ .type = type, .statfs = fs_statfs, .release = fs_release };
	filesystem_init(&fs->base, &fs->ops);
	fs->base.no_dcache = no_dcache;
	fs->magic = magic;
	fs->next_ino = 1;
	r = pseudo_node_new(&fs->base, NULL, S_IFDIR | 0555, NULL, &root);
	if (r) {
		free(fs);
		return r;
	}
	fs->base.root = &root->inode;
	*out = &fs->base;
	return 0;
}
