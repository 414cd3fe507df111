/* SPDX-License-Identifier: Apache-2.0 */
/* SIGIO of sockets, and urgent data: what is told when, SIGURG, the mark, reads around it. */
#include "sock_inet.h"

#include <linux/sockios.h>
#include <sys/un.h>

static int rt;

/* What comes within the time that an expected signal may take, up to the first lull. The last of all signals with that name counts,
 * since packets may be told of in one piece or two. */
static void signals(const char *what, int expected)
{
	struct timespec wait = { 5, 0 }, none = { 0, 0 };
	siginfo_t si;
	sigset_t s;
	int sig;

	sigemptyset(&s);
	sigaddset(&s, expected);
	sig = sigtimedwait(&s, &si, &wait);
	printf("%s: %s", what, sig < 0 ? "nothing" : sig == rt ? "RT" : sigabbrev_np(sig));
	if (sig == rt)
		printf(" code %d band %lx", si.si_code, si.si_band);
	printf("\n");
	sigaddset(&s, rt);
	sigaddset(&s, SIGURG);
	sigaddset(&s, SIGIO);
	while (sigtimedwait(&s, NULL, &none) > 0)
		;
}

/* Is one of them pending that should not be? */
static void quiet(const char *what)
{
	sigset_t s;

	sigpending(&s);
	printf("%s:%s%s%s\n", what, sigismember(&s, rt) ? " RT" : "", sigismember(&s, SIGIO) ? " IO" : "",
	       sigismember(&s, SIGURG) ? " URG" : "");
}

static void async(int fd, int sig)
{
	done("F_SETOWN", fcntl(fd, F_SETOWN, getpid()));
	done("F_SETSIG", fcntl(fd, F_SETSIG, sig));
	done("O_ASYNC", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
}

static void unix_streams(void)
{
	static char big[1 << 16];
	int s[2], id = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	done("FIOGETOWN", ioctl(s[0], FIOGETOWN, &id));
	printf("%d\n", id);
	id = -getpgrp();
	done("SIOCSPGRP", ioctl(s[0], SIOCSPGRP, &id));
	printf("%d\n", fcntl(s[0], F_GETOWN) == -getpgrp());
	id = 999999;
	done("FIOSETOWN", ioctl(s[0], FIOSETOWN, &id));
	async(s[0], rt);
	write(s[1], "x", 1);
	signals("stream", rt);
	read(s[0], big, sizeof(big));
	quiet("read");
	while (send(s[0], big, sizeof(big), MSG_DONTWAIT) > 0)
		;
	quiet("full");
	while (recv(s[1], big, sizeof(big), MSG_DONTWAIT) > 0)
		;
	signals("room", rt);
	shutdown(s[1], SHUT_WR);
	signals("no more", rt);
	close(s[1]);
	signals("closed", rt);
	close(s[0]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	async(s[0], rt);
	shutdown(s[1], SHUT_RDWR);
	signals("shut", rt);
	close(s[0]);
	close(s[1]);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	async(s[0], rt);
	write(s[1], "x", 1);
	signals("seqpacket", rt);
	close(s[1]);
	signals("closed", rt);
	close(s[0]);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	async(s[0], 0);
	write(s[1], "x", 1);
	signals("datagram", SIGIO);
	close(s[0]);
	close(s[1]);
}

static void unix_listener(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "listener" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);

	bind(l, (struct sockaddr *)&a, sizeof(a));
	listen(l, 4);
	async(l, rt);
	done("connect", connect(c, (struct sockaddr *)&a, sizeof(a)));
	signals("listener", rt);
	close(c);
	close(l);
	unlink("listener");
}

static int listening(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	*a = v4("127.0.0.1", 0);
	bind(l, (struct sockaddr *)a, sizeof(*a));
	listen(l, 4);
	getsockname(l, (struct sockaddr *)a, &len);
	return l;
}

static void udp(void)
{
	struct sockaddr_in a = v4("127.0.0.1", 0);
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0);

	bind(s, (struct sockaddr *)&a, sizeof(a));
	getsockname(s, (struct sockaddr *)&a, &len);
	async(s, rt);
	sendto(c, "x", 1, 0, (struct sockaddr *)&a, sizeof(a));
	signals("udp", rt);
	close(s);
	connect(c, (struct sockaddr *)&a, sizeof(a));
	async(c, rt);
	send(c, "x", 1, 0);
	signals("refused", rt);
	close(c);
}

static void tcp(void)
{
	struct sockaddr_in a;
	int l = listening(&a), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), s;

	async(l, rt);
	async(c, SIGIO);
	say("connect", connect(c, (struct sockaddr *)&a, sizeof(a)));
	signals("connected", SIGIO);
	s = accept(l, NULL, NULL);
	quiet("accepted");
	send(s, "x", 1, 0);
	signals("data", SIGIO);
	async(c, rt);
	shutdown(s, SHUT_WR);
	signals("end", rt);
	async(s, rt);
	shutdown(c, SHUT_WR);
	signals("both ends", rt);
	close(c);
	close(s);
	close(l);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	async(c, rt);
	say("connect", connect(c, (struct sockaddr *)&a, sizeof(a)));
	signals("refused", rt);
	close(c);
}

static void at_mark(int fd)
{
	int mark = -1, n = -1;

	ioctl(fd, SIOCATMARK, &mark);
	ioctl(fd, SIOCINQ, &n);
	printf("mark %d, %d to read\n", mark, n);
}

static void urgent_poll(const char *what, int fd, short wanted)
{
	struct pollfd p = { fd, wanted, 0 };
	int n = poll(&p, 1, 5000);

	p.events = POLLIN | POLLPRI;
	n = poll(&p, 1, 0);
	printf("%s: poll %d%s%s\n", what, n, p.revents & POLLIN ? " IN" : "", p.revents & POLLPRI ? " PRI" : "");
}

static void get(int fd, int flags)
{
	char buf[64];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, flags);

	if (n < 0) {
		say("recv", n);
		return;
	}
	buf[n] = 0;
	printf("got \"%s\"\n", buf);
}

/* Both ends of a connection. */
static void connection(int s[2])
{
	struct sockaddr_in a;
	int l = listening(&a);

	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	connect(s[0], (struct sockaddr *)&a, sizeof(a));
	s[1] = accept(l, NULL, NULL);
	close(l);
}

static void urgent(void)
{
	struct msghdr m = { 0 };
	struct iovec v = { 0 };
	char c;
	int s[2];

	connection(s);
	get(s[1], MSG_OOB | MSG_DONTWAIT);
	done("F_SETOWN", fcntl(s[1], F_SETOWN, getpid()));
	say("send", send(s[0], "before", 6, 0));
	say("urgent", send(s[0], "u!", 2, MSG_OOB));
	signals("urgent", SIGURG);
	say("send", send(s[0], "after", 5, 0));
	urgent_poll("all", s[1], POLLPRI);
	at_mark(s[1]);
	get(s[1], MSG_OOB | MSG_PEEK);
	get(s[1], MSG_OOB);
	get(s[1], MSG_OOB);
	get(s[1], MSG_PEEK);
	urgent_poll("taken", s[1], POLLIN);
	get(s[1], 0);
	at_mark(s[1]);
	get(s[1], MSG_PEEK);
	get(s[1], 0);
	at_mark(s[1]);
	/* Passed unread: it is lost. */
	send(s[0], "1", 1, MSG_OOB);
	signals("again", SIGURG);
	send(s[0], "2", 1, 0);
	urgent_poll("pending", s[1], POLLIN);
	at_mark(s[1]);
	get(s[1], 0);
	get(s[1], MSG_OOB);
	/* Alone. */
	send(s[0], "3", 1, MSG_OOB);
	signals("alone", SIGURG);
	urgent_poll("alone", s[1], POLLPRI);
	get(s[1], MSG_DONTWAIT);
	urgent_poll("passed", s[1], 0);
	/* A newer one: the older is data. */
	send(s[0], "a4", 2, MSG_OOB);
	signals("first", SIGURG);
	send(s[0], "b5", 2, MSG_OOB);
	signals("second", SIGURG);
	get(s[1], MSG_OOB);
	get(s[1], 0);
	/* Room for nothing. */
	send(s[0], "6", 1, MSG_OOB);
	signals("third", SIGURG);
	m.msg_iov = &v;
	m.msg_iovlen = 1;
	say("recvmsg", recvmsg(s[1], &m, MSG_OOB));
	printf("flags %x\n", m.msg_flags);
	/* MSG_WAITALL ends at the mark. */
	connection(s);
	send(s[0], "xyz", 3, 0);
	send(s[0], "7", 1, MSG_OOB);
	urgent_poll("mark", s[1], POLLPRI);
	get(s[1], MSG_WAITALL);
	v.iov_base = &c;
	v.iov_len = 1;
	say("recvmsg", recvmsg(s[1], &m, MSG_OOB));
	printf("%c flags %x\n", c, m.msg_flags);
	close(s[0]);
	get(s[1], 0);
	close(s[1]);
}

static void inline_urgent(void)
{
	int s[2], on = 1;

	connection(s);
	setsockopt(s[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	done("F_SETOWN", fcntl(s[1], F_SETOWN, getpid()));
	send(s[0], "ab", 2, 0);
	send(s[0], "c", 1, MSG_OOB);
	signals("inline", SIGURG);
	send(s[0], "d", 1, 0);
	urgent_poll("inline", s[1], POLLPRI);
	get(s[1], MSG_OOB);
	get(s[1], 0);
	at_mark(s[1]);
	get(s[1], 0);
	at_mark(s[1]);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	sigset_t s;

	rt = SIGRTMIN + 2;
	sigemptyset(&s);
	sigaddset(&s, rt);
	sigaddset(&s, SIGIO);
	sigaddset(&s, SIGURG);
	sigprocmask(SIG_BLOCK, &s, NULL);
	setpgid(0, 0);
	unix_streams();
	unix_listener();
	udp();
	tcp();
	urgent();
	inline_urgent();
	return 0;
}
