/* SPDX-License-Identifier: Apache-2.0 */
/* rename(2) and renameat2(2): what may replace what, exchange, directories moved with open files in them. */
// again: -v {}:{}
#include "file.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static void print(const char *name)
{
	char buf[64];
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	printf("%s: ", name);
	if (n < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		printf("%.*s\n", (int)n, buf);
	if (fd >= 0)
		close(fd);
}

static int links_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? -1 : (int)st.st_nlink;
}

static void files(void)
{
	put_file("a", "A");
	put_file("b", "B");
	T(rename("a", "c"));
	print("a");
	print("c");
	T(rename("c", "b"));
	print("b");
	print("c");
	T(rename("none", "x"));
	T(rename("b", "none/x"));
	T(rename("b", "b"));
	print("b");
	T(rename("b", ""));
	T(rename("", "b"));
	T(rename("b", "x/"));
	T(rename("b/", "x"));
	T(rename("b", "."));
	T(rename("b", ".."));
	T(rename(".", "x"));
	/* Two names of one file: nothing happens. */
	link("b", "b2");
	T(rename("b", "b2"));
	print("b");
	print("b2");
	printf("links %d\n", links_of("b"));
	unlink("b2");
	/* A symlink is moved, not followed. */
	symlink("b", "s");
	T(rename("s", "t"));
	char buf[16];
	T(readlink("t", buf, sizeof(buf)));
	put_file("new", "N");
	T(rename("new", "t"));
	print("b");
	print("t");
	T(rename("b", "/proc/b"));
	T(renameat(99, "b", AT_FDCWD, "x"));
	T(renameat(AT_FDCWD, "b", 99, "x"));
}

static void directories(void)
{
	mkdir("d", 0755);
	mkdir("d/sub", 0755);
	mkdir("empty", 0755);
	mkdir("full", 0755);
	put_file("full/f", "F");
	put_file("d/sub/f", "deep");
	put_file("file", "x");
	T(rename("d", "d/sub/in"));
	T(rename("d", "d"));
	T(rename("d", "full"));
	T(rename("d", "full/f"));
	T(rename("d", "file"));
	T(rename("file", "empty"));
	T(rename("d/sub", "d"));
	T(rename("full/f", "full"));
	printf("links %d %d\n", links_of("."), links_of("d"));
	T(rename("d", "empty"));
	printf("links %d %d\n", links_of("."), links_of("empty"));
	print("empty/sub/f");
	T(rename("empty/sub", "sub"));
	printf("links %d %d\n", links_of("."), links_of("empty"));
	print("sub/f");
	T(rename("sub/", "moved/"));
	T(rename("moved", "full/moved"));
	print("full/moved/f");
	T(rename("full/moved/", "file/"));
	T(rename("full/moved/..", "x"));
	T(rename("full/moved/.", "x"));
}

static void open_inside(void)
{
	char buf[PATH_MAX], link[64], *base = strdup(getcwd(buf, sizeof(buf)));
	size_t len = strlen(base);
	int fd, dir;

	mkdir("o", 0755);
	mkdir("o/p", 0755);
	mkdir("q", 0755);
	put_file("o/p/f", "inside");
	fd = open("o/p/f", O_RDWR);
	dir = open("o/p", O_RDONLY);
	T(rename("o", "q/r"));
	T(read(fd, buf, 6));
	T(openat(dir, "f", O_RDONLY) < 0 ? -1 : 0);
	T(openat(dir, "../../r/p/f", O_RDONLY) < 0 ? -1 : 0);
	sprintf(link, "/proc/self/fd/%d", fd);
	buf[readlink(link, buf, sizeof(buf))] = 0;
	printf("%s\n", buf + len);
	T(chdir("q/r/p"));
	sprintf(link, "%s/q", base);
	T(rename(link, "../../../z"));
	T(fchdir(dir));
	printf("%s\n", getcwd(buf, sizeof(buf)) + len);
	T(rename("f", "../f"));
	print("../f");
	T(rename("../../r", "g"));
	T(unlink("../f"));
	sprintf(link, "/proc/self/fd/%d", fd);
	buf[readlink(link, buf, sizeof(buf))] = 0;
	printf("%s\n", buf + len);
	T(chdir(base));
	/* Replaced while it is open. */
	put_file("old", "old");
	put_file("young", "young");
	int o = open("old", O_RDONLY);
	struct stat st;
	T(rename("young", "old"));
	T(read(o, buf, 10));
	printf("%.3s\n", buf);
	fstat(o, &st);
	printf("links %d\n", (int)st.st_nlink);
	print("old");
	mkdir("od", 0755);
	mkdir("yd", 0755);
	o = open("od", O_RDONLY);
	T(rename("yd", "od"));
	T(openat(o, "x", O_CREAT | O_WRONLY, 0644));
	close(o);
	close(fd);
	close(dir);
}

static void flags(void)
{
	put_file("x1", "one");
	put_file("x2", "two");
	T(renameat2(AT_FDCWD, "x1", AT_FDCWD, "x2", RENAME_NOREPLACE));
	T(renameat2(AT_FDCWD, "x1", AT_FDCWD, "x3", RENAME_NOREPLACE));
	T(renameat2(AT_FDCWD, "x3", AT_FDCWD, "x3", RENAME_NOREPLACE));
	T(renameat2(AT_FDCWD, "x3", AT_FDCWD, "x2", RENAME_EXCHANGE));
	print("x2");
	print("x3");
	T(renameat2(AT_FDCWD, "x3", AT_FDCWD, "none", RENAME_EXCHANGE));
	T(renameat2(AT_FDCWD, "none", AT_FDCWD, "x3", RENAME_EXCHANGE));
	T(renameat2(AT_FDCWD, "x3", AT_FDCWD, "x2", RENAME_EXCHANGE | RENAME_NOREPLACE));
	T(renameat2(AT_FDCWD, "x3", AT_FDCWD, "x2", 8));
	T(renameat2(AT_FDCWD, "none", AT_FDCWD, "x2", RENAME_NOREPLACE));
	mkdir("xd", 0755);
	put_file("xd/in", "in");
	printf("links %d\n", links_of("."));
	T(renameat2(AT_FDCWD, "xd", AT_FDCWD, "x2", RENAME_EXCHANGE));
	print("x2/in");
	print("xd");
	T(renameat2(AT_FDCWD, "x2", AT_FDCWD, "x2/in", RENAME_EXCHANGE));
	T(renameat2(AT_FDCWD, "x2/in", AT_FDCWD, "x2", RENAME_EXCHANGE));
	mkdir("other", 0755);
	mkdir("other/y", 0755);
	put_file("plain", "plain");
	printf("links %d %d\n", links_of("."), links_of("other"));
	T(renameat2(AT_FDCWD, "other/y", AT_FDCWD, "plain", RENAME_EXCHANGE));
	printf("links %d %d\n", links_of("."), links_of("other"));
	print("other/y");
	T(rmdir("plain"));
	T(renameat2(AT_FDCWD, ".", AT_FDCWD, "x3", RENAME_NOREPLACE));
	T(renameat2(AT_FDCWD, "x3", AT_FDCWD, ".", RENAME_NOREPLACE));
}

/* Two threads move one name to and fro, a third looks: one of the two names always exists. */
static _Atomic int stop, moves;

static void *mover(void *arg)
{
	while (!stop)
		moves += !(arg ? rename("ra/n", "rb/n") : rename("rb/n", "ra/n"));
	return NULL;
}

static void races(void)
{
	pthread_t t[2];

	mkdir("ra", 0755);
	mkdir("rb", 0755);
	put_file("ra/n", "n");
	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, mover, (void *)i);
	while (moves < 300)
		usleep(1000);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("in the end %d\n", !access("ra/n", F_OK) + !access("rb/n", F_OK));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	close_range(3, ~0U, 0);
	files();
	directories();
	open_inside();
	flags();
	races();
	return 0;
}
