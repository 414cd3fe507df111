/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the VFS core share: dentries, mounts, the dentry cache. Not for file systems. */
#ifndef FS_VFS_INTERNAL_H
#define FS_VFS_INTERNAL_H

#include "fs/vfs.h"

#include <limits.h>

/* A name in a directory, or a root. (V): vfs_lock. */
struct dentry {
	_Atomic int refs; /* users; children count as users of their parent */
	_Atomic int mounted; /* mounts that lie on it; (V) to change */
	uint32_t hash, len; /* (V): rename changes them */
	bool hashed; /* (V) can be found by name */
	bool deleted; /* (V) its name was removed */
	bool on_lru; /* (V) */
	struct dentry *parent; /* (V) one reference; itself for a root */
	struct inode *_Atomic inode; /* one reference; NULL: the name does not exist. Changes once, from NULL */
	struct filesystem *fs; /* borrowed from the root's mount */
	LIST_ENTRY(dentry) hash_link; /* (V) */
	LIST_ENTRY(dentry) sibling; /* (V) */
	LIST_HEAD(, dentry) children; /* (V) */
	TAILQ_ENTRY(dentry) lru; /* (V) */
	char *name; /* (V) NUL-terminated */
};

struct mount {
	struct ref ref;
	int id;
	unsigned flags; /* MOUNT_* */
	struct filesystem *fs; /* one reference */
	struct dentry *root; /* one reference */
	struct mount *parent; /* (V) one reference, NULL for the first and for detached ones */
	struct dentry *at; /* (V) one reference */
	char *source;
	TAILQ_ENTRY(mount) link; /* (V) */
};

extern struct mutex vfs_lock;

/* --- dentry.c --- */
/* A root dentry of fs with one reference. */
struct dentry *dentry_new_root(struct filesystem *fs, struct inode *i);
/* A dentry that belongs to no directory, for files without a name. Takes over i. */
struct dentry *dentry_new_nameless(struct filesystem *fs, struct inode *i, const char *name);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
/* The cached child with a reference, or NULL. */
struct dentry *dentry_find(struct dentry *dir, const char *name, size_t len);
/* The child, asking the file system if it is not cached; dir's inode lock is held. A name that does not exist gives a negative dentry. */
int dentry_lookup_locked(struct dentry *dir, const char *name, size_t len, struct dentry **out) MUST_CHECK;
/* A negative dentry becomes positive. Takes over i. */
void dentry_instantiate(struct dentry *d, struct inode *i);
/* The name is gone: d can no longer be found by it. */
void dentry_delete(struct dentry *d);
/* The name must be looked up again. */
void dentry_forget(struct dentry *d);
/* How often a name has been moved. Who sees the same number before and after reading parents has seen one shape of the tree. */
extern _Atomic uint64_t dentry_moves;
/* After a rename: d takes the place of target (which is deleted) in newdir; exchange swaps them. */
int dentry_move(struct dentry *d, struct dentry *target, bool exchange) MUST_CHECK;
/* A reference to the parent. */
struct dentry *dentry_parent(struct dentry *d);
/* Is a an ancestor of d, or d itself? */
bool dentry_is_ancestor(struct dentry *a, struct dentry *d);
/* Frees what nobody uses. */
void dentry_shrink(size_t keep);

/* --- mount.c --- */
void mount_get(struct mount *m);
void mount_put(struct mount *m);
/* While something is mounted on *p, goes to its root. */
void path_follow_mounts(struct path *p);
/* "..": false at the root of the first mount. */
bool path_up_mounts(struct path *p);
struct mount *anon_mount(void);

/* --- file.c --- */
/* A path of its own for an inode that no directory names; name is what /proc/PID/fd shows. */
int path_nameless(struct inode *i, const char *name, struct path *out) MUST_CHECK;

/* --- inode.c --- */
/* setattr of an inode that keeps nothing but attributes: what `valid` says goes from n to a. i's lock is held. */
void attr_change(struct attr *a, struct inode *i, const struct attr *n, unsigned valid);

/* --- walk.c --- */
enum last_kind { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
/* Where a walk that stops before the last component arrived. */
struct walk_last {
	struct path dir, root; /* with references */
	int links; /* symlinks followed so far */
	uint64_t moves; /* dentry_moves when the walk began */
	char name[NAME_MAX + 2];
	size_t len; /* more than NAME_MAX: too long, which the lookup says */
	enum last_kind kind;
	bool slash; /* trailing slash */
};
void walk_last_fini(struct walk_last *l);
int vfs_walk_parent(struct task *t, int dirfd, const char *name, unsigned flags, struct walk_last *out) MUST_CHECK;
/* The last name turned out to be a symlink that the caller wants to follow: goes on from it, to the parent of where it leads. *jumped:
 * it was a magic link, and l->dir is the file itself. */
int vfs_walk_link(const struct cred *c, struct walk_last *l, struct dentry *link, unsigned flags, bool *jumped) MUST_CHECK;

/* --- permission.c --- */
int inode_permission(struct inode *i, const struct cred *c, int mask) MUST_CHECK;
/* May the name be removed from dir (write, search, sticky)? */
int dir_may_delete(const struct path *dir, struct inode *victim, const struct cred *c) MUST_CHECK;
int dir_may_create(const struct path *dir, const struct cred *c) MUST_CHECK;

enum { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4 };


/* --- open.c --- */
int dentry_create_locked(const struct path *dir, struct dentry *d, uint32_t mode, dev_t rdev, const struct cred *c) MUST_CHECK;
/* Gives back what f added to its inode's write_count. */
void file_write_count_put(struct file *f);

/* --- locks.c, inotify.c: an inode dies --- */
void locks_inode_release(struct inode *i);
void notify_inode_release(struct inode *i);

#endif
