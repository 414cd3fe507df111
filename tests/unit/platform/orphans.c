/* SPDX-License-Identifier: Apache-2.0 */
/* A sentry killed at any moment leaves no process behind. The test is a subreaper: whatever outlives its sentry becomes its
 * child, so waiting until it has none left is the proof, and a survivor is a hang. */
#include "platform/ptrace/ptrace_internal.h"
#include "tests/unit/platform/harness.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(orphans, .timeout = 120);

enum { STUBS = 3 };

/* The sentry's life: runs `body` until it is killed. */
static pid_t sentry_begin(void (*body)(int out), int *in)
{
	pid_t pid;
	int p[2];

	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	cr_assert_eq(pipe(p), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (!pid) {
		const char *why;

		close(p[0]);
		if (platform_init(NULL, &why))
			_exit(1);
		body(p[1]);
		_exit(2);
	}
	close(p[1]);
	*in = p[0];
	return pid;
}

static void sentry_kill(pid_t pid, int in)
{
	int status, others = 0;
	pid_t r;

	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status), "the sentry ended by itself: %#x", status);
	while ((r = waitpid(-1, NULL, __WALL)) > 0 || errno == EINTR)
		others += r > 0;
	cr_assert_eq(errno, ECHILD);
	cr_assert_geq(others, 1, "at least the template was there");
	close(in);
}

static void tell(int out, char c)
{
	if (write(out, &c, 1) != 1)
		_exit(3);
}

static void run_for_ever(struct guest *g, struct platform_ctx *ctx)
{
	struct platform_event ev;

	guest_map_beats(g);
	guest_regs(ctx, BEATS, 0);
	for (;;)
		platform_run(ctx, &ev);
}

static void body_of_running_guests(int out)
{
	struct guest g[STUBS];

	for (int i = 0; i < STUBS; i++) {
		GUEST_NEW(&g[i], guest_beat);
		guest_begin(&g[i], run_for_ever);
		guest_await_beat(&g[i]);
	}
	tell(out, 'r');
	for (;;)
		pause();
}

Test(orphans, running_stubs_die_with_their_sentry)
{
	char c;
	int in;
	pid_t pid = sentry_begin(body_of_running_guests, &in);

	cr_assert_eq(read(in, &c, 1), 1);
	sentry_kill(pid, in);
}

static void body_of_idle_spaces(int out)
{
	struct platform_as *as[STUBS];

	for (int i = 0; i < STUBS; i++)
		if (platform_as_new(&as[i]))
			_exit(4);
	tell(out, 'r');
	for (;;)
		pause();
}

Test(orphans, idle_stubs_die_with_their_sentry)
{
	char c;
	int in;
	pid_t pid = sentry_begin(body_of_idle_spaces, &in);

	cr_assert_eq(read(in, &c, 1), 1);
	sentry_kill(pid, in);
}

/* Stubs are born all the time, so that some are not yet seized when the sentry dies. */
static void body_of_births(int out)
{
	struct platform_as *as;

	for (;;) {
		if (platform_as_new(&as))
			_exit(4);
		tell(out, 'b');
	}
}

Test(orphans, stubs_being_born_die_with_their_sentry)
{
	for (int i = 1; i <= 20; i++) {
		char c;
		int in;
		pid_t pid = sentry_begin(body_of_births, &in);

		for (int n = 0; n < i; n++)
			cr_assert_eq(read(in, &c, 1), 1);
		sentry_kill(pid, in);
	}
}

static void thread_main(struct platform_ctx *ctx, void *arg)
{
	struct platform_event ev;
	struct guest *g = arg;

	guest_regs(ctx, BEATS, 0);
	g->flag++;
	for (;;)
		platform_run(ctx, &ev);
}

static void do_births_of_threads(struct guest *g, struct platform_ctx *ctx)
{
	(void)ctx;
	guest_map_beats(g);
	for (int i = 0; i < 16; i++) {
		if (platform_start(g->as, thread_main, g))
			_exit(5);
		tell(g->round, 't');
	}
	for (;;)
		pause();
}

static void body_of_threads(int out)
{
	struct guest g;

	GUEST_NEW(&g, guest_beat);
	g.round = out;
	guest_begin(&g, do_births_of_threads);
	for (;;)
		pause();
}

Test(orphans, threads_of_stubs_die_with_their_sentry)
{
	for (int i = 1; i <= 16; i += 3) {
		char c;
		int in;
		pid_t pid = sentry_begin(body_of_threads, &in);

		for (int n = 0; n < i; n++)
			cr_assert_eq(read(in, &c, 1), 1);
		sentry_kill(pid, in);
	}
}

static void do_one_call(struct guest *g, struct platform_ctx *ctx)
{
	(void)g;
	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_SYSCALL);
}

/* An orderly end leaves nothing either, and the platform can be started again. */
Test(orphans, a_shutdown_waits_for_all)
{
	struct guest g[STUBS];

	for (int round = 0; round < 3; round++) {
		harness_init();
		for (int i = 0; i < STUBS; i++) {
			GUEST_NEW(&g[i], guest_getpid);
			guest_run(&g[i], do_one_call);
			if (i)
				kill(g[i].as->tgid, SIGKILL);
		}
		for (int i = 0; i < STUBS; i++)
			guest_free(&g[i]);
		harness_fini();
		cr_assert_eq(waitpid(-1, NULL, __WALL), -1);
		cr_assert_eq(errno, ECHILD, "a stub or the template is left");
	}
}
