/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX message queues: see mq_overview(7). mqueue.c has the names and the files, mqueue_msg.c the messages. */
#ifndef FS_MQUEUE_H
#define FS_MQUEUE_H

#include "fs/file.h"

#include <mqueue.h>

enum {
	MQUEUE_COUNT_MAX = 256, /* /proc/sys/fs/mqueue: queues_max, */
	MQUEUE_MESSAGES = 10, /* msg_max and msg_default, */
	MQUEUE_MESSAGE_SIZE = 8192, /* msgsize_max and msgsize_default */
	MQUEUE_PRIORITIES = 32768,
};

struct mq_message {
	TAILQ_ENTRY(mq_message) link;
	unsigned priority;
	size_t size;
	char data[];
};
/* NULL: no memory. free() ends it. */
struct mq_message *mq_message_new(size_t size, unsigned priority);

/* mq_open(3); name without the slash that the C library takes away, attr may be NULL. */
int mqueue_open(struct task *t, const char *name, int flags, uint32_t mode, const struct mq_attr *attr,
		struct file **out) MUST_CHECK;
int mqueue_unlink(struct task *t, const char *name) MUST_CHECK;
bool file_is_mqueue(const struct file *f);

/* The rest takes such a file. Deadlines are of CLOCK_MONOTONIC. */

/* How long a message may be at most. */
size_t mqueue_message_size(struct file *f);
/* Takes m over on success. */
int mqueue_send(struct task *t, struct file *f, struct mq_message *m, int64_t deadline) MUST_CHECK;
/* *out is the caller's. */
int mqueue_receive(struct task *t, struct file *f, int64_t deadline, struct mq_message **out) MUST_CHECK;
/* Where SIGEV_THREAD sends the cookie that came with it: with MQUEUE_WOKEN when a message came, or MQUEUE_REMOVED when nobody wants to
 * be told any more; nowhere with MQUEUE_NOTHING. It is told once, with no lock held, which ends it. */
enum mqueue_event { MQUEUE_NOTHING, MQUEUE_WOKEN, MQUEUE_REMOVED };
struct mqueue_sink {
	void (*tell)(struct mqueue_sink *s, enum mqueue_event what);
};
/* What tells a process that a message came to its empty queue. */
struct mqueue_notice {
	int notify, signo; /* SIGEV_SIGNAL, SIGEV_THREAD or SIGEV_NONE */
	uint64_t value;
	struct mqueue_sink *sink; /* SIGEV_THREAD; the queue's on success */
};
/* n NULL: the caller's process no longer wants to be told. -EBUSY. */
int mqueue_notify(struct task *t, struct file *f, const struct mqueue_notice *n) MUST_CHECK;
/* mq_getattr(3); then, if set is not NULL, mq_setattr(3). */
void mqueue_attributes(struct file *f, const struct mq_attr *set, struct mq_attr *old);

#endif
