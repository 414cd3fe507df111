// SPDX-License-Identifier: Apache-2.0
/* Steps on names: what opens, makes, moves, removes and lists them. Paths are short and names few, so that steps meet. */
#include "files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *choose_path(struct player *p, struct rng *r, char buf[static PATH_ROOM])
{
	static const char *const odd[] = { "", ".", "a/..", "a/.", "./b", "e//a", "b/", "d/", "d/b/", "a/b/../a", "nothing/a" };
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g" };

	if (one_in(r, 16)) {
		unsigned n = rng_below(r, COUNT(odd) + 1);

		if (n < COUNT(odd)) {
			strcpy(buf, odd[n]);
		} else {
			memset(buf, 'n', 256);
			buf[256] = 0;
		}
	} else {
		unsigned deep = 1 + (one_in(r, 3) ? 1 + one_in(r, 3) : 0);

		buf[0] = 0;
		while (deep--) {
			strcat(buf, PICK(r, names));
			if (deep)
				strcat(buf, "/");
		}
	}
	text_add(&p->out, " %.20s", *buf ? buf : "\"\"");
	return buf;
}

/* For what is to be made: more often than not there is nothing yet. */
static const char *choose_new_path(struct player *p, struct rng *r, char buf[static PATH_ROOM])
{
	static const char *const fresh[] = { "g", "h", "a/g", "e/g", "a/b/g", "d/h" };

	if (one_in(r, 2))
		return choose_path(p, r, buf);
	strcpy(buf, PICK(r, fresh));
	text_add(&p->out, " %s", buf);
	return buf;
}

int choose_slot(struct player *p, struct rng *r)
{
	int i = (int)rng_below(r, SLOTS);

	text_add(&p->out, " [%d]", i);
	return i;
}

int choose_fd(struct player *p, struct rng *r)
{
	return p->fd[choose_slot(p, r)];
}

mode_t choose_mode(struct player *p, struct rng *r, const mode_t *modes, size_t count)
{
	mode_t mode = modes[rng_below(r, count)];

	text_add(&p->out, " %o", mode);
	return mode;
}

int choose_dir(struct player *p, struct rng *r)
{
	return one_in(r, 6) ? choose_fd(p, r) : AT_FDCWD;
}

void keep_fd(struct player *p, struct rng *r, int fd)
{
	text_result(&p->out, fd < 0 ? -1 : 0);
	if (fd < 0)
		return;
	int i = choose_slot(p, r);

	if (p->fd[i] >= 0)
		close(p->fd[i]);
	p->fd[i] = fd;
}

static int choose_flags(struct player *p, struct rng *r)
{
	static const int ways[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR };
	static const int more[] = { O_CREAT,     O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_APPEND,
				    O_DIRECTORY, O_PATH,  O_NOFOLLOW, O_CREAT | O_TRUNC, O_SYNC };
	int flags = PICK(r, ways) | O_NONBLOCK; /* nobody waits for the other end of a FIFO */

	while (one_in(r, 2))
		flags |= PICK(r, more);
	/* Linux once made a file in spite of O_DIRECTORY: releases differ. */
	if (flags & O_CREAT)
		flags &= ~O_DIRECTORY;
	text_add(&p->out, " %#o", flags);
	return flags;
}

static const mode_t modes[] = { 0644, 0644, 0755, 0755, 0600, 0666, 0777, 0, 0444, 0300, 01777, 02775, 04755, 02644 };

static void play_open(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	int dir = choose_dir(p, r), flags = choose_flags(p, r);
	mode_t mode = choose_mode(p, r, modes, COUNT(modes));

	keep_fd(p, r, openat(dir, choose_path(p, r, path), flags, mode));
}

static void play_tmpfile(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	int dir = choose_dir(p, r), flags = O_TMPFILE | (one_in(r, 5) ? O_WRONLY : O_RDWR) | (one_in(r, 4) ? O_EXCL : 0);
	mode_t mode = choose_mode(p, r, modes, COUNT(modes));

	text_add(&p->out, " %#o", flags);
	keep_fd(p, r, openat(dir, choose_path(p, r, path), flags, mode));
}

static void play_link_fd(struct player *p, struct rng *r)
{
	char path[PATH_ROOM], from[32];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", choose_fd(p, r));
	text_result(&p->out, linkat(AT_FDCWD, from, choose_dir(p, r), choose_new_path(p, r, path), AT_SYMLINK_FOLLOW));
}

static void play_link(struct player *p, struct rng *r)
{
	char from[PATH_ROOM], to[PATH_ROOM];
	int dir = choose_dir(p, r), flags = one_in(r, 3) ? AT_SYMLINK_FOLLOW : 0;

	text_add(&p->out, " %#x", flags);
	choose_path(p, r, from);
	text_result(&p->out, linkat(dir, from, AT_FDCWD, choose_new_path(p, r, to), flags));
}

static void play_unlink(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	int dir = choose_dir(p, r);

	text_result(&p->out, unlinkat(dir, choose_path(p, r, path), 0));
}

static void play_rmdir(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];

	text_result(&p->out, unlinkat(AT_FDCWD, choose_path(p, r, path), AT_REMOVEDIR));
}

static void play_mkdir(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];
	int dir = choose_dir(p, r);
	mode_t mode = choose_mode(p, r, modes, COUNT(modes));

	text_result(&p->out, mkdirat(dir, choose_new_path(p, r, path), mode));
}

static void play_mknod(struct player *p, struct rng *r)
{
	static const mode_t types[] = { S_IFREG, S_IFIFO, S_IFSOCK, 0, S_IFCHR, S_IFDIR };
	char path[PATH_ROOM];
	mode_t mode = PICK(r, types) | choose_mode(p, r, modes, COUNT(modes));

	text_add(&p->out, " %#o", mode);
	text_result(&p->out, mknodat(AT_FDCWD, choose_new_path(p, r, path), mode, 0x103));
}

static void play_symlink(struct player *p, struct rng *r)
{
	static const char *const targets[] = { "a", "b", "../a", "../b", ".", "nothing", "a/b", "d", "e/", "c", "" };
	char path[PATH_ROOM];
	const char *target = PICK(r, targets);

	text_add(&p->out, " %s <-", target);
	text_result(&p->out, symlinkat(target, AT_FDCWD, choose_new_path(p, r, path)));
}

static void play_rename(struct player *p, struct rng *r)
{
	static const unsigned flags[] = { 0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, RENAME_EXCHANGE | RENAME_NOREPLACE, 64 };
	char from[PATH_ROOM], to[PATH_ROOM];
	int dir = choose_dir(p, r);
	unsigned f = PICK(r, flags);

	text_add(&p->out, " %u", f);
	choose_path(p, r, from);
	text_result(&p->out, renameat2(dir, from, choose_dir(p, r), choose_new_path(p, r, to), f));
}

static void play_readlink(struct player *p, struct rng *r)
{
	char path[PATH_ROOM], buf[64];
	int dir = choose_dir(p, r);
	size_t room = one_in(r, 4) ? 2 : sizeof(buf);
	ssize_t n = readlinkat(dir, choose_path(p, r, path), buf, room);

	text_result(&p->out, n);
	if (n > 0)
		text_add(&p->out, " %.*s", (int)n, buf);
}

/* Into the tree, and never above it. */
static bool is_inside(struct player *p, const char *path)
{
	struct stat st, root;
	char cwd[4096], top[4096], link[32];
	int d = path ? openat(AT_FDCWD, path, O_PATH | O_DIRECTORY) : -1;

	if (d < 0)
		return true; /* it will fail */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", d);
	ssize_t n = readlink(link, cwd, sizeof(cwd) - 1);

	snprintf(link, sizeof(link), "/proc/self/fd/%d", p->root);
	ssize_t m = readlink(link, top, sizeof(top) - 1);
	bool same = !fstat(d, &st) && !fstat(p->root, &root) && st.st_ino == root.st_ino && st.st_dev == root.st_dev;

	close(d);
	return same || (n > m && m > 0 && !memcmp(cwd, top, (size_t)m) && cwd[m] == '/');
}

static void play_chdir(struct player *p, struct rng *r)
{
	char path[PATH_ROOM];

	if (one_in(r, 2)) {
		text_result(&p->out, fchdir(p->root));
		return;
	}
	choose_path(p, r, path);
	if (is_inside(p, path))
		text_result(&p->out, chdir(path));
}

static void play_getcwd(struct player *p, struct rng *r)
{
	char cwd[4096], top[4096], link[32];

	(void)r;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", p->root);
	ssize_t m = readlink(link, top, sizeof(top) - 1);
	char *got = getcwd(cwd, sizeof(cwd));

	text_result(&p->out, got ? 0 : -1);
	if (got && m > 0 && (size_t)m <= strlen(got))
		text_add(&p->out, " %s", got + m);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory with their types, sorted, from a descriptor whose offset moves. */
static void play_list(struct player *p, struct rng *r)
{
	struct linux_dirent64 {
		uint64_t ino;
		int64_t off;
		unsigned short reclen;
		unsigned char type;
		char name[];
	};
	_Alignas(8) char buf[2048];
	char *names[64];
	size_t count = 0;
	char path[PATH_ROOM];
	bool by_path = one_in(r, 2);
	int fd = by_path ? open(choose_path(p, r, path), O_RDONLY | O_NONBLOCK) : choose_fd(p, r);
	long n;

	if (!one_in(r, 4))
		lseek(fd, 0, SEEK_SET);
	errno = 0;
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			struct linux_dirent64 *e = (void *)(buf + at);

			if (count < COUNT(names) && asprintf(&names[count], " %s:%u", e->name, e->type) > 0)
				count++;
			at += e->reclen;
		}
	}
	text_result(&p->out, n);
	if (by_path)
		close(fd);
	qsort(names, count, sizeof(*names), by_text);
	for (size_t i = 0; i < count; i++) {
		text_add(&p->out, "%s", names[i]);
		free(names[i]);
	}
}

const struct op name_ops[] = {
	{ "open", 40, play_open },       { "tmpfile", 2, play_tmpfile },   { "link_fd", 3, play_link_fd }, { "link", 6, play_link },
	{ "unlink", 8, play_unlink },    { "rmdir", 5, play_rmdir },       { "mkdir", 8, play_mkdir },     { "mknod", 2, play_mknod },
	{ "symlink", 5, play_symlink },  { "rename", 16, play_rename },    { "readlink", 3, play_readlink },
	{ "chdir", 6, play_chdir },      { "getcwd", 2, play_getcwd },     { "list", 5, play_list },       { NULL, 0, NULL },
};
