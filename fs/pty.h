/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-terminals: what /dev/ptmx and the devpts file system are made of. See pty.c. */
#ifndef FS_PTY_H
#define FS_PTY_H

#include "fs/tty.h"

/* open("/dev/ptmx"): a new pair. path may be NULL; taken over on success. */
int pty_open_master(struct path *path, struct inode *inode, int flags, struct file **out) MUST_CHECK;
/* open("/dev/pts/N"). -EIO while it is locked (unlockpt) or its master is gone, -ENOENT if there is none. */
int pty_open_slave(unsigned index, struct path *path, struct inode *inode, int flags, struct file **out) MUST_CHECK;
/* For devpts: is there a slave N; the next existing one >= from, or -1. */
bool pty_exists(unsigned index);
int pty_next(int from);
/* Owner, mode (chmod and chown of /dev/pts/N are remembered), times do not matter. */
int pty_attr(unsigned index, uid_t *uid, gid_t *gid, uint32_t *mode) MUST_CHECK;
int pty_set_attr(unsigned index, const uid_t *uid, const gid_t *gid, const uint32_t *mode) MUST_CHECK;

#endif
