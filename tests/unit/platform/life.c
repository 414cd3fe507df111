/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts over their lives: interrupts, threads, remote changes, death. */
#include "platform/ptrace/ptrace_internal.h"
#include "tests/unit/platform/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(life, .init = harness_init, .fini = harness_fini, .timeout = 120);

static void await_ctx(struct guest *g)
{
	while (!g->ctx)
		pause_a_little();
}

static void do_one_call(struct guest *g, struct platform_ctx *ctx)
{
	(void)g;
	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_SYSCALL);
}

static void do_beat_until_interrupted(struct guest *g, struct platform_ctx *ctx)
{
	guest_map_beats(g);
	guest_regs(ctx, BEATS, 0);
	expect(ctx, PLATFORM_INTERRUPTED);
	cr_assert_gt(platform_cputime(ctx), 0);
}

/* Nobody may interrupt a context whose function has returned. */
static void do_beat_until_told(struct guest *g, struct platform_ctx *ctx)
{
	do_beat_until_interrupted(g, ctx);
	while (!g->flag)
		pause_a_little();
}

Test(life, a_running_guest_can_be_interrupted)
{
	struct guest g;

	GUEST_NEW(&g, guest_beat);
	for (int i = 0; i < 20; i++) {
		g.flag = 0;
		guest_begin(&g, do_beat_until_told);
		guest_await_beat(&g);
		platform_interrupt(g.ctx);
		platform_interrupt(g.ctx);
		g.flag = 1;
		guest_wait(&g);
	}
	guest_free(&g);
}

/* Whenever it comes: before the guest's first instruction, or while the mapping is injected. */
static void do_interrupt_any_time(struct guest *g, struct platform_ctx *ctx)
{
	guest_map_beats(g);
	guest_regs(ctx, BEATS, 0);
	expect(ctx, PLATFORM_INTERRUPTED);
}

Test(life, an_interrupt_is_never_lost)
{
	struct guest g;

	GUEST_NEW(&g, guest_beat);
	for (int i = 0; i < 300; i++) {
		g.ctx = NULL;
		guest_begin(&g, do_interrupt_any_time);
		await_ctx(&g);
		platform_interrupt(g.ctx);
		guest_wait(&g);
	}
	guest_free(&g);
}

static void do_interrupt_first(struct guest *g, struct platform_ctx *ctx)
{
	(void)g;
	guest_regs(ctx, 0, 0);
	platform_interrupt(ctx);
	expect(ctx, PLATFORM_INTERRUPTED);
	expect(ctx, PLATFORM_SYSCALL);
	expect(ctx, PLATFORM_SYSCALL);
}

Test(life, a_pending_interrupt_returns_at_once_and_once)
{
	RUN_TEST_GUEST(guest_getpid, do_interrupt_first);
}

/* Interrupts rain on a context that injects and runs: no call is lost or made twice. */
static void do_calls_and_maps(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;
	uint64_t calls = 0;

	guest_regs(ctx, 0, 0);
	while (calls < 3000) {
		platform_run(ctx, &ev);
		if (ev.kind == PLATFORM_INTERRUPTED)
			continue;
		cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
		calls++;
		if (calls % 3 == 0) {
			guest_map_data(g, PROT_READ);
			cr_assert_eq(platform_as_unmap(g->as, DATA, PAGE_SIZE), 0);
		}
		platform_set_result(ctx, calls);
	}
	cr_assert_eq(platform_regs(ctx)->rbx, calls - 1);
	g->flag = 1;
	while (g->flag)
		pause_a_little();
}

Test(life, interrupts_do_not_disturb_injection)
{
	struct guest g;

	GUEST_NEW(&g, guest_getpid);
	guest_begin(&g, do_calls_and_maps);
	await_ctx(&g);
	while (!g.flag) {
		platform_interrupt(g.ctx);
		pause_a_little();
	}
	g.flag = 0;
	guest_wait(&g);
	guest_free(&g);
}

/* The guest runs; every interrupt is answered, although a remote change is made by the same stub thread at that moment, and
 * nothing else ever stops it. */
enum { CHANGE_ROUNDS = 300 };

static void do_count_interrupts(struct guest *g, struct platform_ctx *ctx)
{
	guest_map_beats(g);
	guest_regs(ctx, BEATS, 0);
	while (g->flag < CHANGE_ROUNDS) {
		expect(ctx, PLATFORM_INTERRUPTED);
		g->flag++;
	}
}

static void *change_once_a_round(void *arg)
{
	struct guest *g = arg;

	for (int i = 1; i <= CHANGE_ROUNDS; i++) {
		while (sem_wait(&g->round_begins))
			;
		guest_map_data(g, PROT_READ);
		g->changed = i;
	}
	return NULL;
}

Test(life, an_interrupt_amid_a_remote_change_is_never_lost)
{
	pthread_t changer;
	struct guest g;

	GUEST_NEW(&g, guest_beat);
	guest_begin(&g, do_count_interrupts);
	guest_await_beat(&g);
	cr_assert_eq(pthread_create(&changer, NULL, change_once_a_round, &g), 0);
	for (int i = 1; i <= CHANGE_ROUNDS; i++) {
		guest_await_beat(&g);
		sem_post(&g.round_begins);
		for (volatile int n = 0; n < i % 64 * 200; n++)
			;
		platform_interrupt(g.ctx);
		while (g.flag < i || g.changed < i)
			pause_a_little();
	}
	cr_assert_eq(pthread_join(changer, NULL), 0);
	guest_wait(&g);
	guest_free(&g);
}

/* --- threads --- */

struct child {
	struct guest *g;
	sem_t done;
	_Atomic int go;
	pid_t tid;
};

static void child_main(struct platform_ctx *ctx, void *arg)
{
	struct child *c = arg;

	c->tid = ctx->tid;
	guest_regs(ctx, 0, 0);
	for (int i = 0; i < 10; i++)
		expect(ctx, PLATFORM_SYSCALL);
	sem_post(&c->done);
}

/* Only the caller's function runs. */
static void await_alone(struct platform_as *as)
{
	for (;;) {
		int running;

		mutex_lock(&as->lock);
		running = as->running;
		mutex_unlock(&as->lock);
		if (running == 1)
			return;
		pause_a_little();
	}
}

static void do_threads(struct guest *g, struct platform_ctx *ctx)
{
	enum { N = 8 };
	struct child c[N];
	pid_t tids[4];

	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_SYSCALL);
	for (int i = 0; i < N; i++) {
		c[i].g = g;
		sem_init(&c[i].done, 0, 0);
		cr_assert_eq(platform_start(g->as, child_main, &c[i]), 0);
	}
	for (int i = 0; i < N; i++)
		sem_wait(&c[i].done);
	expect(ctx, PLATFORM_SYSCALL);
	await_alone(g->as);
	/* One after the other: parked pairs serve again. */
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(platform_start(g->as, child_main, &c[0]), 0);
		sem_wait(&c[0].done);
		tids[i] = c[0].tid;
		await_alone(g->as);
	}
	cr_assert_eq(tids[1], tids[0]);
	cr_assert_eq(tids[3], tids[0]);
	expect(ctx, PLATFORM_SYSCALL);
}

Test(life, threads_start_and_their_pairs_are_parked)
{
	struct guest g;

	GUEST_NEW(&g, guest_getpid);
	guest_run(&g, do_threads);
	guest_free(&g);
	/* And once more with whatever the pool kept. */
	GUEST_NEW(&g, guest_getpid);
	guest_run(&g, do_threads);
	guest_free(&g);
}

static void nothing(struct platform_ctx *ctx, void *arg)
{
	(void)ctx, (void)arg;
}

Test(life, a_stranger_cannot_add_a_thread_to_a_busy_space)
{
	struct guest g;

	GUEST_NEW(&g, guest_beat);
	guest_begin(&g, do_beat_until_interrupted);
	guest_await_beat(&g);
	cr_assert_eq(platform_start(g.as, nothing, NULL), -EAGAIN);
	platform_interrupt(g.ctx);
	guest_wait(&g);
	guest_free(&g);
}

/* --- remote changes --- */

static void do_poke_until_fault(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	(void)g;
	guest_regs(ctx, DATA, 0);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_FAULT);
	cr_assert_eq((uint64_t)(uintptr_t)ev.info.si_addr, DATA);
}

Test(life, a_remote_unmap_reaches_a_running_guest)
{
	struct platform_stats s;
	struct guest g;

	GUEST_NEW(&g, guest_beat);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(platform_as_map(g.as, DATA, PAGE_SIZE, &g.file, 15 * PAGE_SIZE, PROT_READ | PROT_WRITE,
					     false), 0);
		guest_begin(&g, do_poke_until_fault);
		guest_await_beat(&g);
		cr_assert_eq(platform_as_unmap(g.as, DATA, PAGE_SIZE), 0);
		guest_wait(&g);
	}
	platform_get_stats(&s);
	cr_assert_eq(s.remote_changes, 20);
	guest_free(&g);
}

/* On return from unmap no store can reach the page any more: what is written there stays. */
Test(life, after_a_remote_unmap_nothing_is_written)
{
	struct guest g;
	volatile uint64_t *word;

	GUEST_NEW(&g, guest_beat);
	word = (volatile uint64_t *)(void *)(g.bytes + 15 * PAGE_SIZE);
	for (int i = 0; i < 50; i++) {
		cr_assert_eq(platform_as_map(g.as, DATA, PAGE_SIZE, &g.file, 15 * PAGE_SIZE, PROT_READ | PROT_WRITE,
					     false), 0);
		guest_begin(&g, do_poke_until_fault);
		guest_await_beat(&g);
		cr_assert_eq(platform_as_unmap(g.as, DATA, PAGE_SIZE), 0);
		*word = 4711;
		guest_wait(&g);
		cr_assert_eq(*word, 4711);
	}
	guest_free(&g);
}

/* --- death --- */

static void do_beat_until_dead(struct guest *g, struct platform_ctx *ctx)
{
	guest_map_beats(g);
	guest_regs(ctx, BEATS, 0);
	expect(ctx, PLATFORM_DEAD);
	expect(ctx, PLATFORM_DEAD);
	cr_assert_eq(platform_as_unmap(g->as, DATA, PAGE_SIZE), -EOWNERDEAD);
	cr_assert_eq(platform_as_clear(g->as), -EOWNERDEAD);
	cr_assert_eq(platform_regs(ctx)->rip, 0, "a dead stub has zeroes for registers");
}

Test(life, a_stub_killed_by_the_host_is_reported)
{
	struct guest g;

	for (int i = 0; i < 5; i++) {
		GUEST_NEW(&g, guest_beat);
		guest_begin(&g, do_beat_until_dead);
		guest_await_beat(&g);
		kill(g.as->tgid, SIGKILL);
		guest_wait(&g);
		guest_free(&g);
		/* And the next one works. */
		GUEST_NEW(&g, guest_getpid);
		guest_run(&g, do_one_call);
		guest_free(&g);
	}
}

/* Killed between two calls of the guest, in an injection, before the first instruction: always the same answer. */
static void do_calls_until_dead(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;
	int r;

	guest_regs(ctx, 0, 0);
	g->flag = 1;
	do {
		platform_run(ctx, &ev);
		r = platform_as_protect(g->as, CODE, PAGE_SIZE, PROT_READ | PROT_EXEC);
		cr_assert(r == 0 || r == -EOWNERDEAD, "%d", r);
		platform_set_result(ctx, 1);
	} while (ev.kind == PLATFORM_SYSCALL);
	cr_assert_eq(ev.kind, PLATFORM_DEAD);
	cr_assert_eq(platform_start(g->as, nothing, NULL), -EOWNERDEAD);
}

Test(life, a_stub_may_be_killed_at_any_time)
{
	struct guest g;

	for (int i = 0; i < 60; i++) {
		GUEST_NEW(&g, guest_getpid);
		g.flag = 0;
		guest_begin(&g, do_calls_until_dead);
		while (!g.flag)
			;
		for (volatile int n = 0; n < i * 997; n++)
			;
		kill(g.as->tgid, SIGKILL);
		guest_wait(&g);
		guest_free(&g);
	}
}

Test(life, a_ready_stub_that_was_killed_fails_in_order)
{
	struct guest g;
	pid_t tgid;

	GUEST_NEW(&g, guest_getpid);
	tgid = g.as->tgid;
	guest_run(&g, do_one_call);
	guest_free(&g);
	while (!pool_ready())
		pause_a_little();
	kill(tgid, SIGKILL);
	/* Whoever gets it is told, at the latest by the first run. */
	cr_assert_eq(platform_as_new(&g.as), 0);
	platform_as_release(g.as);
	GUEST_NEW(&g, guest_getpid);
	guest_run(&g, g.as->tgid == tgid ? do_calls_until_dead : do_one_call);
	guest_free(&g);
}

static void sleepy_child(struct platform_ctx *ctx, void *arg)
{
	struct child *c = arg;

	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_SYSCALL);
	c->go = 1;
	while (c->go != 2)
		pause_a_little();
	expect(ctx, PLATFORM_DEAD);
	sem_post(&c->done);
}

/* The first thread runs, another sleeps in the sentry and so reaps nothing: the first is told all the same. */
static void do_beat_beside_sleeper(struct guest *g, struct platform_ctx *ctx)
{
	struct child *c = g->arg;

	cr_assert_eq(platform_start(g->as, sleepy_child, c), 0);
	while (!c->go)
		pause_a_little();
	memcpy(g->bytes, guest_beat, (size_t)(guest_beat_end - guest_beat));
	guest_map_beats(g);
	guest_regs(ctx, BEATS, 0);
	expect(ctx, PLATFORM_DEAD);
	c->go = 2;
	while (sem_wait(&c->done))
		;
}

Test(life, a_killed_leader_is_not_waited_for_in_vain)
{
	struct guest g;
	struct child c = { .g = &g };

	sem_init(&c.done, 0, 0);
	GUEST_NEW(&g, guest_getpid);
	g.arg = &c;
	guest_begin(&g, do_beat_beside_sleeper);
	guest_await_beat(&g);
	kill(g.as->tgid, SIGKILL);
	guest_wait(&g);
	guest_free(&g);
}

Test(life, foreign_signals_are_dropped)
{
	struct guest g;

	GUEST_NEW(&g, guest_beat);
	guest_begin(&g, do_beat_until_interrupted);
	guest_await_beat(&g);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (sig != SIGKILL && (sig < 32 || sig >= SIGRTMIN)) {
			cr_assert_eq(kill(g.as->tgid, sig), 0);
			guest_await_beat(&g);
		}
	platform_interrupt(g.ctx);
	guest_wait(&g);
	guest_free(&g);
}

/* Stub code that cannot go on, whatever the guest did to bring that about, ends the stub and not the sentry's patience. */
static void do_break_the_batch(struct guest *g, struct platform_ctx *ctx)
{
	const struct stub_call c = { .nr = SYS_mprotect, .args = { STUB_BATCH, BATCH_BYTES, PROT_NONE } };
	const struct platform_op ops[2] = {
		{ .kind = PLATFORM_MAP, .addr = DATA, .len = PAGE_SIZE, .file = &g->file, .off = PAGE_SIZE, .prot = PROT_READ },
		{ .kind = PLATFORM_UNMAP, .addr = DATA, .len = PAGE_SIZE },
	};
	int64_t r = -1;

	guest_regs(ctx, 0, 0);
	cr_assert(inject_one(ctx, &c, &r) == 0 && r == 0);
	cr_assert_eq(platform_as_batch(g->as, ops, ARRAY_SIZE(ops), NULL), -EOWNERDEAD);
	expect(ctx, PLATFORM_DEAD);
}

Test(life, an_injection_that_faults_ends_the_stub)
{
	RUN_TEST_GUEST(guest_getpid, do_break_the_batch);
}
