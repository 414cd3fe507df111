/* SPDX-License-Identifier: Apache-2.0 */
/* socketpair(2): streams, datagrams and sequenced packets; ends, polling, options, partial reads. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int pipes; /* SIGPIPEs seen */

static void on_sigpipe(int sig)
{
	pipes++;
}

static void say(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

static void polled(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLWRBAND, 0 };
	int n = poll(&p, 1, 0);

	printf("%s: poll %d%s%s%s%s%s%s%s%s\n", what, n, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "",
	       p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "", p.revents & POLLRDHUP ? " RDHUP" : "",
	       p.revents & POLLRDNORM ? " RDNORM" : "", p.revents & POLLWRNORM ? " WRNORM" : "",
	       p.revents & POLLWRBAND ? " WRBAND" : "");
}

static void pair(int type, int sv[2])
{
	if (socketpair(AF_UNIX, type, 0, sv)) {
		perror("socketpair");
		exit(1);
	}
}

static void made(void)
{
	int sv[2];

	say("bad type", socketpair(AF_UNIX, 7, 0, sv));
	say("bad flags", socketpair(AF_UNIX, SOCK_STREAM | 0x10000, 0, sv));
	say("bad protocol", socketpair(AF_UNIX, SOCK_STREAM, 17, sv));
	say("unix protocol", socketpair(AF_UNIX, SOCK_STREAM, AF_UNIX, sv));
	close(sv[0]);
	close(sv[1]);
	say("inet", socketpair(AF_INET, SOCK_STREAM, 0, sv));
	say("no family", socketpair(1000, SOCK_STREAM, 0, sv));
	say("bad address", socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8));
	say("raw is datagram", socketpair(AF_UNIX, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv));
	int type = 0;
	socklen_t len = sizeof(type);
	getsockopt(sv[0], SOL_SOCKET, SO_TYPE, &type, &len);
	printf("type %d cloexec %d nonblock %d\n", type, fcntl(sv[0], F_GETFD), !!(fcntl(sv[1], F_GETFL) & O_NONBLOCK));
	close(sv[0]);
	close(sv[1]);
	say("socket type", socket(AF_UNIX, 11, 0));
	say("socket domain", socket(-1, SOCK_STREAM, 0));
}

static void streams(void)
{
	char buf[64] = "";
	struct iovec iov[2] = { { "ab", 2 }, { "cdef", 4 } };
	int sv[2], n;

	pair(SOCK_STREAM, sv);
	polled("fresh", sv[0]);
	say("write", write(sv[0], "hello ", 6));
	say("writev", writev(sv[0], iov, 2));
	polled("with data", sv[1]);
	say("FIONREAD", ioctl(sv[1], FIONREAD, &n));
	printf("%d bytes\n", n);
	say("peek", recv(sv[1], buf, 5, MSG_PEEK));
	say("peek and trunc", recv(sv[1], buf, 5, MSG_PEEK | MSG_TRUNC));
	say("read", read(sv[1], buf, 8));
	printf("<%.8s>\n", buf);
	say("rest", recv(sv[1], buf, sizeof(buf), 0));
	say("empty", recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT));
	say("nothing", read(sv[1], buf, 0));
	say("bad address", write(sv[0], (void *)8, 4));
	say("sendto connected", sendto(sv[0], "x", 1, 0, (struct sockaddr *)&(struct sockaddr_un){ AF_UNIX, "x" }, 5));
	say("urgent", recv(sv[1], buf, 1, MSG_OOB | MSG_DONTWAIT) < 0 ? -1 : 0);
	say("lseek", lseek(sv[0], 0, SEEK_CUR));
	say("pread", pread(sv[0], buf, 1, 0));
	say("ftruncate", ftruncate(sv[0], 0));
	close(sv[0]);
	polled("after close", sv[1]);
	say("end", read(sv[1], buf, 1));
	say("broken", write(sv[1], "x", 1));
	say("broken, quietly", send(sv[1], "x", 1, MSG_NOSIGNAL));
	printf("SIGPIPE %d\n", pipes);
	close(sv[1]);
}

static void unread(int type)
{
	int sv[2], err = 0;
	socklen_t len = sizeof(err);
	char c;

	pair(type, sv);
	write(sv[0], "left", 4);
	close(sv[1]);
	polled("peer closed with data unread", sv[0]);
	say("send", send(sv[0], "x", 1, MSG_NOSIGNAL));
	say("recv", recv(sv[0], &c, 1, MSG_DONTWAIT));
	say("recv again", recv(sv[0], &c, 1, MSG_DONTWAIT));
	say("send again", send(sv[0], "x", 1, MSG_NOSIGNAL));
	close(sv[0]);
	pair(type, sv);
	write(sv[0], "left", 4);
	close(sv[1]);
	getsockopt(sv[0], SOL_SOCKET, SO_ERROR, &err, &len);
	printf("SO_ERROR %s\n", strerrorname_np(err));
	getsockopt(sv[0], SOL_SOCKET, SO_ERROR, &err, &len);
	printf("then %d\n", err);
	close(sv[0]);
}

static void shutdowns(int type)
{
	char buf[8];
	int sv[2];

	pair(type, sv);
	say("bad how", shutdown(sv[0], 3));
	send(sv[0], "data", 4, 0);
	say("SHUT_WR", shutdown(sv[0], SHUT_WR));
	polled("self", sv[0]);
	polled("peer", sv[1]);
	say("send", send(sv[0], "x", 1, MSG_NOSIGNAL));
	say("data", recv(sv[1], buf, 8, MSG_DONTWAIT));
	say("end", recv(sv[1], buf, 8, type == SOCK_DGRAM ? MSG_DONTWAIT : 0));
	say("back", send(sv[1], "y", 1, MSG_NOSIGNAL));
	say("SHUT_RD", shutdown(sv[0], SHUT_RD));
	say("still there", recv(sv[0], buf, 8, MSG_DONTWAIT));
	say("back", send(sv[1], "y", 1, MSG_NOSIGNAL));
	polled("self", sv[0]);
	polled("peer", sv[1]);
	close(sv[0]);
	close(sv[1]);
}

static void messages(int type)
{
	struct sockaddr_un from;
	socklen_t len;
	char buf[16] = "";
	struct iovec iov = { buf, 3 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int sv[2], n;

	pair(type, sv);
	polled("fresh", sv[0]);
	say("send", send(sv[0], "first", 5, 0));
	say("send", send(sv[0], "second", 6, 0));
	say("empty one", send(sv[0], "", 0, 0));
	say("FIONREAD", ioctl(sv[1], FIONREAD, &n));
	printf("%d bytes\n", n);
	say("peek", recv(sv[1], buf, 16, MSG_PEEK));
	say("cut", recvmsg(sv[1], &m, 0));
	printf("flags %#x\n", m.msg_flags);
	say("real length", recv(sv[1], buf, 3, MSG_TRUNC));
	len = sizeof(from);
	say("empty one", recvfrom(sv[1], buf, 3, 0, (struct sockaddr *)&from, &len));
	printf("from %u bytes\n", len);
	say("none", recv(sv[1], buf, 3, MSG_DONTWAIT));
	say("too large", send(sv[0], malloc(1 << 20), 1 << 20, 0));
	len = sizeof(from);
	say("name", getsockname(sv[0], (struct sockaddr *)&from, &len));
	printf("%u bytes, family %d\n", len, from.sun_family);
	close(sv[0]);
	polled("after close", sv[1]);
	if (type == SOCK_SEQPACKET)
		say("end", recv(sv[1], buf, 3, 0));
	say("send", send(sv[1], "x", 1, 0));
	say("send", send(sv[1], "x", 1, 0));
	printf("SIGPIPE %d\n", pipes);
	close(sv[1]);
}

static void options(void)
{
	struct timeval tv = { 0, 50000 };
	struct timespec a, b;
	struct linger l = { 1, 7 };
	int sv[2], v = 0;
	socklen_t len = sizeof(v);
	char c;

	pair(SOCK_STREAM, sv);
	getsockopt(sv[0], SOL_SOCKET, SO_DOMAIN, &v, &len);
	printf("domain %d\n", v);
	getsockopt(sv[0], SOL_SOCKET, SO_PROTOCOL, &v, &len);
	printf("protocol %d\n", v);
	getsockopt(sv[0], SOL_SOCKET, SO_ACCEPTCONN, &v, &len);
	printf("listening %d\n", v);
	v = 10000;
	say("SO_SNDBUF", setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)));
	getsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &v, &len);
	printf("%d\n", v);
	v = 1;
	say("SO_RCVBUF", setsockopt(sv[0], SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)));
	getsockopt(sv[0], SOL_SOCKET, SO_RCVBUF, &v, &len);
	printf("%d\n", v);
	say("too short", setsockopt(sv[0], SOL_SOCKET, SO_RCVBUF, &v, 3));
	say("unknown", setsockopt(sv[0], SOL_SOCKET, 12345, &v, sizeof(v)));
	say("unknown", getsockopt(sv[0], SOL_SOCKET, 12345, &v, &len));
	say("SO_TYPE is fixed", setsockopt(sv[0], SOL_SOCKET, SO_TYPE, &v, sizeof(v)));
	say("level", getsockopt(sv[0], 6, 1, &v, &len));
	say("SO_LINGER", setsockopt(sv[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	len = sizeof(l);
	memset(&l, 0, sizeof(l));
	getsockopt(sv[0], SOL_SOCKET, SO_LINGER, &l, &len);
	printf("linger %d %d\n", l.l_onoff, l.l_linger);
	len = 1;
	v = 0;
	say("one byte of it", getsockopt(sv[0], SOL_SOCKET, SO_TYPE, &v, &len));
	printf("%d of %u\n", v, len);
	say("SO_RCVTIMEO", setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	clock_gettime(CLOCK_MONOTONIC, &a);
	say("waits", read(sv[0], &c, 1));
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("long enough %d\n", (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 49);
	tv.tv_usec = 1000000;
	say("bad time", setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	close(sv[0]);
	close(sv[1]);
}

/* A writer that is faster than its reader, MSG_WAITALL on the other side. */
static void bulk(int type)
{
	static char buf[300000];
	int sv[2], status, bad = 0;
	long total = 0, n;

	pair(type, sv);
	pid_t pid = fork();
	if (!pid) {
		close(sv[0]);
		for (int i = 0; i < 20; i++) {
			size_t chunk = type == SOCK_STREAM ? sizeof(buf) : 30000;
			memset(buf, 'a' + i, chunk);
			if (write(sv[1], buf, chunk) != (long)chunk)
				_exit(1);
		}
		_exit(0);
	}
	close(sv[1]);
	for (int i = 0;; i++) {
		size_t chunk = type == SOCK_STREAM ? sizeof(buf) : 30000;
		n = recv(sv[0], buf, chunk, MSG_WAITALL);
		if (n <= 0)
			break;
		bad += n != (long)chunk || buf[0] != 'a' + i || buf[n - 1] != 'a' + i;
		total += n;
	}
	waitpid(pid, &status, 0);
	printf("%ld bytes, %d bad, writer %d, end %ld\n", total, bad, status, n);
	close(sv[0]);
}

static void nonblocking(void)
{
	static char buf[65536];
	int sv[2];
	long n, total = 0;

	pair(SOCK_STREAM, sv);
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	while ((n = write(sv[0], buf, sizeof(buf))) > 0)
		total += n;
	say("full", n);
	printf("held enough %d\n", total >= 65536);
	struct pollfd p = { sv[0], POLLOUT, 0 };
	printf("writable %d\n", poll(&p, 1, 0));
	while (total > 0 && (n = read(sv[1], buf, sizeof(buf))) > 0)
		total -= n;
	printf("left %ld, writable %d\n", total, poll(&p, 1, 0));
	close(sv[0]);
	close(sv[1]);
}

/* There is room to write long after it is said that there is. */
static void filling(void)
{
	static char bytes[70000];
	int sv[2];

	pair(SOCK_STREAM | SOCK_NONBLOCK, sv);
	say("a little", write(sv[0], bytes, 20000));
	polled("a little", sv[0]);
	say("more", write(sv[0], bytes, 50000));
	polled("more", sv[0]);
	say("still more", write(sv[0], bytes, 1));
	say("taken", recv(sv[1], bytes, 69000, MSG_WAITALL));
	polled("taken", sv[0]);
	close(sv[0]);
	close(sv[1]);
}

/* Who waits for room hears of a larger buffer. */
static void widened(void)
{
	static char bytes[4096];
	int sv[2], size = 4096;
	pid_t child;

	pair(SOCK_STREAM, sv);
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	while (send(sv[0], bytes, 512, MSG_DONTWAIT) > 0)
		continue;
	child = fork();
	if (!child)
		_exit(write(sv[0], bytes, 512) == 512 ? 7 : 8);
	usleep(100000);
	size = 1 << 16;
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	say("widened", waitpid(child, &size, 0) == child);
	printf("%d\n", WEXITSTATUS(size));
	close(sv[0]);
	close(sv[1]);
}

/* SO_RCVLOWAT is for who reads: poll(2) tells of any byte. */
static void low_water(void)
{
	int sv[2], low = 20;

	pair(SOCK_STREAM, sv);
	say("SO_RCVLOWAT", setsockopt(sv[1], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)));
	write(sv[0], "a", 1);
	polled("one byte", sv[1]);
	close(sv[0]);
	close(sv[1]);
}

static void credentials(const char *what, int fd, size_t max)
{
	char control[CMSG_SPACE(sizeof(struct ucred))] = { 0 }, bytes[8];
	struct iovec iov = { bytes, max };
	struct sockaddr_un name;
	struct msghdr m = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h;
	struct ucred c;

	say(what, recvmsg(fd, &m, MSG_DONTWAIT | MSG_WAITALL));
	h = CMSG_FIRSTHDR(&m);
	printf("name %u, control %zu", m.msg_namelen, (size_t)m.msg_controllen);
	if (h) {
		memcpy(&c, CMSG_DATA(h), sizeof(c));
		printf(", %s user %u group %u", c.pid ? "a process," : "no process,", c.uid, c.gid);
	}
	printf("\n");
}

/* Messages of before anybody asked, and the end, come from nobody; the sender's name is the one it has when it is asked for. */
static void nobody(int type)
{
	int sv[2], on = 1;

	pair(type, sv);
	write(sv[0], "a", 1);
	write(sv[0], "b", 1);
	credentials("not asked", sv[1], 1);
	setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	credentials("asked since", sv[1], 8);
	write(sv[0], "c", 1);
	setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	write(sv[0], "d", 1); /* this gives it a name */
	credentials("asked before", sv[1], 1);
	credentials("named", sv[1], 1);
	shutdown(sv[0], SHUT_WR);
	credentials("the end", sv[1], 1);
	close(sv[0]);
	close(sv[1]);
}

/* A splice to a closed socket raises SIGPIPE as a write does: on streams only. */
static void spliced_to_closed(int type)
{
	int sv[2], p[2];

	pipe(p);
	write(p[1], "abc", 3);
	pair(type, sv);
	close(sv[1]);
	pipes = 0;
	say("splice", splice(p[0], NULL, sv[0], NULL, 3, 0));
	printf("SIGPIPE %d\n", pipes);
	close(sv[0]);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	signal(SIGPIPE, on_sigpipe);
	made();
	streams();
	unread(SOCK_STREAM);
	unread(SOCK_SEQPACKET);
	printf("-- shutdown: stream\n");
	shutdowns(SOCK_STREAM);
	printf("-- shutdown: seqpacket\n");
	shutdowns(SOCK_SEQPACKET);
	printf("-- messages\n");
	messages(SOCK_DGRAM);
	messages(SOCK_SEQPACKET);
	printf("-- options\n");
	options();
	bulk(SOCK_STREAM);
	bulk(SOCK_DGRAM == 2 ? SOCK_SEQPACKET : 0);
	nonblocking();
	filling();
	widened();
	low_water();
	nobody(SOCK_STREAM);
	nobody(SOCK_DGRAM);
	nobody(SOCK_SEQPACKET);
	spliced_to_closed(SOCK_STREAM);
	spliced_to_closed(SOCK_DGRAM);
	spliced_to_closed(SOCK_SEQPACKET);
	return 0;
}
