/* SPDX-License-Identifier: Apache-2.0 */
/* membarrier(2). The platform has one barrier, for every guest thread that runs; it serves all commands. What a process has
 * registered is remembered to refuse what Linux refuses. Not offered are the commands that synchronise cores or restart rseq: the
 * host would have to do them for processes that are not the caller's own. */
#include "mm/mm.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <linux/membarrier.h>

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9)
#endif

enum {
	OFFERED = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
		  MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
		  MEMBARRIER_CMD_GET_REGISTRATIONS,
};

int64_t sys_membarrier(struct task *t, const uint64_t a[6])
{
	_Atomic unsigned *registered = mm_barriers(t->mm);
	int cmd = (int)a[0];

	if ((unsigned)a[1])
		return -EINVAL;
	switch (cmd) {
	case MEMBARRIER_CMD_QUERY:
		return OFFERED;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return *registered & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED ? platform_barrier() : -EPERM;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		return platform_barrier();
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		atomic_fetch_or(registered, (unsigned)cmd);
		return 0;
	case MEMBARRIER_CMD_GET_REGISTRATIONS:
		return (int64_t)*registered;
	default:
		return -EINVAL;
	}
}
