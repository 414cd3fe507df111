/* SPDX-License-Identifier: Apache-2.0 */
/* What tmpfs offers beyond file operations: memfd_create(2) and seals. tmpfs_new() is in fs/vfs.h. */
#ifndef FS_TMPFS_H
#define FS_TMPFS_H

#include "fs/vfs.h"

/* A file without a name whose first seals are F_SEAL_*. Memfds live in the first tmpfs or overlay that was made. */
int memfd_new(const char *name, int seals, uint32_t mode, const struct cred *c, struct file **out) MUST_CHECK;
/* F_GET_SEALS, F_ADD_SEALS: -EINVAL for files that cannot have seals. */
int memfd_get_seals(struct file *f);
/* New shared mappings of f can never become writable. */
bool memfd_write_sealed(struct file *f);
int memfd_add_seals(struct file *f, int seals) MUST_CHECK;

#endif
