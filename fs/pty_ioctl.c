/* SPDX-License-Identifier: Apache-2.0 */
/* ioctls of pseudo-terminals: ioctl_tty(2). Settings are the pair's, whichever side asks; input and output are the asking
 * side's. TIOCSTI, with which one process types for another, is refused as Linux does by default. */
#include "fs/fdtable.h"
#include "fs/pty_internal.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/tty.h>
#include <signal.h>
#include <string.h>

/* --- settings --- */

/* The old interface has 16-bit flags and fewer characters; the rest stays as it is. */
static void from_termio(struct termios2 *tio, const struct termio_guest *old)
{
	tio->c_iflag = (tio->c_iflag & 0xffff0000) | old->c_iflag;
	tio->c_oflag = (tio->c_oflag & 0xffff0000) | old->c_oflag;
	tio->c_cflag = (tio->c_cflag & 0xffff0000) | old->c_cflag;
	tio->c_lflag = (tio->c_lflag & 0xffff0000) | old->c_lflag;
	memcpy(tio->c_cc, old->c_cc, sizeof(old->c_cc));
}

static struct termios2 settings(struct pty *p)
{
	struct termios2 tio;

	mutex_lock(&p->lock);
	tio = p->ld.tio;
	mutex_unlock(&p->lock);
	return tio;
}

static int64_t get_settings(struct pty *p, struct task *t, unsigned cmd, uint64_t arg)
{
	struct termios2 tio = settings(p);
	struct termio_guest old = { 0 };

	if (cmd != TCGETA)
		return guest_write(t->mm, arg, &tio, cmd == TCGETS ? TERMIOS_SIZE : TERMIOS2_SIZE);
	old.c_iflag = (uint16_t)tio.c_iflag;
	old.c_oflag = (uint16_t)tio.c_oflag;
	old.c_cflag = (uint16_t)tio.c_cflag;
	old.c_lflag = (uint16_t)tio.c_lflag;
	old.c_line = tio.c_line;
	memcpy(old.c_cc, tio.c_cc, sizeof(old.c_cc));
	return guest_write(t->mm, arg, &old, TERMIO_SIZE);
}

static int read_settings(struct pty *p, struct task *t, unsigned cmd, uint64_t arg, struct termios2 *tio)
{
	struct termio_guest old;
	int err;

	*tio = settings(p);
	switch (cmd) {
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		err = guest_read(t->mm, &old, arg, TERMIO_SIZE);
		if (!err)
			from_termio(tio, &old);
		return err;
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return guest_read(t->mm, tio, arg, TERMIOS_SIZE);
	default:
		return guest_read(t->mm, tio, arg, TERMIOS2_SIZE);
	}
}

/* Packet mode tells of flow control that the master must do itself. */
static void note_flow(struct pty *p, const struct termios2 *old)
{
	const struct termios2 *now = &p->ld.tio;
	bool had = (old->c_iflag & IXON) && old->c_cc[VSTOP] == ('S' & 037) && old->c_cc[VSTART] == ('Q' & 037);
	bool has = (now->c_iflag & IXON) && now->c_cc[VSTOP] == ('S' & 037) && now->c_cc[VSTART] == ('Q' & 037);

	if (had != has) {
		p->ld.status &= (uint8_t)~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
		p->ld.status |= has ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
	}
	if ((old->c_lflag | now->c_lflag) & EXTPROC)
		p->ld.status |= TIOCPKT_IOCTL;
}

static int64_t set_settings(struct pty *p, struct task *t, unsigned cmd, uint64_t arg)
{
	struct termios2 tio, old;
	int err = tty_check_change(&p->tty, TTY_CHANGE);

	if (!err)
		err = read_settings(p, t, cmd, arg, &tio);
	if (err)
		return err;
	/* A pseudo-terminal has no line: eight bits, no parity. */
	tio.c_cflag = (tio.c_cflag & ~(uint32_t)(CSIZE | PARENB)) | CS8 | CREAD;
	mutex_lock(&p->lock);
	if (cmd == TCSETSF || cmd == TCSETSF2 || cmd == TCSETAF)
		ldisc_flush_input(&p->ld);
	old = p->ld.tio;
	tio.c_line = old.c_line;
	ldisc_set(&p->ld, &tio);
	note_flow(p, &old);
	mutex_unlock(&p->lock);
	pty_changed(p);
	return 0;
}

static int64_t set_size(struct pty *p, struct task *t, uint64_t arg)
{
	struct winsize ws;
	bool changed;
	int err = guest_read(t->mm, &ws, arg, sizeof(ws));

	if (err)
		return err;
	mutex_lock(&p->lock);
	changed = memcmp(&p->size, &ws, sizeof(ws));
	p->size = ws;
	mutex_unlock(&p->lock);
	if (changed)
		tty_signal(&p->tty, SIGWINCH);
	return 0;
}

static int64_t get_size(struct pty *p, struct task *t, uint64_t arg)
{
	struct winsize ws;

	mutex_lock(&p->lock);
	ws = p->size;
	mutex_unlock(&p->lock);
	return guest_write(t->mm, arg, &ws, sizeof(ws));
}

/* --- flow and queues --- */

static int64_t flow(struct pty *p, uint64_t what)
{
	int err = tty_check_change(&p->tty, TTY_CHANGE);
	unsigned char c;

	if (err)
		return err;
	mutex_lock(&p->lock);
	switch (what) {
	case TCOOFF:
		ldisc_stop(&p->ld);
		p->ld.stopped_by_call = true;
		break;
	case TCOON:
		if (p->ld.stopped_by_call) {
			p->ld.stopped_by_call = false;
			ldisc_start(&p->ld);
		}
		break;
	case TCIOFF:
	case TCION:
		c = p->ld.tio.c_cc[what == TCIOFF ? VSTOP : VSTART];
		if (c && !ring_reserve(&p->ld.out, 1, LDISC_ECHO) && p->ld.out.len < LDISC_ECHO) {
			*ring_room(&p->ld.out, 1).data = c;
			p->ld.out.len++;
		}
		break;
	default:
		err = -EINVAL;
	}
	mutex_unlock(&p->lock);
	pty_changed(p);
	return err;
}

/* What is input to the master is the slave's output. */
static int64_t flush(struct pty_end *e, uint64_t what)
{
	struct pty *p = e->pty;
	int err = tty_check_change(&p->tty, TTY_CHANGE);

	if (err)
		return err;
	if (what != TCIFLUSH && what != TCOFLUSH && what != TCIOFLUSH)
		return -EINVAL;
	mutex_lock(&p->lock);
	if (e->is_master) {
		if (what != TCOFLUSH)
			ldisc_drop_output(&p->ld);
	} else {
		if (what != TCOFLUSH)
			ldisc_flush_input(&p->ld);
		if (what != TCIFLUSH)
			ldisc_flush_output(&p->ld);
	}
	mutex_unlock(&p->lock);
	pty_changed(p);
	return 0;
}

static int64_t count(struct pty_end *e, struct task *t, uint64_t arg, bool output)
{
	struct pty *p = e->pty;
	int n;

	mutex_lock(&p->lock);
	if (output)
		n = 0; /* what was written has left this side */
	else
		n = (int)(e->is_master ? ldisc_output(&p->ld) : ldisc_count(&p->ld));
	mutex_unlock(&p->lock);
	return guest_write(t->mm, arg, &n, sizeof(n));
}

/* --- flags that are read and written as an int --- */

static int64_t put_int(struct task *t, uint64_t arg, int n)
{
	return guest_write(t->mm, arg, &n, sizeof(n));
}

static int64_t set_bool(struct pty *p, struct task *t, uint64_t arg, bool *flag)
{
	int on, err = guest_read(t->mm, &on, arg, sizeof(on));

	if (err)
		return err;
	mutex_lock(&p->lock);
	/* Packet mode tells of what happens from now on. */
	if (flag == &p->packet && on && !*flag)
		p->ld.status = 0;
	*flag = on;
	mutex_unlock(&p->lock);
	return 0;
}

static int64_t get_bool(struct pty *p, struct task *t, uint64_t arg, const bool *flag)
{
	bool on;

	mutex_lock(&p->lock);
	on = *flag;
	mutex_unlock(&p->lock);
	return put_int(t, arg, on);
}

static int64_t set_exclusive(struct pty *p, bool on)
{
	mutex_lock(&p->lock);
	p->exclusive = on;
	mutex_unlock(&p->lock);
	return 0;
}

/* N_TTY is the only line discipline. */
static int64_t set_discipline(struct task *t, uint64_t arg)
{
	int n, err = guest_read(t->mm, &n, arg, sizeof(n));

	if (err)
		return err;
	return n == N_TTY ? 0 : -EINVAL;
}

/* --- only through the master --- */

static int64_t open_peer(struct pty *p, struct task *t, int flags)
{
	struct file *f;
	int err = pty_open_by_name(p, flags, &f);

	return err ? err : fd_install_task(t, f, flags & O_CLOEXEC);
}

static int64_t master_ioctl(struct pty *p, struct task *t, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case TIOCGPTN:
		return put_int(t, arg, (int)p->index);
	case TIOCSPTLCK:
		return set_bool(p, t, arg, &p->locked);
	case TIOCGPTLCK:
		return get_bool(p, t, arg, &p->locked);
	case TIOCPKT:
		return set_bool(p, t, arg, &p->packet);
	case TIOCGPKT:
		return get_bool(p, t, arg, &p->packet);
	case TIOCGPTPEER:
		return open_peer(p, t, (int)arg);
	case TIOCSIG:
		/* Those that a key sends: it asks for no permission. */
		if ((int)arg != SIGINT && (int)arg != SIGQUIT && (int)arg != SIGTSTP)
			return -EINVAL;
		tty_signal(&p->tty, (int)arg);
		return 0;
	default:
		return -ENOTTY;
	}
}

static int64_t common_ioctl(struct pty_end *e, struct task *t, unsigned cmd, uint64_t arg)
{
	struct pty *p = e->pty;

	switch (cmd) {
	case TIOCGWINSZ:
		return get_size(p, t, arg);
	case TIOCSWINSZ:
		return set_size(p, t, arg);
	case FIONREAD:
		return count(e, t, arg, false);
	case TIOCOUTQ:
		return count(e, t, arg, true);
	case TCXONC:
		return flow(p, arg);
	case TCFLSH:
		return flush(e, arg);
	case TIOCGETD:
		return put_int(t, arg, N_TTY);
	case TIOCSETD:
		return set_discipline(t, arg);
	case TIOCEXCL:
		return set_exclusive(p, true);
	case TIOCNXCL:
		return set_exclusive(p, false);
	case TIOCGEXCL:
		return get_bool(p, t, arg, &p->exclusive);
	case TIOCGDEV:
		return put_int(t, arg, (int)p->tty.dev);
	case TCSBRK:
	case TCSBRKP:
	case TIOCSBRK:
	case TIOCCBRK:
		return tty_check_change(&p->tty, TTY_CHANGE);
	case TIOCVHANGUP:
		if (!cred_capable(t->cred, CAP_SYS_ADMIN))
			return -EPERM;
		pty_hangup(p);
		return 0;
	case TIOCSTI:
		return -EIO;
	default:
		return e->is_master ? master_ioctl(p, t, cmd, arg) : -ENOTTY;
	}
}

int64_t pty_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct pty_end *e = f->private;
	struct pty *p = e->pty;
	int64_t r;
	bool dead;

	mutex_lock(&p->lock);
	dead = pty_end_is_dead(e);
	mutex_unlock(&p->lock);
	if (dead)
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	r = tty_job_ioctl(&p->tty, t, f, e->is_master, cmd, arg);
	if (r != TTY_NOT_MINE)
		return r;
	switch (cmd) {
	case TCGETS:
	case TCGETS2:
	case TCGETA:
		return get_settings(p, t, cmd, arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return set_settings(p, t, cmd, arg);
	default:
		return common_ioctl(e, t, cmd, arg);
	}
}
