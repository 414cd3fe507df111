/* SPDX-License-Identifier: Apache-2.0 */
/* mq_notify(3) with SIGEV_THREAD: the C library's way, and what lies below it, a cookie that is sent to a netlink socket. */
#include "file.h"
#include "mqueue.h"

#include <linux/netlink.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { COOKIE = 32 };

static char name[64];
static sem_t called;
static int value_seen;
static bool own_thread;
static pthread_t first;

static mqd_t fresh(void)
{
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 100 };

	mq_unlink(name);
	return mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &a);
}

static void take(const char *what, mqd_t q)
{
	char text[100] = "";
	ssize_t n = mq_receive(q, text, sizeof(text), NULL);

	printf("%s: %zd %s\n", what, n, text);
}

static void on_message(union sigval v)
{
	value_seen = v.sival_int;
	own_thread = !pthread_equal(pthread_self(), first);
	sem_post(&called);
}

static void wait_called(void)
{
	sem_wait(&called);
	printf("called with %d in a thread of its own: %d\n", value_seen, own_thread);
}

static void by_the_library(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_message, .sigev_value.sival_int = 7 };
	mqd_t q = fresh(), other;

	first = pthread_self();
	T(mq_notify(q, &ev));
	T(mq_notify(q, &ev));
	T(mq_send(q, "one", 4, 0));
	wait_called();
	take("one", q);
	/* Once is once. */
	T(mq_send(q, "two", 4, 0));
	take("two", q);
	ev.sigev_value.sival_int = 8;
	T(mq_notify(q, &ev));
	T(mq_notify(q, NULL));
	T(mq_send(q, "three", 6, 0));
	take("three", q);
	for (int i = 20; i < 40; i++) {
		ev.sigev_value.sival_int = i;
		if (mq_notify(q, &ev) || mq_send(q, "x", 1, 0))
			printf("%d: %s\n", i, strerrorname_np(errno));
		wait_called();
		take("again", q);
	}
	other = mq_open(name, O_WRONLY);
	T(mq_notify(q, &ev));
	T(mq_send(other, "by the other", 13, 0));
	wait_called();
	take("other", q);
	mq_close(other);
	mq_close(q);
}

static int notify(mqd_t q, int how, int fd, const void *cookie)
{
	struct sigevent ev = { .sigev_notify = how, .sigev_signo = fd };

	ev.sigev_value.sival_ptr = (void *)cookie;
	return (int)syscall(SYS_mq_notify, q, &ev);
}

static const char cookie[COOKIE + 1] = "abcdefghijklmnopqrstuvwxyz01234Z";

static void cookie_came(const char *what, int fd)
{
	unsigned char buf[100] = "";
	struct sockaddr_nl from = { .nl_pid = 77 };
	socklen_t len = sizeof(from);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ready = poll(&p, 1, 0);
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (void *)&from, &len);

	if (n < 0)
		printf("%s: ready %d, %s\n", what, ready, strerrorname_np(errno));
	else
		printf("%s: ready %d, %zd bytes, the same %d, last %d, from %d %u\n", what, ready, n, !memcmp(buf, cookie, COOKIE - 1),
		       buf[COOKIE - 1], from.nl_family, from.nl_pid);
}

static void refused(mqd_t q, int nl)
{
	int pipes[2], un = socket(AF_UNIX, SOCK_DGRAM, 0);

	T(pipe(pipes));
	T(notify(q, SIGEV_THREAD, 99, cookie));
	T(notify(q, SIGEV_THREAD, -1, cookie));
	T(notify(q, SIGEV_THREAD, pipes[0], cookie));
	T(notify(q, SIGEV_THREAD, un, cookie));
	T(notify(q, SIGEV_THREAD, nl, (void *)8));
	T(notify(q, SIGEV_THREAD, 99, (void *)8));
	T(notify(99, SIGEV_THREAD, nl, cookie));
	T(notify(nl, SIGEV_THREAD, nl, cookie));
	cookie_came("nothing", nl);
	close(un);
	close(pipes[0]);
	close(pipes[1]);
}

static void by_hand(void)
{
	mqd_t q = fresh(), copy;
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), gone;
	pid_t child;

	refused(q, nl);
	T(notify(q, SIGEV_THREAD, nl, cookie));
	T(notify(q, SIGEV_THREAD, nl, cookie));
	T(notify(q, SIGEV_SIGNAL, SIGUSR1, NULL));
	cookie_came("not yet", nl);
	T(mq_send(q, "one", 4, 0));
	cookie_came("woken", nl);
	cookie_came("once", nl);
	T(notify(q, SIGEV_THREAD, nl, cookie));
	T(mq_send(q, "two", 4, 0));
	cookie_came("was not empty", nl);
	take("one", q);
	take("two", q);
	T(mq_notify(q, NULL));
	cookie_came("removed", nl);
	T(mq_notify(q, NULL));
	cookie_came("there was nothing", nl);

	T(notify(q, SIGEV_THREAD, nl, cookie));
	copy = dup(q);
	child = fork();
	if (!child) {
		T(mq_notify(q, NULL));
		T(notify(q, SIGEV_THREAD, nl, cookie));
		mq_close(q);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	cookie_came("another's", nl);
	T(close(copy));
	cookie_came("closed a copy", nl);

	/* Who registered ends. */
	child = fork();
	if (!child)
		_exit(notify(q, SIGEV_THREAD, nl, cookie) ? 1 : 0);
	waitpid(child, NULL, 0);
	cookie_came("ended", nl);

	/* The socket goes first. */
	gone = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	T(notify(q, SIGEV_THREAD, gone, cookie));
	T(close(gone));
	T(mq_send(q, "three", 6, 0));
	take("three", q);
	T(notify(q, SIGEV_THREAD, nl, cookie));
	mq_unlink(name);
	mq_close(q);
	cookie_came("the queue is gone", nl);
	close(nl);
}

static volatile sig_atomic_t interrupted;

static void on_alarm(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* A socket that nobody reads takes no more than its buffer holds. */
static void full(void)
{
	int nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), small = 1, n = 0;
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 100000, .it_interval.tv_usec = 100000 }, off = { 0 };
	mqd_t q = fresh();

	sigaction(SIGALRM, &act, NULL);
	T(setsockopt(nl, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	setitimer(ITIMER_REAL, &soon, NULL);
	while (n < 1000 && !notify(q, SIGEV_THREAD, nl, cookie)) {
		mq_notify(q, NULL);
		n++;
	}
	printf("some %d, not all %d, then %s, interrupted %d\n", n > 0, n < 1000, strerrorname_np(errno), interrupted);
	setitimer(ITIMER_REAL, &off, NULL);
	for (char buf[COOKIE]; recv(nl, buf, sizeof(buf), MSG_DONTWAIT) > 0;)
		;
	T(notify(q, SIGEV_THREAD, nl, cookie));
	mq_close(q);
	close(nl);
}

int main(void)
{
	snprintf(name, sizeof(name), "/sbx-thread-%d", getpid());
	setvbuf(stdout, NULL, _IOLBF, 0);
	one_test_at_a_time();
	by_the_library();
	by_hand();
	full();
	mq_unlink(name);
	return 0;
}
