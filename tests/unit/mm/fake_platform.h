/* SPDX-License-Identifier: Apache-2.0 */
/* A platform without processes: address spaces are models of a stub's page table that tests can ask, count and break. */
#ifndef TESTS_UNIT_MM_FAKE_PLATFORM_H
#define TESTS_UNIT_MM_FAKE_PLATFORM_H

#include "platform/platform.h"

struct fake_mapping {
	uint64_t addr, len, off;
	struct platform_file *file;
	int prot;
};

/* What the stub maps at addr; NULL for nothing. Valid until the next change. */
const struct fake_mapping *fake_at(struct platform_as *as, uint64_t addr);
size_t fake_count(struct platform_as *as);
const struct fake_mapping *fake_nth(struct platform_as *as, size_t n);

/* Injected calls and batches since the start. */
struct fake_stats {
	unsigned maps, unmaps, protects, batches, populated;
	int live; /* address spaces */
};
extern struct fake_stats fake;
/* Called with every piece of a mapping that is about to be removed or replaced; NULL for nobody. */
extern void (*fake_on_removal)(const struct fake_mapping *m);
/* From the n-th change on (n = 0: the next one) every change but platform_as_clear() fails with err, until
 * fake_fail_never(). */
void fake_fail_after(int n, int err);
void fake_fail_never(void);
/* As vm.max_map_count: a change that would leave an address space more than n mappings fails with -ENOMEM. 0: no limit. */
void fake_limit_mappings(size_t n);
/* Makes as the address space of the calling thread's context. */
void fake_enter(struct platform_as *as);

#endif
