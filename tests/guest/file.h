/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of files share: one printed line a call, and an equal start natively and in the sandbox. */
#ifndef GUEST_FILE_H
#define GUEST_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	if (r < 0)
		printf("%s: %s\n", what, strerrorname_np(errno) ? strerrorname_np(errno) : "?");
	else
		printf("%s: %ld\n", what, r);
	return r;
}

/* A call, with its text and result, which is its value. */
#define T(call) (errno = 0, say(#call, (long)(call)))

/* The same for what gives a descriptor, whose number is not told. */
static inline int say_fd(const char *what, int fd)
{
	say(what, fd < 0 ? fd : 0);
	return fd;
}
#define FD(call) say_fd(#call, (call))

static inline void try_close(const char *what, int fd)
{
	if (say_fd(what, fd) >= 0)
		close(fd);
}
/* An open that is just tried. */
#define O(call) try_close(#call, (call))

/* Root natively has capabilities, and the sandbox's guests have none. */
static inline void no_caps(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	for (int c = 0; c <= 63; c++)
		prctl(PR_CAPBSET_DROP, c);
	if (syscall(SYS_capset, &h, d))
		printf("capset: %d\n", errno);
}

static inline void put_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		printf("cannot write %s: %d\n", name, errno);
	close(fd);
}

static inline void show_file(const char *name)
{
	char buf[256];
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0) {
		say(name, -1);
	} else {
		buf[n] = 0;
		printf("%s holds \"%s\"\n", name, buf);
	}
	if (fd >= 0)
		close(fd);
}

static inline void show_mode(const char *name)
{
	struct stat st;

	if (lstat(name, &st))
		say(name, -1);
	else
		printf("%s: mode %o links %d size %ld\n", name, st.st_mode, S_ISDIR(st.st_mode) ? 0 : (int)st.st_nlink,
		       S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
}

/* Runs fn in "." and in a directory of a memory file system: the two kinds of trees that guests meet. */
static inline void everywhere(void (*fn)(void))
{
	char dir[64];

	umask(022);
	setvbuf(stdout, NULL, _IOLBF, 0);
	no_caps();
	printf("--- here ---\n");
	fn();
	snprintf(dir, sizeof(dir), "/dev/shm/guest.%d", (int)getpid());
	if (mkdir(dir, 0755) || chdir(dir)) {
		printf("no memory file system: %d\n", errno);
		return;
	}
	printf("--- in memory ---\n");
	fn();
	if (chdir("/"))
		return;
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd))
		printf("not removed\n");
}

#endif
