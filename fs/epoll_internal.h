/* SPDX-License-Identifier: Apache-2.0 */
/* What epoll.c (waiting), epoll_ctl.c (changing) and epoll_nest.c (epolls in epolls) share. */
#ifndef FS_EPOLL_INTERNAL_H
#define FS_EPOLL_INTERNAL_H

#include "base/hash.h"
#include "fs/event.h"

#include <sys/queue.h>

/* Item keys are compared as bytes: no padding. */
struct epoll_key {
	struct file *file; /* borrowed: epoll_file_gone() removes the item */
	int64_t fd;
};

/* One (file, descriptor number) that an epoll watches. */
struct epoll_link {
	struct epoll_key key;
	struct epoll *ep;
	uint32_t events; /* ep->lock to change; atomic enough for the callback through `waiter.events` */
	uint64_t data; /* ep->lock */
	struct waitq *q; /* where waiter is; NULL if the file never changes */
	struct waiter waiter;
	TAILQ_ENTRY(epoll_link) ready; /* ep->ready_lock */
	bool is_ready; /* ep->ready_lock */
	struct epoll_link *next_of_file, *prev_of_file; /* links_lock: the list at file->epoll */
	UT_hash_handle hh; /* ep->lock */
};

struct epoll {
	struct mutex lock;
	struct epoll_link *items; /* lock: hash by key */
	size_t count; /* lock */
	struct mutex ready_lock;
	TAILQ_HEAD(epoll_ready, epoll_link) ready; /* ready_lock */
	size_t ready_count; /* ready_lock */
	struct waitq waitq;
	struct file *file; /* the epoll's own; borrowed */
	uint64_t walk; /* links_lock: the last walk that came here, and what it found out (epoll_nest.c) */
	int depth;
};

/* Protects file->epoll lists, the graph of nested epolls, and every addition and removal of items. Above epoll.lock. */
extern struct mutex epoll_links_lock;

extern const struct file_ops epoll_ops;
static inline struct epoll *epoll_of(const struct file *f)
{
	return f->private;
}

/* Puts the item on the ready list; true if it was not there. ready_lock is taken. */
bool epoll_mark_ready(struct epoll_link *l);
void epoll_unmark_ready(struct epoll_link *l);
/* Wakes who waits for ep. */
void epoll_wake(struct epoll *ep);
/* May ep watch target? -ELOOP. links_lock is held. */
int epoll_check_nesting(struct epoll *ep, struct file *target) MUST_CHECK;
/* Now that l is on its lists, is there no file with too many ways to be told along? links_lock is held. */
bool epoll_paths_ok(struct epoll_link *l) MUST_CHECK;
/* Releases every item. */
void epoll_clear(struct epoll *ep);

#endif
