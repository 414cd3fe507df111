/* SPDX-License-Identifier: Apache-2.0 */
/* A kit for pseudo file systems: /proc, /dev, /sys.
 *
 * Theory of operation. A pseudo file system is made of nodes. A node is an inode with callbacks (struct pseudo_ops), a mode and a
 * pointer of its maker's. Directories have static children (pseudo_add) and may have dynamic ones (lookup and iterate callbacks); a
 * static child wins. A text file is written by its show callback into a growing buffer at the first read of an open file and
 * again when the reader goes back to offset 0; so a reader sees one consistent text. What may be long has show_piece instead: an
 * open file keeps the piece that is being read, and begins anew where the reader goes back. Devices are nodes that carry a
 * device number; device.h finds who serves it.
 *
 * Locks: callbacks run with the directory's inode lock (lookup, iterate), with one of the open file (show), or without a lock (store, follow). Static children
 * are added before the file system is mounted and never change.
 */
#ifndef FS_PSEUDO_H
#define FS_PSEUDO_H

#include "base/text.h"
#include "fs/vfs.h"

struct pseudo_node;

struct pseudo_ops {
	/* Directories: a new reference to a child, or -ENOENT. */
	int (*lookup)(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out);
	/* Emits the dynamic children in order, those whose cookie (any increasing number >= 0) is at least `from`; stops when emit
	 * says false. */
	int (*iterate)(struct pseudo_node *dir, int64_t from,
		       bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg);
	/* Text files: one of the two. A piece is some kilobytes, and nothing at the end; *cursor is 0 before the first. */
	int (*show)(struct pseudo_node *n, struct text *out);
	int (*show_piece)(struct pseudo_node *n, uint64_t *cursor, struct text *out);
	/* One write(2): data is NUL-terminated, of len bytes. Returns what write returns. */
	ssize_t (*store)(struct pseudo_node *n, struct task *t, char *data, size_t len, off_t pos);
	/* Symlinks: either. readlink(2) of a magic link, which has follow, names where it leads. */
	ssize_t (*readlink)(struct pseudo_node *n, char *buf, size_t size);
	int (*follow)(struct pseudo_node *n, struct path *out);
	/* Files with operations of their own. */
	int (*open)(struct pseudo_node *n, struct path *path, int flags, struct file **out);
	/* Corrects the attributes (owner, size, times) that the kit filled in. */
	void (*getattr)(struct pseudo_node *n, struct attr *out);
	/* Keeps changed attributes (mode, owner) itself. NULL: the node does. */
	int (*setattr)(struct pseudo_node *n, const struct attr *a, unsigned valid);
	/* Beyond mode bits; called instead of them. */
	int (*permission)(struct pseudo_node *n, const struct cred *c, int mask);
	/* May a cached dentry of this child still be used? Only for file systems that keep dentries. */
	bool (*revalidate)(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node *child);
	/* The last reference is gone: frees n->data. */
	void (*release)(struct pseudo_node *n);
};

struct pseudo_child;
struct pseudo_node {
	struct inode inode;
	const struct pseudo_ops *ops;
	uint32_t mode; /* with the type */
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	struct timespec time;
	void *data; /* the maker's */
	uint64_t id; /* the maker's */
	char *target; /* static symlinks */
	struct pseudo_child *children; /* static; sorted as added */
	size_t child_count;
};

/* An empty file system whose root is a static directory. magic: statfs(2)'s f_type. */
int pseudo_fs_new(const char *type, long magic, bool no_dcache, struct filesystem **out) MUST_CHECK;
struct pseudo_node *pseudo_root(struct filesystem *fs);
/* A node with one reference. ops may be NULL for plain directories and devices. */
int pseudo_node_new(struct filesystem *fs, const struct pseudo_ops *ops, uint32_t mode, void *data,
		    struct pseudo_node **out) MUST_CHECK;
/* The node of an inode of a pseudo file system. */
struct pseudo_node *pseudo_node(struct inode *i);
/* The same of any inode: NULL if it is no pseudo file system's. */
struct pseudo_node *pseudo_node_of_any(struct inode *i);
/* Takes over child's reference. */
int pseudo_add(struct pseudo_node *dir, const char *name, struct pseudo_node *child) MUST_CHECK;

/* A static child (borrowed), or NULL. */
struct pseudo_node *pseudo_child(struct pseudo_node *dir, const char *name);

/* Shorthands for static trees: make, add, and return the node (borrowed), or NULL: no memory. mode without the type. */
struct pseudo_node *pseudo_dir(struct pseudo_node *dir, const char *name, uint32_t mode, const struct pseudo_ops *ops, void *data);
struct pseudo_node *pseudo_file(struct pseudo_node *dir, const char *name, uint32_t mode, const struct pseudo_ops *ops, void *data);
struct pseudo_node *pseudo_symlink(struct pseudo_node *dir, const char *name, const char *target);
struct pseudo_node *pseudo_magic_link(struct pseudo_node *dir, const char *name, const struct pseudo_ops *ops, void *data);
struct pseudo_node *pseudo_device(struct pseudo_node *dir, const char *name, uint32_t mode_and_type, dev_t rdev);

#endif
