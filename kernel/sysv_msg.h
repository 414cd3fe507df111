/* SPDX-License-Identifier: Apache-2.0 */
/* System V message queues. See sysv.h for what they share with the other kinds, sysv_msg.c for how they work. */
#ifndef KERNEL_SYSV_MSG_H
#define KERNEL_SYSV_MSG_H

#include "kernel/sysv.h"

#include <sys/msg.h>

enum { MSG_SIZE_MAX = 8192, MSG_QUEUE_BYTES = 16384 }; /* msgmax, msgmnb */

struct message {
	TAILQ_ENTRY(message) link;
	int64_t type;
	size_t size;
	char data[];
};
/* NULL: no memory. free() ends it. */
struct message *message_new(int64_t type, size_t size);

int msg_get(struct task *t, key_t key, int flags) MUST_CHECK;
/* Takes m over on success. */
int msg_send(struct task *t, int id, struct message *m, int flags) MUST_CHECK;
struct msg_want {
	int64_t type;
	size_t size;
	int flags;
};
/* *out is the caller's. */
int msg_receive(struct task *t, int id, const struct msg_want *want, struct message **out) MUST_CHECK;
int msg_stat(struct task *t, int id, int cmd, struct msqid_ds *out) MUST_CHECK;
int msg_set(struct task *t, int id, const struct msqid_ds *from) MUST_CHECK;
int msg_remove(struct task *t, int id) MUST_CHECK;
/* MSG_INFO; the highest slot. */
int msg_usage(int *queues, int *messages, int *bytes);

#endif
