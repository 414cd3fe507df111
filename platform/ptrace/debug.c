/* SPDX-License-Identifier: Apache-2.0 */
/* Debug registers of stub threads.
 *
 * Only a context whose guest has any makes the host look at them: before the next resumption, and once more when the pair runs another
 * function. Injected code cannot hit one: it lies in the stub pages, which are never watched, and the host does not report what
 * its own calls do to a guest's memory. New stub threads begin without, as every child does.
 *
 * The order matters, as the host checks a place whole whenever a part of it changes: with DR7 cleared each place is one byte long, and
 * every address is fine; then come the addresses, and then DR7 in one piece. */
#include "base/log.h"
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>

enum { DR_STATUS = 6, DR_CONTROL = 7, ENABLE_BITS = 2, ENABLE_MASK = 3 };

static size_t debug_offset(unsigned n)
{
	return offsetof(struct user, u_debugreg) + n * sizeof(uint64_t);
}

void platform_debug_set(struct platform_ctx *ctx, const uint64_t addr[PLATFORM_DEBUG_PLACES], uint64_t control)
{
	/* Nothing that is disabled matters to the thread. */
	if (!control && !ctx->debug_control)
		return;
	memcpy(ctx->debug_addr, addr, sizeof(ctx->debug_addr));
	ctx->debug_control = control;
	for (unsigned i = 0; i < PLATFORM_DEBUG_PLACES; i++) {
		if (addr[i] < layout.max_addr)
			continue;
		ctx->debug_addr[i] = 0;
		ctx->debug_control &= ~((uint64_t)ENABLE_MASK << (i * ENABLE_BITS));
	}
	ctx->debug_stale = true;
}

static long put(struct platform_ctx *ctx, unsigned n, uint64_t value)
{
	return ptrace(PTRACE_POKEUSER, ctx->tid, debug_offset(n), value);
}

int debug_flush(struct platform_ctx *ctx)
{
	long r = put(ctx, DR_CONTROL, 0);

	for (unsigned i = 0; !r && i < PLATFORM_DEBUG_PLACES; i++)
		r = put(ctx, i, ctx->debug_addr[i]);
	if (!r)
		r = put(ctx, DR_CONTROL, ctx->debug_control);
	if (r && errno == ESRCH)
		return ctx_died(ctx);
	/* Somebody else has taken the processor's registers: the guest runs on, and nothing stops it. */
	if (r)
		log_debug("the host refuses debug registers: %s", strerror(errno));
	ctx->debug_stale = false;
	return 0;
}

int debug_read_status(struct platform_ctx *ctx, uint64_t *out)
{
	errno = 0;
	*out = (uint64_t)ptrace(PTRACE_PEEKUSER, ctx->tid, debug_offset(DR_STATUS), NULL);
	return errno ? ctx_died(ctx) : 0;
}
