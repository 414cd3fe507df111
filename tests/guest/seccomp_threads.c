/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp(2) and threads: filters are a thread's own, SECCOMP_FILTER_FLAG_TSYNC spreads them, a verdict may end one thread alone. */
#include "seccomp.h"
#include <pthread.h>
#include <signal.h>

static pthread_barrier_t ready, installed;
static long seen;
static _Atomic int odd_tid;

static void put(uint32_t nr, uint32_t verdict, unsigned flags, const char *what)
{
	struct sock_filter f[] = ONLY(nr, verdict);

	check(what, install(f, COUNT(f), flags));
}

static void *looks(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&installed);
	seen = syscall(SYS_getpgid, 0);
	if (seen < 0)
		seen = -errno;
	return NULL;
}

static void with_sibling(void *(*fn)(void *), unsigned flags, const char *what)
{
	pthread_t th;

	pthread_barrier_init(&ready, NULL, 2);
	pthread_barrier_init(&installed, NULL, 2);
	pthread_create(&th, NULL, fn, NULL);
	pthread_barrier_wait(&ready);
	put(SYS_getpgid, SECCOMP_RET_ERRNO | 55, flags, what);
	pthread_barrier_wait(&installed);
	pthread_join(th, NULL);
}

static void one_only(void)
{
	with_sibling(looks, 0, "for one thread");
	printf("the sibling is free: %d\n", seen >= 0);
}

static void synchronised(void)
{
	with_sibling(looks, SECCOMP_FILTER_FLAG_TSYNC, "for all");
	printf("the sibling: %ld\n", seen);
}

/* A sibling with a filter that the caller does not have cannot be given the caller's. */
static void *has_own(void *arg)
{
	struct sock_filter f[] = ONLY(SYS_getsid, SECCOMP_RET_ERRNO | 5);

	(void)arg;
	if (install(f, COUNT(f), 0))
		_exit(97);
	odd_tid = (int)syscall(SYS_gettid);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&installed);
	return NULL;
}

static void refused(void)
{
	struct sock_filter f[] = ONLY(SYS_getpgid, SECCOMP_RET_ERRNO | 55);
	pthread_t th;

	pthread_barrier_init(&ready, NULL, 2);
	pthread_barrier_init(&installed, NULL, 2);
	pthread_create(&th, NULL, has_own, NULL);
	pthread_barrier_wait(&ready);
	printf("names the thread: %d\n", install(f, COUNT(f), SECCOMP_FILTER_FLAG_TSYNC) == odd_tid);
	check("or says ESRCH", install(f, COUNT(f), SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
	check("nothing was installed", prctl(PR_GET_SECCOMP));
	pthread_barrier_wait(&installed);
	pthread_join(th, NULL);
	check("now it works", install(f, COUNT(f), SECCOMP_FILTER_FLAG_TSYNC));
}

/* A sibling whose filters are those the caller had is brought up to date. */
static void caught_up(void)
{
	put(SYS_getsid, SECCOMP_RET_ERRNO | 5, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, "a common one");
	with_sibling(looks, SECCOMP_FILTER_FLAG_TSYNC, "then one more for all");
	printf("the sibling: %ld\n", seen);
}

static void *breaks_it(void *arg)
{
	(void)arg;
	syscall(SYS_getpgid, 0);
	_exit(96);
}

static void kill_thread(void)
{
	pthread_t th;

	put(SYS_getpgid, SECCOMP_RET_KILL_THREAD, 0, "thread is killed");
	pthread_create(&th, NULL, breaks_it, NULL);
	pthread_join(th, NULL);
	printf("the rest goes on\n");
	fflush(stdout);
	syscall(SYS_getpgid, 0); /* the last one takes the process along */
	_exit(95);
}

static void *sleeps(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void kill_process(void)
{
	pthread_t th;

	put(SYS_getpgid, SECCOMP_RET_KILL_PROCESS, 0, "process is killed");
	pthread_create(&th, NULL, sleeps, NULL);
	pthread_create(&th, NULL, breaks_it, NULL);
	pthread_join(th, NULL);
	_exit(94);
}

/* Filters arrive while siblings make calls and are born. */
static void *busy(void *arg)
{
	volatile int *stop = arg;

	while (!*stop)
		syscall(SYS_getpid);
	return (void *)(syscall(SYS_getpgid, 0) < 0 ? (long)errno : 0L);
}

static void while_busy(void)
{
	static volatile int stop;
	pthread_t th[4];
	long wrong = 0;
	void *r;

	for (int i = 0; i < 4; i++) {
		struct sock_filter f[] = ONLY(SYS_getpgid, SECCOMP_RET_ERRNO | (unsigned)(40 + i));

		pthread_create(&th[i], NULL, busy, (void *)&stop);
		wrong += install(f, COUNT(f), SECCOMP_FILTER_FLAG_TSYNC);
	}
	stop = 1;
	for (int i = 0; i < 4; i++) {
		pthread_join(th[i], &r);
		wrong += (long)r != 43;
	}
	printf("wrong while busy: %ld\n", wrong);
}

int main(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	printf("one only: %d\n", in_child(one_only));
	printf("synchronised: %d\n", in_child(synchronised));
	printf("refused: %d\n", in_child(refused));
	printf("caught up: %d\n", in_child(caught_up));
	printf("kill thread: %d\n", in_child(kill_thread));
	printf("kill process: %d\n", in_child(kill_process));
	printf("while busy: %d\n", in_child(while_busy));
	return 0;
}
