/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and process groups; see credentials(7), setsid(2), setpgid(2).
 *
 * A process group exists while a thread group, zombies included, is its member; a session while a process group belongs to it.
 * Both are borrowed by the table of numbers and by the controlling terminal. */
#include "kernel/task_internal.h"

#include <errno.h>
#include <stdlib.h>

int session_new_locked(pid_t id, struct session **out)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	ref_init(&s->ref);
	s->id = id;
	ids_find_locked(id)->session = s;
	*out = s;
	return 0;
}

void session_put_locked(struct session *s)
{
	if (!ref_put(&s->ref))
		return;
	ids_find_locked(s->id)->session = NULL;
	ids_release_locked(s->id);
	free(s);
}

int pgroup_new_locked(pid_t id, struct session *s, struct pgroup **out)
{
	struct pgroup *pg = calloc(1, sizeof(*pg));

	if (!pg)
		return -ENOMEM;
	ref_init(&pg->ref);
	pg->id = id;
	ref_get(&s->ref);
	pg->session = s;
	LIST_INIT(&pg->members);
	ids_find_locked(id)->pgroup = pg;
	*out = pg;
	return 0;
}

void pgroup_put_locked(struct pgroup *pg)
{
	if (!ref_put(&pg->ref))
		return;
	if (pg->session->foreground == pg)
		pg->session->foreground = NULL;
	ids_find_locked(pg->id)->pgroup = NULL;
	session_put_locked(pg->session);
	ids_release_locked(pg->id);
	free(pg);
}

void group_join_pgroup_locked(struct thread_group *tg, struct pgroup *pg)
{
	struct pgroup *old = tg->pgroup;

	ref_get(&pg->ref);
	if (old)
		LIST_REMOVE(tg, pgroup_link);
	tg->pgroup = pg;
	LIST_INSERT_HEAD(&pg->members, tg, pgroup_link);
	if (old)
		pgroup_put_locked(old);
}

int64_t process_setsid(struct task *t)
{
	struct thread_group *tg = t->tg;
	struct session *s;
	struct pgroup *pg;
	int64_t r = -EPERM;

	mutex_lock(&tasks_lock);
	if (pgroup_find_locked(tg->tgid))
		goto out_unlock;
	r = session_new_locked(tg->tgid, &s);
	if (r < 0)
		goto out_unlock;
	r = pgroup_new_locked(tg->tgid, s, &pg);
	if (!r) {
		group_join_pgroup_locked(tg, pg);
		pgroup_put_locked(pg);
		r = tg->tgid;
	}
	session_put_locked(s);
out_unlock:
	mutex_unlock(&tasks_lock);
	return r;
}

/* Which group setpgid(2) may move: the caller, or a child of it that has not executed a program yet. */
static int setpgid_target_locked(struct thread_group *self, pid_t pid, struct thread_group **out) REQUIRES(tasks_lock)
{
	struct task *target = task_find_locked(pid);

	if (!target)
		return -ESRCH;
	struct thread_group *tg = target->tg;
	if (tg->tgid != pid)
		return -EINVAL;
	if (tg->parent == self) {
		if (tg->pgroup->session != self->pgroup->session)
			return -EPERM;
		if (tg->has_execed)
			return -EACCES;
	} else if (tg != self) {
		return -ESRCH;
	}
	if (tg->pgroup->session->id == tg->tgid)
		return -EPERM;
	*out = tg;
	return 0;
}

int64_t process_setpgid(struct task *t, pid_t pid, pid_t pgid)
{
	struct thread_group *tg;
	struct pgroup *pg;

	if (!pid)
		pid = t->tg->tgid;
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	mutex_lock(&tasks_lock);
	int64_t r = setpgid_target_locked(t->tg, pid, &tg);
	if (r < 0)
		goto out_unlock;
	pg = pgroup_find_locked(pgid);
	if (pg && pg->session == tg->pgroup->session) {
		if (pg != tg->pgroup)
			group_join_pgroup_locked(tg, pg);
	} else if (pg || pgid != pid) {
		r = -EPERM;
	} else {
		r = pgroup_new_locked(pgid, tg->pgroup->session, &pg);
		if (!r) {
			group_join_pgroup_locked(tg, pg);
			pgroup_put_locked(pg);
		}
	}
out_unlock:
	mutex_unlock(&tasks_lock);
	return r;
}

static struct thread_group *relative_locked(struct task *t, pid_t pid) REQUIRES(tasks_lock)
{
	struct task *target = pid ? task_find_locked(pid) : t;

	return target && target->tg->pgroup ? target->tg : NULL;
}

int64_t process_getpgid(struct task *t, pid_t pid)
{
	mutex_lock(&tasks_lock);
	struct thread_group *tg = relative_locked(t, pid);
	int64_t r = tg ? tg->pgroup->id : -ESRCH;
	mutex_unlock(&tasks_lock);
	return r;
}

int64_t process_getsid(struct task *t, pid_t pid)
{
	mutex_lock(&tasks_lock);
	struct thread_group *tg = relative_locked(t, pid);
	int64_t r = tg ? tg->pgroup->session->id : -ESRCH;
	mutex_unlock(&tasks_lock);
	return r;
}

/* POSIX: a group is orphaned when the parent of every member is in the group itself or in another session. The first process is
 * the child of whoever started sbx, as it would be without a sandbox: a shell in its session, who can continue it. */
bool pgroup_orphaned_locked(struct pgroup *pg, const struct thread_group *without)
{
	struct thread_group *tg;

	mutex_assert_held(&tasks_lock);
	LIST_FOREACH(tg, &pg->members, pgroup_link) {
		if (tg == without || tg->state == GROUP_ZOMBIE)
			continue;
		if (tg->tgid == 1)
			return false;
		if (!tg->parent)
			continue;
		if (tg->parent->pgroup != pg && tg->parent->pgroup->session == pg->session)
			return false;
	}
	return true;
}

/* The session loses its terminal with its leader: who is in the foreground is told, as when a line is hung up. */
void session_leader_exit_locked(struct thread_group *tg)
{
	struct session *s = tg->pgroup->session;

	if (s->id != tg->tgid || !s->tty)
		return;
	if (s->foreground) {
		siginfo_t hup = { .si_signo = SIGHUP, .si_code = SI_KERNEL };
		siginfo_t cont = { .si_signo = SIGCONT, .si_code = SI_KERNEL };

		signal_send_pgroup_locked(s->foreground, &hup);
		signal_send_pgroup_locked(s->foreground, &cont);
	}
	s->foreground = NULL;
	s->tty = NULL;
}
