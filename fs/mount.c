/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts: which file system's root lies on which dentry.
 *
 * All mounts of the sandbox are made at boot, before the guest runs; guests cannot mount (EPERM). The list is short, so a
 * mount point is found by walking it; dentries that carry no mount are told by their `mounted` count and never get that far. */
#include "fs/vfs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static TAILQ_HEAD(, mount) mounts = TAILQ_HEAD_INITIALIZER(mounts); /* in mount order; vfs_lock */
static struct mount *root_mount; /* set once at boot */
static int next_id = 1;

static struct mount *mount_new(struct filesystem *fs, struct dentry *root, unsigned flags, const char *source)
{
	struct mount *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->source = strdup(source);
	if (!m->source) {
		free(m);
		return NULL;
	}
	ref_init(&m->ref);
	m->id = next_id++;
	m->flags = flags;
	m->fs = fs;
	m->root = root;
	return m;
}

void mount_get(struct mount *m)
{
	ref_get(&m->ref);
}

void mount_put(struct mount *m)
{
	if (!m || !ref_put(&m->ref))
		return;
	dentry_put(m->root);
	filesystem_put(m->fs);
	free(m->source);
	free(m);
}

struct mount *vfs_root_mount(void)
{
	return root_mount;
}

/* The mount of files that live in no directory. It is in no list and lies nowhere. */
static struct mount *anon;

static void anon_mount_once(void)
{
	struct filesystem *fs = anon_filesystem();
	struct inode *i;
	struct dentry *d;

	if (anon_inode_new(S_IFDIR | 0500, "anon_inodefs:", &i))
		return;
	d = dentry_new_nameless(fs, i, "");
	if (!d)
		return;
	filesystem_get(fs);
	anon = mount_new(fs, d, 0, "anon_inodefs");
}

struct mount *anon_mount(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, anon_mount_once);
	return anon;
}

int vfs_init(struct filesystem *fs)
{
	struct dentry *d = dentry_new_root(fs, fs->root);
	struct mount *m = d ? mount_new(fs, d, 0, fs->ops->type) : NULL;

	if (!m || !anon_mount())
		return -ENOMEM;
	mutex_lock(&vfs_lock);
	TAILQ_INSERT_TAIL(&mounts, m, link);
	root_mount = m;
	mutex_unlock(&vfs_lock);
	return 0;
}

void vfs_root_readonly(void)
{
	root_mount->flags |= MOUNT_RDONLY;
}

static void attach(struct mount *m, const struct path *at)
{
	struct path p;

	path_get(at);
	p = *at;
	path_follow_mounts(&p);
	mutex_lock(&vfs_lock);
	m->parent = p.mount;
	m->at = p.dentry;
	m->at->mounted++;
	TAILQ_INSERT_TAIL(&mounts, m, link);
	mutex_unlock(&vfs_lock);
}

static bool is_dir(const struct dentry *d)
{
	struct inode *i = d->inode;

	return i && i->type == S_IFDIR;
}

int vfs_mount(const struct path *at, struct filesystem *fs, unsigned flags, const char *source)
{
	struct dentry *d;
	struct mount *m;

	if (is_dir(at->dentry) != (fs->root->type == S_IFDIR))
		return -ENOTDIR;
	d = dentry_new_root(fs, fs->root);
	if (!d)
		return -ENOMEM;
	m = mount_new(fs, d, flags, source);
	if (!m) {
		dentry_put(d);
		return -ENOMEM;
	}
	attach(m, at);
	return 0;
}

int vfs_bind(const struct path *at, const struct path *what, unsigned flags)
{
	struct mount *m;

	if (is_dir(at->dentry) != is_dir(what->dentry))
		return -ENOTDIR;
	m = mount_new(what->mount->fs, what->dentry, flags | what->mount->flags, what->mount->source);
	if (!m)
		return -ENOMEM;
	filesystem_get(m->fs);
	dentry_get(m->root);
	attach(m, at);
	return 0;
}

int vfs_umount(const struct path *at, int flags)
{
	struct mount *m = at->mount, *c;

	(void)flags;
	mutex_lock(&vfs_lock);
	if (m == root_mount || !m->parent || at->dentry != m->root) {
		mutex_unlock(&vfs_lock);
		return -EINVAL;
	}
	TAILQ_FOREACH(c, &mounts, link) {
		if (c->parent == m) {
			mutex_unlock(&vfs_lock);
			return -EBUSY;
		}
	}
	struct mount *parent = m->parent;
	struct dentry *d = m->at;

	TAILQ_REMOVE(&mounts, m, link);
	d->mounted--;
	m->parent = NULL;
	m->at = NULL;
	mutex_unlock(&vfs_lock);
	dentry_put(d);
	mount_put(parent);
	mount_put(m);
	return 0;
}

static struct mount *mounted_on(const struct path *p)
{
	struct mount *m, *found = NULL;

	mutex_lock(&vfs_lock);
	TAILQ_FOREACH(m, &mounts, link) {
		if (m->at == p->dentry && m->parent == p->mount) {
			mount_get(m);
			dentry_get(m->root);
			found = m;
			break;
		}
	}
	mutex_unlock(&vfs_lock);
	return found;
}

void path_follow_mounts(struct path *p)
{
	while (UNLIKELY(p->dentry->mounted)) {
		struct mount *m = mounted_on(p);

		if (!m)
			return;
		path_put(p);
		p->mount = m;
		p->dentry = m->root;
	}
}

bool path_up_mounts(struct path *p)
{
	struct path up = { 0 };

	mutex_lock(&vfs_lock);
	if (p->mount->parent) {
		up = (struct path){ p->mount->parent, p->mount->at };
		path_get(&up);
	}
	mutex_unlock(&vfs_lock);
	if (!up.mount)
		return false;
	path_put(p);
	*p = up;
	return true;
}

void path_get(const struct path *p)
{
	mount_get(p->mount);
	dentry_get(p->dentry);
}

void path_put(struct path *p)
{
	if (!p->mount)
		return;
	dentry_put(p->dentry);
	mount_put(p->mount);
	p->mount = NULL;
	p->dentry = NULL;
}

struct path *path_dup(const struct path *p)
{
	struct path *n = malloc(sizeof(*n));

	if (!n)
		return NULL;
	path_get(p);
	*n = *p;
	return n;
}

struct inode *path_inode(const struct path *p)
{
	return p->dentry->inode;
}

bool path_equal(const struct path *a, const struct path *b)
{
	return a->mount == b->mount && a->dentry == b->dentry;
}

unsigned path_mount_flags(const struct path *p)
{
	return p->mount->flags;
}

bool path_readonly(const struct path *p)
{
	return p->mount->flags & MOUNT_RDONLY;
}

int path_mount_id(const struct path *p)
{
	return p->mount->id;
}

bool path_is_mount_root(const struct path *p)
{
	return p->dentry == p->mount->root;
}

void vfs_mounts_walk(void (*fn)(void *arg, const char *source, const char *path, const char *type, unsigned flags, int id,
				int parent, uint64_t dev),
		     void *arg)
{
	char name[PATH_MAX];
	struct mount *m, *next;
	struct path root = { root_mount, root_mount->root };

	mutex_lock(&vfs_lock);
	m = TAILQ_FIRST(&mounts);
	if (m)
		mount_get(m);
	mutex_unlock(&vfs_lock);
	while (m) {
		struct path p = { m, m->root };

		if (vfs_path_name(&p, &root, name, sizeof(name)) > 0)
			fn(arg, m->source, name, m->fs->ops->type, m->flags, m->id, m->parent ? m->parent->id : 0, m->fs->dev);
		mutex_lock(&vfs_lock);
		next = TAILQ_NEXT(m, link);
		if (next)
			mount_get(next);
		mutex_unlock(&vfs_lock);
		mount_put(m);
		m = next;
	}
}
