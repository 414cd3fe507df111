/* SPDX-License-Identifier: Apache-2.0 */
#include "segset_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool merge(struct range r1, void *v1, struct range r2, const void *v2)
{
	struct model_value *a = v1;
	const struct model_value *b = v2;

	return r1.end == r2.start && a->tag == b->tag && a->off + range_len(r1) == b->off;
}

static void split(struct range r, void *v, uint64_t at, void *v2)
{
	struct model_value *b = v2;

	(void)v;
	b->off += at - r.start;
}

static void print(const void *v, char *buf, size_t size)
{
	const struct model_value *a = v;

	snprintf(buf, size, "tag %" PRIu64 " off %#" PRIx64, a->tag, a->off);
}

const struct segset_ops model_ops = {
	.value_size = sizeof(struct model_value), .merge = merge, .split = split, .print = print
};
const struct segset_ops model_ops_plain = { .value_size = sizeof(struct model_value), .print = print };

uint64_t model_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

size_t model_lower(const struct model *m, uint64_t x)
{
	size_t i = 0;

	while (i < m->count && m->segs[i].r.end <= x)
		i++;
	return i;
}

void model_insert(struct model *m, struct range r, struct model_value v)
{
	size_t i = model_lower(m, r.start);

	memmove(&m->segs[i + 1], &m->segs[i], (m->count - i) * sizeof(m->segs[0]));
	m->segs[i] = (struct model_seg){ r, v };
	m->count++;
}

void model_remove(struct model *m, size_t i)
{
	memmove(&m->segs[i], &m->segs[i + 1], (m->count - i - 1) * sizeof(m->segs[0]));
	m->count--;
}

void model_split(struct model *m, size_t i, uint64_t at)
{
	struct model_seg right = m->segs[i];

	right.v.off += at - right.r.start;
	right.r.start = at;
	m->segs[i].r.end = at;
	model_insert(m, right.r, right.v);
}

bool model_merges(const struct model *m, size_t i)
{
	struct model_value v;

	if (i + 1 >= m->count)
		return false;
	v = m->segs[i].v;
	return merge(m->segs[i].r, &v, m->segs[i + 1].r, &m->segs[i + 1].v);
}

void model_merge(struct model *m, size_t i)
{
	m->segs[i].r.end = m->segs[i + 1].r.end;
	model_remove(m, i + 1);
}

struct range model_gap(const struct model *m, size_t i)
{
	return range_make(i > 0 ? m->segs[i - 1].r.end : 0, i < m->count ? m->segs[i].r.start : UINT64_MAX);
}

bool model_equal(const struct model *m, const struct segset *s)
{
	struct seg g = segset_first(s), last = { NULL, 0 };
	bool good = segset_check(s) && s->count == m->count;
	size_t i = 0;

	for (; good && seg_ok(g); last = g, g = seg_next(g), i++)
		good = i < m->count && seg_start(g) == m->segs[i].r.start &&
		       seg_end(g) == m->segs[i].r.end && !memcmp(seg_value(g), &m->segs[i].v, sizeof(m->segs[i].v)) &&
		       seg_prev(g).node == last.node && (!last.node || seg_prev(g).slot == last.slot);
	good = good && i == m->count && segset_last(s).node == last.node;
	if (!good) {
		fprintf(stderr, "the set differs from its model at segment %zu\n", i);
		segset_dump(s);
	}
	return good;
}
