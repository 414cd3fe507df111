/* SPDX-License-Identifier: Apache-2.0 */
/* 1,000 threads in one process at once, and threads made and joined without end. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 1000, CHURN = 300 };

static pthread_barrier_t all;
static _Atomic long sum;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counted;

static void *thread(void *arg)
{
	sum += (long)arg;
	pthread_barrier_wait(&all);
	/* All of them are alive now, and all want the same lock. */
	pthread_mutex_lock(&mutex);
	counted++;
	pthread_mutex_unlock(&mutex);
	pthread_barrier_wait(&all);
	return (void *)syscall(SYS_gettid);
}

static void threads(void)
{
	static pthread_t th[THREADS];
	pthread_attr_t attr;
	int made = 0, own_tid = 0;
	void *tid;

	pthread_barrier_init(&all, NULL, THREADS + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (long i = 0; i < THREADS; i++)
		made += !pthread_create(&th[i], &attr, thread, (void *)i);
	printf("threads made: %d\n", made);
	if (made < THREADS)
		exit(1);
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(th[i], &tid);
		own_tid += (long)tid > 0 && (long)tid != getpid();
	}
	printf("sum %ld, counted %ld, with a number of their own %d\n", (long)sum, counted, own_tid);
}

static void *nothing(void *arg)
{
	return arg;
}

static void churn(void)
{
	pthread_t th[3];
	int wrong = 0;

	for (int i = 0; i < CHURN; i += 3) {
		for (long k = 0; k < 3; k++)
			wrong += !!pthread_create(&th[k], NULL, nothing, (void *)k);
		for (long k = 0; k < 3; k++) {
			void *r = NULL;

			pthread_join(th[k], &r);
			wrong += (long)r != k;
		}
	}
	printf("churn, wrong: %d\n", wrong);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	threads();
	churn();
	return 0;
}
