/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2): the registers of a tracee. See ptrace.c for the theory of operation.
 *
 * The general registers are those of the stop's snapshot. What a tracer writes is refused where Linux refuses it (a selector that
 * is no user's, a base outside the user half); the platform makes everything else harmless when the tracee goes on. The extended
 * state stays in the stub until somebody asks, which is rare and then an errand of the tracee's thread.
 *
 * Debug registers are the task's: ptrace_debug.c. */
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reg.h>

/* The flags that a tracer may change: ID? no; AC, RF, NT, OF, DF, TF, SF, ZF, AF, PF, CF. */
static const uint64_t flags_writable = 0x00054dd5;

/* USER_SIZE: the kernel's struct user has two words more than the C library's. */
enum { XSTATE_BV = 512, WORD = 8, USER_SIZE = sizeof(struct user) + 2 * WORD };

/* Is the value for this word of user_regs_struct one that a user thread may have? Adjusts *value to what is kept. */
static int check_word(size_t index, uint64_t old, uint64_t *value)
{
	switch (index) {
	case CS:
	case SS:
		if (!(uint16_t)*value)
			return -EIO;
		/* fall through */
	case DS:
	case ES:
	case FS:
	case GS:
		*value = (uint16_t)*value;
		return *value && (*value & 3) != 3 ? -EIO : 0;
	case FS_BASE:
	case GS_BASE:
		return *value >= task_size_max ? -EIO : 0;
	case EFLAGS:
		*value = (old & ~flags_writable) | (*value & flags_writable);
		return 0;
	default:
		return 0;
	}
}

static int put_word(struct trace_stop *s, size_t index, uint64_t value)
{
	uint64_t *word = (uint64_t *)&s->regs + index;
	int r = check_word(index, *word, &value);

	if (!r) {
		*word = value;
		s->regs_changed = true;
	}
	return r;
}

int trace_get_regs(struct task *t, pid_t tid, struct user_regs_struct *out)
{
	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		*out = target->ptrace_stop->regs;
	mutex_unlock(&tasks_lock);
	return target ? 0 : -ESRCH;
}

int trace_set_regs(struct task *t, pid_t tid, const struct user_regs_struct *regs, size_t size)
{
	const uint64_t *words = (const uint64_t *)regs;
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target) {
		r = 0;
		/* Like Linux, up to the first word that is refused. */
		for (size_t i = 0; !r && i < size / WORD; i++)
			r = put_word(target->ptrace_stop, i, words[i]);
	}
	mutex_unlock(&tasks_lock);
	return r;
}

/* --- struct user --- */

static bool user_offset_valid(uint64_t off)
{
	return !(off % WORD) && off < USER_SIZE;
}

static bool is_debug_register(uint64_t off)
{
	return off >= offsetof(struct user, u_debugreg) && off < sizeof(struct user);
}

static unsigned debug_register(uint64_t off)
{
	return (unsigned)((off - offsetof(struct user, u_debugreg)) / WORD);
}

/* The rest of struct user belongs to core files, and reads as nothing. */
static uint64_t user_word(const struct task *target, uint64_t off)
{
	if (off < sizeof(struct user_regs_struct))
		return ((const uint64_t *)&target->ptrace_stop->regs)[off / WORD];
	return is_debug_register(off) ? debug_register_get(&target->debug, debug_register(off)) : 0;
}

int trace_peek_user(struct task *t, pid_t tid, uint64_t off, uint64_t *out)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target)
		r = user_offset_valid(off) ? 0 : -EIO;
	if (!r)
		*out = user_word(target, off);
	mutex_unlock(&tasks_lock);
	return r;
}

int trace_poke_user(struct task *t, pid_t tid, uint64_t off, uint64_t value)
{
	int r = -ESRCH;

	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (target) {
		r = -EIO;
		if (user_offset_valid(off) && off < sizeof(struct user_regs_struct))
			r = put_word(target->ptrace_stop, off / WORD, value);
		else if (user_offset_valid(off) && is_debug_register(off))
			r = debug_register_set(&target->debug, debug_register(off), value);
		target->ptrace_stop->debug_changed |= !r && is_debug_register(off);
	}
	mutex_unlock(&tasks_lock);
	return r;
}

/* --- the extended state --- */

static int run_errand(struct task *t, pid_t tid, struct trace_errand *e)
{
	mutex_lock(&tasks_lock);
	struct task *target = trace_stopped_locked(t, tid);

	if (!target) {
		mutex_unlock(&tasks_lock);
		return -ESRCH;
	}
	e->from = t;
	target->ptrace_stop->errand = e;
	trace_wake_locked(target);
	while (!e->done) {
		mutex_unlock(&tasks_lock);
		/* Not for signals: the tracee is at it, and this buffer is ours. */
		sleep_uninterruptible(NO_DEADLINE);
		mutex_lock(&tasks_lock);
	}
	mutex_unlock(&tasks_lock);
	return e->result == -EOWNERDEAD ? -ESRCH : e->result;
}

static int get_whole(struct task *t, struct trace_errand *e)
{
	return platform_xstate_get(t->ctx, e->buf, e->size);
}

static int set_whole(struct task *t, struct trace_errand *e)
{
	return platform_xstate_set(t->ctx, e->buf, e->size);
}

/* The x87 and SSE part alone: the rest is kept, and the two count as in use. */
static int set_legacy(struct task *t, struct trace_errand *e)
{
	size_t size = platform_xstate_size();
	unsigned char *all = malloc(size);
	uint64_t present;
	int r;

	if (!all)
		return -ENOMEM;
	r = platform_xstate_get(t->ctx, all, size);
	if (!r) {
		memcpy(all, e->buf, e->size);
		if (size >= XSTATE_BV + sizeof(present)) {
			memcpy(&present, all + XSTATE_BV, sizeof(present));
			present |= 3;
			memcpy(all + XSTATE_BV, &present, sizeof(present));
		}
		r = platform_xstate_set(t->ctx, all, size);
	}
	free(all);
	return r;
}

int trace_get_xstate(struct task *t, pid_t tid, void *buf, size_t size)
{
	size_t whole = platform_xstate_size();
	struct trace_errand e = { .fn = get_whole, .buf = malloc(whole), .size = whole };
	int r;

	if (!e.buf)
		return -ENOMEM;
	r = run_errand(t, tid, &e);
	if (!r)
		memcpy(buf, e.buf, size);
	free(e.buf);
	return r;
}

int trace_set_xstate(struct task *t, pid_t tid, const void *buf, size_t size)
{
	struct trace_errand e = {
		.fn = size < platform_xstate_size() ? set_legacy : set_whole, .buf = (void *)(uintptr_t)buf, .size = size
	};

	return run_errand(t, tid, &e);
}
