/* SPDX-License-Identifier: Apache-2.0 */
/* Controlling terminals and job control: credentials(7), setsid(2), tcsetpgrp(3), ioctl_tty(2).
 *
 * A session knows its terminal (one reference) and its foreground process group; the terminal knows its session. Both links
 * are made and broken together under tasks_lock. The terminal's link to the session is borrowed: the session leader's
 * exit, which no session outlives without coming through tty_group_exited(), clears it.
 *
 * The terminal of sbx's caller is marked `adopt`: the first session of the sandbox, whose leader is pid 1, gets it when a
 * task of it first asks.
 */
#include "fs/tty.h"

#include "kernel/process.h"
#include "mm/guest.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>

void tty_init(struct tty *tty, const struct tty_ops *ops, dev_t dev)
{
	ref_init(&tty->ref);
	tty->ops = ops;
	tty->dev = dev;
	tty->session = NULL;
	tty->adopt = false;
}

void tty_get(struct tty *tty)
{
	ref_get(&tty->ref);
}

void tty_put(struct tty *tty)
{
	if (ref_put(&tty->ref))
		tty->ops->release(tty);
}

static struct session *session_of(struct thread_group *tg)
{
	return tg && tg->pgroup ? tg->pgroup->session : NULL;
}

static bool leads_session(struct thread_group *tg)
{
	struct session *s = session_of(tg);

	return s && s->id == tg->tgid;
}

static void attach_locked(struct tty *tty, struct session *s, struct pgroup *foreground) REQUIRES(tasks_lock)
{
	tty_get(tty);
	s->tty = tty;
	s->foreground = foreground;
	tty->session = s;
	tty->adopt = false;
}

/* The caller drops the session's reference on the terminal after it has unlocked. */
static struct tty *detach_locked(struct session *s) REQUIRES(tasks_lock)
{
	struct tty *tty = s->tty;

	s->tty = NULL;
	s->foreground = NULL;
	if (tty)
		tty->session = NULL;
	return tty;
}

static void adopt_locked(struct tty *tty) REQUIRES(tasks_lock)
{
	struct thread_group *init;
	struct session *s;

	if (!tty->adopt)
		return;
	init = group_find_locked(1);
	s = session_of(init);
	if (s && !s->tty)
		attach_locked(tty, s, init->pgroup);
}

static void signal_pgroup_locked(struct pgroup *pg, int sig) REQUIRES(tasks_lock)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_KERNEL };

	signal_send_pgroup_locked(pg, &info);
}

static int check_change_locked(struct tty *tty, struct task *t, enum tty_access access) REQUIRES(tasks_lock)
{
	int sig = access == TTY_READ ? SIGTTIN : SIGTTOU;
	struct session *s = session_of(t->tg);
	struct pgroup *pg = t->tg->pgroup;

	adopt_locked(tty);
	if (!s || s->tty != tty || !s->foreground || s->foreground == pg)
		return 0;
	if ((t->blocked & sig_bit(sig)) || t->sighand->actions[sig - 1].handler == (uint64_t)(uintptr_t)SIG_IGN)
		return access == TTY_READ ? -EIO : 0;
	if (pgroup_orphaned_locked(pg, NULL))
		return -EIO;
	signal_pgroup_locked(pg, sig);
	return -ERESTARTSYS;
}

int tty_check_change(struct tty *tty, enum tty_access access)
{
	struct task *t = task_self();
	int err;

	if (!t || (access == TTY_WRITE && !tty->ops->tostop(tty)))
		return 0;
	mutex_lock(&tasks_lock);
	err = check_change_locked(tty, t, access);
	mutex_unlock(&tasks_lock);
	return err;
}

/* --- ioctls --- */

static int64_t get_foreground(struct tty *tty, struct task *t, bool master, uint64_t arg)
{
	struct session *s;
	int id = 0;

	mutex_lock(&tasks_lock);
	adopt_locked(tty);
	s = tty->session;
	if (!master && (!s || session_of(t->tg) != s)) {
		mutex_unlock(&tasks_lock);
		return -ENOTTY;
	}
	if (s && s->foreground)
		id = s->foreground->id;
	mutex_unlock(&tasks_lock);
	return guest_write(t->mm, arg, &id, sizeof(id));
}

static int set_foreground_locked(struct tty *tty, struct task *t, bool master, int id) REQUIRES(tasks_lock)
{
	struct session *s;
	struct pgroup *pg;
	int err = check_change_locked(tty, t, TTY_CHANGE);

	if (err)
		return err == -EIO ? -ENOTTY : err;
	s = tty->session;
	if (!s || (!master && session_of(t->tg) != s))
		return -ENOTTY;
	if (id < 0)
		return -EINVAL;
	pg = pgroup_find_locked(id);
	if (!pg)
		return -ESRCH;
	if (pg->session != s)
		return -EPERM;
	s->foreground = pg;
	return 0;
}

static int64_t set_foreground(struct tty *tty, struct task *t, bool master, uint64_t arg)
{
	int id, err = guest_read(t->mm, &id, arg, sizeof(id));

	if (err)
		return err;
	mutex_lock(&tasks_lock);
	err = set_foreground_locked(tty, t, master, id);
	mutex_unlock(&tasks_lock);
	return err;
}

static int64_t get_session(struct tty *tty, struct task *t, bool master, uint64_t arg)
{
	int id = -1;

	mutex_lock(&tasks_lock);
	adopt_locked(tty);
	if (tty->session && (master || session_of(t->tg) == tty->session))
		id = tty->session->id;
	mutex_unlock(&tasks_lock);
	return id < 0 ? -ENOTTY : guest_write(t->mm, arg, &id, sizeof(id));
}

static int64_t make_controlling(struct tty *tty, struct task *t, struct file *f)
{
	struct session *s;
	int err = 0;

	mutex_lock(&tasks_lock);
	adopt_locked(tty);
	s = session_of(t->tg);
	if (leads_session(t->tg) && tty->session == s)
		err = 0;
	else if (!leads_session(t->tg) || s->tty || tty->session || !file_readable(f))
		err = -EPERM;
	else
		attach_locked(tty, s, t->tg->pgroup);
	mutex_unlock(&tasks_lock);
	return err;
}

static int64_t give_up(struct tty *tty, struct task *t)
{
	struct tty *dropped = NULL;
	struct session *s;
	int err = 0;

	mutex_lock(&tasks_lock);
	adopt_locked(tty);
	s = session_of(t->tg);
	if (!s || s->tty != tty) {
		err = -ENOTTY;
	} else if (leads_session(t->tg)) {
		if (s->foreground) {
			signal_pgroup_locked(s->foreground, SIGHUP);
			signal_pgroup_locked(s->foreground, SIGCONT);
		}
		dropped = detach_locked(s);
	}
	mutex_unlock(&tasks_lock);
	if (dropped)
		tty_put(dropped);
	return err;
}

int64_t tty_job_ioctl(struct tty *tty, struct task *t, struct file *f, bool master, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case TIOCGPGRP:
		return get_foreground(tty, t, master, arg);
	case TIOCSPGRP:
		return set_foreground(tty, t, master, arg);
	case TIOCGSID:
		return get_session(tty, t, master, arg);
	case TIOCSCTTY:
		return make_controlling(tty, t, f);
	case TIOCNOTTY:
		return give_up(tty, t);
	default:
		return TTY_NOT_MINE;
	}
}

/* --- opening, hanging up --- */

void tty_opened(struct tty *tty, struct task *t, int flags)
{
	struct session *s;

	if (!t || (flags & O_NOCTTY) || (flags & O_ACCMODE) == O_WRONLY)
		return;
	mutex_lock(&tasks_lock);
	s = session_of(t->tg);
	if (leads_session(t->tg) && !s->tty && !tty->session)
		attach_locked(tty, s, t->tg->pgroup);
	mutex_unlock(&tasks_lock);
}

int tty_open_current(struct task *t, int flags, struct file **out)
{
	struct tty *tty = NULL;
	struct session *s;
	int err;

	mutex_lock(&tasks_lock);
	s = session_of(t->tg);
	if (s && s->tty) {
		tty = s->tty;
		tty_get(tty);
	}
	mutex_unlock(&tasks_lock);
	if (!tty)
		return -ENXIO;
	err = tty->ops->open(tty, flags | O_NOCTTY, out);
	tty_put(tty);
	return err;
}

void tty_signal(struct tty *tty, int sig)
{
	mutex_lock(&tasks_lock);
	adopt_locked(tty);
	if (tty->session && tty->session->foreground)
		signal_pgroup_locked(tty->session->foreground, sig);
	mutex_unlock(&tasks_lock);
}

void tty_hangup(struct tty *tty)
{
	siginfo_t hup = { .si_signo = SIGHUP, .si_code = SI_KERNEL }, cont = { .si_signo = SIGCONT, .si_code = SI_KERNEL };
	struct tty *dropped = NULL;
	struct thread_group *leader;
	struct session *s;

	mutex_lock(&tasks_lock);
	s = tty->session;
	if (s) {
		leader = group_find_locked(s->id);
		if (leader) {
			(void)!signal_send_group_locked(leader, &hup);
			(void)!signal_send_group_locked(leader, &cont);
		}
		if (s->foreground && (!leader || s->foreground != leader->pgroup)) {
			signal_send_pgroup_locked(s->foreground, &hup);
			signal_send_pgroup_locked(s->foreground, &cont);
		}
		dropped = detach_locked(s);
	}
	mutex_unlock(&tasks_lock);
	if (dropped)
		tty_put(dropped);
}

void tty_group_exited(struct thread_group *tg)
{
	struct tty *dropped = NULL;
	struct session *s;

	mutex_lock(&tasks_lock);
	s = session_of(tg);
	if (s && leads_session(tg) && s->tty) {
		if (s->foreground) {
			signal_pgroup_locked(s->foreground, SIGHUP);
			signal_pgroup_locked(s->foreground, SIGCONT);
		}
		dropped = detach_locked(s);
	}
	mutex_unlock(&tasks_lock);
	if (!dropped)
		return;
	if (dropped->ops->hangup)
		dropped->ops->hangup(dropped);
	tty_put(dropped);
}

pid_t tty_foreground(struct tty *tty)
{
	struct session *s;
	pid_t id = 0;

	mutex_lock(&tasks_lock);
	adopt_locked(tty);
	s = tty->session;
	if (s && s->foreground)
		id = s->foreground->id;
	mutex_unlock(&tasks_lock);
	return id;
}

void tty_describe_locked(struct thread_group *tg, dev_t *dev, pid_t *foreground)
{
	struct session *s = session_of(tg);

	mutex_assert_held(&tasks_lock);
	*dev = s && s->tty ? s->tty->dev : 0;
	*foreground = s && s->tty && s->foreground ? s->foreground->id : -1;
}
