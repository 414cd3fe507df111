/* SPDX-License-Identifier: Apache-2.0 */
/* System V message queues: msgget(2), msgsnd, msgrcv, msgctl. */
#include "kernel/sysv_msg.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

int64_t sys_msgget(struct task *t, const uint64_t a[6])
{
	return msg_get(t, (key_t)a[0], (int)a[1]);
}

int64_t sys_msgsnd(struct task *t, const uint64_t a[6])
{
	int64_t type;
	struct message *m;
	int err = guest_read(t->mm, &type, a[1], sizeof(type));

	if (err)
		return err;
	if (a[2] > MSG_SIZE_MAX || (int)a[0] < 0 || type < 1)
		return -EINVAL;
	m = message_new(type, a[2]);
	if (!m)
		return -ENOMEM;
	err = guest_read(t->mm, m->data, a[1] + sizeof(type), m->size);
	if (!err)
		err = msg_send(t, (int)a[0], m, (int)a[3]);
	if (err)
		free(m);
	return err;
}

int64_t sys_msgrcv(struct task *t, const uint64_t a[6])
{
	struct msg_want want = { .type = (int64_t)a[3], .size = a[2], .flags = (int)a[4] };
	struct message *m = NULL;
	size_t size;
	int err;

	if ((int)a[0] < 0 || a[2] > LONG_MAX)
		return -EINVAL;
	if (want.flags & MSG_COPY) /* for checkpoints: Linux may be built without it */
		return want.flags & MSG_EXCEPT || !(want.flags & IPC_NOWAIT) ? -EINVAL : -ENOSYS;
	err = msg_receive(t, (int)a[0], &want, &m);
	if (err)
		return err;
	size = MIN(m->size, want.size);
	err = guest_write(t->mm, a[1], &m->type, sizeof(m->type));
	if (!err)
		err = guest_write(t->mm, a[1] + sizeof(m->type), m->data, size);
	free(m);
	return err ? err : (int64_t)size;
}

static int64_t info_cmd(struct task *t, int cmd, uint64_t out)
{
	struct msginfo info = { .msgmni = 32000, .msgmax = MSG_SIZE_MAX, .msgmnb = MSG_QUEUE_BYTES, .msgssz = 16,
				.msgseg = 0xffff, .msgmap = MSG_QUEUE_BYTES, .msgpool = 32000 * (MSG_QUEUE_BYTES / 1024),
				.msgtql = MSG_QUEUE_BYTES };
	int queues, messages, bytes, highest = msg_usage(&queues, &messages, &bytes), err;

	if (cmd == MSG_INFO) {
		info.msgpool = queues;
		info.msgmap = messages;
		info.msgtql = bytes;
	}
	err = guest_write(t->mm, out, &info, sizeof(info));
	return err ? err : highest;
}

int64_t sys_msgctl(struct task *t, const uint64_t a[6])
{
	int id = (int)a[0], cmd = (int)a[1], r, err;
	struct msqid_ds ds;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case MSG_INFO:
		return info_cmd(t, cmd, a[2]);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		r = msg_stat(t, id, cmd, &ds);
		err = r < 0 ? r : guest_write(t->mm, a[2], &ds, sizeof(ds));
		return err ? err : r;
	case IPC_SET:
		err = guest_read(t->mm, &ds, a[2], sizeof(ds));
		return err ? err : msg_set(t, id, &ds);
	case IPC_RMID:
		return msg_remove(t, id);
	default:
		return -EINVAL;
	}
}
