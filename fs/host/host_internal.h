/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of the host.
 *
 * Theory of operation. A node names a file by its parent node and its name there; the host is only ever asked about single
 * components, relative to a descriptor of the parent (openat, statx, never following a symlink), so nothing outside the granted tree can
 * be reached. Descriptors are scarce: a node opens one when it is needed and keeps it; at most `fd_limit` are kept, the
 * least recently used idle one is closed first and reopened through the parent chain when it is needed again.
 *
 * HOSTFS_READONLY_CACHED: attributes and directory listings are read once and kept: the tree is taken not to change during the run.
 * A regular file has one descriptor for all its opens. Nothing can be written.
 * HOSTFS_WRITE_THROUGH: every change is made on the host; names are checked again at each use (revalidate) and
 * attributes are read each time. All names of a file (hard links) lead to one node, which is found by its device and inode number;
 * a node that is open has an O_PATH descriptor, and whatever else is needed is opened through that, by /proc/self/fd, which finds
 * the very file whatever has happened to its names. Every open file has a descriptor of its own.
 * What is reopened by name is compared with what was known (device and inode number): ESTALE otherwise.
 *
 * Locks: fs->lock for descriptors, listings, parents and names; taken with mm locks held (translate); a leaf. Host calls are made
 * without it where they may be slow.
 */
#ifndef FS_HOST_INTERNAL_H
#define FS_HOST_INTERNAL_H

#include "base/hash.h"
#include "fs/dirlist.h"
#include "fs/map_name.h"
#include "fs/vfs.h"
#include "mm/mappable.h"

struct host_node;

/* Which file of the host a node is. */
struct host_id {
	dev_t dev;
	uint64_t ino;
};

struct host_devmap {
	dev_t host;
	uint64_t dev;
};

struct hostfs {
	struct filesystem base;
	enum hostfs_mode mode;
	struct memfile *mf; /* borrowed; what listings of a writable tree are charged to, or NULL */
	struct mutex lock;
	TAILQ_HEAD(, host_node) idle; /* have a descriptor that nobody uses; least recently used first */
	int fds, fd_limit;
	TAILQ_HEAD(, host_node) listed; /* keep a listing; oldest first */
	size_t list_bytes;
	struct host_devmap devs[32]; /* other file systems of the host inside the tree */
	int dev_count;
	dev_t root_dev;
	bool ids_hidden; /* the sentry's user namespace shows others' files as nobody's */
	struct host_node *nodes; /* write-through: by id, but for directories, which have one name; (lock) */
};

/* A descriptor that guests map: (lock), but for `file` itself. */
struct host_map {
	struct mm_file file; /* file.host.fd is -1 while closed */
	_Atomic int64_t refs; /* pages that pmas refer to */
	struct host_node *node;
	char **windows; /* the sentry's own mappings, HOST_WINDOW bytes each */
	size_t window_count;
	uint64_t window_size;
};

struct host_node {
	struct inode inode;
	struct host_node *parent; /* one reference; NULL for the root, and for files made without a name. Changes when another name is used. */
	char *name;
	struct attr attr; /* cached mode: immutable. Else what was known first, for identity */
	struct host_id id;
	UT_hash_handle hh; /* of fs->nodes */
	bool in_nodes;
	bool fd_full; /* fd is not just O_PATH but for reading and writing: of a file that was made through it; (lock) */
	int fd; /* directory: O_PATH; cached regular file: read-only; write-through: O_PATH. -1: closed */
	int users; /* of fd */
	bool on_idle, on_listed;
	TAILQ_ENTRY(host_node) idle_link, list_link;
	struct dirlist *list; /* cached mode */
	struct host_map *map; /* read-only mappings; the cached mode's uses fd */
	struct host_map *map_rw; /* write-through: a descriptor open for writing */
	struct mappable mappable;
	struct mappings mappings;
	struct map_name map_name;
};

static inline struct hostfs *hostfs_of(const struct inode *i)
{
	return CONTAINER_OF(i->fs, struct hostfs, base);
}

static inline struct host_node *host_node_of(struct inode *i)
{
	return CONTAINER_OF(i, struct host_node, inode);
}

static inline bool host_cached(const struct hostfs *fs)
{
	return fs->mode == HOSTFS_READONLY_CACHED;
}

/* --- node.c --- */
extern const struct inode_ops host_ro_ops, host_rw_ops;
int host_node_new(struct hostfs *fs, struct host_node *parent, const char *name, size_t len, struct host_node **out) MUST_CHECK;
int host_getattr(struct inode *i, struct attr *out);
int host_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
ssize_t host_readlink(struct inode *i, char *buf, size_t size);
int host_list(struct inode *dir, struct dirlist **out);
void host_release(struct inode *i);
int host_map_errno(int e);
/* The node of a file that was just made in parent, whose descriptor (for reading and writing) is fd, which is taken over. name NULL: it
 * has none. */
int host_node_made(struct host_node *parent, const char *name, int fd, struct inode **out) MUST_CHECK;
/* The node is found as `name` in dir from now on. */
int host_node_move(struct host_node *n, struct host_node *dir, const char *name) MUST_CHECK;
/* Reads attributes through fd and name (AT_EMPTY_PATH if name is ""). */
int host_stat(struct hostfs *fs, int fd, const char *name, struct attr *out, dev_t *host_dev) MUST_CHECK;

/* --- fd.c --- */
/* A descriptor for the node, kept open until host_fd_drop(). Negative errno. */
int host_fd_use(struct host_node *n) MUST_CHECK;
void host_fd_drop(struct host_node *n);
void host_fd_close(struct host_node *n); /* at release */
/* A new descriptor for the file itself. */
int host_open_node(struct host_node *n, int flags) MUST_CHECK;
/* A name for what fd refers to, which calls that follow symlinks take. */
struct host_fd_name {
	char s[32];
};
struct host_fd_name host_fd_name(int fd);

/* --- file.c --- */
int host_open(struct inode *i, struct path *path, int flags, struct file **out);
/* --- map.c --- */
extern const struct mappable_ops host_mappable_ops;
/* fd: an open descriptor of the file that may be used for it, or -1. */
int host_map_get(struct host_node *n, bool writable, int fd, struct host_map **out) MUST_CHECK;
void host_map_free(struct host_map *m);
void host_map_windows_drop(struct host_map *m);

/* --- xattr.c --- */
ssize_t host_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int host_setxattr(struct inode *i, const char *name, const void *buf, size_t size, int flags);
ssize_t host_listxattr(struct inode *i, char *buf, size_t size);
int host_removexattr(struct inode *i, const char *name);
/* --- change.c --- */
int host_setattr(struct inode *i, const struct attr *a, unsigned valid);
int host_create(struct inode *dir, const char *name, size_t len, uint32_t mode, dev_t rdev, const struct cred *c, struct inode **out);
int host_mkdir(struct inode *dir, const char *name, size_t len, uint32_t mode, const struct cred *c, struct inode **out);
int host_symlink(struct inode *dir, const char *name, size_t len, const char *target, const struct cred *c, struct inode **out);
int host_link(struct inode *dir, const char *name, size_t len, struct inode *target);
int host_unlink(struct inode *dir, const char *name, size_t len, struct inode *victim);
int host_rmdir(struct inode *dir, const char *name, size_t len, struct inode *victim);
int host_rename(struct inode *olddir, const char *oldname, size_t oldlen, struct inode *i, struct inode *newdir,
		const char *newname, size_t newlen, struct inode *target, unsigned flags);
int host_tmpfile(struct inode *dir, uint32_t mode, const struct cred *c, struct inode **out);
bool host_revalidate(struct inode *dir, const char *name, size_t len, struct inode *child);

#endif
