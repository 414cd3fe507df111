/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/ptrace/ptrace_internal.h"
#include "tests/unit/platform/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(space, .init = harness_init, .fini = harness_fini, .timeout = 20);
TestSuite(life, .init = harness_init, .fini = harness_fini, .timeout = 20);

static void nap_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void expect(struct platform_ctx *ctx, enum platform_event_kind kind)
{
	struct platform_event ev;

	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, kind, "kind %d instead of %d", ev.kind, kind);
}

Test(space, the_layout_is_sane)
{
	cr_assert_geq(platform_min_addr(), PAGE_SIZE);
	cr_assert_leq(platform_max_addr(), STUB_BATCH);
	cr_assert_eq(platform_max_addr() % PAGE_SIZE, 0);
	if (platform_vdso())
		cr_assert_geq(platform_vdso(), platform_max_addr());
}

/* Everything in the stub's map lies at the top. */
static int stub_mappings_below(pid_t tgid, uint64_t limit)
{
	char path[64], line[512];
	unsigned long long start;
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", tgid);
	f = fopen(path, "r");
	cr_assert(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx", &start) == 1 && start < limit)
			n++;
	fclose(f);
	return n;
}

static int stub_descriptors(pid_t tgid)
{
	char path[64];
	struct dirent *d;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", tgid);
	dir = opendir(path);
	cr_assert(dir);
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

Test(space, a_new_stub_holds_nothing_of_the_sentry)
{
	struct platform_as *as;

	cr_assert_eq(platform_as_new(&as), 0);
	cr_assert_eq(stub_mappings_below(as->tgid, platform_max_addr()), 0);
	cr_assert_eq(stub_descriptors(as->tgid), 3, "socket, batch file, nowhere");
	platform_as_release(as);
}

static void do_batch(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_op ops[600];
	size_t failed = 99;

	(void)ctx;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = (struct platform_op){ .kind = PLATFORM_MAP, .addr = DATA + i * 2 * PAGE_SIZE, .len = PAGE_SIZE,
					       .file = &g->file, .off = PAGE_SIZE, .prot = PROT_READ };
	cr_assert_eq(platform_as_batch(g->as, ops, ARRAY_SIZE(ops), &failed), 0);
	cr_assert_eq(stub_mappings_below(g->as->tgid, platform_max_addr()), 601);
	/* Not mapped: mprotect fails in the middle of the second batch page's worth. */
	ops[400] = (struct platform_op){ .kind = PLATFORM_PROTECT, .addr = 0x40000000, .len = PAGE_SIZE };
	cr_assert_eq(platform_as_batch(g->as, ops, ARRAY_SIZE(ops), &failed), -ENOMEM);
	cr_assert_eq(failed, 400);
	/* Refused before it is tried. */
	ops[5].addr++;
	cr_assert_eq(platform_as_batch(g->as, ops, ARRAY_SIZE(ops), &failed), -EINVAL);
	cr_assert_eq(failed, 5);
	cr_assert_eq(platform_as_unmap(g->as, DATA, 1200 * PAGE_SIZE), 0);
	cr_assert_eq(stub_mappings_below(g->as->tgid, platform_max_addr()), 1);
}

Test(space, a_batch_stops_at_the_first_failure)
{
	struct guest g;

	GUEST_NEW(&g, guest_getpid);
	guest_run(&g, do_batch);
	guest_free(&g);
}

Test(space, the_stub_pages_are_out_of_reach)
{
	struct platform_as *as;

	cr_assert_eq(platform_as_new(&as), 0);
	cr_assert_neq(platform_as_unmap(as, STUB_CODE, PAGE_SIZE), 0);
	cr_assert_neq(platform_as_unmap(as, platform_max_addr() - PAGE_SIZE, 2 * PAGE_SIZE), 0);
	cr_assert_neq(platform_as_protect(as, platform_max_addr(), PAGE_SIZE, PROT_WRITE), 0);
	cr_assert_neq(platform_as_unmap(as, PAGE_SIZE, UINT64_MAX - PAGE_SIZE + 1), 0);
	cr_assert_neq(platform_as_unmap(as, 0, PAGE_SIZE), 0);
	platform_as_release(as);
}

static void do_one_call(struct guest *g, struct platform_ctx *ctx)
{
	(void)g;
	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_SYSCALL);
}

Test(space, a_reused_stub_is_empty)
{
	struct platform_stats s;
	struct guest g;
	pid_t first = 0;

	for (int i = 0; i < 10; i++) {
		GUEST_NEW(&g, guest_getpid);
		guest_run(&g, do_one_call);
		cr_assert(stub_mappings_below(g.as->tgid, platform_max_addr()) >= 1);
		if (!first)
			first = g.as->tgid;
		cr_assert_eq(g.as->tgid, first);
		guest_free(&g);
		nap_ms(5);
		cr_assert_eq(stub_mappings_below(first, platform_max_addr()), 0);
	}
	platform_get_stats(&s);
	cr_assert_eq(s.stubs_made, 1);
	cr_assert_eq(s.stubs_reused, 9);
}

/* More address spaces at once than the pool keeps. */
Test(space, many_at_once_come_and_go)
{
	enum { N = 20 };
	struct guest g[N];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++) {
			GUEST_NEW(&g[i], guest_getpid);
			guest_begin(&g[i], do_one_call);
		}
		for (int i = 0; i < N; i++) {
			guest_wait(&g[i]);
			guest_free(&g[i]);
		}
	}
}

static void do_spin_until_interrupted(struct guest *g, struct platform_ctx *ctx)
{
	(void)g;
	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_INTERRUPTED);
	cr_assert_gt(platform_cputime(ctx), 0);
}

Test(life, a_spinning_guest_can_be_interrupted)
{
	struct guest g;

	GUEST_NEW(&g, guest_spin);
	for (int i = 0; i < 20; i++) {
		g.ctx = NULL;
		guest_begin(&g, do_spin_until_interrupted);
		while (!g.ctx)
			nap_ms(1);
		nap_ms(i % 3 * 5);
		platform_interrupt(g.ctx);
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
	struct guest g;

	GUEST_NEW(&g, guest_getpid);
	guest_run(&g, do_interrupt_first);
	guest_free(&g);
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
	g->arg = g;
	while (g->arg)
		nap_ms(1);
}

Test(life, interrupts_do_not_disturb_injection)
{
	struct guest g;

	GUEST_NEW(&g, guest_getpid);
	guest_begin(&g, do_calls_and_maps);
	while (!g.ctx)
		nap_ms(1);
	while (!g.arg) {
		platform_interrupt(g.ctx);
		usleep(50);
	}
	g.arg = NULL;
	guest_wait(&g);
	guest_free(&g);
}

struct child {
	struct guest *g;
	sem_t done;
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
	nap_ms(10);
	/* One after the other: parked pairs serve again. */
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(platform_start(g->as, child_main, &c[0]), 0);
		sem_wait(&c[0].done);
		tids[i] = c[0].tid;
		nap_ms(5);
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

static void do_poke_until_fault(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	guest_regs(ctx, DATA, 0);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_FAULT);
	cr_assert_eq((uint64_t)(uintptr_t)ev.info.si_addr, DATA);
	g->arg = NULL;
}

Test(life, a_remote_unmap_reaches_a_running_guest)
{
	struct platform_stats s;
	struct guest g;

	GUEST_NEW(&g, guest_poke_loop);
	for (int i = 0; i < 10; i++) {
		guest_map_data(&g, PROT_READ);
		g.ctx = NULL;
		guest_begin(&g, do_poke_until_fault);
		while (!g.ctx)
			nap_ms(1);
		nap_ms(i);
		cr_assert_eq(platform_as_unmap(g.as, DATA, PAGE_SIZE), 0);
		guest_wait(&g);
	}
	platform_get_stats(&s);
	cr_assert_gt(s.remote_changes, 0);
	guest_free(&g);
}

static void do_queued(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	guest_regs(ctx, DATA + 8 * PAGE_SIZE, 0);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
	/* The page that failed has been unmapped, although something was mapped there before. */
	guest_regs(ctx, DATA, 0);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_FAULT);
	cr_assert_not(ev.fault_mapped);
	(void)g;
}

Test(space, a_queued_failure_leaves_nothing_stale)
{
	struct platform_file bad;
	struct guest g;

	GUEST_NEW(&g, guest_read);
	guest_map_data(&g, PROT_READ);
	/* A directory cannot be mapped. */
	platform_file_init(&bad, open("/", O_RDONLY | O_DIRECTORY));
	cr_assert_eq(platform_as_map(g.as, DATA, PAGE_SIZE, &bad, 0, PROT_READ, false), 0);
	cr_assert_eq(platform_as_map(g.as, DATA + 8 * PAGE_SIZE, PAGE_SIZE, &g.file, 0, PROT_READ, true), 0);
	guest_run(&g, do_queued);
	platform_file_fini(&bad);
	close(bad.fd);
	guest_free(&g);
}

Test(space, a_flood_of_queued_changes_is_bounded)
{
	struct guest g;

	GUEST_NEW(&g, guest_getpid);
	for (int i = 0; i < 20000; i++)
		cr_assert_eq(platform_as_unmap(g.as, DATA, PAGE_SIZE), 0);
	cr_assert_leq(g.as->queue_cap, 8192);
	cr_assert(g.as->queue_reset);
	/* The code page is gone with the rest, as if it were faulted in again. */
	cr_assert_eq(platform_as_map(g.as, CODE, PAGE_SIZE, &g.file, 0, PROT_READ | PROT_EXEC, false), 0);
	guest_run(&g, do_one_call);
	guest_free(&g);
}

Test(space, files_are_passed_once_and_taken_back)
{
	struct guest g;
	int before;

	GUEST_NEW(&g, guest_getpid);
	before = stub_descriptors(g.as->tgid);
	guest_map_data(&g, PROT_READ);
	guest_map_data(&g, PROT_READ);
	cr_assert_eq(stub_descriptors(g.as->tgid), before);
	for (int i = 0; i < 50; i++) {
		struct platform_file f;

		platform_file_init(&f, memfd_create("x", MFD_CLOEXEC));
		cr_assert_eq(platform_as_map(g.as, DATA, PAGE_SIZE, &f, 0, PROT_READ, false), 0);
		cr_assert_eq(platform_as_unmap(g.as, DATA, PAGE_SIZE), 0);
		platform_file_fini(&f);
		close(f.fd);
	}
	guest_run(&g, do_one_call);
	nap_ms(10);
	cr_assert_eq(stub_descriptors(g.as->tgid), before);
	guest_free(&g);
}

static void do_spin_until_dead(struct guest *g, struct platform_ctx *ctx)
{
	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_DEAD);
	expect(ctx, PLATFORM_DEAD);
	cr_assert_eq(platform_as_unmap(g->as, DATA, PAGE_SIZE), -EOWNERDEAD);
	cr_assert_eq(platform_regs(ctx)->rip, 0);
}

Test(life, a_stub_killed_by_the_host_is_reported)
{
	struct guest g;

	for (int i = 0; i < 5; i++) {
		GUEST_NEW(&g, guest_spin);
		guest_begin(&g, do_spin_until_dead);
		nap_ms(i * 2);
		kill(g.as->tgid, SIGKILL);
		guest_wait(&g);
		guest_free(&g);
		/* And the next one works. */
		GUEST_NEW(&g, guest_getpid);
		guest_run(&g, do_one_call);
		guest_free(&g);
	}
}

static void sleepy_child(struct platform_ctx *ctx, void *arg)
{
	struct child *c = arg;

	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_SYSCALL);
	while (!c->tid)
		nap_ms(1);
	expect(ctx, PLATFORM_DEAD);
	sem_post(&c->done);
}

/* The first thread runs, another sleeps in the sentry and so reaps nothing: the first is told all the same. */
static void do_spin_beside_sleeper(struct guest *g, struct platform_ctx *ctx)
{
	struct child *c = g->arg;

	cr_assert_eq(platform_start(g->as, sleepy_child, c), 0);
	nap_ms(20);
	guest_regs(ctx, 0, 0);
	memcpy(g->bytes, guest_spin, (size_t)(guest_spin_end - guest_spin));
	expect(ctx, PLATFORM_DEAD);
	c->tid = 1;
	sem_wait(&c->done);
}

Test(life, a_killed_leader_is_not_waited_for_in_vain)
{
	struct guest g;
	struct child c = { .g = &g };

	sem_init(&c.done, 0, 0);
	GUEST_NEW(&g, guest_getpid);
	g.arg = &c;
	guest_begin(&g, do_spin_beside_sleeper);
	nap_ms(100);
	kill(g.as->tgid, SIGKILL);
	guest_wait(&g);
	guest_free(&g);
}

Test(life, foreign_signals_are_dropped)
{
	struct guest g;

	GUEST_NEW(&g, guest_spin);
	g.ctx = NULL;
	guest_begin(&g, do_spin_until_interrupted);
	while (!g.ctx)
		nap_ms(1);
	nap_ms(5);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL) {
			kill(g.as->tgid, sig);
			nap_ms(1);
		}
	platform_interrupt(g.ctx);
	guest_wait(&g);
	guest_free(&g);
}

static bool process_runs(pid_t pid)
{
	char path[64], line[256] = "", *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return p && p[2] != 'Z' && p[2] != 'X';
}

Test(orphans, no_stub_survives_its_sentry, .timeout = 20)
{
	pid_t pid, stubs[3];
	int p[2];

	cr_assert_eq(pipe(p), 0);
	pid = fork();
	if (!pid) {
		struct guest g[3];
		const char *why;

		if (platform_init(NULL, &why))
			_exit(1);
		for (int i = 0; i < 3; i++) {
			GUEST_NEW(&g[i], guest_spin);
			guest_begin(&g[i], do_spin_until_dead);
			stubs[i] = g[i].as->tgid;
		}
		if (write(p[1], stubs, sizeof(stubs)) != sizeof(stubs))
			_exit(1);
		for (;;)
			pause();
	}
	cr_assert_eq(read(p[0], stubs, sizeof(stubs)), sizeof(stubs));
	nap_ms(20);
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 3; i++) {
		for (int n = 0; n < 200 && process_runs(stubs[i]); n++)
			nap_ms(5);
		cr_assert_not(process_runs(stubs[i]));
	}
}
