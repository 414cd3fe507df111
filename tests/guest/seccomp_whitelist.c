/* SPDX-License-Identifier: Apache-2.0 */
/* A list of allowed calls as libraries make them: architecture and x32 first, then a binary search, arguments compared as 64-bit
 * numbers; all else is trapped and reported by name, as a browser's or a judge's sandbox does. */
#include "seccomp.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

/* What the program below needs from here on. */
static const uint32_t allowed[] = { SYS_read, SYS_write, SYS_mmap, SYS_munmap, SYS_brk, SYS_rt_sigreturn, SYS_exit_group };

static struct sock_filter prog[128];
static size_t len;

static void emit(struct sock_filter i)
{
	prog[len++] = i;
}

/* if (nr is in allowed[lo..hi)) allow; else fall out at the end. The targets are patched by their distance. */
static void search(size_t lo, size_t hi)
{
	if (hi - lo == 1) {
		emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[lo], 0, 1));
		emit((struct sock_filter)RET(SECCOMP_RET_ALLOW));
		emit((struct sock_filter)RET(SECCOMP_RET_TRAP));
		return;
	}
	size_t mid = (lo + hi) / 2, at = len;

	emit((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, allowed[mid], 0, 0));
	search(lo, mid);
	prog[at].jt = (uint8_t)(len - at - 1);
	search(mid, hi);
}

static void build(void)
{
	const size_t fd = offsetof(struct seccomp_data, args[0]);
	const struct sock_filter head[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		RET(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
		RET(SECCOMP_RET_ERRNO | ENOSYS),
		/* close(fd) only of descriptors above 2, all 64 bits of it */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, fd + 4),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 0, 2, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, fd),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 2, 0, 1),
		RET(SECCOMP_RET_ALLOW),
		RET(SECCOMP_RET_ERRNO | EPERM),
	};

	for (size_t i = 0; i < COUNT(head); i++)
		emit(head[i]);
	search(0, COUNT(allowed));
}

static volatile int refused[4], refused_count;

static void on_sys(int sig, siginfo_t *info, void *uc)
{
	(void)sig, (void)uc;
	refused[refused_count++ % 4] = info->si_syscall;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };
	int fd = open("/dev/null", O_RDONLY);
	char c;

	setvbuf(stdout, NULL, _IOFBF, 4096);
	printf("start\n");
	fflush(stdout);
	sigaction(SIGSYS, &sa, NULL);
	build();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	check("installed", install(prog, len, 0));
	check("read", read(fd, &c, 1));
	check("close 0", close(0));
	check("close", close(fd));
	check("close, high half set", syscall(SYS_close, 0x100000000) < 0 && errno == EBADF);
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check("mmap", p == MAP_FAILED);
	check("munmap", munmap(p, 4096));
	printf("open: %ld\n", syscall(SYS_open, "/", O_RDONLY));
	syscall(SYS_socket, 1, 1, 0);
	syscall(SYS_fork);
	printf("refused %d: %d %d %d\n", refused_count, refused[0], refused[1], refused[2]);
	return 0;
}
