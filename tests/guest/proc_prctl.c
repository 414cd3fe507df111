/* SPDX-License-Identifier: Apache-2.0 */
/* prctl, arch_prctl, personality, limits, priorities, affinity: what is set is read back, what is wrong is refused. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <unistd.h>

static void check(const char *what, long r)
{
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? errno : 0);
}

static void names(void)
{
	char name[17] = "";

	check("name", prctl(PR_SET_NAME, "a name that is too long"));
	prctl(PR_GET_NAME, name);
	printf("%s\n", name);
	check("name fault", prctl(PR_SET_NAME, 8));
}

static void flags(void)
{
	check("dumpable", prctl(PR_GET_DUMPABLE));
	check("dumpable off", prctl(PR_SET_DUMPABLE, 0));
	check("dumpable", prctl(PR_GET_DUMPABLE));
	check("dumpable bad", prctl(PR_SET_DUMPABLE, 2));
	check("pdeathsig bad", prctl(PR_SET_PDEATHSIG, 65));
	check("keepcaps bad", prctl(PR_SET_KEEPCAPS, 2));
	check("no_new_privs bad", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	check("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	check("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	check("cap bad", prctl(PR_CAPBSET_READ, 100));
	check("unknown", prctl(987654));
	check("timer slack", prctl(PR_SET_TIMERSLACK, 12345));
	check("timer slack", prctl(PR_GET_TIMERSLACK));
	check("timer slack default", prctl(PR_SET_TIMERSLACK, 0));
	check("timing", prctl(PR_GET_TIMING));
}

static void arch(void)
{
	unsigned long fs = 0, gs = 1;

	check("get fs", syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	printf("fs %d\n", fs == (unsigned long)__builtin_thread_pointer());
	check("set gs", syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123000));
	check("get gs", syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	printf("gs %lx\n", gs);
	check("kernel gs", syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000));
	check("bad option", syscall(SYS_arch_prctl, 0x7777, 0));
	check("personality", personality(0xffffffff));
	check("personality", personality(ADDR_NO_RANDOMIZE));
	check("personality", personality(0));
}

static void limits(void)
{
	struct rlimit rl, old;

	getrlimit(RLIMIT_NOFILE, &old);
	rl = (struct rlimit){ 100, 200 };
	check("setrlimit", setrlimit(RLIMIT_NOFILE, &rl));
	check("prlimit", prlimit(getpid(), RLIMIT_NOFILE, NULL, &rl));
	printf("%lu %lu\n", rl.rlim_cur, rl.rlim_max);
	check("dup beyond", dup2(0, 100));
	rl = (struct rlimit){ 300, 200 };
	check("soft above hard", setrlimit(RLIMIT_NOFILE, &rl));
	check("bad resource", getrlimit(99, &rl));
	check("nobody's", prlimit(999999, RLIMIT_NOFILE, NULL, &rl));
	check("fault", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, 8));
	struct rusage ru;
	check("rusage bad", getrusage(7, &ru));
	check("rusage thread", getrusage(RUSAGE_THREAD, &ru));
	struct tms tms;
	check("times", times(&tms) == (clock_t)-1);
}

static void scheduling(void)
{
	struct sched_param sp = { 0 };
	cpu_set_t set, one;
	int cpu = 0;

	check("nice", setpriority(PRIO_PROCESS, 0, 5));
	check("nice", getpriority(PRIO_PROCESS, 0));
	check("nice too much", setpriority(PRIO_PROCESS, 0, 100));
	check("nice", getpriority(PRIO_PROCESS, 0));
	check("nice bad", setpriority(9, 0, 0));
	check("nice nobody", getpriority(PRIO_PROCESS, 999999));
	check("policy", sched_getscheduler(0));
	check("batch", sched_setscheduler(0, SCHED_BATCH, &sp));
	check("policy", sched_getscheduler(0));
	check("bad policy", sched_setscheduler(0, 77, &sp));
	sp.sched_priority = 3;
	check("priority of a batch task", sched_setparam(0, &sp));
	check("max", sched_get_priority_max(SCHED_FIFO));
	check("min", sched_get_priority_min(SCHED_RR));
	check("yield", sched_yield());
	check("affinity", sched_getaffinity(0, sizeof(set), &set));
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	check("one processor", sched_setaffinity(0, sizeof(one), &one));
	sched_getaffinity(0, sizeof(set), &set);
	printf("processors %d\n", CPU_COUNT(&set));
	CPU_ZERO(&one);
	check("no processor", sched_setaffinity(0, sizeof(one), &one));
	check("short", syscall(SYS_sched_getaffinity, 0, 1, &set));
	check("getcpu", syscall(SYS_getcpu, NULL, NULL, NULL));
}

int main(void)
{
	struct utsname u;
	char a[64] = "", b[64] = "";

	setvbuf(stdout, NULL, _IONBF, 0);
	names();
	flags();
	arch();
	limits();
	scheduling();
	check("uname", uname(&u));
	printf("%s %s\n", u.sysname, u.machine);
	check("random", getrandom(a, sizeof(a), 0));
	check("random", getrandom(b, sizeof(b), GRND_NONBLOCK));
	printf("differ %d\n", memcmp(a, b, sizeof(a)) != 0);
	check("random bad", getrandom(a, sizeof(a), 99));
	check("random fault", syscall(SYS_getrandom, 8, 16, 0));
	return 0;
}
