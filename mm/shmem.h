/* SPDX-License-Identifier: Apache-2.0 */
/* Shared memory without a file: what MAP_SHARED|MAP_ANONYMOUS, shared mappings of /dev/zero and System V segments map. */
#ifndef MM_SHMEM_H
#define MM_SHMEM_H

#include "mm/mappable.h"
#include "mm/memfile.h"

/* `size` bytes of zeroes, filled as they are touched; one reference. name is what /proc/PID/maps shows. */
int shmem_new(struct memfile *mf, uint64_t size, const char *name, struct mappable **out) MUST_CHECK;
/* Bytes that the host holds for it. */
uint64_t shmem_resident(struct mappable *m);
uint64_t shmem_size(const struct mappable *m);

#endif
