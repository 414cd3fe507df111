/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that refer to processes. */
#ifndef SYSCALLS_PIDFD_H
#define SYSCALLS_PIDFD_H

#include "fs/file.h"
#include "kernel/task.h"

/* A new close-on-exec descriptor of t for tg. flags: PIDFD_NONBLOCK (O_NONBLOCK) or 0. */
int pidfd_install(struct task *t, struct thread_group *tg, int flags) MUST_CHECK;
/* The group f refers to, borrowed from f; NULL if f is no pidfd. */
struct thread_group *pidfd_group(struct file *f);

#endif
