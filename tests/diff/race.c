/* SPDX-License-Identifier: Apache-2.0 */
/* Races in the memory manager: two processes of two threads each, which fault, break copies, protect, unmap, truncate and fork
 * against each other for a while, and check contents all the time.
 *
 *	race SECONDS     prints "ok" and exits 0, or says what was wrong
 *
 * Theory of operation. What can be checked while others race is what one thread alone decides:
 *
 *   own pages      written by one thread only, interleaved page by page with its neighbour's, so that units that are allocated and
 *                  copied as a whole hold both's. They must always read as last written, in forks too
 *   a victim       which its owner protects and unprotects while the neighbour pokes at it and catches the signals
 *   a hole         which its owner unmaps and maps anew: always zeroes at first
 *   counters       in shared memory, which all four add to while all map them anew and drop them: no addition may be lost
 *   a file         which all truncate and grow while all read it: zeroes, the mark that is written there, or SIGBUS
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WORKERS = 2, OWN = 24, VICTIM = 8, HOLE = 6, COUNTERS = 4, FILE_PAGES = 8 };
#define MARK 0x6b72616d6b72616dULL

struct shared {
	_Atomic bool stop;
	_Atomic uint64_t added[2];
};

struct worker {
	int number, process;
	uint64_t random, round;
	uint64_t wrote[OWN]; /* what is in my own pages */
	uint64_t added;
};

static struct shared *shared;
static char *own, *victims, *holes, *counters, *file;
static int counters_fd, file_fd;
static _Thread_local sigjmp_buf escape;
static _Thread_local volatile bool guarded;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	dprintf(1, "wrong: %s\n", text);
	if (shared)
		shared->stop = true;
	_exit(1);
}

static void on_alarm(int sig)
{
	(void)sig;
	shared->stop = true;
}

static void on_fault(int sig, siginfo_t *si, void *context)
{
	(void)context;
	if (!guarded)
		die("signal %d code %d at %p", sig, si->si_code, si->si_addr);
	guarded = false;
	siglongjmp(escape, sig);
}

static uint64_t next(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	return w->random ^= w->random << 17;
}

static volatile uint64_t *word(char *base, int page)
{
	return (volatile uint64_t *)(void *)(base + (size_t)page * PAGE);
}

/* Pages of two threads alternate. */
static volatile uint64_t *own_word(const struct worker *w, int i)
{
	return word(own, i * WORKERS + w->number);
}

static void check_own(const struct worker *w, const char *who)
{
	for (int i = 0; i < OWN; i++)
		if (*own_word(w, i) != w->wrote[i])
			die("%s: own page %d of worker %d is %lx, not %lx", who, i, w->number, *own_word(w, i), w->wrote[i]);
}

static void write_own(struct worker *w)
{
	int first = (int)(next(w) % OWN), n = 1 + (int)(next(w) % 6);

	for (int i = first; i < OWN && n--; i++)
		*own_word(w, i) = w->wrote[i] = ++w->round << 8 | (uint64_t)w->process << 4 | (uint64_t)w->number;
	if (!(next(w) % 4))
		check_own(w, "a thread");
	if (!(next(w) % 16)) {
		int i = (int)(next(w) % OWN);

		if (madvise((void *)(uintptr_t)own_word(w, i), PAGE, MADV_DONTNEED))
			die("madvise: %s", strerrorname_np(errno));
		w->wrote[i] = 0;
	}
}

/* Mine loses and gets back its permissions; what I wrote stays. */
static void flip_victim(struct worker *w)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	char *mine = victims + (size_t)w->number * VICTIM * PAGE;
	int page = (int)(next(w) % VICTIM), n = 1 + (int)(next(w) % (uint64_t)(VICTIM - page));
	uint64_t value = ++w->round;

	*word(mine, page) = value;
	if (mprotect(mine + page * PAGE, (size_t)n * PAGE, prots[next(w) % 3]))
		die("mprotect: %s", strerrorname_np(errno));
	if (mprotect(mine, VICTIM * PAGE, PROT_READ | PROT_WRITE))
		die("mprotect back: %s", strerrorname_np(errno));
	if (*word(mine, page) != value)
		die("a victim's page is %lx, not %lx", *word(mine, page), value);
}

/* The neighbour's, at a place that it does not look at. */
static void poke_victim(struct worker *w)
{
	char *other = victims + (size_t)!w->number * VICTIM * PAGE;
	int page = (int)(next(w) % VICTIM), sig = sigsetjmp(escape, 1);

	if (sig == SIGBUS)
		die("SIGBUS in anonymous memory");
	if (sig)
		return;
	guarded = true;
	word(other, page)[200] = next(w);
	(void)word(other, page)[300];
	guarded = false;
}

static void dig_hole(struct worker *w)
{
	char *mine = holes + (size_t)w->number * HOLE * PAGE;
	int page = (int)(next(w) % HOLE), n = 1 + (int)(next(w) % (uint64_t)(HOLE - page));

	if (munmap(mine + page * PAGE, (size_t)n * PAGE))
		die("munmap: %s", strerrorname_np(errno));
	if (mmap(mine + page * PAGE, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap: %s", strerrorname_np(errno));
	for (int i = page; i < page + n; i++) {
		if (*word(mine, i))
			die("fresh memory holds %lx", *word(mine, i));
		*word(mine, i) = ++w->round;
	}
}

static void count(struct worker *w)
{
	for (int i = 0; i < 20; i++) {
		atomic_fetch_add((_Atomic uint64_t *)(uintptr_t)word(counters, (int)(next(w) % COUNTERS)), 1);
		w->added++;
	}
	if (!(next(w) % 8) && madvise(counters, COUNTERS * PAGE, MADV_DONTNEED))
		die("madvise: %s", strerrorname_np(errno));
	if (!(next(w) % 8) && mmap(counters, COUNTERS * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, counters_fd, 0) == MAP_FAILED)
		die("mmap: %s", strerrorname_np(errno));
}

static void use_file(struct worker *w)
{
	int page = (int)(next(w) % FILE_PAGES), sig;
	uint64_t value;

	if (!(next(w) % 3) && ftruncate(file_fd, (off_t)(next(w) % (FILE_PAGES + 1) * PAGE)))
		die("ftruncate: %s", strerrorname_np(errno));
	sig = sigsetjmp(escape, 1);
	if (sig == SIGSEGV)
		die("SIGSEGV in a file");
	if (sig)
		return;
	guarded = true;
	value = *word(file, page);
	*word(file, page) = MARK;
	guarded = false;
	if (value && value != MARK)
		die("a file holds %lx", value);
}

/* The child has what this thread wrote last, and what it writes is its own. */
static void fork_and_check(struct worker *w)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %s", strerrorname_np(errno));
	if (!pid) {
		check_own(w, "a child");
		for (int i = 0; i < OWN; i += 2)
			*own_word(w, i) = w->wrote[i] = ~(uint64_t)i;
		check_own(w, "a child that wrote");
		_exit(0);
	}
	/* Copies are broken on both sides at once. */
	write_own(w);
	check_own(w, "a parent");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerrorname_np(errno));
	if (status)
		die("a child ended with %#x", status);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!shared->stop) {
		unsigned what = next(w) % 64;

		if (what < 24)
			write_own(w);
		else if (what < 32)
			flip_victim(w);
		else if (what < 40)
			poke_victim(w);
		else if (what < 46)
			dig_hole(w);
		else if (what < 54)
			count(w);
		else if (what < 62)
			use_file(w);
		else
			fork_and_check(w);
	}
	check_own(w, "at the end");
	atomic_fetch_add(&shared->added[w->process], w->added);
	return NULL;
}

static void run_workers(int process)
{
	struct worker workers[WORKERS];
	pthread_t threads[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .number = i, .process = process, .random = 88172645463325252ULL + (uint64_t)(process * 7 + i) };
		if (pthread_create(&threads[i], NULL, work, &workers[i]))
			die("pthread_create");
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
}

static char *map(size_t pages, int flags, int fd)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerrorname_np(errno));
	return p;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	uint64_t sum = 0;
	int status;
	pid_t pid;

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	counters_fd = memfd_create("counters", 0);
	file_fd = memfd_create("file", 0);
	if (counters_fd < 0 || file_fd < 0 || ftruncate(counters_fd, COUNTERS * PAGE))
		die("memfd");
	shared = (struct shared *)(void *)map(1, MAP_SHARED | MAP_ANONYMOUS, -1);
	own = map(OWN * WORKERS, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	victims = map(VICTIM * WORKERS, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	holes = map(HOLE * WORKERS, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	counters = map(COUNTERS, MAP_SHARED, counters_fd);
	file = map(FILE_PAGES, MAP_SHARED, file_fd);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		run_workers(1);
		_exit(0);
	}
	signal(SIGALRM, on_alarm);
	alarm((unsigned)(argc > 1 ? atoi(argv[1]) : 2));
	run_workers(0);
	if (waitpid(pid, &status, 0) < 0 || status)
		die("the other process ended with %#x", status);
	for (int i = 0; i < COUNTERS; i++)
		sum += *word(counters, i);
	if (sum != shared->added[0] + shared->added[1])
		die("%lu additions, but %lu counted", shared->added[0] + shared->added[1], sum);
	puts("ok");
	return 0;
}
