/* SPDX-License-Identifier: Apache-2.0 */
/* The temporary signal mask of ppoll, pselect6 and epoll_pwait. */
#ifndef SYSCALLS_SIGMASK_H
#define SYSCALLS_SIGMASK_H

#include "kernel/task.h"
#include "mm/guest.h"

#include <errno.h>

/* Puts the mask at addr in force (none if addr is 0) and remembers the old one: 0, -EFAULT, -EINVAL. */
static inline int sigmask_begin(struct task *t, uint64_t addr, uint64_t size)
{
	sigset_guest mask;
	int err;

	if (!addr)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	err = guest_read(t->mm, &mask, addr, sizeof(mask));
	if (err)
		return err;
	t->saved_mask = t->blocked;
	signal_set_mask(t, mask);
	return 0;
}

/* After the wait. When a signal ended it the temporary mask stays until the signal has been delivered (restore_mask),
 * otherwise the old one is back at once. Returns r. */
static inline int64_t sigmask_end(struct task *t, uint64_t addr, int64_t r)
{
	if (!addr)
		return r;
	if (r == -EINTR || r == -ERESTARTNOHAND)
		t->restore_mask = true;
	else
		signal_set_mask(t, t->saved_mask);
	return r;
}

#endif
