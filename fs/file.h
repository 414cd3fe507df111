/* SPDX-License-Identifier: Apache-2.0 */
/* Open files ("open file descriptions" of POSIX): what a descriptor refers to.
 *
 * Theory of operation. Implementations never block: read, write and their like return -EAGAIN where Linux would sleep. file_read()
 * and its siblings (io.c) wait on the file's wait queue and try again, honour O_NONBLOCK, deadlines and signals. So blocking,
 * restart rules and poll are written once.
 *
 * Locks: `pos_lock` serialises users of the file position (read, write, lseek, getdents). An implementation has its own inode lock.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "base/lock.h"
#include "base/ref.h"
#include "base/wait.h"
#include "fs/ends.h"
#include "mm/guest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

struct file;
struct path; /* fs/vfs.h: a dentry in a mount, with references */
struct inode;
struct task;
struct fdtable; /* fs/fdtable.h */
struct async_list; /* fs/async.h, as the next */
struct file_owner;

/* What one directory entry looks like to a reader. Returns false when the reader's buffer is full. */
struct dirent_sink {
	bool (*emit)(struct dirent_sink *s, const char *name, size_t len, uint64_t ino, int64_t next_off, unsigned char type);
};

struct file_ops {
	const char *type; /* "pipe", "epoll", "regular", ...: for /proc/PID/fd and debugging */
	/* Move bytes between io and the file at *pos, advancing both. Nothing done: -EAGAIN or another errno. flags: RWF_*.
	 * For files without a position (pipes, sockets) pos is NULL. */
	ssize_t (*read)(struct file *f, struct io *io, off_t *pos, int flags);
	ssize_t (*write)(struct file *f, struct io *io, off_t *pos, int flags);
	off_t (*seek)(struct file *f, off_t off, int whence); /* NULL: ESPIPE */
	int (*readdir)(struct file *f, struct dirent_sink *s); /* from f->pos on; NULL: ENOTDIR */
	/* poll(2) bits that hold now. NULL: always readable and writable. */
	uint32_t (*poll)(struct file *f);
	/* The queue that is notified when those bits may have changed. NULL: they never do. */
	struct waitq *(*waitq)(struct file *f);
	int64_t (*ioctl)(struct file *f, struct task *t, unsigned cmd, uint64_t arg); /* NULL: ENOTTY */
	/* What mmap(2) of f maps, with a reference; *out NULL: anonymous memory. NULL: ENODEV. */
	int (*mappable)(struct file *f, int prot, int flags, struct mappable **out);
	int (*truncate)(struct file *f, off_t size);
	int (*allocate)(struct file *f, int mode, off_t off, off_t len);
	int (*sync)(struct file *f, bool data_only);
	/* A last descriptor of one table was closed (POSIX locks, flush). */
	void (*flush)(struct file *f, struct fdtable *owner);
	/* The last reference is gone. Frees f->private. */
	void (*release)(struct file *f);
	/* fcntl's F_SETFL changed O_NONBLOCK, O_APPEND, O_DIRECT. May be NULL. */
	int (*set_flags)(struct file *f, int flags);
	/* Text for /proc/PID/fdinfo after pos and flags. May be NULL. */
	void (*fdinfo)(struct file *f, char *buf, size_t size);
	/* Told when a descriptor for f is handed to a guest as part of another file's data (cycle detection). May be NULL. */
	const void *private_type; /* identity for checked casts */
	/* splice(2), sendfile(2) and their like are not for reading it, for writing to it. */
	bool no_splice_from, no_splice_to;
	/* A blocking write goes on until everything is written (pipes, streams, terminals). */
	bool write_all;
	/* How long a blocking read (POLLIN) or write (POLLOUT) may take in ns: SO_RCVTIMEO, SO_SNDTIMEO. 0: for ever. May be NULL. */
	int64_t (*timeout)(struct file *f, uint32_t events);
	/* Where the file's events are told for O_ASYNC: asked once, when it first has an owner or the flag. NULL: nowhere, and the flag
	 * cannot be set. */
	struct async_list *(*async)(struct file *f);
	/* Terminals: O_ASYNC gives the file an owner if it has none, this process group, or the caller's process for 0. Else NULL. */
	pid_t (*async_owner)(struct file *f);
};

struct file {
	struct ref ref;
	const struct file_ops *ops; /* immutable */
	_Atomic int flags; /* O_ACCMODE and status flags */
	struct mutex pos_lock;
	off_t pos;
	struct path *path; /* NULL for files without one; owned */
	struct inode *inode; /* borrowed from path, or owned when path is NULL; every file has one: fstat works on it */
	void *private;
	int8_t write_count; /* what this file added to inode->write_count */
	_Atomic(struct file_owner *) owner; /* F_SETOWN, F_SETSIG, O_ASYNC: fs/async.c; NULL if there was none of these */
	struct epoll_link *_Atomic epoll; /* list of epoll items that watch this file: fs/epoll_ctl.c */
	struct ended ended;
};

/* A new file with one reference. Takes over path and inode references. NULL: no memory (references stay the caller's). */
struct file *file_new(const struct file_ops *ops, int flags, struct path *path, struct inode *inode, void *private);
void file_get(struct file *f);
/* f's position, for who tells it and does not use it: without its lock, which whoever reads or writes f holds, and that may be the caller. */
off_t file_position(const struct file *f);
/* The end of one file may be that of others, which lie in its queue, and so on: they end one after the other, never within each other. */
void file_put(struct file *f);
/* Between these the calling thread ends no file, since a lock is held that an end may want; those that are due end afterwards. */
void file_ends_hold(void);
void file_ends_release(void);
/* Calls fn once when the calling thread has ended all files that are due: at once, if there are none. All callers name the same. */
void file_ends_then(void (*fn)(void));

static inline bool file_readable(const struct file *f)
{
	int m = f->flags & (O_ACCMODE | O_PATH);
	return m == O_RDONLY || m == O_RDWR;
}
static inline bool file_writable(const struct file *f)
{
	int m = f->flags & (O_ACCMODE | O_PATH);
	return m == O_WRONLY || m == O_RDWR;
}

/* --- blocking calls, for the calling task --- */

/* pos NULL: use and advance the file's own position. Return as read(2); -ERESTARTSYS when a signal came before any byte. */
ssize_t file_read(struct task *t, struct file *f, struct io *io, off_t *pos, int flags) MUST_CHECK;
ssize_t file_write(struct task *t, struct file *f, struct io *io, off_t *pos, int flags) MUST_CHECK;
/* Runs try(arg) until it returns something else than -EAGAIN, sleeping on f's queue for `events` between tries, until deadline. nonblock: one try. */
int64_t file_wait(struct task *t, struct file *f, uint32_t events, bool nonblock, int64_t deadline,
		  int64_t (*try)(void *arg), void *arg) MUST_CHECK;
/* One try of a write: ops->write, and SIGXFSZ if that met RLIMIT_FSIZE. For regular files ops->write asks file_write_room(), with the
 * position in *pos, how many of count bytes it may write there: -EFBIG for none. */
ssize_t file_write_once(struct file *f, struct io *io, off_t *pos, int flags) MUST_CHECK;
ssize_t file_write_room(off_t pos, size_t count) MUST_CHECK;
/* Does it matter at all? For who would have to ask the host for the position. */
bool file_write_limited(void);
uint32_t file_poll(struct file *f);
/* The flags that a guest may give (HIPRI, DSYNC, SYNC, NOWAIT, APPEND), and three beside RWF_*: file_write() raises no SIGPIPE;
 * O_NONBLOCK is not looked at; a pipe makes no packets whatever O_DIRECT says, and reads do not end with them. */
enum { FILE_RWF_KNOWN = 0x1f, FILE_NOSIGNAL = 1 << 30, FILE_WAITS = 1 << 29, FILE_UNBOUND = 1 << 28 };
/* Can pread(2) and its like name a place in f? Some files seek, to nowhere, and yet have no places. */
bool file_has_offset(const struct file *f);
bool file_splices_from(const struct file *f);
bool file_splices_to(const struct file *f);
/* fsync(2), fdatasync(2): -EINVAL for what cannot be synchronised. */
bool file_can_sync(const struct file *f);
int file_sync(struct file *f, bool data_only) MUST_CHECK;
/* SIGPIPE for the calling task: what writing to a pipe or stream without a reader raises beside EPIPE. */
void file_sigpipe(void);

/* Reads into sentry memory at off, without blocking semantics: for the program loader. */
ssize_t file_pread_kernel(struct file *f, void *buf, size_t len, off_t off) MUST_CHECK;

#endif
