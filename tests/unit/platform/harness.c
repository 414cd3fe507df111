/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/platform/harness.h"

#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILE_PAGES = 16, BEATS_PAGE = 15 };

void harness_init(void)
{
	const char *why = "";
	int r = platform_init(NULL, &why);

	cr_assert_eq(r, 0, "%s: %s", why, strerror(-r));
}

void harness_fini(void)
{
	platform_shutdown();
}

void guest_new(struct guest *g, const char *blob, const char *end)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	memset(g, 0, sizeof(*g));
	sem_init(&g->done, 0, 0);
	sem_init(&g->round_begins, 0, 0);
	cr_assert(fd >= 0 && !ftruncate(fd, FILE_PAGES * PAGE_SIZE));
	g->bytes = mmap(NULL, FILE_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert(g->bytes != MAP_FAILED);
	memcpy(g->bytes, blob, (size_t)(end - blob));
	platform_file_init(&g->file, fd);
	cr_assert_eq(platform_as_new(&g->as), 0);
	guest_map_code(g);
}

void guest_free(struct guest *g)
{
	platform_as_release(g->as);
	platform_file_fini(&g->file);
	munmap(g->bytes, FILE_PAGES * PAGE_SIZE);
	close(g->file.fd);
}

static void guest_main(struct platform_ctx *ctx, void *arg)
{
	struct guest *g = arg;

	cr_assert_eq(platform_ctx_self(), ctx);
	cr_assert_eq(platform_ctx_as(ctx), g->as);
	g->ctx = ctx;
	g->fn(g, ctx);
	sem_post(&g->done);
}

void guest_begin(struct guest *g, void (*fn)(struct guest *g, struct platform_ctx *ctx))
{
	int r;

	g->fn = fn;
	r = platform_start(g->as, guest_main, g);
	cr_assert_eq(r, 0, "platform_start: %s", strerror(-r));
}

void guest_wait(struct guest *g)
{
	while (sem_wait(&g->done) && errno == EINTR)
		;
	as_settle(g->as);
}

void guest_run(struct guest *g, void (*fn)(struct guest *g, struct platform_ctx *ctx))
{
	guest_begin(g, fn);
	guest_wait(g);
}

void guest_regs(struct platform_ctx *ctx, uint64_t rdi, uint64_t rsi)
{
	struct user_regs_struct *r = platform_regs(ctx);

	memset(r, 0, sizeof(*r));
	r->rip = CODE;
	r->rsp = DATA + PAGE_SIZE - 128;
	r->rdi = rdi;
	r->rsi = rsi;
	platform_regs_changed(ctx);
}

void guest_map_code(struct guest *g)
{
	cr_assert_eq(platform_as_map(g->as, CODE, PAGE_SIZE, &g->file, 0, PROT_READ | PROT_EXEC, false), 0);
}

void guest_map_data(struct guest *g, int prot)
{
	cr_assert_eq(platform_as_map(g->as, DATA, PAGE_SIZE, &g->file, PAGE_SIZE, prot, false), 0);
}

void expect(struct platform_ctx *ctx, enum platform_event_kind kind)
{
	struct platform_event ev;

	platform_run(ctx, &ev);
	cr_assert_eq(ev.kind, kind, "kind %d instead of %d", ev.kind, kind);
}

void guest_map_beats(struct guest *g)
{
	cr_assert_eq(platform_as_map(g->as, BEATS, PAGE_SIZE, &g->file, BEATS_PAGE * PAGE_SIZE, PROT_READ | PROT_WRITE,
				     false), 0);
}

void guest_await_beat(struct guest *g)
{
	const _Atomic uint64_t *beat = (const _Atomic uint64_t *)(const void *)(g->bytes + BEATS_PAGE * PAGE_SIZE);
	uint64_t before = *beat;

	while (*beat == before)
		pause_a_little();
}

void pause_a_little(void)
{
	const struct timespec t = { 0, 100000 };

	nanosleep(&t, NULL);
}

void as_settle(struct platform_as *as)
{
	for (;;) {
		int running;

		mutex_lock(&as->lock);
		running = as->running;
		mutex_unlock(&as->lock);
		if (!running)
			return;
		pause_a_little();
	}
}
