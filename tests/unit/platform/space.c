/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/ptrace/ptrace_internal.h"
#include "tests/unit/platform/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(space, .init = harness_init, .fini = harness_fini, .timeout = 120);

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
	cr_assert_eq(platform_as_clear(g->as), 0);
	cr_assert_eq(stub_mappings_below(g->as->tgid, platform_max_addr()), 0);
}

Test(space, a_batch_stops_at_the_first_failure)
{
	RUN_TEST_GUEST(guest_getpid, do_batch);
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
		while (!pool_ready())
			pause_a_little();
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
	struct platform_file f;
	struct guest g;
	int before;

	GUEST_NEW(&g, guest_getpid);
	before = stub_descriptors(g.as->tgid);
	guest_map_data(&g, PROT_READ);
	guest_map_data(&g, PROT_READ);
	cr_assert_eq(stub_descriptors(g.as->tgid), before);
	for (int i = 0; i < 50; i++) {
		platform_file_init(&f, memfd_create("x", MFD_CLOEXEC));
		cr_assert_eq(platform_as_map(g.as, DATA, PAGE_SIZE, &f, 0, PROT_READ, false), 0);
		cr_assert_eq(platform_as_unmap(g.as, DATA, PAGE_SIZE), 0);
		platform_file_fini(&f);
		close(f.fd);
	}
	guest_run(&g, do_one_call);
	/* Descriptors are taken back in order with later requests: once one more is answered, all fifty are gone. */
	platform_file_init(&f, memfd_create("x", MFD_CLOEXEC));
	cr_assert_eq(platform_as_map(g.as, DATA, PAGE_SIZE, &f, 0, PROT_READ, false), 0);
	cr_assert_eq(stub_descriptors(g.as->tgid), before + 1);
	cr_assert_eq(platform_as_unmap(g.as, DATA, PAGE_SIZE), 0);
	platform_file_fini(&f);
	close(f.fd);
	guest_free(&g);
}
