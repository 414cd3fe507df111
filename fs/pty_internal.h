/* SPDX-License-Identifier: Apache-2.0 */
/* What pty.c and pty_ioctl.c share. */
#ifndef FS_PTY_INTERNAL_H
#define FS_PTY_INTERNAL_H

#include "fs/async.h"
#include "fs/ldisc.h"
#include "fs/pty.h"

enum { PTY_MAX = 4096 };

struct pty {
	struct tty tty; /* the slave, as sessions see it; its references keep the whole pair */
	unsigned index; /* immutable */
	struct waitq master, slave; /* who waits on which side */
	struct async_list async_master, async_slave;
	struct mutex lock; /* all below */
	struct ldisc ld;
	struct winsize size;
	bool locked; /* no slave opens: TIOCSPTLCK */
	bool master_gone;
	bool packet; /* TIOCPKT */
	bool exclusive; /* TIOCEXCL */
	bool slave_no_room; /* a slave's write was cut short: O_ASYNC is to tell of room */
	int slaves; /* open ones */
	bool slave_seen; /* one was open, ever */
	unsigned hangups; /* slaves opened before the last one are dead */
	uid_t uid;
	gid_t gid;
	uint32_t mode;
};

/* file.private of both sides. */
struct pty_end {
	struct pty *pty; /* one reference */
	unsigned hangups; /* as they were at open: of slaves */
	bool is_master;
};

/* The slave's end was hung up: it reads nothing and writes nowhere. pty->lock held. */
static inline bool pty_end_is_dead(const struct pty_end *e)
{
	return !e->is_master && e->hangups != e->pty->hangups;
}

/* Wakes whoever the change of state may concern, and sends the signals that the line discipline raised. No lock held. */
void pty_changed(struct pty *p);
void pty_hangup(struct pty *p);
/* With a reference; NULL if there is none, or none that can be opened any more. */
struct pty *pty_find(unsigned index);
/* Opens the slave through devpts, whoever asks: -EIO if it is not there any more. */
int pty_open_by_name(struct pty *p, int flags, struct file **out) MUST_CHECK;
int64_t pty_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg);

#endif
