/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the lower tree that have several names there. Whichever name is looked up, it is one node, so that what is written by one is
 * read by the other, before copy-up and after it.
 *
 * fs->links finds the node by the lower file's numbers. The first name that was looked up is weak, as any (tmpfs_internal.h); others
 * hold references, as a node has room for one weak name. The table itself takes a reference with the first change (also
 * of the number of links), since names that were not looked up yet must lead to the changed node; with the last link it forgets it. */
#include "fs/tmpfs/tmpfs_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool overlay_has_links(const struct attr *lower)
{
	return lower->nlink > 1 && !S_ISDIR(lower->mode);
}

static struct tmpfs_link *find(struct tmpfs *fs, const struct tmpfs_link_id *id)
{
	struct tmpfs_link *l = NULL;

	HASH_FIND(hh, fs->links, id, sizeof(*id), l);
	return l;
}

/* l's node with a reference, if it is alive. */
static struct tmpfs_node *get_node(struct tmpfs_link *l)
{
	return l && ref_get_unless_zero(&l->node->inode.ref) ? l->node : NULL;
}

static void forget_locked(struct tmpfs *fs, struct tmpfs_link *l)
{
	if (l->in_table)
		HASH_DEL(fs->links, l);
	l->in_table = false;
}

struct tmpfs_node *overlay_link_find(struct tmpfs *fs, const struct attr *lower)
{
	struct tmpfs_link_id id = { .dev = lower->dev, .ino = lower->ino };
	struct tmpfs_node *n;

	mutex_lock(&fs->names);
	n = get_node(find(fs, &id));
	mutex_unlock(&fs->names);
	return n;
}

int overlay_link_add(struct tmpfs *fs, const struct attr *lower, struct tmpfs_node *n, struct tmpfs_node **winner)
{
	struct tmpfs_link *l = calloc(1, sizeof(*l)), *old;

	*winner = NULL;
	if (!l)
		return -ENOMEM;
	l->id = (struct tmpfs_link_id){ .dev = lower->dev, .ino = lower->ino };
	l->node = n;
	mutex_lock(&fs->names);
	old = find(fs, &l->id);
	*winner = get_node(old);
	if (!*winner) {
		if (old)
			forget_locked(fs, old);
		HASH_ADD(hh, fs->links, id, sizeof(l->id), l);
		l->in_table = l->hh.tbl != NULL;
		if (l->in_table)
			n->link = l;
	}
	mutex_unlock(&fs->names);
	if (n->link == l)
		return 0;
	free(l);
	return *winner ? 0 : -ENOMEM;
}

void overlay_link_keep_locked(struct tmpfs_node *n)
{
	struct tmpfs_link *l = n->link;

	if (!l || !l->in_table || l->kept)
		return;
	l->kept = true;
	inode_get(&n->inode);
}

void overlay_link_count(struct tmpfs_node *n, uint32_t nlink)
{
	struct tmpfs *fs = tmpfs_of(&n->inode);
	bool drop = false;

	if (!n->link)
		return;
	mutex_lock(&fs->names);
	if (nlink) {
		overlay_link_keep_locked(n);
	} else {
		drop = n->link->kept;
		n->link->kept = false;
		forget_locked(fs, n->link);
	}
	mutex_unlock(&fs->names);
	if (drop)
		inode_put(&n->inode);
}

void overlay_link_release_locked(struct tmpfs_node *n)
{
	if (!n->link)
		return;
	forget_locked(tmpfs_of(&n->inode), n->link);
	free(n->link);
	n->link = NULL;
}

void overlay_links_drop(struct tmpfs *fs)
{
	struct tmpfs_link *l;

	/* No guest is left, so nobody else changes the table. A node that goes frees its entry, and maybe others'. Weak names must not hold their
	 * directories any more: one that has another name of the same file below it holds that file, too. */
	while ((l = fs->links)) {
		bool kept = l->kept;
		struct tmpfs_node *n = l->node;

		forget_locked(fs, l);
		l->kept = false;
		inode_get(&n->inode);
		tmpfs_weak_name_drop(n);
		inode_put(&n->inode);
		if (kept)
			inode_put(&n->inode);
	}
}
