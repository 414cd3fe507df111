/* SPDX-License-Identifier: Apache-2.0 */
/* File locks.
 *
 * Theory of operation. An inode that was ever locked has a lock list: whole-file locks of flock(2) and records of fcntl(2), each with
 * its owner. The record locks of one owner never overlap; setting one first cuts what it covers out of the owner's others. A request
 * that conflicts waits on the inode's queue and tries again whenever something was unlocked.
 *
 * POSIX locks that would wait in a circle are refused (EDEADLK): while a request waits it says whom it waits for; a new
 * waiter follows those edges from its blocker, and if they lead back to itself, gives up. See fcntl_locking(2).
 *
 * One mutex guards all of it: locks are rare, short, and their deadlock search spans inodes. It is a leaf.
 */
#include "fs/locks.h"

#include "fs/vfs_internal.h"
#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>

enum lock_kind { LOCK_FLOCK, LOCK_POSIX, LOCK_OFD };

struct lock {
	TAILQ_ENTRY(lock) link;
	enum lock_kind kind;
	short type; /* F_RDLCK, F_WRLCK */
	const void *owner;
	pid_t pid;
	uint64_t start, end; /* inclusive */
};

struct lock_list {
	TAILQ_HEAD(, lock) locks;
	struct waitq queue;
	struct inode *inode; /* borrowed */
	LIST_ENTRY(lock_list) link; /* of all lists */
};

/* A POSIX request that waits. */
struct lock_wait {
	LIST_ENTRY(lock_wait) link;
	const void *owner, *blocker;
};

enum { LOCKS_MAX = 65536 };

static struct mutex locks_lock = MUTEX_INITIALIZER;
static LIST_HEAD(, lock_list) lists = LIST_HEAD_INITIALIZER(lists);
static LIST_HEAD(, lock_wait) waits = LIST_HEAD_INITIALIZER(waits);
static _Atomic int lock_count;

bool locks_any(void)
{
	return lock_count > 0;
}

static struct lock_list *list_get_locked(struct inode *i)
{
	struct lock_list *l = i->locks;

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	TAILQ_INIT(&l->locks);
	waitq_init(&l->queue);
	l->inode = i;
	LIST_INSERT_HEAD(&lists, l, link);
	i->locks = l;
	return l;
}

static void remove_locked(struct lock_list *l, struct lock *k)
{
	TAILQ_REMOVE(&l->locks, k, link);
	lock_count--;
	free(k);
}

void locks_inode_release(struct inode *i)
{
	struct lock_list *l = i->locks;

	mutex_lock(&locks_lock);
	while (!TAILQ_EMPTY(&l->locks))
		remove_locked(l, TAILQ_FIRST(&l->locks));
	LIST_REMOVE(l, link);
	mutex_unlock(&locks_lock);
	free(l);
	i->locks = NULL;
}

static bool same_family(enum lock_kind a, enum lock_kind b)
{
	return (a == LOCK_FLOCK) == (b == LOCK_FLOCK);
}

static struct lock *conflict_locked(struct lock_list *l, const struct lock *want)
{
	struct lock *k;

	TAILQ_FOREACH(k, &l->locks, link) {
		if (!same_family(k->kind, want->kind) || (k->owner == want->owner && k->kind == want->kind))
			continue;
		if (k->start > want->end || want->start > k->end)
			continue;
		if (k->type == F_WRLCK || want->type == F_WRLCK)
			return k;
	}
	return NULL;
}

/* Cuts [start, end] out of the owner's locks. `spare` becomes the second half where one is split. */
static void cut_locked(struct lock_list *l, const struct lock *r, struct lock **spare)
{
	struct lock *k, *next;

	for (k = TAILQ_FIRST(&l->locks); k; k = next) {
		next = TAILQ_NEXT(k, link);
		if (k->owner != r->owner || k->kind != r->kind || k->start > r->end || r->start > k->end)
			continue;
		if (k->start < r->start && k->end > r->end) {
			struct lock *tail = *spare;

			*spare = NULL;
			*tail = *k;
			tail->start = r->end + 1;
			k->end = r->start - 1;
			TAILQ_INSERT_AFTER(&l->locks, k, tail, link);
			lock_count++;
		} else if (k->start < r->start) {
			k->end = r->start - 1;
		} else if (k->end > r->end) {
			k->start = r->end + 1;
		} else {
			remove_locked(l, k);
		}
	}
}

/* The locks of one owner lie together, by their starts: F_GETLK tells the first that conflicts. */
static void insert_locked(struct lock_list *l, struct lock *k)
{
	struct lock *o, *last = NULL;

	TAILQ_FOREACH(o, &l->locks, link) {
		if (o->owner != k->owner || o->kind != k->kind)
			continue;
		if (o->start > k->start) {
			TAILQ_INSERT_BEFORE(o, k, link);
			lock_count++;
			return;
		}
		last = o;
	}
	if (last)
		TAILQ_INSERT_AFTER(&l->locks, last, k, link);
	else
		TAILQ_INSERT_TAIL(&l->locks, k, link);
	lock_count++;
}

/* Joins k with the owner's neighbours of the same type. */
static void join_locked(struct lock_list *l, struct lock *k)
{
	struct lock *o, *next;

	for (o = TAILQ_FIRST(&l->locks); o; o = next) {
		next = TAILQ_NEXT(o, link);
		if (o == k || o->owner != k->owner || o->kind != k->kind || o->type != k->type)
			continue;
		if ((o->end != UINT64_MAX && o->end + 1 == k->start) || (k->end != UINT64_MAX && k->end + 1 == o->start)) {
			k->start = MIN(k->start, o->start);
			k->end = MAX(k->end, o->end);
			remove_locked(l, o);
		}
	}
}

/* Sets or removes what `want` says, if nothing conflicts. The two spares are used up as needed. */
static int apply_locked(struct lock_list *l, const struct lock *want, struct lock *spare[2], const void **blocker)
{
	struct lock *k;

	if (want->type != F_UNLCK) {
		k = conflict_locked(l, want);
		if (k) {
			*blocker = k->kind == LOCK_POSIX ? k->owner : NULL;
			return -EAGAIN;
		}
	}
	cut_locked(l, want, &spare[0]);
	if (want->type == F_UNLCK)
		return 0;
	k = spare[1];
	spare[1] = NULL;
	*k = *want;
	insert_locked(l, k);
	join_locked(l, k);
	return 0;
}

/* Would waiting for `blocker` close a circle? */
static bool deadlock_locked(const void *owner, const void *blocker)
{
	for (int steps = 0; blocker && steps < 64; steps++) {
		struct lock_wait *w;

		if (blocker == owner)
			return true;
		LIST_FOREACH(w, &waits, link)
			if (w->owner == blocker)
				break;
		blocker = w ? w->blocker : NULL;
	}
	return false;
}

struct attempt {
	struct lock_list *list;
	const struct lock *want;
	struct lock *spare[2];
	struct lock_wait wait;
	bool waiting, may_wait;
};

static int try_once(struct attempt *a)
{
	const void *blocker = NULL;
	int r;

	mutex_lock(&locks_lock);
	if (a->waiting)
		LIST_REMOVE(&a->wait, link);
	a->waiting = false;
	r = lock_count >= LOCKS_MAX && a->want->type != F_UNLCK ? -ENOLCK : apply_locked(a->list, a->want, a->spare, &blocker);
	if (r == -EAGAIN && a->may_wait && a->want->kind == LOCK_POSIX) {
		if (deadlock_locked(a->want->owner, blocker)) {
			r = -EDEADLK;
		} else {
			a->wait.owner = a->want->owner;
			a->wait.blocker = blocker;
			LIST_INSERT_HEAD(&waits, &a->wait, link);
			a->waiting = true;
		}
	}
	mutex_unlock(&locks_lock);
	return r;
}

static int wait_for(struct task *t, struct attempt *a)
{
	struct waiter w;
	int r, e = 0;

	waiter_init(&w, sleeper_self(), POLLIN);
	waitq_add(&a->list->queue, &w);
	while ((r = try_once(a)) == -EAGAIN && !e)
		e = task_sleep(t, NO_DEADLINE);
	waitq_remove(&a->list->queue, &w);
	mutex_lock(&locks_lock);
	if (a->waiting)
		LIST_REMOVE(&a->wait, link);
	a->waiting = false;
	mutex_unlock(&locks_lock);
	return r == -EAGAIN ? -ERESTARTSYS : r;
}

static int set_lock(struct task *t, struct inode *i, const struct lock *want, bool wait)
{
	struct attempt a = { .want = want, .may_wait = wait };
	int r = -ENOLCK;

	a.spare[0] = malloc(sizeof(struct lock));
	a.spare[1] = malloc(sizeof(struct lock));
	mutex_lock(&locks_lock);
	a.list = list_get_locked(i);
	mutex_unlock(&locks_lock);
	if (a.list && a.spare[0] && a.spare[1]) {
		r = wait && want->type != F_UNLCK ? wait_for(t, &a) : try_once(&a);
		/* Less may be locked than before: by an unlock, or by a write lock that became a read lock. */
		if (!r)
			waitq_notify(&a.list->queue, POLLIN);
	}
	free(a.spare[0]);
	free(a.spare[1]);
	return r;
}

int lock_flock(struct task *t, struct file *f, int op, bool nonblock)
{
	struct lock want = { .kind = LOCK_FLOCK, .owner = f, .pid = t->tg->tgid, .end = UINT64_MAX };
	struct lock none;

	want.type = op == LOCK_SH ? F_RDLCK : op == LOCK_EX ? F_WRLCK : F_UNLCK;
	/* A conversion that must wait, or that fails, has given the old lock up: flock(2) says that it is not atomic. */
	if (want.type != F_UNLCK) {
		int r = set_lock(t, f->inode, &want, false);

		if (r != -EAGAIN)
			return r;
		none = want;
		none.type = F_UNLCK;
		r = set_lock(t, f->inode, &none, false);
		if (r || nonblock)
			return r ? r : -EAGAIN;
	}
	return set_lock(t, f->inode, &want, !nonblock);
}

static struct lock record(const struct lock_request *r)
{
	return (struct lock){ .kind = r->pid < 0 ? LOCK_OFD : LOCK_POSIX, .type = r->type, .owner = r->owner, .pid = r->pid,
			      .start = r->start, .end = r->end };
}

int lock_record(struct task *t, const struct lock_request *r, bool wait)
{
	struct lock want = record(r);

	return set_lock(t, r->file->inode, &want, wait);
}

bool lock_record_test(const struct lock_request *r, struct lock_request *found)
{
	struct lock want = record(r), *k = NULL;

	mutex_lock(&locks_lock);
	if (r->file->inode->locks)
		k = conflict_locked(r->file->inode->locks, &want);
	if (k) {
		found->type = k->type;
		found->pid = k->kind == LOCK_OFD ? -1 : k->pid;
		found->start = k->start;
		found->end = k->end;
	}
	mutex_unlock(&locks_lock);
	return k;
}

/* Drops every lock of owner on i that is of one of the kinds. */
static void drop_owner(struct inode *i, const void *owner, bool posix)
{
	struct lock_list *l;
	struct lock *k, *next;
	bool changed = false;

	mutex_lock(&locks_lock);
	l = i->locks;
	for (k = l ? TAILQ_FIRST(&l->locks) : NULL; k; k = next) {
		next = TAILQ_NEXT(k, link);
		if (k->owner == owner && (k->kind == LOCK_POSIX) == posix) {
			remove_locked(l, k);
			changed = true;
		}
	}
	mutex_unlock(&locks_lock);
	if (changed)
		waitq_notify(&l->queue, POLLIN);
}

void locks_posix_close(struct file *f, const void *owner)
{
	drop_owner(f->inode, owner, true);
}

void locks_file_release(struct file *f)
{
	if (locks_any())
		drop_owner(f->inode, f, false);
}

void locks_walk(void (*fn)(void *arg, const char *kind, short type, pid_t pid, uint64_t dev, uint64_t ino, uint64_t start, uint64_t end),
		void *arg)
{
	static const char *const names[] = { "FLOCK", "POSIX", "OFDLCK" };
	struct lock_list *l;
	struct lock *k;

	mutex_lock(&locks_lock);
	LIST_FOREACH(l, &lists, link)
		TAILQ_FOREACH(k, &l->locks, link)
			fn(arg, names[k->kind], k->type, k->pid, l->inode->fs->dev, l->inode->ino, k->start, k->end);
	mutex_unlock(&locks_lock);
}
