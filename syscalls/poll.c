/* SPDX-License-Identifier: Apache-2.0 */
/* poll(2), ppoll(2), select(2), pselect6(2).
 *
 * All four make a list of (file, wanted bits), look at every file once, and only if nothing was ready and time is left put a
 * waiter on every file's queue and look again before sleeping. Files are held by reference over the whole call, as in the kernel:
 * a descriptor closed by another thread meanwhile does not end the wait.
 */
#include "fs/fdtable.h"
#include "kernel/signal.h"
#include "syscalls/sigmask.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

struct polled {
	struct file *file; /* NULL: nothing to look at */
	struct waitq *q; /* where `waiter` is, or NULL */
	struct waiter waiter;
	uint32_t events, revents;
};

enum { POLLED_INLINE = 16 };

struct poll_list {
	struct polled *v;
	size_t count;
	struct polled on_stack[POLLED_INLINE];
};

static int list_init(struct poll_list *l, size_t count)
{
	l->count = count;
	l->v = count > POLLED_INLINE ? calloc(count, sizeof(*l->v)) : l->on_stack;
	if (!l->v)
		return -ENOMEM;
	if (l->v == l->on_stack)
		memset(l->on_stack, 0, count * sizeof(*l->v));
	return 0;
}

static void list_fini(struct poll_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->v[i].file)
			file_put(l->v[i].file);
	if (l->v != l->on_stack)
		free(l->v);
}

/* How many are ready; their revents are set. */
static int list_look(struct poll_list *l)
{
	int ready = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct polled *p = &l->v[i];

		if (p->file)
			p->revents = file_poll(p->file) & (p->events | POLLERR | POLLHUP);
		ready += p->revents != 0;
	}
	return ready;
}

static void list_register(struct poll_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct polled *p = &l->v[i];

		if (!p->file || !p->file->ops->waitq)
			continue;
		p->q = p->file->ops->waitq(p->file);
		waiter_init(&p->waiter, sleeper_self(), p->events | POLLERR | POLLHUP);
		if (p->q)
			waitq_add(p->q, &p->waiter);
	}
}

static void list_unregister(struct poll_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->v[i].q)
			waitq_remove(l->v[i].q, &l->v[i].waiter);
}

/* The number of ready files, 0 at the deadline, -EINTR. */
static int list_wait(struct task *t, struct poll_list *l, int64_t deadline)
{
	int ready = list_look(l), err = 0;

	if (ready || deadline == 0)
		return ready;
	list_register(l);
	while (!(ready = list_look(l))) {
		err = task_sleep(t, deadline);
		if (err)
			break;
	}
	list_unregister(l);
	return ready ? ready : err == -EINTR ? -EINTR : 0;
}

/* A relative time to a deadline; 0 stays 0: do not wait at all. */
static int64_t deadline_in(int64_t ns)
{
	int64_t now;

	if (ns == NO_DEADLINE || ns == 0)
		return ns;
	now = mono_now();
	return ns > NO_DEADLINE - 1 - now ? NO_DEADLINE - 1 : now + ns;
}

/* --- poll --- */

static int64_t poll_load(struct task *t, uint64_t addr, unsigned count, struct pollfd **fds, struct poll_list *l)
{
	int err;

	if (count > task_rlimit(t, RLIMIT_NOFILE))
		return -EINVAL;
	*fds = malloc(MAX(count, 1U) * sizeof(**fds));
	if (!*fds)
		return -ENOMEM;
	err = guest_read(t->mm, *fds, addr, count * sizeof(**fds));
	if (!err)
		err = list_init(l, count);
	if (err) {
		free(*fds);
		return err;
	}
	for (unsigned i = 0; i < count; i++) {
		if ((*fds)[i].fd < 0)
			continue;
		l->v[i].file = fd_lookup(t->files, (*fds)[i].fd);
		l->v[i].events = (uint16_t)(*fds)[i].events;
		if (!l->v[i].file)
			l->v[i].revents = POLLNVAL;
	}
	return 0;
}

/* Only revents is written back, as the kernel does: the rest may have been changed by another thread. */
static int poll_store(struct task *t, uint64_t addr, const struct poll_list *l, struct pollfd *fds)
{
	struct pollfd now;

	for (size_t i = 0; i < l->count; i++) {
		uint64_t at = addr + i * sizeof(now) + offsetof(struct pollfd, revents);
		short revents = (short)l->v[i].revents;
		int err;

		if (revents == fds[i].revents)
			continue;
		err = guest_write(t->mm, at, &revents, sizeof(revents));
		if (err)
			return err;
	}
	return 0;
}

static int64_t do_poll(struct task *t, uint64_t addr, unsigned count, int64_t deadline)
{
	struct poll_list l;
	struct pollfd *fds;
	int64_t r = poll_load(t, addr, count, &fds, &l);
	int err;

	if (r)
		return r;
	r = list_wait(t, &l, deadline);
	if (r >= 0) {
		err = poll_store(t, addr, &l, fds);
		if (err)
			r = err;
	}
	list_fini(&l);
	free(fds);
	return r;
}

static int64_t poll_restart(struct task *t)
{
	int64_t r = do_poll(t, t->restart.args[0], (unsigned)t->restart.args[1], t->restart.deadline);

	return r == -EINTR ? -ERESTART_RESTARTBLOCK : r;
}

SYSCALL_DECLARE(poll)
{
	int timeout = (int)a[2];
	int64_t deadline = deadline_in(timeout < 0 ? NO_DEADLINE : (int64_t)timeout * 1000000);
	int64_t r = do_poll(t, a[0], (unsigned)a[1], deadline);

	if (r != -EINTR)
		return r;
	t->restart.fn = poll_restart;
	t->restart.deadline = deadline;
	t->restart.args[0] = a[0];
	t->restart.args[1] = a[1];
	return -ERESTART_RESTARTBLOCK;
}

/* ppoll and pselect6 tell how much time was left; failing to is no error. */
static void store_time_left(struct task *t, uint64_t addr, int64_t deadline)
{
	int64_t left;

	if (!addr)
		return;
	left = deadline ? deadline - mono_now() : 0;
	(void)!syscall_write_timespec(t, addr, MAX(left, 0));
}

SYSCALL_DECLARE(ppoll)
{
	int64_t ns = NO_DEADLINE, deadline, r;
	int err;

	if (a[2] && (err = syscall_timespec(t, a[2], &ns)))
		return err;
	deadline = deadline_in(ns);
	err = sigmask_begin(t, a[3], a[4]);
	if (err)
		return err;
	r = do_poll(t, a[0], (unsigned)a[1], deadline);
	r = sigmask_end(t, a[3], r == -EINTR ? -ERESTARTNOHAND : r);
	store_time_left(t, a[2], deadline);
	return r;
}

/* --- select --- */

enum { SET_IN, SET_OUT, SET_EX, SETS };
/* What select(2)'s three sets mean in poll's words (the kernel's POLLIN_SET and its like). */
static const uint32_t set_events[SETS] = {
	POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	POLLPRI,
};

struct select_sets {
	unsigned count; /* descriptors */
	size_t words;
	uint64_t *in[SETS], *storage;
	uint64_t addr[SETS];
};

static int sets_load(struct task *t, struct select_sets *s, int count, const uint64_t addr[SETS])
{
	int err = 0;

	if (count < 0)
		return -EINVAL;
	s->count = (unsigned)MIN(count, 1 << 20);
	s->words = (s->count + 63) / 64;
	s->storage = calloc(SETS * MAX(s->words, 1), sizeof(uint64_t));
	if (!s->storage)
		return -ENOMEM;
	for (int i = 0; i < SETS && !err; i++) {
		s->in[i] = s->storage + (size_t)i * s->words;
		s->addr[i] = addr[i];
		if (addr[i] && s->words)
			err = guest_read(t->mm, s->in[i], addr[i], s->words * 8);
	}
	if (err)
		free(s->storage);
	return err;
}

static bool set_has(const struct select_sets *s, int set, unsigned fd)
{
	return s->in[set][fd / 64] >> (fd % 64) & 1;
}

static uint32_t wanted_events(const struct select_sets *s, unsigned fd)
{
	uint32_t events = 0;

	for (int i = 0; i < SETS; i++)
		if (set_has(s, i, fd))
			events |= set_events[i];
	return events;
}

static int sets_files(struct task *t, const struct select_sets *s, struct poll_list *l, unsigned *fds)
{
	size_t n = 0;

	for (unsigned fd = 0; fd < s->count; fd++) {
		uint32_t events = wanted_events(s, fd);

		if (!events)
			continue;
		l->v[n].file = fd_lookup(t->files, (int)fd);
		if (!l->v[n].file)
			return -EBADF;
		l->v[n].events = events;
		fds[n++] = fd;
	}
	return 0;
}

/* The results replace the sets; the return value is the number of bits set. */
static int64_t sets_store(struct task *t, struct select_sets *s, const struct poll_list *l, const unsigned *fds)
{
	int64_t bits = 0;
	int err = 0;

	for (int i = 0; i < SETS; i++) {
		if (!s->addr[i] || !s->words)
			continue;
		for (size_t k = 0; k < l->count; k++) {
			unsigned fd = fds[k];
			bool on = set_has(s, i, fd) && (l->v[k].revents & set_events[i]);

			bits += on;
			if (!on)
				s->in[i][fd / 64] &= ~(1ULL << (fd % 64));
		}
		err = guest_write(t->mm, s->addr[i], s->in[i], s->words * 8);
		if (err)
			return err;
	}
	return bits;
}

static size_t sets_population(const struct select_sets *s)
{
	size_t n = 0;

	/* Bits at and above count do not count; clear them so that they come back as zero too. */
	for (int i = 0; i < SETS; i++)
		if (s->words && s->count % 64)
			s->in[i][s->words - 1] &= (1ULL << (s->count % 64)) - 1;
	for (size_t w = 0; w < s->words; w++)
		n += (size_t)__builtin_popcountll(s->in[SET_IN][w] | s->in[SET_OUT][w] | s->in[SET_EX][w]);
	return n;
}

static int64_t do_select(struct task *t, int count, const uint64_t addr[SETS], int64_t deadline)
{
	struct select_sets s;
	struct poll_list l;
	unsigned *fds;
	int64_t r = sets_load(t, &s, count, addr);

	if (r)
		return r;
	r = list_init(&l, sets_population(&s));
	if (r)
		goto out_sets;
	fds = malloc(MAX(l.count, 1) * sizeof(*fds));
	if (!fds) {
		r = -ENOMEM;
		goto out_list;
	}
	r = sets_files(t, &s, &l, fds);
	if (!r)
		r = list_wait(t, &l, deadline);
	if (r >= 0)
		r = sets_store(t, &s, &l, fds);
	free(fds);
out_list:
	list_fini(&l);
out_sets:
	free(s.storage);
	return r;
}

SYSCALL_DECLARE(select)
{
	struct timeval tv;
	int64_t deadline = NO_DEADLINE, left, r;
	int err;

	if (a[4]) {
		err = guest_read(t->mm, &tv, a[4], sizeof(tv));
		if (err)
			return err;
		if (tv.tv_sec < 0 || tv.tv_usec < 0)
			return -EINVAL;
		/* More than a second of microseconds is accepted and carried over. */
		tv.tv_sec = MIN(tv.tv_sec, INT64_MAX / 2000000000);
		tv.tv_usec = MIN(tv.tv_usec, INT64_MAX / 2000000);
		deadline = deadline_in(tv.tv_sec * 1000000000 + tv.tv_usec * 1000);
	}
	r = do_select(t, (int)a[0], &a[1], deadline);
	if (a[4]) {
		left = deadline ? MAX(deadline - mono_now(), 0) : 0;
		tv = (struct timeval){ .tv_sec = left / 1000000000, .tv_usec = left % 1000000000 / 1000 };
		(void)!guest_write(t->mm, a[4], &tv, sizeof(tv));
	}
	return r == -EINTR ? -ERESTARTNOHAND : r;
}

SYSCALL_DECLARE(pselect6)
{
	int64_t ns = NO_DEADLINE, deadline, r;
	uint64_t mask[2] = { 0, 0 }; /* address and size */
	int err;

	if (a[5] && (err = guest_read(t->mm, mask, a[5], sizeof(mask))))
		return err;
	if (a[4] && (err = syscall_timespec(t, a[4], &ns)))
		return err;
	deadline = deadline_in(ns);
	err = sigmask_begin(t, mask[0], mask[1]);
	if (err)
		return err;
	r = do_select(t, (int)a[0], &a[1], deadline);
	r = sigmask_end(t, mask[0], r == -EINTR ? -ERESTARTNOHAND : r);
	store_time_left(t, a[4], deadline);
	return r;
}
