/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: dup and its kin, close-on-exec, status flags, owners, pipe sizes; what forks, execs and closes do to them. */
// again: -v {}:{}
#include "file.h"

#include <limits.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif

static void duplicates(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644), p = open("f", O_PATH);
	char buf[16];

	write(fd, "0123456789", 10);
	lseek(fd, 0, SEEK_SET);
	T(fd);
	T(dup(fd));
	T(dup(99));
	T(dup(-1));
	T(dup2(fd, 10));
	T(dup2(fd, fd));
	T(dup2(99, 99));
	T(dup2(99, 3));
	T(fcntl(3, F_GETFD));
	T(dup2(fd, -1));
	T(dup2(fd, 1 << 30));
	T(dup3(fd, 11, O_CLOEXEC));
	T(fcntl(11, F_GETFD));
	T(dup3(fd, fd, 0));
	T(dup3(99, 99, 0));
	T(dup3(fd, 12, O_NONBLOCK));
	T(dup2(11, 12));
	T(fcntl(12, F_GETFD));
	T(fcntl(fd, F_DUPFD, 20));
	T(fcntl(fd, F_DUPFD, 20));
	T(fcntl(fd, F_DUPFD_CLOEXEC, 20));
	T(fcntl(22, F_GETFD));
	T(fcntl(fd, F_DUPFD, -1));
	T(fcntl(fd, F_DUPFD, 1 << 30));
	T(fcntl(99, F_DUPFD, 0));
	T(fcntl(p, F_DUPFD, 30));
	T(fcntl(30, F_GETFL));
	T(dup2(p, 31));
	T(fcntl(31, F_GETFL));
	/* One position, one set of flags. */
	T(read(20, buf, 4));
	T(lseek(12, 0, SEEK_CUR));
	T(fcntl(10, F_SETFL, O_APPEND | O_NONBLOCK));
	T(fcntl(fd, F_GETFL));
	int again = open("f", O_RDWR);
	T(lseek(again, 0, SEEK_CUR));
	T(fcntl(again, F_GETFL));
	T(fcntl(fd, F_DUPFD_QUERY, 20));
	T(fcntl(fd, F_DUPFD_QUERY, again));
	T(fcntl(fd, F_DUPFD_QUERY, 99));
	/* Replacing closes what was there. */
	int q[2];
	pipe(q);
	T(dup2(fd, q[1]) == q[1]);
	T(read(q[0], buf, 1));
	close(q[0]);
	struct rlimit l, old;
	getrlimit(RLIMIT_NOFILE, &old);
	l = old;
	l.rlim_cur = 25;
	setrlimit(RLIMIT_NOFILE, &l);
	T(dup2(fd, 24));
	T(dup2(fd, 25));
	T(dup3(fd, 25, 0));
	T(fcntl(fd, F_DUPFD, 24));
	T(fcntl(fd, F_DUPFD, 25));
	T(read(30, buf, 1));
	T(fcntl(31, F_GETFD));
	setrlimit(RLIMIT_NOFILE, &old);
	close_range(3, ~0U, 0);
}

static void descriptor_flags(void)
{
	int fd = open("f", O_RDWR | O_CLOEXEC), flag;

	T(fcntl(fd, F_GETFD));
	T(fcntl(fd, F_SETFD, 0));
	T(fcntl(fd, F_GETFD));
	T(fcntl(fd, F_SETFD, 0xff));
	T(fcntl(fd, F_GETFD));
	T(fcntl(fd, F_SETFD, 2));
	T(fcntl(fd, F_GETFD));
	T(ioctl(fd, FIOCLEX));
	T(fcntl(fd, F_GETFD));
	T(ioctl(fd, FIONCLEX));
	T(fcntl(fd, F_GETFD));
	T(fcntl(fd, F_GETFL));
	T(fcntl(fd, F_SETFL, O_WRONLY | O_CREAT | O_TRUNC | O_EXCL | O_SYNC | O_NONBLOCK | O_CLOEXEC));
	T(fcntl(fd, F_GETFL));
	T(fcntl(fd, F_SETFL, O_NOATIME));
	T(fcntl(fd, F_GETFL));
	T(fcntl(fd, F_SETFL, 0));
	T(fcntl(fd, F_GETFL));
	flag = 1;
	T(ioctl(fd, FIONBIO, &flag));
	T(fcntl(fd, F_GETFL));
	flag = 0;
	T(ioctl(fd, FIONBIO, &flag));
	T(fcntl(fd, F_GETFL));
	T(fcntl(fd, 9999));
	T(fcntl(99, 9999));
	T(fcntl(99, F_GETFD));
	T(fcntl(fd, F_GETLEASE));
	lseek(fd, 3, SEEK_SET);
	T(ioctl(fd, FIONREAD, &flag));
	T(flag);
	T(ioctl(fd, 0x5401, &flag));
	close(fd);
	/* Flags with which files are opened. */
	fd = open("f", O_RDONLY | O_SYNC | O_NOCTTY | O_NONBLOCK | O_NOATIME | O_CLOEXEC | O_NOFOLLOW);
	T(fcntl(fd, F_GETFL));
	close(fd);
	fd = open("f", O_WRONLY | O_DSYNC | O_APPEND | O_TRUNC | O_CREAT, 0644);
	T(fcntl(fd, F_GETFL));
	close(fd);
}

static void owners(void)
{
	struct f_owner_ex o = { 0, 0 };
	int s[2], fd = open("f", O_RDONLY);

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	T(fcntl(s[0], F_GETOWN));
	T(fcntl(s[0], F_GETOWN_EX, &o));
	printf("%d %d\n", o.type, o.pid);
	T(fcntl(s[0], F_SETOWN, getpid()));
	printf("%d\n", fcntl(s[0], F_GETOWN) == getpid());
	T(fcntl(s[0], F_GETOWN_EX, &o));
	printf("%d %d\n", o.type, o.pid == getpid());
	T(fcntl(s[0], F_SETOWN, -getpgrp()));
	T(fcntl(s[0], F_GETOWN_EX, &o));
	printf("%d %d\n", o.type, o.pid == getpgrp());
	o = (struct f_owner_ex){ F_OWNER_TID, gettid() };
	T(fcntl(s[0], F_SETOWN_EX, &o));
	printf("%d\n", fcntl(s[0], F_GETOWN) == getpid());
	o.type = 9;
	T(fcntl(s[0], F_SETOWN_EX, &o));
	T(fcntl(s[0], F_SETOWN_EX, (void *)8));
	T(fcntl(s[0], F_SETOWN, 999999));
	T(fcntl(s[0], F_SETOWN, INT_MIN));
	T(fcntl(s[0], F_SETOWN, 0));
	T(fcntl(s[0], F_GETOWN));
	T(fcntl(s[0], F_GETSIG));
	T(fcntl(s[0], F_SETSIG, SIGUSR1));
	T(fcntl(s[0], F_GETSIG) == SIGUSR1);
	T(fcntl(s[0], F_SETSIG, 64));
	T(fcntl(s[0], F_SETSIG, 65));
	T(fcntl(s[0], F_SETSIG, -1));
	T(fcntl(fd, F_GETOWN));
	close(s[0]);
	close(s[1]);
	close(fd);
}

static void pipes(void)
{
	int p[2], fd = open("f", O_RDONLY), n;
	char *buf = calloc(1, 1 << 20);

	pipe2(p, O_NONBLOCK);
	T(fcntl(p[0], F_GETFL));
	T(fcntl(p[1], F_GETFL));
	T(fcntl(p[0], F_GETPIPE_SZ));
	T(write(p[1], buf, 1 << 20));
	T(fcntl(p[0], F_SETPIPE_SZ, 4096));
	T(read(p[0], buf, 65536));
	T(fcntl(p[0], F_SETPIPE_SZ, 1));
	T(fcntl(p[1], F_GETPIPE_SZ));
	T(fcntl(p[0], F_SETPIPE_SZ, 5000));
	T(write(p[1], buf, 1 << 20));
	T(ioctl(p[0], FIONREAD, &n));
	T(n);
	T(fcntl(p[0], F_SETPIPE_SZ, 0));
	T(fcntl(p[0], F_SETPIPE_SZ, 0x80000001));
	T(fcntl(fd, F_GETPIPE_SZ));
	T(fcntl(fd, F_SETPIPE_SZ, 4096));
	T(fcntl(p[0], F_SETFL, 0));
	T(fcntl(p[0], F_GETFL));
	T(fcntl(p[1], F_GETFL));
	close(p[0]);
	close(p[1]);
	close(fd);
}

/* Of what a child sees after fork and exec. */
static void inheritance(const char *self)
{
	int a = open("f", O_RDWR), b = open("f", O_RDWR | O_CLOEXEC), status;
	pid_t pid;
	char num[2][12];

	write(a, "xyz", 3);
	lseek(a, 1, SEEK_SET);
	pid = fork();
	if (!pid) {
		char c;

		read(a, &c, 1);
		close(a);
		_exit(c);
	}
	waitpid(pid, &status, 0);
	printf("child read %c\n", WEXITSTATUS(status));
	T(lseek(a, 0, SEEK_CUR));
	sprintf(num[0], "%d", a);
	sprintf(num[1], "%d", b);
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", self, "child", num[0], num[1], NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	printf("status %d\n", WEXITSTATUS(status));
	T(lseek(a, 0, SEEK_CUR));
}

static int child(char **argv)
{
	int a = atoi(argv[2]), b = atoi(argv[3]);

	printf("in the child: %d %d, position %ld\n", fcntl(a, F_GETFD), fcntl(b, F_GETFD), (long)lseek(a, 0, SEEK_CUR));
	lseek(a, 9, SEEK_SET);
	return 3;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc > 1)
		return child(argv);
	close_range(3, ~0U, 0);
	duplicates();
	descriptor_flags();
	owners();
	pipes();
	inheritance(argv[0]);
	return 0;
}
