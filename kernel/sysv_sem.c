/* SPDX-License-Identifier: Apache-2.0 */
/* System V semaphores: semget(2), semop(2), semctl(2).
 *
 * Theory of operation. A call's operations happen all at once or not at all. What cannot happen yet waits in the set's queue, and
 * whoever changes a value tries the queue in order until nothing more can happen: so a waiter is served by the state it waited
 * for even if that lasts for no time at all. The server stores the result and wakes the sleeper; the waiter only looks at its result.
 *
 * SEM_UNDO: a set keeps, per process, what its end is to add to each semaphore. Values set by semctl forget it.
 */
#include "kernel/sysv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PENDING = 1 };

struct sem_one {
	int value;
	pid_t pid;
};

struct sem_undo {
	LIST_ENTRY(sem_undo) link;
	const struct thread_group *group; /* borrowed: it takes its undos along when it ends */
	int adjust[];
};

struct sem_wait {
	TAILQ_ENTRY(sem_wait) link;
	const struct sembuf *ops;
	size_t count;
	struct sem_undo *undo;
	pid_t pid;
	struct sleeper *sleeper;
	int blocked_on; /* index of the operation */
	int result; /* PENDING while queued */
};

/* All but the constant count is protected by sysv_lock. */
struct sem_set {
	struct sysv_object object;
	LIST_ENTRY(sem_set) link; /* of all sets, for the end of processes */
	int count;
	time_t otime, ctime;
	TAILQ_HEAD(, sem_wait) waiters;
	LIST_HEAD(, sem_undo) undos;
	struct sem_one sems[];
};

static LIST_HEAD(, sem_set) all_sets GUARDED_BY(sysv_lock) = LIST_HEAD_INITIALIZER(all_sets);

static struct sem_set *set_from(struct sysv_object *o)
{
	return CONTAINER_OF(o, struct sem_set, object);
}

static void set_free(struct sysv_object *o)
{
	struct sem_set *s = set_from(o);
	struct sem_undo *u;

	while ((u = LIST_FIRST(&s->undos))) {
		LIST_REMOVE(u, link);
		free(u);
	}
	free(s);
}

static int set_fits(struct sysv_object *o, size_t count)
{
	return count > (size_t)set_from(o)->count ? -EINVAL : 0;
}

static int set_make(struct task *t, const struct sysv_get *g, struct sysv_object **out) REQUIRES(sysv_lock)
{
	struct sem_set *s;

	(void)t;
	if (!g->size)
		return -EINVAL;
	s = calloc(1, sizeof(*s) + g->size * sizeof(s->sems[0]));
	if (!s)
		return -ENOMEM;
	s->count = (int)g->size;
	s->ctime = time(NULL);
	s->object.free = set_free;
	TAILQ_INIT(&s->waiters);
	LIST_INIT(&s->undos);
	LIST_INSERT_HEAD(&all_sets, s, link);
	*out = &s->object;
	return 0;
}

int sem_get(struct task *t, key_t key, int count, int flags)
{
	struct sysv_get g = { .kind = SYSV_SEM, .key = key, .flags = flags, .size = (size_t)count, .fits = set_fits, .make = set_make };

	return count < 0 || count > SEM_SET_MAX ? -EINVAL : sysv_get(t, &g);
}

/* --- operations --- */

/* Does w's operations: 0, PENDING (blocked_on says where), or an errno; nothing is changed but by success. */
static int perform_locked(struct sem_set *s, struct sem_wait *w) REQUIRES(sysv_lock)
{
	int r = 0;
	size_t i;

	for (i = 0; i < w->count && !r; i++) {
		const struct sembuf *op = &w->ops[i];
		struct sem_one *sem = &s->sems[op->sem_num];
		int value = sem->value + op->sem_op, *adjust = op->sem_flg & SEM_UNDO ? &w->undo->adjust[op->sem_num] : NULL;

		if ((!op->sem_op && sem->value) || value < 0)
			r = op->sem_flg & IPC_NOWAIT ? -EAGAIN : PENDING;
		else if (value > SEM_VALUE_MAX_V)
			r = -ERANGE;
		else if (adjust && (*adjust - op->sem_op < -SEM_VALUE_MAX_V - 1 || *adjust - op->sem_op > SEM_VALUE_MAX_V))
			r = -ERANGE;
		if (r)
			break;
		sem->value = value;
		if (adjust)
			*adjust -= op->sem_op;
	}
	w->blocked_on = (int)i;
	while (r && i--) {
		const struct sembuf *op = &w->ops[i];

		s->sems[op->sem_num].value -= op->sem_op;
		if (op->sem_flg & SEM_UNDO)
			w->undo->adjust[op->sem_num] += op->sem_op;
	}
	for (i = 0; !r && i < w->count; i++)
		s->sems[w->ops[i].sem_num].pid = w->pid;
	return r;
}

static void finish_locked(struct sem_set *s, struct sem_wait *w, int result) REQUIRES(sysv_lock)
{
	TAILQ_REMOVE(&s->waiters, w, link);
	w->result = result;
	sleeper_wake(w->sleeper);
}

/* A value has changed: serves whoever can go on, from the front again after each. */
static void serve_locked(struct sem_set *s) REQUIRES(sysv_lock)
{
	struct sem_wait *w = TAILQ_FIRST(&s->waiters);

	while (w) {
		struct sem_wait *next = TAILQ_NEXT(w, link);
		int r = perform_locked(s, w);

		if (r != PENDING)
			finish_locked(s, w, r);
		if (!r) {
			s->otime = time(NULL);
			next = TAILQ_FIRST(&s->waiters);
		}
		w = next;
	}
}

static struct sem_undo *undo_of_locked(struct sem_set *s, const struct thread_group *group) REQUIRES(sysv_lock)
{
	struct sem_undo *u;

	LIST_FOREACH(u, &s->undos, link)
		if (u->group == group)
			return u;
	u = calloc(1, sizeof(*u) + (size_t)s->count * sizeof(u->adjust[0]));
	if (u) {
		u->group = group;
		LIST_INSERT_HEAD(&s->undos, u, link);
	}
	return u;
}

/* What the operations need, before they are tried. */
static int check_locked(struct task *t, struct sem_set *s, struct sem_wait *w) REQUIRES(sysv_lock)
{
	bool alters = false, undo = false;
	int err;

	for (size_t i = 0; i < w->count; i++) {
		if (w->ops[i].sem_num >= s->count)
			return -EFBIG;
		alters |= w->ops[i].sem_op != 0;
		undo |= (w->ops[i].sem_flg & SEM_UNDO) != 0;
	}
	err = sysv_permits_locked(t, &s->object, alters ? 0222 : 0444);
	if (err)
		return err;
	if (undo && !(w->undo = undo_of_locked(s, t->tg)))
		return -ENOMEM;
	return 0;
}

static int sleep_for(struct task *t, struct sem_set *s, struct sem_wait *w, int64_t deadline)
{
	int r = 0;

	for (;;) {
		mutex_lock(&sysv_lock);
		if (w->result == PENDING && r) {
			TAILQ_REMOVE(&s->waiters, w, link);
			w->result = r == -ETIMEDOUT ? -EAGAIN : r;
		}
		r = w->result;
		mutex_unlock(&sysv_lock);
		if (r != PENDING)
			return r;
		r = task_sleep(t, deadline);
	}
}

int sem_operate(struct task *t, int id, const struct sembuf *ops, size_t count, int64_t deadline)
{
	struct sem_wait w = { .ops = ops, .count = count, .pid = t->tg->tgid, .sleeper = sleeper_self() };
	struct sysv_object *o = NULL;
	struct sem_set *s;
	int r;

	mutex_lock(&sysv_lock);
	r = sysv_find_locked(SYSV_SEM, id, &o);
	if (r) {
		mutex_unlock(&sysv_lock);
		return r;
	}
	s = set_from(o);
	r = check_locked(t, s, &w);
	if (!r)
		r = perform_locked(s, &w);
	if (r == PENDING) {
		w.result = PENDING;
		TAILQ_INSERT_TAIL(&s->waiters, &w, link);
	} else if (!r) {
		s->otime = time(NULL);
		serve_locked(s);
	}
	mutex_unlock(&sysv_lock);
	if (r == PENDING)
		r = sleep_for(t, s, &w, deadline);
	sysv_put(o);
	return r;
}

static void undo_locked(struct sem_set *s, struct sem_undo *u, pid_t pid) REQUIRES(sysv_lock)
{
	for (int i = 0; i < s->count; i++) {
		struct sem_one *sem = &s->sems[i];

		if (!u->adjust[i])
			continue;
		sem->value = MIN(MAX(sem->value + u->adjust[i], 0), (int)SEM_VALUE_MAX_V);
		sem->pid = pid;
	}
	LIST_REMOVE(u, link);
	free(u);
	s->otime = time(NULL);
	serve_locked(s);
}

void sem_group_exited(struct thread_group *tg)
{
	struct sem_set *s;

	mutex_lock(&sysv_lock);
	LIST_FOREACH(s, &all_sets, link) {
		struct sem_undo *u, *next;

		for (u = LIST_FIRST(&s->undos); u; u = next) {
			next = LIST_NEXT(u, link);
			if (u->group == tg)
				undo_locked(s, u, tg->tgid);
		}
	}
	mutex_unlock(&sysv_lock);
}

/* --- semctl --- */

int sem_stat(struct task *t, int id, int cmd, struct semid_ds *out)
{
	struct sysv_object *o;
	int r;

	mutex_lock(&sysv_lock);
	r = sysv_find_stat_locked(t, SYSV_SEM, id, cmd != IPC_STAT, cmd == SEM_STAT_ANY, &o);
	if (!r) {
		struct sem_set *s = set_from(o);

		*out = (struct semid_ds){ .sem_otime = s->otime, .sem_ctime = s->ctime, .sem_nsems = (unsigned long)s->count };
		sysv_describe_locked(o, &out->sem_perm);
		r = cmd == IPC_STAT ? 0 : o->id;
	}
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return r;
}

int sem_set_perm(struct task *t, int id, const struct semid_ds *from)
{
	struct sysv_object *o = NULL;
	int err;

	mutex_lock(&sysv_lock);
	err = sysv_find_owned_locked(t, SYSV_SEM, id, &o);
	if (!err) {
		sysv_set_locked(o, &from->sem_perm);
		set_from(o)->ctime = time(NULL);
	}
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return err;
}

int sem_remove(struct task *t, int id)
{
	struct sysv_object *o = NULL;
	int err;

	mutex_lock(&sysv_lock);
	err = sysv_find_owned_locked(t, SYSV_SEM, id, &o);
	if (!err) {
		struct sem_set *s = set_from(o);
		struct sem_wait *w;

		while ((w = TAILQ_FIRST(&s->waiters)))
			finish_locked(s, w, -EIDRM);
		LIST_REMOVE(s, link);
		sysv_remove_locked(o);
	}
	mutex_unlock(&sysv_lock);
	if (!err)
		sysv_put(o);
	sysv_put(o);
	return err;
}

/* How many calls wait for semaphore `index` to grow, or (zero) to become 0. */
static int waiting_locked(struct sem_set *s, int index, bool zero) REQUIRES(sysv_lock)
{
	struct sem_wait *w;
	int n = 0;

	TAILQ_FOREACH(w, &s->waiters, link) {
		const struct sembuf *op = &w->ops[w->blocked_on];

		n += op->sem_num == index && (op->sem_op == 0) == zero;
	}
	return n;
}

int sem_ask(struct task *t, int id, int index, int cmd)
{
	struct sysv_object *o = NULL;
	struct sem_set *s;
	int r;

	mutex_lock(&sysv_lock);
	r = sysv_find_permitted_locked(t, SYSV_SEM, id, 0444, &o);
	s = o ? set_from(o) : NULL;
	if (!r && (index < 0 || index >= s->count))
		r = -EINVAL;
	if (!r && cmd == GETVAL)
		r = s->sems[index].value;
	else if (!r && cmd == GETPID)
		r = s->sems[index].pid;
	else if (!r)
		r = waiting_locked(s, index, cmd == GETZCNT);
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return r;
}

static void store_locked(struct task *t, struct sem_set *s, int index, int value) REQUIRES(sysv_lock)
{
	struct sem_undo *u;

	s->sems[index].value = value;
	s->sems[index].pid = t->tg->tgid;
	LIST_FOREACH(u, &s->undos, link)
		u->adjust[index] = 0;
}

int sem_set_value(struct task *t, int id, int index, int value)
{
	struct sysv_object *o = NULL;
	struct sem_set *s;
	int r;

	if (value < 0 || value > SEM_VALUE_MAX_V)
		return -ERANGE;
	mutex_lock(&sysv_lock);
	r = sysv_find_locked(SYSV_SEM, id, &o);
	s = o ? set_from(o) : NULL;
	if (!r && (index < 0 || index >= s->count))
		r = -EINVAL;
	if (!r)
		r = sysv_permits_locked(t, o, 0222);
	if (!r) {
		store_locked(t, s, index, value);
		s->ctime = time(NULL);
		serve_locked(s);
	}
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return r;
}

int sem_count(struct task *t, int id)
{
	struct sysv_object *o = NULL;
	int r;

	(void)t;
	mutex_lock(&sysv_lock);
	r = sysv_find_locked(SYSV_SEM, id, &o);
	if (!r)
		r = set_from(o)->count;
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return r;
}

int sem_get_all(struct task *t, int id, unsigned short *values, int count)
{
	struct sysv_object *o = NULL;
	int r;

	mutex_lock(&sysv_lock);
	r = sysv_find_permitted_locked(t, SYSV_SEM, id, 0444, &o);
	if (!r && set_from(o)->count != count)
		r = -EIDRM; /* another set by now */
	for (int i = 0; !r && i < count; i++)
		values[i] = (unsigned short)set_from(o)->sems[i].value;
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return r;
}

int sem_set_all(struct task *t, int id, const unsigned short *values, int count)
{
	struct sysv_object *o = NULL;
	int r;

	for (int i = 0; i < count; i++)
		if (values[i] > SEM_VALUE_MAX_V)
			return -ERANGE;
	mutex_lock(&sysv_lock);
	r = sysv_find_permitted_locked(t, SYSV_SEM, id, 0222, &o);
	if (!r && set_from(o)->count != count)
		r = -EIDRM;
	if (!r) {
		for (int i = 0; i < count; i++)
			store_locked(t, set_from(o), i, values[i]);
		set_from(o)->ctime = time(NULL);
		serve_locked(set_from(o));
	}
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return r;
}

int sem_usage(int *sets, int *semaphores)
{
	struct sem_set *s;
	int highest;

	*semaphores = 0;
	mutex_lock(&sysv_lock);
	highest = sysv_highest_locked(SYSV_SEM, sets);
	LIST_FOREACH(s, &all_sets, link)
		*semaphores += s->count;
	mutex_unlock(&sysv_lock);
	return highest;
}
