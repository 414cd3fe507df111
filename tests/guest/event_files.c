/* SPDX-License-Identifier: Apache-2.0 */
/* Event files are no places: what pread(2), splice(2), sendfile(2) and odd writes say of each; what is asked first of a splice. */
#include "file.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static int pipe_of_bytes[2], memory;

static void places(int fd)
{
	uint64_t n = 1;
	struct iovec v = { &n, sizeof(n) };

	T(lseek(fd, 0, SEEK_CUR));
	T(lseek(fd, 100, SEEK_SET));
	T(lseek(fd, 0, 9));
	T(pread(fd, &n, sizeof(n), 0));
	T(pread(fd, &n, sizeof(n), -1));
	T(pwrite(fd, &n, sizeof(n), 0));
	T(preadv(fd, &v, 1, 0));
	T(pwritev(fd, &v, 1, 0));
	T(preadv2(fd, &v, 1, 0, 0));
}

static void splices(int fd)
{
	off_t at = 0, end = 100;
	int p[2];

	pipe2(p, O_NONBLOCK);
	T(splice(fd, NULL, p[1], NULL, 64, SPLICE_F_NONBLOCK));
	T(splice(fd, &at, p[1], NULL, 64, SPLICE_F_NONBLOCK));
	T(splice(p[0], NULL, fd, NULL, 8, SPLICE_F_NONBLOCK));
	T(splice(pipe_of_bytes[0], NULL, fd, NULL, 8, SPLICE_F_NONBLOCK));
	T(splice(pipe_of_bytes[0], NULL, fd, &at, 8, SPLICE_F_NONBLOCK));
	T(sendfile(p[1], fd, NULL, 64));
	T(sendfile(p[1], fd, &at, 64));
	T(sendfile(-1, fd, NULL, 64));
	T(sendfile(fd, memory, &at, 8));
	T(sendfile(fd, memory, &end, 8));
	printf("at %d\n", (int)at);
	close(p[0]);
	close(p[1]);
}

static void file(const char *name, int fd)
{
	printf("--- %s\n", name);
	places(fd);
	splices(fd);
	close(fd);
}

/* The counter is written by eight bytes at a time and read into eight or more. */
static void counter(void)
{
	int fd = eventfd(3, EFD_NONBLOCK);
	uint64_t n[2] = { 1, 1 };
	struct iovec v[] = { { n, 4 }, { (char *)n + 4, 4 }, { n + 1, 8 } };

	printf("--- the counter\n");
	T(write(fd, n, 7));
	T(write(fd, n, 0));
	T(write(fd, n, 8));
	T(writev(fd, v, 1));
	T(read(fd, n, 7));
	T(readv(fd, v, 1));
	T(readv(fd, v, 3));
	printf("%d\n", (int)n[0]);
	T(read(fd, n, sizeof(n)));
	close(fd);
}

/* Each vector is a write. */
static void vectors(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t n[3] = { 2, 3, -2 };
	struct iovec two[] = { { n, 8 }, { n + 1, 8 } }, short_one[] = { { n, 8 }, { n + 1, 4 } };
	struct iovec gaps[] = { { n, 8 }, { n, 0 }, { NULL, 0 }, { n + 1, 8 }, { n, 0 } }, *gap = gaps + 1;
	struct iovec halves[] = { { n, 4 }, { (char *)n + 4, 4 } }, much[] = { { n, 8 }, { n + 2, 8 } };

	printf("--- vectors\n");
	T(writev(fd, two, 2));
	T(writev(fd, short_one, 2));
	T(writev(fd, halves, 2));
	T(writev(fd, much, 2));
	T(writev(fd, two, 0));
	T(writev(fd, gaps, 5));
	T(writev(fd, gap, 3));
	T(writev(fd, gap, 2));
	T(read(fd, n, 8));
	printf("%d\n", (int)n[0]);
	close(fd);
}

/* A socket can be sent to a pipe, as much as has come. */
static void sockets(void)
{
	char buf[16];
	off_t at = 0;
	int s[2], p[2];

	printf("--- sockets\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	pipe2(p, O_NONBLOCK);
	write(s[0], "abcdef", 6);
	T(sendfile(p[1], s[1], &at, 4));
	T(sendfile(p[1], s[1], NULL, 0));
	T(sendfile(p[1], s[1], NULL, 4));
	T(sendfile(p[1], s[1], NULL, 100));
	T(read(p[0], buf, sizeof(buf)));
	printf("%.6s\n", buf);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	T(sendfile(p[1], s[1], NULL, 4));
	shutdown(s[0], SHUT_WR);
	T(sendfile(p[1], s[1], NULL, 4));
	T(sendfile(p[0], s[1], NULL, 4));
	T(sendfile(p[1], p[0], NULL, 4));
	T(sendfile(s[0], s[1], NULL, 4));
	write(s[1], "gh", 2);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	T(sendfile(p[1], s[0], NULL, 4));
}

/* A message at a time; and an error before what has come. */
static void messages(void)
{
	char buf[16];
	int s[2], p[2];

	printf("--- messages\n");
	pipe2(p, O_NONBLOCK);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	write(s[0], "one", 3);
	write(s[0], "three", 5);
	T(splice(s[1], NULL, p[1], NULL, 100, 0));
	T(splice(s[1], NULL, p[1], NULL, 4, 0));
	T(read(p[0], buf, sizeof(buf)));
	printf("%.7s\n", buf);
	write(s[1], "left", 4);
	write(s[0], "unread", 6);
	close(s[1]);
	T(read(s[0], buf, sizeof(buf)));
	T(read(s[0], buf, sizeof(buf)));
	T(read(s[0], buf, sizeof(buf)));
	close(s[0]);
	close(p[0]);
	close(p[1]);
}

/* The pipe is asked for readers and room before the other side is asked for anything. */
static void rooms(void)
{
	static char page[65536];
	int full[2], unread[2], ended[2], fd = eventfd(1, 0);

	printf("--- rooms\n");
	pipe2(full, O_NONBLOCK);
	pipe2(unread, O_NONBLOCK);
	pipe2(ended, O_NONBLOCK);
	close(unread[0]);
	close(ended[1]);
	T(write(full[1], page, sizeof(page)));
	T(splice(fd, NULL, full[1], NULL, 8, SPLICE_F_NONBLOCK));
	T(splice(fd, NULL, unread[1], NULL, 8, SPLICE_F_NONBLOCK));
	T(splice(ended[0], NULL, full[1], NULL, 8, SPLICE_F_NONBLOCK));
	T(splice(ended[0], NULL, unread[1], NULL, 8, SPLICE_F_NONBLOCK));
	T(tee(ended[0], full[1], 8, SPLICE_F_NONBLOCK));
	T(tee(ended[0], unread[1], 8, SPLICE_F_NONBLOCK));
	T(read(full[0], page, sizeof(page)));
	T(splice(ended[0], NULL, full[1], NULL, 8, SPLICE_F_NONBLOCK));
	T(tee(ended[0], full[1], 8, SPLICE_F_NONBLOCK));
}

/* What has no place is refused before the pipe is asked; what cannot be spliced, after it. */
static void orders(int fd)
{
	static char page[65536];
	int unread[2], full[2];
	struct iovec none[2] = { { page, 0 }, { page, 0 } };
	loff_t at = 0;

	pipe2(unread, O_NONBLOCK);
	pipe2(full, O_NONBLOCK);
	close(unread[0]);
	write(full[1], page, sizeof(page));
	T(splice(fd, &at, unread[1], NULL, 8, SPLICE_F_NONBLOCK));
	T(splice(fd, &at, full[1], NULL, 8, SPLICE_F_NONBLOCK));
	T(sendfile(unread[1], fd, NULL, 8));
	T(sendfile(full[1], fd, NULL, 8));
	T(sendfile(full[1], memory, NULL, 0));
	T(readv(fd, none, 2));
	T(writev(fd, none, 2));
	close(unread[1]);
	close(full[0]);
	close(full[1]);
	close(fd);
}

/* /dev/null has nothing to splice, and nothing can be spliced to /dev/full. */
static void devices(void)
{
	static const char *const names[] = { "/dev/null", "/dev/zero", "/dev/full" };
	int p[2], unread[2];
	off_t at;

	pipe2(p, O_NONBLOCK);
	pipe2(unread, O_NONBLOCK);
	close(unread[0]);
	write(p[1], "some bytes", 10);
	for (int i = 0; i < 3; i++) {
		int fd = open(names[i], O_RDWR);

		printf("--- %s\n", names[i]);
		T(splice(p[0], NULL, fd, NULL, 2, SPLICE_F_NONBLOCK));
		T(splice(fd, NULL, p[1], NULL, 2, SPLICE_F_NONBLOCK));
		T(splice(fd, NULL, unread[1], NULL, 2, SPLICE_F_NONBLOCK));
		at = 0;
		T(sendfile(p[1], fd, &at, 3));
		T(sendfile(fd, memory, &at, 3));
		at = 100;
		T(sendfile(unread[1], fd, &at, 3));
		printf("at %d\n", (int)at);
		close(fd);
	}
}

int main(void)
{
	sigset_t none;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&none);
	pipe(pipe_of_bytes);
	memory = memfd_create("memory", 0);
	write(pipe_of_bytes[1], "\1\0\0\0\0\0\0\0", 8);
	write(memory, "\1\0\0\0\0\0\0\0", 8);
	file("eventfd", eventfd(1, EFD_NONBLOCK));
	file("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	file("signalfd", signalfd(-1, &none, SFD_NONBLOCK));
	file("inotify", inotify_init1(IN_NONBLOCK));
	file("epoll", epoll_create1(0));
	counter();
	vectors();
	sockets();
	messages();
	rooms();
	orders(eventfd(1, EFD_NONBLOCK));
	orders(epoll_create1(0));
	devices();
	return 0;
}
