/* SPDX-License-Identifier: Apache-2.0 */
/* The differential test of descriptors: seeded random sequences on pipes, unix sockets, event counters, epoll sets and files.
 *
 *	descriptors FIRST COUNT     plays COUNT sequences from seed FIRST on, prints "SEED HASH" for each
 *	descriptors -v SEED         plays one and prints every step
 *
 * Theory of operation. The same program runs natively and under sbx (tests/run-diff); all that it prints must be the same. No call
 * blocks, and there is one process, so a sequence is nothing but its calls. Left out is what Linux leaves to its memory management:
 *
 *   - sockets whose last reference lies in a queue that only they can reach go at some time: a socket is passed through pairs younger
 *     than its own only, so none of these cycles comes to be
 *   - the room of a pipe counts pages and that of a socket its buffers' true sizes, where the sandbox counts bytes. So a sequence is of
 *     short transfers in large pipes, or of whole pages, or of any length in large pipes; and whether a socket can be
 *     written is asked with short transfers alone
 *   - a page of a file that lies in a pipe changes with the file: files that go into pipes are written to no more
 *   - what urgent bytes do to reads before 6.11, which put that right
 */
#include "descriptors.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { STEPS = 250, STARTERS = 6, LARGE_PIPE = 1 << 20 };

struct slot slot[SLOTS];
enum lengths lengths;
bool urgent_bytes;
char buffer[1 << 17], lent[PAGE] __attribute__((aligned(PAGE)));
static int step;
static bool verbose;
static uint64_t told;
static volatile sig_atomic_t broken_pipes;

static void on_sigpipe(int sig)
{
	(void)sig;
	broken_pipes++;
}

void say(const char *format, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	told = fnv(told, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
	if (verbose)
		fputs(text, stdout);
}

void say_result(long r)
{
	if (r < 0)
		say(" = %s", strerrorname_np(errno) ? strerrorname_np(errno) : "?");
	else
		say(" = %ld", r);
	if (broken_pipes)
		say(" SIGPIPE");
	broken_pipes = 0;
}

void say_read(long r, size_t room)
{
	say_result(r);
	if (r > 0)
		say(" %016lx", fnv(FNV_START, buffer, (size_t)r < room ? (size_t)r : room));
}

/* --- choices --- */

int choose_slot(struct rng *r)
{
	return (int)rng_below(r, SLOTS);
}

int choose_open(struct rng *r)
{
	int i = choose_slot(r);

	for (int tries = 0; tries < 12 && slot[i].kind == CLOSED; tries++)
		i = choose_slot(r);
	return i;
}

int choose_kind(struct rng *r, enum kind first, enum kind last)
{
	for (int tries = 0; tries < 30; tries++) {
		int i = choose_slot(r);

		if (slot[i].kind >= first && slot[i].kind <= last)
			return i;
	}
	return -1;
}

size_t choose_length(struct rng *r)
{
	static const size_t shorts[] = { 1, 2, 7, 8, 100, 511 };
	static const size_t pages[] = { 1, 1, 2, 3, 5, 16, 17 };
	static const size_t any[] = { 1, 7, 8, 100, 512, 4095, 4096, 4097, 8192, 10000, 65536, LONGEST };

	if (lengths == SHORT)
		return PICK(r, shorts);
	return lengths == WHOLE_PAGES ? PICK(r, pages) * PAGE : PICK(r, any);
}

void fill_buffer(size_t n)
{
	for (size_t i = 0; i < n; i++)
		buffer[i] = (char)((size_t)step * 7 + i * 13 + i / 251);
}

void drop(int i)
{
	if (slot[i].kind != CLOSED)
		close(slot[i].fd);
	slot[i] = (struct slot){ .fd = -1 };
}

void put(int i, int fd, enum kind kind, unsigned rank)
{
	drop(i);
	slot[i] = (struct slot){ fd, kind, rank };
	if (kind != EPOLL && kind != PLAIN_FILE)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (is_pipe(i) && lengths != WHOLE_PAGES)
		fcntl(fd, F_SETPIPE_SZ, LARGE_PIPE);
}

/* --- what is opened and closed --- */

static void op_pipe(struct rng *r)
{
	int i = choose_slot(r), p[2];

	say(" %d", i);
	say_result(pipe2(p, one_in(r, 4) ? O_DIRECT : 0));
	put(i, p[0], READER, 0);
	put((i + 1) % SLOTS, p[1], WRITER, 0);
}

static void op_pair(struct rng *r)
{
	static const struct {
		int type;
		enum kind kind;
	} types[] = { { SOCK_STREAM, STREAM }, { SOCK_DGRAM, DGRAM }, { SOCK_SEQPACKET, SEQPACKET } };
	int i = choose_slot(r), k = (int)rng_below(r, COUNT(types)), p[2], size = 200000;

	say(" %d type %d", i, types[k].type);
	say_result(socketpair(AF_UNIX, types[k].type, 0, p));
	for (int n = 0; n < 2; n++) {
		setsockopt(p[n], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		put((i + n) % SLOTS, p[n], types[k].kind, (unsigned)step);
	}
}

static void op_memory(struct rng *r)
{
	int i = choose_slot(r), fd = memfd_create("x", 0);
	size_t n = choose_length(r);

	say(" %d", i);
	put(i, fd, PLAIN_FILE, 0);
	fill_buffer(n);
	if (one_in(r, 2))
		say_result(write(fd, buffer, n));
}

static void op_epoll(struct rng *r)
{
	int i = choose_slot(r);

	say(" %d", i);
	put(i, epoll_create1(0), EPOLL, 0);
}

static void op_counter(struct rng *r)
{
	int i = choose_slot(r);

	say(" %d", i);
	put(i, eventfd(rng_below(r, 3), one_in(r, 2) ? EFD_SEMAPHORE : 0), COUNTER, 0);
}

static void op_device(struct rng *r)
{
	static const char *const names[] = { "/dev/null", "/dev/zero" };
	const char *name = PICK(r, names);
	int i = choose_slot(r);

	say(" %d %s", i, name);
	put(i, open(name, O_RDWR), DEVICE, 0);
}

static void op_close(struct rng *r)
{
	int i = choose_open(r);

	say(" %d", i);
	drop(i);
}

static void op_dup(struct rng *r)
{
	int from = choose_open(r), to = choose_slot(r);

	if (slot[from].kind == CLOSED || from == to)
		return;
	say(" %d to %d", from, to);
	put(to, dup(slot[from].fd), slot[from].kind, slot[from].rank);
}

/* A pipe by its magic link: another open file of it. */
static void op_reopen(struct rng *r)
{
	static const struct {
		int flags;
		enum kind kind;
	} ways[] = { { O_RDONLY, READER }, { O_WRONLY, WRITER }, { O_RDWR, BOTH } };
	int from = choose_kind(r, READER, BOTH), to = choose_slot(r), w = (int)rng_below(r, COUNT(ways)), fd;
	char name[64];

	if (from < 0)
		return;
	say(" %d to %d mode %d", from, to, ways[w].flags);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", slot[from].fd);
	fd = open(name, ways[w].flags | O_NONBLOCK);
	say_result(fd < 0 ? fd : 0);
	if (fd >= 0)
		put(to, fd, ways[w].kind, 0);
}

/* --- what waits --- */

static short asked(int i)
{
	short events = POLLIN | POLLPRI | POLLRDHUP;

	return is_socket(i) && lengths != SHORT ? events : events | POLLOUT;
}

static void op_poll(struct rng *r)
{
	struct pollfd p[SLOTS];

	(void)r;
	for (int i = 0; i < SLOTS; i++)
		p[i] = (struct pollfd){ slot[i].fd, asked(i), 0 };
	say_result(poll(p, SLOTS, 0));
	for (int i = 0; i < SLOTS; i++)
		say(" %x", p[i].revents);
}

static void op_control(struct rng *r)
{
	int set = choose_kind(r, EPOLL, EPOLL), i = choose_open(r), op = 1 + (int)rng_below(r, 3);
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

	if (set < 0)
		return;
	if (one_in(r, 2))
		e.events |= asked(i) & EPOLLOUT;
	e.events |= (one_in(r, 3) ? EPOLLET : 0) | (one_in(r, 4) ? EPOLLONESHOT : 0) | (one_in(r, 6) ? EPOLLEXCLUSIVE : 0) |
		    (one_in(r, 2) ? EPOLLRDHUP : 0);
	/* Linux tells of room again whenever a buffer is freed, be there room all along, writers of pipes of anything when the pipe is
	 * resized or spliced from; of what is left in a set, some kernels do. */
	if (is_socket(i) && e.events & EPOLLET)
		e.events &= ~(uint32_t)EPOLLOUT;
	if (slot[i].kind == EPOLL || slot[i].kind == WRITER || slot[i].kind == BOTH)
		e.events &= ~(uint32_t)EPOLLET;
	say(" set %d op %d on %d events %x", set, op, i, e.events);
	say_result(epoll_ctl(slot[set].fd, op, slot[i].fd, &e));
}

/* Those wakes without news put items on the list too, so the order is not told. */
static int by_slot(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	return x->data.u32 != y->data.u32 ? (x->data.u32 > y->data.u32) - (x->data.u32 < y->data.u32) :
					    (x->events > y->events) - (x->events < y->events);
}

static void op_wait(struct rng *r)
{
	struct epoll_event e[SLOTS * 4];

	(void)r;
	for (int set = 0; set < SLOTS; set++) {
		if (slot[set].kind != EPOLL)
			continue;
		int n = epoll_wait(slot[set].fd, e, COUNT(e), 0);

		say(" set %d", set);
		say_result(n);
		qsort(e, n > 0 ? (size_t)n : 0, sizeof(e[0]), by_slot);
		for (int i = 0; i < n; i++)
			say(" %u:%x", e[i].data.u32, e[i].events);
	}
}

static const struct op file_ops[] = {
	{ "pipe", 5, op_pipe },	  { "pair", 5, op_pair },     { "memory", 2, op_memory }, { "epoll", 2, op_epoll },
	{ "counter", 2, op_counter }, { "device", 1, op_device }, { "close", 3, op_close },	  { "dup", 3, op_dup },
	{ "reopen", 1, op_reopen },   { "poll", 4, op_poll },     { "control", 7, op_control }, { "wait", 5, op_wait },
	{ 0 },
};

/* --- the sequence --- */

static const struct op *const all_ops[] = { file_ops, transfer_ops, socket_ops };

static const struct op *choose_op(struct rng *r)
{
	unsigned total = 0, n;

	for (size_t k = 0; k < COUNT(all_ops); k++)
		for (const struct op *o = all_ops[k]; o->name; o++)
			total += o->weight;
	n = rng_below(r, total);
	for (size_t k = 0; k < COUNT(all_ops); k++)
		for (const struct op *o = all_ops[k]; o->name; n -= o->weight, o++)
			if (n < o->weight)
				return o;
	return NULL;
}

static void play(uint64_t seed)
{
	struct rng start = { seed };

	told = FNV_START;
	lengths = (enum lengths)rng_below(&start, 3);
	say("lengths %d\n", lengths);
	for (step = 0; step < STEPS; step++) {
		struct rng r = { rng_next(&start) };
		const struct op *op = step < STARTERS ? &file_ops[step % 2] : choose_op(&r);

		say("%d %s", step, op->name);
		op->play(&r);
		say("  [");
		for (int i = 0; i < SLOTS; i++)
			say("%c", ".rwbsdqfcen"[slot[i].kind]);
		say("]\n");
	}
	for (int i = 0; i < SLOTS; i++)
		drop(i);
}

int main(int argc, char **argv)
{
	struct utsname kernel;
	int major = 0, minor = 0;

	if (argc != 3)
		return 2;
	close_range(3, ~0U, 0);
	uname(&kernel);
	sscanf(kernel.release, "%d.%d", &major, &minor);
	urgent_bytes = major > 6 || (major == 6 && minor >= 11);
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, on_sigpipe);
	for (int i = 0; i < SLOTS; i++)
		slot[i].fd = -1;
	verbose = !strcmp(argv[1], "-v");
	if (verbose) {
		play(strtoull(argv[2], NULL, 10));
		return 0;
	}
	for (uint64_t first = strtoull(argv[1], NULL, 10), n = 0; n < strtoull(argv[2], NULL, 10); n++) {
		play(first + n);
		printf("%lu %016lx\n", first + n, told);
	}
	return 0;
}
