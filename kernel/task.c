/* SPDX-License-Identifier: Apache-2.0 */
/* Task objects: making, finding, waking and freeing them. See task.h for the theory of operation.
 *
 * References. The sentry thread that runs a task holds one for as long as the task lives; a group holds one on its
 * leader until it is reaped, so that a zombie still has a name and credentials. A task holds one on its group; the
 * parent's list of children holds another. What a number names (ids.c) is borrowed. */
#include "base/log.h"
#include "kernel/seccomp.h"
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct mutex tasks_lock = MUTEX_INITIALIZER;
const struct kernel_hooks *kernel_hooks;
struct thread_group *init_group;

static _Thread_local struct task *current;
static struct utsname uts;
static cpu_set_t cpus;

static size_t task_limit;
static _Atomic size_t task_count; /* tasks reserved: living, being made or ending */
static _Atomic uint64_t tasks_made, groups_made;

/* Functions started with platform_start() that have not returned yet. */
static pthread_mutex_t functions_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t functions_cond;
static int functions;

void kernel_init(const struct kernel_hooks *hooks)
{
	pthread_condattr_t attr;

	kernel_hooks = hooks;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&functions_cond, &attr);
	pthread_condattr_destroy(&attr);
	/* Taken once: later on the platform binds threads to processors. */
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		CPU_SET(0, &cpus);
	kernel_uts();
}

void kernel_set_task_limit(size_t max)
{
	task_limit = max;
}

void kernel_task_counts(uint64_t *groups, uint64_t *tasks)
{
	*groups = atomic_load(&groups_made);
	*tasks = atomic_load(&tasks_made);
}

const cpu_set_t *kernel_cpus(void)
{
	return &cpus;
}

const struct utsname *kernel_uts(void)
{
	if (!uts.sysname[0] && uname(&uts) < 0)
		memcpy(uts.sysname, "Linux", 6);
	return &uts;
}

void kernel_set_hostname(const char *hostname)
{
	kernel_uts();
	if (hostname)
		snprintf(uts.nodename, sizeof(uts.nodename), "%.64s", hostname);
}

struct task *task_self(void)
{
	return current;
}

void task_set_self(struct task *t)
{
	current = t;
	sleeper_set_self(t ? &t->sleeper : NULL);
}

/* --- room --- */

bool task_reserve(struct task *for_task)
{
	size_t limit = task_limit ? task_limit : SIZE_MAX;
	size_t count = atomic_fetch_add(&task_count, 1);

	/* setrlimit(2): root is not held to RLIMIT_NPROC. */
	if (for_task && for_task->cred->uid)
		limit = MIN(limit, task_rlimit(for_task, RLIMIT_NPROC));
	if (count < limit)
		return true;
	task_unreserve();
	return false;
}

void task_unreserve(void)
{
	atomic_fetch_sub(&task_count, 1);
}

/* --- objects --- */

struct task_start *task_start_new(const struct user_regs_struct *regs, size_t xstate_size)
{
	struct task_start *s = malloc(sizeof(*s) + xstate_size);

	if (!s)
		return NULL;
	s->regs = *regs;
	s->xstate_size = xstate_size;
	return s;
}

struct task *task_new(struct thread_group *tg)
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	ref_init(&t->ref);
	group_get(tg);
	t->tg = tg;
	sleeper_init(&t->sleeper);
	sigpending_init(&t->pending);
	LIST_INIT(&t->tracees);
	t->syscall = task_syscall;
	t->altstack.flags = SS_DISABLE;
	t->affinity = cpus;
	t->timer_slack = 50000;
	debug_registers_init(&t->debug);
	t->start_time = mono_now();
	return t;
}

/* Everything that refers to the outside has been given back by task_finish(), or by the maker that failed. */
static void task_free(struct task *t)
{
	if (t->sighand)
		sighand_put(t->sighand);
	if (t->cred)
		cred_put(t->cred);
	seccomp_drop_filters(t);
	free(t->start);
	group_put(t->tg);
	free(t);
}

void task_get(struct task *t)
{
	ref_get(&t->ref);
}

void task_put(struct task *t)
{
	if (ref_put(&t->ref))
		task_free(t);
}

void task_publish_locked(struct task *t)
{
	struct pid_slot *s = ids_find_locked(t->tid);
	struct thread_group *tg = t->tg;

	if (!s)
		panic("task %d has no number", t->tid);
	s->task = t;
	TAILQ_INSERT_TAIL(&tg->tasks, t, tg_link);
	tg->task_count++;
	tg->live_count++;
	atomic_fetch_add(&tasks_made, 1);
	if (tg->leader)
		return;
	task_get(t);
	tg->leader = t;
	s->group = tg;
	atomic_fetch_add(&groups_made, 1);
}

/* --- lookup --- */

struct task *task_find_locked(pid_t tid)
{
	struct pid_slot *s = ids_find_locked(tid);

	return s ? s->task : NULL;
}

struct thread_group *group_find_locked(pid_t tgid)
{
	struct pid_slot *s = ids_find_locked(tgid);

	return s ? s->group : NULL;
}

struct thread_group *group_next_locked(pid_t after)
{
	for (pid_t id = ids_next_locked(after + 1); id; id = ids_next_locked(id + 1)) {
		struct thread_group *tg = group_find_locked(id);

		if (tg)
			return tg;
	}
	return NULL;
}

struct pgroup *pgroup_find_locked(pid_t id)
{
	struct pid_slot *s = ids_find_locked(id);

	return s ? s->pgroup : NULL;
}

struct task *task_lookup(pid_t tid)
{
	mutex_lock(&tasks_lock);
	struct task *t = task_find_locked(tid);

	if (t)
		task_get(t);
	mutex_unlock(&tasks_lock);
	return t;
}

size_t groups_list(pid_t *out, size_t max)
{
	size_t n = 0;

	mutex_lock(&tasks_lock);
	for (struct thread_group *tg = group_next_locked(0); tg && n < max; tg = group_next_locked(tg->tgid))
		out[n++] = tg->tgid;
	mutex_unlock(&tasks_lock);
	return n;
}

static int compare_ids(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

size_t group_tasks_list(pid_t tgid, pid_t *out, size_t max)
{
	size_t n = 0;

	mutex_lock(&tasks_lock);
	struct thread_group *tg = group_find_locked(tgid);
	if (tg) {
		struct task *t;

		/* Linux lists a dead leader for as long as the group exists. */
		if (tg->leader && tg->leader->dead && n < max)
			out[n++] = tgid;
		TAILQ_FOREACH(t, &tg->tasks, tg_link)
			if (n < max)
				out[n++] = t->tid;
	}
	mutex_unlock(&tasks_lock);
	qsort(out, n, sizeof(*out), compare_ids);
	return n;
}

/* --- waking and sleeping --- */

void task_kick_locked(struct task *t)
{
	mutex_assert_held(&tasks_lock);
	atomic_store(&t->work, true);
	sleeper_interrupt(&t->sleeper);
	if (t->ctx && t != current)
		platform_interrupt(t->ctx);
}

int task_sleep(struct task *t, int64_t deadline)
{
	platform_block_begin(t->ctx);
	int r = sleep_until(deadline);
	platform_block_end(t->ctx);
	atomic_fetch_add_explicit(&t->nvcsw, 1, memory_order_relaxed);
	return r;
}

bool task_interrupted(struct task *t)
{
	return atomic_load(&t->work);
}

int task_wait_killable(struct task *t, bool (*done)(struct task *t))
{
	int r = -EAGAIN;

	for (;;) {
		mutex_lock(&tasks_lock);
		if (done(t))
			r = 0;
		else if (t->exit_pending)
			r = -EINTR;
		mutex_unlock(&tasks_lock);
		if (r != -EAGAIN)
			return r;
		/* A signal that does not kill keeps `work` set, so it is looked at afterwards; here it must not make us spin. */
		if (task_sleep(t, NO_DEADLINE) == -EINTR)
			sleeper_clear_interrupt(&t->sleeper);
	}
}

/* --- contexts --- */

int task_start_running(struct task *t)
{
	pthread_mutex_lock(&functions_mutex);
	functions++;
	pthread_mutex_unlock(&functions_mutex);
	int r = platform_start(mm_as(t->mm), task_run, t);
	if (r < 0)
		task_function_ended();
	return r;
}

void task_function_ended(void)
{
	pthread_mutex_lock(&functions_mutex);
	functions--;
	pthread_cond_broadcast(&functions_cond);
	pthread_mutex_unlock(&functions_mutex);
}

void kernel_wait_functions(int remaining, int64_t deadline)
{
	struct timespec ts = { .tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000 };
	int r = 0;

	pthread_mutex_lock(&functions_mutex);
	while (functions > remaining && r != ETIMEDOUT)
		r = deadline == NO_DEADLINE ? pthread_cond_wait(&functions_cond, &functions_mutex) :
					      pthread_cond_timedwait(&functions_cond, &functions_mutex, &ts);
	pthread_mutex_unlock(&functions_mutex);
}

void kernel_wait_all(void)
{
	kernel_wait_functions(0, NO_DEADLINE);
}
