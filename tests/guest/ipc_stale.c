/* SPDX-License-Identifier: Apache-2.0 */
/* System V ids of what was removed, when something else has their slots: every call refuses them, and what is there now is unharmed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union arg {
	int val;
	void *buf;
	unsigned short *array;
};

static struct {
	long type;
	char text[8];
} message = { 1, "hello" };
static union {
	struct shmid_ds shm;
	struct semid_ds sem;
	struct msqid_ds msg;
} ds;

static void show(const char *what, long r)
{
	printf("%s: %s\n", what, r < 0 ? strerrorname_np(errno) : "done");
	fflush(stdout);
}

/* Each more often than there are references to be lost. */
#define STALE(call) \
	for (int i = 0; i < 3; i++) \
		show(#call, (long)(call))

static void queues(void)
{
	int old = msgget(IPC_PRIVATE, 0600);
	msgctl(old, IPC_RMID, NULL);
	int new = msgget(IPC_PRIVATE, 0600);

	STALE(msgctl(old, IPC_STAT, &ds.msg));
	STALE(msgctl(old, IPC_SET, &ds.msg));
	STALE(msgctl(old, IPC_RMID, NULL));
	STALE(msgsnd(old, &message, 6, 0));
	STALE(msgrcv(old, &message, 6, 0, IPC_NOWAIT));
	show("send to the new one", msgsnd(new, &message, 6, 0));
	show("receive from it", msgrcv(new, &message, 6, 0, IPC_NOWAIT));
	show("its state", msgctl(new, IPC_STAT, &ds.msg));
	show("its end", msgctl(new, IPC_RMID, NULL));
}

static void semaphores(void)
{
	struct sembuf up = { 0, 1, 0 };
	unsigned short values[2] = { 1, 2 };
	union arg a = { .buf = &ds.sem }, all = { .array = values }, one = { .val = 1 };
	int old = semget(IPC_PRIVATE, 2, 0600);
	semctl(old, 0, IPC_RMID);
	int new = semget(IPC_PRIVATE, 2, 0600);

	STALE(semctl(old, 0, IPC_STAT, a));
	STALE(semctl(old, 0, IPC_SET, a));
	STALE(semctl(old, 0, IPC_RMID));
	STALE(semctl(old, 0, GETVAL));
	STALE(semctl(old, 0, SETVAL, one));
	STALE(semctl(old, 0, GETALL, all));
	STALE(semctl(old, 0, SETALL, all));
	STALE(semop(old, &up, 1));
	show("raise the new one", semop(new, &up, 1));
	show("its state", semctl(new, 0, IPC_STAT, a));
	show("its end", semctl(new, 0, IPC_RMID));
}

static void segments(void)
{
	int old = shmget(IPC_PRIVATE, 4096, 0600);
	shmctl(old, IPC_RMID, NULL);
	int new = shmget(IPC_PRIVATE, 4096, 0600);

	STALE(shmctl(old, IPC_STAT, &ds.shm));
	STALE(shmctl(old, IPC_SET, &ds.shm));
	STALE(shmctl(old, IPC_RMID, NULL));
	STALE(shmctl(old, SHM_LOCK, NULL));
	STALE(shmat(old, NULL, 0));
	char *p = shmat(new, NULL, 0);
	show("attach the new one", p == (void *)-1 ? -1 : 0);
	if (p != (void *)-1)
		*p = 1;
	show("its state", shmctl(new, IPC_STAT, &ds.shm));
	show("its end", shmctl(new, IPC_RMID, NULL));
	show("detach", shmdt(p));
}

int main(void)
{
	queues();
	semaphores();
	segments();
	return 0;
}
