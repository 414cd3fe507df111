/* SPDX-License-Identifier: Apache-2.0 */
/* Urgent data of unix streams (MSG_OOB, SO_OOBINLINE, SIOCATMARK, SIGURG, POLLPRI), as far as all kernels agree that have it. */
#include "file.h"

#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>

static int s[2];
static volatile sig_atomic_t urgent;

static void on_urgent(int sig)
{
	(void)sig;
	urgent++;
}

static void fresh(const char *what, int inline_)
{
	close(s[0]);
	close(s[1]);
	printf("--- %s\n", what);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	setsockopt(s[1], SOL_SOCKET, SO_OOBINLINE, &inline_, sizeof(inline_));
	fcntl(s[1], F_SETOWN, getpid());
	urgent = 0;
}

static void put(const char *text, int flags)
{
	printf("sent %s: %zd\n", text, send(s[0], text, strlen(text), flags | MSG_NOSIGNAL));
}

static void get(const char *what, int flags, size_t max)
{
	char buf[100] = "";
	struct iovec v = { buf, max };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t n = recvmsg(s[1], &h, flags | MSG_DONTWAIT);

	if (n < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %zd %s, urgent %d\n", what, n, buf, !!(h.msg_flags & MSG_OOB));
}

static void state(void)
{
	struct pollfd p = { .fd = s[1], .events = POLLIN | POLLPRI };
	int mark = -1;

	poll(&p, 1, 0);
	T(ioctl(s[1], SIOCATMARK, &mark));
	printf("readable %d, urgent %d, at mark %d, signals %d\n", !!(p.revents & POLLIN), !!(p.revents & POLLPRI), mark, (int)urgent);
}

static void taken_apart(void)
{
	fresh("taken apart", 0);
	state();
	get("nothing is urgent", MSG_OOB, 10);
	put("abc", MSG_OOB);
	state();
	get("a look", MSG_OOB | MSG_PEEK, 10);
	state();
	get("urgent", MSG_OOB, 10);
	get("once", MSG_OOB, 10);
	get("the rest", 0, 10);
	get("no more", 0, 10);
	state();

	fresh("between reads", 0);
	put("abc", MSG_OOB);
	put("def", 0);
	get("up to it", 0, 10);
	state();
	get("urgent", MSG_OOB, 10);
	get("behind it", 0, 10);
	state();

	fresh("small reads", 0);
	put("abc", MSG_OOB);
	put("d", 0);
	for (int i = 0; i < 4; i++) {
		get("one", 0, 1);
		state();
	}
}

static void passed_over(void)
{
	char buf[10];

	fresh("passed over", 0);
	put("abc", MSG_OOB);
	put("def", 0);
	get("up to it", 0, 10);
	state();
	get("behind it", 0, 10);
	state();
	get("lost", MSG_OOB, 10);

	fresh("waiting for all", 0);
	put("abc", MSG_OOB);
	put("def", 0);
	T(recv(s[1], buf, 5, MSG_WAITALL));

	fresh("a newer one", 0);
	put("abc", MSG_OOB);
	put("def", MSG_OOB);
	state();
	get("the older is plain", 0, 10);
	state();
	get("the newer", MSG_OOB, 10);

	fresh("only urgent ones", 0);
	put("a", MSG_OOB);
	put("b", MSG_OOB);
	get("plain", 0, 10);
	state();
	get("urgent", MSG_OOB, 10);
}

static void in_line(void)
{
	fresh("in line", 1);
	put("abc", MSG_OOB);
	put("def", 0);
	state();
	get("not apart", MSG_OOB, 10);
	get("up to it", 0, 10);
	state();
	get("a look", MSG_PEEK, 10);
	get("with it", 0, 10);
	state();
}

static void ends(void)
{
	char c;

	fresh("closed unread", 0);
	put("a", MSG_OOB);
	close(s[1]);
	T(recv(s[0], &c, 1, 0));
	T(send(s[0], "a", 1, MSG_OOB | MSG_NOSIGNAL));

	fresh("the end behind it", 0);
	put("a", MSG_OOB);
	shutdown(s[0], SHUT_WR);
	get("end", 0, 10);
	get("lost", MSG_OOB, 10);
	T(send(s[0], "a", 1, MSG_OOB | MSG_NOSIGNAL));
}

/* Urgent bytes that nobody reads are bounded too. */
static void many(void)
{
	char c;
	int n;

	fresh("many", 0);
	for (n = 0; n < 100000 && send(s[0], "x", 1, MSG_OOB | MSG_DONTWAIT) == 1; n++)
		;
	printf("some %d, then %s\n", n > 10 && n < 100000, strerrorname_np(errno));
	while (recv(s[1], &c, 1, MSG_DONTWAIT) == 1)
		n--;
	printf("all but the last were plain: %d\n", n == 1);
	T(send(s[0], "x", 1, MSG_OOB | MSG_DONTWAIT));
}

static void refused(void)
{
	int pair[2], alone = socket(AF_UNIX, SOCK_STREAM, 0);
	char c;

	T(send(alone, "a", 1, MSG_OOB));
	T(recv(alone, &c, 1, MSG_OOB));
	T(send(s[0], "", 0, MSG_OOB));
	T(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	T(send(pair[0], "a", 1, MSG_OOB));
	T(recv(pair[1], &c, 1, MSG_OOB | MSG_DONTWAIT));
}

/* Who asks for credentials gets none with an urgent byte. */
static void from_nobody(void)
{
	char byte, control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec v = { &byte, 1 };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int on = 1;

	fresh("from nobody", 0);
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	put("ab", MSG_OOB);
	printf("urgent: %zd", recvmsg(s[1], &h, MSG_OOB));
	printf(", control %zu\n", (size_t)h.msg_controllen);
	h.msg_controllen = sizeof(control);
	printf("plain: %zd", recvmsg(s[1], &h, 0));
	printf(", control %zu\n", (size_t)h.msg_controllen);
}

int main(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	if (major < 5 || (major == 5 && minor < 15))
		return 77;
	signal(SIGURG, on_urgent);
	s[0] = s[1] = -1;
	taken_apart();
	passed_over();
	in_line();
	ends();
	refused();
	many();
	from_nobody();
	return 0;
}
