/* SPDX-License-Identifier: Apache-2.0 */
/* File locks: flock(2), and POSIX and open-file-description record locks (fcntl(2), fcntl_locking(2)). */
#ifndef FS_LOCKS_H
#define FS_LOCKS_H

#include "fs/file.h"

/* Who owns a record lock: a descriptor table (POSIX) or an open file (OFD); flock: an open file. */
struct lock_request {
	const void *owner;
	struct file *file; /* whose inode */
	pid_t pid; /* what F_GETLK reports: -1 for OFD */
	short type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	uint64_t start, end; /* bytes [start, end] */
};

/* LOCK_SH, LOCK_EX, LOCK_UN. Waits unless nonblock. 0, -EWOULDBLOCK, -ERESTARTSYS, -ENOLCK. */
int lock_flock(struct task *t, struct file *f, int op, bool nonblock) MUST_CHECK;
/* Sets or removes; waits if `wait`. 0, -EAGAIN, -EDEADLK, -ERESTARTSYS, -ENOLCK. */
int lock_record(struct task *t, const struct lock_request *r, bool wait) MUST_CHECK;
/* F_GETLK: true and *found when something conflicts. */
bool lock_record_test(const struct lock_request *r, struct lock_request *found);

/* A descriptor of `owner` for this file was closed: its POSIX locks on the inode go. */
void locks_posix_close(struct file *f, const void *owner);
/* The open file ends: flock and OFD locks. */
void locks_file_release(struct file *f);
/* Is there any lock in the whole sandbox? Lets close skip the rest. */
bool locks_any(void);

/* For /proc/locks: calls fn for each lock. */
void locks_walk(void (*fn)(void *arg, const char *kind, short type, pid_t pid, uint64_t dev, uint64_t ino, uint64_t start, uint64_t end),
		void *arg);

#endif
