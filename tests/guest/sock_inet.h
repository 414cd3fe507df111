/* SPDX-License-Identifier: Apache-2.0 */
/* What the guests about TCP share. */
#ifndef GUEST_SOCK_INET_H
#define GUEST_SOCK_INET_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static int pipes;

UNUSED static void on_sigpipe(int sig)
{
	pipes++;
}

UNUSED static void say(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

UNUSED static void done(const char *what, long r)
{
	say(what, r < 0 ? r : 0);
}

UNUSED static void polled(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };
	usleep(10000);
	int n = poll(&p, 1, 0);

	printf("%s: poll %d%s%s%s%s%s\n", what, n, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "",
	       p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "", p.revents & POLLRDHUP ? " RDHUP" : "");
}

UNUSED static struct sockaddr_in v4(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

UNUSED static struct sockaddr_in6 v6(const char *ip, int port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, ip, &a.sin6_addr);
	return a;
}

UNUSED static int bind4(int fd, const char *ip, int port)
{
	struct sockaddr_in a = v4(ip, port);

	return bind(fd, (struct sockaddr *)&a, sizeof(a));
}

UNUSED static int connect4(int fd, const char *ip, int port)
{
	struct sockaddr_in a = v4(ip, port);

	return connect(fd, (struct sockaddr *)&a, sizeof(a));
}

UNUSED static int port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	return ntohs(((struct sockaddr_in *)&a)->sin_port); /* at the same place in both */
}

UNUSED static void show(const char *what, int fd, int (*fn)(int, struct sockaddr *, socklen_t *), int known)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	char ip[64];

	if (fn(fd, (struct sockaddr *)&a, &len)) {
		say(what, -1);
		return;
	}
	inet_ntop(a.ss_family, a.ss_family == AF_INET ? (void *)&((struct sockaddr_in *)&a)->sin_addr :
		  (void *)&((struct sockaddr_in6 *)&a)->sin6_addr, ip, sizeof(ip));
	int port = ntohs(((struct sockaddr_in *)&a)->sin_port);
	printf("%s: family %d %s port %s, %u bytes\n", what, a.ss_family, ip,
	       port == known ? "known" : port ? "other" : "none", len);
}

/* A connection: fds[0] is the client, fds[1] what was accepted. */
UNUSED static int listener(int backlog)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (bind4(s, "127.0.0.1", 0) || listen(s, backlog))
		perror("listener");
	return s;
}

UNUSED static void connected(int fds[2])
{
	int s = listener(5);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect4(fds[0], "127.0.0.1", port_of(s)))
		perror("connect");
	fds[1] = accept(s, NULL, NULL);
	close(s);
}
#endif
