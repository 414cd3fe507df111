/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told by a signal that an open file is ready (O_ASYNC) or that a socket has urgent data: fcntl(2), F_SETOWN. See async.c. */
#ifndef FS_ASYNC_H
#define FS_ASYNC_H

#include "base/compiler.h"
#include "fs/file.h"
#include "kernel/signal.h"

#include <signal.h>

/* The open files that hang on one source of events; part of that source, which outlives them. Zeroed: none. */
struct async_list {
	_Atomic(struct file_owner *) first; /* tasks_lock to change or walk */
};

void async_notify_locked(struct async_list *l, int code) REQUIRES(tasks_lock);
void async_urgent_locked(struct async_list *l) REQUIRES(tasks_lock);
void async_notify_slow(struct async_list *l, int code);
void async_urgent_slow(struct async_list *l);

/* Does anybody want signals at all? */
static inline bool async_wanted(struct async_list *l)
{
	return atomic_load_explicit(&l->first, memory_order_relaxed);
}

/* Something happened that code (POLL_IN, POLL_OUT, ...) names: a signal for each file with O_ASYNC. No lock below tasks_lock may be held. */
static inline void async_notify(struct async_list *l, int code)
{
	if (async_wanted(l))
		async_notify_slow(l, code);
}

/* Urgent data: SIGURG for each file's owner, with O_ASYNC or without. */
static inline void async_urgent(struct async_list *l)
{
	if (async_wanted(l))
		async_urgent_slow(l);
}

/* F_SETFL and FIOASYNC: O_ASYNC of f, whose events are told of as those of descriptor fd. -ENOTTY if f cannot tell of events; -ENOMEM. */
int async_set(struct task *t, struct file *f, int fd, bool on) MUST_CHECK;
/* type: F_OWNER_*; id 0: nobody. -ESRCH if the number is in use for nothing. */
int async_set_owner(struct task *t, struct file *f, int type, pid_t id) MUST_CHECK;
/* F_SETOWN, and its like of sockets: a negative id is a process group's. */
int async_set_owner_signed(struct task *t, struct file *f, int id) MUST_CHECK;
/* 0 if nobody owns f, or nobody any more. */
pid_t async_get_owner(struct file *f, int *type);
int async_get_owner_signed(struct file *f);
int async_set_signal(struct file *f, int sig) MUST_CHECK;
int async_get_signal(struct file *f);
/* The last reference to f is gone. */
void async_release(struct file *f);

#endif
