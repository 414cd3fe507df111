/* SPDX-License-Identifier: Apache-2.0 */
/* Signal-driven input and output: O_ASYNC, F_SETOWN, F_SETSIG; fcntl(2), "Managing signals".
 *
 * Theory of operation. What an open file has of this (an owner, a signal, O_ASYNC) is kept apart in a struct file_owner, made when it is
 * first asked for; most files never have one. A source of events, such as a pipe, a socket or a terminal, has an async_list
 * of the owners of its files, and tells it what happened after its own lock is dropped: a load and a branch while the list is empty. So the
 * signal is pending when the call that caused it returns, as on Linux. A file is on the list from when it first gets an owner or
 * O_ASYNC: urgent data is signalled to owners without O_ASYNC too.
 *
 * An owner is a number and the number's serial, as Linux keeps a struct pid: it is gone with whom it named, and whoever has the number later
 * does not count. Whoever made it the owner is remembered by user ids, for such a user must be allowed to signal.
 *
 * Locks: all is protected by tasks_lock, since sending needs it. file.owner is set once.
 */
#include "fs/async.h"

#include "kernel/cred.h"
#include "kernel/task.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct file_owner {
	struct async_list *list; /* NULL: the file tells of no events */
	struct file_owner *next; /* in list */
	bool on; /* O_ASYNC */
	int fd; /* the descriptor by which that was set: si_fd */
	int type; /* F_OWNER_* */
	pid_t id; /* 0: nobody */
	uint64_t serial; /* of id */
	int signal; /* F_SETSIG */
	uid_t uid, euid; /* of who chose the owner */
};

static const long bands[] = {
	[POLL_IN] = POLLIN | POLLRDNORM, [POLL_OUT] = POLLOUT | POLLWRNORM | POLLWRBAND, [POLL_MSG] = POLLIN | POLLRDNORM | POLLMSG,
	[POLL_ERR] = POLLERR, [POLL_PRI] = POLLPRI | POLLRDBAND, [POLL_HUP] = POLLHUP | POLLERR,
};

/* --- sending --- */

static bool permitted(const struct file_owner *o, const struct task *t) REQUIRES(tasks_lock)
{
	const struct cred *c = t->cred;

	return !o->euid || o->euid == c->suid || o->euid == c->uid || o->uid == c->suid || o->uid == c->uid;
}

/* Signals whose si_code means something else already: theirs says just that the signal is about a file. */
static bool has_own_codes(int sig)
{
	return sig == SIGILL || sig == SIGFPE || sig == SIGSEGV || sig == SIGBUS || sig == SIGTRAP || sig == SIGCHLD || sig == SIGSYS;
}

static int send(struct task *t, const siginfo_t *info, bool group) REQUIRES(tasks_lock)
{
	return group ? signal_send_group_locked(t->tg, info) : signal_send_task_locked(t, info);
}

/* One task or, through any of its tasks, a group. code 0: urgent data. */
static void tell(const struct file_owner *o, struct task *t, int code) REQUIRES(tasks_lock)
{
	siginfo_t info = signal_info(o->signal, has_own_codes(o->signal) ? SI_SIGIO : code, NULL);
	bool group = o->type != F_OWNER_TID;

	if (!permitted(o, t))
		return;
	if (code && o->signal) {
		info.si_band = bands[code];
		info.si_fd = o->fd;
		if (!send(t, &info, group))
			return;
		/* Its queue is full: the plain signal says that something was lost. */
	}
	info = signal_info(code ? SIGIO : SIGURG, SI_KERNEL, NULL);
	(void)!send(t, &info, group);
}

/* The task that has the number, or leads the process which has it: zombies count. */
static struct task *task_of(pid_t id) REQUIRES(tasks_lock)
{
	struct task *t = task_find_locked(id);
	struct thread_group *tg = t ? NULL : group_find_locked(id);

	return tg ? tg->leader : t;
}

static void tell_owner(const struct file_owner *o, int code) REQUIRES(tasks_lock)
{
	struct thread_group *tg, *next;
	struct pgroup *pg;
	struct task *t;

	if (!o->id || pid_serial_locked(o->id) != o->serial)
		return;
	if (o->type != F_OWNER_PGRP) {
		t = task_of(o->id);
		if (t)
			tell(o, t, code);
		return;
	}
	pg = pgroup_find_locked(o->id);
	for (tg = pg ? LIST_FIRST(&pg->members) : NULL; tg; tg = next) {
		next = LIST_NEXT(tg, pgroup_link);
		if (tg->leader)
			tell(o, tg->leader, code);
	}
}

void async_notify_locked(struct async_list *l, int code)
{
	for (struct file_owner *o = l->first; o; o = o->next)
		if (o->on)
			tell_owner(o, code);
}

void async_urgent_locked(struct async_list *l)
{
	for (struct file_owner *o = l->first; o; o = o->next) {
		tell_owner(o, 0);
		/* Who has a signal of its own for news hears of this by it too. */
		if (o->id && o->on && o->signal)
			tell_owner(o, POLL_PRI);
	}
}

void async_notify_slow(struct async_list *l, int code)
{
	mutex_lock(&tasks_lock);
	async_notify_locked(l, code);
	mutex_unlock(&tasks_lock);
}

void async_urgent_slow(struct async_list *l)
{
	mutex_lock(&tasks_lock);
	async_urgent_locked(l);
	mutex_unlock(&tasks_lock);
}

/* --- owners --- */

/* f's, made if it has none. NULL: no memory. */
static struct file_owner *owner_get(struct file *f)
{
	struct file_owner *o = atomic_load(&f->owner), *made;

	if (o)
		return o;
	made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	made->list = f->ops->async ? f->ops->async(f) : NULL;
	mutex_lock(&tasks_lock);
	o = atomic_load(&f->owner);
	if (!o) {
		o = made;
		if (o->list) {
			o->next = o->list->first;
			o->list->first = o;
		}
		atomic_store(&f->owner, o);
	}
	mutex_unlock(&tasks_lock);
	if (o != made)
		free(made);
	return o;
}

static void own_locked(struct file_owner *o, const struct task *t, int type, pid_t id) REQUIRES(tasks_lock)
{
	o->type = type;
	o->id = id;
	o->serial = id ? pid_serial_locked(id) : 0;
	if (id) {
		o->uid = t->cred->uid;
		o->euid = t->cred->euid;
	}
}

int async_set_owner(struct task *t, struct file *f, int type, pid_t id)
{
	struct file_owner *o = owner_get(f);
	int err = 0;

	if (!o)
		return -ENOMEM;
	mutex_lock(&tasks_lock);
	if (id && !pid_serial_locked(id))
		err = -ESRCH;
	else
		own_locked(o, t, type, id);
	mutex_unlock(&tasks_lock);
	return err;
}

int async_set_owner_signed(struct task *t, struct file *f, int id)
{
	if (id == INT_MIN)
		return -EINVAL;
	return async_set_owner(t, f, id < 0 ? F_OWNER_PGRP : F_OWNER_PID, id < 0 ? -id : id);
}

static bool is_there(const struct file_owner *o) REQUIRES(tasks_lock)
{
	if (!o->id || pid_serial_locked(o->id) != o->serial)
		return false;
	if (o->type == F_OWNER_PGRP)
		return pgroup_find_locked(o->id);
	return o->type == F_OWNER_PID ? group_find_locked(o->id) != NULL : task_of(o->id) != NULL;
}

pid_t async_get_owner(struct file *f, int *type)
{
	const struct file_owner *o = atomic_load(&f->owner);
	pid_t id = 0;

	*type = F_OWNER_TID;
	if (!o)
		return 0;
	mutex_lock(&tasks_lock);
	*type = o->type;
	if (is_there(o))
		id = o->id;
	mutex_unlock(&tasks_lock);
	return id;
}

int async_get_owner_signed(struct file *f)
{
	int type;
	pid_t id = async_get_owner(f, &type);

	return type == F_OWNER_PGRP ? -id : id;
}

int async_set_signal(struct file *f, int sig)
{
	struct file_owner *o = owner_get(f);

	if (!o)
		return -ENOMEM;
	mutex_lock(&tasks_lock);
	o->signal = sig;
	mutex_unlock(&tasks_lock);
	return 0;
}

int async_get_signal(struct file *f)
{
	const struct file_owner *o = atomic_load(&f->owner);
	int sig = 0;

	if (!o)
		return 0;
	mutex_lock(&tasks_lock);
	sig = o->signal;
	mutex_unlock(&tasks_lock);
	return sig;
}

/* --- O_ASYNC --- */

int async_set(struct task *t, struct file *f, int fd, bool on)
{
	struct file_owner *o;
	pid_t foreground = 0;

	if (!f->ops->async)
		return -ENOTTY;
	if (!on && !atomic_load(&f->owner))
		return 0;
	o = owner_get(f);
	if (!o)
		return -ENOMEM;
	if (on && f->ops->async_owner)
		foreground = f->ops->async_owner(f);
	mutex_lock(&tasks_lock);
	if (on && f->ops->async_owner && !o->id)
		own_locked(o, t, foreground ? F_OWNER_PGRP : F_OWNER_PID, foreground ? foreground : t->tg->tgid);
	if (on)
		f->flags |= O_ASYNC;
	else if (o->on)
		f->flags &= ~O_ASYNC;
	o->on = on;
	o->fd = fd;
	mutex_unlock(&tasks_lock);
	return 0;
}

void async_release(struct file *f)
{
	struct file_owner *o = atomic_load(&f->owner), *at;

	if (!o)
		return;
	mutex_lock(&tasks_lock);
	if (o->list && o->list->first == o) {
		o->list->first = o->next;
	} else if (o->list) {
		for (at = o->list->first; at->next != o; at = at->next)
			;
		at->next = o->next;
	}
	mutex_unlock(&tasks_lock);
	free(o);
}
