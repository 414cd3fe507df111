/* SPDX-License-Identifier: Apache-2.0 */
/* A host that grants no more threads: a guest's thread needs one of the sentry and one of its stub, and of two that cannot be had
 * together none may be left. */
#include "platform/ptrace/ptrace_internal.h"
#include "tests/unit/platform/harness.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ORDINARY_USER = 54321 };

/* The superuser has no limit on processes. */
static void ordinary_init(void)
{
	if (!geteuid()) {
		cr_assert_eq(setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER), 0);
		cr_assert_eq(setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER), 0);
		cr_assert_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	}
	harness_init();
}

TestSuite(limits, .init = ordinary_init, .fini = harness_fini, .timeout = 120);

static int threads_of(pid_t pid)
{
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	cr_assert_not_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void set_limit(struct platform_as *as, rlim_t n)
{
	struct rlimit sentry, stub;

	cr_assert_eq(prlimit(0, RLIMIT_NPROC, NULL, &sentry), 0);
	cr_assert_eq(prlimit(as->tgid, RLIMIT_NPROC, NULL, &stub), 0);
	sentry.rlim_cur = MIN(n, sentry.rlim_max);
	stub.rlim_cur = MIN(n, stub.rlim_max);
	cr_assert_eq(prlimit(0, RLIMIT_NPROC, &sentry, NULL), 0);
	cr_assert_eq(prlimit(as->tgid, RLIMIT_NPROC, &stub, NULL), 0);
}

static void nothing(struct platform_ctx *ctx, void *arg)
{
	(void)ctx, (void)arg;
}

/* The limit rises by one until the thread starts. On the way it allows the first of the two, but not the second. */
static void do_start_at_each_limit(struct guest *g, struct platform_ctx *ctx)
{
	int before = threads_of(g->as->tgid), failures = 0, r;

	guest_regs(ctx, 0, 0);
	expect(ctx, PLATFORM_SYSCALL);
	for (rlim_t n = 1;; n++) {
		set_limit(g->as, n);
		r = platform_start(g->as, nothing, NULL);
		if (!r)
			break;
		cr_assert_eq(r, -EAGAIN, "limit %lu: %d", (unsigned long)n, r);
		cr_assert_eq(threads_of(g->as->tgid), before, "limit %lu", (unsigned long)n);
		failures++;
	}
	cr_assert_gt(failures, 1);
	cr_assert_eq(threads_of(g->as->tgid), before + 1);
	expect(ctx, PLATFORM_SYSCALL);
}

Test(limits, a_thread_that_cannot_be_had_leaves_nothing)
{
	RUN_TEST_GUEST(guest_getpid, do_start_at_each_limit);
}
