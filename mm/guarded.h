/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic accesses to guest words that survive a fault. Copies are in mm/guest.h. See guarded.c. */
#ifndef MM_GUARDED_H
#define MM_GUARDED_H

#include "base/compiler.h"

/* Words must be aligned. 0 or -EFAULT. Both are full barriers. */
int guarded_load32(const void *p, uint32_t *value) MUST_CHECK;
/* *old receives what was there; the exchange took place if that equals expected. */
int guarded_cmpxchg32(void *p, uint32_t expected, uint32_t desired, uint32_t *old) MUST_CHECK;

#endif
