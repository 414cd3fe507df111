/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp(2): what its operations refuse, what each action does to a call, which wins, and what children and programs inherit. */
#include "seccomp.h"
#include <linux/unistd.h>
#include <signal.h>
#include <sys/utsname.h>
#include <time.h>
#include <ucontext.h>

static long seccomp(unsigned op, unsigned flags, void *args)
{
	return syscall(SYS_seccomp, op, flags, args);
}

static void errors(void)
{
	struct sock_filter allow[] = { RET(SECCOMP_RET_ALLOW) };
	struct sock_fprog bad = { .len = 1, .filter = (void *)8 }, empty = { .len = 0, .filter = allow }, fine = { 1, allow };
	struct sock_fprog huge = { .len = BPF_MAXINSNS + 1, .filter = allow };
	uint32_t actions[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE,
			       SECCOMP_RET_LOG, SECCOMP_RET_ALLOW, 0x12340000 };
	struct seccomp_notif_sizes sizes;

	check("bad operation", seccomp(99, 0, NULL));
	check("strict with flags", seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL));
	check("strict with an argument", seccomp(SECCOMP_SET_MODE_STRICT, 0, &fine));
	check("unknown flag", seccomp(SECCOMP_SET_MODE_FILTER, 1u << 30, &fine));
	check("no program", seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL));
	check("empty program", seccomp(SECCOMP_SET_MODE_FILTER, 0, &empty));
	check("too long a program", seccomp(SECCOMP_SET_MODE_FILTER, 0, &huge));
	check("unreadable program", seccomp(SECCOMP_SET_MODE_FILTER, 0, &bad));
	for (size_t i = 0; i < COUNT(actions); i++)
		check("action available", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
	check("action unreadable", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, (void *)8));
	check("action with flags", seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &actions[0]));
	check("sizes", seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes));
	printf("data %d\n", sizes.seccomp_data);
	check("sizes unwritable", seccomp(SECCOMP_GET_NOTIF_SIZES, 0, (void *)8));
	check("prctl bad mode", prctl(PR_SET_SECCOMP, 7, NULL));
	check("prctl no program", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
	check("mode", prctl(PR_GET_SECCOMP));
}

static void show_status(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Seccomp", 7))
			fputs(line, stdout);
	if (f)
		fclose(f);
}

static void put(uint32_t nr, uint32_t verdict)
{
	struct sock_filter f[] = ONLY(nr, verdict);

	if (install(f, COUNT(f), 0))
		_exit(99);
}

static void errnos(void)
{
	put(SYS_getpgid, SECCOMP_RET_ERRNO | 77);
	check("errno 77", syscall(SYS_getpgid, 0));
	put(SYS_getsid, SECCOMP_RET_ERRNO);
	check("errno 0", syscall(SYS_getsid, 12345));
	put(SYS_sched_yield, SECCOMP_RET_ERRNO | 60000);
	errno = 0;
	printf("errno too large: %ld %d\n", syscall(SYS_sched_yield), errno);
	/* What is a restart code inside the kernel. */
	put(SYS_alarm, SECCOMP_RET_ERRNO | 512);
	printf("errno 512: %ld %d\n", syscall(SYS_alarm, 0), errno);
	put(SYS_umask, SECCOMP_RET_TRACE | 5);
	check("trace without a tracer", syscall(SYS_umask, 022));
	put(SYS_getuid, SECCOMP_RET_LOG);
	check("log", syscall(SYS_getuid) == (long)geteuid());
	put(SYS_getgid, SECCOMP_RET_USER_NOTIF);
	check("notification without a listener", syscall(SYS_getgid));
	/* A number that names no call can be judged too. */
	put(4000, SECCOMP_RET_ERRNO | 5);
	check("unknown call", syscall(4000));
	check("another unknown call", syscall(4001));
	show_status();
	check("mode", prctl(PR_GET_SECCOMP));
	check("strict after filters", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
}

/* The strictest action wins, whatever the order; of two alike the newer. */
static void precedence(void)
{
	put(SYS_getpgid, SECCOMP_RET_ERRNO | 1);
	put(SYS_getpgid, SECCOMP_RET_ERRNO | 2);
	check("the newer", syscall(SYS_getpgid, 0));
	put(SYS_getpgid, SECCOMP_RET_LOG);
	put(SYS_getpgid, SECCOMP_RET_TRACE);
	put(SYS_getpgid, SECCOMP_RET_ALLOW);
	check("still", syscall(SYS_getpgid, 0));
	put(SYS_getsid, SECCOMP_RET_TRACE);
	put(SYS_getsid, SECCOMP_RET_LOG);
	check("trace before log", syscall(SYS_getsid, 0));
}

static volatile int traps;
static volatile long trap_errno, trap_nr, trap_arch, trap_code, trap_rax, at_call;
static volatile uintptr_t trap_ip;

static void on_sys(int sig, siginfo_t *info, void *p)
{
	ucontext_t *uc = p;

	(void)sig;
	traps++;
	trap_errno = info->si_errno;
	trap_nr = info->si_syscall;
	trap_arch = info->si_arch;
	trap_code = info->si_code;
	trap_ip = (uintptr_t)info->si_call_addr;
	at_call = trap_ip == (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	trap_rax = uc->uc_mcontext.gregs[REG_RAX];
	uc->uc_mcontext.gregs[REG_RAX] = 4711;
}

static void traps_handled(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &sa, NULL);
	put(SYS_getpgid, SECCOMP_RET_TRAP | 321);
	check("emulated", syscall(SYS_getpgid, 0));
	printf("traps %d errno %ld call %d arch %d code %ld at the call %ld rax %d\n", traps, trap_errno, trap_nr == SYS_getpgid,
	       (uint32_t)trap_arch == AUDIT_ARCH_X86_64, trap_code, at_call, trap_rax == SYS_getpgid);
}

static void trap_unhandled(void)
{
	put(SYS_getpgid, SECCOMP_RET_TRAP);
	syscall(SYS_getpgid, 0);
}

static void trap_blocked(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };
	sigset_t s;

	sigaction(SIGSYS, &sa, NULL);
	sigemptyset(&s);
	sigaddset(&s, SIGSYS);
	sigprocmask(SIG_BLOCK, &s, NULL);
	trap_unhandled();
}

static void trap_ignored(void)
{
	signal(SIGSYS, SIG_IGN);
	trap_unhandled();
}

static void killed(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &sa, NULL); /* which must not run */
	put(SYS_getpgid, SECCOMP_RET_KILL_PROCESS);
	syscall(SYS_getpgid, 0);
}

static void killed_thread(void)
{
	put(SYS_getpgid, SECCOMP_RET_KILL_THREAD);
	syscall(SYS_getpgid, 0);
}

static void killed_unknown_action(void)
{
	put(SYS_getpgid, 0x12340000);
	syscall(SYS_getpgid, 0);
}

static void strict(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		_exit(9);
	if (write(1, "strict: write\n", 14) != 14)
		syscall(SYS_exit, 1);
	syscall(SYS_exit, 23);
}

static void strict_broken(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		_exit(9);
	syscall(SYS_getpid);
	syscall(SYS_exit, 1);
}

static void grandchild(void)
{
	check("in the grandchild", syscall(SYS_getpgid, 0));
	put(SYS_getsid, SECCOMP_RET_ERRNO | 3);
	show_status();
}

static void inherited(void)
{
	struct timespec ts;

	put(SYS_getpgid, SECCOMP_RET_ERRNO | 2);
	printf("grandchild: %d\n", in_child(grandchild));
	show_status();
	/* A session led from outside the PID namespace is 0. */
	check("the child's filter stays the child's", syscall(SYS_getsid, 0) >= 0);
	check("the clock needs no call", clock_gettime(CLOCK_MONOTONIC, &ts));
	fflush(stdout);
	execl("/proc/self/exe", "seccomp_actions", "again", NULL);
	_exit(98);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		check("after exec", syscall(SYS_getpgid, 0));
		show_status();
		return 0;
	}
	(void)argv;
	errors();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	printf("errnos: %d\n", in_child(errnos));
	printf("precedence: %d\n", in_child(precedence));
	printf("traps: %d\n", in_child(traps_handled));
	printf("trap without a handler: %d\n", in_child(trap_unhandled));
	printf("trap while blocked: %d\n", in_child(trap_blocked));
	printf("trap ignored: %d\n", in_child(trap_ignored));
	printf("kill process: %d\n", in_child(killed));
	printf("kill thread: %d\n", in_child(killed_thread));
	printf("unknown action: %d\n", in_child(killed_unknown_action));
	printf("strict: %d\n", in_child(strict));
	printf("strict, broken: %d\n", in_child(strict_broken));
	printf("inherited: %d\n", in_child(inherited));
	check("not inherited upwards", prctl(PR_GET_SECCOMP));
	return 0;
}
