/* SPDX-License-Identifier: Apache-2.0 */
/* What files cost beside their pages counts against the guest's memory limit: a file without contents is memory of the sentry, and a
 * guest may make as many as it likes.
 *
 * Charged are nodes, names (whiteouts among them), links' targets, extended attributes and listings, each by what it takes of the heap.
 * - A node is charged when it is made, and when its last reference goes it is uncharged: an open file without a name counts on.
 * - What a lookup in an overlay makes, a node over a lower file and its name, is not: the dentry cache bounds how much there is of that
 *   (of the files with several names in one directory the lower tree does), and a guest at its limit must still find the programs
 *   that remove files. It is charged when it is pinned, that is with the first change, which fails if there is no room. So
 *   does the removal of a lower file, which leaves a whiteout; what was made can always be removed.
 * Not charged is what follows from pages, which are charged themselves: the sets that say where they lie.
 *
 * n->charged and e->charged are written under fs->names, or before anybody else knows them. */
#include "fs/tmpfs/tmpfs_internal.h"
#include "fs/vfs_internal.h"

#include <errno.h>

enum {
	/* malloc's own word, and the units it rounds up to. */
	HEAP_HEAD = 8,
	HEAP_UNIT = 16,
	/* A name's share of its directory's table, which is doubled when a bucket has ten. */
	TABLE_SHARE = 16,
	/* The list of a file's locks, which stays when the last of them has gone. */
	LOCK_LIST = 136,
	/* The lower inode that a node holds: what a host tree has for each. */
	LOWER_NODE = 688,
};

uint64_t tmpfs_heap_size(uint64_t size)
{
	return (size + HEAP_HEAD + HEAP_UNIT - 1) & ~(uint64_t)(HEAP_UNIT - 1);
}

int tmpfs_charge(struct tmpfs *fs, uint64_t bytes)
{
	return memfile_charge(fs->mf, bytes) ? -ENOSPC : 0;
}

void tmpfs_uncharge(struct tmpfs *fs, uint64_t bytes)
{
	memfile_uncharge(fs->mf, bytes);
}

/* A directory keeps a dentry as long as one of its files has one, and a table with the first name. */
static uint64_t dir_cost(void)
{
	return tmpfs_heap_size(sizeof(struct dentry)) + tmpfs_heap_size(sizeof(UT_hash_table)) +
	       tmpfs_heap_size(HASH_INITIAL_NUM_BUCKETS * sizeof(UT_hash_bucket));
}

static uint64_t node_cost(const struct tmpfs_node *n)
{
	uint64_t sum = tmpfs_heap_size(sizeof(*n)) + LOCK_LIST;

	if (n->inode.type == S_IFDIR)
		sum += dir_cost();
	else if (n->inode.type == S_IFREG)
		sum += tmpfs_heap_size(sizeof(struct tmpfs_data));
	if (n->target)
		sum += tmpfs_heap_size(strlen(n->target) + 1);
	if (n->lower)
		sum += LOWER_NODE;
	if (n->link)
		sum += tmpfs_heap_size(sizeof(*n->link)) + TABLE_SHARE;
	return sum;
}

/* In the table, and once more in a dentry. */
static uint64_t name_cost(size_t len)
{
	return tmpfs_heap_size(sizeof(struct tmpfs_name) + len + 1) + TABLE_SHARE + tmpfs_heap_size(len + 1);
}

int tmpfs_charge_node(struct tmpfs_node *n)
{
	uint64_t cost = node_cost(n);
	int r = n->charged ? 0 : tmpfs_charge(tmpfs_of(&n->inode), cost);

	if (!r && !n->charged)
		n->charged = cost;
	return r;
}

void tmpfs_uncharge_node(struct tmpfs_node *n)
{
	tmpfs_uncharge(tmpfs_of(&n->inode), n->charged);
	n->charged = 0;
}

int tmpfs_charge_name(struct tmpfs *fs, struct tmpfs_name *e, struct tmpfs_name *gone)
{
	bool freed = gone && gone->charged && !gone->covers;
	uint64_t cost = name_cost(e->hh.keylen), room = freed ? name_cost(gone->hh.keylen) : 0;
	int r = 0;

	if (e->charged)
		return 0;
	if (cost > room)
		r = tmpfs_charge(fs, cost - room);
	else
		tmpfs_uncharge(fs, room - cost);
	if (r)
		return r;
	e->charged = true;
	if (freed)
		gone->charged = false;
	return 0;
}

void tmpfs_uncharge_name(struct tmpfs *fs, struct tmpfs_name *e)
{
	if (e->charged)
		tmpfs_uncharge(fs, name_cost(e->hh.keylen));
	e->charged = false;
}

int tmpfs_charge_chain_locked(struct tmpfs_node *n)
{
	uint64_t sum = 0;
	struct tmpfs_node *p;
	int r;

	for (p = n; p; p = p->entry ? p->parent : NULL)
		sum += (p->charged ? 0 : node_cost(p)) + (p->entry ? name_cost(p->entry->hh.keylen) : 0);
	r = sum ? tmpfs_charge(tmpfs_of(&n->inode), sum) : 0;
	for (p = n; !r && p; p = p->entry ? p->parent : NULL) {
		if (!p->charged)
			p->charged = node_cost(p);
		if (p->entry)
			p->entry->charged = true;
	}
	return r;
}

uint64_t tmpfs_nodes_left(struct tmpfs *fs)
{
	uint64_t left = memfile_left(fs->mf);

	return left == UINT64_MAX ? left : left / (tmpfs_heap_size(sizeof(struct tmpfs_node)) + name_cost(0));
}
