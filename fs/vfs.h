/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual file system: inodes, dentries, mounts, path walking.
 *
 * Theory of operation. A file system makes inodes and names them in directories; dentries cache names (also names that do not exist)
 * so that a cached lookup makes no host call. A mount puts a file system's root on a dentry. A path is (mount, dentry). Walking is done
 * here, one component at a time, symlinks and ".." and mounts included: no path that the guest chose is ever given to the host whole,
 * and the walk cannot leave the task's root.
 *
 * Locks. `vfs_lock` (dentry.c) protects the dentry tree and mounts; it is a leaf: no file system is called under it. The
 * order is rename lock, directories' inode locks (parents first), other inodes' locks, what a file system has of its own, vfs_lock.
 * A directory's lock is held over every call that looks up or changes names in it.
 */
#ifndef FS_VFS_H
#define FS_VFS_H

#include "fs/file.h"
#include "kernel/cred.h"

#include <sys/queue.h>
#include <sys/statfs.h>

struct dentry;
struct dirlist;
struct mount;
struct inode;
struct filesystem; /* a mounted instance: "superblock" */

struct path {
	struct mount *mount;
	struct dentry *dentry;
};

void path_get(const struct path *p);
void path_put(struct path *p);
struct path *path_dup(const struct path *p); /* heap copy with references; NULL: no memory */

/* Attributes, kernel-side: what statx(2) reports. */
struct attr {
	uint64_t ino, dev, rdev, size, blocks;
	uint32_t mode, nlink, blksize;
	uid_t uid;
	gid_t gid;
	struct timespec atime, mtime, ctime, btime;
};
/* What a setattr changes. */
enum { ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_ATIME = 8, ATTR_MTIME = 16, ATTR_CTIME = 32, ATTR_SIZE = 64,
       ATTR_TIMES_SET = 128, /* the times are the caller's, not now: only the owner may */
       ATTR_DROP_PRIVS = 256 /* chown(2), even of nothing: set-ID bits go */ };

struct inode_ops {
	int (*getattr)(struct inode *i, struct attr *out);
	int (*setattr)(struct inode *i, const struct attr *a, unsigned valid);
	/* directories: names are single components, not "." or "..". The directory's lock is held. lookup returns a new reference. */
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **out);
	int (*create)(struct inode *dir, const char *name, size_t len, uint32_t mode, dev_t rdev, const struct cred *c, struct inode **out); /* any type but directory and link, by mode */
	int (*mkdir)(struct inode *dir, const char *name, size_t len, uint32_t mode, const struct cred *c, struct inode **out);
	int (*symlink)(struct inode *dir, const char *name, size_t len, const char *target, const struct cred *c, struct inode **out);
	int (*link)(struct inode *dir, const char *name, size_t len, struct inode *target);
	int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *victim);
	int (*rmdir)(struct inode *dir, const char *name, size_t len, struct inode *victim);
	int (*rename)(struct inode *olddir, const char *oldname, size_t oldlen, struct inode *i, struct inode *newdir, const char *newname, size_t newlen, struct inode *target, unsigned flags);
	/* A snapshot of the names, without "." and "..": dirlist.h. dirfile_open() makes an open directory of it. */
	int (*list)(struct inode *dir, struct dirlist **out);
	int (*tmpfile)(struct inode *dir, uint32_t mode, const struct cred *c, struct inode **out);
	/* symlinks: the target into buf, its length. Magic links implement follow instead: the path they lead to. */
	ssize_t (*readlink)(struct inode *i, char *buf, size_t size);
	int (*follow)(struct inode *i, struct path *out);
	/* Opens: the file must end up with ops. path and flags are already checked for permission. path is a heap copy that the
	 * new file owns on success (file_new) and the caller on failure; NULL for opens from inside the sentry, which pin the
	 * inode instead: see file_new_at(). NULL op: ENXIO, but devices go to device.h and FIFOs to pipe.h. */
	int (*open)(struct inode *i, struct path *path, int flags, struct file **out);
	ssize_t (*getxattr)(struct inode *i, const char *name, void *buf, size_t size);
	int (*setxattr)(struct inode *i, const char *name, const void *buf, size_t size, int flags);
	ssize_t (*listxattr)(struct inode *i, char *buf, size_t size);
	int (*removexattr)(struct inode *i, const char *name);
	/* May a cached negative or positive dentry of this directory be used without asking? NULL: yes. */
	bool (*revalidate)(struct inode *dir, const char *name, size_t len, struct inode *child);
	/* Permission beyond mode bits (proc). NULL: mode bits. */
	int (*permission)(struct inode *i, const struct cred *c, int mask);
	void (*release)(struct inode *i); /* last reference gone; frees the whole object */
};

struct inode {
	struct ref ref;
	const struct inode_ops *ops;
	struct filesystem *fs;
	uint32_t type; /* S_IFMT bits; immutable */
	struct mutex lock;
	uint64_t ino;
	/* What permission checks need, kept current by the file system (inode_set_perm); perm_cached false: getattr is asked. */
	_Atomic uint32_t mode, uid, gid;
	_Atomic bool perm_cached;
	bool dead; /* a directory that was removed: nothing can be made in it; lock */
	_Atomic bool linkable; /* made without a name (O_TMPFILE), which link(2) may give it */
	_Atomic int write_count; /* open for writing (positive) or executed (negative): ETXTBSY */
	void *attached; /* FIFO pipe, bound socket: owned by the module that set it */
	void (*attached_put)(void *attached);
	void *locks; /* POSIX, OFD and flock locks: fs/locks.c */
	void *watches; /* inotify: fs/inotify.c */
	struct ended ended;
};

void inode_init(struct inode *i, struct filesystem *fs, const struct inode_ops *ops, uint32_t type, uint64_t ino);
void inode_set_perm(struct inode *i, uint32_t mode, uid_t uid, gid_t gid);
void inode_get(struct inode *i);
void inode_put(struct inode *i);
/* An inode for files that live in no directory (pipes, sockets, epolls, memfds): fs is the anonymous file system. */
int anon_inode_new(uint32_t mode, const char *name, struct inode **out) MUST_CHECK;
struct filesystem *anon_filesystem(void);
/* Who made a pipe or socket is what fstat shows as its owner. */
void anon_inode_set_owner(struct inode *i, uid_t uid, gid_t gid);
/* "pipe:[7]", "anon_inode:[eventpoll]": what /proc/PID/fd shows. NULL if i is no such inode. */
const char *anon_inode_name(const struct inode *i);
/* file_new() for inode_ops.open: the file owns path, or pins i when path is NULL. -ENOMEM. */
int file_new_at(const struct file_ops *ops, int flags, struct path *path, struct inode *i, void *private,
		struct file **out) MUST_CHECK;
/* The path of an open file, with references; files without a name get a nameless dentry, so that magic links can lead to them. */
int file_path(struct file *f, struct path *out) MUST_CHECK;

struct filesystem_ops {
	const char *type; /* "tmpfs" */
	int (*statfs)(struct filesystem *fs, struct statfs *out);
	void (*release)(struct filesystem *fs);
};

struct filesystem {
	struct ref ref;
	const struct filesystem_ops *ops;
	uint64_t dev; /* st_dev */
	struct inode *root; /* owned */
	bool no_dcache; /* never keep dentries: proc */
	bool no_exec; /* nothing in it may be executed: proc, sysfs */
};

void filesystem_init(struct filesystem *fs, const struct filesystem_ops *ops); /* one reference, a device number of its own */
void filesystem_get(struct filesystem *fs);
void filesystem_put(struct filesystem *fs);

enum { MOUNT_RDONLY = 1, MOUNT_NOEXEC = 2, MOUNT_NOSUID = 4, MOUNT_NODEV = 8 };

/* --- the file systems: each returns one with one reference --- */
/* A tree of the host, seen through root_fd (O_PATH directory; taken over). Writable ones pass changes through; how long their listings are is
 * the guest's to say, so these are charged to mf (may be NULL). */
enum hostfs_mode { HOSTFS_READONLY_CACHED, HOSTFS_WRITE_THROUGH };
int hostfs_new(struct memfile *mf, int root_fd, enum hostfs_mode mode, struct filesystem **out) MUST_CHECK;
int tmpfs_new(struct memfile *mf, uint64_t size_limit, uint32_t root_mode, struct filesystem **out) MUST_CHECK;
/* lower stays untouched; changes go to a memory file system of its own. Takes over lower. */
int overlay_new(struct memfile *mf, struct filesystem *lower, uint64_t size_limit, struct filesystem **out) MUST_CHECK;
int devfs_new(struct memfile *mf, struct filesystem **out) MUST_CHECK; /* fs/dev */
int procfs_new(struct filesystem **out) MUST_CHECK; /* fs/proc */
int sysfs_new(struct filesystem **out) MUST_CHECK;

/* --- mounts --- */
struct mount *vfs_root_mount(void);
/* The first mount of the sandbox. Takes over fs. */
int vfs_init(struct filesystem *root) MUST_CHECK;
/* From now on nothing on the first mount can be changed. */
void vfs_root_readonly(void);
/* Mounts fs on `at`, creating nothing. Takes over fs. */
int vfs_mount(const struct path *at, struct filesystem *fs, unsigned flags, const char *source) MUST_CHECK;
int vfs_bind(const struct path *at, const struct path *what, unsigned flags) MUST_CHECK;
int vfs_umount(const struct path *at, int flags) MUST_CHECK;
/* For /proc/mounts: calls fn in mount order. */
void vfs_mounts_walk(void (*fn)(void *arg, const char *source, const char *path, const char *type, unsigned flags, int id, int parent, uint64_t dev), void *arg);

/* --- a task's view --- */
struct fs_context;
int fs_context_new(const struct path *root, const struct path *cwd, uint32_t umask, struct fs_context **out) MUST_CHECK;
struct fs_context *fs_context_get(struct fs_context *c);
void fs_context_put(struct fs_context *c);
int fs_context_copy(struct fs_context *c, struct fs_context **out) MUST_CHECK;
void fs_context_root(struct fs_context *c, struct path *out); /* with references */
void fs_context_cwd(struct fs_context *c, struct path *out);
void fs_context_set_cwd(struct fs_context *c, const struct path *p);
void fs_context_set_root(struct fs_context *c, const struct path *p);
uint32_t fs_context_umask(struct fs_context *c);
uint32_t fs_context_set_umask(struct fs_context *c, uint32_t mask);

/* --- walking: names are sentry strings, at most PATH_MAX-1 bytes --- */
enum {
	WALK_FOLLOW = 1, /* follow a symlink in the last component */
	WALK_DIRECTORY = 2, /* the result must be a directory */
	WALK_EMPTY = 4, /* an empty name means the start itself (AT_EMPTY_PATH) */
	WALK_NO_SYMLINKS = 8, WALK_NO_MAGICLINKS = 16, WALK_NO_XDEV = 32, WALK_BENEATH = 64, WALK_IN_ROOT = 128, /* openat2 RESOLVE_* */
};
/* dirfd: AT_FDCWD or a descriptor of t. *out gets references. */
int vfs_walk(struct task *t, int dirfd, const char *name, unsigned flags, struct path *out) MUST_CHECK;
/* Without a task, as root of the sandbox: for set-up. */
int vfs_walk_setup(const char *name, unsigned flags, struct path *out) MUST_CHECK;
/* Makes name, a directory or regular file as mode says, and what leads to it, unless it is there. */
int vfs_make_setup(const char *name, uint32_t mode) MUST_CHECK;
/* Like vfs_walk, from given places. */
int vfs_walk_at(const struct path *root, const struct path *start, const struct cred *c, const char *name, unsigned flags,
		struct path *out) MUST_CHECK;

struct inode *path_inode(const struct path *p); /* borrowed */
bool path_equal(const struct path *a, const struct path *b);
bool path_readonly(const struct path *p); /* a read-only mount */
unsigned path_mount_flags(const struct path *p); /* MOUNT_* */
int path_mount_id(const struct path *p);
bool path_is_mount_root(const struct path *p);

/* --- changes by name, as the calls of these names; mode before umask --- */
int vfs_mknod(struct task *t, int dirfd, const char *name, uint32_t mode, dev_t rdev, struct path *out) MUST_CHECK; /* out may be NULL */
int vfs_mkdir(struct task *t, int dirfd, const char *name, uint32_t mode) MUST_CHECK;
int vfs_symlink(struct task *t, const char *target, int dirfd, const char *name) MUST_CHECK;
int vfs_link(struct task *t, const struct path *what, int dirfd, const char *name) MUST_CHECK;
int vfs_unlink(struct task *t, int dirfd, const char *name) MUST_CHECK;
int vfs_rmdir(struct task *t, int dirfd, const char *name) MUST_CHECK;
int vfs_rename(struct task *t, int olddir, const char *oldname, int newdir, const char *newname, unsigned flags) MUST_CHECK;
/* Changes attributes with the checks of chmod, chown, utimensat and truncate; read-only mounts refuse. */
/* A file's mode after it was written to by c, or given away: without the bits that would run it as somebody else. */
uint32_t mode_drop_privs(uint32_t mode, gid_t gid, const struct cred *c);
/* Is c the file's owner, or may it act as if it were (CAP_FOWNER)? c NULL: set-up, which may. */
bool inode_owned(struct inode *i, const struct cred *c);
int vfs_setattr(const struct path *p, const struct cred *c, struct attr *a, unsigned valid) MUST_CHECK;
ssize_t vfs_readlink(const struct path *p, char *buf, size_t size) MUST_CHECK;

/* open(2): flags as given, mode before umask. */
int vfs_open(struct task *t, int dirfd, const char *name, int flags, uint32_t mode, unsigned walk, struct file **out) MUST_CHECK;
int vfs_open_path(const struct path *p, int flags, const struct cred *c, struct file **out) MUST_CHECK;
/* For execve: a regular file with execute permission on a mount that allows it. */
int vfs_open_exec(struct task *t, int dirfd, const char *name, unsigned walk, struct file **out) MUST_CHECK;
int vfs_open_exec_path(const struct path *p, const struct cred *c, struct file **out) MUST_CHECK;
int vfs_getattr(const struct path *p, struct attr *out) MUST_CHECK;
int inode_getattr(struct inode *i, struct attr *out) MUST_CHECK;
/* May the task make i this long? -EFBIG, and SIGXFSZ, if that is growth beyond RLIMIT_FSIZE. */
int inode_grow_check(struct inode *i, uint64_t size) MUST_CHECK;
/* MAY_EXEC 1, MAY_WRITE 2, MAY_READ 4 against mode bits, the owner and capabilities. */
int vfs_permission(const struct path *p, const struct cred *c, int mask) MUST_CHECK;
/* The absolute name from the task's root: its length, "(unreachable)..." as Linux does, " (deleted)" appended. -ERANGE, -ENOENT. */
ssize_t vfs_path_name(const struct path *p, const struct path *root, char *buf, size_t size) MUST_CHECK;

#endif
