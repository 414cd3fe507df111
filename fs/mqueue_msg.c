/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of POSIX message queues: sending, receiving, being told.
 *
 * Messages lie in the order in which they will be received: by priority, equal ones by age. A task that cannot go on lists itself with
 * its message, or with room for one, and sleeps. Whoever makes room puts the first waiting sender's message into the queue, and
 * whoever sends to a queue with a waiting receiver gives it the message directly; so a call that comes in between cannot overtake one
 * that waits, and a message that somebody waited for is none that "came to an empty queue": mq_notify(3).
 *
 * The lock of the queue is the inode's. Signals are sent, and references put, after it is released.
 */
#include "fs/mqueue_internal.h"
#include "kernel/process.h"
#include "kernel/signal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct mq_message *mq_message_new(size_t size, unsigned priority)
{
	struct mq_message *m = malloc(sizeof(*m) + size);

	if (m) {
		m->size = size;
		m->priority = priority;
	}
	return m;
}

void mqueue_free_messages(struct mqueue *q)
{
	struct mq_message *m;

	while ((m = TAILQ_FIRST(&q->messages))) {
		TAILQ_REMOVE(&q->messages, m, link);
		free(m);
	}
}

static void insert_locked(struct mqueue *q, struct mq_message *m) REQUIRES(q->inode.lock)
{
	struct mq_message *before = TAILQ_LAST(&q->messages, mq_messages);

	while (before && before->priority < m->priority)
		before = TAILQ_PREV(before, mq_messages, link);
	if (before)
		TAILQ_INSERT_AFTER(&q->messages, before, m, link);
	else
		TAILQ_INSERT_HEAD(&q->messages, m, link);
	q->count++;
	q->bytes += m->size;
}

static void touch_locked(struct mqueue *q, bool modified) REQUIRES(q->inode.lock)
{
	clock_gettime(CLOCK_REALTIME_COARSE, &q->attr.ctime);
	q->attr.atime = q->attr.ctime;
	if (modified)
		q->attr.mtime = q->attr.ctime;
}

/* The first of a list is served: its sleep ends. */
static struct mq_waiter *serve_locked(struct mqueue *q, struct mq_waiters *list) REQUIRES(q->inode.lock)
{
	struct mq_waiter *w = TAILQ_FIRST(list);

	(void)q;
	if (w) {
		TAILQ_REMOVE(list, w, link);
		w->done = true;
	}
	return w;
}

/* Sleeps until w is served. Called with the lock, and with w's message set if it sends; returns without the lock. */
static int wait_unlock(struct task *t, struct mqueue *q, struct mq_waiters *list, struct mq_waiter *w, int64_t deadline)
	RELEASE(q->inode.lock)
{
	int err = 0;

	w->sleeper = sleeper_self();
	TAILQ_INSERT_TAIL(list, w, link);
	while (!w->done && !err) {
		mutex_unlock(&q->inode.lock);
		err = task_sleep(t, deadline);
		mutex_lock(&q->inode.lock);
	}
	if (w->done)
		err = 0;
	else
		TAILQ_REMOVE(list, w, link);
	mutex_unlock(&q->inode.lock);
	/* The deadline is absolute, so the call can be made again as it was. */
	return err == -EINTR ? -ERESTARTSYS : err;
}

/* What is to be sent to whom after the lock, since signals have one further out. */
struct telling {
	struct thread_group *to; /* a reference, or NULL */
	struct mqueue_notice notice;
};

static void take_owner_locked(struct mqueue *q, struct telling *out) REQUIRES(q->inode.lock)
{
	out->to = q->owner;
	out->notice = q->notice;
	q->owner = NULL;
}

/* sender NULL: no message came, but the owner is none any more. */
static void tell(struct task *sender, const struct telling *what)
{
	siginfo_t info;

	if (!what->to)
		return;
	if (what->notice.notify == SIGEV_THREAD)
		what->notice.sink->tell(what->notice.sink, sender ? MQUEUE_WOKEN : MQUEUE_REMOVED);
	if (sender && what->notice.notify == SIGEV_SIGNAL && what->notice.signo) {
		info = signal_info(what->notice.signo, SI_MESGQ, sender);
		info.si_value.sival_ptr = (void *)what->notice.value;
		mutex_lock(&tasks_lock);
		(void)!signal_send_group_locked(what->to, &info);
		mutex_unlock(&tasks_lock);
	}
	group_put(what->to);
}

/* Gives m to who waits for it, or queues it. */
static void deliver_locked(struct mqueue *q, struct mq_message *m, struct telling *out) REQUIRES(q->inode.lock)
{
	struct mq_waiter *receiver = serve_locked(q, &q->receivers);

	touch_locked(q, true);
	if (receiver) {
		receiver->message = m;
		sleeper_wake(receiver->sleeper);
		return;
	}
	insert_locked(q, m);
	if (q->count == 1)
		take_owner_locked(q, out);
	waitq_notify(&q->poll, POLLIN | POLLRDNORM);
}

int mqueue_send(struct task *t, struct file *f, struct mq_message *m, int64_t deadline)
{
	struct mqueue *q = mqueue_of(f);
	struct mq_waiter w = { .message = m };
	struct telling what = { 0 };

	mutex_lock(&q->inode.lock);
	if (q->count == q->max_messages) {
		if (!(f->flags & O_NONBLOCK))
			return wait_unlock(t, q, &q->senders, &w, deadline);
		mutex_unlock(&q->inode.lock);
		return -EAGAIN;
	}
	deliver_locked(q, m, &what);
	mutex_unlock(&q->inode.lock);
	tell(t, &what);
	return 0;
}

/* The next message; the first sender that waits for its room gets it. */
static struct mq_message *take_locked(struct mqueue *q) REQUIRES(q->inode.lock)
{
	struct mq_message *m = TAILQ_FIRST(&q->messages);
	struct mq_waiter *sender = serve_locked(q, &q->senders);

	TAILQ_REMOVE(&q->messages, m, link);
	q->count--;
	q->bytes -= m->size;
	touch_locked(q, sender != NULL);
	if (sender) {
		insert_locked(q, sender->message);
		sleeper_wake(sender->sleeper);
	} else {
		waitq_notify(&q->poll, POLLOUT | POLLWRNORM);
	}
	return m;
}

int mqueue_receive(struct task *t, struct file *f, int64_t deadline, struct mq_message **out)
{
	struct mqueue *q = mqueue_of(f);
	struct mq_waiter w = { 0 };
	int err = 0;

	mutex_lock(&q->inode.lock);
	if (q->count) {
		*out = take_locked(q);
		mutex_unlock(&q->inode.lock);
	} else if (f->flags & O_NONBLOCK) {
		mutex_unlock(&q->inode.lock);
		err = -EAGAIN;
	} else {
		err = wait_unlock(t, q, &q->receivers, &w, deadline);
		*out = w.message;
	}
	return err;
}

/* --- being told --- */

int mqueue_notify(struct task *t, struct file *f, const struct mqueue_notice *n)
{
	struct mqueue *q = mqueue_of(f);
	int err = 0;

	if (!n) {
		mqueue_forget_owner(q, t->tg);
		return 0;
	}
	mutex_lock(&q->inode.lock);
	if (q->owner) {
		err = -EBUSY;
	} else {
		group_get(t->tg);
		q->owner = t->tg;
		q->notice = *n;
		touch_locked(q, false);
	}
	mutex_unlock(&q->inode.lock);
	return err;
}

void mqueue_forget_owner(struct mqueue *q, struct thread_group *tg)
{
	struct telling what = { 0 };

	mutex_lock(&q->inode.lock);
	if (q->owner == tg)
		take_owner_locked(q, &what);
	mutex_unlock(&q->inode.lock);
	tell(NULL, &what);
}

void mqueue_attributes(struct file *f, const struct mq_attr *set, struct mq_attr *old)
{
	struct mqueue *q = mqueue_of(f);

	mutex_lock(&q->inode.lock);
	*old = (struct mq_attr){ .mq_flags = f->flags & O_NONBLOCK,
				 .mq_maxmsg = (long)q->max_messages,
				 .mq_msgsize = (long)q->message_size,
				 .mq_curmsgs = (long)q->count };
	if (set) {
		if (set->mq_flags & O_NONBLOCK)
			atomic_fetch_or(&f->flags, O_NONBLOCK);
		else
			atomic_fetch_and(&f->flags, ~O_NONBLOCK);
		touch_locked(q, false);
	}
	mutex_unlock(&q->inode.lock);
}
