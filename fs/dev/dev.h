/* SPDX-License-Identifier: Apache-2.0 */
/* Character devices of the sandbox. devfs_new() is declared in fs/vfs.h. */
#ifndef FS_DEV_H
#define FS_DEV_H

#include "fs/file.h"

/* The operations of a memory device (major 1), or NULL for a number there is no device for. */
const struct file_ops *dev_mem_ops(dev_t rdev);

#endif
