/* SPDX-License-Identifier: Apache-2.0 */
/* The older and the newer names of what waits: epoll_create, epoll_pwait2, pselect6, inotify_init, eventfd and signalfd without flags. */
#include "file.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <time.h>

static volatile int signals;

static void count(int sig)
{
	(void)sig;
	signals++;
}

static long pwait2(int ep, struct epoll_event *e, int max, const struct timespec *ts, const sigset_t *mask, size_t size)
{
	return syscall(SYS_epoll_pwait2, ep, e, max, ts, mask, size);
}

static void old_names(void)
{
	uint64_t v;
	sigset_t s;
	int fd;

	T(epoll_create(0));
	T(epoll_create(-1));
	fd = FD(epoll_create(5));
	T(fcntl(fd, F_GETFD));
	close(fd);
	fd = FD(inotify_init());
	T(fcntl(fd, F_GETFD));
	T(fcntl(fd, F_GETFL));
	close(fd);
	fd = FD(syscall(SYS_eventfd, 7));
	T(fcntl(fd, F_GETFD));
	T(read(fd, &v, 8));
	printf("%d\n", (int)v);
	close(fd);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	fd = FD(syscall(SYS_signalfd, -1, &s, 8));
	T(syscall(SYS_signalfd, -1, &s, 4));
	T(syscall(SYS_signalfd, 0, &s, 8));
	T(fcntl(fd, F_GETFD));
	raise(SIGUSR1);
	char info[128];
	T(read(fd, info, sizeof(info)));
	printf("signal %d\n", info[0]);
	close(fd);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
}

static void newest_wait(void)
{
	struct timespec zero = { 0 }, odd = { 0, 1000000000 }, negative = { -1, 0 }, little = { 0, 1000 };
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 5 }, got[2];
	int ep = epoll_create1(0), p[2];
	sigset_t usr, none;

	pipe(p);
	epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
	T(pwait2(ep, got, 2, &zero, NULL, 8));
	T(pwait2(ep, got, 2, &little, NULL, 8));
	T(pwait2(ep, got, 2, &odd, NULL, 8));
	T(pwait2(ep, got, 2, &negative, NULL, 8));
	T(pwait2(ep, got, 2, (void *)8, NULL, 8));
	T(pwait2(ep, got, 0, &zero, NULL, 8));
	T(pwait2(-1, got, 2, &zero, NULL, 8));
	T(pwait2(p[0], got, 2, &zero, NULL, 8));
	write(p[1], "x", 1);
	T(pwait2(ep, got, 2, NULL, NULL, 8));
	printf("%#x %d\n", got[0].events, (int)got[0].data.u64);
	T(pwait2(ep, (void *)8, 2, NULL, NULL, 8));
	read(p[0], got, 1);
	/* A blocked signal that the mask lets in ends the wait, and is blocked again. */
	signal(SIGUSR1, count);
	sigemptyset(&usr);
	sigemptyset(&none);
	sigaddset(&usr, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr, NULL);
	raise(SIGUSR1);
	T(pwait2(ep, got, 2, &zero, &usr, 8));
	T(pwait2(ep, got, 2, NULL, &none, 4));
	T(pwait2(ep, got, 2, NULL, (void *)8, 8));
	T(pwait2(ep, got, 2, NULL, &none, 8));
	printf("%d signals\n", signals);
	close(p[0]);
	close(p[1]);
	close(ep);
}

/* The call itself, whose timeout tells what is left and whose last argument is a mask with its size. */
static void select_with_a_mask(void)
{
	struct { const sigset_t *mask; size_t size; } m = { NULL, 8 };
	struct timespec zero = { 0 }, odd = { 0, -1 };
	sigset_t none;
	fd_set in;
	int p[2];

	pipe(p);
	sigemptyset(&none);
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	T(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, &zero, NULL));
	FD_SET(p[0], &in);
	T(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, &odd, NULL));
	T(syscall(SYS_pselect6, -1, &in, NULL, NULL, &zero, NULL));
	m.mask = &none;
	m.size = 7;
	T(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &zero, &m));
	m.size = 8;
	T(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &zero, (void *)8));
	signals = 0;
	raise(SIGUSR1);
	T(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, NULL, &m));
	printf("%d signals\n", signals);
	write(p[1], "x", 1);
	T(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, NULL, &m));
	printf("set %d\n", !!FD_ISSET(p[0], &in));
	close(p[0]);
	T(syscall(SYS_pselect6, p[0] + 1, &in, NULL, NULL, NULL, &m));
	close(p[1]);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	old_names();
	newest_wait();
	select_with_a_mask();
	return 0;
}
