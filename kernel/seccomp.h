/* SPDX-License-Identifier: Apache-2.0 */
/* Seccomp: the filters that guests put on their own calls. See seccomp(2); kernel/seccomp.c has the theory of operation. */
#ifndef KERNEL_SECCOMP_H
#define KERNEL_SECCOMP_H

#include "kernel/task.h"

#include <linux/filter.h>

/* May t make the call that t->sys_nr and t->sys_args name? A tracer that is asked may change them. False: no, and t's registers, or its
 * end, or its signal say what became of it instead. */
bool seccomp_allows(struct task *t) MUST_CHECK;

/* What every call asks first: is there anything to ask? */
static inline bool seccomp_active(struct task *t)
{
	return UNLIKELY(atomic_load_explicit(&t->seccomp_mode, memory_order_acquire));
}

/* -EINVAL if t has filters. */
int seccomp_set_strict(struct task *t) MUST_CHECK;
/* Puts one more filter on t, and with SECCOMP_FILTER_FLAG_TSYNC what t then has on its whole group. prog is copied. 0; -EINVAL, -ENOMEM;
 * with TSYNC a thread that has filters of its own: its number, or -ESRCH with TSYNC_ESRCH. May t at all: the caller asks. */
int64_t seccomp_add_filter(struct task *t, const struct sock_filter *prog, size_t len, unsigned flags) MUST_CHECK;

/* How many filters t has. */
size_t seccomp_filter_count_locked(struct task *t) REQUIRES(tasks_lock);
/* A new task has its creator's filters; under the lock under which it is published, lest TSYNC miss it. */
void seccomp_inherit_locked(struct task *child, struct task *t) REQUIRES(tasks_lock);
/* t is being freed. */
void seccomp_drop_filters(struct task *t);

#endif
