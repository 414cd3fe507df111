/* SPDX-License-Identifier: Apache-2.0 */
/* A guest of a few instructions, run on a context until the test's function is satisfied. */
#ifndef TESTS_UNIT_PLATFORM_HARNESS_H
#define TESTS_UNIT_PLATFORM_HARNESS_H

#include "platform/platform.h"
#include "tests/support/asserts.h"

#include <semaphore.h>

#define BLOBS(X)                                                                                                       \
	X(guest_getpid)                                                                                                \
	X(guest_spin)                                                                                                  \
	X(guest_read)                                                                                                  \
	X(guest_write)                                                                                                 \
	X(guest_jump)                                                                                                  \
	X(guest_int80)                                                                                                 \
	X(guest_x32)                                                                                                   \
	X(guest_vsyscall)                                                                                              \
	X(guest_traps)                                                                                                 \
	X(guest_xmm)                                                                                                   \
	X(guest_poke_loop)                                                                                             \
	X(guest_beat)                                                                                                  \
	X(guest_registers)
#define DECLARE_BLOB(name) extern const char name[], name##_end[];
BLOBS(DECLARE_BLOB)

enum { CODE = 0x10000000, DATA = 0x20000000, BEATS = 0x28000000 };

struct guest {
	struct platform_as *as;
	struct platform_file file; /* page 0: code; the others: data */
	unsigned char *bytes; /* the sentry's view of it */
	sem_t done;
	void (*fn)(struct guest *g, struct platform_ctx *ctx);
	struct platform_ctx *_Atomic ctx;
	void *arg;
	_Atomic int flag, round, changed; /* the test's */
	sem_t round_begins; /* the test's */
};

/* Starts the platform, ends it after the test: .init and .fini of the suites. */
void harness_init(void);
void harness_fini(void);

/* An address space with the blob at CODE. */
void guest_new(struct guest *g, const char *blob, const char *end);
#define GUEST_NEW(g, name) guest_new(g, name, name##_end)
void guest_free(struct guest *g);
/* Starts fn on a context of g and does not wait; guest_wait() does, until the pair is parked. */
void guest_begin(struct guest *g, void (*fn)(struct guest *g, struct platform_ctx *ctx));
void guest_wait(struct guest *g);
void guest_run(struct guest *g, void (*fn)(struct guest *g, struct platform_ctx *ctx));
/* Registers of a fresh guest: rip at CODE, a stack at the end of the data page. */
void guest_regs(struct platform_ctx *ctx, uint64_t rdi, uint64_t rsi);
void guest_map_code(struct guest *g);
void guest_map_data(struct guest *g, int prot);
/* Runs once. */
void expect(struct platform_ctx *ctx, enum platform_event_kind kind);
/* A counter page for guest_beat, which increments the word at rdi for ever; mapped at BEATS. */
void guest_map_beats(struct guest *g);
/* Waits until a guest's counter moves: it runs now. */
void guest_await_beat(struct guest *g);

/* Gives the processor away once: for loops that wait for what another thread is certain to do. */
void pause_a_little(void);
/* No function of as runs any more. */
void as_settle(struct platform_as *as);

/* One function on one guest of its own. */
#define RUN_TEST_GUEST(blob, fn)                                                                                       \
	do {                                                                                                           \
		struct guest guest_;                                                                                   \
		GUEST_NEW(&guest_, blob);                                                                              \
		guest_run(&guest_, fn);                                                                                \
		guest_free(&guest_);                                                                                   \
	} while (0)

#endif
