/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of directories, and open directories that read from one.
 *
 * A snapshot never changes once it is shared, so positions in it are stable: position 0 is ".", 1 is "..", n+2 the n-th name. An
 * open directory takes a new snapshot when it is read from position 0. */
#ifndef FS_DIRLIST_H
#define FS_DIRLIST_H

#include "fs/vfs.h"

struct dirlist {
	struct ref ref;
	size_t count, size; /* entries, bytes of blob used */
	size_t cap, offsets_cap;
	char *blob;
	uint32_t *offsets;
	bool failed; /* memory ran out while adding */
	struct memfile *account; /* what the entries' memory is charged to; borrowed; NULL: nothing */
};

struct dirlist_entry {
	uint64_t ino;
	unsigned char type; /* DT_* */
	size_t len;
	const char *name; /* NUL-terminated */
};

struct dirlist *dirlist_new(struct memfile *account);
void dirlist_get(struct dirlist *l);
void dirlist_put(struct dirlist *l); /* may be NULL */
/* Failure is remembered in l->failed. */
void dirlist_add(struct dirlist *l, const char *name, size_t len, uint64_t ino, unsigned char type);
struct dirlist_entry dirlist_at(const struct dirlist *l, size_t index);

/* For inode_ops.open of directories whose inode has ops->list. */
int dirfile_open(struct inode *i, struct path *path, int flags, struct file **out) MUST_CHECK;
/* "." and "..": for readdir implementations of their own. False when the sink is full. */
bool dirfile_emit_dots(struct file *f, struct dirent_sink *s);
/* The seek of directories. */
off_t dirfile_seek(struct file *f, off_t off, int whence);

#endif
