/* SPDX-License-Identifier: Apache-2.0 */
/* operations [NAME]   what single operations cost a program, one line each: NAME NANOSECONDS. The time of each is the best of several
 * rounds of about 30 ms. Runs natively or in a sandbox. "operations true" does nothing: what exec starts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, ROUNDS = 5, BULK = 65536 };

static const char *self;

static void check(int bad, const char *what)
{
	if (!bad)
		return;
	perror(what);
	exit(1);
}

/* --- no state --- */

static void op_getpid(long n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void op_clock(long n)
{
	struct timespec t;

	while (n--)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

static void handler(int sig)
{
	(void)sig;
}

static void op_signal(long n)
{
	signal(SIGUSR1, handler);
	while (n--)
		raise(SIGUSR1);
}

/* --- files --- */

static void op_stat(long n)
{
	struct stat st;

	while (n--)
		check(stat("/etc/passwd", &st), "stat");
}

static void op_open_close(long n)
{
	while (n--)
		check(close(open("/etc/passwd", O_RDONLY | O_CLOEXEC)), "open");
}

static void op_pread(long n)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	char buf[512];

	while (n--)
		check(pread(fd, buf, sizeof(buf), 0) <= 0, "pread");
	close(fd);
}

static void op_create_unlink(long n)
{
	while (n--) {
		check(close(open("/tmp/sbx.bench", O_RDWR | O_CREAT | O_EXCL, 0600)), "create");
		check(unlink("/tmp/sbx.bench"), "unlink");
	}
}

/* --- pipes, events, threads --- */

static void op_pipe_self(long n)
{
	char c = 0;
	int p[2];

	check(pipe(p), "pipe");
	while (n--)
		check(write(p[1], &c, 1) != 1 || read(p[0], &c, 1) != 1, "pipe");
	close(p[0]);
	close(p[1]);
}

static void op_epoll_ready(long n)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int p[2], e = epoll_create1(0);

	check(pipe(p) || write(p[1], "x", 1) != 1 || epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev), "epoll");
	while (n--)
		check(epoll_wait(e, &ev, 1, -1) != 1, "epoll_wait");
	close(e);
	close(p[0]);
	close(p[1]);
}

/* A child answers every message of `size` bytes with one byte. */
static void with_child(long n, int socket, size_t size)
{
	static char buf[BULK];
	int to[2], from[2];
	pid_t pid;

	if (socket)
		check(socketpair(AF_UNIX, SOCK_STREAM, 0, to), "socketpair");
	else
		check(pipe(to) || pipe(from), "pipe");
	pid = fork();
	check(pid < 0, "fork");
	if (!pid) {
		while (n--) {
			for (size_t got = 0; got < size;) {
				ssize_t r = read(to[0], buf, size - got);

				if (r <= 0)
					_exit(1);
				got += (size_t)r;
			}
			if (write(socket ? to[0] : from[1], buf, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	while (n--)
		check(write(to[1], buf, size) != (ssize_t)size || read(socket ? to[1] : from[0], buf, 1) != 1, "message");
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(to[i]);
		if (!socket)
			close(from[i]);
	}
}

static void op_pipe_pingpong(long n)
{
	with_child(n, 0, 1);
}

static void op_unix_pingpong(long n)
{
	with_child(n, 1, 1);
}

static void op_pipe_64k(long n)
{
	with_child(n, 0, BULK);
}

static _Atomic int turn;

static void take_turns(int me, long n)
{
	while (n--) {
		while (atomic_load(&turn) != me)
			syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !me, NULL, NULL, 0);
		atomic_store(&turn, !me);
		syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

static void *second(void *n)
{
	take_turns(1, (long)n);
	return NULL;
}

static void op_futex_pingpong(long n)
{
	pthread_t t;

	check(pthread_create(&t, NULL, second, (void *)n), "thread");
	take_turns(0, n);
	pthread_join(t, NULL);
}

static void *nothing(void *arg)
{
	return arg;
}

static void op_thread(long n)
{
	pthread_t t;

	while (n--)
		check(pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL), "thread");
}

/* --- processes --- */

static void op_fork_wait(long n)
{
	while (n--) {
		pid_t pid = fork();

		check(pid < 0, "fork");
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

static void op_vfork_exec(long n)
{
	while (n--) {
		pid_t pid = vfork();
		int status;

		check(pid < 0, "vfork");
		if (!pid) {
			execl(self, self, "true", NULL);
			_exit(1);
		}
		check(waitpid(pid, &status, 0) != pid || status, "exec");
	}
}

/* --- memory --- */

static char *map(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p == MAP_FAILED, "mmap");
	return p;
}

static void op_mmap_munmap(long n)
{
	while (n--)
		munmap(map(4 * PAGE), 4 * PAGE);
}

static void op_mmap_touch_munmap(long n)
{
	while (n--) {
		char *p = map(16 * PAGE);

		for (int i = 0; i < 16; i++)
			p[i * PAGE] = 1;
		munmap(p, 16 * PAGE);
	}
}

static void op_fault(long n)
{
	char *p = map((size_t)n * PAGE);

	for (long i = 0; i < n; i++)
		p[i * PAGE] = 1;
	munmap(p, (size_t)n * PAGE);
}

static void op_file_fault(long n)
{
	while (n--) {
		int fd = open(self, O_RDONLY | O_CLOEXEC);
		char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

		check(p == MAP_FAILED, "mmap");
		(void)*(volatile char *)p;
		munmap(p, PAGE);
		close(fd);
	}
}

static void op_mprotect(long n)
{
	char *p = map(4 * PAGE);

	p[0] = 1;
	while (n--)
		check(mprotect(p, PAGE, PROT_READ) || mprotect(p, PAGE, PROT_READ | PROT_WRITE), "mprotect");
	munmap(p, 4 * PAGE);
}

/* As above, but each write that becomes possible is made. */
static void op_mprotect_write(long n)
{
	char *p = map(4 * PAGE);

	while (n--) {
		*(volatile char *)p = 1;
		check(mprotect(p, PAGE, PROT_READ) || mprotect(p, PAGE, PROT_READ | PROT_WRITE), "mprotect");
	}
	munmap(p, 4 * PAGE);
}

static void op_compute(long n)
{
	volatile long x = 0;

	for (n *= 1000; n--;)
		x++;
}

static const struct {
	const char *name;
	void (*fn)(long n);
} operations[] = {
	{ "getppid", op_getpid },
	{ "clock_gettime", op_clock },
	{ "signal_self", op_signal },
	{ "stat", op_stat },
	{ "open_close", op_open_close },
	{ "pread_512", op_pread },
	{ "create_unlink", op_create_unlink },
	{ "pipe_self", op_pipe_self },
	{ "epoll_ready", op_epoll_ready },
	{ "pipe_pingpong", op_pipe_pingpong },
	{ "unix_pingpong", op_unix_pingpong },
	{ "pipe_64k", op_pipe_64k },
	{ "futex_pingpong", op_futex_pingpong },
	{ "thread", op_thread },
	{ "fork_wait", op_fork_wait },
	{ "vfork_exec", op_vfork_exec },
	{ "mmap_munmap", op_mmap_munmap },
	{ "mmap_touch16_munmap", op_mmap_touch_munmap },
	{ "anonymous_fault", op_fault },
	{ "file_fault", op_file_fault },
	{ "mprotect_pair", op_mprotect },
	{ "mprotect_pair_write", op_mprotect_write },
	{ "compute_1000", op_compute },
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double once(size_t op, long n)
{
	double start = now();

	operations[op].fn(n);
	return now() - start;
}

static void measure(size_t op)
{
	double best = 0, took;
	long n = 1;

	while ((took = once(op, n)) < 3e6 || n < 4)
		n *= 2;
	n = (long)((double)n * 3e7 / took) + 1;
	for (int r = 0; r < ROUNDS; r++) {
		took = once(op, n) / (double)n;
		if (!r || took < best)
			best = took;
	}
	printf("%s %.1f\n", operations[op].name, best);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	self = realpath(argv[0], NULL);
	if (argc > 1 && !strcmp(argv[1], "true"))
		return 0;
	for (size_t op = 0; op < sizeof(operations) / sizeof(*operations); op++)
		if (argc < 2 || !strcmp(argv[1], operations[op].name))
			measure(op);
	return 0;
}
