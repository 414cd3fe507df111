/* SPDX-License-Identifier: Apache-2.0 */
/* SCM_RIGHTS: open files sent through sockets; truncation, peeking, files that nobody received, sockets that hold each other. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

static long send_fds(int sock, const int *fds, int n, const char *data, int len)
{
	char control[CMSG_SPACE(300 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
	return sendmsg(sock, &m, 0);
}

/* Returns how many came. */
static int recv_fds(const char *what, int sock, int *fds, size_t room, int flags, size_t bytes)
{
	char control[1500] = { 0 }, data[64] = "";
	struct iovec iov = { data, bytes };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room };
	long r = recvmsg(sock, &m, flags);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int n = 0;

	if (r < 0) {
		say(what, r);
		return 0;
	}
	if (h && h->cmsg_type == SCM_RIGHTS) {
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(h), n * sizeof(int));
	}
	printf("%s: %ld <%.*s> %d fds, control %zu, flags %#x\n", what, r, (int)r, data, n, (size_t)m.msg_controllen, m.msg_flags);
	return n;
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void simple(int type)
{
	int sv[2], p[2], got[4], n;
	char c = 0;

	socketpair(AF_UNIX, type, 0, sv);
	pipe(p);
	say("send", send_fds(sv[0], p, 2, "pipe", 4));
	close(p[0]);
	close(p[1]);
	n = recv_fds("recv", sv[1], got, CMSG_SPACE(8), MSG_CMSG_CLOEXEC, 64);
	printf("cloexec %d\n", fcntl(got[0], F_GETFD));
	write(got[1], "!", 1);
	read(got[0], &c, 1);
	printf("through the pipe: %c\n", c);
	close(got[0]);
	close(got[1]);
	got[0] = 0;
	got[1] = 999;
	say("bad descriptor", send_fds(sv[0], got, 2, "x", 1));
	int many[300];
	for (int i = 0; i < 300; i++)
		many[i] = 1;
	say("254", send_fds(sv[0], many, 254, "x", 1));
	say("253", send_fds(sv[0], many, 253, "x", 1));
	n = open_fds();
	say("read(2) drops them", read(sv[1], &c, 1));
	printf("none opened %d\n", open_fds() == n);
	close(sv[0]);
	close(sv[1]);
}

static void cut(int type)
{
	int sv[2], fds[3] = { 0, 1, 2 }, got[4], n = open_fds() + 2;

	socketpair(AF_UNIX, type, 0, sv);
	send_fds(sv[0], fds, 3, "a", 1);
	recv_fds("room for one", sv[1], got, CMSG_LEN(4), 0, 1);
	close(got[0]);
	send_fds(sv[0], fds, 3, "b", 1);
	recv_fds("room for none", sv[1], got, CMSG_LEN(0), 0, 1);
	send_fds(sv[0], fds, 3, "c", 1);
	recv_fds("no header", sv[1], got, 8, 0, 1);
	send_fds(sv[0], fds, 3, "d", 1);
	recv_fds("nothing", sv[1], got, 0, 0, 1);
	printf("leaked %d\n", open_fds() - n);
	close(sv[0]);
	close(sv[1]);
}

static void in_a_stream(void)
{
	int sv[2], fd = 0, got[4], n;

	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	write(sv[0], "plain", 5);
	send_fds(sv[0], &fd, 1, "first", 5);
	write(sv[0], "more", 4);
	send_fds(sv[0], &fd, 1, "second", 6);
	n = recv_fds("peek", sv[1], got, 100, MSG_PEEK, 64);
	n = recv_fds("one", sv[1], got, 100, 0, 64);
	for (int i = 0; i < 3; i++) {
		n = recv_fds("next", sv[1], got, 100, MSG_DONTWAIT, 3 + 60 * (i > 0));
		if (n)
			close(got[0]);
	}
	n = recv_fds("last", sv[1], got, 100, MSG_DONTWAIT, 64);
	send_fds(sv[0], &fd, 1, "seen", 4);
	n = recv_fds("peek", sv[1], got, 100, MSG_PEEK, 64);
	if (n)
		close(got[0]);
	n = recv_fds("peeked", sv[1], got, 100, 0, 64);
	if (n)
		close(got[0]);
	say("no bytes", send_fds(sv[0], &fd, 1, "", 0));
	n = recv_fds("none", sv[1], got, 100, MSG_DONTWAIT, 64);
	close(sv[0]);
	close(sv[1]);
}

/* A pipe's write end that only lies in queues: its reader sees the end when those queues are gone. */
static int is_at_end(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 200000) == 1 && (p.revents & POLLHUP);
}

static void abandoned(void)
{
	int sv[2], p[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	pipe(p);
	send_fds(sv[0], &p[1], 1, "x", 1);
	close(p[1]);
	close(sv[0]);
	close(sv[1]);
	printf("abandoned: %d\n", is_at_end(p[0]));
	close(p[0]);
}

/* a lies in its own queue and is closed; the collector must find it when another unix socket is closed. */
static void cycle(int type)
{
	int sv[2], p[2], other[2];

	socketpair(AF_UNIX, type, 0, sv);
	pipe(p);
	send_fds(sv[0], &p[1], 1, "x", 1);
	send_fds(sv[0], &sv[1], 1, "x", 1);
	close(p[1]);
	close(sv[1]);
	close(sv[0]);
	socketpair(AF_UNIX, type, 0, other);
	close(other[0]);
	close(other[1]);
	printf("cycle of one: %d\n", is_at_end(p[0]));
	close(p[0]);
}

static void cycle_of_two(void)
{
	int a[2], b[2], p[2], other[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, a);
	socketpair(AF_UNIX, SOCK_STREAM, 0, b);
	pipe(p);
	/* a[1] waits in b[1]'s queue, b[1] in a[1]'s, and each is kept open by nothing else. */
	send_fds(a[0], &p[1], 1, "x", 1);
	send_fds(a[0], &b[1], 1, "x", 1);
	send_fds(b[0], &a[1], 1, "x", 1);
	close(p[1]);
	close(a[1]);
	close(b[1]);
	struct pollfd q = { p[0], POLLIN, 0 };
	printf("before: %d\n", poll(&q, 1, 0));
	close(a[0]);
	close(b[0]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, other);
	close(other[0]);
	close(other[1]);
	printf("cycle of two: %d\n", is_at_end(p[0]));
	close(p[0]);
}

/* The same, but one of them can still be received: nothing may be lost. */
static void reachable(void)
{
	int a[2], keep[2], other[2], got[4];
	char c = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, a);
	socketpair(AF_UNIX, SOCK_STREAM, 0, keep);
	write(a[0], "m", 1);
	send_fds(a[0], &a[1], 1, "x", 1);
	send_fds(keep[0], &a[1], 1, "k", 1);
	close(a[1]);
	for (int i = 0; i < 3; i++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, other);
		close(other[0]);
		close(other[1]);
	}
	if (recv_fds("kept", keep[1], got, 100, 0, 1) == 1) {
		say("read", read(got[0], &c, 1));
		printf("still there: %c\n", c);
		close(got[0]);
	}
	close(a[0]);
	close(keep[0]);
	close(keep[1]);
}

/* A chain: each socket holds the next. Freeing it must not recurse. */
static void chain(void)
{
	int prev[2], next[2], p[2];

	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, prev);
	send_fds(prev[0], &p[1], 1, "x", 1);
	close(p[1]);
	for (int i = 0; i < 200; i++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, next);
		send_fds(next[0], &prev[1], 1, "x", 1);
		send_fds(next[0], &prev[0], 1, "x", 1);
		close(prev[0]);
		close(prev[1]);
		prev[0] = next[0];
		prev[1] = next[1];
	}
	close(prev[0]);
	close(prev[1]);
	printf("chain: %d\n", is_at_end(p[0]));
	close(p[0]);
}

static void to_another_process(void)
{
	int sv[2], fd, status, got[4];
	char buf[16] = "";

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv);
	pid_t pid = fork();
	if (!pid) {
		close(sv[0]);
		fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600);
		write(fd, "from the child", 14);
		lseek(fd, 5, SEEK_SET);
		send_fds(sv[1], &fd, 1, "f", 1);
		_exit(0);
	}
	close(sv[1]);
	waitpid(pid, &status, 0);
	if (recv_fds("from a dead process", sv[0], got, 100, 0, 1) == 1) {
		say("read", read(got[0], buf, 9));
		printf("<%s>\n", buf);
	}
	say("end", recv(sv[0], buf, 1, 0));
	unlink("shared");
	close(sv[0]);
}

static void limits(void)
{
	struct rlimit r;
	int sv[2], fds[2] = { 0, 1 }, got[4], n;

	socketpair(AF_UNIX, SOCK_DGRAM, 0, sv);
	send_fds(sv[0], fds, 2, "x", 1);
	getrlimit(RLIMIT_NOFILE, &r);
	n = dup(0);
	close(n);
	r.rlim_cur = n + 1;
	setrlimit(RLIMIT_NOFILE, &r);
	recv_fds("room for one descriptor", sv[1], got, 100, 0, 1);
	close(got[0]);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	close(sv[0]);
	close(sv[1]);
}

/* The last reader of a pipe lies in what is spliced to that pipe. */
static void spliced(void)
{
	int sv[2], fds[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	pipe(fds);
	send_fds(sv[0], &fds[0], 1, "x", 1);
	close(fds[0]);
	say("splice of a pipe's own reader", splice(sv[1], NULL, fds[1], NULL, 10, 0));
	say("it has none now", write(fds[1], "y", 1));
	close(fds[1]);
	close(sv[0]);
	close(sv[1]);
	/* Ready, since it was shut down, and yet there is nothing. */
	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sv);
	pipe(fds);
	shutdown(sv[1], SHUT_RD);
	say("splice of a socket that was shut", splice(sv[1], NULL, fds[1], NULL, 10, SPLICE_F_NONBLOCK));
	close(fds[0]);
	close(fds[1]);
	close(sv[0]);
	close(sv[1]);
}

/* A look sees the next descriptors behind the bytes that it takes, be they a part of what was sent before, or all of it. */
static void looked_for(void)
{
	static const size_t sizes[] = { 1, 5, 8, 9, 64 };
	int sv[2], got[4], n;

	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	write(sv[0], "plain", 5);
	write(sv[0], "too", 3);
	say("send", send_fds(sv[0], sv, 1, "with", 4));
	say("send", send_fds(sv[0], sv, 2, "more", 4));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		n = recv_fds("look", sv[1], got, 1500, MSG_PEEK, sizes[i]);
		while (n)
			close(got[--n]);
	}
	n = recv_fds("take", sv[1], got, 1500, 0, 8);
	n = recv_fds("take", sv[1], got, 1500, 0, 64);
	close(got[0]);
	close(sv[0]);
	close(sv[1]);
}

/* A splice ends with the bytes that descriptors came with. */
static void spliced_up_to(void)
{
	int sv[2], p[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	pipe(p);
	write(sv[0], "plain", 5);
	say("send", send_fds(sv[0], p, 1, "with", 4));
	write(sv[0], "behind", 6);
	say("splice", splice(sv[1], NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	say("splice", splice(sv[1], NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	say("splice", splice(sv[1], NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	for (int i = 0; i < 4; i++)
		close(i < 2 ? p[i] : sv[i - 2]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	simple(SOCK_STREAM);
	simple(SOCK_DGRAM);
	cut(SOCK_STREAM);
	cut(SOCK_SEQPACKET);
	in_a_stream();
	abandoned();
	cycle(SOCK_STREAM);
	cycle(SOCK_DGRAM);
	cycle_of_two();
	reachable();
	chain();
	to_another_process();
	spliced();
	looked_for();
	spliced_up_to();
	limits();
	return 0;
}
