/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: actions, masks, queues.
 *
 * Theory of operation. A signal goes through four stages, a file each:
 *
 *   sending (signal_send.c)    checks whether it is ignored, undoes stops or continues, queues an entry on the task or the
 *                              group, picks the task that shall take it and tells it.
 *   stopping (signal_stop.c)   the group stops and goes on; the parent hears of it.
 *   delivery (signal_deliver.c) on the task's own sentry thread, before it returns to its guest: takes the next signal, runs default
 *                              actions, decides whether an interrupted call restarts.
 *   frames (signal_frame.c)    the handler's frame on the guest's stack, and the way back from it.
 *
 * Invariants, all under tasks_lock:
 *   - a bit of a pending set may be on without an entry (the queue was full: signal without details), never the reverse;
 *   - a standard signal (1..31) has at most one entry in a queue, but for entries that timers own;
 *   - SIGKILL and SIGSTOP are never in a task's blocked set;
 *   - a task that has an unblocked pending signal has its `work` flag on, or another task of the group that can take the
 *     signal has;
 *   - an entry with a timer belongs to that timer and is never freed here.
 *
 * Pid 1 has no protection from signals, unlike the init process of a pid namespace: here it is an ordinary program that somebody started
 * from a shell, and Ctrl-C or `kill -TERM $$` must do to it what they do outside.
 *
 * Behaviour follows signal(7), sigaction(2), sigaltstack(2), rt_sigqueueinfo(2) and, where these are silent, what
 * Linux does.
 */
#include "kernel/signal_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { WAITQ_COUNT = 16 };

static struct waitq signal_queues[WAITQ_COUNT];
static pthread_once_t queues_once = PTHREAD_ONCE_INIT;

static void init_queues(void)
{
	for (int i = 0; i < WAITQ_COUNT; i++)
		waitq_init(&signal_queues[i]);
}

/* Queues are shared by groups and live for ever: a signalfd in an epoll set may outlive the group that watched. Whoever is
 * woken for another group's signal looks once and sleeps again. */
struct waitq *signal_waitq(struct task *t)
{
	pthread_once(&queues_once, init_queues);
	return &signal_queues[(unsigned)t->tg->tgid % WAITQ_COUNT];
}

enum signal_default signal_default_action(int sig)
{
	switch (sig) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
		return SIGNAL_IGNORE;
	case SIGCONT:
		return SIGNAL_CONTINUE;
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return SIGNAL_STOP;
	case SIGQUIT:
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
	case SIGSYS:
	case SIGXCPU:
	case SIGXFSZ:
		return SIGNAL_CORE;
	default:
		return SIGNAL_TERMINATE;
	}
}

/* --- actions --- */

int sighand_new(struct sighand **out)
{
	struct sighand *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	ref_init(&s->ref);
	*out = s;
	return 0;
}

void sighand_ignore(struct sighand *s, sigset_guest set)
{
	for (int sig = 1; sig <= SIGNAL_COUNT; sig++)
		if (set & sig_bit(sig))
			s->actions[sig - 1].handler = signal_handler_ign();
}

int sighand_copy(const struct sighand *s, struct sighand **out)
{
	int r = sighand_new(out);

	if (r)
		return r;
	mutex_lock(&tasks_lock);
	memcpy((*out)->actions, s->actions, sizeof(s->actions));
	mutex_unlock(&tasks_lock);
	return 0;
}

void sighand_put(struct sighand *s)
{
	if (s && ref_put(&s->ref))
		free(s);
}

void sighand_reset(struct sighand *s)
{
	for (int i = 0; i < SIGNAL_COUNT; i++) {
		struct sigaction_guest *act = &s->actions[i];
		bool ignored = act->handler == signal_handler_ign();

		memset(act, 0, sizeof(*act));
		if (ignored)
			act->handler = signal_handler_ign();
	}
}

void signal_exec_locked(struct task *t)
{
	mutex_assert_held(&tasks_lock);
	sighand_reset(t->sighand);
	t->altstack = (struct sigaltstack_guest){ .flags = SS_DISABLE };
	t->restore_mask = false;
}

bool signal_ignored_locked(struct task *t, int sig)
{
	uint64_t handler = t->sighand->actions[sig - 1].handler;
	enum signal_default def = signal_default_action(sig);

	mutex_assert_held(&tasks_lock);
	if (handler == signal_handler_ign())
		return true;
	return handler == signal_handler_dfl() && (def == SIGNAL_IGNORE || def == SIGNAL_CONTINUE);
}

void signal_set_action(struct task *t, int sig, const struct sigaction_guest *act, struct sigaction_guest *old)
{
	mutex_lock(&tasks_lock);
	struct sigaction_guest *slot = &t->sighand->actions[sig - 1];

	if (old)
		*old = *slot;
	if (act) {
		*slot = *act;
		slot->mask &= ~SIGNALS_UNBLOCKABLE;
		/* sigaction(2): what is pending is discarded when its action becomes to ignore it, blocked or not. */
		if (signal_ignored_locked(t, sig))
			signal_flush_group_locked(t->tg, sig_bit(sig));
	}
	mutex_unlock(&tasks_lock);
}

/* --- the alternate stack --- */

/* A stack that disarms itself is never seen as in use: the frame holds its settings meanwhile. */
static bool on_altstack(const struct sigaltstack_guest *ss, uint64_t sp)
{
	return !(ss->flags & (1u << 31)) && sp > ss->sp && sp - ss->sp <= ss->size;
}

struct sigaltstack_guest signal_get_altstack(struct task *t, uint64_t sp)
{
	struct sigaltstack_guest out = { .sp = t->altstack.sp, .size = t->altstack.size };

	if (!t->altstack.size)
		out.flags = SS_DISABLE;
	else if (on_altstack(&t->altstack, sp))
		out.flags = SS_ONSTACK;
	out.flags |= t->altstack.flags & (1u << 31);
	return out;
}

int signal_set_altstack(struct task *t, const struct sigaltstack_guest *ss, uint64_t sp)
{
	struct sigaltstack_guest new = { .sp = ss->sp, .flags = ss->flags, .size = ss->size };
	uint32_t mode = ss->flags & ~(1u << 31);

	if (t->altstack.size && on_altstack(&t->altstack, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE)
		new.sp = new.size = 0;
	else if (new.size < KERNEL_MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack = new;
	return 0;
}

/* --- queues --- */

void sigpending_init(struct sigpending *p)
{
	p->set = 0;
	TAILQ_INIT(&p->queue);
}

void sigpending_remove(struct sigpending *p, sigset_guest set)
{
	struct sigqueue_entry *e, *next;

	if (!(p->set & set))
		return;
	for (e = TAILQ_FIRST(&p->queue); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (!(set & sig_bit(e->info.si_signo)))
			continue;
		TAILQ_REMOVE(&p->queue, e, link);
		e->queue = NULL;
		signal_entry_free(e);
	}
	p->set &= ~set;
}

void sigpending_flush(struct sigpending *p) NO_THREAD_SAFETY_ANALYSIS
{
	sigpending_remove(p, ~0ULL);
}

void sigpending_unlink(struct sigqueue_entry *e)
{
	struct sigpending *p = e->queue;
	struct sigqueue_entry *other;
	int sig = e->info.si_signo;

	TAILQ_REMOVE(&p->queue, e, link);
	e->queue = NULL;
	TAILQ_FOREACH(other, &p->queue, link)
		if (other->info.si_signo == sig)
			return;
	p->set &= ~sig_bit(sig);
}

void signal_flush_group_locked(struct thread_group *tg, sigset_guest set)
{
	struct task *t;

	sigpending_remove(&tg->shared_pending, set);
	TAILQ_FOREACH(t, &tg->tasks, tg_link)
		sigpending_remove(&t->pending, set);
}

/* The first entry of a signal, or a made-up info where the queue had no room for one. */
static void collect(struct sigpending *p, int sig, siginfo_t *out) REQUIRES(tasks_lock)
{
	struct sigqueue_entry *e;

	TAILQ_FOREACH(e, &p->queue, link) {
		if (e->info.si_signo != sig)
			continue;
		sigpending_unlink(e);
		*out = e->info;
		if (e->timer)
			posix_timer_dequeued_locked(e->timer, out);
		signal_entry_free(e);
		return;
	}
	p->set &= ~sig_bit(sig);
	memset(out, 0, sizeof(*out));
	out->si_signo = sig;
	out->si_code = SI_USER;
}

/* Synchronous signals first, then the lowest number, as Linux picks them; 0 if none. */
static int pick(sigset_guest set)
{
	if (!set)
		return 0;
	if (set & SIGNALS_SYNCHRONOUS)
		set &= SIGNALS_SYNCHRONOUS;
	return __builtin_ctzll(set) + 1;
}

bool signal_dequeue_locked(struct task *t, sigset_guest set, siginfo_t *out)
{
	mutex_assert_held(&tasks_lock);
	int sig = pick(t->pending.set & set);

	if (sig) {
		collect(&t->pending, sig, out);
		return true;
	}
	sig = pick(t->tg->shared_pending.set & set);
	if (!sig)
		return false;
	collect(&t->tg->shared_pending, sig, out);
	if (sig == SIGALRM)
		itimer_dequeued_locked(t->tg);
	return true;
}

/* --- masks --- */

void signal_recalc_locked(struct task *t)
{
	if ((t->pending.set | t->tg->shared_pending.set) & ~t->blocked)
		signal_notify_task_locked(t);
}

void signal_set_mask(struct task *t, sigset_guest mask)
{
	mask &= ~SIGNALS_UNBLOCKABLE;
	/* Only t itself changes the mask, so that it may look without the lock. */
	if (mask == t->blocked)
		return;
	mutex_lock(&tasks_lock);
	sigset_guest newly = mask & ~t->blocked;

	t->blocked = mask;
	if (newly)
		signal_retarget_locked(t, newly);
	signal_recalc_locked(t);
	mutex_unlock(&tasks_lock);
}

sigset_guest signal_pending_set(struct task *t)
{
	mutex_lock(&tasks_lock);
	sigset_guest set = t->pending.set | t->tg->shared_pending.set;

	mutex_unlock(&tasks_lock);
	return set;
}

bool signal_pending(struct task *t)
{
	mutex_lock(&tasks_lock);
	bool r = (t->pending.set | t->tg->shared_pending.set) & ~(t->blocked & ~t->wait_set);

	mutex_unlock(&tasks_lock);
	return r;
}
