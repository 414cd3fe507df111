/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the differential test of the memory manager share. See memory.c for the theory of operation. */
#ifndef TESTS_DIFF_MEMORY_H
#define TESTS_DIFF_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	PAGE = 4096,
	SLOTS = 48, /* of the arena: what ranges are made of */
	SPAN_MAX = 12, /* slots of the longest range of a step */
	PROCS = 3, /* at most at the same time */
	BUFFER_PAGES = 8,
};

/* A stream of choices. Every step has its own, made of the seed and the step's number, so that whoever plays it makes the same. */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n);
/* True once in n times. */
bool rng_one_in(struct rng *r, uint32_t n);

/* The files that are mapped. */
enum { FILE_PLAIN, FILE_MEMFD, FILE_OLD, FILE_ZERO, FILE_SINK, FILES };

/* What holds for a whole sequence; the same in every process that plays it. */
struct sequence {
	uint64_t seed;
	int steps;
	char *arena;
	int scale; /* pages of a slot */
	/* Things whose results depend on the kernel's version or on the machine when they are mixed with others. */
	bool exec; /* PROT_EXEC may be asked for; without /dev/zero, whose mount may forbid it */
	bool grow; /* MAP_GROWSDOWN; without accesses that only some kernels let grow a stack */
	/* A file is mapped shared and written to, or mapped privately and only truncated: whether a private mapping shows what
	 * is written to the file later is unspecified. */
	bool private_only[2];
};
extern struct sequence seq;
extern int step_number;

/* Shared by all processes. */
struct world {
	pid_t pid[PROCS];
	int parent[PROCS];
	bool live[PROCS];
	uint32_t length;
	char log[1 << 17];
};
extern struct world *world;
extern int self; /* this process's number */

extern int fds[FILES];
extern char buffer[BUFFER_PAGES * PAGE];

/* Appends to the log of the sequence. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* " = 3" or " = ENOMEM" from what a system call returned, errno included. */
void say_result(long r);

/* A range of slots. */
struct span {
	int first, count;
};
struct span random_span(struct rng *r, int max);
static inline char *slot_address(int slot)
{
	return seq.arena + (size_t)slot * (size_t)seq.scale * PAGE;
}
static inline char *span_start(struct span s)
{
	return slot_address(s.first);
}
static inline size_t span_size(struct span s)
{
	return (size_t)s.count * (size_t)seq.scale * PAGE;
}
static inline size_t slot_size(void)
{
	return (size_t)seq.scale * PAGE;
}

/* --- memory_touch.c --- */
void touch_init(void);
enum touch { TOUCH_READ, TOUCH_WRITE, TOUCH_EXEC };
/* One access to the word at p, and what came of it, in the log. */
void touch_at(char *p, enum touch how);
/* The first and the last page of a mapping: written if that can be, else read. */
void touch_ends(char *p, size_t size);
/* The same for pages of a range that r chooses. */
void touch_some(struct rng *r, struct span s);
void op_touch(struct rng *r);
/* Every page of the arena: contents or signals. */
void sweep(struct rng *r);
/* A value that nothing else wrote. */
uint64_t fresh_value(void);
void values_reset(void);
uint64_t hash_bytes(const void *p, size_t n);

/* --- memory_map.c: the mapping calls --- */
/* The arena as a sequence finds it: about half full. */
void map_some(struct rng *r);
void op_mmap(struct rng *r);
void op_munmap(struct rng *r);
void op_mprotect(struct rng *r);
void op_mremap(struct rng *r);
void op_remap_fresh(struct rng *r);
void op_brk(struct rng *r);
/* Maps fresh memory at s, MAP_FIXED, from a source that r chooses; false if that was refused. */
bool map_fresh(struct rng *r, struct span s, int prot, bool shared);

/* --- memory_advise.c: advice, locks and residency --- */
void op_madvise(struct rng *r);
void op_free(struct rng *r);
void op_remove(struct rng *r);
void op_msync(struct rng *r);
void op_mlock(struct rng *r);
void op_mincore(struct rng *r);
void op_mistake(struct rng *r);

/* --- memory_files.c: files and other processes' memory --- */
void files_init(void);
void files_reset(struct rng *r);
void op_transfer(struct rng *r);
void op_file_write(struct rng *r);
void op_truncate(struct rng *r);
void op_process_vm(struct rng *r);

#endif
