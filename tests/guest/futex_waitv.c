/* SPDX-License-Identifier: Apache-2.0 */
/* futex_waitv(2): one sleep on several words; and its errors. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};
enum { U32 = 2, PRIVATE = 128, MAX = 128 };

static uint32_t words[MAX + 1];
static uint32_t *shared;

static void show(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

static long waitv(struct waitv *w, unsigned n, unsigned flags, const struct timespec *ts, int clock)
{
	return syscall(SYS_futex_waitv, w, n, flags, ts, clock);
}

static void fill(struct waitv *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		w[i] = (struct waitv){ .val = 0, .uaddr = (uintptr_t)&words[i], .flags = U32 | PRIVATE };
}

static struct timespec soon(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += 20000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static void errors(void)
{
	struct waitv w[MAX + 1];
	struct timespec past = { 0, 1 }, bad = { 0, 1000000000 };

	fill(w, MAX + 1);
	show("none", waitv(w, 0, 0, NULL, CLOCK_MONOTONIC));
	show("too many", waitv(w, MAX + 1, 0, NULL, CLOCK_MONOTONIC));
	show("flags", waitv(w, 1, 1, NULL, CLOCK_MONOTONIC));
	show("no list", waitv(NULL, 1, 0, NULL, CLOCK_MONOTONIC));
	show("bad list", waitv((void *)8, 1, 0, NULL, CLOCK_MONOTONIC));
	show("bad time", waitv(w, 1, 0, &bad, CLOCK_MONOTONIC));
	show("unreadable time", waitv(w, 1, 0, (void *)8, CLOCK_MONOTONIC));
	show("bad clock", waitv(w, 1, 0, &past, CLOCK_BOOTTIME));
	w[0].flags = PRIVATE;
	show("no size", waitv(w, 1, 0, &past, CLOCK_MONOTONIC));
	w[0].flags = U32 | 64;
	show("unknown flag", waitv(w, 1, 0, &past, CLOCK_MONOTONIC));
	fill(w, 2);
	w[1].reserved = 1;
	show("reserved", waitv(w, 2, 0, &past, CLOCK_MONOTONIC));
	fill(w, 2);
	w[1].uaddr = 8;
	show("bad word", waitv(w, 2, 0, &past, CLOCK_MONOTONIC));
	w[1].uaddr = (uintptr_t)&words[1] + 1;
	show("crooked word", waitv(w, 2, 0, &past, CLOCK_MONOTONIC));
	fill(w, 2);
	w[1].val = 7;
	show("other value", waitv(w, 2, 0, &past, CLOCK_MONOTONIC));
	w[1].val = 1ull << 32;
	show("wide value", waitv(w, 2, 0, &past, CLOCK_MONOTONIC));
	fill(w, MAX);
	show("the past", waitv(w, MAX, 0, &past, CLOCK_MONOTONIC));
	show("the past of the other clock", waitv(w, MAX, 0, &past, CLOCK_REALTIME));
	struct timespec ts = soon(CLOCK_REALTIME);
	show("soon", waitv(w, 3, 0, &ts, CLOCK_REALTIME));
}

static void *wake_later(void *arg)
{
	uint32_t *word = arg;

	/* Until the waiter sleeps there is nobody to wake. */
	while (syscall(SYS_futex, word, FUTEX_WAKE | (word == shared ? 0 : FUTEX_PRIVATE_FLAG), 1, NULL, NULL, 0) != 1)
		usleep(1000);
	return NULL;
}

static void woken(unsigned n, unsigned which)
{
	struct waitv w[MAX];
	pthread_t th;
	char what[64];

	fill(w, n);
	pthread_create(&th, NULL, wake_later, &words[which]);
	snprintf(what, sizeof(what), "woken at %u of %u", which, n);
	show(what, waitv(w, n, 0, NULL, CLOCK_MONOTONIC));
	pthread_join(th, NULL);
}

static void between_processes(void)
{
	struct waitv w[2];
	int st;

	fill(w, 2);
	w[1].uaddr = (uintptr_t)shared;
	w[1].flags = U32;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		wake_later(shared);
		_exit(0);
	}
	show("by another process", waitv(w, 2, 0, NULL, CLOCK_MONOTONIC));
	waitpid(pid, &st, 0);
}

static void requeued(void)
{
	struct waitv w[2];
	pthread_t th;

	fill(w, 2);
	/* The words of one call may be the same one. */
	w[1].uaddr = w[0].uaddr;
	pthread_create(&th, NULL, wake_later, &words[0]);
	long r = waitv(w, 2, 0, NULL, CLOCK_MONOTONIC);
	show("one word twice", r == 0 || r == 1);
	pthread_join(th, NULL);
}

int main(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	errors();
	woken(1, 0);
	woken(5, 3);
	woken(MAX, MAX - 1);
	between_processes();
	requeued();
	return 0;
}
