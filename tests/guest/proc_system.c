/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the system as a whole: sysinfo, gettimeofday, and the I/O priorities that it keeps for processes; chroot without the
 * right to. */
#include "file.h"

#include <sys/sysinfo.h>
#include <sys/time.h>
#include <time.h>

enum { IOPRIO_PROCESS = 1, IOPRIO_PGRP, IOPRIO_USER };
#define PRIO(class, level) ((class) << 13 | (level))

static long get(int which, int who)
{
	return syscall(SYS_ioprio_get, which, who);
}

static long set(int which, int who, int prio)
{
	return syscall(SYS_ioprio_set, which, who, prio);
}

static void priorities(void)
{
	int status;
	pid_t pid;

	T(set(IOPRIO_PROCESS, 0, PRIO(2, 3)));
	T(get(IOPRIO_PROCESS, 0));
	T(get(IOPRIO_PROCESS, getpid()) == PRIO(2, 3));
	T(set(IOPRIO_PROCESS, 0, PRIO(2, 8)));
	T(set(IOPRIO_PROCESS, 0, PRIO(4, 0)));
	T(set(IOPRIO_PROCESS, 0, PRIO(0, 1)));
	T(set(9, 0, PRIO(2, 3)));
	T(get(9, 0));
	T(set(IOPRIO_PROCESS, 999999, PRIO(2, 3)));
	T(get(IOPRIO_PROCESS, 999999));
	T(set(IOPRIO_PROCESS, 0, PRIO(3, 0)));
	T(get(IOPRIO_PROCESS, 0));
	pid = fork();
	if (!pid)
		_exit(get(IOPRIO_PROCESS, 0) == PRIO(3, 0));
	waitpid(pid, &status, 0);
	printf("a child has it: %d\n", WEXITSTATUS(status));
	T(set(IOPRIO_PROCESS, 0, PRIO(0, 0)));
}

static void figures(void)
{
	struct sysinfo s;
	struct timeval tv;
	struct timezone tz = { 1, 1 };
	struct timespec ts;

	T(sysinfo((void *)8));
	T(sysinfo(&s));
	printf("%d %d %d %d\n", s.totalram >= s.freeram, s.totalram > 0, s.procs > 0, s.mem_unit > 0);
	T(syscall(SYS_gettimeofday, &tv, &tz));
	clock_gettime(CLOCK_REALTIME, &ts);
	printf("%d %d %d %d\n", tv.tv_sec <= ts.tv_sec, tv.tv_usec < 1000000, tz.tz_minuteswest, tz.tz_dsttime);
	T(syscall(SYS_gettimeofday, NULL, NULL));
	T(syscall(SYS_gettimeofday, (void *)8, NULL));
	T(syscall(SYS_gettimeofday, NULL, (void *)8));
}

static void roots(void)
{
	T(chroot("/"));
	T(chroot("/nothing"));
	T(chroot("/etc/passwd"));
	T(chroot((void *)8));
	T(sethostname("other", 5));
	T(setdomainname("other", 5));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	no_caps();
	priorities();
	figures();
	roots();
	return 0;
}
