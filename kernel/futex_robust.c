/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a task's futexes when it ends or executes another program: get_robust_list(2), set_tid_address(2).
 *
 * The list is the guest's: every pointer in it may be wrong, point in circles, or change while it is walked. So it is followed for a
 * bounded number of steps, and the first fault ends it, silently, as on Linux.
 */
#include "kernel/futex_internal.h"

#include <errno.h>

enum { ROBUST_LIMIT = 2048 };

struct robust_head {
	uint64_t next;
	int64_t offset; /* from an entry to its futex word */
	uint64_t pending; /* being locked or unlocked */
};

/* The word at addr says that t owns it: says that its owner died, and lets one waiter see it. */
static int owner_died(struct task *t, uint64_t addr, bool pi, bool pending)
{
	uint32_t value, seen;
	int r = guest_load32(t->mm, addr, &value);

	if (r < 0)
		return r;
	for (;;) {
		if ((pid_t)(value & FUTEX_TID_MASK) != t->tid) {
			/* Unlocked but not yet woken: the wake is ours to make. */
			if (pending && !pi && !value)
				(void)!futex_wake(t->mm, addr, false, 1, FUTEX_BITSET_MATCH_ANY);
			return 0;
		}
		r = guest_cmpxchg32(t->mm, addr, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &seen);
		if (r < 0)
			return r;
		if (seen == value)
			break;
		value = seen;
	}
	if (!pi && (value & FUTEX_WAITERS))
		(void)!futex_wake(t->mm, addr, false, 1, FUTEX_BITSET_MATCH_ANY);
	return 0;
}

/* The lowest bit of a list pointer says that the futex is a PI futex. */
static void walk_robust_list(struct task *t)
{
	struct robust_head head;
	uint64_t entry, next;

	if (guest_read(t->mm, &head, t->robust_list, sizeof(head)) < 0)
		return;
	entry = head.next;
	for (int i = 0; i < ROBUST_LIMIT && (entry & ~1ull) != t->robust_list; i++) {
		uint64_t at = entry & ~1ull;
		bool more = guest_read(t->mm, &next, at, sizeof(next)) == 0;

		if (at != (head.pending & ~1ull) && owner_died(t, at + (uint64_t)head.offset, entry & 1, false) < 0)
			return;
		if (!more)
			return;
		entry = next;
	}
	if (head.pending)
		(void)!owner_died(t, (head.pending & ~1ull) + (uint64_t)head.offset, head.pending & 1, true);
}

void futex_task_release(struct task *t)
{
	static const uint32_t zero;

	if (t->robust_list)
		walk_robust_list(t);
	t->robust_list = 0;
	t->robust_list_len = 0;
	atomic_store(&t->futexes_released, true);
	futex_owner_died(t);
	if (t->clear_child_tid && guest_write(t->mm, t->clear_child_tid, &zero, sizeof(zero)) == 0)
		(void)!futex_wake(t->mm, t->clear_child_tid, false, 1, FUTEX_BITSET_MATCH_ANY);
	t->clear_child_tid = 0;
}
