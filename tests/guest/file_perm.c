/* SPDX-License-Identifier: Apache-2.0 */
/* What another user than root may do to files of root's, of its own and of its group's: permission bits, sticky and set-group-ID
 * directories, changing modes, owners and times, access(2), links. */
// user: 1000 1000
// before: make() { echo $1 > $1; chown $2 $1; chmod $3 $1; }; make own 1000:1000 644; make own0 1000:1000 0; make own7 1000:1000 077
// before: make() { echo $1 > $1; chown $2 $1; chmod $3 $1; }; make root 0:0 644; make secret 0:0 600; make open 0:0 666; make grp 0:1000 660
// before: make() { echo $1 > $1; chown $2 $1; chmod $3 $1; }; make grpno 0:1000 606; make suid 1000:1000 6755; make sgid 1000:0 2755; make prog 0:0 711
// before: make() { mkdir $1; echo inner > $1/f; echo own > $1/own; chown 1000:1000 $1/own; chown $2 $1; chmod $3 $1; }; make sticky 0:0 1777; make mysticky 1000:1000 1777; make setgid 0:1000 2775; make search 0:0 711; make look 0:0 744; make closed 0:0 700; make ro 0:0 755; make mine 1000:1000 755; make foreign 1000:0 2777
// again: -v {}:{}
#include "file.h"

#include <linux/fs.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <utime.h>

static void owner(const char *name)
{
	struct stat st;

	if (lstat(name, &st))
		say(name, -1);
	else
		printf("%s: %d:%d %o\n", name, st.st_uid, st.st_gid, st.st_mode);
}

static void opens(void)
{
	static const char *const names[] = { "own", "own0", "own7", "root", "secret", "open", "grp", "grpno", "suid", "prog", "closed/f",
					     "search/f", "look/f", "look", "search", "closed", "sticky/f", "/etc/shadow", "/etc/passwd" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_PATH, O_WRONLY | O_TRUNC, O_RDONLY | O_NOATIME };

		printf("%s:", names[i]);
		for (size_t m = 0; m < sizeof(modes) / sizeof(*modes); m++) {
			int fd = strcmp(names[i], "own") || modes[m] != (O_WRONLY | O_TRUNC) ? open(names[i], modes[m]) : 0;

			printf(" %s", fd < 0 ? strerrorname_np(errno) : "ok");
			if (fd > 0)
				close(fd);
		}
		for (int m = 0; m < 8; m++)
			printf("%s%d", m ? "" : " access ", access(names[i], m) == 0);
		printf("\n");
	}
}

static void names(void)
{
	T(unlink("ro/f"));
	T(unlink("ro/own"));
	T(rename("ro/f", "ro/g"));
	T(rename("ro/own", "taken"));
	O(open("ro/new", O_CREAT | O_RDWR, 0644));
	O(open("ro/f", O_CREAT | O_RDWR, 0644));
	O(open("ro/f", O_CREAT | O_RDONLY, 0644));
	O(open("ro/f", O_CREAT | O_EXCL | O_RDONLY, 0644));
	T(mkdir("ro/d", 0755));
	T(mkdir("ro/f", 0755));
	T(rmdir("ro/d"));
	T(unlink("ro/missing"));
	T(unlink("look/f"));
	T(unlink("look/missing"));
	T(unlink("search/f"));
	T(unlink("sticky/f"));
	T(unlink("sticky/own"));
	T(rename("sticky/f", "mine/f2"));
	O(open("sticky/new", O_CREAT | O_RDWR, 0644));
	T(rename("sticky/new", "sticky/f"));
	T(rename("sticky/new", "sticky/new2"));
	T(rename("mine/own", "sticky/f"));
	T(renameat2(AT_FDCWD, "sticky/new2", AT_FDCWD, "sticky/f", RENAME_EXCHANGE));
	T(unlink("mysticky/f"));
	T(rename("mine/f", "mine/g"));
	T(unlink("mine/g"));
	T(rename("secret", "mine/secret"));
	T(unlink("mine/secret"));
	T(rename("ro", "mine/ro"));
	T(rename("look", "look2"));
	T(rename("closed", "closed2"));
	T(rmdir("closed2"));
	T(chdir("closed2"));
	T(chdir("look2"));
	T(chdir("search"));
	O(open(".", O_RDONLY));
	T(chdir(".."));
	T(symlink("x", "ro/l"));
	T(link("root", "ro/hard"));
	T(link("root", "mine/hard"));
	T(link("grp", "mine/hardgrp"));
	T(mkfifo("ro/fifo", 0644));
	T(mknod("mine/dev", S_IFCHR | 0666, 0x103));
}

static void modes(void)
{
	static const struct {
		const char *name;
		mode_t mode;
	} tries[] = { { "own", 0600 }, { "own", 07777 }, { "sgid", 02755 }, { "sgid", 06711 }, { "root", 0666 }, { "open", 0666 },
		      { "grp", 0666 }, { "mine", 02755 }, { "foreign", 02755 }, { "foreign", 03777 }, { "own0", 04000 }, { "ro/own", 0200 } };

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		printf("%s %o ", tries[i].name, tries[i].mode);
		say("chmod", chmod(tries[i].name, tries[i].mode));
		owner(tries[i].name);
	}
	chmod("own", 0644);
}

static void owners(void)
{
	T(chown("own", 0, -1));
	T(chown("own", 1000, -1));
	T(chown("own", 1001, 1000));
	T(chown("own", -1, 0));
	T(chown("own", -1, 1000));
	T(chown("own", -1, -1));
	T(chown("root", 1000, -1));
	T(chown("root", -1, 1000));
	T(chown("root", 0, 0));
	T(chown("root", -1, -1));
	T(chown("sgid", -1, 1000));
	owner("sgid");
	T(chown("suid", 1000, -1));
	owner("suid");
	T(chmod("suid", 06755));
	T(chown("suid", -1, -1));
	owner("suid");
	T(chmod("suid", 02644));
	T(chown("suid", 1000, 1000));
	owner("suid");
	T(lchown("open", 0, 0));
}

static void times(void)
{
	struct timespec set[2] = { { 1, 2 }, { 3, 4 } }, omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };
	struct timespec both[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	static const char *const names[] = { "own0", "root", "open", "grp", "closed2/f" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		printf("%s\n", names[i]);
		T(utimensat(AT_FDCWD, names[i], NULL, 0));
		T(utimensat(AT_FDCWD, names[i], both, 0));
		T(utimensat(AT_FDCWD, names[i], omit, 0));
		T(utimensat(AT_FDCWD, names[i], set, 0));
	}
}

static void sizes(void)
{
	int fd;

	T(truncate("root", 0));
	T(truncate("open", 3));
	T(truncate("own0", 3));
	T(truncate("secret2", 3));
	/* Writing takes the bits away that writing lets one misuse. */
	chmod("own", 06777);
	fd = open("own", O_WRONLY);
	T(write(fd, "x", 1));
	owner("own");
	chmod("own", 06777);
	T(ftruncate(fd, 100));
	owner("own");
	chmod("own", 06777);
	T(truncate("own", 50));
	owner("own");
	chmod("own", 06767);
	T(write(fd, "", 0));
	owner("own");
	T(write(fd, "x", 1));
	owner("own");
	chmod("own", 06777);
	T(fallocate(fd, 0, 0, 10));
	owner("own");
	chmod("own", 06777);
	O(open("own", O_WRONLY | O_TRUNC));
	owner("own");
	close(fd);
}

static void made(void)
{
	umask(0);
	T(mkdir("setgid/d", 0777));
	owner("setgid/d");
	put_file("setgid/new", "");
	owner("setgid/new");
	O(open("setgid/exec", O_CREAT | O_WRONLY, 02777));
	owner("setgid/exec");
	T(mkdir("foreign/d", 0777));
	owner("foreign/d");
	O(open("foreign/exec", O_CREAT | O_WRONLY, 02777));
	owner("foreign/exec");
	O(open("foreign/noexec", O_CREAT | O_WRONLY, 02666));
	owner("foreign/noexec");
	T(mkfifo("foreign/fifo", 0666));
	owner("foreign/fifo");
	T(symlink("x", "foreign/link"));
	owner("foreign/link");
	T(chmod("foreign/link", 0600));
	O(open("mine/exec", O_CREAT | O_WRONLY, 06777));
	owner("mine/exec");
	umask(022);
}

static void others(void)
{
	T(setuid(0));
	T(setgid(0));
	T(access("secret", R_OK));
	T(faccessat(AT_FDCWD, "own7", R_OK, AT_EACCESS));
	T(faccessat(AT_FDCWD, "prog", X_OK, AT_EACCESS));
	T(faccessat(AT_FDCWD, "own", 8, 0));
	T(execl("own7", "own7", NULL));
	T(execl("root", "root", NULL));
	T(execl("ro", "ro", NULL));
	T(execl("closed2/f", "f", NULL));
	int fd = open("root", O_RDONLY);
	T(mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	T(fchmod(fd, 0777));
	T(fchown(fd, 1000, 1000));
	T(futimens(fd, NULL));
	T(ftruncate(fd, 0));
	T(fcntl(fd, F_SETFL, O_NOATIME));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	umask(022);
	opens();
	modes();
	owners();
	times();
	sizes();
	made();
	names();
	others();
	return 0;
}
