/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal of sbx's caller as a guest's terminal.
 *
 * Settings and window size are the host's: the guest's line editor must be able to change them. Job control is not:
 * foreground groups and sessions are the sandbox's own (tty.c), and the front process relays the signals that the host's
 * terminal raises through host_tty_signal(). The ioctls below are all that reach the host: never TIOCSTI, TIOCLINUX or TIOCSETD,
 * with which a guest could type into its caller's shell.
 */
#include "fs/host_fd_internal.h"
#include "fs/termios.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct host_tty {
	struct tty tty;
	int fd; /* a duplicate of the first descriptor seen */
	LIST_ENTRY(host_tty) link;
};

static struct mutex list_lock = MUTEX_INITIALIZER;
static LIST_HEAD(, host_tty) terminals GUARDED_BY(list_lock) = LIST_HEAD_INITIALIZER(terminals);

static int terminal_open(struct tty *tty, int flags, struct file **out)
{
	struct host_tty *ht = CONTAINER_OF(tty, struct host_tty, tty);
	int fd = fcntl(ht->fd, F_DUPFD_CLOEXEC, 3), err;

	if (fd < 0)
		return -errno;
	err = host_fd_new(fd, out);
	if (err)
		close(fd);
	else
		(*out)->flags = ((*out)->flags & ~O_NONBLOCK) | (flags & O_NONBLOCK);
	return err;
}

static bool terminal_tostop(struct tty *tty)
{
	struct termios tio;

	return !ioctl(CONTAINER_OF(tty, struct host_tty, tty)->fd, TCGETS, &tio) && (tio.c_lflag & TOSTOP);
}

static void terminal_release(struct tty *tty)
{
	struct host_tty *ht = CONTAINER_OF(tty, struct host_tty, tty);

	close(ht->fd);
	free(ht);
}

static const struct tty_ops terminal_ops = {
	.open = terminal_open,
	.tostop = terminal_tostop,
	.release = terminal_release,
};

static int terminal_new_locked(int fd, dev_t dev, struct tty **out) REQUIRES(list_lock)
{
	struct host_tty *ht = calloc(1, sizeof(*ht));

	if (!ht)
		return -ENOMEM;
	ht->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (ht->fd < 0) {
		free(ht);
		return -errno;
	}
	tty_init(&ht->tty, &terminal_ops, dev);
	ht->tty.adopt = LIST_EMPTY(&terminals);
	LIST_INSERT_HEAD(&terminals, ht, link);
	*out = &ht->tty;
	return 0;
}

/* The list keeps a reference of its own: a terminal lives as long as the sandbox, of which the caller has few. */
int host_tty_get(int fd, dev_t dev, struct tty **out)
{
	struct host_tty *ht;
	int err = 0;

	mutex_lock(&list_lock);
	LIST_FOREACH(ht, &terminals, link)
		if (ht->tty.dev == dev)
			break;
	if (ht)
		*out = &ht->tty;
	else
		err = terminal_new_locked(fd, dev, out);
	if (!err)
		tty_get(*out);
	mutex_unlock(&list_lock);
	return err;
}

/* The first that a guest was given. Terminals are never freed: see host_tty_get(). */
static struct host_tty *first_terminal(void)
{
	struct host_tty *ht;

	mutex_lock(&list_lock);
	ht = LIST_FIRST(&terminals);
	while (ht && LIST_NEXT(ht, link))
		ht = LIST_NEXT(ht, link);
	mutex_unlock(&list_lock);
	return ht;
}

bool host_tty_in_front(struct thread_group *tg)
{
	struct host_tty *ht = first_terminal();

	mutex_lock(&tasks_lock);
	const struct pgroup *front = ht && ht->tty.session ? ht->tty.session->foreground : NULL;
	bool r = !front || front == tg->pgroup;

	mutex_unlock(&tasks_lock);
	return r;
}

bool host_tty_signal(int sig)
{
	struct host_tty *ht = first_terminal();
	bool known = false;

	if (!ht)
		return false;
	tty_signal(&ht->tty, sig);
	mutex_lock(&tasks_lock);
	known = ht->tty.session != NULL;
	mutex_unlock(&tasks_lock);
	return known;
}

/* --- ioctls --- */

enum direction { NONE, GET, SET };

struct allowed {
	unsigned cmd;
	enum direction dir;
	unsigned size; /* of what arg points to; 0: arg is a number */
	bool changes; /* asks for job control */
};

static const struct allowed allowed[] = {
	{ TCGETS, GET, TERMIOS_SIZE, false },	{ TCSETS, SET, TERMIOS_SIZE, true },
	{ TCSETSW, SET, TERMIOS_SIZE, true },	{ TCSETSF, SET, TERMIOS_SIZE, true },
	{ TCGETS2, GET, TERMIOS2_SIZE, false }, { TCSETS2, SET, TERMIOS2_SIZE, true },
	{ TCSETSW2, SET, TERMIOS2_SIZE, true }, { TCSETSF2, SET, TERMIOS2_SIZE, true },
	{ TCGETA, GET, TERMIO_SIZE, false },	{ TCSETA, SET, TERMIO_SIZE, true },
	{ TCSETAW, SET, TERMIO_SIZE, true },	{ TCSETAF, SET, TERMIO_SIZE, true },
	{ TIOCGWINSZ, GET, WINSIZE_SIZE, false },
	{ TIOCOUTQ, GET, sizeof(int), false },
	{ TIOCGETD, GET, sizeof(int), false },
	{ TCSBRK, NONE, 0, true },		{ TCSBRKP, NONE, 0, true },
	{ TCXONC, NONE, 0, true },		{ TCFLSH, NONE, 0, true },
};

static int64_t host_call(struct host_fd *h, struct task *t, const struct allowed *a, uint64_t arg)
{
	char buf[64] = { 0 };
	int err = 0;

	if (a->dir == NONE)
		return ioctl(h->fd, a->cmd, (unsigned long)(int)arg) ? -errno : 0;
	if (a->dir == SET)
		err = guest_read(t->mm, buf, arg, a->size);
	if (!err && ioctl(h->fd, a->cmd, buf))
		err = -errno;
	if (!err && a->dir == GET)
		err = guest_write(t->mm, arg, buf, a->size);
	return err;
}

int64_t host_tty_ioctl(struct host_fd *h, struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	int64_t r = tty_job_ioctl(h->tty, t, f, false, cmd, arg);

	if (r != TTY_NOT_MINE)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		if (allowed[i].cmd != cmd)
			continue;
		if (allowed[i].changes && (r = tty_check_change(h->tty, TTY_CHANGE)))
			return r;
		return host_call(h, t, &allowed[i], arg);
	}
	return cmd == TIOCSTI || cmd == TIOCLINUX || cmd == TIOCSETD || cmd == TIOCSWINSZ ? -EPERM : -ENOTTY;
}
