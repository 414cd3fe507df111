/* SPDX-License-Identifier: Apache-2.0 */
/* The differential test of the memory manager: seeded random sequences of memory calls and touches.
 *
 *	memory FIRST COUNT     plays COUNT sequences from seed FIRST on, prints "SEED HASH" for each
 *	memory -v SEED         plays one and prints every step
 *
 * Theory of operation. The same program runs natively and under sbx (tests/run-diff); all that it prints must be the same. So nothing
 * that it prints may depend on where the kernel puts things, on time, on other processes or on the kernel's version:
 *
 *   - mappings lie in an arena at a fixed address that both worlds leave free. What is put elsewhere by choice of the kernel is
 *     touched and removed again, or moved into the arena, without its address being told
 *   - a sequence is played by up to PROCS processes, one at a time: the first hands each step to the one whose turn it is and waits.
 *     Children are forks of one of them made in mid-sequence, so they inherit what the arena is at that time
 *   - adjacent mappings that mean the same may be one mapping or two, depending on the kernel; where a call tells (mremap of
 *     a range) it is applied to one page, or to a fresh mapping
 *   - contents that Linux leaves unspecified are not looked at (struct sequence says which)
 *
 * Each step draws what it does from its own stream of choices, so a replay of a sequence is the same whatever came before it.
 */
#include "memory.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The arena lies on both sides of a multiple of 2 MiB. */
#define ARENA_MIDDLE 0x100000000000ULL

struct sequence seq;
struct world *world;
int self, step_number;
char buffer[BUFFER_PAGES * PAGE] __attribute__((aligned(PAGE)));

/* What the first process tells another: play a step, sweep, wait for a child, or leave. */
enum order { ORDER_STEP, ORDER_SWEEP, ORDER_REAP, ORDER_LEAVE };
struct message {
	int order, argument;
};
static int orders[PROCS][2], answers[2];

uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

bool rng_one_in(struct rng *r, uint32_t n)
{
	return !rng_below(r, n);
}

static struct rng rng_for(uint64_t seed, int step)
{
	struct rng r = { seed * 0x100000001b3ULL + (uint64_t)step };

	r.state = rng_next(&r);
	return r;
}

void say(const char *format, ...)
{
	size_t room = sizeof(world->log) - world->length;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(world->log + world->length, room, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) {
		fprintf(stderr, "the log is full\n");
		_exit(2);
	}
	world->length += (uint32_t)n;
}

void say_result(long r)
{
	if (r < 0)
		say(" = %s", strerrorname_np(errno));
	else
		say(" = %ld", r);
}

struct span random_span(struct rng *r, int max)
{
	struct span s;

	/* Small ranges meet each other's edges most. */
	s.count = 1 + (int)rng_below(r, rng_one_in(r, 3) ? (uint32_t)max : 4);
	if (s.count > max)
		s.count = max;
	s.first = (int)rng_below(r, (uint32_t)(SLOTS - s.count + 1));
	return s;
}

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(2);
}

/* --- processes --- */

static void op_fork(struct rng *r);

static const struct {
	void (*play)(struct rng *r);
	const char *name;
	unsigned weight;
} ops[] = {
	{ op_mmap, "mmap", 18 },	 { op_munmap, "munmap", 8 },	     { op_mprotect, "mprotect", 12 },
	{ op_mremap, "mremap", 10 },	 { op_remap_fresh, "mremap fresh", 5 }, { op_brk, "brk", 2 },
	{ op_madvise, "madvise", 10 },	 { op_free, "madvise free", 2 },     { op_remove, "madvise remove", 2 },
	{ op_msync, "msync", 2 },	 { op_mlock, "mlock", 4 },	     { op_mincore, "mincore", 3 },
	{ op_mistake, "mistake", 2 },	 { op_touch, "touch", 24 },	     { op_transfer, "transfer", 10 },
	{ op_file_write, "file write", 3 }, { op_truncate, "truncate", 4 },  { op_process_vm, "process_vm", 5 },
	{ op_fork, "fork", 4 },
};

static void play_step(int step)
{
	struct rng r = rng_for(seq.seed, step);
	unsigned total = 0, at;
	size_t i;

	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		total += ops[i].weight;
	rng_next(&r); /* chose who plays */
	at = rng_below(&r, total);
	for (i = 0; at >= ops[i].weight; i++)
		at -= ops[i].weight;
	step_number = step;
	say("%d process %d: %s", step, self, ops[i].name);
	ops[i].play(&r);
	say("\n");
}

static void sweep_self(void)
{
	struct rng r = rng_for(seq.seed, 1000);

	say("process %d has", self);
	sweep(&r);
	say("\n");
}

static void obey(struct message m)
{
	if (m.order == ORDER_STEP)
		play_step(m.argument);
	else if (m.order == ORDER_SWEEP)
		sweep_self();
	else if (m.order == ORDER_REAP && waitpid(world->pid[m.argument], NULL, 0) < 0)
		fail("waitpid");
}

/* The life of a child. */
static void serve(void)
{
	struct message m;

	for (;;) {
		if (read(orders[self][0], &m, sizeof(m)) != sizeof(m))
			_exit(3);
		if (m.order == ORDER_LEAVE)
			_exit(0);
		obey(m);
		if (write(answers[1], "", 1) != 1)
			_exit(3);
	}
}

/* Has process who do m, and waits until it is done. */
static void order(int who, struct message m)
{
	char done;

	if (who == self) {
		obey(m);
		return;
	}
	if (write(orders[who][1], &m, sizeof(m)) != sizeof(m))
		fail("order");
	if (m.order != ORDER_LEAVE && read(answers[0], &done, 1) != 1)
		fail("answer");
}

static void dismiss(int who)
{
	order(who, (struct message){ ORDER_LEAVE, 0 });
	order(world->parent[who], (struct message){ ORDER_REAP, who });
	world->live[who] = false;
}

static bool has_children(int who)
{
	for (int i = 1; i < PROCS; i++)
		if (world->live[i] && world->parent[i] == who)
			return true;
	return false;
}

/* Played by whoever's turn it is: one process more. */
static void op_fork(struct rng *r)
{
	int slot = 1;
	pid_t pid;

	(void)r;
	while (slot < PROCS && world->live[slot])
		slot++;
	if (slot == PROCS) {
		say(" not: enough");
		return;
	}
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		self = slot;
		serve();
	}
	world->pid[slot] = pid;
	world->parent[slot] = self;
	world->live[slot] = true;
	say(" %d", slot);
}

static int whose_turn(int step)
{
	struct rng r = rng_for(seq.seed, step);
	int live[PROCS], n = 0;

	for (int i = 0; i < PROCS; i++)
		if (world->live[i])
			live[n++] = i;
	return live[rng_below(&r, (uint32_t)n)];
}

/* Now and then a process ends in mid-sequence, so that others are left with what it shared. */
static void maybe_dismiss(int step)
{
	struct rng r = rng_for(seq.seed, step + 2000);
	int who = 1 + (int)rng_below(&r, PROCS - 1);

	if (!rng_one_in(&r, 12) || !world->live[who] || has_children(who))
		return;
	dismiss(who);
	say("process %d leaves\n", who);
}

/* --- a sequence --- */

static void begin(uint64_t seed)
{
	struct rng r = rng_for(seed, -1);

	seq = (struct sequence){ .seed = seed, .steps = 24 + (int)rng_below(&r, 32) };
	seq.scale = rng_one_in(&r, 8) ? 16 : 1;
	seq.arena = (char *)(uintptr_t)(ARENA_MIDDLE - (uint64_t)rng_below(&r, SLOTS) * slot_size());
	seq.grow = rng_one_in(&r, 6);
	seq.exec = rng_one_in(&r, 5);
	seq.private_only[FILE_PLAIN] = rng_one_in(&r, 2);
	seq.private_only[FILE_MEMFD] = rng_one_in(&r, 3);
	world->length = 0;
	memset(world->live, 0, sizeof(world->live));
	world->live[0] = true;
	world->pid[0] = getpid();
	values_reset();
	files_reset(&r);
	map_some(&r);
}

static void play_sequence(uint64_t seed)
{
	begin(seed);
	for (int i = 0; i < seq.steps; i++) {
		maybe_dismiss(i);
		order(whose_turn(i), (struct message){ ORDER_STEP, i });
	}
	for (int i = 0; i < PROCS; i++)
		if (world->live[i])
			order(i, (struct message){ ORDER_SWEEP, 0 });
	for (int gone = 0; gone < PROCS; gone++) /* the youngest first */
		for (int i = 1; i < PROCS; i++)
			if (world->live[i] && !has_children(i))
				dismiss(i);
	if (munmap((char *)(uintptr_t)(ARENA_MIDDLE / 2), ARENA_MIDDLE))
		fail("munmap");
}

int main(int argc, char **argv)
{
	bool verbose = argc == 3 && !strcmp(argv[1], "-v");
	uint64_t first, count;

	if (argc != 3)
		return fprintf(stderr, "memory FIRST COUNT | memory -v SEED\n"), 2;
	first = strtoull(argv[verbose ? 2 : 1], NULL, 0);
	count = verbose ? 1 : strtoull(argv[2], NULL, 0);
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED || pipe(answers))
		fail("setup");
	for (int i = 0; i < PROCS; i++)
		if (pipe(orders[i]))
			fail("pipe");
	touch_init();
	files_init();
	for (uint64_t seed = first; seed < first + count; seed++) {
		char line[64];
		int n;

		play_sequence(seed);
		if (verbose)
			return write(1, world->log, world->length) == (ssize_t)world->length ? 0 : 1;
		n = snprintf(line, sizeof(line), "%lu %016lx\n", seed, hash_bytes(world->log, world->length));
		if (write(1, line, (size_t)n) != n)
			return 1;
	}
	return 0;
}
