/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to files and directories that were there before the guest: removed, replaced, renamed, made again, in every order. */
// before: mkdir -p t/a/b/c t/full t/empty t/x/y t/gone/sub t/exch1 t/exch2 t/ro
// before: for f in t/f1 t/f2 t/f3 t/f4 t/f5 t/f6 t/a/1 t/a/b/2 t/a/b/c/3 t/full/1 t/full/2 t/x/y/1 t/gone/1 t/gone/sub/2 t/exch1/one t/exch2/two t/ro/f; do echo $f > $f; done
// before: ln -s f1 t/link; ln -s a/b t/dirlink; ln -s nowhere t/broken; mkfifo t/fifo; chmod 0640 t/f2; chmod 0711 t/empty
// before: touch -d @1000000000 t/f3 t/a; mkdir t/many; cd t/many; i=0; while [ $i -lt 300 ]; do : > n$i; i=$((i+1)); done
// again: -v {}:{}
#include "file.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/mman.h>

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void list(const char *dir)
{
	struct dirent **e;
	int n = scandir(dir, &e, NULL, by_name);

	printf("%s:", dir);
	if (n < 0)
		printf(" %s", strerrorname_np(errno));
	for (int i = 0; i < n; i++)
		if (strcmp(e[i]->d_name, ".") && strcmp(e[i]->d_name, ".."))
			printf(" %s%s", e[i]->d_name,
			       e[i]->d_type == DT_DIR ? "/" : e[i]->d_type == DT_LNK ? "@" : e[i]->d_type == DT_FIFO ? "|" : "");
	printf("\n");
}

static ino_t ino_of(const char *name)
{
	struct stat st;

	return stat(name, &st) ? 0 : st.st_ino;
}

static void seen(void)
{
	struct stat st;
	char buf[64] = "";

	list(".");
	list("a");
	show_mode("f2");
	show_mode("empty");
	show_file("dirlink/2");
	T(readlink("link", buf, sizeof(buf)));
	puts(buf);
	stat("f3", &st);
	printf("time %ld blocks %d blksize %ld\n", (long)st.st_mtime, st.st_blocks > 0, (long)st.st_blksize);
	stat("many", &st);
	printf("links %d\n", (int)st.st_nlink);
	stat("a", &st);
	printf("links %d\n", (int)st.st_nlink);
}

static void one_file(void)
{
	ino_t before = ino_of("f1");
	struct stat st;
	int fd = open("f1", O_RDONLY), fd2 = open("f1", O_RDWR);
	char buf[32] = "";

	T(chmod("f1", 0600));
	printf("same inode %d\n", ino_of("f1") == before);
	T(write(fd2, "changed", 7));
	printf("same inode %d\n", ino_of("f1") == before);
	T(pread(fd, buf, 31, 0));
	puts(buf);
	fstat(fd, &st);
	printf("same through descriptor %d mode %o\n", st.st_ino == before, st.st_mode);
	T(unlink("f1"));
	T(access("f1", F_OK));
	T(pread(fd, buf, 7, 0));
	O(open("f1", O_RDWR | O_CREAT | O_EXCL, 0644));
	printf("another inode %d\n", ino_of("f1") != before);
	show_file("f1");
	T(pread(fd, buf, 7, 0));
	fstat(fd, &st);
	printf("links %d\n", (int)st.st_nlink);
	close(fd);
	close(fd2);
	T(unlink("f1"));
	T(unlink("f1"));
	T(mkdir("f1", 0755));
	list("f1");
	T(rmdir("f1"));
	T(symlink("f2", "f1"));
	show_file("f1");
	T(rename("f3", "f1"));
	show_file("f1");
	T(access("f3", F_OK));
	stat("f1", &st);
	printf("time kept %ld\n", (long)st.st_mtime);
}

static void links(void)
{
	struct stat st;
	int fd;

	T(link("f4", "hard"));
	stat("f4", &st);
	printf("links %d same %d\n", (int)st.st_nlink, st.st_ino == ino_of("hard"));
	fd = open("hard", O_WRONLY | O_APPEND);
	T(write(fd, "more", 4));
	close(fd);
	show_file("f4");
	T(unlink("f4"));
	show_file("hard");
	stat("hard", &st);
	printf("links %d\n", (int)st.st_nlink);
	T(rename("hard", "f4"));
	show_file("f4");
	T(link("link", "hardlink"));
	show_mode("hardlink");
	T(link("a", "harddir"));
	T(link("fifo", "hardfifo"));
	T(unlink("fifo"));
	show_mode("hardfifo");
}

static void directories(void)
{
	char cwd[256];
	int d = open("a/b", O_RDONLY | O_DIRECTORY), f = open("a/b/c/3", O_RDONLY);
	ino_t before = ino_of("a/b");

	T(rmdir("full"));
	T(rename("empty", "full"));
	T(rename("full", "empty"));
	list("empty");
	T(rename("a", "a/b/inside"));
	T(rename("a", "renamed"));
	list("renamed");
	list("renamed/b");
	printf("same inode %d\n", ino_of("renamed/b") == before);
	show_file("renamed/b/c/3");
	T(access("a", F_OK));
	T(openat(d, "2", O_RDONLY) < 0 ? -1 : 0);
	T(mkdirat(d, "new", 0755));
	list("renamed/b");
	T(fchdir(d));
	getcwd(cwd, sizeof(cwd));
	printf("cwd ends %s\n", strrchr(strstr(cwd, "/t/"), 't'));
	list("..");
	T(rename("../../renamed", "../../again"));
	getcwd(cwd, sizeof(cwd));
	printf("%s\n", strstr(cwd, "/t/"));
	show_file("c/3");
	T(chdir("../.."));
	T(mkdir("a", 0755));
	list("a");
	T(rename("again/b/c", "a/c"));
	list("a/c");
	list("again/b");
	show_file("a/c/3");
	T(read(f, cwd, 5));
	close(d);
	close(f);
}

static void remove_and_make_again(void)
{
	T(unlink("gone/sub/2"));
	T(rmdir("gone/sub"));
	T(rmdir("gone"));
	T(unlink("gone/1"));
	T(rmdir("gone"));
	T(mkdir("gone", 0755));
	list("gone");
	T(access("gone/1", F_OK));
	T(access("gone/sub", F_OK));
	put_file("gone/1", "new");
	show_file("gone/1");
	list("gone");
	T(unlink("gone/1"));
	list("gone");
	T(rmdir("gone"));
	T(rename("x", "gone"));
	list("gone/y");
	T(mkdir("x", 0755));
	list("x");
	T(renameat2(AT_FDCWD, "exch1", AT_FDCWD, "exch2", RENAME_EXCHANGE));
	list("exch1");
	list("exch2");
	T(renameat2(AT_FDCWD, "exch1", AT_FDCWD, "f5", RENAME_EXCHANGE));
	show_file("exch1");
	list("f5");
	T(renameat2(AT_FDCWD, "f5", AT_FDCWD, "f6", RENAME_NOREPLACE));
	T(unlink("f6"));
	T(renameat2(AT_FDCWD, "f5", AT_FDCWD, "f6", RENAME_NOREPLACE));
	list("f6");
}

static void many(void)
{
	char name[32];
	struct dirent *e;
	int left = 0;
	DIR *d;

	for (int i = 0; i < 300; i += 2) {
		snprintf(name, sizeof(name), "many/n%d", i);
		if (unlink(name))
			puts("not removed");
	}
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "many/m%d", i);
		put_file(name, "");
	}
	d = opendir("many");
	while ((e = readdir(d)))
		left++;
	printf("left %d\n", left);
	rewinddir(d);
	left = 0;
	while ((e = readdir(d))) {
		snprintf(name, sizeof(name), "many/%s", e->d_name);
		if (e->d_name[0] != '.' && unlink(name))
			printf("%s: %d\n", name, errno);
		left += e->d_name[0] != '.';
	}
	printf("removed %d\n", left);
	closedir(d);
	T(rmdir("many"));
	T(access("many/n1", F_OK));
}

static void attributes(void)
{
	struct timespec ts[2] = { { 5, 6 }, { 7, 8 } };
	struct stat st;
	int fd;

	T(utimensat(AT_FDCWD, "empty", ts, 0));
	stat("empty", &st);
	printf("%ld %ld\n", (long)st.st_mtim.tv_sec, st.st_atim.tv_nsec);
	put_file("empty/3", "x");
	stat("empty", &st);
	printf("changed %d\n", st.st_mtim.tv_sec != 7);
	T(chmod("ro", 0555));
	T(unlink("ro/f"));
	O(open("ro/new", O_RDWR | O_CREAT, 0644));
	T(mkdir("ro/new", 0755));
	T(rename("ro/f", "ro/g"));
	T(rename("ro", "ro2"));
	T(rename("ro2", "x/ro"));
	T(chmod("ro2", 0755));
	T(rename("ro2", "x/ro"));
	show_file("x/ro/f");
	T(truncate("f2", 2));
	show_file("f2");
	T(truncate("f2", 10));
	show_mode("f2");
	fd = open("empty/1", O_RDWR);
	T(lseek(fd, 0, SEEK_END));
	T(write(fd, "appended", 8));
	T(lseek(fd, 100000, SEEK_SET));
	T(write(fd, "far", 3));
	close(fd);
	show_mode("empty/1");
	show_file("empty/1");
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	umask(022);
	no_caps();
	if (chdir("t"))
		return 1;
	seen();
	one_file();
	links();
	directories();
	remove_and_make_again();
	many();
	attributes();
	list(".");
	return 0;
}
