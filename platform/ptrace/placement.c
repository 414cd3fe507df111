/* SPDX-License-Identifier: Apache-2.0 */
/* Which processor a pair uses.
 *
 * A stop hands over from the stub thread to its sentry thread and back. On one processor that is a switch; on two it wakes
 * a sleeping processor, many times dearer. So both threads of a pair are pinned to one processor, that of whoever started
 * them: a parent and the child it waits for, or two ends of a pipe, hand over cheaply as well. Pinning costs nothing per call.
 *
 * What pinning breaks, a tick repairs. Every few milliseconds while any pair is busy, the tick thread
 *   - unpins a pair that has been inside the guest without a stop: it computes, and the host balances it best;
 *   - pins it again when it has begun to stop often;
 *   - moves one pair away from a processor where two or more have been busy, all the time and without sleeping, to one
 *     that has none. Pairs that sleep and wake each other stay together.
 * When nobody has been busy for a few ticks the tick thread sleeps until a pair wakes up; so an idle guest costs nothing, and
 * two guests that wake each other find the tick awake and do not touch it.
 *
 * It also looks after the one wait that cannot end by itself: a stub's first thread, killed, is reported to its tracer only
 * after all other threads have been reaped, and their tracers may be asleep.
 *
 * Lock: place.lock protects the list and the tick's own figures; nothing is taken under it.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK_NS = 4000000,
	QUIET_TICKS_TO_UNPIN = 2,
	BUSY_TICKS_TO_MOVE = 2,
	STOPS_TO_PIN = 8, /* per tick */
	SLEEPS_OF_BUSY = 1, /* per tick: more, and the pair takes part in a conversation */
	IDLE_TICKS_TO_SLEEP = 8,
	TICKS_PER_LOOK = 128, /* between looks for dead leaders */
};

static struct {
	struct mutex lock;
	LIST_HEAD(, platform_ctx) all; /* protected by lock */
	struct platform_stats gone; /* protected by lock: counters of contexts that have ended */
	cpu_set_t allowed; /* immutable after init */
	int cpus; /* immutable: how many are allowed */
	pthread_t thread;
	bool threaded;
	_Atomic bool quit;
	_Atomic uint32_t awake; /* futex: 0 while the tick thread sleeps */
} place = { .lock = MUTEX_INITIALIZER };

/* --- pinning --- */

static void pin_tid(pid_t tid, const cpu_set_t *set)
{
	/* A refusal (a changed cpuset, a thread that just died) only costs speed. */
	(void)!sched_setaffinity(tid, sizeof(*set), set);
}

static void pair_pin(struct platform_ctx *ctx, int cpu)
{
	cpu_set_t set;

	if (atomic_exchange(&ctx->cpu, cpu) == cpu)
		return;
	if (cpu < 0) {
		set = place.allowed;
	} else {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
	}
	pin_tid(ctx->tid, &set);
	pin_tid(ctx->sentry_tid, &set);
}

static void tick_wake(void)
{
	if (!atomic_exchange(&place.awake, 1))
		ptrace_futex_wake(&place.awake, 1);
}

void placement_adopt(struct platform_ctx *ctx)
{
	struct platform_ctx *self = platform_ctx_self();
	int cpu = self ? atomic_load(&self->cpu) : -1;

	if (place.cpus > 1) {
		if (cpu < 0)
			cpu = sched_getcpu();
		if (cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET(cpu, &place.allowed))
			pair_pin(ctx, cpu);
	}
	if (UNLIKELY(!atomic_load_explicit(&place.awake, memory_order_relaxed)))
		tick_wake();
}

/* The tick may have gone to sleep between the caller's last look and now; whoever becomes busy wakes it. */
void platform_block_begin(struct platform_ctx *ctx)
{
	atomic_store_explicit(&ctx->blocks, atomic_load_explicit(&ctx->blocks, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	atomic_store_explicit(&ctx->blocked, true, memory_order_relaxed);
}

void platform_block_end(struct platform_ctx *ctx)
{
	atomic_store_explicit(&ctx->blocked, false, memory_order_relaxed);
	if (UNLIKELY(!atomic_load_explicit(&place.awake, memory_order_relaxed)))
		tick_wake();
}

/* --- the list --- */

void placement_add(struct platform_ctx *ctx)
{
	mutex_lock(&place.lock);
	LIST_INSERT_HEAD(&place.all, ctx, all_link);
	mutex_unlock(&place.lock);
}

static void sum_add(struct platform_stats *s, struct platform_ctx *ctx)
{
	s->stops += atomic_load_explicit(&ctx->stops, memory_order_relaxed);
	s->syscalls += atomic_load_explicit(&ctx->syscalls, memory_order_relaxed);
	s->faults += atomic_load_explicit(&ctx->faults, memory_order_relaxed);
	s->injected_batches += atomic_load_explicit(&ctx->batches, memory_order_relaxed);
	s->injected_calls += atomic_load_explicit(&ctx->calls, memory_order_relaxed);
}

void placement_remove(struct platform_ctx *ctx)
{
	mutex_lock(&place.lock);
	LIST_REMOVE(ctx, all_link);
	sum_add(&place.gone, ctx);
	mutex_unlock(&place.lock);
}

void placement_sum(struct platform_stats *out)
{
	struct platform_ctx *ctx;

	mutex_lock(&place.lock);
	out->stops += place.gone.stops;
	out->syscalls += place.gone.syscalls;
	out->faults += place.gone.faults;
	out->injected_batches += place.gone.injected_batches;
	out->injected_calls += place.gone.injected_calls;
	LIST_FOREACH(ctx, &place.all, all_link)
		sum_add(out, ctx);
	mutex_unlock(&place.lock);
}

/* --- the tick --- */

/* How many busy pairs each processor has, and one of them that may move. */
struct tick_load {
	int busy[CPU_SETSIZE];
	struct platform_ctx *candidate[CPU_SETSIZE];
};

static int least_loaded(const struct tick_load *l)
{
	int best = -1;

	for (int c = 0; c < CPU_SETSIZE; c++)
		if (CPU_ISSET(c, &place.allowed) && (best < 0 || l->busy[c] < l->busy[best]))
			best = c;
	return best;
}

/* Accounts one pair's last tick; true if it was busy at all. */
static bool tick_pair(struct platform_ctx *ctx, struct tick_load *l)
{
	uint64_t stops = atomic_load_explicit(&ctx->stops, memory_order_relaxed), stopped = stops - ctx->seen_stops;
	uint32_t blocks = atomic_load_explicit(&ctx->blocks, memory_order_relaxed), slept = blocks - ctx->seen_blocks;
	bool blocked = atomic_load_explicit(&ctx->blocked, memory_order_relaxed);
	int cpu = atomic_load(&ctx->cpu);

	ctx->seen_stops = stops;
	ctx->seen_blocks = blocks;
	if (!atomic_load(&ctx->running) || (blocked && !stopped)) {
		ctx->quiet_ticks = ctx->busy_ticks = 0;
		return false;
	}
	if (blocked || slept > SLEEPS_OF_BUSY) {
		ctx->busy_ticks = 0;
		return true;
	}
	ctx->busy_ticks++;
	if (!stopped) {
		if (cpu >= 0 && ++ctx->quiet_ticks >= QUIET_TICKS_TO_UNPIN) {
			pair_pin(ctx, -1);
			return true;
		}
	} else {
		ctx->quiet_ticks = 0;
		if (cpu < 0 && stopped >= STOPS_TO_PIN) {
			cpu = least_loaded(l);
			pair_pin(ctx, cpu);
		}
	}
	if (cpu >= 0 && cpu < CPU_SETSIZE) {
		l->busy[cpu]++;
		if (ctx->busy_ticks >= BUSY_TICKS_TO_MOVE)
			l->candidate[cpu] = ctx;
	}
	return true;
}

/* One move a tick: what it does shows in the next. */
static void tick_balance(struct tick_load *l)
{
	int to = least_loaded(l), from = to;

	for (int c = 0; c < CPU_SETSIZE; c++)
		if (l->busy[c] > l->busy[from] && l->candidate[c])
			from = c;
	if (from >= 0 && l->busy[from] >= l->busy[to] + 2) {
		l->candidate[from]->busy_ticks = 0;
		pair_pin(l->candidate[from], to);
	}
}

static bool tick(void)
{
	struct platform_ctx *ctx;
	struct tick_load l;
	bool busy = false;

	memset(&l, 0, sizeof(l));
	mutex_lock(&place.lock);
	LIST_FOREACH(ctx, &place.all, all_link)
		busy |= tick_pair(ctx, &l);
	if (busy)
		tick_balance(&l);
	mutex_unlock(&place.lock);
	return busy;
}

/* True if the stub's first thread is dead and not reaped. */
static bool leader_is_zombie(pid_t tgid)
{
	char path[32], buf[256], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tgid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	p = strrchr(buf, ')');
	return p && p[1] == ' ' && (p[2] == 'Z' || p[2] == 'X');
}

/* Its tracer is told by hand. It may just be about to wait: then the next look tells it. */
static void look_for_dead_leaders(void)
{
	struct platform_ctx *ctx;

	mutex_lock(&place.lock);
	LIST_FOREACH(ctx, &place.all, all_link) {
		if (!ctx->first || !(atomic_load(&ctx->flags) & CTX_IN_GUEST) || atomic_load(&ctx->as->made) <= 1 ||
		    !leader_is_zombie(ctx->tgid))
			continue;
		atomic_store(&ctx->as->dead, true);
		syscall(SYS_tgkill, getpid(), ctx->sentry_tid, KICK_SIGNAL);
	}
	mutex_unlock(&place.lock);
}

static void *tick_main(void *arg)
{
	const struct timespec period = { 0, TICK_NS };
	unsigned idle = 0, n = 0;

	(void)arg;
	while (!atomic_load(&place.quit)) {
		nanosleep(&period, NULL);
		if (++n % TICKS_PER_LOOK == 0)
			look_for_dead_leaders();
		if (tick()) {
			idle = 0;
			continue;
		}
		if (++idle < IDLE_TICKS_TO_SLEEP)
			continue;
		atomic_store(&place.awake, 0);
		/* Who became busy before the store did not wake us. */
		if (tick())
			atomic_store(&place.awake, 1);
		while (!atomic_load(&place.awake) && !atomic_load(&place.quit))
			ptrace_futex_wait(&place.awake, 0);
		idle = 0;
	}
	return NULL;
}

int placement_init(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	mutex_lock(&place.lock);
	LIST_INIT(&place.all);
	memset(&place.gone, 0, sizeof(place.gone));
	mutex_unlock(&place.lock);
	CPU_ZERO(&place.allowed);
	if (sched_getaffinity(0, sizeof(place.allowed), &place.allowed))
		return -errno;
	place.cpus = CPU_COUNT(&place.allowed);
	atomic_store(&place.quit, false);
	atomic_store(&place.awake, 1);
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)256 << 10);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&place.thread, &attr, tick_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	place.threaded = !r;
	return -r;
}

void placement_shutdown(void)
{
	if (!place.threaded)
		return;
	atomic_store(&place.quit, true);
	atomic_store(&place.awake, 1);
	ptrace_futex_wake(&place.awake, 1);
	pthread_join(place.thread, NULL);
	place.threaded = false;
}
