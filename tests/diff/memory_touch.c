/* SPDX-License-Identifier: Apache-2.0 */
/* Touches: single accesses which may fault, and the sweep that shows what a process sees at the end. */
#include "memory.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static sigjmp_buf escape;
static volatile int signal_code; /* of the last fault */
static char *volatile signal_address;
static unsigned values;

/* The mask stays as it is (SA_NODEFER), so that neither jump costs a call. */
static void on_fault(int sig, siginfo_t *si, void *context)
{
	(void)context;
	signal_code = si->si_code;
	signal_address = si->si_addr;
	siglongjmp(escape, sig);
}

void touch_init(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

void values_reset(void)
{
	values = 0;
}

uint64_t fresh_value(void)
{
	return seq.seed << 32 | (uint64_t)step_number << 16 | (uint64_t)self << 12 | (values++ & 0xfff);
}

uint64_t hash_bytes(const void *p, size_t n)
{
	const unsigned char *at = p;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 0x100000001b3ULL;
	return h;
}

static void say_signal(const char *p, int sig)
{
	say(" %s", sigabbrev_np(sig));
	if (signal_code <= 3)
		say(" %d", signal_code);
	else
		say(" code %#x", (unsigned)signal_code);
	if (signal_address != p)
		say(" at %ld", (long)(signal_address - seq.arena));
}

/* Runs the instruction `ret` at p. */
static void call(char *p)
{
	((void (*)(void))(uintptr_t)p)();
}

static void access_word(char *p, enum touch how)
{
	volatile uint64_t *word = (volatile uint64_t *)(void *)p;
	volatile unsigned char *byte = (volatile unsigned char *)p;

	switch (how) {
	case TOUCH_READ:
		say(" %lx", *word);
		break;
	case TOUCH_WRITE:
		*word = fresh_value();
		say(" w");
		break;
	case TOUCH_EXEC:
		*byte = 0xc3;
		say(" w");
		break;
	}
}

/* Is p behind the end of a file? */
static bool behind_end(char *p)
{
	int sig = sigsetjmp(escape, 0);

	if (!sig)
		(void)*(volatile char *)p;
	return sig == SIGBUS;
}

void touch_at(char *p, enum touch how)
{
	int sig = sigsetjmp(escape, 0);

	if (sig) {
		/* Both reasons against a write, protection and the file's end, hold at once: then which of them is told is
		 * beyond what a tracer can find out. */
		if (how != TOUCH_READ && behind_end(p))
			say(" behind");
		else
			say_signal(p, sig);
	} else {
		say(" [%ld]", (long)(p - seq.arena) / PAGE);
		access_word(p, how);
	}
	if (how != TOUCH_EXEC)
		return;
	/* Where the instruction could not be put it may still be, and an execution that faults needs none. */
	sig = sigsetjmp(escape, 0);
	if (!sig) {
		if (*(volatile unsigned char *)p != 0xc3)
			return;
		call(p);
		say(" ran");
	} else if (behind_end(p)) {
		say(" behind");
	} else {
		say_signal(p, sig);
	}
}

void touch_ends(char *p, size_t size)
{
	char *last = p + size - PAGE;

	/* Addresses are the kernel's choice: tell what happens, not where. */
	for (volatile int i = 0; i < 2; i++) {
		volatile uint64_t *word = (volatile uint64_t *)(void *)(i ? last : p);
		int sig = sigsetjmp(escape, 0);

		if (sig) {
			say(" %s %d", sigabbrev_np(sig), signal_code);
			continue;
		}
		say(" %lx", *word);
		*word = fresh_value();
		say(" %lx", *word);
	}
}

/* A word of a page of the slot. The end of a page is read only: what is written behind a file's end is unspecified. */
static char *random_word(struct rng *r, int slot, enum touch how)
{
	char *p = slot_address(slot);

	if (seq.scale > 1 && rng_one_in(r, 2))
		p += slot_size() - PAGE;
	if (how == TOUCH_READ && rng_one_in(r, 4))
		p += PAGE - 8;
	return p + (how == TOUCH_EXEC ? 16 : 8 * rng_below(r, 2));
}

void touch_some(struct rng *r, struct span s)
{
	for (int n = 1 + (int)rng_below(r, 4); n; n--) {
		enum touch how = rng_one_in(r, 2) ? TOUCH_WRITE : TOUCH_READ;
		int slot = s.first + (int)rng_below(r, (uint32_t)s.count);

		if (seq.exec && rng_one_in(r, 5))
			how = TOUCH_EXEC;
		touch_at((char *)((uintptr_t)random_word(r, slot, how) & ~7UL), how);
	}
}

void op_touch(struct rng *r)
{
	struct span all = { 0, SLOTS };

	if (rng_one_in(r, 3)) { /* a walk */
		struct span s = random_span(r, SPAN_MAX);
		enum touch how = rng_one_in(r, 3) ? TOUCH_READ : TOUCH_WRITE;
		bool down = rng_one_in(r, 4);

		for (int i = 0; i < s.count; i++)
			touch_at(slot_address(down ? s.first + s.count - 1 - i : s.first + i), how);
		return;
	}
	touch_some(r, all);
}

/* A page by a call that reads it: contents, or a dot. */
static void sweep_page(char *p)
{
	struct iovec local = { buffer, PAGE }, remote = { p, PAGE };
	ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	if (n < 0)
		say(errno == EFAULT ? " ." : " %s", strerrorname_np(errno));
	else
		say(" %lx", hash_bytes(buffer, (size_t)n));
}

/* What /proc says of the arena, page by page: adjacent mappings may be one or two. */
static void sweep_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char *end = slot_address(SLOTS), line[512], perms[8], was[8] = "";
	uint64_t low, high, at = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %7s", &low, &high, perms) != 3 || high <= (uintptr_t)seq.arena - (1 << 20) ||
		    low >= (uintptr_t)end)
			continue;
		if (low != at || strcmp(perms, was))
			say(" %ld%s", (long)(low - (uintptr_t)seq.arena) / PAGE, perms);
		if (low != at && at)
			say(" (%ld)", (long)(at - (uintptr_t)seq.arena) / PAGE);
		at = high;
		memcpy(was, perms, sizeof(was));
	}
	if (f)
		fclose(f);
	say(" end %ld:", at ? (long)(at - (uintptr_t)seq.arena) / PAGE : 0);
}

void sweep(struct rng *r)
{
	bool by_touch = seq.grow || rng_one_in(r, 4);

	if (rng_one_in(r, 6))
		sweep_maps();
	for (int i = 0; i < SLOTS; i++)
		if (by_touch)
			touch_at(slot_address(i), TOUCH_READ);
		else
			sweep_page(slot_address(i));
}
