/* SPDX-License-Identifier: Apache-2.0 */
/* Reference counts. ref_put() returns true to the one caller that dropped the last reference. */
#ifndef BASE_REF_H
#define BASE_REF_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

struct ref {
	_Atomic int count;
};

static inline void ref_init(struct ref *r)
{
	atomic_store_explicit(&r->count, 1, memory_order_relaxed);
}

static inline void ref_get(struct ref *r)
{
	int old = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
	assert(old > 0);
	(void)old;
}

/* Takes a reference unless the count already fell to zero; for caches that hold no reference of their own. */
static inline bool ref_get_unless_zero(struct ref *r)
{
	int old = atomic_load_explicit(&r->count, memory_order_relaxed);

	while (old > 0)
		if (atomic_compare_exchange_weak_explicit(&r->count, &old, old + 1, memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

static inline bool ref_put(struct ref *r)
{
	int old = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);
	assert(old > 0);
	return old == 1;
}

static inline int ref_count(const struct ref *r)
{
	return atomic_load_explicit(&r->count, memory_order_relaxed);
}

#endif
