/* SPDX-License-Identifier: Apache-2.0 */
/* Classic BPF; see bpf.h.
 *
 * Theory of operation. bpf_check() makes three passes, and bpf_run() relies on all of them, so that it needs no check of its own:
 *   1. every instruction is of the set that seccomp filters may use, with operands in range, and its jumps end in the program;
 *   2. the last instruction returns, so that no path runs off the end (paths only lead forward);
 *   3. no word of memory is read on a path on which it was not written. Since paths lead forward, one walk suffices: for each instruction it
 *      keeps the set of words written on every path that reaches it.
 * Division by an X of zero ends a program with 0, the strictest seccomp action, as in Linux. */
#include "kernel/bpf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* --- checking --- */

static bool operand_ok(const struct sock_filter *i, size_t data_size)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return i->k < data_size && !(i->k & 3);
	case BPF_ALU | BPF_DIV | BPF_K:
		return i->k;
	case BPF_ALU | BPF_LSH | BPF_K:
	case BPF_ALU | BPF_RSH | BPF_K:
		return i->k < 32;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return i->k < BPF_MEMWORDS;
	default:
		return true;
	}
}

static bool code_ok(uint16_t code)
{
	switch (code) {
	case BPF_LD | BPF_W | BPF_ABS:
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A:
	case BPF_ALU | BPF_NEG:
	case BPF_JMP | BPF_JA:
		return true;
	}
	/* What is left takes a constant or X. */
	switch (code & ~BPF_X) {
	case BPF_ALU | BPF_ADD:
	case BPF_ALU | BPF_SUB:
	case BPF_ALU | BPF_MUL:
	case BPF_ALU | BPF_DIV:
	case BPF_ALU | BPF_AND:
	case BPF_ALU | BPF_OR:
	case BPF_ALU | BPF_XOR:
	case BPF_ALU | BPF_LSH:
	case BPF_ALU | BPF_RSH:
	case BPF_JMP | BPF_JEQ:
	case BPF_JMP | BPF_JGT:
	case BPF_JMP | BPF_JGE:
	case BPF_JMP | BPF_JSET:
		return true;
	default:
		return false;
	}
}

/* Does the instruction at pc of len lead to others of the program only? */
static bool jumps_ok(const struct sock_filter *i, size_t pc, size_t len)
{
	size_t rest = len - pc - 1;

	if (BPF_CLASS(i->code) != BPF_JMP)
		return true;
	if (BPF_OP(i->code) == BPF_JA)
		return i->k < rest;
	return i->jt < rest && i->jf < rest;
}

/* Pass 3. written[pc]: the words that every path to pc has written; all bits where no path is known yet. */
static int check_memory(const struct sock_filter *prog, size_t len)
{
	uint16_t *written = malloc(len * sizeof(*written)), valid = 0;
	int r = 0;

	if (!written)
		return -ENOMEM;
	memset(written, 0xff, len * sizeof(*written));
	for (size_t pc = 0; pc < len && !r; pc++) {
		const struct sock_filter *i = &prog[pc];

		valid &= written[pc];
		if (i->code == BPF_ST || i->code == BPF_STX) {
			valid |= (uint16_t)(1 << i->k);
		} else if (i->code == (BPF_LD | BPF_MEM) || i->code == (BPF_LDX | BPF_MEM)) {
			if (!(valid & 1 << i->k))
				r = -EINVAL;
		} else if (i->code == (BPF_JMP | BPF_JA)) {
			written[pc + 1 + i->k] &= valid;
			valid = 0xffff; /* the next instruction is reached by jumps alone */
		} else if (BPF_CLASS(i->code) == BPF_JMP) {
			written[pc + 1 + i->jt] &= valid;
			written[pc + 1 + i->jf] &= valid;
			valid = 0xffff;
		}
	}
	free(written);
	return r;
}

int bpf_check(const struct sock_filter *prog, size_t len, size_t data_size)
{
	if (!len || len > BPF_MAXINSNS)
		return -EINVAL;
	for (size_t pc = 0; pc < len; pc++)
		if (!code_ok(prog[pc].code) || !operand_ok(&prog[pc], data_size) || !jumps_ok(&prog[pc], pc, len))
			return -EINVAL;
	if (BPF_CLASS(prog[len - 1].code) != BPF_RET)
		return -EINVAL;
	return check_memory(prog, len);
}

/* --- running --- */

static uint32_t alu(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31); /* what the processor makes of a count in X */
	case BPF_RSH:
		return a >> (b & 31);
	default: /* BPF_NEG */
		return -a;
	}
}

static bool holds(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default: /* BPF_JSET */
		return a & b;
	}
}

static uint32_t load(const struct sock_filter *i, const void *data, size_t data_size, const uint32_t *mem)
{
	uint32_t word;

	switch (BPF_MODE(i->code)) {
	case BPF_ABS:
		memcpy(&word, (const char *)data + i->k, sizeof(word));
		return word;
	case BPF_LEN:
		return (uint32_t)data_size;
	case BPF_MEM:
		return mem[i->k];
	default: /* BPF_IMM */
		return i->k;
	}
}

uint32_t bpf_run(const struct sock_filter *prog, const void *data, size_t data_size)
{
	uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };

	for (const struct sock_filter *i = prog;; i++) {
		uint32_t b = BPF_SRC(i->code) == BPF_X ? x : i->k;

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			a = load(i, data, data_size, mem);
			break;
		case BPF_LDX:
			x = load(i, data, data_size, mem);
			break;
		case BPF_ST:
			mem[i->k] = a;
			break;
		case BPF_STX:
			mem[i->k] = x;
			break;
		case BPF_ALU:
			if (BPF_OP(i->code) == BPF_DIV && !b)
				return 0;
			a = alu(BPF_OP(i->code), a, b);
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				i += i->k;
			else
				i += holds(BPF_OP(i->code), a, b) ? i->jt : i->jf;
			break;
		case BPF_MISC:
			if (BPF_MISCOP(i->code) == BPF_TAX)
				x = a;
			else
				a = x;
			break;
		default: /* BPF_RET */
			return BPF_RVAL(i->code) == BPF_A ? a : i->k;
		}
	}
}
