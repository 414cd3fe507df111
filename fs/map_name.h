/* SPDX-License-Identifier: Apache-2.0 */
/* The name by which /proc/PID/maps knows a file that is mapped: the path through which it was mapped first, as long as anybody has a
 * reference on its mappable. An inode that can be mapped embeds one and tells it of each of these references; a path refers to its
 * inode, so it must go when they are gone.
 *
 * Its lock is a leaf. A reference that is given back under locks is never the last one: see mappable_ops.put.
 */
#ifndef FS_MAP_NAME_H
#define FS_MAP_NAME_H

#include "fs/vfs.h"

struct map_name {
	struct mutex lock;
	uint64_t users; /* references on the mappable */
	struct path path; /* mount NULL: none */
};

void map_name_init(struct map_name *n);
/* Nobody has a reference any more. */
void map_name_fini(struct map_name *n);
/* One reference more, through `via`; NULL: through no path, or by somebody who has one already. */
void map_name_get(struct map_name *n, const struct path *via);
/* One less. Before the reference on the inode itself is given back. */
void map_name_put(struct map_name *n);
/* The path's name now, from the root of all mounts; empty if it has none. */
void map_name_print(struct map_name *n, char *buf, size_t size);

#endif
