/* SPDX-License-Identifier: Apache-2.0 */
/* Many address spaces at once, made and used by many threads; spaces made by the functions of others, as fork does. */
#include "platform/ptrace/ptrace_internal.h"
#include "tests/unit/platform/harness.h"

#include <string.h>

TestSuite(parallel, .init = harness_init, .fini = harness_fini, .timeout = 120);

enum { MAKERS = 8, ROUNDS = 25, CALLS = 40, THREADS = 3 };

/* A guest counts its calls in rbx; each context has its own registers, and changes a page of its own. */
static void count_calls(struct guest *g, struct platform_ctx *ctx, uint64_t mark)
{
	uint64_t page = DATA + (uint64_t)g->round++ * PAGE_SIZE;
	struct platform_event ev;

	guest_regs(ctx, mark, 0);
	for (uint64_t i = 0; i < CALLS; i++) {
		platform_run(ctx, &ev);
		cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
		cr_assert_eq(ev.args[0], mark, "another guest's register");
		platform_set_result(ctx, i);
		if (i % 8 == 7) {
			cr_assert_eq(platform_as_map(g->as, page, PAGE_SIZE, &g->file, 0, PROT_READ, false), 0);
			cr_assert_eq(platform_as_protect(g->as, page, PAGE_SIZE, PROT_NONE), 0);
			cr_assert_eq(platform_as_unmap(g->as, page, PAGE_SIZE), 0);
		}
	}
	cr_assert_eq(platform_regs(ctx)->rbx, CALLS - 1);
}

static void thread_main(struct platform_ctx *ctx, void *arg)
{
	struct guest *g = arg;

	count_calls(g, ctx, (uint64_t)(uintptr_t)&g);
	g->changed++;
}

static void do_space(struct guest *g, struct platform_ctx *ctx)
{
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(platform_start(g->as, thread_main, g), 0);
	count_calls(g, ctx, (uint64_t)(uintptr_t)g);
	while (g->changed < THREADS)
		pause_a_little();
}

static void *maker_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct guest g;

		GUEST_NEW(&g, guest_getpid);
		guest_run(&g, do_space);
		guest_free(&g);
	}
	return NULL;
}

Test(parallel, spaces_do_not_disturb_each_other)
{
	struct platform_stats s;
	pthread_t t[MAKERS];

	for (int i = 0; i < MAKERS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, maker_main, NULL), 0);
	for (int i = 0; i < MAKERS; i++)
		pthread_join(t[i], NULL);
	platform_get_stats(&s);
	cr_assert_eq(s.syscalls, MAKERS * ROUNDS * CALLS * (1 + THREADS));
	cr_assert_eq(s.stubs_made + s.stubs_reused, MAKERS * ROUNDS);
}

/* --- a space made from within another --- */

enum { GENERATIONS = 12 };

struct line {
	struct platform_file *file;
	volatile uint64_t *word; /* the sentry's view of the shared page */
	int generation;
	sem_t done;
};

static void ancestor_main(struct platform_ctx *ctx, void *arg);

/* As fork does: a new space with the same pages, the registers copied, both go on. */
static void have_child(struct platform_ctx *ctx, struct line *l)
{
	struct platform_as *as;
	struct line child = { l->file, l->word, l->generation + 1, { { 0 } } };

	sem_init(&child.done, 0, 0);
	cr_assert_eq(platform_as_new(&as), 0);
	cr_assert_neq(as, platform_ctx_as(ctx));
	cr_assert_eq(platform_as_map(as, CODE, PAGE_SIZE, l->file, 0, PROT_READ | PROT_EXEC, false), 0);
	cr_assert_eq(platform_as_map(as, DATA, PAGE_SIZE, l->file, PAGE_SIZE, PROT_READ | PROT_WRITE, false), 0);
	cr_assert_eq(platform_start(as, ancestor_main, &child), 0);
	while (sem_wait(&child.done))
		;
	platform_as_release(as);
}

static void ancestor_main(struct platform_ctx *ctx, void *arg)
{
	struct line *l = arg;
	uint64_t mine = 100 + (uint64_t)l->generation;
	struct platform_event ev;

	guest_regs(ctx, DATA + 8 * (uint64_t)l->generation, mine);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_SYSCALL, "kind %d", ev.kind);
	cr_assert_eq(l->word[l->generation], mine);
	if (l->generation < GENERATIONS)
		have_child(ctx, l);
	/* Its own registers and mappings are as they were. */
	cr_assert_eq(platform_regs(ctx)->rsi, mine);
	guest_regs(ctx, DATA + 8 * (uint64_t)l->generation, mine + 1);
	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, PLATFORM_SYSCALL);
	cr_assert_eq(l->word[l->generation], mine + 1);
	sem_post(&l->done);
}

static void do_line(struct guest *g, struct platform_ctx *ctx)
{
	struct line l = { &g->file, (volatile uint64_t *)(void *)(g->bytes + PAGE_SIZE), 0, { { 0 } } };

	guest_map_data(g, PROT_READ | PROT_WRITE);
	ancestor_main(ctx, &l);
	for (int i = 0; i <= GENERATIONS; i++)
		cr_assert_eq(l.word[i], 101 + (uint64_t)i);
}

Test(parallel, a_guest_has_children_and_goes_on)
{
	struct guest g;

	for (int i = 0; i < 3; i++) {
		GUEST_NEW(&g, guest_write);
		guest_run(&g, do_line);
		guest_free(&g);
	}
}
