/* SPDX-License-Identifier: Apache-2.0 */
/* futex(2), operation by operation: what each returns, whom it wakes, what it refuses. A waiter is known to wait when the kernel counts it:
 * waking is tried until somebody has been woken, so nothing depends on time. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long futex(uint32_t *addr, int op, uint32_t val, const void *timeout, uint32_t *addr2, uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static void check(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
}

static uint32_t a, b;
static const struct timespec past = { 0, 1 }, bad = { 0, 1000000000 }, negative = { -1, 0 };

static void errors(void)
{
	uint32_t *unaligned = (uint32_t *)((char *)&a + 1);

	a = 1;
	check("wait, another value", futex(&a, FUTEX_WAIT, 0, NULL, NULL, 0));
	check("wait, no time left", futex(&a, FUTEX_WAIT, 1, &past, NULL, 0));
	check("wait, bad time", futex(&a, FUTEX_WAIT, 1, &bad, NULL, 0));
	check("wait, negative time", futex(&a, FUTEX_WAIT, 1, &negative, NULL, 0));
	check("wait, unreadable time", futex(&a, FUTEX_WAIT, 1, (void *)8, NULL, 0));
	check("wait, unaligned", futex(unaligned, FUTEX_WAIT, 1, NULL, NULL, 0));
	check("wait, nothing there", futex((uint32_t *)16, FUTEX_WAIT, 1, NULL, NULL, 0));
	check("wake, nobody", futex(&a, FUTEX_WAKE, 1, NULL, NULL, 0));
	check("wake, unaligned", futex(unaligned, FUTEX_WAKE, 1, NULL, NULL, 0));
	check("wake, nothing there", futex((uint32_t *)16, FUTEX_WAKE, 1, NULL, NULL, 0));
	check("wake private, nothing there", futex((uint32_t *)16, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	check("no such operation", futex(&a, 77, 1, NULL, NULL, 0));
	check("the former FD", futex(&a, FUTEX_FD, 1, NULL, NULL, 0));
	check("bitset 0, wait", futex(&a, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0));
	check("bitset 0, wake", futex(&a, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
	check("bitset, no time left", futex(&a, FUTEX_WAIT_BITSET, 1, &past, NULL, 1));
	check("bitset, no time left, real time", futex(&a, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &past, NULL, 1));
	check("wake, real time", futex(&a, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
	check("requeue, nobody", futex(&a, FUTEX_REQUEUE, 1, (void *)1L, &b, 0));
	check("requeue, negative", futex(&a, FUTEX_REQUEUE, 1, (void *)-1L, &b, 0));
	check("compare, another value", futex(&a, FUTEX_CMP_REQUEUE, 1, (void *)1L, &b, 7));
	check("compare, the same", futex(&a, FUTEX_CMP_REQUEUE, 1, (void *)1L, &b, 1));
	check("compare, unaligned second", futex(&a, FUTEX_CMP_REQUEUE, 1, (void *)1L, unaligned, 1));
	check("lock, unaligned", futex(unaligned, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	a = 0;
	check("unlock, not mine", futex(&a, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
}

/* --- waiters --- */

enum { MAX = 8 };
static struct waiter {
	pthread_t th;
	uint32_t *addr, val, bits;
	int op;
	long result;
	int error;
} waiters[MAX];
static _Atomic int woken;

static void *wait_thread(void *arg)
{
	struct waiter *w = arg;

	w->result = futex(w->addr, w->op, w->val, NULL, NULL, w->bits);
	w->error = errno;
	woken++;
	return NULL;
}

static void start(int i, uint32_t *addr, int op, uint32_t bits)
{
	waiters[i] = (struct waiter){ .addr = addr, .val = *addr, .op = op, .bits = bits };
	pthread_create(&waiters[i].th, NULL, wait_thread, &waiters[i]);
}

/* Until `count` wait on addr: a requeue of none to itself counts, and wakes nobody. */
static void until_waiting(uint32_t *addr, int count, int private)
{
	uint32_t spare;

	while (futex(addr, FUTEX_CMP_REQUEUE | private, 0, (void *)(long)MAX, &spare, *addr) != count)
		futex(&spare, FUTEX_CMP_REQUEUE | private, 0, (void *)(long)MAX, addr, spare), sched_yield();
	futex(&spare, FUTEX_CMP_REQUEUE | private, 0, (void *)(long)MAX, addr, spare);
}

static void joined(int n)
{
	int ok = 0;

	for (int i = 0; i < n; i++) {
		pthread_join(waiters[i].th, NULL);
		ok += !waiters[i].result;
	}
	printf("  woken well: %d of %d\n", ok, n);
}

static void wakes(void)
{
	a = 5;
	for (int i = 0; i < 5; i++)
		start(i, &a, FUTEX_WAIT, 0);
	until_waiting(&a, 5, 0);
	check("wake 0 wakes one", futex(&a, FUTEX_WAKE, 0, NULL, NULL, 0));
	check("wake 2", futex(&a, FUTEX_WAKE, 2, NULL, NULL, 0));
	check("wake private, shared waiters", futex(&a, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
	check("wake the rest", futex(&a, FUTEX_WAKE, 9, NULL, NULL, 0));
	joined(5);
	for (int i = 0; i < 3; i++)
		start(i, &a, FUTEX_WAIT_PRIVATE, 0);
	until_waiting(&a, 3, FUTEX_PRIVATE_FLAG);
	check("wake all private", futex(&a, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0));
	joined(3);
}

static void bitsets(void)
{
	a = 0;
	start(0, &a, FUTEX_WAIT_BITSET, 1);
	start(1, &a, FUTEX_WAIT_BITSET, 2);
	start(2, &a, FUTEX_WAIT_BITSET, 3);
	start(3, &a, FUTEX_WAIT, 0);
	until_waiting(&a, 4, 0);
	check("bit 4 wakes who waits for any", futex(&a, FUTEX_WAKE_BITSET, 9, NULL, NULL, 4));
	check("bit 1", futex(&a, FUTEX_WAKE_BITSET, 9, NULL, NULL, 1));
	check("bit 1 again", futex(&a, FUTEX_WAKE_BITSET, 9, NULL, NULL, 1));
	check("any", futex(&a, FUTEX_WAKE, 9, NULL, NULL, 0));
	joined(4);
}

static void requeues(void)
{
	a = 0;
	b = 100;
	for (int i = 0; i < 6; i++)
		start(i, &a, FUTEX_WAIT, 0);
	until_waiting(&a, 6, 0);
	check("wake 1, move 2", futex(&a, FUTEX_CMP_REQUEUE, 1, (void *)2L, &b, 0));
	check("on the second", futex(&b, FUTEX_WAKE, 9, NULL, NULL, 0));
	check("wake 0, move 1", futex(&a, FUTEX_REQUEUE, 0, (void *)1L, &b, 0));
	check("on the first", futex(&a, FUTEX_WAKE, 9, NULL, NULL, 0));
	check("on the second", futex(&b, FUTEX_WAKE, 9, NULL, NULL, 0));
	joined(6);
}

static void wake_ops(void)
{
	static const struct { const char *name; int op, oparg, cmp, cmparg; uint32_t before; } t[] = {
		{ "set, equal", FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 3, 3 },
		{ "add, not equal", FUTEX_OP_ADD, 7, FUTEX_OP_CMP_NE, 3, 3 },
		{ "or, less", FUTEX_OP_OR, 12, FUTEX_OP_CMP_LT, 4, 3 },
		{ "and not, less or equal", FUTEX_OP_ANDN, 1, FUTEX_OP_CMP_LE, 3, 3 },
		{ "xor, greater", FUTEX_OP_XOR, 5, FUTEX_OP_CMP_GT, 3, 3 },
		{ "add a negative, greater or equal", FUTEX_OP_ADD, 0xfff, FUTEX_OP_CMP_GE, 3, 3 },
		{ "or of a shift", FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 9, FUTEX_OP_CMP_EQ, 3, 3 },
		{ "less than a negative", FUTEX_OP_SET, 0, FUTEX_OP_CMP_LT, 0xfff, 0xfffffffe },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		a = 0;
		b = t[i].before;
		start(0, &a, FUTEX_WAIT, 0);
		start(1, &b, FUTEX_WAIT, 0);
		until_waiting(&a, 1, 0);
		until_waiting(&b, 1, 0);
		check(t[i].name, futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(t[i].op, t[i].oparg, t[i].cmp, t[i].cmparg)));
		printf("  value %x\n", b);
		futex(&b, FUTEX_WAKE, 1, NULL, NULL, 0);
		joined(2);
	}
	check("unknown operation", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, 0x70000000));
	check("unwritable", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, (uint32_t *)16, 0));
}

/* --- between processes --- */

static void shared(void)
{
	uint32_t *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int st;

	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		while (!s[0])
			if (futex(&s[0], FUTEX_WAIT, 0, NULL, NULL, 0) < 0 && errno != EAGAIN && errno != EINTR)
				_exit(1);
		_exit(0);
	}
	while (!futex(&s[0], FUTEX_WAKE, 1, NULL, NULL, 0))
		sched_yield();
	s[0] = 1;
	futex(&s[0], FUTEX_WAKE, 1, NULL, NULL, 0);
	waitpid(pid, &st, 0);
	printf("shared between processes: %x\n", st);
	munmap(s, 4096);
}

/* --- PI --- */

static void *holder(void *arg)
{
	_Atomic int *state = arg;

	futex(&a, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	*state = 1;
	while (*state != 2 || !(a & FUTEX_WAITERS)) /* who ran out of time may have left its mark */
		sched_yield();
	futex(&a, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}

static void pi(void)
{
	static _Atomic int state;
	uint32_t tid = (uint32_t)syscall(SYS_gettid);
	pthread_t th;

	a = 0;
	check("lock", futex(&a, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	printf("  owner is me: %d\n", a == tid);
	check("lock again", futex(&a, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	check("trylock again", futex(&a, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	check("unlock", futex(&a, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	printf("  free: %d\n", a == 0);
	check("trylock", futex(&a, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	check("unlock", futex(&a, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	a = 0x3ffffff0; /* nobody's number */
	check("owner does not exist", futex(&a, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	a = 0;
	pthread_create(&th, NULL, holder, &state);
	while (!state)
		sched_yield();
	check("lock2, no time left", futex(&a, FUTEX_LOCK_PI2, 0, &past, NULL, 0));
	state = 2;
	check("wait for the holder", futex(&a, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	printf("  owner is me: %d\n", (a & FUTEX_TID_MASK) == tid);
	pthread_join(th, NULL);
	check("unlock", futex(&a, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
}

/* --- robust lists --- */

static struct {
	struct robust_list_head head;
	struct robust_list entry[2];
	uint32_t lock[2];
} *r;

static void *dies_with_locks(void *arg)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	(void)arg;
	r->head.list.next = &r->entry[0];
	r->entry[0].next = &r->entry[1];
	r->entry[1].next = &r->head.list;
	r->head.futex_offset = (char *)&r->lock[0] - (char *)&r->entry[0];
	r->head.list_op_pending = NULL;
	/* The distance from entry to lock is that of the first; so the second's lock is where that leads. */
	uint32_t *second = (uint32_t *)((char *)&r->entry[1] + r->head.futex_offset);
	r->lock[0] = tid | FUTEX_WAITERS;
	*second = tid + 1; /* not its own: stays */
	check("set_robust_list", syscall(SYS_set_robust_list, &r->head, sizeof(r->head)));
	syscall(SYS_exit, 0);
	return NULL;
}

static void robust(void)
{
	struct robust_list_head *head;
	size_t len = 0;
	pthread_t th;
	static char space[4096];

	check("get_robust_list", syscall(SYS_get_robust_list, 0, &head, &len));
	printf("  size %zu\n", len);
	check("bad size", syscall(SYS_set_robust_list, space, 1));
	check("nobody's", syscall(SYS_get_robust_list, 999999, &head, &len));
	check("unwritable", syscall(SYS_get_robust_list, 0, (void *)8, &len));
	r = (void *)space;
	pthread_create(&th, NULL, dies_with_locks, NULL);
	pthread_join(th, NULL);
	printf("owner died: %d\n", (r->lock[0] & FUTEX_OWNER_DIED) && !(r->lock[0] & FUTEX_TID_MASK));
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &attr);
	pthread_create(&th, NULL, (void *(*)(void *))pthread_mutex_lock, &m);
	pthread_join(th, NULL);
	printf("robust mutex: %s\n", strerrorname_np(pthread_mutex_lock(&m)));
}

/* --- waitv --- */

struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };

static void *waitv_thread(void *arg)
{
	struct waitv w[2] = { { 0, (uintptr_t)&a, FUTEX_32, 0 }, { 0, (uintptr_t)&b, FUTEX_32, 0 } };

	(void)arg;
	return (void *)syscall(449, w, 2, 0, NULL, 0);
}

static void waitv(void)
{
	struct waitv w[2] = { { 1, (uintptr_t)&a, FUTEX_32, 0 }, { 0, (uintptr_t)&b, FUTEX_32, 0 } };
	pthread_t th;
	void *which;

	a = b = 0;
	check("waitv, another value", syscall(449, w, 2, 0, NULL, 0));
	check("waitv, none", syscall(449, w, 0, 0, NULL, 0));
	check("waitv, too many", syscall(449, w, 129, 0, NULL, 0));
	check("waitv, flags", syscall(449, w, 2, 1, NULL, 0));
	check("waitv, unreadable", syscall(449, (void *)8, 2, 0, NULL, 0));
	w[0].val = 0;
	check("waitv, no time left", syscall(449, w, 2, 0, &past, CLOCK_MONOTONIC));
	check("waitv, bad clock", syscall(449, w, 2, 0, &past, 7));
	w[1].flags = 0x40;
	check("waitv, bad element", syscall(449, w, 2, 0, NULL, 0));
	w[1].flags = FUTEX_32;
	w[1].reserved = 1;
	check("waitv, reserved", syscall(449, w, 2, 0, NULL, 0));
	pthread_create(&th, NULL, waitv_thread, NULL);
	while (!futex(&b, FUTEX_WAKE, 1, NULL, NULL, 0))
		sched_yield();
	pthread_join(th, &which);
	check("waitv, which", (long)which);
}

int main(void)
{
	errors();
	wakes();
	bitsets();
	requeues();
	wake_ops();
	shared();
	pi();
	robust();
	waitv();
	return 0;
}
