/* SPDX-License-Identifier: Apache-2.0 */
/* The filters' language: which programs seccomp(2) takes, and what each instruction computes. */
#include "seccomp.h"

#define S(code, k) BPF_STMT(code, k)
#define J(code, k, jt, jf) BPF_JUMP(code, k, jt, jf)
#define ALLOW RET(SECCOMP_RET_ALLOW)

static struct sock_filter *tried;
static size_t tried_len;

static void try(void)
{
	check("  install", install(tried, tried_len, 0));
}

static void accepts(const char *what, struct sock_filter *f, size_t n)
{
	printf("%s\n", what);
	tried = f;
	tried_len = n;
	in_child(try);
}
#define ACCEPTS(what, ...)                                     \
	do {                                                   \
		struct sock_filter f_[] = { __VA_ARGS__ };     \
		accepts(what, f_, COUNT(f_));                  \
	} while (0)

static void programs(void)
{
	ACCEPTS("return", ALLOW);
	ACCEPTS("return A", S(BPF_LD | BPF_IMM, SECCOMP_RET_ALLOW), S(BPF_RET | BPF_A, 0));
	ACCEPTS("return X", S(BPF_RET | BPF_X, 0));
	ACCEPTS("no return", S(BPF_LD | BPF_IMM, 1));
	ACCEPTS("jump last", ALLOW, J(BPF_JMP | BPF_JA, 0, 0, 0));
	ACCEPTS("load aligned", S(BPF_LD | BPF_W | BPF_ABS, 60), ALLOW);
	ACCEPTS("load beyond", S(BPF_LD | BPF_W | BPF_ABS, 64), ALLOW);
	ACCEPTS("load far beyond", S(BPF_LD | BPF_W | BPF_ABS, 0xfffffffc), ALLOW);
	ACCEPTS("load unaligned", S(BPF_LD | BPF_W | BPF_ABS, 2), ALLOW);
	ACCEPTS("load half", S(BPF_LD | BPF_H | BPF_ABS, 0), ALLOW);
	ACCEPTS("load byte", S(BPF_LD | BPF_B | BPF_ABS, 0), ALLOW);
	ACCEPTS("load indirect", S(BPF_LD | BPF_W | BPF_IND, 0), ALLOW);
	ACCEPTS("load length", S(BPF_LD | BPF_W | BPF_LEN, 0), S(BPF_LDX | BPF_W | BPF_LEN, 0), ALLOW);
	ACCEPTS("load header length", S(BPF_LDX | BPF_B | BPF_MSH, 0), ALLOW);
	ACCEPTS("ancillary", S(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_CPU), ALLOW);
	ACCEPTS("unknown code", S(0xffff, 0), ALLOW);
	ACCEPTS("modulo", S(BPF_ALU | BPF_MOD | BPF_K, 3), ALLOW);
	ACCEPTS("exclusive or", S(BPF_ALU | BPF_XOR | BPF_K, 3), S(BPF_ALU | BPF_XOR | BPF_X, 0), ALLOW);
	ACCEPTS("division by 0", S(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW);
	ACCEPTS("division by X", S(BPF_ALU | BPF_DIV | BPF_X, 0), ALLOW);
	ACCEPTS("shift by 31", S(BPF_ALU | BPF_LSH | BPF_K, 31), ALLOW);
	ACCEPTS("shift by 32", S(BPF_ALU | BPF_LSH | BPF_K, 32), ALLOW);
	ACCEPTS("shift right by 32", S(BPF_ALU | BPF_RSH | BPF_K, 32), ALLOW);
	ACCEPTS("jump to the last", J(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 0), ALLOW);
	ACCEPTS("jump beyond, true", J(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), ALLOW);
	ACCEPTS("jump beyond, false", J(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1), ALLOW);
	ACCEPTS("always beyond", J(BPF_JMP | BPF_JA, 1, 0, 0), ALLOW);
	ACCEPTS("always far beyond", J(BPF_JMP | BPF_JA, 0xffffffff, 0, 0), ALLOW);
	ACCEPTS("unknown jump", J(BPF_JMP | 0x50, 0, 0, 0), ALLOW);
	ACCEPTS("read unwritten memory", S(BPF_LD | BPF_MEM, 0), ALLOW);
	ACCEPTS("read unwritten memory to X", S(BPF_LDX | BPF_MEM, 15), ALLOW);
	ACCEPTS("read written memory", S(BPF_ST, 15), S(BPF_LD | BPF_MEM, 15), ALLOW);
	ACCEPTS("write beyond", S(BPF_ST, 16), ALLOW);
	ACCEPTS("write X beyond", S(BPF_STX, 16), ALLOW);
	ACCEPTS("read beyond", S(BPF_LD | BPF_MEM, 16), ALLOW);
	ACCEPTS("written on one way", J(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), S(BPF_ST, 3), S(BPF_LD | BPF_MEM, 3), ALLOW);
	ACCEPTS("written on both ways", J(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2), S(BPF_ST, 3), J(BPF_JMP | BPF_JA, 1, 0, 0), S(BPF_STX, 3),
		S(BPF_LDX | BPF_MEM, 3), ALLOW);
	ACCEPTS("written on a way never taken", S(BPF_ST, 3), J(BPF_JMP | BPF_JA, 1, 0, 0), S(BPF_LD | BPF_IMM, 0),
		S(BPF_LD | BPF_MEM, 3), ALLOW);
}

/* --- computing: the filter's value comes back as an errno --- */

static int computed(struct sock_filter *body, size_t n)
{
	struct sock_filter f[40] = { LOAD(nr), J(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 1, 0), ALLOW };
	const struct sock_filter tail[] = {
		S(BPF_ALU | BPF_AND | BPF_K, 0xfff),
		S(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
		S(BPF_RET | BPF_A, 0),
	};
	int p[2], value = -1;

	memcpy(f + 3, body, n * sizeof(*body));
	memcpy(f + 3 + n, tail, sizeof(tail));
	fflush(stdout);
	if (pipe(p))
		return -1;
	pid_t pid = fork();
	if (!pid) {
		errno = 0;
		if (!install(f, n + 6, 0))
			syscall(SYS_getpgid, 0x1122334455667788, 0xdeadbeef00000003);
		_exit(write(p[1], &errno, sizeof(errno)) != sizeof(errno));
	}
	close(p[1]);
	waitpid(pid, NULL, 0);
	if (read(p[0], &value, sizeof(value)) != sizeof(value))
		value = -2; /* killed */
	close(p[0]);
	return value;
}
#define COMPUTE(what, ...)                                              \
	do {                                                            \
		struct sock_filter f_[] = { __VA_ARGS__ };              \
		printf("%s: %#x\n", what, computed(f_, COUNT(f_)));     \
	} while (0)
#define A(k) S(BPF_LD | BPF_IMM, k)
#define X(k) S(BPF_LDX | BPF_IMM, k)
#define TAKEN(...) __VA_ARGS__, A(2), J(BPF_JMP | BPF_JA, 1, 0, 0), A(1)

static void computing(void)
{
	COMPUTE("first argument, low", LOAD(args[0]));
	COMPUTE("first argument, high", S(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]) + 4));
	COMPUTE("second argument, low", LOAD(args[1]));
	COMPUTE("second argument, high", S(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4));
	COMPUTE("architecture", LOAD(arch));
	COMPUTE("architecture, high", LOAD(arch), S(BPF_ALU | BPF_RSH | BPF_K, 24));
	COMPUTE("number", LOAD(nr));
	COMPUTE("length", S(BPF_LD | BPF_W | BPF_LEN, 0));
	COMPUTE("length in X", S(BPF_LDX | BPF_W | BPF_LEN, 0), S(BPF_MISC | BPF_TXA, 0));
	COMPUTE("X is 0 at first", A(9), S(BPF_MISC | BPF_TXA, 0));
	COMPUTE("add", A(0xfffffff0), S(BPF_ALU | BPF_ADD | BPF_K, 0x13));
	COMPUTE("add X", A(5), X(6), S(BPF_ALU | BPF_ADD | BPF_X, 0));
	COMPUTE("subtract", A(5), S(BPF_ALU | BPF_SUB | BPF_K, 6));
	COMPUTE("subtract X", A(5), X(2), S(BPF_ALU | BPF_SUB | BPF_X, 0));
	COMPUTE("multiply", A(0x10001), S(BPF_ALU | BPF_MUL | BPF_K, 0x10003));
	COMPUTE("multiply X", A(7), X(9), S(BPF_ALU | BPF_MUL | BPF_X, 0));
	COMPUTE("divide", A(0xffffffff), S(BPF_ALU | BPF_DIV | BPF_K, 0x1000000));
	COMPUTE("divide X", A(100), X(7), S(BPF_ALU | BPF_DIV | BPF_X, 0));
	COMPUTE("divide by an X of 0", A(100), X(0), S(BPF_ALU | BPF_DIV | BPF_X, 0));
	COMPUTE("and X", A(0xff0), X(0x3c), S(BPF_ALU | BPF_AND | BPF_X, 0));
	COMPUTE("or X", A(0xf0), X(0x3), S(BPF_ALU | BPF_OR | BPF_X, 0));
	COMPUTE("xor X", A(0xff), X(0x3c), S(BPF_ALU | BPF_XOR | BPF_X, 0));
	COMPUTE("shift left X", A(1), X(5), S(BPF_ALU | BPF_LSH | BPF_X, 0));
	COMPUTE("shift right X", A(0x80000000), X(28), S(BPF_ALU | BPF_RSH | BPF_X, 0));
	COMPUTE("negate", A(1), S(BPF_ALU | BPF_NEG, 0));
	COMPUTE("move", A(77), S(BPF_MISC | BPF_TAX, 0), A(0), S(BPF_MISC | BPF_TXA, 0));
	COMPUTE("memory", A(55), S(BPF_ST, 3), A(0), S(BPF_LD | BPF_MEM, 3));
	COMPUTE("memory from X", X(56), S(BPF_STX, 15), S(BPF_LD | BPF_MEM, 15));
	COMPUTE("memory to X", A(57), S(BPF_ST, 0), S(BPF_LDX | BPF_MEM, 0), S(BPF_MISC | BPF_TXA, 0));
	COMPUTE("equal", TAKEN(A(5), J(BPF_JMP | BPF_JEQ | BPF_K, 5, 2, 0)));
	COMPUTE("equal X, not", TAKEN(A(5), X(6), J(BPF_JMP | BPF_JEQ | BPF_X, 0, 2, 0)));
	COMPUTE("greater, unsigned", TAKEN(A(0x80000000), J(BPF_JMP | BPF_JGT | BPF_K, 1, 2, 0)));
	COMPUTE("greater, not", TAKEN(A(5), J(BPF_JMP | BPF_JGT | BPF_K, 5, 2, 0)));
	COMPUTE("greater or equal", TAKEN(A(5), J(BPF_JMP | BPF_JGE | BPF_K, 5, 2, 0)));
	COMPUTE("greater or equal X, not", TAKEN(A(5), X(6), J(BPF_JMP | BPF_JGE | BPF_X, 0, 2, 0)));
	COMPUTE("set", TAKEN(A(6), J(BPF_JMP | BPF_JSET | BPF_K, 4, 2, 0)));
	COMPUTE("set, not", TAKEN(A(6), J(BPF_JMP | BPF_JSET | BPF_K, 8, 2, 0)));
}

int main(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	programs();
	computing();
	return 0;
}
