/* SPDX-License-Identifier: Apache-2.0 */
/* Futexes: futex(2), get_robust_list(2), futex_waitv(2). Keys come from guest memory (guest_futex_key). */
#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

#include "kernel/task.h"

/* deadline: CLOCK_MONOTONIC ns, NO_DEADLINE for none. Returns as futex(2): 0, -EAGAIN, -ETIMEDOUT, -ERESTARTSYS, ... */
int64_t futex_wait(struct task *t, uint64_t addr, bool process_private, uint32_t value, int64_t deadline, uint32_t bitset);
int64_t futex_wake(struct mm *mm, uint64_t addr, bool process_private, uint64_t count, uint32_t bitset);
/* At exit and exec: robust list, then *clear_child_tid = 0 and a wake. The task's mm is still in use. */
void futex_task_release(struct task *t);
void futex_init(void);

#endif
