/* SPDX-License-Identifier: Apache-2.0 */
/* A signal against every call that blocks. A thread makes the call again and again while another sends it signals: none is lost, the
 * call ends with EINTR, or as if nothing had been, and never hangs; with SA_RESTART it is not seen where signal(7) says so. Each
 * call runs until a number of handlers has run, so the time that it takes is bounded by the signals and not by a clock. */
#include "race.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum { SIGNALS = 100 };

static volatile sig_atomic_t handled;
static int pipe_in, full_out, sock, listener, epfd, evfd, tfd, sfd, locked;
static int word;
static pid_t sleeping_child;
static const struct timespec hour = { 3600, 0 };
static sigset_t none;

static void count(int sig)
{
	(void)sig;
	handled++;
}

/* --- the calls; each returns what it got, and blocks for ever unless a signal comes --- */

static long do_read(void)
{
	char c;

	return read(pipe_in, &c, 1);
}

static long do_write(void)
{
	char c = 0;

	return write(full_out, &c, 1);
}

static long do_recv(void)
{
	char c;

	return recv(sock, &c, 1, 0);
}

static long do_accept(void)
{
	return accept(listener, NULL, NULL);
}

static long do_poll(void)
{
	struct pollfd p = { .fd = pipe_in, .events = POLLIN };

	return poll(&p, 1, -1);
}

static long do_ppoll(void)
{
	struct pollfd p = { .fd = pipe_in, .events = POLLIN };

	return ppoll(&p, 1, NULL, &none);
}

static long do_select(void)
{
	fd_set s;

	FD_ZERO(&s);
	FD_SET(pipe_in, &s);
	return select(pipe_in + 1, &s, NULL, NULL, NULL);
}

static long do_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(epfd, &ev, 1, -1);
}

static long do_eventfd(void)
{
	uint64_t v;

	return read(evfd, &v, sizeof(v));
}

static long do_timerfd(void)
{
	uint64_t v;

	return read(tfd, &v, sizeof(v));
}

static long do_signalfd(void)
{
	struct signalfd_siginfo si;

	return read(sfd, &si, sizeof(si));
}

static long do_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static long do_futex_timed(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &hour, NULL, 0);
}

static long do_nanosleep(void)
{
	return nanosleep(&hour, NULL);
}

static long do_pause(void)
{
	return pause();
}

static long do_sigsuspend(void)
{
	return sigsuspend(&none);
}

static long do_sigtimedwait(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	return sigtimedwait(&s, NULL, &hour);
}

static long do_wait(void)
{
	return waitpid(sleeping_child, NULL, 0);
}

static long do_waitid(void)
{
	siginfo_t si;

	return waitid(P_PID, (id_t)sleeping_child, &si, WEXITED | WNOWAIT);
}

static long do_flock(void)
{
	return flock(locked, LOCK_EX);
}

static long do_setlkw(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(locked, F_SETLKW, &l);
}

static const struct call {
	const char *name;
	long (*fn)(void);
} calls[] = {
	{ "read", do_read },	       { "write", do_write },	    { "recv", do_recv },	 { "accept", do_accept },
	{ "poll", do_poll },	       { "ppoll", do_ppoll },	    { "select", do_select },	 { "epoll_wait", do_epoll },
	{ "eventfd", do_eventfd },     { "timerfd", do_timerfd },   { "signalfd", do_signalfd }, { "futex", do_futex },
	{ "futex timed", do_futex_timed }, { "nanosleep", do_nanosleep }, { "pause", do_pause },	 { "sigsuspend", do_sigsuspend },
	{ "sigtimedwait", do_sigtimedwait }, { "waitpid", do_wait },	    { "waitid", do_waitid },	 { "flock", do_flock },
	{ "fcntl lock", do_setlkw },
};

/* --- the two sides --- */

static volatile int done;
static pthread_t victim;

static void *sender(void *arg)
{
	(void)arg;
	for (int round = 0; !done; round++) {
		int before = handled;

		dawdle(round);
		pthread_kill(victim, SIGUSR1);
		/* One at a time, lest two become one in the queue. */
		while (handled == before && !done)
			sched_yield();
	}
	return NULL;
}

static int against(const struct call *c, int flags)
{
	struct sigaction sa = { .sa_handler = count, .sa_flags = flags };
	pthread_t th;
	int wrong = 0;

	sigaction(SIGUSR1, &sa, NULL);
	handled = 0;
	done = 0;
	victim = pthread_self();
	pthread_create(&th, NULL, sender, NULL);
	while (handled < race_rounds(SIGNALS)) {
		long r = c->fn();

		if (r != -1 || errno != EINTR) {
			if (!wrong++)
				fprintf(stderr, "%s: %ld %s\n", c->name, r, r < 0 ? strerrorname_np(errno) : "");
			if (wrong > 5)
				break;
		}
	}
	done = 1;
	pthread_join(th, NULL);
	return wrong;
}

static void open_all(char *name)
{
	struct epoll_event ev = { .events = EPOLLIN };
	char block[4096] = { 0 };
	int p[2], q[2], s[2];
	sigset_t usr2;

	if (pipe(p) || pipe2(q, O_NONBLOCK) || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		exit(1);
	pipe_in = p[0];
	full_out = q[1];
	while (write(full_out, block, sizeof(block)) > 0)
		;
	fcntl(full_out, F_SETFL, 0);
	sock = s[0];
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, &(struct sockaddr){ AF_UNIX }, 2) || listen(listener, 5))
		exit(2);
	epfd = epoll_create1(0);
	epoll_ctl(epfd, EPOLL_CTL_ADD, pipe_in, &ev);
	evfd = eventfd(0, 0);
	tfd = timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_settime(tfd, 0, &(struct itimerspec){ .it_value = hour }, NULL);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	sfd = signalfd(-1, &usr2, 0);
	locked = open(name, O_RDWR | O_CREAT, 0600);
	sigemptyset(&none);
}

/* Holds the locks that the parent waits for, and is the child that it waits for. */
static void start_child(char *name)
{
	int p[2];
	char c;

	if (pipe(p))
		exit(3);
	sleeping_child = fork();
	if (!sleeping_child) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		int fd = open(name, O_RDWR);

		if (flock(fd, LOCK_EX) || fcntl(fd, F_SETLK, &l) || write(p[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(p[0], &c, 1) != 1)
		exit(4);
}

int main(void)
{
	char name[] = "lock";

	open_all(name);
	start_child(name);
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		printf("%s: %d\n", calls[i].name, against(&calls[i], 0));
	kill(sleeping_child, SIGKILL);
	waitpid(sleeping_child, NULL, 0);
	return 0;
}
