/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and extended state keep what was put in, whatever is injected in between. */
#include "platform/ptrace/ptrace_internal.h"
#include "tests/unit/platform/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

TestSuite(registers, .init = harness_init, .fini = harness_fini, .timeout = 120);

static void run(const char *blob, const char *end, void (*fn)(struct guest *g, struct platform_ctx *ctx))
{
	struct guest g;

	guest_new(&g, blob, end);
	guest_run(&g, fn);
	guest_free(&g);
}
#define RUN(name, fn) run(name, name##_end, fn)

/* Every general register has a value of its own. */
static void fill(struct user_regs_struct *r, uint64_t mark)
{
	uint64_t *const all[] = { (uint64_t *)&r->r15, (uint64_t *)&r->r14, (uint64_t *)&r->r13, (uint64_t *)&r->r12,
				  (uint64_t *)&r->rbp, (uint64_t *)&r->rbx, (uint64_t *)&r->r10, (uint64_t *)&r->r9,
				  (uint64_t *)&r->r8,  (uint64_t *)&r->rdx, (uint64_t *)&r->rsi, (uint64_t *)&r->rdi,
				  (uint64_t *)&r->rsp };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		*all[i] = mark * UINT64_C(0x9e3779b97f4a7c15) + i;
	/* Some processors fault on the way to user mode when the stack pointer is not canonical. */
	r->rsp &= UINT64_C(0x7fffffffffff);
	r->rip = CODE;
	r->rax = 500 + mark;
	r->fs_base = UINT64_C(0x7000000000) + mark;
	r->gs_base = UINT64_C(0x7100000000) + mark;
}

static void compare(const struct user_regs_struct *is, const struct user_regs_struct *was)
{
	cr_assert(is->r15 == was->r15 && is->r14 == was->r14 && is->r13 == was->r13 && is->r12 == was->r12);
	cr_assert(is->rbp == was->rbp && is->rbx == was->rbx && is->rsp == was->rsp);
	cr_assert(is->r10 == was->r10 && is->r9 == was->r9 && is->r8 == was->r8);
	cr_assert(is->rdx == was->rdx && is->rsi == was->rsi && is->rdi == was->rdi);
	cr_assert(is->fs_base == was->fs_base && is->gs_base == was->gs_base);
	cr_assert_eq(is->rip, CODE + 2, "after the instruction");
}

static void do_general(struct guest *g, struct platform_ctx *ctx)
{
	struct user_regs_struct want;
	struct platform_event ev;

	for (uint64_t mark = 1; mark <= 50; mark++) {
		guest_regs(ctx, 0, 0);
		fill(platform_regs(ctx), mark);
		want = *platform_regs(ctx);
		platform_regs_changed(ctx);
		/* Injected before the guest runs, and after its call. */
		guest_map_data(g, PROT_READ);
		platform_run(ctx, &ev);
		cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
		cr_assert_eq(ev.nr, 500 + mark);
		cr_assert(ev.args[0] == want.rdi && ev.args[1] == want.rsi && ev.args[2] == want.rdx);
		cr_assert(ev.args[3] == want.r10 && ev.args[4] == want.r8 && ev.args[5] == want.r9);
		cr_assert_eq(platform_sp(ctx), want.rsp);
		cr_assert_eq(platform_ip(ctx), CODE + 2);
		platform_set_result(ctx, mark);
		cr_assert_eq(platform_as_unmap(g->as, DATA, PAGE_SIZE), 0);
		cr_assert_eq(platform_regs(ctx)->rax, mark);
		compare(platform_regs(ctx), &want);
		/* The loop goes on: the result is the next number. */
		platform_run(ctx, &ev);
		cr_assert_eq(ev.nr, mark);
		compare(platform_regs(ctx), &want);
	}
}

Test(registers, general_ones_survive_injection)
{
	RUN(guest_registers, do_general);
}

/* A result that the host would take for its own restart code is a value like any other. */
static void do_restart_codes(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	(void)g;
	guest_regs(ctx, 0, 0);
	platform_regs(ctx)->rax = 39;
	platform_regs_changed(ctx);
	platform_run(ctx, &ev);
	for (int64_t code = -511; code >= -517; code--) {
		platform_set_result(ctx, (uint64_t)code);
		platform_interrupt(ctx); /* a pending signal is what would restart it */
		expect(ctx, PLATFORM_INTERRUPTED);
		platform_run(ctx, &ev);
		cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
		cr_assert_eq(ev.nr, (uint64_t)code);
		cr_assert_eq(platform_ip(ctx), CODE + 2);
	}
}

Test(registers, restart_codes_are_plain_results)
{
	RUN(guest_registers, do_restart_codes);
}

/* --- extended state --- */

static unsigned char *xstate_alloc(void)
{
	unsigned char *x = aligned_alloc(64, (platform_xstate_size() + 63) & ~(size_t)63);

	cr_assert(x);
	memset(x, 0, platform_xstate_size());
	return x;
}

static void do_xstate_rounds(struct guest *g, struct platform_ctx *ctx)
{
	size_t size = platform_xstate_size();
	unsigned char *x = xstate_alloc(), *y = xstate_alloc();
	struct platform_event ev;

	guest_regs(ctx, 0, 0);
	platform_run(ctx, &ev);
	for (unsigned round = 1; round <= 20; round++) {
		cr_assert_eq(platform_xstate_get(ctx, x, size), 0);
		for (size_t i = 0; i < 256; i++)
			x[160 + i] = (unsigned char)(i * round); /* xmm0 to xmm15 */
		x[512] |= 3;
		cr_assert_eq(platform_xstate_set(ctx, x, size), 0);
		guest_map_data(g, PROT_READ);
		platform_run(ctx, &ev);
		cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
		cr_assert_eq(memcmp(&ev.args[0], x + 160 + 7 * 16, 8), 0, "the guest sees what was set");
		cr_assert_eq(platform_as_unmap(g->as, DATA, PAGE_SIZE), 0);
		cr_assert_eq(platform_xstate_get(ctx, y, size), 0);
		cr_assert_eq(memcmp(x + 160, y + 160, 256), 0);
	}
	cr_assert_eq(platform_xstate_get(ctx, x, size - 1), -EINVAL);
	cr_assert_eq(platform_xstate_set(ctx, x, size - 1), -EINVAL);
	free(x);
	free(y);
}

Test(registers, extended_state_survives_injection)
{
	RUN(guest_xmm, do_xstate_rounds);
}

/* mxcsr with reserved bits set would fault in the host. */
static void do_bad_mxcsr(struct guest *g, struct platform_ctx *ctx)
{
	unsigned char *x = xstate_alloc();
	struct platform_event ev;

	(void)g;
	guest_regs(ctx, 0, 0);
	platform_run(ctx, &ev);
	cr_assert_eq(platform_xstate_get(ctx, x, platform_xstate_size()), 0);
	memset(x + 24, 0xff, 4);
	x[512] |= 3;
	cr_assert_eq(platform_xstate_set(ctx, x, platform_xstate_size()), -EINVAL);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_SYSCALL, "and the guest goes on");
	free(x);
}

Test(registers, a_forged_control_word_is_refused)
{
	RUN(guest_xmm, do_bad_mxcsr);
}
