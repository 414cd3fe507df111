/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness of host descriptors.
 *
 * One thread sits in a host epoll. A descriptor is armed for one report at a time and only by a call that found nothing ready
 * while somebody waits, so a sandbox whose guests never wait for the host has no such thread, and one whose guests
 * sleep spends nothing. A report notifies the wait queue; whoever still finds nothing arms again.
 *
 * Sockets of the host's network are watched instead: each edge is reported, from the first wait to the end, since an edge-triggered guest may
 * wait for news without having found nothing.
 *
 * What signals tell of (O_ASYNC) is watched too. Sending needs tasks_lock, which comes before notify_lock.
 */
#include "base/log.h"
#include "fs/host_fd.h"
#include "kernel/signal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct entry {
	LIST_ENTRY(entry) link;
	int fd;
	struct waitq *q;
	bool watched; /* every edge is reported */
	host_notify_fn *async; /* NULL: nobody is told by a signal */
	uint32_t armed; /* what the host epoll reports next; 0 after a report */
};

enum { BUCKETS = 256, ALL_EVENTS = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP };

static struct mutex notify_lock = MUTEX_INITIALIZER;
static LIST_HEAD(bucket, entry) buckets[BUCKETS] GUARDED_BY(notify_lock);
static int epoll_fd GUARDED_BY(notify_lock) = -1;

static struct bucket *bucket_of(int fd) REQUIRES(notify_lock)
{
	return &buckets[(unsigned)fd % BUCKETS];
}

static struct entry *entry_find(int fd) REQUIRES(notify_lock)
{
	struct entry *e;

	LIST_FOREACH(e, bucket_of(fd), link)
		if (e->fd == fd)
			return e;
	return NULL;
}

/* The entry may be gone by now, or another one's: that one hears of what it is told at its start anyway. */
static void report_async(int fd, uint32_t events)
{
	struct entry *e;

	mutex_lock(&tasks_lock);
	mutex_lock(&notify_lock);
	e = entry_find(fd);
	if (e && e->async)
		e->async(e->q, events);
	mutex_unlock(&notify_lock);
	mutex_unlock(&tasks_lock);
}

static void report(int fd, uint32_t events)
{
	struct entry *e;
	bool async = false;

	mutex_lock(&notify_lock);
	e = entry_find(fd);
	if (e) {
		e->armed = 0;
		if (events & (EPOLLERR | EPOLLHUP))
			events |= EPOLLIN | EPOLLOUT;
		if (events & EPOLLIN)
			events |= EPOLLRDNORM;
		if (events & EPOLLOUT)
			events |= EPOLLWRNORM;
		waitq_notify(e->q, events);
		async = e->async;
	}
	mutex_unlock(&notify_lock);
	if (async)
		report_async(fd, events);
}

static void *notifier(void *arg)
{
	int ep = *(int *)arg;
	struct epoll_event ev[8];

	free(arg);
	for (;;) {
		int n = epoll_wait(ep, ev, ARRAY_SIZE(ev), -1);

		for (int i = 0; i < n; i++)
			report(ev[i].data.fd, ev[i].events);
		if (n < 0 && errno != EINTR)
			return NULL;
	}
}

static int start_thread(int ep)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int *arg = malloc(sizeof(*arg));
	int err;

	if (!arg)
		return -ENOMEM;
	*arg = ep;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, MAX(PTHREAD_STACK_MIN, 65536));
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&thread, &attr, notifier, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		free(arg);
	return err;
}

static int start_locked(void) REQUIRES(notify_lock)
{
	int ep, err;

	if (epoll_fd >= 0)
		return 0;
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		return -errno;
	err = start_thread(ep);
	if (err) {
		close(ep);
		return err;
	}
	epoll_fd = ep;
	return 0;
}

/* mode: EPOLLONESHOT or EPOLLET. */
static int arm_locked(int fd, struct waitq *q, uint32_t events, uint32_t mode) REQUIRES(notify_lock)
{
	struct entry *e = entry_find(fd);
	struct epoll_event ev = { .data.fd = fd };
	int op = e ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (e && (e->watched || (mode == EPOLLONESHOT && (e->armed & events) == events)))
		return 0;
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->fd = fd;
		e->q = q;
		LIST_INSERT_HEAD(bucket_of(fd), e, link);
	}
	e->watched = mode == EPOLLET;
	e->armed |= events;
	ev.events = e->armed | mode;
	if (epoll_ctl(epoll_fd, op, fd, &ev)) {
		int err = -errno;

		LIST_REMOVE(e, link);
		free(e);
		return err;
	}
	return 0;
}

static int arm(int fd, struct waitq *q, uint32_t events, uint32_t mode)
{
	int err;

	mutex_lock(&notify_lock);
	err = start_locked();
	if (!err)
		err = arm_locked(fd, q, events & ALL_EVENTS, mode);
	mutex_unlock(&notify_lock);
	if (err)
		log_debug("cannot watch host descriptor %d: error %d", fd, -err);
	return err;
}

int host_notify_arm(int fd, struct waitq *q, uint32_t events)
{
	return arm(fd, q, events, EPOLLONESHOT);
}

int host_notify_watch(int fd, struct waitq *q)
{
	return arm(fd, q, ALL_EVENTS, EPOLLET);
}

int host_notify_async(int fd, struct waitq *q, host_notify_fn *fn)
{
	int err = host_notify_watch(fd, q);
	struct entry *e;

	if (err)
		return err;
	mutex_lock(&notify_lock);
	e = entry_find(fd);
	if (e)
		e->async = fn;
	mutex_unlock(&notify_lock);
	return 0;
}

void host_notify_forget(int fd)
{
	struct entry *e;

	mutex_lock(&notify_lock);
	e = entry_find(fd);
	if (e) {
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		LIST_REMOVE(e, link);
		free(e);
	}
	mutex_unlock(&notify_lock);
}
