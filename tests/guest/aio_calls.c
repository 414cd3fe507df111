/* SPDX-License-Identifier: Apache-2.0 */
/* io_setup(2), io_submit(2), io_getevents(2) and their sisters, by raw calls: what moves, what is refused, what a fork and an exec leave. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BAD ((void *)8)

static void say(const char *what, long r)
{
	printf("%s: %ld%s%s\n", what, r, r < 0 ? " " : "", r < 0 ? strerrorname_np(errno) : "");
}

static long setup(unsigned n, aio_context_t *c)
{
	return syscall(SYS_io_setup, n, c);
}

static long destroy(aio_context_t c)
{
	return syscall(SYS_io_destroy, c);
}

static long submit(aio_context_t c, long n, struct iocb **v)
{
	return syscall(SYS_io_submit, c, n, v);
}

static long events(aio_context_t c, long min, long n, struct io_event *e, struct timespec *t)
{
	return syscall(SYS_io_getevents, c, min, n, e, t);
}

static struct iocb make(int op, int fd, void *buf, uint64_t n, int64_t off)
{
	return (struct iocb){ .aio_data = 77, .aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)buf, .aio_nbytes = n, .aio_offset = off };
}

/* One operation, and what became of it: refused at once, or its event. */
static void one(const char *what, aio_context_t c, struct iocb b)
{
	struct iocb *v = &b;
	struct timespec soon = { 5, 0 };
	struct io_event e;
	long r;

	b.aio_key = 1234;
	r = submit(c, 1, &v);
	if (r != 1) {
		say(what, r);
		return;
	}
	memset(&e, 0, sizeof(e));
	r = events(c, 1, 1, &e, &soon);
	printf("%s: %ld event, data %d, own block %d, key %d, ", what, r, (int)e.data, e.obj == (uintptr_t)&b, b.aio_key);
	if (e.res < 0)
		printf("%s", strerrorname_np(-(int)e.res));
	else
		printf("%lld", (long long)e.res);
	printf(" %lld\n", (long long)e.res2);
}

static void contexts(void)
{
	aio_context_t c = 0, d = 0;
	struct timespec now = { 0, 0 };
	struct io_event e;

	say("none", setup(0, &c));
	say("too many", setup(0x7fffffff, &c));
	say("more than there may be", setup(100000000, &c));
	say("bad address", setup(1, BAD));
	c = 1;
	say("not zero", setup(1, &c));
	c = 0;
	say("setup", setup(1, &c));
	say("setup", setup(8, &d));
	printf("different %d\n", c && d && c != d);
	say("nothing", events(c, 0, 1, &e, NULL));
	say("nothing now", events(c, 1, 1, &e, &now));
	say("min above max", events(c, 2, 1, &e, &now));
	say("negative", events(c, -1, 1, &e, &now));
	say("bad time", events(c, 0, 1, &e, BAD));
	say("destroy", destroy(c));
	say("again", destroy(c));
	say("events of none", events(c, 0, 1, &e, NULL));
	say("submit to none", submit(c, 0, NULL));
	say("destroy zero", destroy(0));
	say("destroy nonsense", destroy((uintptr_t)&e));
	munmap((void *)(uintptr_t)(d & ~4095UL), 4096);
	say("unmapped", destroy(d));
}

static void moving(aio_context_t c, int fd)
{
	char buf[64] = "", a[3], b[5];
	struct iovec out[2] = { { "one ", 4 }, { "two ", 4 } }, in[2] = { { a, 3 }, { b, 5 } };
	int ro = open("file", O_RDONLY), wo = open("file", O_WRONLY), app = open("file", O_WRONLY | O_APPEND), p[2];

	one("write", c, make(IOCB_CMD_PWRITE, fd, "hello, world", 12, 0));
	one("read", c, make(IOCB_CMD_PREAD, fd, buf, 5, 7));
	printf("%.5s\n", buf);
	one("read at the end", c, make(IOCB_CMD_PREAD, fd, buf, 5, 10));
	one("read behind", c, make(IOCB_CMD_PREAD, fd, buf, 5, 100));
	printf("position %ld\n", (long)lseek(fd, 0, SEEK_CUR));
	one("writev", c, make(IOCB_CMD_PWRITEV, fd, out, 2, 100));
	one("readv", c, make(IOCB_CMD_PREADV, fd, in, 2, 100));
	printf("%.3s|%.5s\n", a, b);
	one("append", c, make(IOCB_CMD_PWRITE, app, "end", 3, 0));
	printf("size %ld\n", (long)lseek(fd, 0, SEEK_END));
	one("fsync", c, make(IOCB_CMD_FSYNC, fd, NULL, 0, 0));
	one("fdatasync", c, make(IOCB_CMD_FDSYNC, fd, NULL, 0, 0));
	one("fsync with bytes", c, make(IOCB_CMD_FSYNC, fd, NULL, 1, 0));
	one("no-op", c, make(IOCB_CMD_NOOP, fd, NULL, 0, 0));
	one("unknown", c, make(99, fd, NULL, 0, 0));
	one("bad descriptor", c, make(IOCB_CMD_PREAD, 99, buf, 1, 0));
	one("write to a reader", c, make(IOCB_CMD_PWRITE, ro, buf, 1, 0));
	one("read from a writer", c, make(IOCB_CMD_PREAD, wo, buf, 1, 0));
	one("negative offset", c, make(IOCB_CMD_PREAD, fd, buf, 1, -1));
	one("negative size", c, make(IOCB_CMD_PREAD, fd, buf, -1, 0));
	one("bad buffer", c, make(IOCB_CMD_PREAD, fd, BAD, 10, 0));
	one("bad vector", c, make(IOCB_CMD_PREADV, fd, BAD, 2, 0));
	one("long vector", c, make(IOCB_CMD_PREADV, fd, in, 1025, 0));
	one("nothing", c, make(IOCB_CMD_PREAD, fd, buf, 0, 0));
	pipe(p);
	one("pipe, written", c, make(IOCB_CMD_PWRITE, p[1], "pipe", 4, 0));
	one("pipe, read", c, make(IOCB_CMD_PREAD, p[0], buf, 64, 0));
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	one("empty pipe", c, make(IOCB_CMD_PREAD, p[0], buf, 64, 0));
	one("fsync of a pipe", c, make(IOCB_CMD_FSYNC, p[0], NULL, 0, 0));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	one("broken pipe", c, make(IOCB_CMD_PWRITE, p[1], "pipe", 4, 0));
	close(p[1]);
	close(ro);
	close(wo);
	close(app);
}

static void fields(aio_context_t c, int fd)
{
	int ev = eventfd(0, EFD_NONBLOCK);
	struct iocb b = make(IOCB_CMD_PWRITE, fd, "x", 1, 0);
	uint64_t n = 0;

	b.aio_reserved2 = 1;
	one("reserved", c, b);
	b.aio_reserved2 = 0;
	b.aio_rw_flags = 1 << 30;
	one("unknown RWF", c, b);
	b.aio_rw_flags = RWF_DSYNC;
	one("RWF_DSYNC", c, b);
	b.aio_rw_flags = 0;
	b.aio_flags = IOCB_FLAG_RESFD;
	b.aio_resfd = ev;
	one("eventfd", c, b);
	one("eventfd", c, b);
	read(ev, &n, sizeof(n));
	printf("told %d times\n", (int)n);
	b.aio_resfd = fd;
	one("no eventfd", c, b);
	b.aio_resfd = 99;
	one("no file", c, b);
	b.aio_flags = IOCB_FLAG_IOPRIO;
	b.aio_reqprio = 2 << 13 | 4;
	one("priority", c, b);
	b.aio_reqprio = 5 << 13;
	one("no class", c, b);
	close(ev);
}

static void lists(aio_context_t c, int fd)
{
	struct iocb b[4] = { make(IOCB_CMD_PWRITE, fd, "a", 1, 0), make(IOCB_CMD_PWRITE, fd, "bc", 2, 1), make(99, fd, "", 1, 0),
			     make(IOCB_CMD_PWRITE, fd, "d", 1, 3) };
	struct iocb *v[4] = { &b[0], &b[1], &b[2], &b[3] }, *w[2] = { &b[0], BAD };
	struct timespec soon = { 5, 0 };
	struct io_event e[8];
	char result[8];

	say("up to the wrong one", submit(c, 4, v));
	say("the wrong one", submit(c, 2, v + 2));
	say("one of two", events(c, 1, 1, e, &soon));
	printf("%lld\n", (long long)e[0].res);
	say("the other", events(c, 1, 8, e, &soon));
	printf("%lld\n", (long long)e[0].res);
	say("bad block", submit(c, 2, w));
	say("bad list", submit(c, 1, (void *)BAD));
	say("negative", submit(c, -1, v));
	say("none", submit(c, 0, v));
	say("bad events", events(c, 1, 1, BAD, &soon));
	say("still there", events(c, 1, 8, e, &soon));
	say("cancel what is done", syscall(SYS_io_cancel, c, &b[0], result));
	b[0].aio_key = 5;
	say("cancel a wrong key", syscall(SYS_io_cancel, c, &b[0], result));
	say("cancel a bad address", syscall(SYS_io_cancel, c, BAD, result));
}

static void on_alarm(int sig)
{
}

static void *late(void *arg)
{
	struct iocb b = make(IOCB_CMD_PWRITE, open("file", O_WRONLY), "late", 4, 0), *v = &b;

	usleep(50000);
	submit(*(aio_context_t *)arg, 1, &v);
	return NULL;
}

static void waiting(aio_context_t c)
{
	struct timespec brief = { 0, 30000000 }, long_ = { 30, 0 };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct { const sigset_t *set; size_t size; } mask;
	sigset_t none, alarm_set;
	struct io_event e;
	pthread_t t;

	say("time is up", events(c, 1, 1, &e, &brief));
	pthread_create(&t, NULL, late, &c);
	say("from another thread", events(c, 1, 1, &e, &long_));
	pthread_join(t, NULL);
	sigaction(SIGALRM, &sa, NULL);
	ualarm(30000, 0);
	say("a signal", events(c, 1, 1, &e, NULL));
	sigemptyset(&none);
	sigemptyset(&alarm_set);
	sigaddset(&alarm_set, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm_set, NULL);
	raise(SIGALRM);
	mask.set = &none;
	mask.size = 8;
	say("io_pgetevents", syscall(SYS_io_pgetevents, c, 1, 1, &e, &long_, &mask));
	mask.size = 7;
	say("bad mask", syscall(SYS_io_pgetevents, c, 0, 1, &e, NULL, &mask));
	say("no mask", syscall(SYS_io_pgetevents, c, 0, 1, &e, NULL, NULL));
	sigprocmask(SIG_UNBLOCK, &alarm_set, NULL);
}

static void life(aio_context_t c, int fd, char **argv)
{
	struct iocb b = make(IOCB_CMD_PWRITE, fd, "x", 1, 0), *v = &b;
	char text[32], *args[] = { argv[0], text, NULL };
	pid_t p = fork();

	if (!p) {
		say("submit after fork", submit(c, 1, &v));
		say("destroy after fork", destroy(c));
		fflush(stdout);
		_exit(0);
	}
	waitpid(p, NULL, 0);
	say("the parent's is as it was", submit(c, 1, &v));
	fflush(stdout);
	snprintf(text, sizeof(text), "%lu", (unsigned long)c);
	execv("/proc/self/exe", args);
}

int main(int argc, char **argv)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	aio_context_t c = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		say("destroy after exec", destroy(strtoul(argv[1], NULL, 0)));
		return 0;
	}
	contexts();
	setup(16, &c);
	moving(c, fd);
	fields(c, fd);
	lists(c, fd);
	waiting(c);
	life(c, fd, argv);
	return 0;
}
