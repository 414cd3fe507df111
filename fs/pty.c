/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-terminals: pty(7), pts(4).
 *
 * Theory of operation. Opening /dev/ptmx makes a pair with the lowest free number. What the master writes goes through the line
 * discipline (ldisc.c) into the slave's input, what the slave writes through it into what the master reads. The pair lives as long as
 * anything refers to its slave terminal: the master's open file, slaves' open files, a session. It is found by number until
 * its master is closed; the number is free again when the pair is gone.
 *
 * Ends. Closing the master hangs the slave up: the session gets SIGHUP, files open on the slave read nothing and cannot write.
 * While no slave is open, though one was, the master reads what is left and then EIO; a new slave makes it usable again.
 *
 * Locks: `table_lock` (who has which number), then a pair's lock, never two pairs'. Signals need tasks_lock, which comes before both:
 * the line discipline notes them, and pty_changed() sends them when the lock is dropped.
 */
#include "fs/pty_internal.h"
#include "fs/vfs.h"
#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

enum { MAJOR_PTS = 136, GROUP_TTY = 5, CHUNK = 1024, DECISECOND = 100000000 };

static struct mutex table_lock = MUTEX_INITIALIZER;
static struct pty *table[PTY_MAX] GUARDED_BY(table_lock); /* borrowed: pair_release() clears them */

static const struct file_ops master_ops, slave_ops;

/* --- changes --- */

void pty_changed(struct pty *p)
{
	uint64_t signals;

	mutex_lock(&p->lock);
	signals = p->ld.signals;
	p->ld.signals = 0;
	mutex_unlock(&p->lock);
	for (int sig = 1; signals && sig <= SIGNAL_COUNT; sig++)
		if (signals & sig_bit(sig))
			tty_signal(&p->tty, sig);
	waitq_notify(&p->master, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLPRI);
	waitq_notify(&p->slave, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

void pty_hangup(struct pty *p)
{
	mutex_lock(&p->lock);
	p->hangups++;
	p->slaves = 0;
	mutex_unlock(&p->lock);
	tty_hangup(&p->tty);
	waitq_notify(&p->master, POLLIN | POLLOUT | POLLHUP | POLLRDNORM | POLLWRNORM);
	waitq_notify(&p->slave, POLLIN | POLLOUT | POLLHUP | POLLERR | POLLRDNORM | POLLWRNORM);
}

/* --- the master's side --- */

/* TIOCPKT: one byte of news, alone, or a NUL before data. */
static ssize_t read_packet(struct pty *p, struct io *io)
{
	unsigned char status = p->ld.status;
	ssize_t r, n;

	if (!status && !ldisc_output(&p->ld))
		return -EAGAIN;
	r = io_put(io, &status, 1);
	if (r <= 0)
		return r;
	p->ld.status = 0;
	if (status)
		return r;
	n = ldisc_take_output(&p->ld, io);
	return n > 0 ? n + 1 : r;
}

static ssize_t master_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct pty *p = ((struct pty_end *)f->private)->pty;
	bool was_writable, wake, tell;
	ssize_t r;

	(void)pos, (void)flags;
	if (!io->left)
		return 0;
	mutex_lock(&p->lock);
	was_writable = ldisc_writable(&p->ld);
	r = p->packet ? read_packet(p, io) : ldisc_take_output(&p->ld, io);
	if (r == -EAGAIN && p->slave_seen && !p->slaves)
		r = -EIO;
	wake = !was_writable && ldisc_writable(&p->ld);
	tell = wake && p->slave_no_room;
	p->slave_no_room = p->slave_no_room && !wake;
	mutex_unlock(&p->lock);
	if (wake)
		waitq_notify(&p->slave, POLLOUT | POLLWRNORM);
	if (tell)
		async_notify(&p->async_slave, POLL_OUT);
	return r;
}

static ssize_t master_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct pty *p = ((struct pty_end *)f->private)->pty;
	unsigned char chunk[CHUNK];
	ssize_t total = 0, r = 0;
	size_t input, output;
	bool readable, echoed;

	(void)pos, (void)flags;
	mutex_lock(&p->lock);
	input = ldisc_count(&p->ld);
	output = ldisc_output(&p->ld);
	while (io->left && ldisc_has_room(&p->ld)) {
		struct io start = *io;
		size_t done;

		r = io_take(io, chunk, MIN(io->left, sizeof(chunk)));
		if (r <= 0)
			break;
		done = ldisc_receive(&p->ld, chunk, (size_t)r);
		total += (ssize_t)done;
		if (done < (size_t)r) {
			*io = start;
			io_advance(io, done);
			break;
		}
	}
	readable = ldisc_count(&p->ld) > input;
	echoed = ldisc_output(&p->ld) > output;
	mutex_unlock(&p->lock);
	if (total)
		pty_changed(p);
	if (readable)
		async_notify(&p->async_slave, POLL_IN);
	if (echoed)
		async_notify(&p->async_master, POLL_IN);
	if (total)
		return total;
	return !r && io->left ? -EAGAIN : r;
}

static uint32_t master_poll(struct file *f)
{
	struct pty *p = ((struct pty_end *)f->private)->pty;
	uint32_t m = 0;

	mutex_lock(&p->lock);
	if (ldisc_output(&p->ld))
		m |= POLLIN | POLLRDNORM;
	if (p->packet && p->ld.status)
		m |= POLLPRI | POLLIN | POLLRDNORM;
	if (ldisc_has_room(&p->ld))
		m |= POLLOUT | POLLWRNORM;
	if (p->slave_seen && !p->slaves)
		m |= POLLHUP;
	mutex_unlock(&p->lock);
	return m;
}

static struct waitq *master_waitq(struct file *f)
{
	return &((struct pty_end *)f->private)->pty->master;
}

static struct async_list *master_async(struct file *f)
{
	return &((struct pty_end *)f->private)->pty->async_master;
}

/* No process group is in front of a master. */
static pid_t master_async_owner(struct file *f)
{
	(void)f;
	return 0;
}

static void master_release(struct file *f)
{
	struct pty_end *e = f->private;
	struct pty *p = e->pty;

	mutex_lock(&p->lock);
	p->master_gone = true;
	mutex_unlock(&p->lock);
	pty_hangup(p);
	tty_put(&p->tty);
	free(e);
}

/* --- the slave's side --- */

/* How many bytes a read of `want` waits for: termios(3), "Canonical and noncanonical mode". */
static size_t least_bytes(const struct pty *p, size_t want, bool nonblock)
{
	return nonblock ? 1 : MIN(p->ld.tio.c_cc[VMIN], want);
}

static bool reads_at_once(const struct pty *p)
{
	return !(p->ld.tio.c_lflag & ICANON) && !p->ld.tio.c_cc[VMIN] && !p->ld.tio.c_cc[VTIME];
}

static bool has_timer(const struct pty *p)
{
	return !(p->ld.tio.c_lflag & ICANON) && p->ld.tio.c_cc[VTIME];
}

/* One try; least: see ldisc_readable(). */
static ssize_t read_locked(struct pty_end *e, struct io *io, size_t least)
{
	struct pty *p = e->pty;

	mutex_assert_held(&p->lock);
	if (pty_end_is_dead(e))
		return 0;
	if (!ldisc_readable(&p->ld, least))
		return -EAGAIN;
	return ldisc_read(&p->ld, io);
}

/* A read with VTIME: with VMIN the clock starts anew with each byte, without it runs from the call on. It waits here, since only
 * the terminal can tell when that is. */
static ssize_t read_timed(struct pty_end *e, struct io *io)
{
	struct pty *p = e->pty;
	int64_t deadline = NO_DEADLINE, limit;
	size_t least, seen = 0, have;
	struct task *t = task_self();
	struct waiter w;
	ssize_t r;
	int err = 0;

	waiter_init(&w, sleeper_self(), POLLIN | POLLHUP | POLLERR);
	waitq_add(&p->slave, &w);
	for (;;) {
		mutex_lock(&p->lock);
		limit = (int64_t)p->ld.tio.c_cc[VTIME] * DECISECOND;
		least = p->ld.tio.c_cc[VMIN];
		have = ldisc_count(&p->ld);
		if (!has_timer(p) || err)
			least = err ? 1 : least;
		r = read_locked(e, io, MIN(MAX(least, (size_t)1), io->left));
		mutex_unlock(&p->lock);
		if (r != -EAGAIN || err)
			break;
		if ((!least && deadline == NO_DEADLINE) || have > seen)
			deadline = mono_now() + limit;
		seen = have;
		err = t ? task_sleep(t, deadline) : sleep_until(deadline);
	}
	waitq_remove(&p->slave, &w);
	if (r == -EAGAIN)
		r = err == -ETIMEDOUT ? 0 : -ERESTARTSYS;
	return r;
}

static ssize_t slave_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct pty_end *e = f->private;
	bool nonblock = (f->flags & O_NONBLOCK) || (flags & RWF_NOWAIT), timed;
	struct pty *p = e->pty;
	ssize_t r = tty_check_change(&p->tty, TTY_READ);

	(void)pos;
	if (r || !io->left)
		return r;
	mutex_lock(&p->lock);
	timed = has_timer(p) && !nonblock && !pty_end_is_dead(e);
	if (!timed) {
		r = read_locked(e, io, least_bytes(p, io->left, nonblock));
		if (r == -EAGAIN && reads_at_once(p))
			r = 0;
	}
	mutex_unlock(&p->lock);
	if (timed)
		r = read_timed(e, io);
	if (r > 0)
		waitq_notify(&p->master, POLLOUT | POLLWRNORM);
	return r;
}

static ssize_t slave_write(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct pty_end *e = f->private;
	struct pty *p = e->pty;
	ssize_t r = tty_check_change(&p->tty, TTY_WRITE);

	(void)pos, (void)flags;
	if (r)
		return r;
	mutex_lock(&p->lock);
	r = pty_end_is_dead(e) ? -EIO : ldisc_write(&p->ld, io);
	p->slave_no_room |= r == -EAGAIN || (r > 0 && io->left);
	mutex_unlock(&p->lock);
	if (r > 0) {
		waitq_notify(&p->master, POLLIN | POLLRDNORM);
		async_notify(&p->async_master, POLL_IN);
	}
	return r;
}

static uint32_t slave_poll(struct file *f)
{
	struct pty_end *e = f->private;
	struct pty *p = e->pty;
	uint32_t m = 0;

	mutex_lock(&p->lock);
	if (pty_end_is_dead(e)) {
		m = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
	} else {
		if (ldisc_readable(&p->ld, p->ld.tio.c_cc[VTIME] ? 1 : p->ld.tio.c_cc[VMIN]))
			m |= POLLIN | POLLRDNORM;
		if (ldisc_writable(&p->ld))
			m |= POLLOUT | POLLWRNORM;
	}
	mutex_unlock(&p->lock);
	return m;
}

static struct waitq *slave_waitq(struct file *f)
{
	return &((struct pty_end *)f->private)->pty->slave;
}

static struct async_list *slave_async(struct file *f)
{
	return &((struct pty_end *)f->private)->pty->async_slave;
}

static pid_t slave_async_owner(struct file *f)
{
	return tty_foreground(&((struct pty_end *)f->private)->pty->tty);
}

static void slave_release(struct file *f)
{
	struct pty_end *e = f->private;
	struct pty *p = e->pty;
	bool last;

	mutex_lock(&p->lock);
	last = !pty_end_is_dead(e) && !--p->slaves;
	if (last)
		p->exclusive = false;
	mutex_unlock(&p->lock);
	if (last)
		waitq_notify(&p->master, POLLIN | POLLHUP | POLLRDNORM);
	tty_put(&p->tty);
	free(e);
}

static const struct file_ops master_ops = {
	.type = "ptmx",
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.waitq = master_waitq,
	.async = master_async,
	.async_owner = master_async_owner,
	.ioctl = pty_ioctl,
	.release = master_release,
	.write_all = true,
};

static const struct file_ops slave_ops = {
	.type = "pts",
	.read = slave_read,
	.write = slave_write,
	.poll = slave_poll,
	.waitq = slave_waitq,
	.async = slave_async,
	.async_owner = slave_async_owner,
	.ioctl = pty_ioctl,
	.release = slave_release,
	.write_all = true,
};

/* --- pairs --- */

int pty_open_by_name(struct pty *p, int flags, struct file **out)
{
	struct path path;
	char name[32];
	int err;

	snprintf(name, sizeof(name), "/dev/pts/%u", p->index);
	err = vfs_walk_setup(name, WALK_FOLLOW, &path);
	if (err)
		return err == -ENOENT ? -EIO : err;
	err = vfs_open_path(&path, flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK), NULL, out);
	path_put(&path);
	return err;
}

static int pair_open(struct tty *tty, int flags, struct file **out)
{
	return pty_open_by_name(CONTAINER_OF(tty, struct pty, tty), flags, out);
}

static bool pair_tostop(struct tty *tty)
{
	struct pty *p = CONTAINER_OF(tty, struct pty, tty);
	bool on;

	mutex_lock(&p->lock);
	on = p->ld.tio.c_lflag & TOSTOP;
	mutex_unlock(&p->lock);
	return on;
}

static void pair_release(struct tty *tty)
{
	struct pty *p = CONTAINER_OF(tty, struct pty, tty);

	mutex_lock(&table_lock);
	table[p->index] = NULL;
	mutex_unlock(&table_lock);
	ldisc_fini(&p->ld);
	mutex_destroy(&p->lock);
	free(p);
}

/* The end of a session's leader does not hang a pseudo-terminal up: its master decides. */
static const struct tty_ops pair_ops = { .open = pair_open, .tostop = pair_tostop, .release = pair_release };

static int pair_number_locked(struct pty *p) REQUIRES(table_lock)
{
	for (unsigned i = 0; i < PTY_MAX; i++) {
		if (table[i])
			continue;
		table[i] = p;
		p->index = i;
		return 0;
	}
	return -ENOSPC;
}

static int pair_new(struct pty **out)
{
	struct task *t = task_self();
	struct pty *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	err = ldisc_init(&p->ld);
	if (err) {
		free(p);
		return err;
	}
	mutex_init(&p->lock);
	waitq_init(&p->master);
	waitq_init(&p->slave);
	p->locked = true;
	p->uid = t ? t->cred->fsuid : 0;
	p->gid = GROUP_TTY;
	p->mode = 0620;
	tty_init(&p->tty, &pair_ops, 0);
	mutex_lock(&table_lock);
	err = pair_number_locked(p);
	p->tty.dev = makedev(MAJOR_PTS, p->index);
	mutex_unlock(&table_lock);
	if (err) {
		ldisc_fini(&p->ld);
		mutex_destroy(&p->lock);
		free(p);
		return err;
	}
	*out = p;
	return 0;
}

struct pty *pty_find(unsigned index)
{
	struct pty *p = NULL;

	if (index >= PTY_MAX)
		return NULL;
	mutex_lock(&table_lock);
	if (table[index] && ref_get_unless_zero(&table[index]->tty.ref))
		p = table[index];
	mutex_unlock(&table_lock);
	return p;
}

static struct pty_end *end_new(struct pty *p, bool is_master)
{
	struct pty_end *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->pty = p;
	e->is_master = is_master;
	return e;
}

int pty_open_master(struct path *path, struct inode *inode, int flags, struct file **out)
{
	struct pty_end *e;
	struct pty *p;
	int err = pair_new(&p);

	if (err)
		return err;
	e = end_new(p, true);
	err = e ? file_new_at(&master_ops, flags, path, inode, e, out) : -ENOMEM;
	if (err) {
		free(e);
		tty_put(&p->tty);
	}
	return err;
}

/* Counts a new slave in. */
static int slave_join(struct pty *p, struct pty_end *e)
{
	int err = 0;

	mutex_lock(&p->lock);
	if (p->locked || p->master_gone)
		err = -EIO;
	else if (p->exclusive && p->slaves)
		err = -EBUSY;
	if (!err) {
		p->slaves++;
		p->slave_seen = true;
		e->hangups = p->hangups;
	}
	mutex_unlock(&p->lock);
	return err;
}

int pty_open_slave(unsigned index, struct path *path, struct inode *inode, int flags, struct file **out)
{
	struct pty *p = pty_find(index);
	struct pty_end *e;
	int err;

	if (!p)
		return -ENOENT;
	e = end_new(p, false);
	err = e ? slave_join(p, e) : -ENOMEM;
	if (err)
		goto out_end;
	err = file_new_at(&slave_ops, flags, path, inode, e, out);
	if (err) {
		mutex_lock(&p->lock);
		p->slaves -= !pty_end_is_dead(e);
		mutex_unlock(&p->lock);
		goto out_end;
	}
	tty_opened(&p->tty, task_self(), flags);
	return 0;
out_end:
	free(e);
	tty_put(&p->tty);
	return err;
}
