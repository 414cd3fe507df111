/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that map, unmap, move and protect. */
#include "memory.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* What a mapping is made from. */
enum source { FROM_NOTHING, FROM_SHARED, FROM_PLAIN, FROM_MEMFD, FROM_OLD, FROM_ZERO, SOURCES };

static const struct {
	int fd; /* index, or -1 */
	const char *name;
} sources[SOURCES] = {
	{ -1, "anonymous" }, { -1, "shared" }, { FILE_PLAIN, "plain" }, { FILE_MEMFD, "memfd" }, { FILE_OLD, "old" }, { FILE_ZERO, "zero" },
};

struct request {
	enum source source;
	struct span span;
	int prot, flags;
	off_t offset;
	char *addr;
};

static int random_prot(struct rng *r)
{
	static const int prots[] = { PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };
	int prot = prots[rng_below(r, sizeof(prots) / sizeof(*prots))];

	/* Never without PROT_READ: whether the processor can keep that apart depends on the processor. */
	return seq.exec && (prot & PROT_READ) && rng_one_in(r, 2) ? prot | PROT_EXEC : prot;
}

static void choose_source(struct rng *r, struct request *q, bool shared)
{
	do {
		static const unsigned char weighted[] = { FROM_NOTHING, FROM_NOTHING, FROM_NOTHING, FROM_SHARED, FROM_PLAIN,
							  FROM_PLAIN,	FROM_MEMFD,   FROM_MEMFD,   FROM_OLD,	 FROM_ZERO };

		q->source = weighted[rng_below(r, sizeof(weighted))];
	} while ((q->source == FROM_ZERO && seq.exec) || (shared && (q->source == FROM_NOTHING || q->source == FROM_OLD)));
	q->offset = sources[q->source].fd < 0 ? 0 : (off_t)(rng_below(r, 12) * slot_size());
	q->flags = MAP_PRIVATE;
	if (q->source == FROM_SHARED || shared || (q->source == FROM_ZERO && rng_one_in(r, 2)))
		q->flags = MAP_SHARED;
	if ((q->source == FROM_PLAIN || q->source == FROM_MEMFD) && !shared)
		q->flags = seq.private_only[sources[q->source].fd] ? MAP_PRIVATE : MAP_SHARED;
	if (q->source == FROM_OLD && rng_one_in(r, 3))
		q->flags = MAP_SHARED;
	if (q->flags == MAP_SHARED && rng_one_in(r, 6))
		q->flags = MAP_SHARED_VALIDATE;
	if (sources[q->source].fd < 0)
		q->flags |= MAP_ANONYMOUS;
}

static void choose_flags(struct rng *r, struct request *q)
{
	static const int some[] = { MAP_POPULATE, MAP_NORESERVE, MAP_STACK, MAP_LOCKED, MAP_DENYWRITE };

	if (rng_one_in(r, 4))
		q->flags |= some[rng_below(r, sizeof(some) / sizeof(*some))];
	if (seq.grow && rng_one_in(r, 3))
		q->flags |= MAP_GROWSDOWN;
	q->addr = span_start(q->span);
	switch (rng_below(r, 12)) {
	case 0:
	case 1:
		q->flags |= MAP_FIXED_NOREPLACE;
		break;
	case 2:
	case 3: /* a hint */
		q->addr += rng_one_in(r, 4) ? rng_below(r, PAGE) : 0;
		break;
	case 4:
		q->addr = NULL;
		q->flags |= rng_one_in(r, 2) ? MAP_32BIT : 0;
		break;
	default:
		q->flags |= MAP_FIXED;
	}
}

static void say_request(const struct request *q)
{
	say(" %s [%d+%d) prot %d flags %#x off %ld", sources[q->source].name, q->span.first * seq.scale, q->span.count * seq.scale,
	    q->prot, (unsigned)q->flags, (long)q->offset / PAGE);
}

static bool in_arena(const char *p)
{
	return p >= seq.arena && p < slot_address(SLOTS);
}

/* Tells what mmap or mremap gave, and touches it where it lies in the arena, on s. True: it lies elsewhere and is the caller's to end. */
static bool lies_elsewhere(struct rng *r, char *p, struct span s)
{
	if (p == MAP_FAILED) {
		say_result(-1);
		return false;
	}
	if (in_arena(p)) {
		say(" = %ld", (long)(p - seq.arena) / PAGE);
		if (rng_one_in(r, 2))
			touch_some(r, s);
		return false;
	}
	say(" elsewhere");
	return true;
}

/* A mapping that the kernel placed: looked at, then removed or moved into the arena. */
static void use_elsewhere(struct rng *r, const struct request *q, char *p)
{
	size_t size = span_size(q->span);

	if (q->flags & MAP_32BIT && (uintptr_t)p + size > 1UL << 31)
		say(" too high");
	touch_ends(p, size);
	if (rng_one_in(r, 2)) {
		char *to = mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, span_start(q->span));

		if (to != MAP_FAILED) {
			say(" moved in");
			return;
		}
		say(" mremap");
		say_result(-1);
	}
	if (munmap(p, size))
		say_result(-1);
}

void op_mmap(struct rng *r)
{
	struct request q = { .span = random_span(r, SPAN_MAX) };
	size_t size = span_size(q.span);
	char *p;

	choose_source(r, &q, false);
	choose_flags(r, &q);
	q.prot = random_prot(r);
	if (rng_one_in(r, 8))
		size -= rng_below(r, PAGE);
	say_request(&q);
	p = mmap(q.addr, size, q.prot, q.flags, sources[q.source].fd < 0 ? -1 : fds[sources[q.source].fd], q.offset);
	if (lies_elsewhere(r, p, q.span))
		use_elsewhere(r, &q, p);
}

bool map_fresh(struct rng *r, struct span s, int prot, bool shared)
{
	struct request q = { .span = s, .prot = prot };
	void *p;

	choose_source(r, &q, shared);
	q.flags |= MAP_FIXED;
	say_request(&q);
	p = mmap(span_start(s), span_size(s), prot, q.flags, sources[q.source].fd < 0 ? -1 : fds[sources[q.source].fd], q.offset);
	if (p == MAP_FAILED)
		say_result(-1);
	return p != MAP_FAILED;
}

void map_some(struct rng *r)
{
	say("at first");
	for (int i = 0; i < 5; i++)
		if (map_fresh(r, random_span(r, SPAN_MAX), random_prot(r), false) && rng_one_in(r, 2))
			touch_some(r, (struct span){ 0, SLOTS });
	say("\n");
}

void op_munmap(struct rng *r)
{
	struct span s = random_span(r, SPAN_MAX);

	say(" [%d+%d)", s.first * seq.scale, s.count * seq.scale);
	say_result(munmap(span_start(s), span_size(s) - (rng_one_in(r, 6) ? rng_below(r, PAGE) : 0)));
}

void op_mprotect(struct rng *r)
{
	struct span s = random_span(r, SPAN_MAX);
	int prot = random_prot(r);

	say(" [%d+%d) prot %d", s.first * seq.scale, s.count * seq.scale, prot);
	say_result(mprotect(span_start(s), span_size(s), prot));
	if (rng_one_in(r, 3))
		touch_some(r, s);
}

/* mremap of [old, old + old_size) as r chooses, and what came of it. */
static void remap(struct rng *r, char *old, size_t old_size)
{
	static const int choices[] = { 0,
				       MREMAP_MAYMOVE,
				       MREMAP_MAYMOVE,
				       MREMAP_MAYMOVE | MREMAP_FIXED,
				       MREMAP_MAYMOVE | MREMAP_FIXED,
				       MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
				       MREMAP_FIXED };
	int flags = choices[rng_below(r, sizeof(choices) / sizeof(*choices))];
	struct span to = random_span(r, 6);
	size_t size = flags & MREMAP_DONTUNMAP && !rng_one_in(r, 8) ? old_size : span_size(to);
	char *p;

	/* Which of two mistakes is told differs between kernels, so ranges that overlap are left out. */
	if (span_start(to) < old + old_size && old < span_start(to) + size)
		return;
	say(" %ld pages at %ld to %ld flags %d at %d", (long)old_size / PAGE, (long)(old - seq.arena) / PAGE, (long)size / PAGE, flags,
	    to.first * seq.scale);
	p = mremap(old, old_size, size, flags, span_start(to));
	if (!lies_elsewhere(r, p, to))
		return;
	touch_ends(p, size);
	/* At home in the arena, or gone. */
	if (!rng_one_in(r, 2) || mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, span_start(to)) == MAP_FAILED)
		munmap(p, size);
}

/* One slot is one mapping for certain, unless it is of several pages and a stack has grown into it. */
void op_mremap(struct rng *r)
{
	char *old = slot_address((int)rng_below(r, SLOTS));
	/* A second view exists of shared memory only. */
	size_t old_size = rng_one_in(r, 8) ? 0 : seq.scale == 1 ? PAGE : (size_t)PAGE * (1 + rng_below(r, 2) * 15);

	remap(r, old, old_size);
}

void op_remap_fresh(struct rng *r)
{
	struct span s = random_span(r, SPAN_MAX), part;

	if (!map_fresh(r, s, PROT_READ | PROT_WRITE, false))
		return;
	touch_some(r, s);
	part.count = 1 + (int)rng_below(r, (uint32_t)s.count);
	part.first = s.first + (int)rng_below(r, (uint32_t)(s.count - part.count + 1));
	remap(r, span_start(part), span_size(part));
}

/* The heap grows, is used and shrinks again: what malloc has of it stays as it is. */
void op_brk(struct rng *r)
{
	size_t n = (1 + rng_below(r, 600)) * PAGE;
	char *was = sbrk((intptr_t)n), *end;

	if (was == (void *)-1) {
		say_result(-1);
		return;
	}
	end = (char *)(((uintptr_t)was + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
	say(" +%zu", n / PAGE);
	touch_ends(end, n - PAGE * (end > was) + PAGE * (n == PAGE && end > was));
	say(" %d", (char *)sbrk(-(intptr_t)(n / 2)) == was + n);
	say(" %d", brk(was));
	say(" %d", (char *)sbrk(0) == was);
}
