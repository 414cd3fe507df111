/* SPDX-License-Identifier: Apache-2.0 */
/* epoll(7): waiting.
 *
 * Theory of operation. An item's waiter sits on the watched file's queue; its callback puts the item on the epoll's ready list and
 * wakes who waits. The ready list is a hint: items on it are asked again (file_poll) when events are collected,
 * and what turns out not to be ready just leaves the list. After it was reported, a level-triggered item goes back to the end of
 * the list, an edge-triggered one waits for its next callback, a one-shot one loses its events.
 *
 * Locks, outermost first: epoll_links_lock (changes only), ep->lock, the watched file's own locks (or an inner ep->lock: nesting
 * has no cycles), the queue's lock, ep->ready_lock. A callback runs under the queue's lock and takes ready_lock and then
 * the lock of the epoll's own queue, never ep->lock. So no file is asked while ready_lock is held.
 *
 * Waiting threads are exclusive waiters, one of which is woken for a change; who leaves while the ready list still has items
 * wakes the next.
 */
#include "fs/epoll_internal.h"
#include "fs/vfs.h"
#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum place { FIRST, LAST };

static bool ready_insert(struct epoll_link *l, enum place place)
{
	struct epoll *ep = l->ep;
	bool fresh;

	mutex_lock(&ep->ready_lock);
	fresh = !l->is_ready;
	if (fresh) {
		l->is_ready = true;
		if (place == FIRST)
			TAILQ_INSERT_HEAD(&ep->ready, l, ready);
		else
			TAILQ_INSERT_TAIL(&ep->ready, l, ready);
		ep->ready_count++;
	}
	mutex_unlock(&ep->ready_lock);
	return fresh;
}

bool epoll_mark_ready(struct epoll_link *l)
{
	return ready_insert(l, LAST);
}

static void ready_remove_locked(struct epoll_link *l)
{
	l->is_ready = false;
	TAILQ_REMOVE(&l->ep->ready, l, ready);
	l->ep->ready_count--;
}

void epoll_unmark_ready(struct epoll_link *l)
{
	mutex_lock(&l->ep->ready_lock);
	if (l->is_ready)
		ready_remove_locked(l);
	mutex_unlock(&l->ep->ready_lock);
}

void epoll_wake(struct epoll *ep)
{
	waitq_notify(&ep->waitq, POLLIN | POLLRDNORM);
}

/* How many items are on the list now: more than these are not looked at in one call, or a level-triggered one would be met twice. */
static size_t ready_count(struct epoll *ep)
{
	size_t n;

	mutex_lock(&ep->ready_lock);
	n = ep->ready_count;
	mutex_unlock(&ep->ready_lock);
	return n;
}

static bool ready_is_empty(struct epoll *ep)
{
	return !ready_count(ep);
}

static struct epoll_link *ready_pop(struct epoll *ep)
{
	struct epoll_link *l;

	mutex_lock(&ep->ready_lock);
	l = TAILQ_FIRST(&ep->ready);
	if (l)
		ready_remove_locked(l);
	mutex_unlock(&ep->ready_lock);
	return l;
}

static uint32_t item_events(struct epoll_link *l)
{
	uint32_t wanted = l->events & ~(uint32_t)(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP);

	/* A one-shot item that has fired wants nothing, not even errors. */
	return wanted ? file_poll(l->key.file) & wanted : 0;
}

static int collect_locked(struct epoll *ep, struct epoll_event *out, int max)
{
	size_t rounds = ready_count(ep);
	int n = 0;

	mutex_assert_held(&ep->lock);
	while (rounds-- && n < max) {
		struct epoll_link *l = ready_pop(ep);
		uint32_t events;

		if (!l)
			break;
		events = item_events(l);
		if (!events)
			continue;
		out[n].events = events;
		out[n++].data.u64 = l->data;
		if (l->events & EPOLLONESHOT)
			l->events &= EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;
		else if (!(l->events & EPOLLET))
			epoll_mark_ready(l);
	}
	return n;
}

struct collect {
	struct epoll *ep;
	struct epoll_event *out;
	int max;
};

static int64_t collect_try(void *arg)
{
	struct collect *c = arg;
	int n;

	if (ready_is_empty(c->ep))
		return -EAGAIN;
	mutex_lock(&c->ep->lock);
	n = collect_locked(c->ep, c->out, c->max);
	mutex_unlock(&c->ep->lock);
	return n ? n : -EAGAIN;
}

static int collect_wait(struct task *t, struct collect *c, int64_t deadline)
{
	struct waiter w;
	int64_t r;
	int e = 0;

	waiter_init(&w, sleeper_self(), POLLIN);
	w.exclusive = true;
	waitq_add(&c->ep->waitq, &w);
	while ((r = collect_try(c)) == -EAGAIN) {
		e = task_sleep(t, deadline);
		if (e)
			break;
	}
	waitq_remove(&c->ep->waitq, &w);
	return r > 0 ? (int)r : e == -EINTR ? -EINTR : 0;
}

int epoll_collect(struct task *t, struct file *f, struct epoll_event *out, int max, int64_t deadline)
{
	struct collect c = { .ep = epoll_of(f), .out = out, .max = max };
	int64_t r = collect_try(&c);

	if (r == -EAGAIN)
		r = deadline == 0 ? 0 : collect_wait(t, &c, deadline);
	/* A wake meant for somebody may have ended here; level-triggered items are there for the next one too. */
	if (atomic_load(&c.ep->waitq.count) && !ready_is_empty(c.ep))
		epoll_wake(c.ep);
	return (int)r;
}

/* --- the epoll as a file --- */

/* Readable if an item is, which keeps its place; items that are not leave the list, so that a stale hint is not believed twice. */
static uint32_t epoll_poll(struct file *f)
{
	struct epoll *ep = epoll_of(f);
	struct epoll_link *l;
	uint32_t m = 0;

	if (ready_is_empty(ep))
		return 0;
	mutex_lock(&ep->lock);
	for (size_t rounds = ready_count(ep); rounds-- && !m && (l = ready_pop(ep));) {
		if (!item_events(l))
			continue;
		ready_insert(l, FIRST);
		m = POLLIN | POLLRDNORM;
	}
	mutex_unlock(&ep->lock);
	return m;
}

static struct waitq *epoll_waitq(struct file *f)
{
	return &epoll_of(f)->waitq;
}

static void epoll_fdinfo(struct file *f, char *buf, size_t size)
{
	struct epoll *ep = epoll_of(f);
	struct epoll_link *l, *tmp;
	size_t at = 0;

	mutex_lock(&ep->lock);
	HASH_ITER(hh, ep->items, l, tmp) {
		struct inode *i = l->key.file->inode;
		int n = snprintf(buf + at, size - at, "tfd: %8ld events: %8x data: %16lx  pos:%ld ino:%lx sdev:%x\n",
				 l->key.fd, l->events, l->data, 0L, i ? i->ino : 0UL, 0);

		if (n < 0 || (size_t)n >= size - at)
			break;
		at += (size_t)n;
	}
	mutex_unlock(&ep->lock);
	if (size)
		buf[at] = 0;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = epoll_of(f);

	epoll_clear(ep);
	mutex_destroy(&ep->lock);
	mutex_destroy(&ep->ready_lock);
	free(ep);
}

const struct file_ops epoll_ops = {
	.type = "eventpoll",
	.seek = noop_seek,
	.poll = epoll_poll,
	.waitq = epoll_waitq,
	.fdinfo = epoll_fdinfo,
	.release = epoll_release,
};

bool file_is_epoll(const struct file *f)
{
	return f->ops == &epoll_ops;
}

int epoll_new(int flags, struct file **out)
{
	struct epoll *ep = calloc(1, sizeof(*ep));
	struct inode *inode;
	int err;

	(void)flags;
	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->lock);
	mutex_init(&ep->ready_lock);
	waitq_init(&ep->waitq);
	TAILQ_INIT(&ep->ready);
	err = anon_inode_new(0600, "anon_inode:[eventpoll]", &inode);
	if (err)
		goto out_free;
	*out = file_new(&epoll_ops, O_RDWR, NULL, inode, ep);
	if (*out) {
		ep->file = *out;
		return 0;
	}
	inode_put(inode);
	err = -ENOMEM;
out_free:
	free(ep);
	return err;
}
