// SPDX-License-Identifier: Apache-2.0
/* Steps on what is known of files: modes, owners, times, extended attributes, rights. */
#include "files.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static const mode_t modes[] = { 0644, 0755, 0777, 0600, 0700, 0, 0111, 0444, 0222, 01777, 02755, 04711, 06644, 0177777 };

static void play_chmod(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	mode_t mode = choose_mode(p, r, modes, COUNT(modes));
	int dir = choose_dir(p, r);

	if (one_in(r, 2)) {
		text_result(&p->out, fchmodat(dir, choose_path(p, r, path), mode, 0));
		return;
	}
	text_result(&p->out, fchmod(dir, mode));
}

static void play_chown(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	uid_t uid = one_in(r, 3) ? geteuid() + one_in(r, 3) : (uid_t)-1;
	gid_t gid = one_in(r, 3) ? getegid() + one_in(r, 3) : (gid_t)-1;
	int dir = choose_dir(p, r), flags = one_in(r, 3) ? AT_SYMLINK_NOFOLLOW : 0;

	text_add(&p->out, " %d %d %#x", (int)uid, (int)gid, flags);
	if (one_in(r, 2)) {
		text_result(&p->out, fchownat(dir, choose_path(p, r, path), uid, gid, flags));
		return;
	}
	text_result(&p->out, fchown(dir, uid, gid));
}

/* A time that was set is told; one of now is not. */
static void tell_time(struct player *p, const struct timespec *t)
{
	if (t->tv_sec < 1000000)
		text_add(&p->out, " %ld.%09ld", (long)t->tv_sec, t->tv_nsec);
	else
		text_add(&p->out, " now");
}

static void tell_stat(struct player *p, const struct stat *st)
{
	text_add(&p->out, " %o %u:%u", st->st_mode, st->st_uid, st->st_gid);
	if (!S_ISDIR(st->st_mode))
		text_add(&p->out, " links %lu size %ld", (unsigned long)st->st_nlink, (long)st->st_size);
	tell_time(p, &st->st_mtim);
}

static void play_stat(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	struct stat st;
	int dir = choose_dir(p, r), flags = one_in(r, 2) ? AT_SYMLINK_NOFOLLOW : 0;

	if (one_in(r, 3))
		flags |= AT_EMPTY_PATH;
	text_add(&p->out, " %#x", flags);
	int n = fstatat(dir, choose_path(p, r, path), &st, flags);

	text_result(&p->out, n);
	if (!n)
		tell_stat(p, &st);
}

static void play_fstat(struct player *p, struct rng *r)
{
	struct stat st;
	int n = fstat(choose_fd(p, r), &st);

	text_result(&p->out, n);
	if (!n)
		tell_stat(p, &st);
}

/* Is it the same file by name and by descriptor? */
static void play_same(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	struct stat a, b;
	int n = fstat(choose_fd(p, r), &a), m = stat(choose_path(p, r, path), &b);

	text_result(&p->out, n < m ? n : m);
	if (!n && !m)
		text_add(&p->out, a.st_ino == b.st_ino && a.st_dev == b.st_dev ? " same" : " another");
}

static void choose_time(struct player *p, struct rng *r, struct timespec *t)
{
	unsigned kind = rng_below(r, 8);

	t->tv_sec = rng_below(r, 900000);
	t->tv_nsec = kind == 0 ? UTIME_NOW : kind == 1 ? UTIME_OMIT : kind == 2 ? 1000000000 : (long)rng_below(r, 1000000000);
	text_add(&p->out, " %ld.%ld", (long)t->tv_sec, t->tv_nsec);
}

static void play_utimens(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	struct timespec ts[2];
	struct stat st;
	int dir = choose_dir(p, r), flags = one_in(r, 3) ? AT_SYMLINK_NOFOLLOW : 0;

	choose_time(p, r, &ts[0]);
	choose_time(p, r, &ts[1]);
	text_add(&p->out, " %#x", flags);
	choose_path(p, r, path);
	int n = utimensat(dir, path, one_in(r, 8) ? NULL : ts, flags);

	text_result(&p->out, n);
	if (n || fstatat(dir, path, &st, flags))
		return;
	if (ts[0].tv_nsec != UTIME_OMIT)
		tell_time(p, &st.st_atim);
	tell_time(p, &st.st_mtim);
}

static void play_access(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	int mode = (int)rng_below(r, 8), dir = choose_dir(p, r), flags = one_in(r, 3) ? AT_SYMLINK_NOFOLLOW : AT_EACCESS;

	text_add(&p->out, " %d %#x", mode, flags);
	text_result(&p->out, syscall(SYS_faccessat2, dir, choose_path(p, r, path), mode, flags));
}

static void play_umask(struct player *p, struct rng *r)
{
	static const mode_t masks[] = { 0, 022, 077, 027, 0777 };

	text_result(&p->out, umask(PICK(r, masks)));
}

static void tell_value(struct player *p, const char *value, ssize_t n)
{
	text_result(&p->out, n);
	if (n > 0)
		text_add(&p->out, " %016llx", (unsigned long long)fnv(FNV_START, value, (size_t)n));
}

static const char *choose_xattr(struct player *p, struct rng *r)
{
	static const char *const names[] = { "user.a", "user.a", "user.a", "user.b", "user.b", "user.", "other.a", "a", "" };
	const char *name = PICK(r, names);

	text_add(&p->out, " %s", name);
	return name;
}

static void play_setxattr(struct player *p, struct rng *r)
{
	static const int flags[] = { 0, 0, XATTR_CREATE, XATTR_REPLACE, 3, 4 };
	char path[PATH_ROOM], value[100];
	const char *name = choose_xattr(p, r);
	int f = PICK(r, flags);
	size_t n = rng_below(r, sizeof(value));

	memset(value, (int)('a' + rng_below(r, 26)), sizeof(value));
	text_add(&p->out, " %zu %d", n, f);
	if (p->no_xattrs)
		return;
	if (one_in(r, 2))
		text_result(&p->out, fsetxattr(choose_fd(p, r), name, value, n, f));
	else if (one_in(r, 3))
		text_result(&p->out, lsetxattr(choose_path(p, r, path), name, value, n, f));
	else
		text_result(&p->out, setxattr(choose_path(p, r, path), name, value, n, f));
}

static void play_getxattr(struct player *p, struct rng *r)
{
	static const size_t rooms[] = { 100, 100, 0, 3 };
	char path[PATH_ROOM], value[100];
	const char *name = choose_xattr(p, r);
	size_t room = PICK(r, rooms);

	text_add(&p->out, " %zu", room);
	if (p->no_xattrs)
		return;
	ssize_t n = one_in(r, 2) ? fgetxattr(choose_fd(p, r), name, value, room) : getxattr(choose_path(p, r, path), name, value, room);

	if (room)
		tell_value(p, value, n);
	else
		text_result(&p->out, n);
}

static void play_listxattr(struct player *p, struct rng *r)
{
	char path[PATH_ROOM], list[256];

	if (p->no_xattrs)
		return;
	ssize_t n = one_in(r, 2) ? flistxattr(choose_fd(p, r), list, sizeof(list)) : llistxattr(choose_path(p, r, path), list, sizeof(list));
	unsigned sum = 0; /* in no order; and the host's own security attributes are not the guest's affair */

	for (char *s = list; n > 0 && s < list + n; s += strlen(s) + 1)
		if (!strncmp(s, "user.", 5))
			sum += (unsigned)fnv(1, s, strlen(s));
	text_result(&p->out, n < 0 ? n : sum);
}

static void play_removexattr(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	const char *name = choose_xattr(p, r);

	if (p->no_xattrs)
		return;
	text_result(&p->out, one_in(r, 2) ? fremovexattr(choose_fd(p, r), name) : removexattr(choose_path(p, r, path), name));
}

const struct op attribute_ops[] = {
	{ "chmod", 8, play_chmod },         { "chown", 5, play_chown },           { "stat", 8, play_stat },
	{ "fstat", 6, play_fstat },         { "same", 4, play_same },             { "utimens", 6, play_utimens },
	{ "access", 4, play_access },       { "umask", 1, play_umask },           { "setxattr", 5, play_setxattr },
	{ "getxattr", 4, play_getxattr },   { "listxattr", 2, play_listxattr },   { "removexattr", 2, play_removexattr },
	{ NULL, 0, NULL },
};
