/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling as far as an ordinary user may: policies, priorities, attributes, affinity, nice values, I/O priorities. */
// user: 65534 65534
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define T(call) show(#call, (long)(call))

static void show(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

struct attr { /* struct sched_attr of linux/sched/types.h, first version */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void limits(void)
{
	static const int policies[] = { SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE, 6 /* SCHED_DEADLINE */, 4, 77, -1 };

	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		printf("policy %d: ", policies[i]);
		printf("min %d ", sched_get_priority_min(policies[i]));
		printf("max %d\n", sched_get_priority_max(policies[i]));
	}
}

static void policies(void)
{
	struct sched_param p = { 0 }, one = { 1 };
	struct timespec ts = { -1, -1 };

	T(sched_getscheduler(0));
	T(sched_getscheduler(getpid()));
	T(sched_getscheduler(-1));
	T(sched_getscheduler(999999));
	T(syscall(SYS_sched_getparam, 0, &p));
	T(syscall(SYS_sched_getparam, 0, NULL));
	T(syscall(SYS_sched_getparam, -1, &p));
	T(syscall(SYS_sched_getparam, 999999, &p));
	T(sched_setscheduler(0, SCHED_FIFO, &one));
	T(sched_setscheduler(0, SCHED_RR, &p));
	T(sched_setscheduler(0, SCHED_OTHER, &one));
	T(sched_setscheduler(0, 77, &p));
	T(sched_setscheduler(0, -1, &p));
	T(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, NULL));
	T(sched_setscheduler(-1, SCHED_BATCH, &p));
	T(sched_setscheduler(0, SCHED_BATCH, &p));
	T(sched_getscheduler(0));
	T(sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &p));
	T(sched_getscheduler(0));
	T(sched_setscheduler(0, SCHED_OTHER, &p)); /* the flag is not taken off by the unprivileged */
	T(sched_getscheduler(0));
	T(syscall(SYS_sched_setparam, 0, &p));
	T(syscall(SYS_sched_setparam, 0, &one));
	T(syscall(SYS_sched_setparam, 0, NULL));
	T(sched_rr_get_interval(0, &ts) || ts.tv_sec != 0 || ts.tv_nsec < 0);
	T(sched_rr_get_interval(-1, &ts));
	T(sched_rr_get_interval(999999, &ts));
	T(syscall(SYS_sched_rr_get_interval, 0, NULL));
	T(sched_yield());
	pid_t pid = fork();
	if (!pid)
		_exit(sched_getscheduler(0));
	int st;
	waitpid(pid, &st, 0);
	printf("reset in a child: %d\n", WEXITSTATUS(st));
}

/* Out of SCHED_IDLE comes only who could have the nice value. */
static void idle(void)
{
	struct sched_param p = { 0 };

	T(sched_setscheduler(0, SCHED_IDLE, &p));
	T(sched_setscheduler(0, SCHED_OTHER, &p));
	T(sched_getscheduler(0));
}

static void attributes(void)
{
	struct attr a = { 0 };
	struct { struct attr a; uint64_t more[4]; } big = { { 0 } };

	T(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0));
	printf("size %u policy %u nice %d priority %u\n", a.size, a.policy, a.nice, a.priority);
	T(syscall(SYS_sched_getattr, 0, &a, sizeof(a) - 1, 0));
	T(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 1));
	T(syscall(SYS_sched_getattr, 0, NULL, sizeof(a), 0));
	T(syscall(SYS_sched_getattr, 999999, &a, sizeof(a), 0));
	T(syscall(SYS_sched_getattr, 0, &a, 5000, 0));
	a.size = 0;
	a.policy = SCHED_BATCH;
	a.nice = 3;
	a.flags = 1; /* SCHED_FLAG_RESET_ON_FORK */
	T(syscall(SYS_sched_setattr, 0, &a, 0));
	memset(&a, 0, sizeof(a));
	T(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0));
	printf("size %u policy %u nice %d flags %lu\n", a.size, a.policy, a.nice, (unsigned long)a.flags);
	T(getpriority(PRIO_PROCESS, 0));
	a.size = 7;
	T(syscall(SYS_sched_setattr, 0, &a, 0));
	a.size = sizeof(a);
	T(syscall(SYS_sched_setattr, 0, &a, 1));
	T(syscall(SYS_sched_setattr, 0, NULL, 0));
	a.policy = SCHED_FIFO;
	a.priority = 5;
	T(syscall(SYS_sched_setattr, 0, &a, 0));
	a.policy = 77;
	T(syscall(SYS_sched_setattr, 0, &a, 0));
	big.a.size = sizeof(big);
	big.a.policy = SCHED_BATCH;
	big.a.flags = 1;
	big.a.nice = 3;
	big.more[3] = 1;
	T(syscall(SYS_sched_setattr, 0, &big, 0));
}

static void affinity(void)
{
	cpu_set_t all, one, back;
	unsigned long words[32];
	unsigned cpu = 99, node = 99;

	T(sched_getaffinity(0, sizeof(all), &all));
	int first = 0;
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	T(sched_setaffinity(0, sizeof(one), &one));
	CPU_SET(first, &one);
	T(sched_setaffinity(0, sizeof(one), &one));
	T(sched_getaffinity(0, sizeof(back), &back));
	printf("one %d the same %d\n", CPU_COUNT(&back), CPU_EQUAL(&one, &back));
	T(getcpu(&cpu, &node) || cpu > 1000 || node > 1000); /* affinity is remembered here, placement is the sandbox's */
	T(syscall(SYS_sched_getaffinity, 0, 3, words));
	T(syscall(SYS_sched_getaffinity, 0, 12, words));
	T(syscall(SYS_sched_getaffinity, 0, sizeof(words), NULL));
	T(syscall(SYS_sched_setaffinity, 0, sizeof(one), NULL));
	T(sched_setaffinity(999999, sizeof(one), &one));
	T(sched_getaffinity(999999, sizeof(one), &one));
	pid_t pid = fork();
	if (!pid) {
		sched_getaffinity(0, sizeof(back), &back);
		_exit(CPU_COUNT(&back));
	}
	int st;
	waitpid(pid, &st, 0);
	printf("a child's %d\n", WEXITSTATUS(st));
	T(sched_setaffinity(0, sizeof(all), &all));
}

static int prio(int which, id_t who)
{
	errno = 0;
	return getpriority(which, who);
}

static void nice_values(void)
{
	T(setpriority(PRIO_PROCESS, 0, 5));
	printf("process %d group %d user %d\n", prio(PRIO_PROCESS, 0), prio(PRIO_PGRP, getpgrp()) <= 5, prio(PRIO_USER, 0) <= 5);
	T(setpriority(PRIO_PROCESS, 0, 4));
	T(setpriority(PRIO_PROCESS, 0, 100));
	printf("clipped %d\n", prio(PRIO_PROCESS, 0));
	T(setpriority(9, 0, 19));
	T(getpriority(9, 0));
	T(getpriority(PRIO_PROCESS, 999999));
	T(setpriority(PRIO_PROCESS, 999999, 19));
	T(syscall(SYS_getpriority, PRIO_PROCESS, 0)); /* 20 - nice: the call itself */
	errno = 0;
	T(nice(-1));
	T(nice(1));
	pid_t pid = fork();
	if (!pid)
		_exit(prio(PRIO_PROCESS, 0));
	int st;
	waitpid(pid, &st, 0);
	printf("a child's %d\n", WEXITSTATUS(st));
}

int main(void)
{
	limits();
	policies();
	attributes();
	affinity();
	nice_values();
	idle();
	return 0;
}
