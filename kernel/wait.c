/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for children: wait(2). Which children count, and which of their changes may be collected, follows the manual page's
 * flags; that a zombie does not count as a child for a caller without WEXITED follows Linux. */
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>

int wait_status_code(int status)
{
	if (status == 0xffff)
		return CLD_CONTINUED;
	if (WIFSTOPPED(status))
		return CLD_STOPPED;
	if (WIFEXITED(status))
		return CLD_EXITED;
	return WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
}

int wait_status_value(int status)
{
	if (status == 0xffff)
		return SIGCONT;
	if (WIFSTOPPED(status))
		return WSTOPSIG(status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

/* Is c a child that the request is about? */
static bool eligible(const struct task *t, const struct wait_request *w, const struct thread_group *c)
{
	switch (w->kind) {
	case WAIT_FOR_PID:
		if (c->tgid != w->id)
			return false;
		break;
	case WAIT_FOR_PGROUP:
		if (c->pgroup->id != w->id)
			return false;
		break;
	case WAIT_FOR_GROUP:
		if (c != w->group)
			return false;
		break;
	case WAIT_FOR_ANY:
		break;
	}
	if ((w->options & __WNOTHREAD) && c->parent_tid != t->tid)
		return false;
	if (w->options & __WALL)
		return true;
	return (c->exit_signal != SIGCHLD) == !!(w->options & __WCLONE);
}

static void fill_result(struct thread_group *c, int status, struct wait_result *out)
{
	*out = (struct wait_result){
		.pid = c->tgid,
		.uid = c->leader->cred->uid,
		.status = status,
		.code = wait_status_code(status),
	};
}

static void collect_zombie_locked(struct thread_group *self, struct thread_group *c, bool keep,
				  struct wait_result *out) REQUIRES(tasks_lock)
{
	fill_result(c, c->exit_status, out);
	out->usage = c->dead_tasks;
	usage_add(&out->usage, &c->dead_children);
	if (keep)
		return;
	usage_add(&self->dead_children, &out->usage);
	group_reap_locked(c);
}

/* Looks at one eligible child. True when it had something to collect; *waitable when it may have some day. */
static bool collect_locked(struct thread_group *self, struct thread_group *c, int options, bool *waitable,
			   struct wait_result *out) REQUIRES(tasks_lock)
{
	bool keep = options & WNOWAIT;

	/* What the caller's process traces is waited for as that: ptrace_wait.c. */
	if (trace_by_parent_locked(c)) {
		*waitable |= c->state != GROUP_ZOMBIE || (options & WEXITED);
		return false;
	}
	if (c->state == GROUP_ZOMBIE) {
		if (trace_hides_end_locked(c)) {
			*waitable = true;
			return false;
		}
		if (!(options & WEXITED))
			return false;
		collect_zombie_locked(self, c, keep, out);
		return true;
	}
	*waitable = true;
	if ((options & WSTOPPED) && c->wait_stopped) {
		fill_result(c, c->stop_signal << 8 | 0x7f, out);
		if (!keep)
			c->wait_stopped = false;
		return true;
	}
	if ((options & WCONTINUED) && c->wait_continued) {
		fill_result(c, 0xffff, out);
		if (!keep)
			c->wait_continued = false;
		return true;
	}
	return false;
}

/* The pid collected, 0 when nothing is ready, or -ECHILD. */
static int64_t scan(struct task *t, const struct wait_request *w, struct wait_result *out)
{
	struct thread_group *c;
	bool waitable = false;
	int64_t r = 0;

	mutex_lock(&tasks_lock);
	TAILQ_FOREACH(c, &t->tg->children, sibling)
		if (eligible(t, w, c) && collect_locked(t->tg, c, w->options, &waitable, out)) {
			r = out->pid;
			break;
		}
	if (!r)
		r = trace_wait_locked(t, w, &waitable, out);
	mutex_unlock(&tasks_lock);
	return r ? r : waitable ? 0 : -ECHILD;
}

int64_t process_wait(struct task *t, const struct wait_request *w, struct wait_result *out)
{
	struct waiter waiter;
	int64_t r = scan(t, w, out);

	if (r || (w->options & WNOHANG))
		return r;
	waiter_init(&waiter, &t->sleeper, POLLIN);
	waitq_add(&t->tg->child_wait, &waiter);
	while (!(r = scan(t, w, out)))
		if (task_sleep(t, NO_DEADLINE) == -EINTR) {
			r = -ERESTARTSYS;
			break;
		}
	waitq_remove(&t->tg->child_wait, &waiter);
	return r;
}
