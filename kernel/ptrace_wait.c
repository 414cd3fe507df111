/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for tracees: wait(2) as ptrace(2) extends it. See ptrace.c for the theory of operation and wait.c for the caller.
 *
 * A tracee is waited for by its own number, thread or not, whatever __WALL and __WCLONE say, and its stops are reported without
 * WUNTRACED. Its end is its tracer's first. A process that has ended is then handed to its parent, unless that was the same. */
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"

#include <sys/wait.h>

static bool eligible_locked(const struct wait_request *w, const struct task *tracee) REQUIRES(tasks_lock)
{
	const struct thread_group *tg = tracee->tg;

	switch (w->kind) {
	case WAIT_FOR_PID:
		return tracee->tid == w->id;
	case WAIT_FOR_PGROUP:
		return tg->pgroup && tg->pgroup->id == w->id;
	case WAIT_FOR_GROUP:
		return tg == w->group && tracee == tg->leader;
	case WAIT_FOR_ANY:
		break;
	}
	return true;
}

static pid_t fill(struct task *tracee, int status, struct wait_result *out) REQUIRES(tasks_lock)
{
	*out = (struct wait_result){
		.pid = tracee->tid,
		.uid = tracee->cred->uid,
		.status = status,
		.code = WIFSTOPPED(status) ? CLD_TRAPPED : wait_status_code(status),
	};
	task_usage_locked(tracee, &out->usage);
	return out->pid;
}

static bool ended_locked(const struct traced *tr) REQUIRES(tasks_lock)
{
	const struct thread_group *tg = tr->tracee->tg;

	return tr->zombie || (tr->tracee == tg->leader && tg->state == GROUP_ZOMBIE);
}

static pid_t collect_end_locked(struct task *t, struct traced *tr, int options, struct wait_result *out) REQUIRES(tasks_lock)
{
	struct task *tracee = tr->tracee;
	struct thread_group *tg = tracee->tg;
	pid_t pid = fill(tracee, tr->zombie ? tr->exit_status : tg->exit_status, out);

	if (!tr->zombie) {
		out->usage = tg->dead_tasks;
		usage_add(&out->usage, &tg->dead_children);
	}
	if (options & WNOWAIT)
		return pid;
	if (tr->zombie) {
		trace_zombie_reap_locked(tr);
	} else if (trace_by_parent_locked(tg)) {
		usage_add(&t->tg->dead_children, &out->usage);
		group_reap_locked(tg);
	} else {
		trace_unlink_locked(tracee);
		group_tell_parent_locked(tg);
	}
	return pid;
}

static pid_t collect_locked(struct task *t, struct traced *tr, int options, bool *waitable,
			    struct wait_result *out) REQUIRES(tasks_lock)
{
	struct trace_stop *s = tr->tracee->ptrace_stop;
	struct thread_group *tg = tr->tracee->tg;
	bool keep = options & WNOWAIT;
	pid_t pid;

	if (ended_locked(tr)) {
		if (!(options & WEXITED))
			return 0;
		return collect_end_locked(t, tr, options, out);
	}
	*waitable = true;
	if (s && s->code && !s->resumed && !tr->listening) {
		pid = fill(tr->tracee, s->code << 8 | 0x7f, out);
		if (!keep)
			s->code = 0;
		return pid;
	}
	if ((options & WCONTINUED) && tg->wait_continued && tr->tracee == tg->leader) {
		pid = fill(tr->tracee, 0xffff, out);
		if (!keep)
			tg->wait_continued = false;
		return pid;
	}
	return 0;
}

/* The tracees of one thread. */
static pid_t scan_locked(struct task *t, struct task *tracer, const struct wait_request *w, bool *waitable,
			 struct wait_result *out) REQUIRES(tasks_lock)
{
	struct traced *tr;
	pid_t pid = 0;

	LIST_FOREACH(tr, &tracer->tracees, link)
		if (eligible_locked(w, tr->tracee) && (pid = collect_locked(t, tr, w->options, waitable, out)))
			break; /* tr may be gone */
	return pid;
}

pid_t trace_wait_locked(struct task *t, const struct wait_request *w, bool *waitable, struct wait_result *out)
{
	struct task *tracer;
	pid_t pid = 0;

	mutex_assert_held(&tasks_lock);
	if (w->options & __WNOTHREAD)
		return scan_locked(t, t, w, waitable, out);
	TAILQ_FOREACH(tracer, &t->tg->tasks, tg_link)
		if ((pid = scan_locked(t, tracer, w, waitable, out)))
			break;
	return pid;
}
