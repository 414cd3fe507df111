/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, sleeping, POSIX timers, interval timers, timerfds and alarms. Times are judged as lower bounds only: never early. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

static int64_t now(clockid_t c)
{
	struct timespec ts;

	if (clock_gettime(c, &ts))
		return -1;
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static const struct timespec ms20 = { 0, 20000000 }, bad = { 0, 1000000000 }, negative = { -1, 0 }, zero;

static void clocks(void)
{
	struct timespec ts, res;
	clockid_t other;
	pid_t pid;

	for (int c = 0; c <= 12; c++) {
		errno = 0;
		int g = clock_gettime(c, &ts) ? errno : 0, r = clock_getres(c, &res) ? errno : 0;

		/* 8 and 9 need a real-time clock chip, 10 was never one. */
		if (c < 8 || c > 9)
			printf("clock %d: %d %d\n", c, g, r);
	}
	check("unwritable", syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, (void *)8));
	check("res, nowhere", clock_getres(CLOCK_MONOTONIC, NULL));
	check("own cpu clock", clock_getcpuclockid(0, &other));
	check("reads", clock_gettime(other, &ts));
	printf("nobody's cpu clock: %d\n", clock_getcpuclockid(999999, &other));
	pthread_getcpuclockid(pthread_self(), &other);
	check("thread's", clock_gettime(other, &ts));
	check("set real time", clock_settime(CLOCK_MONOTONIC, &ts));
	check("set a bad time", clock_settime(CLOCK_REALTIME, &bad));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		for (;;)
			pause();
	}
	printf("child's cpu clock: %d\n", clock_getcpuclockid(pid, &other));
	check("reads", clock_gettime(other, &ts));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	int64_t a = now(CLOCK_MONOTONIC), b = now(CLOCK_MONOTONIC);
	printf("goes on: %d\n", b >= a);
	printf("boot time not behind: %d\n", now(CLOCK_BOOTTIME) >= now(CLOCK_MONOTONIC_COARSE));
	struct timex tx = { 0 };
	check("adjtimex reads", adjtimex(&tx) >= 0);
}

/* Processor time grows with work, and not with sleep. */
static void cpu_time(void)
{
	int64_t start = now(CLOCK_PROCESS_CPUTIME_ID), thread = now(CLOCK_THREAD_CPUTIME_ID);
	struct rusage ru;
	struct tms tms;

	while (now(CLOCK_PROCESS_CPUTIME_ID) - start < 50000000)
		for (volatile int i = 0; i < 10000; i++)
			;
	printf("thread's part: %d\n", now(CLOCK_THREAD_CPUTIME_ID) - thread > 10000000);
	getrusage(RUSAGE_SELF, &ru);
	printf("rusage: %d\n", (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec >= 50000);
	printf("times: %d\n", times(&tms) != (clock_t)-1 && tms.tms_utime + tms.tms_stime >= 4);
	pid_t pid = fork();
	if (!pid) {
		start = now(CLOCK_PROCESS_CPUTIME_ID);
		while (now(CLOCK_PROCESS_CPUTIME_ID) - start < 30000000)
			;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	times(&tms);
	getrusage(RUSAGE_CHILDREN, &ru);
	printf("children's: %d %d\n", tms.tms_cutime + tms.tms_cstime >= 2,
	       (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec >= 25000);
}

static volatile int fired, fired_value, fired_code;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	fired++;
	fired_code = si->si_code;
	fired_value = si->si_value.sival_int;
}

static void sleeping(void)
{
	const clockid_t c[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI };
	/* Again and again: the first may come before the sleep has begun. */
	const struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, off = { 0 };
	struct timespec rem, until;

	check("bad time", nanosleep(&bad, NULL));
	check("negative", nanosleep(&negative, NULL));
	check("unreadable", syscall(SYS_nanosleep, (void *)8, NULL));
	check("nothing", nanosleep(&zero, NULL));
	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
		int64_t start = now(c[i]);
		int r = clock_nanosleep(c[i], 0, &ms20, NULL);

		printf("sleep on %d: %d, not early %d\n", c[i], r, now(c[i]) - start >= 20000000);
		start = now(c[i]) + 20000000;
		until = (struct timespec){ start / 1000000000, start % 1000000000 };
		r = clock_nanosleep(c[i], TIMER_ABSTIME, &until, NULL);
		printf("until: %d, not early %d\n", r, now(c[i]) >= start);
	}
	printf("in the past: %d\n", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &zero, NULL));
	printf("thread's clock: %d\n", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ms20, NULL));
	printf("no clock: %d\n", clock_nanosleep(77, 0, &ms20, NULL));
	printf("coarse: %d\n", clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &ms20, NULL));
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	rem = zero;
	check("interrupted", nanosleep(&(struct timespec){ 3600, 0 }, &rem));
	printf("remains most: %d\n", rem.tv_sec >= 3500 && rem.tv_sec < 3600);
	int64_t end = now(CLOCK_MONOTONIC) + 3600000000000;
	until = (struct timespec){ end / 1000000000, end % 1000000000 };
	rem = zero;
	printf("absolute, interrupted: %d", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, &rem));
	setitimer(ITIMER_REAL, &off, NULL);
	printf(", remaining untouched %d\n", !rem.tv_sec);
}

static void posix_timers(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 99 };
	struct itimerspec it = { .it_value = ms20 }, old;
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	sigset_t set;
	siginfo_t si;
	timer_t id, id2;

	sigaction(SIGRTMIN, &sa, NULL);
	check("no clock", timer_create(77, &ev, &id));
	ev.sigev_signo = 99;
	check("no signal", timer_create(CLOCK_MONOTONIC, &ev, &id));
	ev.sigev_signo = SIGRTMIN;
	ev.sigev_notify = 55;
	check("no such notice", timer_create(CLOCK_MONOTONIC, &ev, &id));
	ev.sigev_notify = SIGEV_SIGNAL;
	check("create", timer_create(CLOCK_MONOTONIC, &ev, &id));
	check("get disarmed", timer_gettime(id, &old));
	printf("  %ld %ld\n", old.it_value.tv_sec, old.it_value.tv_nsec);
	it.it_value = bad;
	check("bad time", timer_settime(id, 0, &it, NULL));
	it.it_value = ms20;
	fired = 0;
	int64_t start = now(CLOCK_MONOTONIC);
	/* Not between the look and the wait. */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	check("set", timer_settime(id, 0, &it, NULL));
	sigemptyset(&set);
	while (!fired)
		sigsuspend(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	printf("not early %d, code %d value %d\n", now(CLOCK_MONOTONIC) - start >= 20000000, fired_code, fired_value);
	check("overrun", timer_getoverrun(id));
	/* Blocked for some periods: one signal, and the rest are overruns. */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	it = (struct itimerspec){ { 0, 1000000 }, { 0, 1000000 } };
	timer_settime(id, 0, &it, NULL);
	nanosleep(&ms20, NULL);
	check("taken", sigwaitinfo(&set, &si) == SIGRTMIN);
	printf("overruns: %d\n", si.si_overrun >= 10);
	check("overrun is that", timer_getoverrun(id) >= 10);
	it = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	check("disarm", timer_settime(id, 0, &it, &old));
	printf("interval was %ld\n", old.it_interval.tv_nsec);
	check("delete", timer_delete(id));
	check("delete again", syscall(SYS_timer_delete, 12345));
	while (sigtimedwait(&set, &si, &zero) > 0)
		;
	/* Absolute, in the past: at once. */
	check("no event given", timer_create(CLOCK_REALTIME, NULL, &id2));
	ev.sigev_notify = SIGEV_NONE;
	check("no notice", timer_create(CLOCK_REALTIME, &ev, &id));
	it = (struct itimerspec){ .it_value = { 1, 0 } };
	check("in the past", timer_settime(id, TIMER_ABSTIME, &it, NULL));
	timer_gettime(id, &old);
	printf("  %ld %ld\n", old.it_value.tv_sec, old.it_value.tv_nsec);
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev._sigev_un._tid = (int)syscall(SYS_gettid);
	timer_delete(id);
	check("for a thread", timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &id));
	it = (struct itimerspec){ .it_value = ms20 };
	check("cpu timer", timer_settime(id, 0, &it, NULL));
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	while (sigtimedwait(&set, &si, &zero) < 0)
		for (volatile int i = 0; i < 10000; i++)
			;
	printf("not early %d\n", now(CLOCK_PROCESS_CPUTIME_ID) - start >= 19000000);
	ev._sigev_un._tid = 999999;
	check("for nobody's thread", timer_create(CLOCK_MONOTONIC, &ev, &id2));
	pid_t pid = fork();
	if (!pid) {
		check("not inherited", timer_gettime(id, &old));
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void itimers(void)
{
	const int which[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF }, sig[] = { SIGALRM, SIGVTALRM, SIGPROF };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct itimerval it = { .it_value = { 0, 20000 } }, old;

	for (int i = 0; i < 3; i++) {
		sigaction(sig[i], &sa, NULL);
		fired = 0;
		check("set", setitimer(which[i], &it, NULL));
		getitimer(which[i], &old);
		printf("  left %d\n", fired || (old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 24000));
		while (!fired)
			;
		getitimer(which[i], &old);
		printf("fired, left %ld\n", old.it_value.tv_usec);
	}
	it.it_value.tv_usec = 1000000;
	check("bad", setitimer(ITIMER_REAL, &it, NULL));
	check("no such", setitimer(9, &it, NULL));
	check("get no such", getitimer(9, &it));
	printf("alarm: %u", alarm(1000));
	printf(" %u", alarm(0));
	printf(" %u\n", alarm(0));
	fired = 0;
	ualarm(1000, 1000);
	while (fired < 5)
		pause();
	ualarm(0, 0);
	printf("five alarms\n");
}

static void timerfds(void)
{
	struct itimerspec it = { .it_value = ms20 }, old;
	uint64_t n = 0;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	check("no clock", timerfd_create(77, 0));
	check("flags", timerfd_create(CLOCK_MONOTONIC, 1));
	check("empty", read(fd, &n, sizeof(n)));
	check("short", read(fd, &n, 4));
	check("write", write(fd, &n, sizeof(n)));
	check("not a timer", timerfd_settime(0, 0, &it, NULL));
	close(fd);
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	int64_t start = now(CLOCK_MONOTONIC);
	check("set", timerfd_settime(fd, 0, &it, &old));
	check("read", read(fd, &n, sizeof(n)));
	printf("%lu, not early %d\n", (unsigned long)n, now(CLOCK_MONOTONIC) - start >= 20000000);
	it = (struct itimerspec){ { 0, 1000000 }, { 0, 1000000 } };
	timerfd_settime(fd, 0, &it, NULL);
	nanosleep(&ms20, NULL);
	check("read", read(fd, &n, sizeof(n)));
	printf("many %d\n", n >= 10);
	it = (struct itimerspec){ .it_value = { 1, 0 } };
	check("in the past", timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL));
	check("read", read(fd, &n, sizeof(n)));
	check("bad flags", timerfd_settime(fd, 64, &it, NULL));
	it.it_value = bad;
	check("bad time", timerfd_settime(fd, 0, &it, NULL));
	check("get", timerfd_gettime(fd, &old));
	printf("  %ld\n", old.it_value.tv_nsec);
}

/* RLIMIT_CPU: a signal at the soft limit, death at the hard one. */
static void cpu_limit(void)
{
	int st;

	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
		struct rlimit rl = { 1, 2 };

		sigaction(SIGXCPU, &sa, NULL);
		fired = 0;
		setrlimit(RLIMIT_CPU, &rl);
		while (!fired)
			;
		if (write(1, "SIGXCPU\n", 8) == 8)
			for (;;)
				;
	}
	waitpid(pid, &st, 0);
	printf("cpu limit: %x\n", st);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	clocks();
	cpu_time();
	sleeping();
	posix_timers();
	itimers();
	timerfds();
	cpu_limit();
	return 0;
}
