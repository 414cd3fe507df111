/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_ctl(2): what an epoll watches. Theory and lock order: epoll.c.
 *
 * An item is on three lists: its epoll's hash, the watched file's list, the file's wait queue. All are changed under
 * epoll_links_lock, so an item can be removed from either side: by its epoll (DEL, the epoll's end) or by the end of the file. That lock is
 * never held while anything is waited for.
 */
#include "fs/epoll_internal.h"
#include "fs/vfs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Items of the whole sandbox: the kernel's fs.epoll.max_user_watches. */
enum { EPOLL_MAX_ITEMS = 1 << 20 };

struct mutex epoll_links_lock = MUTEX_INITIALIZER;
static _Atomic size_t item_total;

/* Runs under the queue's lock. */
static void item_notify(struct waiter *w, uint32_t events)
{
	struct epoll_link *l = w->arg;

	(void)events;
	epoll_mark_ready(l);
	epoll_wake(l->ep);
}

static struct epoll_link *item_find(struct epoll *ep, struct file *f, int fd)
{
	struct epoll_key key = { .file = f, .fd = fd };
	struct epoll_link *l;

	HASH_FIND(hh, ep->items, &key, sizeof(key), l);
	return l;
}

const struct file *epoll_target(struct file *f, int fd, unsigned nth)
{
	struct epoll *ep = epoll_of(f);
	const struct file *found = NULL;

	mutex_lock(&ep->lock);
	for (struct epoll_link *l = ep->items; l && !found; l = l->hh.next)
		if (l->key.fd == fd && !nth--)
			found = l->key.file;
	mutex_unlock(&ep->lock);
	return found;
}

/* --- items; epoll_links_lock is held --- */

/* The ends of a pipe share a queue, and yet who writes does not hear of what it wrote: with edges that would be news. */
static uint32_t told_events(const struct epoll_link *l)
{
	const struct file *f = l->key.file;
	uint32_t events = l->events & 0xffff;

	if (S_ISFIFO(f->inode->type) && !file_readable(f))
		events &= ~(uint32_t)(POLLIN | POLLRDNORM);
	if (S_ISFIFO(f->inode->type) && !file_writable(f))
		events &= ~(uint32_t)(POLLOUT | POLLWRNORM);
	return events;
}

static void waiter_start(struct epoll_link *l)
{
	waiter_init_callback(&l->waiter, item_notify, l, told_events(l));
	l->waiter.exclusive = l->events & EPOLLEXCLUSIVE;
	l->q = l->key.file->ops->waitq ? l->key.file->ops->waitq(l->key.file) : NULL;
	if (l->q)
		waitq_add(l->q, &l->waiter);
}

static void waiter_stop(struct epoll_link *l)
{
	if (l->q)
		waitq_remove(l->q, &l->waiter);
	l->q = NULL;
}

/* After an addition or change: what holds already is reported. */
static void look_now(struct epoll_link *l)
{
	uint32_t wanted = l->events & ~(uint32_t)(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP);

	if ((file_poll(l->key.file) & wanted) && epoll_mark_ready(l))
		epoll_wake(l->ep);
}

static void item_link_file(struct epoll_link *l)
{
	struct file *f = l->key.file;

	l->next_of_file = f->epoll;
	if (l->next_of_file)
		l->next_of_file->prev_of_file = l;
	f->epoll = l;
}

static void item_unlink_file(struct epoll_link *l)
{
	if (l->prev_of_file)
		l->prev_of_file->next_of_file = l->next_of_file;
	else
		l->key.file->epoll = l->next_of_file;
	if (l->next_of_file)
		l->next_of_file->prev_of_file = l->prev_of_file;
}

/* ep->lock is held too: nobody collects from the item while it goes. */
static void item_remove(struct epoll_link *l)
{
	waiter_stop(l);
	epoll_unmark_ready(l);
	HASH_DEL(l->ep->items, l);
	l->ep->count--;
	item_unlink_file(l);
	atomic_fetch_sub(&item_total, 1);
	free(l);
}

static int item_add(struct epoll *ep, int fd, struct file *target, const struct epoll_event *ev)
{
	struct epoll_link *l;

	if (atomic_load(&item_total) >= EPOLL_MAX_ITEMS)
		return -ENOSPC;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->key.file = target;
	l->key.fd = fd;
	l->ep = ep;
	l->events = ev->events | EPOLLERR | EPOLLHUP;
	l->data = ev->data.u64;
	HASH_ADD(hh, ep->items, key, sizeof(l->key), l);
	if (!l->hh.tbl) {
		free(l);
		return -ENOMEM;
	}
	ep->count++;
	item_link_file(l);
	atomic_fetch_add(&item_total, 1);
	if (!epoll_paths_ok(l)) {
		item_remove(l);
		return -EINVAL;
	}
	waiter_start(l);
	look_now(l);
	return 0;
}

static int item_change(struct epoll_link *l, const struct epoll_event *ev)
{
	if (l->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	waiter_stop(l);
	l->events = ev->events | EPOLLERR | EPOLLHUP;
	l->data = ev->data.u64;
	waiter_start(l);
	look_now(l);
	return 0;
}

/* --- the call --- */

static int control_locked(struct epoll *ep, int op, int fd, struct file *target, const struct epoll_event *ev)
{
	struct epoll_link *l = item_find(ep, target, fd);

	switch (op) {
	case EPOLL_CTL_ADD:
		return l ? -EEXIST : item_add(ep, fd, target, ev);
	case EPOLL_CTL_MOD:
		return l ? item_change(l, ev) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (!l)
			return -ENOENT;
		item_remove(l);
		return 0;
	default:
		return -EINVAL;
	}
}

static int check_exclusive(int op, struct file *target, const struct epoll_event *ev)
{
	const uint32_t allowed = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

	if (op == EPOLL_CTL_DEL || !(ev->events & EPOLLEXCLUSIVE))
		return 0;
	if (op == EPOLL_CTL_MOD || file_is_epoll(target) || (ev->events & ~allowed))
		return -EINVAL;
	return 0;
}

int epoll_control(struct file *f, int op, int fd, struct file *target, const struct epoll_event *ev)
{
	struct epoll *ep;
	int err;

	if (!target->ops->poll)
		return -EPERM;
	if (!file_is_epoll(f) || f == target)
		return -EINVAL;
	err = check_exclusive(op, target, ev);
	if (err)
		return err;
	ep = epoll_of(f);
	mutex_lock(&epoll_links_lock);
	err = op == EPOLL_CTL_ADD ? epoll_check_nesting(ep, target) : 0;
	if (!err) {
		mutex_lock(&ep->lock);
		err = control_locked(ep, op, fd, target, ev);
		mutex_unlock(&ep->lock);
	}
	mutex_unlock(&epoll_links_lock);
	return err;
}

void epoll_clear(struct epoll *ep)
{
	struct epoll_link *l, *tmp;

	mutex_lock(&epoll_links_lock);
	mutex_lock(&ep->lock);
	HASH_ITER(hh, ep->items, l, tmp)
		item_remove(l);
	mutex_unlock(&ep->lock);
	mutex_unlock(&epoll_links_lock);
}

void epoll_file_gone(struct file *f)
{
	struct epoll_link *l;

	/* Nobody can add f any more: it has no reference left. */
	if (!f->epoll)
		return;
	mutex_lock(&epoll_links_lock);
	while ((l = f->epoll)) {
		struct epoll *ep = l->ep;

		mutex_lock(&ep->lock);
		item_remove(l);
		mutex_unlock(&ep->lock);
	}
	mutex_unlock(&epoll_links_lock);
}
