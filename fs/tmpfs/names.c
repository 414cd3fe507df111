/* SPDX-License-Identifier: Apache-2.0 */
/* Name tables: lookup, weak and strong names, whiteouts, merged listings. See tmpfs_internal.h.
 *
 * All tables of one file system share fs->names. References are dropped after the lock was, since the last one takes it. */
#include "fs/tmpfs/tmpfs_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct tmpfs_name *find(struct tmpfs_node *dir, const char *name, size_t len)
{
	struct tmpfs_name *e = NULL;

	HASH_FIND(hh, dir->table, name, len, e);
	return e;
}

/* A new name in the table, a whiteout as yet. NULL: no memory. */
static struct tmpfs_name *add(struct tmpfs_node *dir, const char *name, size_t len)
{
	struct tmpfs_name *e = calloc(1, sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	memcpy(e->name, name, len);
	HASH_ADD_KEYPTR(hh, dir->table, e->name, len, e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	return e;
}

uint64_t tmpfs_name_count(struct tmpfs_node *dir)
{
	struct tmpfs *fs = tmpfs_of(&dir->inode);
	uint64_t n;

	mutex_lock(&fs->names);
	n = HASH_COUNT(dir->table);
	mutex_unlock(&fs->names);
	return n;
}

static void delete(struct tmpfs_node *dir, struct tmpfs_name *e)
{
	tmpfs_uncharge_name(tmpfs_of(&dir->inode), e);
	HASH_DEL(dir->table, e);
	free(e);
}

static void forget_list(struct tmpfs_node *dir)
{
	dirlist_put(dir->list);
	dir->list = NULL;
}

/* e's node if it has one that is alive, with a reference. */
static struct tmpfs_node *get_node(struct tmpfs_name *e)
{
	if (!e->node)
		return NULL;
	if (e->strong) {
		inode_get(&e->node->inode);
		return e->node;
	}
	return ref_get_unless_zero(&e->node->inode.ref) ? e->node : NULL;
}

static void unbind_weak(struct tmpfs_name *e)
{
	if (e->node && !e->strong)
		e->node->entry = NULL;
	e->node = NULL;
}

/* --- pinning --- */

/* Makes n's weak name strong. Returns the parent, with the reference that n gives up. */
static struct tmpfs_node *pin_one_locked(struct tmpfs_node *n)
{
	struct tmpfs_node *parent = n->parent;

	inode_get(&n->inode);
	n->entry->strong = true;
	n->entry = NULL;
	n->parent = NULL;
	parent->changes++;
	forget_list(parent);
	return parent;
}

/* What n's weak name leads through. Returns the first that was pinned before, if n was not, with a reference. */
static struct tmpfs_node *pin_chain_locked(struct tmpfs_node *n)
{
	bool held = false;

	while (n->entry) {
		struct tmpfs_node *parent = pin_one_locked(n);

		/* Its name has a reference now, so this is not the last one. */
		if (held)
			inode_put(&n->inode);
		held = true;
		n = parent;
	}
	return held ? n : NULL;
}

int tmpfs_pin(struct tmpfs_node *n)
{
	struct tmpfs *fs = tmpfs_of(&n->inode);
	struct tmpfs_node *top = NULL;
	int r;

	if (!fs->lower)
		return 0;
	mutex_lock(&fs->names);
	r = tmpfs_charge_chain_locked(n);
	if (!r) {
		overlay_link_keep_locked(n);
		top = pin_chain_locked(n);
	}
	mutex_unlock(&fs->names);
	if (top)
		inode_put(&top->inode);
	return r;
}

void tmpfs_names_release(struct tmpfs_node *n)
{
	struct tmpfs *fs = tmpfs_of(&n->inode);
	struct tmpfs_node *parent;
	struct tmpfs_name *e, *tmp;

	mutex_lock(&fs->names);
	parent = n->parent;
	if (n->entry)
		delete(parent, n->entry);
	overlay_link_release_locked(n);
	mutex_unlock(&fs->names);
	/* Nobody can reach this table any more. */
	HASH_ITER(hh, n->table, e, tmp) {
		struct tmpfs_node *child = e->strong ? e->node : NULL;

		delete(n, e);
		if (child)
			inode_put(&child->inode);
	}
	dirlist_put(n->list);
	if (parent)
		inode_put(&parent->inode);
}

void tmpfs_weak_name_drop(struct tmpfs_node *n)
{
	struct tmpfs_node *parent = n->parent;

	if (!n->entry)
		return;
	delete(parent, n->entry);
	n->entry = NULL;
	n->parent = NULL;
	inode_put(&parent->inode);
}

/* --- lookup --- */

/* The node over child, whose reference is taken over in any case. *shared: another name may lead to it already. */
static int node_over(struct tmpfs *fs, struct inode *child, struct tmpfs_node **out, bool *shared)
{
	struct tmpfs_node *n, *winner = NULL;
	struct attr a;
	int r = inode_getattr(child, &a);

	*shared = !r && overlay_has_links(&a) && (*out = overlay_link_find(fs, &a));
	if (!r && !*shared)
		r = tmpfs_node_over(fs, child, &n);
	if (r || *shared) {
		inode_put(child);
		return r;
	}
	if (overlay_has_links(&a))
		r = overlay_link_add(fs, &a, n, &winner);
	*shared = winner;
	*out = winner ? winner : n;
	if (r || winner)
		inode_put(&n->inode);
	return r;
}

static int lookup_lower(struct tmpfs_node *dir, const char *name, size_t len, struct tmpfs_node **out, bool *shared)
{
	struct inode *lower = dir->lower, *child = NULL;
	int r;

	mutex_lock(&lower->lock);
	r = lower->ops->lookup(lower, name, len, &child);
	mutex_unlock(&lower->lock);
	return r ? r : node_over(tmpfs_of(&dir->inode), child, out, shared);
}

/* A name that is to stay, and so its node; gone: one that goes for it, or NULL. A new one that cannot be charged goes again. */
static int charge_locked(struct tmpfs_node *dir, struct tmpfs_name *e, struct tmpfs_node *n, bool made, struct tmpfs_name *gone)
{
	struct tmpfs *fs = tmpfs_of(&dir->inode);
	int r = tmpfs_charge_node(n);

	if (!r)
		r = tmpfs_charge_name(fs, e, gone);
	if (r && made)
		delete(dir, e);
	return r;
}

/* Does n's weak name hold dir, since it lies in it or below? If dir held n too, both would stay for ever. */
static bool holds_locked(const struct tmpfs_node *n, const struct tmpfs_node *dir)
{
	while (n->entry && n->parent != dir)
		n = n->parent;
	return n->entry;
}

/* A name that was looked up: weak, or strong if n may have a weak one already. */
static int bind(struct tmpfs_node *dir, const char *name, size_t len, struct tmpfs_node *n, bool strong)
{
	struct tmpfs *fs = tmpfs_of(&dir->inode);
	struct tmpfs_node *top = NULL;
	struct tmpfs_name *e;

	mutex_lock(&fs->names);
	e = find(dir, name, len);
	if (e)
		unbind_weak(e);
	else
		e = add(dir, name, len);
	if (e) {
		e->node = n;
		e->covers = true;
	}
	if (e && strong) {
		e->strong = true;
		inode_get(&n->inode);
		dir->changes++;
		forget_list(dir);
		if (holds_locked(n, dir))
			top = pin_chain_locked(n);
	} else if (e) {
		n->entry = e;
		n->parent = dir;
		inode_get(&dir->inode);
	}
	mutex_unlock(&fs->names);
	if (top)
		inode_put(&top->inode);
	return e ? 0 : -ENOMEM;
}

int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct tmpfs_node *d = node_of(dir), *n = NULL;
	struct tmpfs *fs = tmpfs_of(dir);
	struct tmpfs_name *e;
	bool whiteout, shared;
	int r;

	mutex_lock(&fs->names);
	e = find(d, name, len);
	whiteout = e && !e->node;
	if (e)
		n = get_node(e);
	mutex_unlock(&fs->names);
	if (n) {
		*out = &n->inode;
		return 0;
	}
	if (whiteout || !d->lower)
		return -ENOENT;
	r = lookup_lower(d, name, len, &n, &shared);
	if (r)
		return r;
	r = bind(d, name, len, n, shared);
	if (r) {
		inode_put(&n->inode);
		return r;
	}
	*out = &n->inode;
	return 0;
}

/* --- changes --- */

/* *old: whose name it was, with the name's reference. */
static int put_locked(struct tmpfs_node *dir, const char *name, size_t len, struct tmpfs_node *child, struct tmpfs_name *gone,
		      struct tmpfs_node **old)
{
	struct tmpfs_name *e = find(dir, name, len);
	bool made = !e;
	int r;

	*old = NULL;
	if (made)
		e = add(dir, name, len);
	r = e ? charge_locked(dir, e, child, made, gone) : -ENOMEM;
	if (r)
		return r;
	if (e->strong)
		*old = e->node;
	else if (made || e->node)
		dir->changes++;
	unbind_weak(e);
	inode_get(&child->inode);
	e->node = child;
	e->strong = true;
	forget_list(dir);
	return 0;
}

/* The node that e led to, with the name's reference. */
static struct tmpfs_node *remove_locked(struct tmpfs_node *dir, struct tmpfs_name *e)
{
	struct tmpfs_node *old = e->node;

	assert(e->strong); /* the node was pinned, and so was this name, or it was strong before */
	e->node = NULL;
	e->strong = false;
	if (!e->covers) {
		delete(dir, e);
		dir->changes--;
	}
	forget_list(dir);
	return old;
}

int tmpfs_name_put(struct tmpfs_node *dir, const char *name, size_t len, struct tmpfs_node *child)
{
	struct tmpfs *fs = tmpfs_of(&dir->inode);
	struct tmpfs_node *old;
	int r = tmpfs_pin(dir);

	if (r)
		return r;
	mutex_lock(&fs->names);
	r = put_locked(dir, name, len, child, NULL, &old);
	mutex_unlock(&fs->names);
	if (old)
		inode_put(&old->inode);
	return r;
}

void tmpfs_name_remove(struct tmpfs_node *dir, const char *name, size_t len)
{
	struct tmpfs *fs = tmpfs_of(&dir->inode);
	struct tmpfs_node *old = NULL;
	struct tmpfs_name *e;

	mutex_lock(&fs->names);
	e = find(dir, name, len);
	if (e)
		old = remove_locked(dir, e);
	mutex_unlock(&fs->names);
	if (old)
		inode_put(&old->inode);
}

int tmpfs_name_move(struct tmpfs_node *from, const char *oldname, size_t oldlen, struct tmpfs_node *to, const char *newname,
		    size_t newlen)
{
	struct tmpfs *fs = tmpfs_of(&from->inode);
	struct tmpfs_node *n = NULL, *replaced;
	struct tmpfs_name *gone;
	int r = tmpfs_pin(to);

	if (r)
		return r;
	mutex_lock(&fs->names);
	gone = find(from, oldname, oldlen);
	r = put_locked(to, newname, newlen, gone->node, gone, &replaced);
	if (!r)
		n = remove_locked(from, gone);
	mutex_unlock(&fs->names);
	if (replaced)
		inode_put(&replaced->inode);
	if (n)
		inode_put(&n->inode);
	return r;
}

int tmpfs_names_swap(struct tmpfs_node *d1, const char *n1, size_t l1, struct tmpfs_node *d2, const char *n2, size_t l2)
{
	struct tmpfs *fs = tmpfs_of(&d1->inode);
	struct tmpfs_name *e1, *e2;
	int r = -ENOENT;

	mutex_lock(&fs->names);
	e1 = find(d1, n1, l1);
	e2 = find(d2, n2, l2);
	if (e1 && e2 && e1->strong && e2->strong) {
		struct tmpfs_node *n = e1->node;

		e1->node = e2->node;
		e2->node = n;
		forget_list(d1);
		forget_list(d2);
		r = 0;
	}
	mutex_unlock(&fs->names);
	return r;
}

/* --- listing --- */

static int lower_list(struct tmpfs_node *dir, struct dirlist **out)
{
	int r;

	*out = NULL;
	if (!dir->lower || !dir->lower->ops->list)
		return 0;
	mutex_lock(&dir->lower->lock);
	r = dir->lower->ops->list(dir->lower, out);
	mutex_unlock(&dir->lower->lock);
	return r;
}

static void add_node(struct dirlist *l, const struct tmpfs_name *e, size_t len)
{
	dirlist_add(l, e->name, len, e->node->inode.ino, (unsigned char)IFTODT(e->node->inode.type));
}

/* Lower names in their order, unless hidden or replaced, then what has been added in the order it was. */
static void merge_locked(struct tmpfs_node *dir, const struct dirlist *lower, struct dirlist *l)
{
	struct tmpfs_name *e, *tmp;

	for (size_t i = 0; lower && i < lower->count; i++) {
		struct dirlist_entry le = dirlist_at(lower, i);

		e = find(dir, le.name, le.len);
		if (!e || (e->node && !e->strong))
			dirlist_add(l, le.name, le.len, le.ino, le.type);
		else if (e->node)
			add_node(l, e, le.len);
	}
	HASH_ITER(hh, dir->table, e, tmp)
		if (e->node && !e->covers)
			add_node(l, e, e->hh.keylen);
}

int tmpfs_list(struct inode *i, struct dirlist **out)
{
	struct tmpfs_node *dir = node_of(i);
	struct tmpfs *fs = tmpfs_of(i);
	struct dirlist *lower, *l = NULL;
	bool unchanged;
	int r;

	mutex_lock(&fs->names);
	if (dir->list) {
		l = dir->list;
		dirlist_get(l);
	}
	unchanged = dir->lower && !dir->changes;
	mutex_unlock(&fs->names);
	if (l) {
		*out = l;
		return 0;
	}
	r = lower_list(dir, &lower);
	if (r)
		return r;
	if (unchanged && lower) {
		*out = lower;
		return 0;
	}
	l = dirlist_new(fs->mf);
	if (!l) {
		dirlist_put(lower);
		return -ENOMEM;
	}
	mutex_lock(&fs->names);
	merge_locked(dir, lower, l);
	if (!l->failed && !dir->list) {
		dirlist_get(l);
		dir->list = l;
	}
	mutex_unlock(&fs->names);
	dirlist_put(lower);
	if (l->failed) {
		dirlist_put(l);
		return -ENOMEM;
	}
	*out = l;
	return 0;
}

bool tmpfs_dir_empty(struct tmpfs_node *dir, int *err)
{
	struct tmpfs *fs = tmpfs_of(&dir->inode);
	struct tmpfs_name *e, *tmp;
	struct dirlist *lower = NULL;
	bool empty = true;

	*err = dir->lower ? lower_list(dir, &lower) : 0;
	/* What cannot be looked into is not known to be empty. */
	if (*err == -EACCES)
		*err = 0, empty = false;
	if (*err || !empty)
		return false;
	mutex_lock(&fs->names);
	HASH_ITER(hh, dir->table, e, tmp)
		empty = empty && !e->node;
	for (size_t i = 0; empty && lower && i < lower->count; i++) {
		struct dirlist_entry le = dirlist_at(lower, i);

		empty = find(dir, le.name, le.len) != NULL;
	}
	mutex_unlock(&fs->names);
	dirlist_put(lower);
	return empty;
}
