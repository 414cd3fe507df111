/* SPDX-License-Identifier: Apache-2.0 */
/* The dentry cache.
 *
 * Theory of operation. Dentries form trees; each holds a reference on its parent. A hashed dentry can be found by (parent,
 * name). When its last user leaves, a hashed dentry stays, on an LRU list, and keeps its inode; an unhashed one dies. Names that do
 * not exist are cached too, as dentries without inode. The cache keeps at most DENTRY_KEEP idle dentries: a guest that walks
 * a large tree must not grow the sentry without bound.
 *
 * Locks: vfs_lock, a leaf. Inodes are put only after it was dropped, because the last reference runs the file system's
 * release. `inode` of a dentry changes once (negative to positive) under its directory's inode lock and vfs_lock.
 */
#include "fs/notify.h"
#include "fs/vfs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BITS = 13, HASH_SIZE = 1 << HASH_BITS, DENTRY_KEEP = 16384, SHRINK_BATCH = 64 };

struct mutex vfs_lock = MUTEX_INITIALIZER;
_Atomic uint64_t dentry_moves; /* vfs_lock to change */

static LIST_HEAD(hash_head, dentry) buckets[HASH_SIZE];
static TAILQ_HEAD(lru_head, dentry) lru = TAILQ_HEAD_INITIALIZER(lru);
static size_t lru_count;

/* The dead: chained by `lru`, freed without the lock. */
TAILQ_HEAD(dead_head, dentry);

static uint32_t name_hash(const struct dentry *dir, const char *name, size_t len)
{
	uint64_t h = (uint64_t)(uintptr_t)dir * 0x9e3779b97f4a7c15ULL;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ULL;
	return (uint32_t)(h ^ (h >> 32));
}

static struct hash_head *bucket(uint32_t hash)
{
	return &buckets[(hash ^ (hash >> HASH_BITS)) & (HASH_SIZE - 1)];
}

static struct dentry *dentry_alloc(struct filesystem *fs, struct inode *i, const char *name, size_t len)
{
	struct dentry *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->name = malloc(len + 1);
	if (!d->name) {
		free(d);
		return NULL;
	}
	memcpy(d->name, name, len);
	d->name[len] = 0;
	d->len = (uint32_t)len;
	d->refs = 1;
	d->fs = fs;
	d->inode = i;
	LIST_INIT(&d->children);
	return d;
}

struct dentry *dentry_new_root(struct filesystem *fs, struct inode *i)
{
	struct dentry *d = dentry_alloc(fs, i, "", 0);

	if (d) {
		inode_get(i);
		d->parent = d;
	}
	return d;
}

struct dentry *dentry_new_nameless(struct filesystem *fs, struct inode *i, const char *name)
{
	struct dentry *d = dentry_alloc(fs, i, name, strlen(name));

	if (d)
		d->parent = d;
	return d;
}

static void lru_remove_locked(struct dentry *d)
{
	if (d->on_lru) {
		TAILQ_REMOVE(&lru, d, lru);
		d->on_lru = false;
		lru_count--;
	}
}

static void unhash_locked(struct dentry *d)
{
	if (d->hashed) {
		LIST_REMOVE(d, hash_link);
		d->hashed = false;
	}
}

static void hash_locked(struct dentry *d)
{
	d->hash = name_hash(d->parent, d->name, d->len);
	LIST_INSERT_HEAD(bucket(d->hash), d, hash_link);
	d->hashed = true;
}

/* d has no users: takes it and every ancestor that thereby becomes unused out of the tree, onto `dead`. */
static void kill_locked(struct dentry *d, struct dead_head *dead)
{
	while (d) {
		struct dentry *parent = d->parent;

		unhash_locked(d);
		lru_remove_locked(d);
		TAILQ_INSERT_TAIL(dead, d, lru);
		if (parent == d)
			return;
		LIST_REMOVE(d, sibling);
		if (atomic_fetch_sub(&parent->refs, 1) != 1)
			return;
		if (parent->hashed) {
			TAILQ_INSERT_TAIL(&lru, parent, lru);
			parent->on_lru = true;
			lru_count++;
			return;
		}
		d = parent;
	}
}

static void free_dead(struct dead_head *dead)
{
	struct dentry *d;

	while ((d = TAILQ_FIRST(dead))) {
		TAILQ_REMOVE(dead, d, lru);
		if (d->deleted && d->inode)
			notify_unused(d->inode);
		inode_put(d->inode);
		free(d->name);
		free(d);
	}
}

static void shrink_locked(size_t keep, struct dead_head *dead)
{
	while (lru_count > keep) {
		struct dentry *d = TAILQ_FIRST(&lru);

		kill_locked(d, dead);
	}
}

void dentry_shrink(size_t keep)
{
	struct dead_head dead = TAILQ_HEAD_INITIALIZER(dead);

	mutex_lock(&vfs_lock);
	shrink_locked(keep, &dead);
	mutex_unlock(&vfs_lock);
	free_dead(&dead);
}

static void get_locked(struct dentry *d)
{
	if (atomic_fetch_add(&d->refs, 1) == 0)
		lru_remove_locked(d);
}

void dentry_get(struct dentry *d)
{
	atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
}

void dentry_put(struct dentry *d)
{
	struct dead_head dead = TAILQ_HEAD_INITIALIZER(dead);
	int refs = atomic_load_explicit(&d->refs, memory_order_relaxed);

	while (refs > 1)
		if (atomic_compare_exchange_weak(&d->refs, &refs, refs - 1))
			return;
	mutex_lock(&vfs_lock);
	if (atomic_fetch_sub(&d->refs, 1) == 1) {
		if (d->hashed) {
			TAILQ_INSERT_TAIL(&lru, d, lru);
			d->on_lru = true;
			lru_count++;
			if (lru_count > DENTRY_KEEP + SHRINK_BATCH)
				shrink_locked(DENTRY_KEEP, &dead);
		} else {
			kill_locked(d, &dead);
		}
	}
	mutex_unlock(&vfs_lock);
	free_dead(&dead);
}

static struct dentry *find_locked(struct dentry *dir, uint32_t hash, const char *name, size_t len)
{
	struct dentry *d;

	LIST_FOREACH(d, bucket(hash), hash_link) {
		if (d->hash == hash && d->parent == dir && d->len == len && !memcmp(d->name, name, len)) {
			get_locked(d);
			return d;
		}
	}
	return NULL;
}

struct dentry *dentry_find(struct dentry *dir, const char *name, size_t len)
{
	uint32_t hash = name_hash(dir, name, len);
	struct dentry *d;

	mutex_lock(&vfs_lock);
	d = find_locked(dir, hash, name, len);
	mutex_unlock(&vfs_lock);
	return d;
}

int dentry_lookup_locked(struct dentry *dir, const char *name, size_t len, struct dentry **out)
{
	struct inode *parent = dir->inode, *child = NULL;
	struct dentry *d = dentry_find(dir, name, len);
	int r;

	mutex_assert_held(&parent->lock);
	if (d && parent->ops->revalidate && !parent->ops->revalidate(parent, name, len, d->inode)) {
		dentry_forget(d);
		dentry_put(d);
		d = NULL;
	}
	if (d) {
		*out = d;
		return 0;
	}
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (!parent->ops->lookup)
		return -ENOTDIR;
	r = parent->dead ? -ENOENT : parent->ops->lookup(parent, name, len, &child);
	if (r && r != -ENOENT)
		return r;
	d = dentry_alloc(dir->fs, r ? NULL : child, name, len);
	if (!d) {
		inode_put(child);
		return -ENOMEM;
	}
	d->parent = dir;
	mutex_lock(&vfs_lock);
	dentry_get(dir);
	LIST_INSERT_HEAD(&dir->children, d, sibling);
	if (!dir->fs->no_dcache && !parent->dead)
		hash_locked(d);
	mutex_unlock(&vfs_lock);
	*out = d;
	return 0;
}

void dentry_instantiate(struct dentry *d, struct inode *i)
{
	mutex_lock(&vfs_lock);
	assert(!d->inode);
	d->inode = i;
	mutex_unlock(&vfs_lock);
}

/* The idle children of d, mostly names that do not exist, would keep it alive until the LRU reaches them. */
static void prune_children_locked(struct dentry *d, struct dead_head *dead)
{
	struct dentry *c, *next;

	for (c = LIST_FIRST(&d->children); c; c = next) {
		next = LIST_NEXT(c, sibling);
		if (c->on_lru)
			kill_locked(c, dead);
	}
}

static void dentry_unlink(struct dentry *d, bool deleted)
{
	struct dead_head dead = TAILQ_HEAD_INITIALIZER(dead);

	mutex_lock(&vfs_lock);
	unhash_locked(d);
	if (deleted)
		d->deleted = true;
	prune_children_locked(d, &dead);
	mutex_unlock(&vfs_lock);
	free_dead(&dead);
}

void dentry_delete(struct dentry *d)
{
	dentry_unlink(d, true);
}

void dentry_forget(struct dentry *d)
{
	dentry_unlink(d, false);
}

/* d leaves its parent for `dir`; the old parent's reference is handed to the caller. */
static struct dentry *reparent_locked(struct dentry *d, struct dentry *dir)
{
	struct dentry *old = d->parent;

	LIST_REMOVE(d, sibling);
	d->parent = dir;
	dentry_get(dir);
	LIST_INSERT_HEAD(&dir->children, d, sibling);
	return old;
}

static void swap_names(struct dentry *a, struct dentry *b)
{
	char *name = a->name;
	uint32_t len = a->len;

	a->name = b->name;
	a->len = b->len;
	b->name = name;
	b->len = len;
}

int dentry_move(struct dentry *d, struct dentry *target, bool exchange)
{
	struct dentry *olddir, *newdir, *put1, *put2 = NULL;
	char *copy = NULL;

	/* A deleted target keeps its own name for who still has it open. */
	if (!exchange && !(copy = strdup(target->name)))
		return -ENOMEM;
	mutex_lock(&vfs_lock);
	olddir = d->parent;
	newdir = target->parent;
	dentry_moves++;
	unhash_locked(d);
	unhash_locked(target);
	if (exchange) {
		swap_names(d, target);
		put1 = reparent_locked(d, newdir);
		put2 = reparent_locked(target, olddir);
		if (!olddir->fs->no_dcache)
			hash_locked(target);
	} else {
		free(d->name);
		d->name = copy;
		d->len = target->len;
		target->deleted = true;
		put1 = reparent_locked(d, newdir);
	}
	if (!newdir->fs->no_dcache)
		hash_locked(d);
	mutex_unlock(&vfs_lock);
	dentry_put(put1);
	if (put2)
		dentry_put(put2);
	return 0;
}

struct dentry *dentry_parent(struct dentry *d)
{
	struct dentry *p;

	mutex_lock(&vfs_lock);
	p = d->parent;
	dentry_get(p);
	mutex_unlock(&vfs_lock);
	return p;
}

bool dentry_is_ancestor(struct dentry *a, struct dentry *d)
{
	bool yes;

	mutex_lock(&vfs_lock);
	while (d != a && d->parent != d)
		d = d->parent;
	yes = d == a;
	mutex_unlock(&vfs_lock);
	return yes;
}
