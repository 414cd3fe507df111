/* SPDX-License-Identifier: Apache-2.0 */
/* A segment set as a sorted array: what the B-tree is compared with. */
#ifndef TESTS_UNIT_MM_SEGSET_MODEL_H
#define TESTS_UNIT_MM_SEGSET_MODEL_H

#include "mm/segset.h"

/* Segments merge if they have one tag and their offsets go on; splitting divides the offsets. */
struct model_value {
	uint64_t tag, off;
};

struct model_seg {
	struct range r;
	struct model_value v;
};

enum { MODEL_MAX = 8192 };

struct model {
	size_t count;
	struct model_seg segs[MODEL_MAX];
};

extern const struct segset_ops model_ops, model_ops_plain;

uint64_t model_random(uint64_t *state);
/* The index of the first segment that ends after x. */
size_t model_lower(const struct model *m, uint64_t x);
void model_insert(struct model *m, struct range r, struct model_value v);
void model_remove(struct model *m, size_t i);
void model_split(struct model *m, size_t i, uint64_t at);
bool model_merges(const struct model *m, size_t i); /* i with i + 1 */
void model_merge(struct model *m, size_t i);
struct range model_gap(const struct model *m, size_t i); /* the gap before segment i */
/* Compares and checks; prints and dumps on a difference. */
bool model_equal(const struct model *m, const struct segset *s);

#endif
