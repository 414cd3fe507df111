/* SPDX-License-Identifier: Apache-2.0 */
/* System V semaphores. */
#include "file.h"

#include <pthread.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <time.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static key_t key;
static int set;

static int op(int num, int value, int flags)
{
	struct sembuf b = { num, value, flags };

	return semop(set, &b, 1);
}

static void values(const char *what)
{
	unsigned short v[3] = { 0 };

	semctl(set, 0, GETALL, (union semun){ .array = v });
	printf("%s: %d %d %d\n", what, v[0], v[1], v[2]);
}

static void making(void)
{
	T(semget(key, 1, 0600));
	T(semget(key, 0, IPC_CREAT | 0600));
	T(semget(key, -1, IPC_CREAT | 0600));
	T(semget(key, 32001, IPC_CREAT | 0600));
	set = semget(key, 3, IPC_CREAT | 0600);
	printf("made: %d\n", set >= 0);
	T(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
	printf("the same: %d %d\n", semget(key, 3, 0600) == set, semget(key, 0, 0) == set);
	T(semget(key, 4, 0));
}

static void control(void)
{
	struct semid_ds ds;
	struct seminfo info;
	unsigned short big[3] = { 1, 40000, 2 }, small[3] = { 3, 4, 5 };

	T(semctl(set, 0, SETVAL, (union semun){ .val = 7 }));
	T(semctl(set, 0, GETVAL));
	T(semctl(set, 0, SETVAL, (union semun){ .val = -1 }));
	T(semctl(set, 0, SETVAL, (union semun){ .val = 32768 }));
	T(semctl(set, 3, SETVAL, (union semun){ .val = 1 }));
	T(semctl(set, 3, GETVAL));
	T(semctl(set, -1, GETVAL));
	T(semctl(set, 0, SETALL, (union semun){ .array = big }));
	T(semctl(set, 0, SETALL, (union semun){ .array = small }));
	values("set");
	T(semctl(set, 0, SETALL, (union semun){ .array = (void *)8 }));
	T(semctl(set, 0, GETALL, (union semun){ .array = (void *)8 }));
	printf("pid: %d\n", semctl(set, 1, GETPID) == getpid());
	T(semctl(set, 0, GETNCNT));
	T(semctl(set, 0, 99));
	T(semctl(-1, 0, GETVAL));
	T(semctl(set, 0, IPC_STAT, (union semun){ .buf = &ds }));
	printf("count %lu mode %o never operated on %d\n", ds.sem_nsems, ds.sem_perm.mode, ds.sem_otime == 0);
	ds.sem_perm.mode = 0640;
	T(semctl(set, 0, IPC_SET, (union semun){ .buf = &ds }));
	T(semctl(set, 0, IPC_STAT, (union semun){ .buf = &ds }));
	printf("mode %o\n", ds.sem_perm.mode);
	printf("limits: %d", semctl(0, 0, IPC_INFO, (union semun){ .info = &info }) >= 0);
	printf(" %d %d %d\n", info.semmsl, info.semopm, info.semvmx);
	printf("usage: %d", semctl(0, 0, SEM_INFO, (union semun){ .info = &info }) >= 0);
	printf(" %d %d\n", info.semusz >= 1, info.semaem >= 3);
}

static void operations(void)
{
	struct sembuf two[3] = { { 0, -1, IPC_NOWAIT }, { 1, -10, IPC_NOWAIT }, { 2, 1, 0 } };
	struct sembuf many[501];
	struct timespec soon = { 0, 20000000 }, bad = { 0, 2000000000 };

	T(op(0, -3, IPC_NOWAIT));
	T(op(0, -1, IPC_NOWAIT));
	T(op(0, 0, IPC_NOWAIT));
	T(op(1, 0, IPC_NOWAIT));
	T(op(0, 5, 0));
	T(semop(set, two, 3));
	values("all or nothing");
	two[1].sem_op = -2;
	T(semop(set, two, 3));
	values("all");
	T(op(3, 1, 0));
	T(op(65535, 1, 0));
	T(op(0, 32767, 0));
	T(semop(set, two, 0));
	T(semop(set, many, 501));
	T(semop(set, (void *)8, 1));
	T(semop(-1, two, 1));
	two[0] = (struct sembuf){ 0, -100, 0 };
	T(semtimedop(set, two, 1, &soon));
	T(semtimedop(set, two, 1, &bad));
	T(semtimedop(set, two, 1, (void *)8));
	values("still");
	/* One call's operations see each other. */
	struct sembuf self[3] = { { 0, 3, 0 }, { 0, -7, 0 }, { 0, 0, IPC_NOWAIT } };

	T(semop(set, self, 3));
	values("in order");
}

static void wait_for(int num, int cmd)
{
	while (semctl(set, num, cmd) != 1)
		usleep(1000);
}

static void ignore(int sig)
{
	(void)sig;
}

static void waiting(void)
{
	struct sigaction sa = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	pid_t child;
	int st;

	semctl(set, 0, SETVAL, (union semun){ .val = 0 });
	semctl(set, 1, SETVAL, (union semun){ .val = 1 });
	fflush(stdout);
	child = fork();
	if (!child)
		_exit(op(0, -2, 0) ? errno : 42);
	wait_for(0, GETNCNT);
	T(op(0, 1, 0));
	T(semctl(set, 0, GETNCNT));
	T(op(0, 1, 0));
	wait(&st);
	printf("woken: %d\n", WEXITSTATUS(st));
	values("taken");
	printf("pid of the last: %d\n", semctl(set, 0, GETPID) == child);
	/* A waiter for zero is served though the value is at once something else again. */
	fflush(stdout);
	child = fork();
	if (!child)
		_exit(op(1, 0, 0) ? errno : 43);
	wait_for(1, GETZCNT);
	op(1, -1, 0);
	op(1, 5, 0);
	wait(&st);
	printf("saw zero: %d\n", WEXITSTATUS(st));
	/* Interrupted, in spite of SA_RESTART. */
	sigaction(SIGUSR1, &sa, NULL);
	child = fork();
	if (!child)
		_exit(op(0, -1, 0) ? errno : 0);
	wait_for(0, GETNCNT);
	kill(child, SIGUSR1);
	wait(&st);
	printf("interrupted: %s\n", strerrorname_np(WEXITSTATUS(st)));
	T(semctl(set, 0, GETNCNT));
}

static void undo(void)
{
	struct sembuf both[2] = { { 0, 2, SEM_UNDO }, { 1, -1, SEM_UNDO } };
	unsigned short start[3] = { 1, 5, 0 };
	int st;

	semctl(set, 0, SETALL, (union semun){ .array = start });
	fflush(stdout);
	if (!fork()) {
		semop(set, both, 2);
		op(2, 4, 0);
		values("before its end");
		exit(0);
	}
	wait(&st);
	values("undone");
	/* Set in between: nothing to undo any more. */
	if (!fork()) {
		op(0, 3, SEM_UNDO);
		semctl(set, 0, SETVAL, (union semun){ .val = 9 });
		_exit(0);
	}
	wait(&st);
	values("set meanwhile");
	/* Killed; and who waits for it goes on. */
	pid_t holder = fork(), waiter;

	if (!holder) {
		op(1, -5, SEM_UNDO);
		pause();
	}
	while (semctl(set, 1, GETVAL) != 0)
		usleep(1000);
	waiter = fork();
	if (!waiter)
		_exit(op(1, -1, 0) ? errno : 44);
	wait_for(1, GETNCNT);
	kill(holder, SIGKILL);
	waitpid(holder, &st, 0);
	waitpid(waiter, &st, 0);
	printf("the waiter: %d\n", WEXITSTATUS(st));
	values("after the kill");
	/* Never below zero. */
	if (!fork()) {
		op(0, 5, SEM_UNDO);
		semctl(set, 0, GETVAL);
		op(0, -14, 0);
		_exit(0);
	}
	wait(&st);
	values("floor");
}

static void *thread(void *arg)
{
	(void)arg;
	op(2, 1, SEM_UNDO);
	return NULL;
}

static void threads(void)
{
	int st;

	fflush(stdout);
	if (!fork()) {
		pthread_t t;

		pthread_create(&t, NULL, thread, NULL);
		pthread_join(t, NULL);
		values("a thread's end is not the process's");
		exit(0);
	}
	wait(&st);
	values("the process's end");
}

static void rights_and_removal(void)
{
	int ro = semget(IPC_PRIVATE, 1, 0400), wo = semget(IPC_PRIVATE, 1, 0200), st, old = set;
	struct sembuf zero = { 0, 0, IPC_NOWAIT }, up = { 0, 1, 0 };
	struct semid_ds ds;

	T(semop(ro, &zero, 1));
	T(semop(ro, &up, 1));
	T(semctl(ro, 0, GETVAL));
	T(semctl(ro, 0, SETVAL, (union semun){ .val = 1 }));
	T(semop(wo, &zero, 1));
	T(semop(wo, &up, 1));
	T(semctl(wo, 0, GETVAL));
	T(semctl(wo, 0, IPC_STAT, (union semun){ .buf = &ds }));
	T(semctl(ro, 0, IPC_RMID));
	T(semctl(wo, 0, IPC_RMID));
	semctl(set, 0, SETVAL, (union semun){ .val = 0 });
	fflush(stdout);
	if (!fork())
		_exit(op(0, -1, 0) ? errno : 0);
	wait_for(0, GETNCNT);
	T(semctl(set, 0, IPC_RMID));
	wait(&st);
	printf("removed under it: %s\n", strerrorname_np(WEXITSTATUS(st)));
	T(op(0, 1, 0));
	T(semget(key, 1, 0));
	set = semget(key, 3, IPC_CREAT | 0600);
	printf("another id: %d\n", set != old);
	T(semctl(set, 0, IPC_RMID));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	no_caps();
	key = 0x5e000000 + getpid();
	making();
	control();
	operations();
	waiting();
	undo();
	threads();
	rights_and_removal();
	return 0;
}
