// SPDX-License-Identifier: Apache-2.0
/*
 * The tree that every sequence starts from, and what is told of the one that it leaves: names, types, modes, owners, sizes, links,
 * extended attributes, contents.
 * The tree lies two directories deep, so that symbolic links to ".." stay in what is told of and removed. Names which are links of one file are told by the number of the first.
 */
#include "files.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int put(int dir, const char *name, mode_t mode, off_t offset, size_t size)
{
	char data[10000];
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0)
		return -1;
	for (size_t i = 0; i < size; i++)
		data[i] = (char)('a' + (i + i / 97 + (unsigned char)name[0]) % 26);
	bool bad = pwrite(fd, data, size, offset) != (ssize_t)size || fchmod(fd, mode);

	return close(fd) || bad ? -1 : 0;
}

static int stamp(int dir, const char *name, time_t when)
{
	struct timespec ts[2] = { { when, 5 }, { when, 7 } };

	return utimensat(dir, name, ts, AT_SYMLINK_NOFOLLOW);
}

static int fill(int d, bool no_xattrs)
{
	static const char *const last[] = { "a/a", "a/b/c", "a/b/d", "a/f", "b", "d", "e/a", "f", "a/b", "a", "e" };
	int fd;

	if (mkdirat(d, "a", 0755) || mkdirat(d, "a/b", 0755) || mkdirat(d, "e", 0755) || fchmodat(d, "e", 01777, 0))
		return -1;
	if (put(d, "a/a", 0644, 0, 100) || put(d, "a/b/c", 0640, 0, 5000) || put(d, "b", 0644, 0, 9000) || put(d, "e/a", 0444, 0, 10))
		return -1;
	if (put(d, "f", 0600, 8192, 4096) || linkat(d, "b", d, "c", 0))
		return -1;
	fd = openat(d, "f", O_WRONLY);
	if (fd < 0 || ftruncate(fd, 20000) || close(fd))
		return -1;
	if (symlinkat("a", d, "d") || symlinkat("../a", d, "a/b/d") || mkfifoat(d, "a/f", 0644))
		return -1;
	if (!no_xattrs) {
		fd = openat(d, "b", O_RDONLY);
		if (fd < 0 || fsetxattr(fd, "user.a", "given", 5, 0) || close(fd))
			return -1;
	}
	for (size_t i = 0; i < COUNT(last); i++)
		if (stamp(d, last[i], 1000 + (time_t)i))
			return -1;
	return 0;
}

int tree_make(const char *name, bool no_xattrs)
{
	char path[64];
	int d, r;

	if (mkdir(name, 0755))
		return -1;
	snprintf(path, sizeof(path), "%s/up", name);
	if (mkdir(path, 0755))
		return -1;
	snprintf(path, sizeof(path), "%s/" TREE_ROOT, name);
	if (mkdir(path, 0755))
		return -1;
	d = open(path, O_RDONLY | O_DIRECTORY);
	if (d < 0)
		return -1;
	r = fill(d, no_xattrs);
	close(d);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted. */
static size_t names_in(int dir, char **names, size_t room)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *s = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0;

	if (!s)
		return 0;
	for (struct dirent *e; n < room && (e = readdir(s));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			names[n++] = strdup(e->d_name);
	closedir(s);
	qsort(names, n, sizeof(*names), by_name);
	return n;
}

enum { NAMES = 64, FILES = 128 };

/* What has been told of: a file's number is its place. */
struct seen {
	size_t count;
	struct {
		dev_t dev;
		ino_t ino;
	} file[FILES];
};

static size_t number_of(struct seen *s, const struct stat *st)
{
	size_t i = 0;

	while (i < s->count && (s->file[i].ino != st->st_ino || s->file[i].dev != st->st_dev))
		i++;
	if (i == s->count && i < FILES - 1) {
		s->file[i].dev = st->st_dev;
		s->file[i].ino = st->st_ino;
		s->count++;
	}
	return i;
}

static void show_contents(struct text *out, int fd)
{
	char buf[16384];
	uint64_t h = FNV_START;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		h = fnv(h, buf, (size_t)n);
	text_add(out, n < 0 ? " unreadable" : " %016llx", (unsigned long long)h);
}

static void show_xattrs(struct text *out, int fd)
{
	static const char *const names[] = { "user.a", "user.b" };

	for (size_t i = 0; i < COUNT(names); i++) {
		char buf[256];
		ssize_t n = fgetxattr(fd, names[i], buf, sizeof(buf));

		if (n >= 0)
			text_add(out, " %s:%zd:%llx", names[i], n, (unsigned long long)fnv(FNV_START, buf, (size_t)n));
	}
}

static void show_dir(struct text *out, struct seen *s, int dir, bool no_xattrs, int depth);

static void show_entry(struct text *out, struct seen *s, int dir, const char *name, bool no_xattrs, int depth)
{
	struct stat st;
	char target[512];

	text_add(out, "%*s%s", depth * 2, "", depth ? name : "");
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		text_result(out, -1);
		text_add(out, "\n");
		return;
	}
	text_add(out, " #%zu %o %u:%u", number_of(s, &st), st.st_mode, st.st_uid, st.st_gid);
	if (!S_ISDIR(st.st_mode))
		text_add(out, " links %lu size %ld", (unsigned long)st.st_nlink, (long)st.st_size);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(dir, name, target, sizeof(target));

		text_add(out, " -> %.*s", (int)n, target);
	} else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		/* The owner may always give itself the right to look. */
		if (fchmodat(dir, name, S_ISDIR(st.st_mode) ? 0700 : 0600, 0))
			text_result(out, -1);
		int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);

		if (fd < 0)
			text_result(out, -1);
		else if (!no_xattrs)
			show_xattrs(out, fd);
		if (S_ISREG(st.st_mode) && fd >= 0)
			show_contents(out, fd);
		text_add(out, "\n");
		if (S_ISDIR(st.st_mode) && fd >= 0)
			show_dir(out, s, fd, no_xattrs, depth + 1);
		close(fd);
		return;
	}
	text_add(out, "\n");
}

static void show_dir(struct text *out, struct seen *s, int dir, bool no_xattrs, int depth)
{
	char *names[NAMES];
	size_t n = names_in(dir, names, NAMES);

	for (size_t i = 0; i < n; i++) {
		show_entry(out, s, dir, names[i], no_xattrs, depth);
		free(names[i]);
	}
}

void tree_show(struct text *out, const char *name, bool no_xattrs)
{
	struct seen s = { 0 };

	show_entry(out, &s, AT_FDCWD, name, no_xattrs, 0);
}

/* After tree_show(), which has made every directory writable. */
int tree_remove(int parent, const char *name)
{
	char *names[NAMES];
	int r = 0, d = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	size_t n;

	if (d < 0)
		return unlinkat(parent, name, 0);
	n = names_in(d, names, NAMES);
	for (size_t i = 0; i < n; i++) {
		if (tree_remove(d, names[i]))
			r = -1;
		free(names[i]);
	}
	close(d);
	return unlinkat(parent, name, AT_REMOVEDIR) ? -1 : r;
}
