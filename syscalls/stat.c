/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of files and file systems: stat(2), statx(2), statfs(2), ustat(2). */
#include "fs/fdtable.h"
#include "fs/vfs.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

/* --- finding what is asked about --- */

/* What statx(2) says beside attributes. */
struct place {
	int mount_id;
	bool mount_root;
};

static struct place place_of(const struct path *p)
{
	return (struct place){ .mount_id = path_mount_id(p), .mount_root = path_is_mount_root(p) };
}

/* The attributes of an open file, O_PATH ones included. place may be NULL. */
static int attr_of_fd(struct task *t, int fd, struct attr *out, struct place *place)
{
	struct file *f = fd_lookup_any(t->files, fd);
	struct path p;
	int r;

	if (!f)
		return -EBADF;
	r = inode_getattr(f->inode, out);
	if (!r && place && !(r = file_path(f, &p))) {
		*place = place_of(&p);
		path_put(&p);
	}
	file_put(f);
	return r;
}

static int attr_of_name(struct task *t, int dirfd, const char *name, unsigned walk, struct attr *out, struct place *place)
{
	struct path p;
	int r;

	if (!name[0] && walk & WALK_EMPTY && dirfd != AT_FDCWD)
		return attr_of_fd(t, dirfd, out, place);
	r = vfs_walk(t, dirfd, name, walk, &p);
	if (r)
		return r;
	r = vfs_getattr(&p, out);
	if (place)
		*place = place_of(&p);
	path_put(&p);
	return r;
}

static unsigned at_walk(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
}

static int attr_at(struct task *t, int dirfd, uint64_t addr, int flags, struct attr *out, struct place *place)
{
	char name[PATH_MAX];
	int r;

	/* fstat() of newer C libraries: no name at all. */
	if (!addr && flags & AT_EMPTY_PATH)
		name[0] = '\0';
	else if ((r = syscall_path(t, addr, name)))
		return r;
	return attr_of_name(t, dirfd, name, at_walk(flags), out, place);
}

/* --- struct stat --- */

static int64_t write_stat(struct task *t, uint64_t addr, const struct attr *a)
{
	struct stat st = { .st_dev = a->dev,
			   .st_ino = a->ino,
			   .st_nlink = a->nlink,
			   .st_mode = a->mode,
			   .st_uid = a->uid,
			   .st_gid = a->gid,
			   .st_rdev = a->rdev,
			   .st_size = (off_t)a->size,
			   .st_blksize = a->blksize,
			   .st_blocks = (blkcnt_t)a->blocks,
			   .st_atim = a->atime,
			   .st_mtim = a->mtime,
			   .st_ctim = a->ctime };

	return guest_write(t->mm, addr, &st, sizeof(st));
}

static int64_t stat_at(struct task *t, int dirfd, uint64_t name, uint64_t addr, int flags)
{
	struct attr attr;
	int r = attr_at(t, dirfd, name, flags, &attr, NULL);

	return r ? r : write_stat(t, addr, &attr);
}

SYSCALL_DECLARE(stat)
{
	return stat_at(t, AT_FDCWD, a[0], a[1], 0);
}

SYSCALL_DECLARE(lstat)
{
	return stat_at(t, AT_FDCWD, a[0], a[1], AT_SYMLINK_NOFOLLOW);
}

SYSCALL_DECLARE(fstat)
{
	struct attr attr;
	int r = attr_of_fd(t, (int)a[0], &attr, NULL);

	return r ? r : write_stat(t, a[1], &attr);
}

SYSCALL_DECLARE(newfstatat)
{
	int flags = (int)a[3];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	return stat_at(t, (int)a[0], a[1], a[2], flags);
}

/* --- statx --- */

static struct statx_timestamp stamp(struct timespec ts)
{
	return (struct statx_timestamp){ .tv_sec = ts.tv_sec, .tv_nsec = (uint32_t)ts.tv_nsec };
}

SYSCALL_DECLARE(statx)
{
	int flags = (int)a[2];
	unsigned mask = (unsigned)a[3];
	struct statx sx = { .stx_mask = STATX_BASIC_STATS | STATX_MNT_ID, .stx_attributes_mask = STATX_ATTR_MOUNT_ROOT };
	struct place place;
	struct attr attr;
	int r;

	if (mask & STATX__RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	r = attr_at(t, (int)a[0], a[1], flags, &attr, &place);
	if (r)
		return r;
	sx.stx_mnt_id = (uint64_t)place.mount_id;
	if (place.mount_root)
		sx.stx_attributes |= STATX_ATTR_MOUNT_ROOT;
	sx.stx_blksize = attr.blksize;
	sx.stx_nlink = attr.nlink;
	sx.stx_uid = attr.uid;
	sx.stx_gid = attr.gid;
	sx.stx_mode = (uint16_t)attr.mode;
	sx.stx_ino = attr.ino;
	sx.stx_size = attr.size;
	sx.stx_blocks = attr.blocks;
	sx.stx_atime = stamp(attr.atime);
	sx.stx_mtime = stamp(attr.mtime);
	sx.stx_ctime = stamp(attr.ctime);
	sx.stx_rdev_major = major(attr.rdev);
	sx.stx_rdev_minor = minor(attr.rdev);
	sx.stx_dev_major = major(attr.dev);
	sx.stx_dev_minor = minor(attr.dev);
	if (attr.btime.tv_sec || attr.btime.tv_nsec) {
		sx.stx_mask |= STATX_BTIME;
		sx.stx_btime = stamp(attr.btime);
	}
	return guest_write(t->mm, a[4], &sx, sizeof(sx));
}

/* --- file systems --- */

/* f_flags is the mount's: statfs(2). */
static int64_t mount_flags(const struct path *p)
{
	const int64_t valid = 0x20, relatime = 0x1000;
	unsigned flags = path_mount_flags(p);

	return valid | relatime | (flags & MOUNT_RDONLY ? ST_RDONLY : 0) | (flags & MOUNT_NOEXEC ? ST_NOEXEC : 0) |
	       (flags & MOUNT_NOSUID ? ST_NOSUID : 0) | (flags & MOUNT_NODEV ? ST_NODEV : 0);
}

/* Pipes and sockets have file systems of their own in Linux. */
static __fsword_t anon_type(const struct inode *i, __fsword_t type)
{
	if (i->fs != anon_filesystem())
		return type;
	return i->type == S_IFIFO ? PIPEFS_MAGIC : i->type == S_IFSOCK ? SOCKFS_MAGIC : type;
}

/* Puts p. */
static int64_t write_statfs(struct task *t, struct path *p, uint64_t addr)
{
	struct filesystem *fs = path_inode(p)->fs;
	struct statfs st = { 0 };
	int r = fs->ops->statfs ? fs->ops->statfs(fs, &st) : -ENOSYS;

	st.f_type = anon_type(path_inode(p), st.f_type);
	st.f_flags = mount_flags(p);
	path_put(p);
	return r ? r : guest_write(t->mm, addr, &st, sizeof(st));
}

SYSCALL_DECLARE(statfs)
{
	char name[PATH_MAX];
	struct path p;
	int64_t r = syscall_path(t, a[0], name);

	if (r)
		return r;
	r = vfs_walk(t, AT_FDCWD, name, WALK_FOLLOW, &p);
	return r ? r : write_statfs(t, &p, a[1]);
}

SYSCALL_DECLARE(fstatfs)
{
	struct file *f = fd_lookup_any(t->files, (int)a[0]);
	struct path p;
	int64_t r;

	if (!f)
		return -EBADF;
	r = file_path(f, &p);
	if (!r)
		r = write_statfs(t, &p, a[1]);
	file_put(f);
	return r;
}
