/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that guests put on their own calls.
 *
 * Theory of operation. These filters restrict a guest for its own sake: the sandbox does not rest on them. A task has a mode and a
 * chain of filters, newest first. Filters are immutable and counted: a child shares its creator's chain and may put its own filters
 * in front, so chains form a tree that only grows towards its leaves. Each call of a task whose mode is not 0 comes to
 * seccomp_allows() before its handler is looked for; every filter of the chain runs, and the strictest verdict counts, the
 * newest filter's where two agree.
 *
 * Locks. Mode and chain change under tasks_lock, by the task itself or by SECCOMP_FILTER_FLAG_TSYNC from a sibling; the task reads
 * them without. That is safe because the only thing that ever replaces a chain is a longer one that ends in it: what a task
 * has loaded lives as long as the task does. The chain is stored before the mode that makes it looked at. */
#include "kernel/seccomp.h"
#include "base/log.h"
#include "kernel/bpf.h"
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum {
	CHAIN_MAX = (1 << 18) / sizeof(struct sock_filter), /* instructions on one way, as in Linux */
	FILTER_PENALTY = 4, /* what each filter counts for besides its instructions */
	ERRNO_MAX = 4095,
};

struct seccomp_filter {
	struct ref ref;
	struct seccomp_filter *older; /* owned */
	size_t count; /* of this chain */
	size_t chain_len; /* instructions of this chain, penalties included */
	bool log; /* SECCOMP_FILTER_FLAG_LOG */
	size_t len;
	struct sock_filter prog[];
};

static struct seccomp_filter *chain_of(struct task *t)
{
	return atomic_load_explicit(&t->seccomp, memory_order_acquire);
}

static struct seccomp_filter *filter_new(const struct sock_filter *prog, size_t len, unsigned flags)
{
	struct seccomp_filter *f = calloc(1, sizeof(*f) + len * sizeof(*prog));

	if (!f)
		return NULL;
	ref_init(&f->ref);
	f->log = flags & SECCOMP_FILTER_FLAG_LOG;
	f->len = len;
	memcpy(f->prog, prog, len * sizeof(*prog));
	return f;
}

static void chain_put(struct seccomp_filter *f)
{
	while (f && ref_put(&f->ref)) {
		struct seccomp_filter *older = f->older;

		free(f);
		f = older;
	}
}

/* --- installing --- */

static bool may_have_mode(struct task *t, int mode)
{
	int now = atomic_load(&t->seccomp_mode);

	return !now || now == mode;
}

int seccomp_set_strict(struct task *t)
{
	int r = 0;

	mutex_lock(&tasks_lock);
	if (may_have_mode(t, SECCOMP_MODE_STRICT))
		atomic_store(&t->seccomp_mode, SECCOMP_MODE_STRICT);
	else
		r = -EINVAL;
	mutex_unlock(&tasks_lock);
	return r;
}

/* Does the chain that starts with f contain ancestor? */
static bool descends_from(const struct seccomp_filter *f, const struct seccomp_filter *ancestor)
{
	while (f && f != ancestor)
		f = f->older;
	return f == ancestor;
}

/* A sibling of t that t's filters cannot be put on, since it has others; NULL if there is none. */
static struct task *odd_sibling_locked(struct task *t) REQUIRES(tasks_lock)
{
	struct task *other;

	TAILQ_FOREACH(other, &t->tg->tasks, tg_link) {
		if (other == t || other->dead || other->exit_pending)
			continue;
		if (!may_have_mode(other, SECCOMP_MODE_FILTER) || !descends_from(chain_of(t), chain_of(other)))
			return other;
	}
	return NULL;
}

static void set_chain_locked(struct task *t, struct seccomp_filter *f) REQUIRES(tasks_lock)
{
	struct seccomp_filter *old = chain_of(t);

	ref_get(&f->ref);
	atomic_store_explicit(&t->seccomp, f, memory_order_release);
	atomic_store_explicit(&t->seccomp_mode, SECCOMP_MODE_FILTER, memory_order_release);
	chain_put(old); /* lives on as a part of f's chain */
}

static void synchronise_locked(struct task *t, struct seccomp_filter *f) REQUIRES(tasks_lock)
{
	struct task *other;

	TAILQ_FOREACH(other, &t->tg->tasks, tg_link) {
		if (other == t || other->dead || other->exit_pending)
			continue;
		set_chain_locked(other, f);
		if (atomic_load(&t->no_new_privs))
			atomic_store(&other->no_new_privs, true);
	}
}

/* Takes a reference to f of its own for each task that gets it. */
static int64_t attach_locked(struct task *t, struct seccomp_filter *f, unsigned flags) REQUIRES(tasks_lock)
{
	struct seccomp_filter *older = chain_of(t);
	struct task *odd;

	if (!may_have_mode(t, SECCOMP_MODE_FILTER))
		return -EINVAL;
	f->chain_len = f->len + (older ? older->chain_len + FILTER_PENALTY : 0);
	if (f->chain_len > CHAIN_MAX)
		return -ENOMEM;
	odd = flags & SECCOMP_FILTER_FLAG_TSYNC ? odd_sibling_locked(t) : NULL;
	if (odd)
		return flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -ESRCH : odd->tid;
	f->count = older ? older->count + 1 : 1;
	f->older = older;
	if (older)
		ref_get(&older->ref);
	set_chain_locked(t, f);
	if (flags & SECCOMP_FILTER_FLAG_TSYNC)
		synchronise_locked(t, f);
	return 0;
}

int64_t seccomp_add_filter(struct task *t, const struct sock_filter *prog, size_t len, unsigned flags)
{
	int64_t r = bpf_check(prog, len, sizeof(struct seccomp_data));

	if (r < 0)
		return r;
	struct seccomp_filter *f = filter_new(prog, len, flags);
	if (!f)
		return -ENOMEM;
	mutex_lock(&tasks_lock);
	r = attach_locked(t, f, flags);
	mutex_unlock(&tasks_lock);
	chain_put(f);
	return r;
}

size_t seccomp_filter_count_locked(struct task *t)
{
	const struct seccomp_filter *f = chain_of(t);

	return f ? f->count : 0;
}

void seccomp_inherit_locked(struct task *child, struct task *t)
{
	struct seccomp_filter *f = chain_of(t);

	if (f)
		ref_get(&f->ref);
	atomic_store(&child->seccomp, f);
	atomic_store(&child->seccomp_mode, atomic_load(&t->seccomp_mode));
	/* TSYNC may have set it after the child was built. */
	atomic_store(&child->no_new_privs, atomic_load(&t->no_new_privs));
}

void seccomp_drop_filters(struct task *t)
{
	chain_put(chain_of(t));
}

/* --- enforcing --- */

static bool strict_allows(struct task *t, uint64_t nr)
{
	if (nr == SYS_read || nr == SYS_write || nr == SYS_exit || nr == SYS_rt_sigreturn)
		return true;
	task_exit(t, SIGKILL);
	return false;
}

/* The strictest verdict over one call; *by is the filter that gave it. */
static uint32_t verdict(struct task *t, const struct seccomp_data *data, const struct seccomp_filter **by)
{
	uint32_t strictest = SECCOMP_RET_ALLOW;

	*by = NULL;
	for (const struct seccomp_filter *f = chain_of(t); f; f = f->older) {
		uint32_t r = bpf_run(f->prog, data, sizeof(*data));

		/* Actions are ordered as signed numbers: the strictest, to kill the process, has the top bit set. */
		if ((int32_t)(r & SECCOMP_RET_ACTION_FULL) < (int32_t)(strictest & SECCOMP_RET_ACTION_FULL)) {
			strictest = r;
			*by = f;
		}
	}
	return strictest;
}

/* The handler, if one runs, sees the registers as they were before the call. */
static void trap(struct task *t, const struct seccomp_data *data, uint32_t reason)
{
	siginfo_t info = { .si_signo = SIGSYS, .si_code = 1 /* SYS_SECCOMP */, .si_errno = (int)reason };

	info.si_call_addr = (void *)data->instruction_pointer;
	info.si_syscall = data->nr;
	info.si_arch = data->arch;
	platform_set_result(t->ctx, (uint64_t)(int64_t)data->nr);
	signal_force(t, &info);
}

static void kill_for(struct task *t, bool process)
{
	mutex_lock(&tasks_lock);
	bool last = t->tg->live_count == 1;
	mutex_unlock(&tasks_lock);

	if (process || last)
		group_exit(t, SIGSYS);
	else
		task_exit(t, SIGSYS);
}

/* Carries the verdict out. True: the call is made. */
static bool carry_out(struct task *t, const struct seccomp_data *data, uint32_t v)
{
	uint32_t value = v & SECCOMP_RET_DATA;

	switch (v & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
		return true;
	case SECCOMP_RET_ERRNO:
		/* Straight into the register: numbers that are restart codes inside the kernel are just numbers here. */
		platform_set_result(t->ctx, -(uint64_t)MIN(value, (uint32_t)ERRNO_MAX));
		return false;
	case SECCOMP_RET_USER_NOTIF: /* nobody listens */
		platform_set_result(t->ctx, -(uint64_t)ENOSYS);
		return false;
	case SECCOMP_RET_TRAP:
		trap(t, data, value);
		return false;
	case SECCOMP_RET_KILL_THREAD:
		kill_for(t, false);
		return false;
	default: /* SECCOMP_RET_KILL_PROCESS, and actions that do not exist */
		kill_for(t, true);
		return false;
	}
}

static uint32_t look(struct task *t, struct seccomp_data *data)
{
	const struct seccomp_filter *by;
	uint32_t v;

	*data = (struct seccomp_data){ .nr = (int)t->sys_nr, .arch = AUDIT_ARCH_X86_64, .instruction_pointer = platform_ip(t->ctx) };
	memcpy(data->args, t->sys_args, sizeof(data->args));
	v = verdict(t, data, &by);
	if (UNLIKELY(log_debug_on()) && by && (by->log || (v & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_LOG))
		log_debug("%d seccomp: call %d at %#llx: verdict %#x", t->tid, data->nr, data->instruction_pointer, v);
	return v;
}

static bool left_to_tracer(uint32_t v)
{
	return (v & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
}

bool seccomp_allows(struct task *t)
{
	struct seccomp_data data;

	if (atomic_load_explicit(&t->seccomp_mode, memory_order_acquire) == SECCOMP_MODE_STRICT)
		return strict_allows(t, t->sys_nr);
	uint32_t v = look(t, &data);

	if (UNLIKELY(left_to_tracer(v))) {
		if (!trace_seccomp(t, v & SECCOMP_RET_DATA))
			return false;
		/* What the tracer made of the call goes through the filters like any other; it is not asked twice. */
		v = look(t, &data);
		if (left_to_tracer(v))
			return true;
	}
	return carry_out(t, &data, v);
}
