/* SPDX-License-Identifier: Apache-2.0 */
/* System V message queues. */
#include "file.h"

#include <sys/ipc.h>
#include <sys/msg.h>

struct msg {
	long type;
	char text[9000];
};

static int queue;
static key_t key;

static int put(long type, const char *text, int flags)
{
	struct msg m = { .type = type };

	strcpy(m.text, text);
	return msgsnd(queue, &m, strlen(text) + 1, flags);
}

static void take(const char *what, size_t size, long type, int flags)
{
	struct msg m = { 0 };
	ssize_t n = msgrcv(queue, &m, size, type, flags);

	if (n < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %zd bytes, type %ld, %s\n", what, n, m.type, m.text);
}

static void state(const char *what)
{
	struct msqid_ds ds;

	if (msgctl(queue, IPC_STAT, &ds))
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %lu messages, %lu of %lu bytes, mode %o, sent %d received %d\n", what, ds.msg_qnum, ds.__msg_cbytes,
		       ds.msg_qbytes, ds.msg_perm.mode, ds.msg_lspid == getpid(), ds.msg_lrpid == getpid());
}

static void making(void)
{
	T(msgget(key, 0600));
	queue = msgget(key, IPC_CREAT | 0600);
	printf("made: %d\n", queue >= 0);
	T(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	printf("the same: %d\n", msgget(key, 0) == queue);
	state("fresh");
}

static void order(void)
{
	T(put(3, "three", 0));
	T(put(1, "one", 0));
	T(put(2, "two", 0));
	T(put(1, "uno", 0));
	state("four");
	take("of type 1", 100, 1, 0);
	take("none of type 5", 100, 5, IPC_NOWAIT);
	take("the lowest up to 2", 100, -2, 0);
	take("but 3", 100, 3, MSG_EXCEPT);
	take("too long", 3, 0, 0);
	take("cut", 3, 0, MSG_NOERROR);
	take("empty", 100, 0, IPC_NOWAIT);
	T(put(7, "", 0));
	take("at most 9", 100, -9, 0);
	take("lowest number", 100, 1UL << 63, IPC_NOWAIT);
	state("emptied");
}

static void refusals(void)
{
	struct msg m = { .type = 1 };
	struct msqid_ds ds;

	T(put(0, "x", 0));
	T(put(-1, "x", 0));
	T(msgsnd(queue, &m, 8193, 0));
	T(msgsnd(queue, &m, -1, 0));
	T(msgsnd(-1, &m, 1, 0));
	T(msgsnd(queue, (void *)8, 1, 0));
	T(msgrcv(queue, &m, -1, 0, IPC_NOWAIT));
	T(msgrcv(-1, &m, 1, 0, IPC_NOWAIT));
	T(msgrcv(queue, &m, 1, 0, MSG_COPY));
	T(msgrcv(queue, &m, 1, 0, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT));
	T(msgctl(queue, 99, &ds));
	T(msgctl(-1, IPC_STAT, &ds));
	T(msgctl(queue, IPC_STAT, (void *)8));
	T(msgctl(queue, IPC_SET, (void *)8));
	T(msgctl(queue, IPC_STAT, &ds));
	ds.msg_qbytes = 100;
	ds.msg_perm.mode = 0640;
	T(msgctl(queue, IPC_SET, &ds));
	state("smaller");
	ds.msg_qbytes = 1 << 20;
	T(msgctl(queue, IPC_SET, &ds));
	T(msgsnd(queue, &m, 60, IPC_NOWAIT));
	T(msgsnd(queue, &m, 60, IPC_NOWAIT));
	T(msgsnd(queue, &m, 40, IPC_NOWAIT));
	T(msgsnd(queue, &m, 0, IPC_NOWAIT));
	state("full");
	for (int i = 0; i < 3; i++)
		T(msgrcv(queue, &m, 100, 0, IPC_NOWAIT));
}

static void ignore(int sig)
{
	(void)sig;
}

static void waiting(void)
{
	struct sigaction sa = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct msg m = { .type = 1 };
	int go[2], st;
	pid_t child;
	char c;

	pipe(go);
	fflush(stdout);
	child = fork();
	if (!child) {
		write(go[1], "r", 1);
		take("the child waited for type 9", 100, 9, 0);
		exit(0);
	}
	read(go[0], &c, 1);
	put(8, "not this", 0);
	usleep(10000);
	put(9, "this", 0);
	wait(&st);
	take("left", 100, 0, 0);
	/* A sender waits for room. */
	msgsnd(queue, &m, 90, 0);
	child = fork();
	if (!child) {
		write(go[1], "r", 1);
		_exit(msgsnd(queue, &m, 50, 0) ? errno : 42);
	}
	read(go[0], &c, 1);
	usleep(10000);
	T(msgrcv(queue, &m, 100, 0, 0));
	wait(&st);
	printf("sent in the end: %d\n", WEXITSTATUS(st));
	T(msgrcv(queue, &m, 100, 0, 0));
	sigaction(SIGUSR1, &sa, NULL);
	child = fork();
	if (!child) {
		write(go[1], "r", 1);
		_exit(msgrcv(queue, &m, 100, 0, 0) < 0 ? errno : 0);
	}
	read(go[0], &c, 1);
	/* Until it sleeps: a signal before that would be lost. */
	for (int i = 0; i < 200 && !waitpid(child, &st, WNOHANG); i++) {
		kill(child, SIGUSR1);
		usleep(5000);
	}
	printf("interrupted: %s\n", strerrorname_np(WEXITSTATUS(st)));
	child = fork();
	if (!child) {
		write(go[1], "r", 1);
		_exit(msgrcv(queue, &m, 100, 0, 0) < 0 ? errno : 0);
	}
	read(go[0], &c, 1);
	usleep(20000);
	T(msgctl(queue, IPC_RMID, NULL));
	wait(&st);
	st = WEXITSTATUS(st);
	printf("removed: %d\n", st == EIDRM || st == EINVAL);
	state("gone");
	T(msgctl(queue, IPC_RMID, NULL));
}

static void rights(void)
{
	struct msg m = { .type = 1 };
	int ro = msgget(IPC_PRIVATE, 0400), wo = msgget(IPC_PRIVATE, 0200);
	struct msqid_ds ds;

	T(msgsnd(ro, &m, 1, 0));
	T(msgrcv(ro, &m, 1, 0, IPC_NOWAIT));
	T(msgsnd(wo, &m, 1, 0));
	T(msgrcv(wo, &m, 1, 0, IPC_NOWAIT));
	T(msgctl(wo, IPC_STAT, &ds));
	T(msgctl(wo, IPC_RMID, NULL));
	T(msgctl(ro, IPC_RMID, NULL));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	no_caps();
	key = 0x5d000000 + getpid();
	making();
	order();
	refusals();
	waiting();
	rights();
	return 0;
}
