/* SPDX-License-Identifier: Apache-2.0 */
/* The one path every system call takes.
 *
 * Theory of operation. kernel/run.c hands over the event; the arguments are copied into the task, where restart and
 * tracing find them, and the handler gets that copy. A task that has put filters on its calls asks them first (kernel/seccomp.c). Counting is a relaxed addition to the row's own counters, which
 * share no cache line with another row's; time is measured only where it was asked for. A number without a row, or a row without a
 * handler, is ENOSYS as on Linux. Signals and restart codes are resolved by kernel/run.c after this returns.
 */
#include "syscalls/syscalls.h"

#include "base/log.h"
#include "base/wait.h"
#include "kernel/seccomp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct counter {
	_Atomic uint64_t calls, errors, ns;
} __attribute__((aligned(64)));

static struct counter counters[SYSCALL_MAX + 1];
static bool count_time; /* set before the first task starts */
static bool log_calls; /* likewise */

void syscall_count_time(bool on)
{
	count_time = on;
}

void syscall_log(bool on)
{
	log_calls = on;
}

void syscall_counts(struct syscall_count *out)
{
	for (size_t i = 0; i <= SYSCALL_MAX; i++) {
		out[i].calls = atomic_load_explicit(&counters[i].calls, memory_order_relaxed);
		out[i].errors = atomic_load_explicit(&counters[i].errors, memory_order_relaxed);
		out[i].ns = atomic_load_explicit(&counters[i].ns, memory_order_relaxed);
	}
}

static bool is_error(int64_t result)
{
	return result < 0 && result >= -4095;
}

static void log_result(struct task *t, uint64_t nr, const uint64_t args[6], int64_t result)
{
	char text[1024];

	syscall_format(t, nr, args, text, sizeof(text));
	if (result == SYSCALL_NO_RESULT)
		log_debug("%d %s = ?", t->tid, text);
	else if (is_error(result))
		log_debug("%d %s = -%" PRId64 " (%s)", t->tid, text, -result,
			  strerrorname_np((int)-result) ? strerrorname_np((int)-result) : "restart");
	else
		log_debug("%d %s = 0x%" PRIx64, t->tid, text, (uint64_t)result);
}

static int64_t call_slow(struct task *t, syscall_fn fn, struct counter *c)
{
	uint64_t nr = t->sys_nr, args[6];
	pid_t tid = t->tid;
	int64_t start = count_time ? mono_now() : 0, result;

	memcpy(args, t->sys_args, sizeof(args));
	if (log_calls) {
		char text[1024];

		syscall_format(t, nr, args, text, sizeof(text));
		log_debug("%d %s ...", tid, text);
	}
	result = fn(t, t->sys_args);
	if (count_time)
		atomic_fetch_add_explicit(&c->ns, (uint64_t)(mono_now() - start), memory_order_relaxed);
	/* After a call without a result the task may have left its address space. */
	if (log_calls && result != SYSCALL_NO_RESULT)
		log_result(t, nr, args, result);
	return result;
}

int64_t syscall_dispatch(struct task *t, const struct platform_event *ev)
{
	t->sys_nr = ev->nr;
	memcpy(t->sys_args, ev->args, sizeof(t->sys_args));

	const bool allowed = !seccomp_active(t) || seccomp_allows(t);
	/* A tracer may have made another call of it. */
	const uint64_t nr = allowed ? t->sys_nr : ev->nr;
	const struct syscall_entry *e = syscall_entry(nr);
	struct counter *c = &counters[e ? nr : SYSCALL_MAX];
	int64_t result;

	atomic_fetch_add_explicit(&c->calls, 1, memory_order_relaxed);
	if (UNLIKELY(!allowed)) {
		if (log_calls)
			log_result(t, ev->nr, ev->args, SYSCALL_NO_RESULT);
		return SYSCALL_NO_RESULT;
	}
	if (UNLIKELY(!e || !e->fn)) {
		if (log_calls)
			log_result(t, nr, t->sys_args, -ENOSYS);
		result = -ENOSYS;
	} else if (UNLIKELY(count_time || log_calls)) {
		result = call_slow(t, e->fn, c);
	} else {
		result = e->fn(t, t->sys_args);
	}
	if (UNLIKELY(is_error(result)))
		atomic_fetch_add_explicit(&c->errors, 1, memory_order_relaxed);
	return result;
}
