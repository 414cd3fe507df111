/* SPDX-License-Identifier: Apache-2.0 */
/* System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
 *
 * A queue is a list of messages. Who cannot send or receive yet sleeps on the queue's wait queue and tries again when something was
 * taken or put; a removal wakes all, who then find it removed. Operations here never sleep but in transfer().
 */
#include "kernel/sysv_msg.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

/* All protected by sysv_lock, but for the wait queue. */
struct msg_queue {
	struct sysv_object object;
	TAILQ_HEAD(, message) messages;
	size_t bytes, count, max_bytes;
	time_t stime, rtime, ctime;
	pid_t last_sender, last_receiver;
	struct waitq changed; /* POLLIN: a message came; POLLOUT: one went; both: removed */
};

static struct msg_queue *queue_from(struct sysv_object *o)
{
	return CONTAINER_OF(o, struct msg_queue, object);
}

struct message *message_new(int64_t type, size_t size)
{
	struct message *m = malloc(sizeof(*m) + size);

	if (m) {
		m->type = type;
		m->size = size;
	}
	return m;
}

static void queue_free(struct sysv_object *o)
{
	struct msg_queue *q = queue_from(o);
	struct message *m;

	while ((m = TAILQ_FIRST(&q->messages))) {
		TAILQ_REMOVE(&q->messages, m, link);
		free(m);
	}
	free(q);
}

static int queue_fits(struct sysv_object *o, size_t size)
{
	(void)o, (void)size;
	return 0;
}

static int queue_make(struct task *t, const struct sysv_get *g, struct sysv_object **out)
{
	struct msg_queue *q = calloc(1, sizeof(*q));

	(void)t, (void)g;
	if (!q)
		return -ENOMEM;
	TAILQ_INIT(&q->messages);
	waitq_init(&q->changed);
	q->max_bytes = MSG_QUEUE_BYTES;
	q->ctime = time(NULL);
	q->object.free = queue_free;
	*out = &q->object;
	return 0;
}

int msg_get(struct task *t, key_t key, int flags)
{
	struct sysv_get g = { .kind = SYSV_MSG, .key = key, .flags = flags, .fits = queue_fits, .make = queue_make };

	return sysv_get(t, &g);
}

/* Tries to send: 0, -EAGAIN, or an error that is final. */
static int try_send(struct task *t, struct msg_queue *q, struct message *m)
{
	int err;

	mutex_lock(&sysv_lock);
	err = q->object.removed ? -EIDRM : sysv_permits_locked(t, &q->object, 0222);
	if (!err && (q->bytes + m->size > q->max_bytes || q->count + 1 > q->max_bytes))
		err = -EAGAIN;
	if (!err) {
		TAILQ_INSERT_TAIL(&q->messages, m, link);
		q->bytes += m->size;
		q->count++;
		q->stime = time(NULL);
		q->last_sender = t->tg->tgid;
	}
	mutex_unlock(&sysv_lock);
	return err;
}

/* The message that msgrcv(2)'s type and flags choose, NULL if there is none. */
static struct message *choose_locked(struct msg_queue *q, int64_t type, int flags) REQUIRES(sysv_lock)
{
	struct message *m, *best = NULL;
	/* The lowest number would overflow when its sign is changed. */
	int64_t at_most = type == INT64_MIN ? INT64_MAX : -type;

	TAILQ_FOREACH(m, &q->messages, link) {
		if (type < 0) {
			if (m->type <= at_most && (!best || m->type < best->type))
				best = m;
		} else if (!type || (flags & MSG_EXCEPT ? m->type != type : m->type == type)) {
			return m;
		}
	}
	return best;
}

static int try_receive(struct task *t, struct msg_queue *q, const struct msg_want *w, struct message **out)
{
	struct message *m;
	int err;

	mutex_lock(&sysv_lock);
	err = q->object.removed ? -EIDRM : sysv_permits_locked(t, &q->object, 0444);
	m = err ? NULL : choose_locked(q, w->type, w->flags);
	if (!err && !m)
		err = -EAGAIN;
	if (!err && m->size > w->size && !(w->flags & MSG_NOERROR))
		err = -E2BIG;
	if (!err) {
		TAILQ_REMOVE(&q->messages, m, link);
		q->bytes -= m->size;
		q->count--;
		q->rtime = time(NULL);
		q->last_receiver = t->tg->tgid;
		*out = m;
	}
	mutex_unlock(&sysv_lock);
	return err;
}

static int find_queue(int id, struct sysv_object **o)
{
	int err;

	mutex_lock(&sysv_lock);
	err = sysv_find_locked(SYSV_MSG, id, o);
	mutex_unlock(&sysv_lock);
	return err;
}

/* Puts *m into a queue, or takes what `want` asks for out of it into *m; sleeps until that can be done, but with IPC_NOWAIT. */
static int transfer(struct task *t, int id, struct message **m, const struct msg_want *want, int flags)
{
	int awaited = want ? POLLIN : POLLOUT, brought = want ? POLLOUT : POLLIN;
	struct sysv_object *o = NULL;
	struct msg_queue *q;
	struct waiter w;
	int err = find_queue(id, &o);

	if (err)
		return err;
	q = queue_from(o);
	waiter_init(&w, sleeper_self(), awaited);
	waitq_add(&q->changed, &w);
	while ((err = want ? try_receive(t, q, want, m) : try_send(t, q, *m)) == -EAGAIN && !(flags & IPC_NOWAIT))
		if (task_sleep(t, NO_DEADLINE)) {
			err = -ERESTARTNOHAND;
			break;
		}
	waitq_remove(&q->changed, &w);
	if (!err)
		waitq_notify(&q->changed, brought);
	sysv_put(o);
	return err;
}

int msg_send(struct task *t, int id, struct message *m, int flags)
{
	return transfer(t, id, &m, NULL, flags);
}

int msg_receive(struct task *t, int id, const struct msg_want *want, struct message **out)
{
	int err = transfer(t, id, out, want, want->flags);

	return err == -EAGAIN ? -ENOMSG : err;
}

/* --- msgctl --- */

int msg_stat(struct task *t, int id, int cmd, struct msqid_ds *out)
{
	struct sysv_object *o;
	int r;

	mutex_lock(&sysv_lock);
	r = sysv_find_stat_locked(t, SYSV_MSG, id, cmd != IPC_STAT, cmd == MSG_STAT_ANY, &o);
	if (!r) {
		struct msg_queue *q = queue_from(o);

		*out = (struct msqid_ds){ .msg_stime = q->stime,
					  .msg_rtime = q->rtime,
					  .msg_ctime = q->ctime,
					  .__msg_cbytes = q->bytes,
					  .msg_qnum = q->count,
					  .msg_qbytes = q->max_bytes,
					  .msg_lspid = q->last_sender,
					  .msg_lrpid = q->last_receiver };
		sysv_describe_locked(o, &out->msg_perm);
		r = cmd == IPC_STAT ? 0 : o->id;
	}
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return r;
}

int msg_set(struct task *t, int id, const struct msqid_ds *from)
{
	struct sysv_object *o = NULL;
	int err;

	mutex_lock(&sysv_lock);
	err = sysv_find_owned_locked(t, SYSV_MSG, id, &o);
	if (!err && from->msg_qbytes > MSG_QUEUE_BYTES && !cred_capable(t->cred, 24 /* CAP_SYS_RESOURCE */))
		err = -EPERM;
	if (!err) {
		sysv_set_locked(o, &from->msg_perm);
		queue_from(o)->max_bytes = from->msg_qbytes;
		queue_from(o)->ctime = time(NULL);
	}
	mutex_unlock(&sysv_lock);
	if (!err) /* other limits, other rights: all look again */
		waitq_notify(&queue_from(o)->changed, POLLIN | POLLOUT);
	sysv_put(o);
	return err;
}

int msg_remove(struct task *t, int id)
{
	struct sysv_object *o = NULL;
	int err;

	mutex_lock(&sysv_lock);
	err = sysv_find_owned_locked(t, SYSV_MSG, id, &o);
	if (!err)
		sysv_remove_locked(o);
	mutex_unlock(&sysv_lock);
	if (!err) {
		waitq_notify(&queue_from(o)->changed, POLLIN | POLLOUT);
		sysv_put(o);
	}
	sysv_put(o);
	return err;
}

int msg_usage(int *queues, int *messages, int *bytes)
{
	int highest;

	*messages = *bytes = 0;
	mutex_lock(&sysv_lock);
	highest = sysv_highest_locked(SYSV_MSG, queues);
	for (int i = 0; i <= highest; i++) {
		struct sysv_object *o = sysv_slot_locked(SYSV_MSG, i);

		if (!o)
			continue;
		*messages += (int)queue_from(o)->count;
		*bytes += (int)queue_from(o)->bytes;
		ref_put(&o->ref); /* never the last: the table has one */
	}
	mutex_unlock(&sysv_lock);
	return highest;
}
