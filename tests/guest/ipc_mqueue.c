/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX message queues: names, limits, order, waiting, polling, being told. */
#include "file.h"
#include "mqueue.h"

#include <mqueue.h>
#include <poll.h>
#include <sys/resource.h>
#include <time.h>

static char name[64];
static char big[9000];

static int sys_open(const char *n, int flags, mode_t mode, const struct mq_attr *a)
{
	return (int)syscall(SYS_mq_open, n, flags, mode, a);
}

static struct mq_attr *attr(long messages, long size)
{
	static struct mq_attr a;

	a = (struct mq_attr){ .mq_maxmsg = messages, .mq_msgsize = size };
	return &a;
}

static mqd_t fresh(int flags, long messages, long size)
{
	mq_unlink(name);
	return mq_open(name, O_CREAT | O_EXCL | flags, 0600, attr(messages, size));
}

static void take(const char *what, mqd_t q)
{
	char text[8192] = "";
	unsigned prio = 77;
	ssize_t n = mq_receive(q, text, sizeof(text), &prio);

	if (n < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %zd bytes of priority %u, %s\n", what, n, prio, text);
}

static void state(const char *what, mqd_t q)
{
	struct mq_attr a;

	if (mq_getattr(q, &a))
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %ld of %ld messages of %ld, flags %lo\n", what, a.mq_curmsgs, a.mq_maxmsg, a.mq_msgsize, a.mq_flags);
}

static void names(void)
{
	char longest[300];
	mqd_t q, same;

	O(sys_open("", O_CREAT | O_RDWR, 0600, NULL));
	O(sys_open(".", O_CREAT | O_RDWR, 0600, NULL));
	O(sys_open("/a", O_CREAT | O_RDWR, 0600, NULL));
	O(sys_open("a/b", O_CREAT | O_RDWR, 0600, NULL));
	O(sys_open((char *)8, O_RDWR, 0, NULL));
	O(sys_open(name + 1, O_RDWR, 0, (void *)8));
	memset(longest, 'x', sizeof(longest));
	longest[256] = 0;
	O(sys_open(longest, O_CREAT | O_RDWR, 0600, NULL));
	O(mq_open(name, O_RDWR));
	q = FD(mq_open(name, O_CREAT | O_RDWR, 0640, NULL));
	O(mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL));
	O(sys_open(name + 1, 3, 0, NULL));
	same = mq_open(name, O_CREAT | O_WRONLY, 0, attr(-1, -1));
	T(mq_send(same, "through the other", 18, 0));
	state("by default", q);
	take("through the first", q);
	T(mq_unlink(name));
	T(mq_unlink(name));
	T(mq_unlink("/."));
	O(mq_open(name, O_RDWR));
	T(mq_send(q, "nameless", 9, 0));
	take("still there", q);
	printf("close on exec: %d\n", fcntl(q, F_GETFD));
	mq_close(same);
	mq_close(q);
	T(mq_send(q, "", 0, 0));
}

static void limits(void)
{
	struct rlimit l = { 10000, 10000 };
	mqd_t q;

	O(fresh(O_RDWR, 0, 10));
	O(fresh(O_RDWR, 10, 0));
	O(fresh(O_RDWR, -1, 10));
	O(fresh(O_RDWR, 11, 10));
	O(fresh(O_RDWR, 10, 8193));
	O(fresh(O_RDWR, 10, 8192));
	/* Each message costs 96 bytes beside its text. */
	T(setrlimit(RLIMIT_MSGQUEUE, &l));
	O(fresh(O_RDWR, 10, 905));
	O(fresh(O_RDWR, 10, 904));
	q = fresh(O_RDWR, 5, 904);
	O(mq_open("/sbx-second", O_CREAT | O_RDWR, 0600, attr(5, 905)));
	T(mq_unlink("/sbx-second"));
	O(mq_open("/sbx-second", O_CREAT | O_RDWR, 0600, attr(5, 904)));
	mq_unlink("/sbx-second");
	mq_close(q);
}

static void order(void)
{
	mqd_t q = fresh(O_RDWR | O_NONBLOCK, 8, 100);

	T(mq_send(q, "one", 4, 1));
	T(mq_send(q, "three", 6, 3));
	T(mq_send(q, "two", 4, 2));
	T(mq_send(q, "drei", 5, 3));
	T(mq_send(q, "", 0, 0));
	T(mq_send(q, "last", 5, 32767));
	T(mq_send(q, "beyond", 7, 32768));
	state("six", q);
	for (int i = 0; i < 7; i++)
		take("next", q);
	state("none", q);
}

static void refusals(void)
{
	mqd_t q = fresh(O_RDWR | O_NONBLOCK, 2, 100), in = mq_open(name, O_RDONLY), out = mq_open(name, O_WRONLY);
	struct timespec bad = { 1, 1000000000 }, past = { 1, 0 };
	char text[100];
	int pipes[2];

	T(mq_send(in, "", 0, 0));
	T(mq_receive(out, big, sizeof(big), NULL));
	T(mq_send(q, big, 101, 0));
	T(mq_receive(q, text, 99, NULL));
	T(mq_send(q, (char *)8, 10, 0));
	T(mq_timedsend(q, "", 0, 0, &bad));
	T(syscall(SYS_mq_timedsend, q, "", 0, 0, 8));
	T(mq_send(q, "12345", 5, 0));
	T(mq_receive(q, (char *)8, 100, NULL));
	state("lost by the bad address", q);
	T(pipe(pipes));
	T(mq_send(pipes[1], "", 0, 0));
	T(mq_send(-1, "", 0, 0));
	T(mq_timedreceive(out, text, 100, NULL, &past));
	T(mq_timedreceive(in, text, 100, NULL, &past));
	T(mq_send(q, "", 0, 0));
	T(mq_send(q, "", 0, 0));
	T(mq_send(q, "", 0, 0));
	T(mq_timedsend(out, "", 0, 0, &past));
	close(pipes[0]);
	close(pipes[1]);
	mq_close(in);
	mq_close(out);
	mq_close(q);
}

static void flags(void)
{
	mqd_t q = fresh(O_RDWR, 2, 100);
	struct mq_attr set = { .mq_flags = O_NONBLOCK, .mq_maxmsg = 7 }, old;

	T(mq_setattr(q, &set, &old));
	printf("before: %lo\n", old.mq_flags);
	state("after", q);
	set.mq_flags |= O_APPEND;
	T(mq_setattr(q, &set, NULL));
	T(syscall(SYS_mq_getsetattr, q, NULL, 8));
	T(syscall(SYS_mq_getsetattr, q, 8, NULL));
	T(syscall(SYS_mq_getsetattr, 0, NULL, NULL));
	T(fcntl(q, F_SETFL, 0));
	state("by fcntl", q);
	mq_close(q);
}

static void as_a_file(void)
{
	mqd_t q = fresh(O_RDWR, 2, 100);
	char link[64], text[128] = "", path[32];
	struct stat st;
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", q);
	T(fstat(q, &st));
	printf("mode %o, %ld bytes, %lu names\n", st.st_mode, st.st_size, st.st_nlink);
	T(fchmod(q, 0400));
	T(mq_send(q, "123", 3, 0));
	T(read(q, text, sizeof(text)));
	printf("%s", text);
	T(lseek(q, 6, SEEK_SET));
	T(read(q, text, 1));
	printf("%c\n", text[0]);
	T(write(q, "x", 1));
	T(ftruncate(-1, 0));
	link[readlink(path, link, sizeof(link) - 1)] = 0;
	printf("shown by name: %d\n", !strcmp(link, name));
	O(open(path, O_RDWR));
	again = FD(open(path, O_RDONLY));
	take("opened by number", again);
	close(again);
	T(mq_unlink(name));
	fstat(q, &st);
	printf("mode %o, %lu names\n", st.st_mode, st.st_nlink);
	mq_close(q);
}

static void polling(void)
{
	mqd_t q = fresh(O_RDWR, 1, 100);
	struct pollfd p = { .fd = q, .events = POLLIN | POLLOUT };
	pid_t child;

	T(poll(&p, 1, 0));
	printf("empty: %x\n", (unsigned)p.revents);
	T(mq_send(q, "a", 2, 0));
	T(poll(&p, 1, 0));
	printf("full: %x\n", (unsigned)p.revents);
	take("emptied", q);
	child = fork();
	if (!child) {
		mq_send(q, "of the child", 13, 0);
		_exit(0);
	}
	p.events = POLLIN;
	T(poll(&p, 1, -1));
	take("polled for", q);
	waitpid(child, NULL, 0);
	mq_close(q);
}

/* Waits until the task sleeps: it is in the call then, since nothing else that it does does. */
static void wait_asleep(pid_t tid)
{
	char path[64], line[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	for (;;) {
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, line, sizeof(line) - 1);

		close(fd);
		line[n > 0 ? n : 0] = 0;
		if (strstr(line, ") S"))
			return;
		usleep(1000);
	}
}

/* Sends to the child that sleeps; what it prints comes first. */
static void send_and_wait(pid_t child, mqd_t q, const char *text)
{
	int r;

	wait_asleep(child);
	r = mq_send(q, text, strlen(text) + 1, 5);
	waitpid(child, NULL, 0);
	say(text, r);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void waiting(void)
{
	mqd_t q = fresh(O_RDWR, 1, 100);
	struct sigaction act = { .sa_handler = on_signal };
	int interrupted[2];
	pid_t child = fork();
	char byte;

	if (!child) {
		take("the child waited for", q);
		_exit(0);
	}
	send_and_wait(child, q, "given directly");
	state("nothing left", q);
	T(mq_send(q, "low", 4, 1));
	child = fork();
	if (!child)
		_exit(mq_send(q, "high", 5, 9) ? 1 : 0);
	wait_asleep(child);
	take("makes room", q);
	take("the sender's", q);
	waitpid(child, NULL, 0);
	/* Who was killed while it waited gets nothing. */
	child = fork();
	if (!child) {
		take("killed", q);
		_exit(0);
	}
	wait_asleep(child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	T(mq_send(q, "left", 5, 0));
	state("not taken by the dead", q);
	take("left", q);
	/* A signal ends a wait, or does not. */
	sigaction(SIGUSR1, &act, NULL);
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &act, NULL);
	T(pipe(interrupted));
	child = fork();
	if (!child) {
		take("interrupted", q);
		if (write(interrupted[1], "i", 1) == 1)
			take("restarted", q);
		_exit(0);
	}
	wait_asleep(child);
	kill(child, SIGUSR1);
	T(read(interrupted[0], &byte, 1));
	wait_asleep(child);
	kill(child, SIGUSR2);
	send_and_wait(child, q, "at last");
	close(interrupted[0]);
	close(interrupted[1]);
	mq_close(q);
}

static void got(const char *what, int timeout)
{
	struct timespec limit = { .tv_sec = timeout };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	if (sigtimedwait(&set, &info, &limit) < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: code %d, value %d, by me %d\n", what, info.si_code, info.si_value.sival_int,
		       info.si_pid == getpid() && info.si_uid == getuid());
}

static void telling(void)
{
	mqd_t q = fresh(O_RDWR, 4, 100), copy;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 42 };
	struct sigevent none = { .sigev_notify = SIGEV_NONE }, bad = { .sigev_notify = 9 };
	sigset_t set;
	pid_t child;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	T(mq_notify(q, &bad));
	bad.sigev_notify = SIGEV_SIGNAL;
	bad.sigev_signo = 65;
	T(mq_notify(q, &bad));
	T(mq_notify(0, &ev));
	T(syscall(SYS_mq_notify, q, 8));
	T(mq_notify(q, NULL));
	T(mq_notify(q, &ev));
	T(mq_notify(q, &ev));
	T(mq_send(q, "first", 6, 0));
	got("told of the first", 5);
	T(mq_notify(q, &ev));
	T(mq_send(q, "second", 7, 0));
	got("the queue was not empty", 0);
	take("first", q);
	take("second", q);
	T(mq_notify(q, NULL));
	T(mq_send(q, "third", 6, 0));
	got("not wanted any more", 0);
	take("third", q);
	T(mq_notify(q, &none));
	T(mq_notify(q, &ev));
	T(mq_send(q, "fourth", 7, 0));
	T(mq_notify(q, &ev)); /* SIGEV_NONE was used up */
	take("fourth", q);
	copy = dup(q);
	T(close(copy)); /* any descriptor ends it */
	T(mq_send(q, "fifth", 6, 0));
	got("closed a copy", 0);
	take("fifth", q);
	T(mq_notify(q, &ev));
	child = fork();
	if (!child) {
		T(mq_notify(q, &ev));
		T(mq_notify(q, NULL)); /* another's stays */
		take("the child waited for", q);
		_exit(0);
	}
	send_and_wait(child, q, "sixth");
	got("a receiver waited", 0);
	T(mq_send(q, "seventh", 8, 0));
	got("nobody waited", 5);
	mq_close(q);
}

int main(void)
{
	snprintf(name, sizeof(name), "/sbx-test-%d", getpid());
	setvbuf(stdout, NULL, _IOLBF, 0);
	one_test_at_a_time();
	no_caps();
	umask(022);
	close(0);
	open("/dev/null", O_RDWR);
	names();
	limits();
	order();
	refusals();
	flags();
	as_a_file();
	polling();
	waiting();
	telling();
	mq_unlink(name);
	return 0;
}
