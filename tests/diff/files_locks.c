// SPDX-License-Identifier: Apache-2.0
/* Steps on locks: of processes, of open files, and flock's. Nobody waits for one. */
#include "files.h"

#include <sys/file.h>
#include <unistd.h>

/* The last of the types is not one to ask for: releases differ. */
static void choose_range(struct player *p, struct rng *r, struct flock *l, unsigned type_count)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK };
	static const short whences[] = { SEEK_SET, SEEK_SET, SEEK_CUR, SEEK_END };

	*l = (struct flock){ .l_type = types[rng_below(r, type_count)], .l_whence = PICK(r, whences), .l_start = rng_below(r, 60) };
	l->l_len = (off_t)rng_below(r, 40) - 5;
	if (one_in(r, 4))
		l->l_len = 0;
	text_add(&p->out, " type %d whence %d %ld+%ld", l->l_type, l->l_whence, (long)l->l_start, (long)l->l_len);
}

static void tell_owner(struct player *p, const struct flock *l)
{
	text_add(&p->out, " type %d whence %d %ld+%ld", l->l_type, l->l_whence, (long)l->l_start, (long)l->l_len);
	if (l->l_type == F_UNLCK)
		return;
	text_add(&p->out, " of %s", l->l_pid == p->pid[0] ? "A" : l->l_pid == p->pid[1] ? "B" : l->l_pid == -1 ? "a file" : "a stranger");
}

static void play_lock(struct player *p, struct rng *r)
{
	struct flock l;
	int fd = choose_fd(p, r), ofd = one_in(r, 2);

	text_add(&p->out, ofd ? " ofd" : " posix");
	choose_range(p, r, &l, 4);
	text_result(&p->out, fcntl(fd, ofd ? F_OFD_SETLK : F_SETLK, &l));
}

static void play_get_lock(struct player *p, struct rng *r)
{
	struct flock l;
	int fd = choose_fd(p, r), ofd = one_in(r, 2);

	text_add(&p->out, ofd ? " ofd" : " posix");
	choose_range(p, r, &l, 3);
	int n = fcntl(fd, ofd ? F_OFD_GETLK : F_GETLK, &l);

	text_result(&p->out, n);
	if (!n)
		tell_owner(p, &l);
}

static void play_flock(struct player *p, struct rng *r)
{
	static const int ops[] = { LOCK_SH, LOCK_EX, LOCK_UN };
	int fd = choose_fd(p, r), op = PICK(r, ops);

	text_add(&p->out, " %d", op);
	text_result(&p->out, flock(fd, op | LOCK_NB));
}

const struct op lock_ops[] = {
	{ "lock", 6, play_lock },
	{ "get_lock", 4, play_get_lock },
	{ "flock", 4, play_flock },
	{ NULL, 0, NULL },
};
