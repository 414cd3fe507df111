/* SPDX-License-Identifier: Apache-2.0 */
/* A POSIX message queue, for mqueue*.c. */
#ifndef FS_MQUEUE_INTERNAL_H
#define FS_MQUEUE_INTERNAL_H

#include "fs/mqueue.h"
#include "fs/vfs_internal.h"
#include "kernel/task.h"

/* A task that sleeps until somebody takes its message, or gives it one. On its own stack. */
struct mq_waiter {
	TAILQ_ENTRY(mq_waiter) link;
	struct sleeper *sleeper;
	struct mq_message *message;
	bool done;
};
TAILQ_HEAD(mq_waiters, mq_waiter);

/* The inode's lock protects what has no other word beside it. */
struct mqueue {
	struct inode inode;
	struct attr attr;
	LIST_ENTRY(mqueue) link; /* names_lock */
	char *name; /* names_lock; NULL when unlinked */
	size_t max_messages, message_size; /* immutable */
	uid_t charged_uid; /* immutable: whose RLIMIT_MSGQUEUE it counts for, */
	uint64_t charged; /* immutable: and how much */

	TAILQ_HEAD(mq_messages, mq_message) messages; /* the next to be received first */
	size_t count, bytes;
	struct mq_waiters senders, receivers; /* not both, and none while its call could go on */
	struct waitq poll; /* its own lock */
	struct thread_group *owner; /* who is to be told; a reference, or NULL */
	struct mqueue_notice notice;
};

static inline struct mqueue *mqueue_of(struct file *f)
{
	return f->private;
}

/* For a queue that nobody uses any more. */
void mqueue_free_messages(struct mqueue *q);
/* The owner, if it is tg, is none any more, of which its SIGEV_THREAD hears. */
void mqueue_forget_owner(struct mqueue *q, struct thread_group *tg);

#endif
