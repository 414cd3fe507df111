/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals as sessions see them: the controlling terminal, its foreground process group, job control. A terminal is either a
 * pseudo-terminal's slave (pty.c) or the terminal of sbx's caller (host_fd.c). See tty.c. */
#ifndef FS_TTY_H
#define FS_TTY_H

#include "fs/file.h"
#include "kernel/task.h"

struct tty_ops {
	/* Opens the terminal again, for /dev/tty. */
	int (*open)(struct tty *tty, int flags, struct file **out);
	bool (*tostop)(struct tty *tty); /* TOSTOP is set */
	void (*hangup)(struct tty *tty); /* the session leader has ended: open files of it go dead. May be NULL. */
	void (*release)(struct tty *tty);
};

struct tty {
	struct ref ref;
	const struct tty_ops *ops;
	dev_t dev; /* st_rdev: for /proc/PID/stat */
	struct session *session; /* tasks_lock; borrowed, see tty.c; NULL if it controls none */
	bool adopt; /* tasks_lock; becomes the first session's terminal by itself */
};

void tty_init(struct tty *tty, const struct tty_ops *ops, dev_t dev);
void tty_get(struct tty *tty);
void tty_put(struct tty *tty);

/* Job control before reading (SIGTTIN) and before writing or changing settings (SIGTTOU): 0, -EIO or -ERESTARTSYS.
 * Writing counts only with TOSTOP. */
enum tty_access { TTY_READ, TTY_WRITE, TTY_CHANGE };
int tty_check_change(struct tty *tty, enum tty_access access) MUST_CHECK;
/* TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCSCTTY, TIOCNOTTY; TTY_NOT_MINE for any other. `master`: asked through a pty master. */
enum { TTY_NOT_MINE = -515 };
int64_t tty_job_ioctl(struct tty *tty, struct task *t, struct file *f, bool master, unsigned cmd, uint64_t arg) MUST_CHECK;
/* open(2) of a terminal without O_NOCTTY by a session leader that has none makes it the controlling one. */
void tty_opened(struct tty *tty, struct task *t, int flags);
/* /dev/tty: -ENXIO without a controlling terminal. */
int tty_open_current(struct task *t, int flags, struct file **out) MUST_CHECK;
/* The foreground process group; 0 if there is none. */
pid_t tty_foreground(struct tty *tty);
/* A signal to the foreground process group. */
void tty_signal(struct tty *tty, int sig);
/* The other side is gone: SIGHUP and SIGCONT to the session, which loses it. */
void tty_hangup(struct tty *tty);
/* kernel_hooks.group_exited: a session leader's end takes the terminal from its session. */
void tty_group_exited(struct thread_group *tg);
/* tty_nr and tpgid of /proc/PID/stat: 0 and -1 without one. tasks_lock held. */
void tty_describe_locked(struct thread_group *tg, dev_t *dev, pid_t *foreground) REQUIRES(tasks_lock);

#endif
