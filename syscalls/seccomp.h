/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYSCALLS_SECCOMP_H
#define SYSCALLS_SECCOMP_H

#include "kernel/task.h"

/* seccomp(2): also what prctl(2) PR_SET_SECCOMP comes to. */
int64_t seccomp_operation(struct task *t, unsigned op, unsigned flags, uint64_t args) MUST_CHECK;

#endif
