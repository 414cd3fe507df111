/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/ptrace/ptrace_internal.h"
#include "tests/unit/platform/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

TestSuite(event, .init = harness_init, .fini = harness_fini, .timeout = 120);

static void do_syscalls(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	(void)g;
	guest_regs(ctx, 11, 22);
	for (uint64_t i = 0; i < 100; i++) {
		platform_run(ctx, &ev);
		cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
		cr_assert_eq(ev.nr, 39);
		cr_assert_eq(ev.args[0], 11);
		cr_assert_eq(ev.args[1], 22);
		cr_assert_eq(platform_sp(ctx), DATA + PAGE_SIZE - 128);
		cr_assert_eq(platform_ip(ctx), CODE + 7);
		platform_set_result(ctx, 4711 + i);
		if (i % 10 == 9) {
			cr_assert_eq(platform_regs(ctx)->rax, 4711 + i);
			cr_assert_eq(platform_regs(ctx)->rbx, i);
			cr_assert_eq(platform_regs(ctx)->orig_rax, 39);
		}
	}
}

Test(event, a_system_call_is_reported_and_gets_its_result)
{
	RUN_TEST_GUEST(guest_getpid, do_syscalls);
}

static void expect_fault(struct guest *g, struct platform_ctx *ctx, uint64_t addr, int access, bool known, bool mapped)
{
	struct platform_event ev;

	(void)g;
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_FAULT, "kind %d", ev.kind);
	cr_assert_eq((uint64_t)(uintptr_t)ev.info.si_addr, addr);
	cr_assert_eq(ev.access, access, "access %d", ev.access);
	cr_assert_eq(ev.access_known, known);
	cr_assert_eq(ev.fault_mapped, mapped);
}

static void expect_call(struct platform_ctx *ctx, uint64_t nr)
{
	struct platform_event ev;

	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_SYSCALL, "kind %d", ev.kind);
	cr_assert_eq(ev.nr, nr);
}

static void do_write_fault(struct guest *g, struct platform_ctx *ctx)
{
	guest_regs(ctx, DATA + 8, 0x1234);
	expect_fault(g, ctx, DATA + 8, PROT_READ, false, false);
	guest_map_data(g, PROT_READ);
	expect_fault(g, ctx, DATA + 8, PROT_WRITE, true, true);
	cr_assert_eq(platform_as_protect(g->as, DATA, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	expect_call(ctx, 1000);
	cr_assert_eq(g->bytes[PAGE_SIZE + 8], 0x34);
	cr_assert_eq(g->bytes[PAGE_SIZE + 9], 0x12);
}

Test(event, faults_tell_address_and_access)
{
	RUN_TEST_GUEST(guest_write, do_write_fault);
}

static void do_jump_fault(struct guest *g, struct platform_ctx *ctx)
{
	guest_regs(ctx, DATA + 16, 0);
	expect_fault(g, ctx, DATA + 16, PROT_EXEC, true, false);
}

Test(event, a_jump_to_nothing_is_an_execution)
{
	RUN_TEST_GUEST(guest_jump, do_jump_fault);
}

static void do_bus(struct guest *g, struct platform_ctx *ctx)
{
	cr_assert_eq(platform_as_map(g->as, DATA, PAGE_SIZE, &g->file, 64 * PAGE_SIZE, PROT_READ, false), 0);
	guest_regs(ctx, DATA, 0);
	expect_fault(g, ctx, DATA, PROT_READ, false, true);
}

Test(event, a_page_beyond_its_file_is_a_bus_error)
{
	RUN_TEST_GUEST(guest_read, do_bus);
}

static void do_bad_arch(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	(void)g;
	guest_regs(ctx, 0, 0);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_BAD_ARCH, "kind %d", ev.kind);
}

/* A host without 32-bit emulation makes it a general protection fault. */
static void do_int80(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	(void)g;
	guest_regs(ctx, 0, 0);
	platform_run(ctx, &ev);
	if (ev.kind == PLATFORM_TRAP)
		cr_assert_eq(ev.info.si_signo, SIGSEGV);
	else
		cr_assert_eq(ev.kind, PLATFORM_BAD_ARCH, "kind %d", ev.kind);
}

Test(event, int80_is_foreign)
{
	RUN_TEST_GUEST(guest_int80, do_int80);
}

Test(event, x32_is_foreign)
{
	RUN_TEST_GUEST(guest_x32, do_bad_arch);
}

static void do_vsyscall(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	guest_map_data(g, PROT_READ | PROT_WRITE);
	guest_regs(ctx, 0, 0);
	platform_run(ctx, &ev);
	if (ev.kind == PLATFORM_FAULT) {
		cr_assert_eq(ev.access, PROT_EXEC);
		cr_skip("the host has no vsyscall page");
	}
	cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
	cr_assert_eq(ev.nr, 201);
	cr_assert_eq(platform_regs(ctx)->rip, CODE + 11, "returned to the caller");
	platform_set_result(ctx, 77);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
	cr_assert_eq(ev.nr, 1000);
	cr_assert_eq(ev.args[0], 77);
}

Test(event, the_vsyscall_page_is_a_call)
{
	RUN_TEST_GUEST(guest_vsyscall, do_vsyscall);
}

static void expect_trap(struct platform_ctx *ctx, int sig, unsigned skip)
{
	struct platform_event ev;

	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_TRAP, "kind %d", ev.kind);
	cr_assert_eq(ev.info.si_signo, sig, "signal %d", ev.info.si_signo);
	platform_regs(ctx)->rip += skip;
	platform_regs_changed(ctx);
}

static void do_traps(struct guest *g, struct platform_ctx *ctx)
{
	(void)g;
	guest_regs(ctx, 0, 0);
	expect_trap(ctx, SIGTRAP, 0);
	expect_trap(ctx, SIGILL, 2);
	expect_trap(ctx, SIGFPE, 2);
	expect_trap(ctx, SIGSEGV, 0);
	guest_regs(ctx, 0, 0);
	platform_regs(ctx)->rip = UINT64_C(0x8000000000000000);
	expect_trap(ctx, SIGSEGV, 0);
}

Test(event, exceptions_are_traps)
{
	RUN_TEST_GUEST(guest_traps, do_traps);
}

/* A guest that jumps into the stub page makes calls like any other, whatever its registers say. */
static void do_stub_jump(struct guest *g, struct platform_ctx *ctx)
{
	struct user_regs_struct *r;
	struct platform_event ev;

	(void)g;
	guest_regs(ctx, stub_address(stub_one), 0);
	r = platform_regs(ctx);
	r->rax = 11; /* munmap */
	r->rsi = CODE;
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
	cr_assert_eq(ev.nr, 11);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_TRAP);
	cr_assert_eq(ev.info.si_signo, SIGTRAP);
}

Test(event, a_jump_into_the_stub_page_is_harmless)
{
	RUN_TEST_GUEST(guest_jump, do_stub_jump);
}

static void do_stub_write(struct guest *g, struct platform_ctx *ctx)
{
	guest_regs(ctx, STUB_BATCH, 1);
	expect_fault(g, ctx, STUB_BATCH, PROT_WRITE, true, true);
	guest_regs(ctx, STUB_CODE, 1);
	expect_fault(g, ctx, STUB_CODE, PROT_WRITE, true, true);
}

Test(event, the_stub_pages_are_read_only)
{
	RUN_TEST_GUEST(guest_write, do_stub_write);
}

static void do_bad_regs(struct guest *g, struct platform_ctx *ctx)
{
	struct user_regs_struct *r;

	(void)g;
	guest_regs(ctx, 1, 2);
	r = platform_regs(ctx);
	r->cs = r->ss = r->ds = r->fs = 0xffff;
	r->eflags = UINT64_MAX & ~UINT64_C(0x100);
	r->fs_base = r->gs_base = UINT64_MAX;
	expect_call(ctx, 39);
}

Test(event, forged_registers_are_made_harmless)
{
	RUN_TEST_GUEST(guest_getpid, do_bad_regs);
}

static void do_xstate(struct guest *g, struct platform_ctx *ctx)
{
	size_t size = platform_xstate_size();
	unsigned char *x = aligned_alloc(64, (size + 63) & ~(size_t)63);
	struct platform_event ev;
	const uint64_t bv = 3, value = 0x1122334455667788;

	(void)g;
	cr_assert_geq(size, 512);
	guest_regs(ctx, 0, 0);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.args[0], 0, "a new context has clean vector registers");
	cr_assert_eq(platform_xstate_get(ctx, x, size), 0);
	memcpy(x + 160 + 7 * 16, &value, sizeof(value));
	memcpy(x + 512, &bv, sizeof(bv));
	cr_assert_eq(platform_xstate_set(ctx, x, size), 0);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.args[0], value);
	memset(x + 512, 0xff, 64);
	cr_assert_eq(platform_xstate_set(ctx, x, size), -EINVAL, "a forged header is refused");
	platform_xstate_reset(ctx);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.args[0], 0);
	free(x);
}

Test(event, extended_state_round_trip)
{
	RUN_TEST_GUEST(guest_xmm, do_xstate);
	/* The same pair again: nothing of the former guest is left. */
	RUN_TEST_GUEST(guest_xmm, do_xstate);
}
