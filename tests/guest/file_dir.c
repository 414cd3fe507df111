/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: making, removing, listing, positions, the working directory, link counts. */
// again: -v {}:{}
#include "file.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>

static int links_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? -1 : (int)st.st_nlink;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? 0 : st.st_mode;
}

static void touch(const char *name)
{
	close(open(name, O_WRONLY | O_CREAT, 0644));
}

static void making(void)
{
	umask(022);
	printf("links at first %d\n", links_of("."));
	T(mkdir("d", 07777));
	printf("mode %o links %d, above %d\n", mode_of("d"), links_of("d"), links_of("."));
	T(mkdir("d", 0755));
	T(mkdir("d/", 0755));
	T(mkdir("e/", 0700));
	T(mkdir("e/.", 0700));
	T(mkdir("e/..", 0700));
	T(mkdir("/", 0700));
	T(mkdir("", 0700));
	T(mkdir("none/x", 0700));
	touch("f");
	T(mkdir("f", 0700));
	T(mkdir("f/x", 0700));
	symlink("nowhere", "l");
	T(mkdir("l", 0700));
	T(mkdir("l/", 0700));
	T(chmod("d", 02775));
	T(mkdir("d/inherits", 0755));
	printf("mode %o\n", mode_of("d/inherits"));
	touch("d/file");
	printf("mode %o\n", mode_of("d/file"));
	T(mkdir("e/1", 0755));
	T(mkdir("e/2", 0755));
	T(mkdir("e/2/3", 0755));
	printf("links %d %d\n", links_of("e"), links_of("e/2"));
	T(mknod("node", S_IFREG | 0600, 0));
	T(mknod("node", S_IFREG | 0600, 0));
	T(mknod("node0", 0666, 0));
	printf("mode %o\n", mode_of("node0"));
	T(mknod("fifo", S_IFIFO | 0666, 0));
	printf("mode %o\n", mode_of("fifo"));
	T(mknod("sock", S_IFSOCK | 0666, 0));
	T(open("sock", O_RDONLY));
	T(mknod("dir", S_IFDIR | 0755, 0));
	T(mknod("link", S_IFLNK | 0755, 0));
	T(mknod("x/", S_IFREG | 0755, 0));
	T(syscall(SYS_mkdirat, 99, "x", 0755));
	T(mkdirat(AT_FDCWD, "at", 0755));
}

static void removing(void)
{
	int fd;

	T(rmdir("e"));
	T(rmdir("e/2/3"));
	T(rmdir("e/2"));
	printf("links %d\n", links_of("e"));
	T(rmdir("e/1/."));
	T(rmdir("e/1/.."));
	T(rmdir("/"));
	T(rmdir("f"));
	T(rmdir("l"));
	T(rmdir("none"));
	T(rmdir(""));
	T(rmdir("e/1/"));
	T(unlink("e"));
	T(unlink("e/"));
	T(unlink("f/"));
	T(unlink("none"));
	T(unlink("."));
	T(unlinkat(AT_FDCWD, "e", 1));
	T(unlinkat(AT_FDCWD, "e", AT_REMOVEDIR));
	T(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR));
	T(unlink("l"));
	T(unlink("fifo"));
	T(unlink("sock"));
	T(unlink("node"));
	T(unlink("node0"));
	T(rmdir("at"));
	/* A removed directory that is still open. */
	mkdir("gone", 0755);
	fd = open("gone", O_RDONLY);
	T(rmdir("gone"));
	char buf[256];
	T(openat(fd, "x", O_WRONLY | O_CREAT, 0644));
	T(mkdirat(fd, "x", 0644));
	T(symlinkat("x", fd, "x"));
	T(linkat(AT_FDCWD, "f", fd, "x", 0));
	T(openat(fd, ".", O_RDONLY));
	close(4);
	T(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	struct stat st;
	T(fstat(fd, &st));
	printf("links %d\n", (int)st.st_nlink);
	T(fchdir(fd));
	T(getcwd(buf, sizeof(buf)) ? 0 : -1);
	T(chdir("."));
	T(chdir(".."));
	T(access("f", F_OK));
	close(fd);
	/* A removed file that is still open. */
	fd = open("f", O_RDWR);
	T(unlink("f"));
	T(write(fd, "text", 4));
	fstat(fd, &st);
	printf("links %d size %d\n", (int)st.st_nlink, (int)st.st_size);
	close(fd);
	/* rm -r of something deep. */
	for (int i = 0; i < 60; i++) {
		mkdir("deep", 0755);
		if (chdir("deep"))
			printf("chdir: %m\n");
	}
	for (int i = 0; i < 60; i++) {
		if (chdir("..") || rmdir("deep"))
			printf("rmdir: %m\n");
	}
	T(access("deep", F_OK));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names, sorted, with their types. */
static void list(const char *name)
{
	char *names[512];
	int count = 0;
	struct dirent *e;
	DIR *d = opendir(name);

	while (d && (e = readdir(d))) {
		struct stat st;

		fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW);
		if (asprintf(&names[count], "%s:%d%s", e->d_name, e->d_type, st.st_ino == e->d_ino ? "" : " other inode") > 0)
			count++;
	}
	closedir(d);
	qsort(names, count, sizeof(*names), by_name);
	printf("%s:", name);
	for (int i = 0; i < count; i++)
		printf(" %s", names[i]);
	printf("\n");
}

struct old_dirent {
	unsigned long ino, off;
	unsigned short reclen;
	char name[];
};

static void listing(void)
{
	char buf[4096], name[64];
	int fd, n, seen = 0, types = 0;
	off_t middle = 0;

	mkdir("many", 0755);
	mkdir("many/sub", 0755);
	symlink("x", "many/link");
	mkfifo("many/fifo", 0644);
	touch("many/file");
	list("many");
	fd = open("many", O_RDONLY | O_DIRECTORY);
	T(syscall(SYS_getdents64, fd, buf, 10));
	T(syscall(SYS_getdents64, fd, NULL, 4096));
	T(syscall(SYS_getdents64, 99, buf, 4096));
	n = open("many/file", O_RDONLY);
	T(syscall(SYS_getdents64, n, buf, 4096));
	close(n);
	T(read(fd, buf, 10));
	/* The old call's records end with the type. */
	n = syscall(SYS_getdents, fd, buf, sizeof(buf));
	for (int at = 0; at < n;) {
		struct old_dirent *e = (void *)(buf + at);

		seen++;
		types += !strcmp(e->name, "sub") && buf[at + e->reclen - 1] == DT_DIR && e->reclen % 8 == 0;
		types += !strcmp(e->name, "fifo") && buf[at + e->reclen - 1] == DT_FIFO && e->reclen % 8 == 0;
		at += e->reclen;
	}
	printf("records %d, right types %d\n", seen, types);
	T(syscall(SYS_getdents, fd, buf, sizeof(buf)));
	T(lseek(fd, 0, SEEK_SET));
	close(fd);
	/* Three hundred names through a small buffer: each once. */
	for (int i = 0; i < 300; i++) {
		sprintf(name, "many/name-%d", i);
		touch(name);
	}
	fd = open("many", O_RDONLY | O_DIRECTORY);
	seen = 0;
	while ((n = syscall(SYS_getdents64, fd, buf, 200)) > 0) {
		for (int at = 0; at < n;) {
			struct dirent64 *e = (void *)(buf + at);

			seen++;
			if (seen == 100)
				middle = e->d_off;
			at += e->d_reclen;
		}
	}
	printf("end %d, seen %d\n", n, seen);
	lseek(fd, middle, SEEK_SET);
	seen = 100;
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (int at = 0; at < n; at += ((struct dirent64 *)(void *)(buf + at))->d_reclen)
			seen++;
	printf("from the middle: %d\n", seen);
	close(fd);
	/* Removed while they are read. */
	DIR *d = opendir("many");
	struct dirent *e;
	int removed = 0;
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, "name-", 5) && !unlinkat(dirfd(d), e->d_name, 0))
			removed++;
	printf("removed %d\n", removed);
	rewinddir(d);
	for (seen = 0; readdir(d); seen++)
		;
	printf("left %d\n", seen);
	touch("many/late");
	rewinddir(d);
	for (seen = 0; readdir(d); seen++)
		;
	printf("with a late one %d\n", seen);
	closedir(d);
	list("many");
}

static void *sharing(void *arg)
{
	T(chdir("v"));
	umask(027);
	return arg;
}

static void *unsharing(void *arg)
{
	T(unshare(CLONE_FS));
	T(chdir("/"));
	return arg;
}

static void in_thread(void *(*fn)(void *))
{
	pthread_t t;

	pthread_create(&t, NULL, fn, NULL);
	pthread_join(t, NULL);
}

static void where(void)
{
	char base[PATH_MAX], buf[PATH_MAX];
	size_t len;

	T(getcwd(base, sizeof(base)) ? 0 : -1);
	len = strlen(base);
	mkdir("w", 0755);
	mkdir("w/x", 0755);
	symlink("w/x", "to_x");
	T(chdir("to_x"));
	T(syscall(SYS_getcwd, buf, sizeof(buf)) - (long)len);
	printf("%s\n", buf + len);
	T(syscall(SYS_getcwd, buf, 3));
	T(syscall(SYS_getcwd, NULL, 4096));
	T(syscall(SYS_getcwd, buf, strlen(buf)));
	T(rename("../../w", "../../v"));
	T(getcwd(buf, sizeof(buf)) ? 0 : -1);
	printf("%s\n", buf + len);
	T(chdir("../../f/x"));
	T(chdir("../../none"));
	T(chdir("../../f"));
	T(fchdir(99));
	touch("../../file");
	int fd = open("../../file", O_RDONLY);
	T(fchdir(fd));
	close(fd);
	T(chdir(base));
	/* A child has its own place, a thread shares it until it asks for one. */
	if (!fork()) {
		T(chdir("v"));
		umask(0);
		_exit(0);
	}
	wait(NULL);
	T(access("v", F_OK));
	printf("umask %o\n", umask(022));
	in_thread(sharing);
	T(access("x", F_OK));
	printf("umask %o\n", umask(022));
	in_thread(unsharing);
	T(access("x", F_OK));
	T(chdir("/"));
	T(chdir("../../.."));
	getcwd(buf, sizeof(buf));
	printf("%s\n", buf);
	T(chdir(base));
	printf("umask %o", umask(01777));
	printf(" %o\n", umask(022));
}

static void hard_links(void)
{
	struct stat a, b;
	char buf[64];
	int n;

	touch("one");
	symlink("one", "sym");
	T(link("one", "two"));
	T(link("one", "two"));
	T(link("none", "three"));
	T(link("v", "three"));
	T(link("one", "three/"));
	T(link("one/", "three"));
	T(link("sym", "same_link"));
	printf("%o %d\n", mode_of("same_link"), links_of("sym"));
	T(linkat(AT_FDCWD, "sym", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
	stat("one", &a);
	stat("followed", &b);
	printf("same %d links %d\n", a.st_ino == b.st_ino && a.st_dev == b.st_dev, (int)a.st_nlink);
	T(linkat(AT_FDCWD, "one", AT_FDCWD, "five", 1));
	T(link("one", "/proc/x"));
	T(unlink("one"));
	printf("links %d\n", links_of("two"));
	n = open("two", O_WRONLY);
	write(n, "abc", 3);
	close(n);
	n = open("followed", O_RDONLY);
	T(read(n, buf, sizeof(buf)));
	close(n);
	T(symlink("", "empty"));
	T(symlink("x", "two"));
	T(symlink("x", "new/"));
	T(symlink("x", ""));
	char *longer = malloc(5000);
	memset(longer, 'x', 4999);
	longer[4999] = 0;
	T(symlink(longer, "toolong"));
	longer[4095] = 0;
	T(symlink(longer, "longest"));
	struct stat st;
	lstat("sym", &st);
	printf("size %d mode %o\n", (int)st.st_size, st.st_mode);
	T(readlink("sym", buf, 2));
	T(readlink("sym", buf, 0));
	T(readlink("sym", buf, -1));
	T(readlink("two", buf, 10));
	T(readlink("none", buf, 10));
	T(readlink("v", buf, 10));
	T(readlink("", buf, 10));
	T(readlink("sym", NULL, 10));
	T(readlink("sym/", buf, 10));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	close_range(3, ~0U, 0);
	making();
	removing();
	listing();
	where();
	hard_links();
	return 0;
}
