/* SPDX-License-Identifier: Apache-2.0 */
/* struct rusage as guests see it: for wait4, waitid and getrusage. */
#ifndef SYSCALLS_USAGE_H
#define SYSCALLS_USAGE_H

#include "kernel/process.h"

int usage_write(struct task *t, uint64_t addr, const struct rusage_acc *u) MUST_CHECK;

#endif
