/* SPDX-License-Identifier: Apache-2.0 */
/* The memory file system, which is also the upper half of overlays.
 *
 * Theory of operation. Every file is a node. A directory has a table of names. A name leads to a node, or says that the
 * name does not exist (a whiteout). A node may have a *lower* inode, of another file system that is never changed:
 * - a directory with a lower one shows, besides its table, the lower names that the table does not mention. Looking such a name up
 *   makes a node with that lower inode, and a *weak* name for it: one that holds no reference, so that a node nobody uses
 *   and that was never changed goes away again and costs nothing;
 * - a regular file with a lower one reads and maps the lower one's bytes until it is first written to, when it copies them (copy-up);
 * - attributes are copied when the node is made, extended ones with the first change to them.
 * The first change to a node *pins* it: its name becomes strong (holds a reference), and so do those of all its ancestors, so the
 * change cannot be lost. Because upper and lower are one inode object, descriptors, locks and mappings see one file before
 * and after copy-up, and a renamed directory takes its lower half along.
 * A plain tmpfs has no lower inodes; all its names are strong.
 * What stays counts against the memory limit: charge.c.
 *
 * Locks, in this order:
 *   inode.lock  VFS: held over all operations on names of a directory; taken by writes to a file (atomic writes, O_APPEND)
 *   fs->names   all name tables, and the pin state; short
 *   node->data  attributes, pages, lower data; taken under the mm locks by translate, so no guest memory is touched under it
 * Bytes are copied without a lock: `ios` counts copies in flight, and pages that are dropped meanwhile are freed by the last.
 */
#ifndef FS_TMPFS_INTERNAL_H
#define FS_TMPFS_INTERNAL_H

#include "base/hash.h"
#include "fs/dirlist.h"
#include "fs/map_name.h"
#include "fs/vfs.h"
#include "mm/guest.h"
#include "mm/mappable.h"
#include "mm/memfile.h"

#include <fcntl.h>
#include <string.h>

struct tmpfs {
	struct filesystem base;
	struct memfile *mf; /* borrowed */
	uint64_t limit; /* pages; 0: none */
	_Atomic uint64_t pages;
	_Atomic uint64_t nodes;
	_Atomic uint64_t next_ino;
	struct mutex names;
	struct filesystem *lower; /* one reference, or NULL */
	struct tmpfs_link *links; /* names */
};

struct tmpfs_node;

struct tmpfs_name {
	UT_hash_handle hh;
	struct tmpfs_node *node; /* NULL: a whiteout */
	bool strong; /* holds a reference on node */
	bool covers; /* the lower directory has this name: removal leaves a whiteout */
	bool charged; /* unless it was only looked up: charge.c */
	char name[];
};

/* A lower file with several names: fs/overlay/links.c. */
struct tmpfs_link_id {
	uint64_t dev, ino;
};

struct tmpfs_link {
	UT_hash_handle hh;
	struct tmpfs_link_id id;
	struct tmpfs_node *node;
	bool in_table;
	bool kept; /* the table has a reference on node */
};

/* Overlay files, as those of disks, do not know seals; others in memory cannot be sealed, memfds apart. */
enum { SEALS_NONE = 1 << 30 };
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

/* A regular file's bytes. */
struct tmpfs_data {
	struct segset pages; /* file offset -> uint64_t offset in the memory file */
	uint64_t page_count;
	int ios; /* copies in flight */
	struct tmpfs_freed *freed; /* ranges to drop when ios is 0 */
	int seals; /* F_SEAL_*, or SEALS_NONE */
	struct mappings mappings; /* its own lock */
	struct mappable mappable;
	struct tmpfs_node *node;
	struct file *lower; /* opened lower file; NULL after copy-up */
	struct mappable *lower_map; /* one reference; NULL until first mapped */
	struct map_name map_name;
};

/* Where in the memory file pos lies, which segment g of tmpfs_data.pages holds. */
static inline uint64_t seg_offset(struct seg g, uint64_t pos)
{
	uint64_t off;

	memcpy(&off, seg_value(g), sizeof(off));
	return off + (pos - seg_start(g));
}

struct tmpfs_freed {
	struct tmpfs_freed *next;
	struct range range;
};

struct tmpfs_xattr {
	struct tmpfs_xattr *next;
	size_t size;
	uint64_t charged;
	char *value; /* follows the name */
	char name[];
};

struct tmpfs_node {
	struct inode inode;
	struct mutex data;
	struct attr attr; /* data */
	struct inode *lower; /* immutable; one reference or NULL */
	_Atomic bool copied_up; /* a regular file's bytes are its own now; data */
	/* (names) */
	struct tmpfs_name *table;
	unsigned changes; /* strong names and whiteouts in the table */
	struct tmpfs_name *entry; /* the weak name that leads here, or NULL */
	struct tmpfs_node *parent; /* one reference while `entry` is weak, else NULL */
	struct tmpfs_link *link; /* set before anybody else knows the node; or NULL */
	struct dirlist *list; /* names: cached snapshot of a changed directory */
	uint64_t charged; /* bytes, charge.c; 0: nothing yet */
	/* (data) */
	struct tmpfs_data *reg;
	char *target; /* immutable: symlink */
	struct tmpfs_xattr *xattrs;
	bool own_xattrs; /* those of the lower inode, if there is one, do not count any more */
};

static inline struct tmpfs *tmpfs_of(const struct inode *i)
{
	return CONTAINER_OF(i->fs, struct tmpfs, base);
}

static inline struct tmpfs_node *node_of(struct inode *i)
{
	return CONTAINER_OF(i, struct tmpfs_node, inode);
}

extern const struct inode_ops tmpfs_inode_ops;
extern const struct file_ops tmpfs_file_ops;

/* --- tmpfs.c --- */
int tmpfs_create(struct memfile *mf, struct filesystem *lower, uint64_t size_limit, uint32_t root_mode, const char *type,
		 struct filesystem **out) MUST_CHECK;

/* --- node.c --- */
/* Not charged yet. */
int tmpfs_node_new(struct tmpfs *fs, uint32_t mode, uid_t uid, gid_t gid, dev_t rdev, struct tmpfs_node **out) MUST_CHECK;
/* A node over a lower inode, whose reference it takes over. */
int tmpfs_node_over(struct tmpfs *fs, struct inode *lower, struct tmpfs_node **out) MUST_CHECK;
struct timespec tmpfs_now(void);
/* Sets mtime and ctime. */
void tmpfs_touch(struct tmpfs_node *n);
void tmpfs_set_nlink(struct tmpfs_node *n, int change);

/* --- names.c --- */
int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int tmpfs_list(struct inode *dir, struct dirlist **out);
/* How many names dir has, with whiteouts. */
uint64_t tmpfs_name_count(struct tmpfs_node *dir);
/* From now on n and its ancestors stay. -ENOSPC: the memory limit has no room for them, and they are as they were. */
int tmpfs_pin(struct tmpfs_node *n) MUST_CHECK;
void tmpfs_names_release(struct tmpfs_node *n);
int tmpfs_name_put(struct tmpfs_node *dir, const char *name, size_t len, struct tmpfs_node *child) MUST_CHECK;
void tmpfs_name_remove(struct tmpfs_node *dir, const char *name, size_t len);
/* A node that was pinned gets another name for the one it has, which is charged for the new one: at the memory limit there is room for that. */
int tmpfs_name_move(struct tmpfs_node *from, const char *oldname, size_t oldlen, struct tmpfs_node *to, const char *newname,
		    size_t newlen) MUST_CHECK;
/* At the end of the file system: nobody else is left. */
void tmpfs_weak_name_drop(struct tmpfs_node *n);
int tmpfs_names_swap(struct tmpfs_node *d1, const char *n1, size_t l1, struct tmpfs_node *d2, const char *n2, size_t l2) MUST_CHECK;
bool tmpfs_dir_empty(struct tmpfs_node *dir, int *err);

/* --- charge.c --- */
/* What malloc takes for size bytes. */
uint64_t tmpfs_heap_size(uint64_t size);
/* -ENOSPC: the memory limit has no room. */
int tmpfs_charge(struct tmpfs *fs, uint64_t bytes) MUST_CHECK;
void tmpfs_uncharge(struct tmpfs *fs, uint64_t bytes);
/* Once each, however often they are called. */
int tmpfs_charge_node(struct tmpfs_node *n) MUST_CHECK;
void tmpfs_uncharge_node(struct tmpfs_node *n);
/* gone: another name that goes if this succeeds, whose charge counts; or NULL. */
int tmpfs_charge_name(struct tmpfs *fs, struct tmpfs_name *e, struct tmpfs_name *gone) MUST_CHECK;
void tmpfs_uncharge_name(struct tmpfs *fs, struct tmpfs_name *e);
/* n, and what its weak name and those of its ancestors lead through: all or nothing. fs->names held. */
int tmpfs_charge_chain_locked(struct tmpfs_node *n) MUST_CHECK;
/* How many files the memory limit has room for; UINT64_MAX without a limit. */
uint64_t tmpfs_nodes_left(struct tmpfs *fs);

/* --- data.c --- */
/* The node's data, made at first use. */
int tmpfs_data_get(struct tmpfs_node *n, struct tmpfs_data **out) MUST_CHECK;
void tmpfs_data_free(struct tmpfs_node *n);
int tmpfs_data_truncate(struct tmpfs_node *n, uint64_t size) MUST_CHECK;
int tmpfs_data_punch(struct tmpfs_node *n, uint64_t start, uint64_t end) MUST_CHECK;
int tmpfs_data_allocate(struct tmpfs_node *n, uint64_t start, uint64_t end) MUST_CHECK;
/* Pages of a file as far as they are contiguous. */
struct tmpfs_window {
	char *ptr; /* NULL: a hole */
	uint64_t len;
	uint64_t off; /* in the memory file, unless it is a hole */
	bool fresh; /* nobody has touched these pages yet: they were made for this window, or lie behind the end of the file */
};
/* Pages for [pos, pos+len). data held. alloc: fill holes. */
int tmpfs_data_window_locked(struct tmpfs_node *n, uint64_t pos, uint64_t len, bool alloc, struct tmpfs_window *out) MUST_CHECK;
int tmpfs_data_fill_locked(struct tmpfs_node *n, struct range want, struct range max, struct seg *out) MUST_CHECK;
void tmpfs_io_begin_locked(struct tmpfs_data *d);
void tmpfs_io_end_locked(struct tmpfs_node *n, struct tmpfs_freed **out);
void tmpfs_free_ranges(struct tmpfs *fs, struct tmpfs_freed *list);

/* --- fs/overlay/copyup.c --- */
/* After this the bytes are the node's own. inode.lock held. keep: how many bytes of the lower file are still wanted. */
int tmpfs_copy_up(struct tmpfs_node *n, uint64_t keep) MUST_CHECK;
/* Opens the lower file, if n has one and its bytes are not copied. */
int tmpfs_lower_open(struct tmpfs_node *n) MUST_CHECK;

/* --- fs/overlay/links.c --- */
bool overlay_has_links(const struct attr *lower);
/* The node of that lower file, with a reference, or NULL. */
struct tmpfs_node *overlay_link_find(struct tmpfs *fs, const struct attr *lower);
/* n is that file's node from now on, unless another has become that meanwhile: *winner, with a reference. */
int overlay_link_add(struct tmpfs *fs, const struct attr *lower, struct tmpfs_node *n, struct tmpfs_node **winner) MUST_CHECK;
/* n is about to change: fs->names held. Its number of links has become nlink: not held. */
void overlay_link_keep_locked(struct tmpfs_node *n);
void overlay_link_count(struct tmpfs_node *n, uint32_t nlink);
void overlay_link_release_locked(struct tmpfs_node *n);
void overlay_links_drop(struct tmpfs *fs);

/* lseek(2) with SEEK_DATA or SEEK_HOLE of a lower file. */
off_t tmpfs_lower_seek(struct file *lower, off_t off, int whence);

/* --- map.c --- */
extern const struct mappable_ops tmpfs_mappable_ops;
int tmpfs_mappable(struct file *f, int prot, int flags, struct mappable **out);

/* --- xattr.c --- */
ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int tmpfs_setxattr(struct inode *i, const char *name, const void *buf, size_t size, int flags);
ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t size);
int tmpfs_removexattr(struct inode *i, const char *name);
void tmpfs_xattrs_free(struct tmpfs_node *n);

#endif
