/* SPDX-License-Identifier: Apache-2.0 */
/* O_ASYNC: which files raise SIGIO or the signal asked for, when, with what in it, for whom; fcntl(2), "Managing signals". */
#include "file.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>

static int rt;

static void watched_signals(sigset_t *s)
{
	sigemptyset(s);
	sigaddset(s, SIGIO);
	sigaddset(s, SIGURG);
	sigaddset(s, SIGUSR1);
	sigaddset(s, SIGBUS);
	sigaddset(s, rt);
}

/* What is pending, all of it. fd: what si_fd should be. */
static void pending(const char *what, int fd)
{
	struct timespec none = { 0, 0 };
	siginfo_t si;
	sigset_t s;
	int sig, any = 0;

	watched_signals(&s);
	printf("%s:", what);
	while ((sig = sigtimedwait(&s, &si, &none)) > 0) {
		any = 1;
		printf(" %s code %d", sig == rt ? "RT" : sigabbrev_np(sig), si.si_code);
		if (si.si_code != SI_KERNEL)
			printf(" band %lx fd %s", si.si_band, si.si_fd == fd ? "same" : "other");
	}
	printf(any ? "\n" : " none\n");
}

static void async(int fd, int sig)
{
	T(fcntl(fd, F_SETOWN, getpid()));
	T(fcntl(fd, F_SETSIG, sig));
	T(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
	T(!!(fcntl(fd, F_GETFL) & O_ASYNC));
}

static void pipes(void)
{
	static char big[70000];
	int p[2], d, on = 0;

	pipe2(p, O_NONBLOCK);
	T(fcntl(p[0], F_SETFL, O_NONBLOCK | O_ASYNC));
	write(p[1], "a", 1);
	pending("no owner", p[0]);
	async(p[0], 0);
	write(p[1], "b", 1);
	pending("plain", p[0]);
	write(p[1], "c", 1);
	pending("again, unread", p[0]);
	write(p[1], "d", 1);
	write(p[1], "e", 1);
	pending("two at once", p[0]);
	async(p[0], SIGIO);
	write(p[1], "f", 1);
	pending("SIGIO asked for", p[0]);
	async(p[0], rt);
	write(p[1], "g", 1);
	write(p[1], "h", 1);
	pending("queued", p[0]);
	async(p[0], SIGUSR1);
	write(p[1], "i", 1);
	pending("SIGUSR1", p[0]);
	async(p[0], SIGBUS);
	write(p[1], "j", 1);
	pending("with codes of its own", p[0]);
	read(p[0], big, sizeof(big));
	pending("a read", p[0]);
	/* A duplicate shares all, and what is told is the descriptor by which O_ASYNC was set. */
	async(p[0], rt);
	d = dup(p[0]);
	T(!!(fcntl(d, F_GETFL) & O_ASYNC));
	write(p[1], "k", 1);
	pending("a duplicate", d);
	T(fcntl(d, F_SETFL, O_NONBLOCK | O_ASYNC));
	write(p[1], "l", 1);
	pending("set where it is set", d);
	T(fcntl(d, F_SETFL, O_NONBLOCK));
	write(p[1], "m", 1);
	pending("off", d);
	T(fcntl(d, F_SETFL, O_NONBLOCK | O_ASYNC));
	write(p[1], "n", 1);
	pending("on through the duplicate", d);
	close(d);
	write(p[1], "o", 1);
	pending("which is closed", p[0]);
	T(ioctl(p[0], FIOASYNC, &on));
	T(!!(fcntl(p[0], F_GETFL) & O_ASYNC));
	async(p[1], rt);
	while (write(p[1], big, sizeof(big)) > 0)
		;
	pending("full", p[1]);
	read(p[0], big, 65536);
	pending("room", p[1]);
	close(p[0]);
	pending("no reader", p[1]);
	close(p[1]);
	pipe(p);
	async(p[0], rt);
	close(p[1]);
	pending("no writer", p[0]);
	close(p[0]);
}

static void fifos(void)
{
	int r, w;

	mkfifo("fifo", 0600);
	r = open("fifo", O_RDONLY | O_NONBLOCK);
	async(r, rt);
	w = open("fifo", O_WRONLY);
	pending("a writer came", r);
	write(w, "x", 1);
	pending("fifo", r);
	close(w);
	pending("it went", r);
	close(r);
	unlink("fifo");
}

/* Splicing tells as reading and writing do. */
static void spliced(void)
{
	int a[2], b[2];

	pipe(a);
	pipe(b);
	write(a[1], "abc", 3);
	async(b[0], rt);
	async(a[1], rt);
	T(splice(a[0], NULL, b[1], NULL, 1, 0));
	pending("splice", b[0]);
	T(tee(a[0], b[1], 1, 0));
	pending("tee", b[0]);
	T(splice(a[0], NULL, b[1], NULL, 2, 0));
	pending("splice of all", b[0]);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	pending("closed", -1);
}

static void no_events(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644), e = eventfd(0, 0), dir = open(".", O_RDONLY), on = 1;

	T(fcntl(fd, F_SETFL, O_ASYNC));
	T(!!(fcntl(fd, F_GETFL) & O_ASYNC));
	T(ioctl(fd, FIOASYNC, &on));
	T(ioctl(fd, FIOASYNC, NULL));
	T(fcntl(e, F_SETFL, O_ASYNC));
	T(!!(fcntl(e, F_GETFL) & O_ASYNC));
	T(ioctl(e, FIOASYNC, &on));
	T(fcntl(dir, F_SETFL, O_ASYNC));
	T(ioctl(dir, FIOASYNC, &on));
	on = 0;
	T(ioctl(e, FIOASYNC, &on));
	close(fd);
	close(e);
	close(dir);
	unlink("f");
}

/* The owner is a process, a group, a thread; or gone. */
static void owners(void)
{
	struct f_owner_ex o = { F_OWNER_TID, gettid() };
	int p[2], status;
	pid_t child;

	pipe(p);
	async(p[0], rt);
	T(fcntl(p[0], F_SETOWN, -getpgrp()));
	write(p[1], "x", 1);
	pending("a group's", p[0]);
	T(fcntl(p[0], F_SETOWN_EX, &o));
	write(p[1], "x", 1);
	pending("a thread's", p[0]);
	T(fcntl(p[0], F_GETOWN) == gettid());
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	T(fcntl(p[0], F_SETOWN, child));
	T(fcntl(p[0], F_SETSIG, SIGKILL));
	write(p[1], "x", 1);
	T(waitpid(child, &status, 0) == child);
	T(WTERMSIG(status));
	T(fcntl(p[0], F_GETOWN));
	o.pid = 1;
	T(fcntl(p[0], F_GETOWN_EX, &o));
	printf("%d %d\n", o.type, o.pid);
	write(p[1], "x", 1);
	pending("whose owner is gone", p[0]);
	T(fcntl(p[0], F_SETSIG, rt));
	/* A child inherits the file: its owner stays. */
	T(fcntl(p[0], F_SETOWN, getpid()));
	child = fork();
	if (!child) {
		write(p[1], "x", 1);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	pending("a child writes", p[0]);
	T(fcntl(p[0], F_SETOWN, 0));
	write(p[1], "x", 1);
	pending("nobody's", p[0]);
	close(p[0]);
	close(p[1]);
}

static pid_t tid;

static void *thread(void *arg)
{
	int *p = arg;
	struct f_owner_ex o = { F_OWNER_TID, gettid() };

	tid = o.pid;
	fcntl(p[0], F_SETOWN_EX, &o);
	write(p[1], "x", 1);
	pending("the thread's own", p[0]);
	return NULL;
}

static void threads(void)
{
	int p[2];
	pthread_t t;

	pipe(p);
	async(p[0], rt);
	pthread_create(&t, NULL, thread, p);
	pthread_join(t, NULL);
	while (!syscall(SYS_tgkill, getpid(), tid, 0)) /* joined is not gone yet */
		usleep(1000);
	T(fcntl(p[0], F_GETOWN));
	write(p[1], "x", 1);
	pending("the thread is gone", p[0]);
	close(p[0]);
	close(p[1]);
}

static int got;

static void on_io(int sig)
{
	(void)sig;
	got++;
}

/* A sleep ends: the signal comes even if what happened is a call of somebody else's. */
static void handler(void)
{
	int p[2];
	sigset_t io;

	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	signal(SIGIO, on_io);
	pipe(p);
	async(p[0], 0);
	sigprocmask(SIG_UNBLOCK, &io, NULL);
	write(p[1], "x", 1);
	T(got);
	if (!fork()) {
		write(p[1], "y", 1);
		_exit(0);
	}
	while (wait(NULL) < 0)
		;
	T(got);
	sigprocmask(SIG_BLOCK, &io, NULL);
	signal(SIGIO, SIG_DFL);
	close(p[0]);
	close(p[1]);
}

/* A queue that is full leaves a plain SIGIO. */
static void overflow(void)
{
	struct timespec none = { 0, 0 };
	int p[2], n = 0, io = 0, sig;
	sigset_t s;

	pipe(p);
	async(p[0], rt);
	if (fork()) {
		wait(NULL);
	} else {
		struct f_owner_ex o = { F_OWNER_PID, getpid() };
		struct rlimit { unsigned long cur, max; } l = { 0, 0 };

		fcntl(p[0], F_SETOWN_EX, &o);
		syscall(SYS_prlimit64, 0, 11 /* RLIMIT_SIGPENDING */, &l, NULL);
		write(p[1], "x", 1);
		watched_signals(&s);
		while ((sig = sigtimedwait(&s, NULL, &none)) > 0) {
			n += sig == rt;
			io += sig == SIGIO;
		}
		printf("overflow: %d and SIGIO %d\n", n, io);
		fflush(stdout);
		_exit(0);
	}
	close(p[0]);
	close(p[1]);
}

static void ready(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	poll(&p, 1, -1);
}

/* A terminal has an owner as soon as it is asked to tell. */
static void terminals(void)
{
	struct f_owner_ex o;
	struct termios tio;
	int m = posix_openpt(O_RDWR | O_NOCTTY), s;
	char buf[64];

	grantpt(m);
	unlockpt(m);
	s = open(ptsname(m), O_RDWR | O_NOCTTY);
	T(fcntl(s, F_SETSIG, rt));
	T(fcntl(s, F_GETOWN));
	T(fcntl(s, F_SETFL, O_ASYNC | O_RDWR));
	T(fcntl(s, F_GETOWN) == getpid());
	T(fcntl(s, F_GETOWN_EX, &o));
	printf("%d %d\n", o.type, o.pid == getpid());
	tcgetattr(s, &tio);
	tio.c_lflag &= ~ECHO;
	tcsetattr(s, TCSANOW, &tio);
	write(m, "ab", 2);
	write(m, "c\n", 2);
	ready(s);
	pending("a line, in halves", s);
	read(s, buf, sizeof(buf));
	tio.c_lflag &= ~ICANON;
	tcsetattr(s, TCSANOW, &tio);
	pending("other settings", s);
	write(m, "d", 1);
	ready(s);
	pending("a byte", s);
	T(fcntl(s, F_SETFL, O_RDWR));
	T(fcntl(m, F_SETSIG, rt));
	T(fcntl(m, F_SETFL, O_ASYNC | O_RDWR));
	T(fcntl(m, F_GETOWN) == getpid());
	write(s, "out", 3);
	ready(m);
	pending("the master's", m);
	close(m);
	close(s);
}

/* The signals of `count` events, which may come some time after the call that caused them; then no more. */
static void queued(const char *what, int fd, int count)
{
	struct timespec long_enough = { 10, 0 };
	siginfo_t si;
	sigset_t s;

	watched_signals(&s);
	printf("%s:", what);
	for (int i = 0; i < count && sigtimedwait(&s, &si, &long_enough) == rt; i++)
		printf(" code %d band %lx fd %s", si.si_code, si.si_band, si.si_fd == fd ? "same" : "other");
	printf("\n");
	pending("then", fd);
}

/* One for each event that is queued: not for one that is merged with the last, nor for what nobody asked for. */
static void events(void)
{
	int n = inotify_init1(IN_NONBLOCK), fd, wd;
	char buf[4096];

	mkdir("d", 0700);
	async(n, rt);
	wd = inotify_add_watch(n, "d", IN_CREATE | IN_MODIFY | IN_DELETE);
	fd = open("d/f", O_RDWR | O_CREAT, 0600);
	queued("created", n, 1);
	write(fd, "a", 1);
	write(fd, "b", 1);
	close(fd);
	queued("modified twice", n, 1);
	unlink("d/f");
	T(inotify_rm_watch(n, wd));
	queued("removed, and the watch", n, 2);
	T(read(n, buf, sizeof(buf)) > 0);
	T(inotify_add_watch(n, "d", IN_CREATE | IN_ONESHOT) > 0);
	mkdir("d/f", 0700);
	rmdir("d/f");
	queued("once", n, 2);
	T(fcntl(n, F_SETFL, O_NONBLOCK));
	T(inotify_add_watch(n, "d", IN_CREATE) > 0);
	mkdir("d/f", 0700);
	rmdir("d/f");
	pending("off", n);
	close(n);
	rmdir("d");
}

int main(void)
{
	sigset_t s;

	rt = SIGRTMIN + 3;
	setpgid(0, 0); /* a group of its own, to be signalled */
	watched_signals(&s);
	sigprocmask(SIG_BLOCK, &s, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	pipes();
	fifos();
	spliced();
	events();
	no_events();
	owners();
	threads();
	handler();
	overflow();
	terminals();
	return 0;
}
