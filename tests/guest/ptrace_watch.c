/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: debug registers: what they may be, what they read as, who inherits and who loses them, and what a hit is. Where the processor's
 * do not work, as under some hypervisors, nothing is hit: then the two runs agree on that. */
#include "trace.h"

#include <fcntl.h>

enum { EXECUTE = 0, WRITE = 1, INPUT = 2, ACCESS = 3 };
enum { BYTES1 = 0, BYTES2 = 4, BYTES8 = 8, BYTES4 = 12 };
#define ON(i) (1UL << 2 * (i))
#define PLACE(i, kind) ((unsigned long)(kind) << (16 + 4 * (i)))
#define USER_END 0x7ffffffff000UL
#define DEBUG(n) (offsetof(struct user, u_debugreg) + (n) * 8)

static volatile long words[4] __attribute__((aligned(32)));
static const char *self;

static unsigned long get(pid_t pid, int n)
{
	unsigned long value = 77;

	if (request(PTRACE_PEEKUSER, pid, DEBUG(n), (unsigned long)&value) < 0)
		printf("peek %d: %s\n", n, strerror(errno));
	return value;
}

static void set(pid_t pid, int n, unsigned long value, const char *what)
{
	printf("%s: %s\n", what, outcome(request(PTRACE_POKEUSER, pid, DEBUG(n), value)));
}

static void show(pid_t pid, const char *who)
{
	printf("%s:", who);
	for (int i = 0; i < 4; i++)
		printf(" %s", get(pid, i) == (unsigned long)&words[i] ? "word" : get(pid, i) ? "other" : "none");
	printf(", 4: %lu, 5: %lu, status %lx, control %lx\n", get(pid, 4), get(pid, 5), get(pid, 6) & 0xf, get(pid, 7));
}

static void finish(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void idle(void)
{
	for (;;)
		pause();
}

static void addresses(void)
{
	pid_t pid = traced_child(idle);

	show(pid, "fresh");
	set(pid, 0, (unsigned long)words + 1, "odd address");
	set(pid, 1, USER_END - 1, "last user address");
	set(pid, 1, USER_END, "first that is no user's");
	set(pid, 1, 1UL << 47, "above it");
	set(pid, 1, -1, "the last of all");
	set(pid, 1, 0, "none");
	set(pid, 4, 0, "4 to 0");
	set(pid, 5, 1, "5 to 1");
	for (int i = 0; i < 4; i++)
		set(pid, i, (unsigned long)&words[i], "word");
	set(pid, 6, 0x123, "status");
	printf("reads as %lx\n", get(pid, 6));
	set(pid, 6, -1, "all of status");
	printf("reads as %lx\n", get(pid, 6));
	set(pid, 6, 0, "nothing of status");
	show(pid, "after");
	finish(pid);
}

/* What DR7 takes depends on which places were used before. */
static void control_of_unused(void)
{
	pid_t pid = traced_child(idle);

	set(pid, 7, PLACE(0, INPUT), "input, disabled and unused");
	set(pid, 7, PLACE(0, INPUT) | ON(0), "input");
	set(pid, 7, PLACE(0, EXECUTE | BYTES2) | ON(0), "execution of two bytes");
	set(pid, 7, ON(4) | 0xfc00, "bits that mean nothing");
	printf("control %lx\n", get(pid, 7));
	set(pid, 7, -1, "all of control");
	printf("control %lx\n", get(pid, 7));
	set(pid, 7, PLACE(0, EXECUTE) | ON(0), "execution at 0");
	set(pid, 7, PLACE(0, INPUT), "input, disabled and used");
	set(pid, 7, PLACE(0, EXECUTE | BYTES2), "execution of two bytes, disabled and used");
	set(pid, 7, 0, "nothing");
	show(pid, "after");
	finish(pid);
}

static void control(void)
{
	static const struct {
		int bytes;
		unsigned long size;
	} lengths[] = { { BYTES1, 1 }, { BYTES2, 2 }, { BYTES4, 4 }, { BYTES8, 8 } };
	pid_t pid = traced_child(idle);

	for (int i = 0; i < 4; i++) {
		for (unsigned long at = 0; at <= 8; at++) {
			request(PTRACE_POKEUSER, pid, DEBUG(7), 0);
			request(PTRACE_POKEUSER, pid, DEBUG(2), (unsigned long)words + at);
			printf("%lu bytes at %lu: %s", lengths[i].size, at,
			       outcome(request(PTRACE_POKEUSER, pid, DEBUG(7), PLACE(2, WRITE | lengths[i].bytes) | ON(2))));
			printf(", control %lx\n", get(pid, 7));
		}
	}
	set(pid, 2, (unsigned long)words + 1, "odd address under eight bytes");
	set(pid, 2, (unsigned long)&words[2], "another word");
	show(pid, "after");
	set(pid, 7, PLACE(2, WRITE | BYTES8) | ON(2) | PLACE(1, INPUT) | ON(1), "one good, one bad");
	set(pid, 7, PLACE(2, ACCESS | BYTES8), "disabled");
	set(pid, 2, (unsigned long)words + 1, "odd address under eight bytes, disabled");
	set(pid, 7, PLACE(2, INPUT), "refused");
	set(pid, 2, (unsigned long)words + 1, "odd address once the refusal has made it one byte");
	set(pid, 2, USER_END - 8, "last word");
	set(pid, 7, PLACE(2, ACCESS | BYTES8) | ON(2), "eight bytes there");
	show(pid, "in the end");
	finish(pid);
}

/* --- children and programs --- */

static void fork_and_exec(void)
{
	if (!fork())
		_exit(0);
	wait(NULL);
	execl(self, self, "again", NULL);
	_exit(1);
}

/* The signal, and the event above it; minus the wait status of an end. */
static int next_stop(pid_t pid)
{
	int status;

	request(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &status, __WALL);
	return WIFSTOPPED(status) ? status >> 8 : -status;
}

static void inheritance(void)
{
	pid_t pid = traced_child(fork_and_exec);
	unsigned long child;
	int status;

	request(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC);
	set(pid, 0, (unsigned long)&words[0], "word");
	set(pid, 3, (unsigned long)&words[3], "word");
	set(pid, 7, PLACE(0, WRITE | BYTES4) | ON(0), "control");
	set(pid, 6, 5, "status");
	printf("fork: %x\n", next_stop(pid));
	request(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&child);
	waitpid(child, &status, __WALL);
	show(child, "child");
	set(child, 7, PLACE(0, INPUT), "its place was never used");
	set(child, 0, (unsigned long)&words[0], "word");
	set(child, 1, (unsigned long)words + 1, "odd address");
	show(child, "child");
	show(pid, "parent");
	request(PTRACE_DETACH, child, 0, 0);
	while ((status = next_stop(pid)) == SIGCHLD)
		;
	printf("exec: %x\n", status);
	show(pid, "new program");
	set(pid, 7, PLACE(0, INPUT), "its place was never used");
	finish(pid);
}

static void kept_by_detach(void)
{
	pid_t pid = traced_child(idle);

	set(pid, 1, (unsigned long)&words[1], "word");
	set(pid, 7, PLACE(1, WRITE | BYTES8) | ON(1), "control");
	request(PTRACE_DETACH, pid, 0, 0);
	printf("seize: %s\n", outcome(request(PTRACE_SEIZE, pid, 0, 0)));
	request(PTRACE_INTERRUPT, pid, 0, 0);
	waitpid(pid, NULL, 0);
	show(pid, "seized");
	finish(pid);
}

/* --- hits --- */

static __attribute__((noinline)) void place(void)
{
	__asm__ volatile("nop");
}

static void touch(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	long sum = 0;

	words[1] = 1;
	place();
	sum += words[2];
	read(fd, (void *)&words[1], 8); /* the kernel's own do not count */
	words[0] = 2;
	words[1] = 3;
	place();
	_exit(words[0] + words[1] + sum);
}

static void hits(void)
{
	pid_t pid = traced_child(touch);
	siginfo_t info;
	int sig;

	set(pid, 1, (unsigned long)&words[1], "word");
	set(pid, 2, (unsigned long)&words[2], "word");
	set(pid, 3, (unsigned long)place, "place");
	set(pid, 7, PLACE(1, WRITE | BYTES8) | ON(1) | PLACE(2, ACCESS | BYTES8) | ON(2) | ON(3), "control");
	while ((sig = next_stop(pid)) == SIGTRAP) {
		request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
		printf("hit: code %d, status %lx, word %ld\n", info.si_code, get(pid, 6) & 0xf,
		       request(PTRACE_PEEKDATA, pid, (unsigned long)&words[1], (unsigned long)&info) < 0 ? -1 : *(long *)&info);
	}
	printf("end: %x\n", -sig);
}

static void steps(void)
{
	pid_t pid = traced_child(idle);
	int status;

	set(pid, 6, 3, "status");
	request(PTRACE_SINGLESTEP, pid, 0, 0);
	waitpid(pid, &status, 0);
	request(PTRACE_SINGLESTEP, pid, 0, 0);
	waitpid(pid, &status, 0);
	printf("step: %x, status %lx\n", status >> 8, get(pid, 6) & 0x400f);
	finish(pid);
}

/* PTRACE_SINGLEBLOCK goes to the next branch, or one instruction where the processor knows no better: to a branch that is next it is the same. */
enum { SINGLEBLOCK = 33 };
extern char branch[], branch_target[];
__asm__(".pushsection .text\n"
	".globl branch, branch_target\n"
	"branch: jmp branch_target\n"
	"	ud2\n"
	"branch_target: nop\n"
	".popsection\n");

static void block_step(void)
{
	pid_t pid = traced_child(idle);
	struct user_regs_struct r;
	siginfo_t info;

	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	r.rip = (unsigned long)branch;
	request(PTRACE_SETREGS, pid, 0, (unsigned long)&r);
	printf("block step: %s\n", outcome(request(SINGLEBLOCK, pid, 0, 0)));
	expect(pid, "after it");
	request(PTRACE_GETREGS, pid, 0, (unsigned long)&r);
	request(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
	printf("at the target: %d, code %d\n", r.rip == (unsigned long)branch_target, info.si_code);
	printf("with no signal: %s\n", outcome(request(SINGLEBLOCK, pid, 0, 1000)));
	finish(pid);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		idle();
	self = argv[0];
	setvbuf(stdout, NULL, _IONBF, 0);
	addresses();
	control_of_unused();
	control();
	inheritance();
	kept_by_detach();
	hits();
	steps();
	block_step();
	return 0;
}
