/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that advise, lock, ask what is resident, and call with mistakes. */
#include "memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say_span(struct span s)
{
	say(" [%d+%d)", s.first * seq.scale, s.count * seq.scale);
}

void op_madvise(struct rng *r)
{
	static const struct {
		int advice;
		const char *name;
	} advices[] = { { MADV_DONTNEED, "DONTNEED" },
			{ MADV_DONTNEED, "DONTNEED" },
			{ MADV_DONTNEED, "DONTNEED" },
			{ MADV_DONTFORK, "DONTFORK" },
			{ MADV_DOFORK, "DOFORK" },
			{ MADV_WIPEONFORK, "WIPEONFORK" },
			{ MADV_KEEPONFORK, "KEEPONFORK" },
			{ MADV_POPULATE_READ, "POPULATE_READ" },
			{ MADV_POPULATE_WRITE, "POPULATE_WRITE" },
			{ MADV_WILLNEED, "WILLNEED" },
			{ MADV_RANDOM, "RANDOM" } };
	size_t i = rng_below(r, sizeof(advices) / sizeof(*advices));
	struct span s = random_span(r, SPAN_MAX);

	if (seq.grow && (advices[i].advice == MADV_POPULATE_READ || advices[i].advice == MADV_POPULATE_WRITE))
		return;
	say(" %s", advices[i].name);
	say_span(s);
	say_result(madvise(span_start(s), span_size(s), advices[i].advice));
	if (rng_one_in(r, 3))
		touch_some(r, s);
}

/* What is read after MADV_FREE depends on when memory is short, so it is thrown away for certain next. */
void op_free(struct rng *r)
{
	struct span s = random_span(r, SPAN_MAX);

	say_span(s);
	say_result(madvise(span_start(s), span_size(s), MADV_FREE));
	say_result(madvise(span_start(s), span_size(s), MADV_DONTNEED));
}

/* Of fresh shared mappings that allow writing: older kernels look at what a mapping allows now, newer ones at what it could. */
void op_remove(struct rng *r)
{
	struct span s = random_span(r, SPAN_MAX), part = { s.first, 1 + (int)rng_below(r, (uint32_t)s.count) };
	int flags = MAP_SHARED | MAP_FIXED;
	int fd = -1;

	if (!seq.private_only[FILE_MEMFD] && rng_one_in(r, 2))
		fd = fds[FILE_MEMFD];
	if (mmap(span_start(s), span_size(s), PROT_READ | PROT_WRITE, fd < 0 ? flags | MAP_ANONYMOUS : flags, fd, 0) == MAP_FAILED) {
		say_result(-1);
		return;
	}
	touch_some(r, s);
	say_span(part);
	say_result(madvise(span_start(part), span_size(part), MADV_REMOVE));
	touch_some(r, s);
}

void op_msync(struct rng *r)
{
	static const int flags[] = { MS_SYNC, MS_ASYNC, MS_INVALIDATE, MS_SYNC | MS_INVALIDATE, MS_SYNC | MS_ASYNC, 0 };
	struct span s = random_span(r, SPAN_MAX);
	int f = flags[rng_below(r, sizeof(flags) / sizeof(*flags))];

	say_span(s);
	say(" flags %d", f);
	say_result(msync(span_start(s), span_size(s), f));
}

void op_mlock(struct rng *r)
{
	struct span s = random_span(r, 8);
	int how = seq.grow ? 2 : (int)rng_below(r, 4);

	say_span(s);
	say(how == 0 ? " lock" : how == 1 ? " lock on fault" : " unlock");
	if (how == 0)
		say_result(mlock(span_start(s), span_size(s)));
	else if (how == 1)
		say_result(syscall(SYS_mlock2, span_start(s), span_size(s), 1));
	else
		say_result(munlock(span_start(s), span_size(s)));
}

static void say_residency(struct span s)
{
	unsigned char vec[SLOTS * 16];
	int r = mincore(span_start(s), span_size(s), vec);

	if (r) {
		say_result(r);
		return;
	}
	say(" ");
	for (int i = 0; i < s.count; i++)
		say("%d", vec[i] & 1);
}

/* The errno of any range; what is there of fresh private memory. In small arenas: huge pages come as a whole. */
void op_mincore(struct rng *r)
{
	struct span s = random_span(r, SPAN_MAX);
	unsigned char vec[SLOTS * 16];

	say_span(s);
	if (seq.scale > 1 || rng_one_in(r, 2)) {
		say_result(mincore(span_start(s), span_size(s), vec));
		return;
	}
	if (mmap(span_start(s), span_size(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
		say_result(-1);
		return;
	}
	say_residency(s);
	touch_some(r, s);
	say_residency(s);
	say_result(madvise(span_start(s), slot_size(), MADV_DONTNEED));
	say_residency(s);
}

/* Arguments that no call may take. */
void op_mistake(struct rng *r)
{
	struct span s = random_span(r, 4);
	char *p = span_start(s), *top = (char *)~(uintptr_t)0xfff;
	size_t n = span_size(s);

	switch (rng_below(r, 14)) {
	case 0:
		say_result((long)mmap(p + 8, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		break;
	case 1:
		say_result((long)mmap(p, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		break;
	case 2:
		say_result((long)mmap(p, ~(size_t)0 - PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		break;
	case 3:
		say_result((long)mmap(p, n, PROT_READ, MAP_FIXED | MAP_ANONYMOUS, -1, 0));
		break;
	case 4:
		say_result((long)mmap(p, n, PROT_READ, MAP_SHARED | MAP_FIXED, fds[FILE_PLAIN], 0x7ffffffffffff000));
		break;
	case 5:
		say_result((long)mmap(p, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fds[FILE_OLD], 0));
		break;
	case 6:
		say_result(munmap(p + 1, n));
		break;
	case 7:
		say_result(munmap(p, 0));
		break;
	case 8:
		say_result(munmap(top, 2 * PAGE));
		break;
	case 9:
		say_result(mprotect(p + 1, n, PROT_READ));
		break;
	case 10:
		say_result(mprotect(top, 2 * PAGE, PROT_READ));
		break;
	case 11:
		say_result((long)mremap(p + 1, n, n, MREMAP_MAYMOVE));
		break;
	case 12:
		say_result((long)mremap(p, n, 0, MREMAP_MAYMOVE));
		break;
	case 13:
		say_result(madvise(p + 1, n, MADV_DONTNEED));
		break;
	}
}
