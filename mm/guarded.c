/* SPDX-License-Identifier: Apache-2.0 */
/* Guarded access to memory that may vanish.
 *
 * Theory of operation. A page of a mapped file is gone once the file is truncated; whoever touches it then gets SIGBUS. The
 * sentry touches such pages only with the instructions in guarded_asm.S. The signal handler knows these: if the faulting instruction
 * lies in one of the ranges below, it lets the thread go on at the range's exit, with all other registers as they are, and
 * the routine returns how much is left. There is no setjmp and no per-thread state, so a guarded copy costs what a copy
 * costs, nests, and may run in a signal handler.
 *
 * A fault anywhere else is a bug of the sentry: the handler puts back what was installed before it and returns, so that the
 * instruction faults once more and the process ends as it would have, with the right core file, or in a sanitizer's report.
 *
 * Requirement: no sentry thread blocks SIGSEGV or SIGBUS; the host kills a process that faults with the signal blocked.
 */
#include "mm/guest.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

size_t guarded_copy_asm(void *dst, const void *src, size_t n);
size_t guarded_zero_asm(void *dst, size_t n);
int guarded_load32_asm(const void *p, uint32_t *value);
int guarded_cmpxchg32_asm(void *p, uint32_t expected, uint32_t desired, uint32_t *old);

extern const char guarded_copy_words[], guarded_copy_words_end[], guarded_copy_tail[], guarded_copy_tail_end[];
extern const char guarded_copy_retry[], guarded_copy_bytes[], guarded_copy_bytes_end[], guarded_copy_out[];
extern const char guarded_zero_bytes[], guarded_zero_out[];
extern const char guarded_load32_access[], guarded_load32_done[], guarded_word_failed[];
extern const char guarded_cmpxchg32_access[], guarded_cmpxchg32_done[];

static const struct {
	const char *start, *end, *go_on;
} exits[] = {
	{ guarded_copy_words, guarded_copy_words_end, guarded_copy_retry },
	{ guarded_copy_tail, guarded_copy_tail_end, guarded_copy_out },
	{ guarded_copy_bytes, guarded_copy_bytes_end, guarded_copy_out },
	{ guarded_zero_bytes, guarded_zero_out, guarded_zero_out },
	{ guarded_load32_access, guarded_load32_done, guarded_word_failed },
	{ guarded_cmpxchg32_access, guarded_cmpxchg32_done, guarded_word_failed },
};

static struct sigaction old_segv, old_bus;

static void handle_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	/* si_code > 0: the kernel's own, not what somebody sent while a copy ran. */
	for (size_t i = 0; info->si_code > 0 && i < ARRAY_SIZE(exits); i++) {
		if (*rip < (greg_t)(uintptr_t)exits[i].start || *rip >= (greg_t)(uintptr_t)exits[i].end)
			continue;
		*rip = (greg_t)(uintptr_t)exits[i].go_on;
		return;
	}
	sigaction(sig, sig == SIGSEGV ? &old_segv : &old_bus, NULL);
	if (info->si_code <= 0)
		raise(sig); /* stays pending until the handler returns */
}

void guarded_init(void)
{
	struct sigaction sa = { .sa_sigaction = handle_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static bool done;
	sigset_t set;

	if (done)
		return;
	done = true;
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGSEGV, &sa, &old_segv) || sigaction(SIGBUS, &sa, &old_bus))
		panic("cannot handle faults: %s", strerror(errno));
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGBUS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

size_t guarded_copy(void *dst, const void *src, size_t n)
{
	return n - guarded_copy_asm(dst, src, n);
}

size_t guarded_zero(void *dst, size_t n)
{
	return n - guarded_zero_asm(dst, n);
}

bool guarded_load32(const uint32_t *word, uint32_t *value)
{
	return !guarded_load32_asm(word, value);
}

bool guarded_cmpxchg32(uint32_t *word, uint32_t expected, uint32_t desired, uint32_t *old)
{
	return !guarded_cmpxchg32_asm(word, expected, desired, old);
}
