/* SPDX-License-Identifier: Apache-2.0 */
/* Device numbers and who serves them. A device node of any file system is opened through here. */
#ifndef FS_DEVICE_H
#define FS_DEVICE_H

#include "fs/vfs.h"

/* As inode_ops.open; rdev is the node's number. */
typedef int (*device_open_fn)(struct inode *i, struct path *path, int flags, dev_t rdev, struct file **out);

/* Serves character devices [first, first+count) of major. At boot only. */
int device_register(unsigned major, unsigned first, unsigned count, device_open_fn open) MUST_CHECK;
/* -ENXIO when nobody serves it. */
int device_open(struct inode *i, struct path *path, int flags, dev_t rdev, struct file **out) MUST_CHECK;

#endif
