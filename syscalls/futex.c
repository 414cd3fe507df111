/* SPDX-License-Identifier: Apache-2.0 */
/* futex(2), futex_waitv(2) and the futex2 calls: decoding. */
#include "kernel/futex_internal.h"
#include "kernel/timer_internal.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

SYSCALL_DECLARE(futex);
SYSCALL_DECLARE(futex_waitv);
SYSCALL_DECLARE(futex_wake);
SYSCALL_DECLARE(futex_wait);
SYSCALL_DECLARE(futex_requeue);

enum {
	WAITV_MAX = 128,
	/* Flags of the futex2 calls: the size of the word, private. */
	FLAG_SIZE_MASK = 3,
	FLAG_U32 = 2,
	FLAG_PRIVATE = 128,
};

/* A timeout argument as a deadline. An absolute time is one of `clock`. */
static int read_deadline(struct task *t, uint64_t addr, bool absolute, int clock, int64_t *deadline)
{
	int64_t ns;
	int r = syscall_timespec(t, addr, &ns);

	if (r < 0)
		return r;
	if (ns == NO_DEADLINE)
		*deadline = NO_DEADLINE;
	else if (!absolute)
		*deadline = time_add(mono_now(), ns);
	else
		return clock_to_mono(clock, ns, deadline);
	return 0;
}

/* Linux wakes one even when asked for none or fewer. */
static uint64_t wake_count(uint64_t arg)
{
	return (int)arg < 1 ? 1 : (uint64_t)(int)arg;
}

static int64_t call_wait(struct task *t, const uint64_t a[6], int cmd, bool priv, int clock)
{
	bool absolute = cmd != FUTEX_WAIT;
	int64_t deadline;
	int r = read_deadline(t, a[3], absolute, clock, &deadline);

	if (r < 0)
		return r;
	switch (cmd) {
	case FUTEX_WAIT:
		return futex_wait(t, a[0], priv, (uint32_t)a[2], deadline, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return futex_wait(t, a[0], priv, (uint32_t)a[2], deadline, (uint32_t)a[5]);
	case FUTEX_WAIT_REQUEUE_PI:
		return futex_wait_requeue_pi(t, a[0], a[4], priv, (uint32_t)a[2], deadline, FUTEX_BITSET_MATCH_ANY);
	default:
		return futex_lock_pi(t, a[0], priv, deadline, false);
	}
}

static int64_t call_requeue(struct task *t, const uint64_t a[6], int cmd, bool priv)
{
	uint32_t want = (uint32_t)a[5];
	struct futex_requeue_args r = {
		.addr = a[0],
		.addr2 = a[4],
		.priv = priv,
		.priv2 = priv,
		.pi = cmd == FUTEX_CMP_REQUEUE_PI,
		.wake = (int)a[2],
		.requeue = (int)a[3],
		.want = cmd == FUTEX_REQUEUE ? NULL : &want,
	};

	return futex_requeue(t, &r);
}

int64_t sys_futex(struct task *t, const uint64_t a[6])
{
	int cmd = (int)a[1] & FUTEX_CMD_MASK;
	bool priv = (int)a[1] & FUTEX_PRIVATE_FLAG, realtime = (int)a[1] & FUTEX_CLOCK_REALTIME;
	int clock = realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC;

	if (realtime && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_WAIT_REQUEUE_PI && cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_LOCK_PI:
		clock = CLOCK_REALTIME;
		/* fall through */
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_LOCK_PI2:
		return call_wait(t, a, cmd, priv, clock);
	case FUTEX_WAKE:
		return futex_wake(t->mm, a[0], priv, wake_count(a[2]), FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(t->mm, a[0], priv, wake_count(a[2]), (uint32_t)a[5]);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_CMP_REQUEUE_PI:
		return call_requeue(t, a, cmd, priv);
	case FUTEX_WAKE_OP:
		return futex_wake_op(t, a[0], a[4], priv, (int)a[2], (int)a[3], (uint32_t)a[5]);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(t, a[0], priv);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(t, a[0], priv, NO_DEADLINE, true);
	default:
		return -ENOSYS;
	}
}

/* --- futex2 --- */

struct waitv_guest {
	uint64_t value, addr;
	uint32_t flags, reserved;
};

/* Only 32-bit words exist, as on Linux, and no NUMA ones. */
static bool flags_ok(uint32_t flags)
{
	return !(flags & ~(uint32_t)(FLAG_SIZE_MASK | FLAG_PRIVATE)) && (flags & FLAG_SIZE_MASK) == FLAG_U32;
}

static int read_waitv(struct task *t, uint64_t addr, unsigned count, struct futex_wait_one *out)
{
	for (unsigned i = 0; i < count; i++) {
		struct waitv_guest g;

		if (guest_read(t->mm, &g, addr + i * sizeof(g), sizeof(g)) < 0)
			return -EFAULT;
		if (!flags_ok(g.flags) || g.reserved || g.value > UINT32_MAX)
			return -EINVAL;
		out[i] = (struct futex_wait_one){
			.addr = g.addr,
			.value = (uint32_t)g.value,
			.bitset = FUTEX_BITSET_MATCH_ANY,
			.priv = g.flags & FLAG_PRIVATE,
		};
	}
	return 0;
}

static int deadline2(struct task *t, uint64_t addr, int clock, int64_t *deadline)
{
	if (addr && clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return -EINVAL;
	return read_deadline(t, addr, true, clock, deadline);
}

int64_t sys_futex_waitv(struct task *t, const uint64_t a[6])
{
	unsigned count = (unsigned)a[1];
	struct futex_wait_one *v;
	int64_t deadline, r;

	if ((unsigned)a[2] || !count || count > WAITV_MAX || !a[0])
		return -EINVAL;
	r = deadline2(t, a[3], (int)a[4], &deadline);
	if (r < 0)
		return r;
	v = calloc(count, sizeof(*v));
	if (!v)
		return -ENOMEM;
	r = read_waitv(t, a[0], count, v);
	if (!r)
		r = futex_wait_many(t, v, (int)count, deadline);
	free(v);
	return r;
}

int64_t sys_futex_wake(struct task *t, const uint64_t a[6])
{
	uint32_t flags = (uint32_t)a[3];

	if (!flags_ok(flags) || a[1] > UINT32_MAX)
		return -EINVAL;
	if ((int)a[2] < 1)
		return (uint32_t)a[1] ? 0 : -EINVAL;
	return futex_wake(t->mm, a[0], flags & FLAG_PRIVATE, (uint64_t)(int)a[2], (uint32_t)a[1]);
}

int64_t sys_futex_wait(struct task *t, const uint64_t a[6])
{
	uint32_t flags = (uint32_t)a[3];
	struct futex_wait_one v = {
		.addr = a[0], .value = (uint32_t)a[1], .bitset = (uint32_t)a[2], .priv = flags & FLAG_PRIVATE
	};
	int64_t deadline;
	int r;

	if (!flags_ok(flags) || a[1] > UINT32_MAX || a[2] > UINT32_MAX || !v.bitset)
		return -EINVAL;
	r = deadline2(t, a[4], (int)a[5], &deadline);
	return r < 0 ? r : futex_wait_many(t, &v, 1, deadline);
}

int64_t sys_futex_requeue(struct task *t, const uint64_t a[6])
{
	struct futex_wait_one v[2];
	int r;

	if ((unsigned)a[1] || !a[0])
		return -EINVAL;
	r = read_waitv(t, a[0], 2, v);
	if (r < 0)
		return r;
	struct futex_requeue_args q = {
		.addr = v[0].addr,
		.addr2 = v[1].addr,
		.priv = v[0].priv,
		.priv2 = v[1].priv,
		.wake = (int)a[2],
		.requeue = (int)a[3],
		.want = &v[0].value,
	};
	return futex_requeue(t, &q);
}
