/* SPDX-License-Identifier: Apache-2.0 */
/* The ptrace platform.
 *
 * Theory of operation. An address space is a stub process; a context is a stub thread in it and the sentry thread that
 * traces it. The guest's code runs natively in the stub thread under PTRACE_SYSEMU: each system call, and each exception,
 * stops it, and the sentry thread, asleep in wait4, takes over. The call is never executed. A call that only returns a value
 * costs four calls of the sentry: wait4, PTRACE_GET_SYSCALL_INFO, one word poked, PTRACE_SYSEMU.
 *
 * What stubs must do themselves (mappings, new threads) the sentry injects: stub_page.S, inject.c. Which changes are made by
 * whom and when: remote.c. Where stubs come from: template.c and keeper.c. Where they go: pair.c and pool.c. Which
 * processor they use: placement.c. What stops mean: event.c.
 *
 * Two walls keep the guest's calls from the host: SYSEMU, and a filter that allows only the injected ones, from the stub
 * page (filter.c). If the sentry dies, so does every stub: EXITKILL, and a parent-death signal on the keeper thread.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct layout layout;
static bool fast_barrier; /* immutable once the platform has started */
_Atomic uint64_t stubs_made, stubs_reused, remote_changes;

long ptrace_futex_wait(const void *word, uint32_t value)
{
	return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void ptrace_futex_wake(const void *word, int count)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* The lowest address that the host lets an ordinary process map. */
static uint64_t read_min_addr(void)
{
	FILE *f = fopen("/proc/sys/vm/mmap_min_addr", "re");
	unsigned long long v = 0;

	if (f && fscanf(f, "%llu", &v) != 1)
		v = 0;
	if (f)
		fclose(f);
	return v < PAGE_SIZE || v > (1 << 20) ? UINT64_C(65536) : (v + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
}

static void kick_handler(int sig)
{
	(void)sig;
}

/* Stops of tracees must not raise SIGCHLD: that would interrupt whoever takes signals, at every system call of a guest. The
 * kick must break a wait, so its handler is installed without SA_RESTART. */
static int signals_init(void)
{
	struct sigaction sa;

	if (sigaction(SIGCHLD, NULL, &sa))
		return -errno;
	sa.sa_flags |= SA_NOCLDSTOP;
	sa.sa_flags &= ~SA_NOCLDWAIT;
	if (sa.sa_handler == SIG_IGN)
		sa.sa_handler = SIG_DFL;
	if (sigaction(SIGCHLD, &sa, NULL))
		return -errno;
	sa = (struct sigaction){ .sa_handler = kick_handler };
	sigemptyset(&sa.sa_mask);
	return sigaction(KICK_SIGNAL, &sa, NULL) ? -errno : 0;
}

/* Each host file that is mapped, and each sandbox's sockets, are descriptors of this process. */
static void files_limit_raise(void)
{
	struct rlimit lim;

	if (!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
}

/* Registers for barriers that reach only whom they concern. Children inherit this, so every stub has it from its template. Without
 * it, the slow barrier that waits for all processors serves as well. */
static void barrier_init(void)
{
	fast_barrier = !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

int platform_barrier(void)
{
	int cmd = fast_barrier ? MEMBARRIER_CMD_GLOBAL_EXPEDITED : MEMBARRIER_CMD_GLOBAL;

	return syscall(SYS_membarrier, cmd, 0, 0) ? -errno : 0;
}

int platform_init(const struct platform_options *o, const char **why)
{
	int r;

	*why = "signals";
	r = signals_init();
	if (r)
		return r;
	files_limit_raise();
	barrier_init();
	layout.min_addr = read_min_addr();
	r = keeper_start(why);
	if (r)
		return r;
	*why = "placement";
	r = placement_init();
	if (!r)
		r = pool_init(o ? o->ready_stubs : 0);
	if (r)
		keeper_stop();
	return r;
}

void platform_shutdown(void)
{
	pool_shutdown();
	placement_shutdown();
	keeper_stop();
}

uint64_t platform_min_addr(void)
{
	return layout.min_addr;
}

uint64_t platform_max_addr(void)
{
	return layout.max_addr;
}

uint64_t platform_vdso(void)
{
	return layout.vdso;
}

void platform_get_stats(struct platform_stats *out)
{
	*out = (struct platform_stats){
		.stubs_made = atomic_load_explicit(&stubs_made, memory_order_relaxed),
		.stubs_reused = atomic_load_explicit(&stubs_reused, memory_order_relaxed),
		.remote_changes = atomic_load_explicit(&remote_changes, memory_order_relaxed),
	};
	placement_sum(out);
}
