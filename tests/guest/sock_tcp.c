/* SPDX-License-Identifier: Apache-2.0 */
// again: --network host
/* TCP over the loopback: binding, connecting, ends, resets, options, both families. Nothing here leaves 127.0.0.1 and ::1. */
#include "sock_inet.h"

static void creating(void)
{
	int s;

	done("tcp", socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
	done("wrong protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	done("no type", socket(AF_INET, SOCK_SEQPACKET, 0));
	done("bad protocol", socket(AF_INET, SOCK_STREAM, 1000));
	s = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	printf("flags %d %d\n", fcntl(s, F_GETFD), !!(fcntl(s, F_GETFL) & O_NONBLOCK));
	close(s);
	s = socket(AF_INET, SOCK_STREAM, 0);
	polled("fresh", s);
	show("name", s, getsockname, 0);
	show("peer", s, getpeername, 0);
	char c;
	say("read", read(s, &c, 1));
	say("write", write(s, &c, 1));
	printf("SIGPIPE %d\n", pipes);
	pipes = 0;
	say("shutdown", shutdown(s, SHUT_RDWR));
	say("accept", accept(s, NULL, NULL));
	close(s);
}

static void binding(void)
{
	struct sockaddr_in a = v4("127.0.0.1", 0);
	int s = socket(AF_INET, SOCK_STREAM, 0), t = socket(AF_INET, SOCK_STREAM, 0), u, on = 1, port;

	say("short", bind(s, (struct sockaddr *)&a, 4));
	a.sin_family = AF_UNIX;
	say("family", bind(s, (struct sockaddr *)&a, sizeof(a)));
	say("not ours", bind4(s, "192.0.2.1", 0));
	say("bind", bind4(s, "127.0.0.1", 0));
	port = port_of(s);
	printf("chosen %d\n", port >= 32768);
	say("again", bind4(s, "127.0.0.1", 0));
	say("in use", bind4(t, "127.0.0.1", port));
	say("any in use", bind4(t, "0.0.0.0", port));
	say("other address", bind4(t, "127.0.0.2", port));
	close(t);
	t = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	say("one side reuses", bind4(t, "127.0.0.1", port));
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	say("both reuse", bind4(t, "127.0.0.1", port));
	say("listen", listen(s, 1));
	say("listen too", listen(t, 1));
	u = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(u, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	say("reuse of a listener", bind4(u, "127.0.0.1", port));
	close(s);
	close(t);
	close(u);
	s = socket(AF_INET, SOCK_STREAM, 0);
	t = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(t, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	say("bind", bind4(s, "127.0.0.1", 0));
	say("reuseport", bind4(t, "127.0.0.1", port_of(s)));
	say("listen", listen(s, 1));
	say("listen", listen(t, 1));
	close(s);
	close(t);
	s = socket(AF_INET, SOCK_STREAM, 0);
	say("listen unbound", listen(s, 1));
	printf("bound %d\n", port_of(s) >= 32768);
	close(s);
}

static void connecting(void)
{
	int s = listener(5), c = socket(AF_INET, SOCK_STREAM, 0), a, port = port_of(s), dead;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[16] = "";

	polled("listening", s);
	say("connect", connect4(c, "127.0.0.1", port));
	polled("waiting", s);
	polled("client", c);
	say("again", connect4(c, "127.0.0.1", port));
	say("listener connects", connect4(s, "127.0.0.1", port));
	say("write early", write(c, "early", 5));
	a = accept(s, (struct sockaddr *)&from, &len);
	printf("accept %d from %s, %u bytes, same port %d\n", a >= 0, inet_ntoa(from.sin_addr), len,
	       ntohs(from.sin_port) == port_of(c));
	show("client", c, getsockname, port);
	show("client's peer", c, getpeername, port);
	show("accepted", a, getsockname, port);
	show("accepted's peer", a, getpeername, port);
	say("read", read(a, buf, sizeof(buf)));
	len = sizeof(from);
	write(a, "back", 4);
	say("recvfrom", recvfrom(c, buf, 16, 0, (struct sockaddr *)&from, &len));
	printf("no address: %u\n", len);
	say("sendto is send", sendto(c, "x", 1, 0, (struct sockaddr *)&from, sizeof(from)));
	say("read", read(a, buf, 16));
	close(a);
	close(c);
	close(s);
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("nobody listens", connect4(c, "127.0.0.1", port));
	polled("refused", c);
	s = socket(AF_INET, SOCK_STREAM, 0);
	bind4(s, "127.0.0.1", 0);
	port = port_of(s);
	say("bound only", connect4(c, "127.0.0.1", port));
	listen(s, 1);
	say("same socket again", connect4(c, "127.0.0.1", port));
	show("name", c, getsockname, port);
	close(c);
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("0.0.0.0", connect4(c, "0.0.0.0", port));
	close(c);
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("127.9.9.9", connect4(c, "127.9.9.9", port));
	struct sockaddr_in x = v4("127.0.0.1", port);
	say("short", connect(c, (struct sockaddr *)&x, 8));
	x.sin_family = AF_INET6;
	say("family", connect(c, (struct sockaddr *)&x, sizeof(x)));
	close(c);
	close(s);
	/* Accepted by nobody, then the listener goes. */
	s = listener(5);
	c = socket(AF_INET, SOCK_STREAM, 0);
	connect4(c, "127.0.0.1", port_of(s));
	close(s);
	polled("never accepted", c);
	say("read", read(c, buf, 1));
	say("read", read(c, buf, 1));
	close(c);
}

static void nonblocking(void)
{
	int s = listener(5), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), err = 0, port = port_of(s);
	socklen_t len = sizeof(err);

	say("connect", connect4(c, "127.0.0.1", port));
	polled("connected", c);
	getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len);
	printf("error %d\n", err);
	say("connect says so", connect4(c, "127.0.0.1", port));
	say("once", connect4(c, "127.0.0.1", port));
	fcntl(s, F_SETFL, O_NONBLOCK);
	int a = accept(s, NULL, NULL);
	printf("accepted %d, blocking %d\n", a >= 0, !(fcntl(a, F_GETFL) & O_NONBLOCK));
	say("no more", accept(s, NULL, NULL));
	char ch;
	say("nothing", read(c, &ch, 1));
	close(a);
	close(c);
	close(s);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	say("connect", connect4(c, "127.0.0.1", port));
	polled("refused", c);
	getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len);
	printf("error %s\n", strerrorname_np(err));
	polled("error taken", c);
	close(c);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	connect4(c, "127.0.0.1", port);
	usleep(10000);
	say("connect tells", connect4(c, "127.0.0.1", port));
	close(c);
}

static void ends(void)
{
	char buf[16];
	int f[2];

	connected(f);
	polled("fresh", f[0]);
	write(f[0], "data", 4);
	say("SHUT_WR", shutdown(f[0], SHUT_WR));
	polled("self", f[0]);
	polled("peer", f[1]);
	say("write", send(f[0], "x", 1, MSG_NOSIGNAL));
	say("read", read(f[1], buf, 16));
	say("end", read(f[1], buf, 16));
	say("other way", write(f[1], "back", 4));
	say("read", read(f[0], buf, 16));
	say("SHUT_WR too", shutdown(f[1], SHUT_WR));
	polled("over", f[0]);
	polled("over", f[1]);
	show("peer's name", f[0], getpeername, 0);
	say("shutdown", shutdown(f[1], SHUT_RDWR));
	close(f[0]);
	close(f[1]);
	/* The other side is closed: the first write goes, the second does not. */
	connected(f);
	close(f[1]);
	polled("closed", f[0]);
	say("end", read(f[0], buf, 1));
	pipes = 0;
	say("first write", write(f[0], "x", 1));
	polled("answered", f[0]);
	say("second write", write(f[0], "x", 1));
	printf("SIGPIPE %d\n", pipes);
	say("read", read(f[0], buf, 1));
	close(f[0]);
	/* Closed with data unread. */
	connected(f);
	write(f[0], "unread", 6);
	usleep(10000);
	close(f[1]);
	polled("reset", f[0]);
	say("read", read(f[0], buf, 1));
	say("read", read(f[0], buf, 1));
	say("write", write(f[0], "x", 1));
	close(f[0]);
	/* Linger 0. */
	connected(f);
	struct linger l = { 1, 0 };
	setsockopt(f[1], SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	write(f[1], "sent", 4);
	usleep(10000);
	close(f[1]);
	usleep(10000);
	say("write", write(f[0], "x", 1));
	close(f[0]);
	/* SHUT_RD ends reading here and says nothing there. */
	connected(f);
	say("SHUT_RD", shutdown(f[0], SHUT_RD));
	say("read", read(f[0], buf, 1));
	polled("self", f[0]);
	polled("peer", f[1]);
	say("write", write(f[1], "x", 1));
	close(f[0]);
	close(f[1]);
	/* A listener that is shut down. */
	int s = listener(1), c = socket(AF_INET, SOCK_STREAM, 0), port = port_of(s);
	say("SHUT_RD of a listener", shutdown(s, SHUT_RD));
	say("accept", accept(s, NULL, NULL));
	say("connect", connect4(c, "127.0.0.1", port));
	close(s);
	close(c);
	/* Undone by connecting to nowhere. */
	connected(f);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	say("unspec", connect(f[0], &none, sizeof(none)));
	show("peer", f[0], getpeername, 0);
	usleep(10000);
	say("other side", read(f[1], buf, 1));
	close(f[0]);
	close(f[1]);
}

static void get(const char *what, int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	if (getsockopt(fd, level, name, &v, &len))
		say(what, -1);
	else
		printf("%s: %d (%u)\n", what, v, len);
}

static void set(const char *what, int fd, int level, int name, int v)
{
	say(what, setsockopt(fd, level, name, &v, sizeof(v)));
	get(what, fd, level, name);
}

static void options(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), n;
	unsigned char byte = 7;
	char name[16] = "";
	socklen_t len = sizeof(name);

	get("type", s, SOL_SOCKET, SO_TYPE);
	get("protocol", s, SOL_SOCKET, SO_PROTOCOL);
	get("domain", s, SOL_SOCKET, SO_DOMAIN);
	get("listening", s, SOL_SOCKET, SO_ACCEPTCONN);
	set("nodelay", s, IPPROTO_TCP, TCP_NODELAY, 5);
	set("cork", s, IPPROTO_TCP, TCP_CORK, 1);
	set("keepalive", s, SOL_SOCKET, SO_KEEPALIVE, 1);
	set("keepidle", s, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	set("keepidle", s, IPPROTO_TCP, TCP_KEEPIDLE, 0);
	set("keepintvl", s, IPPROTO_TCP, TCP_KEEPINTVL, 11);
	set("keepcnt", s, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set("keepcnt", s, IPPROTO_TCP, TCP_KEEPCNT, 300);
	set("user timeout", s, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
	set("ttl", s, IPPROTO_IP, IP_TTL, 10);
	set("ttl", s, IPPROTO_IP, IP_TTL, 300);
	set("ttl", s, IPPROTO_IP, IP_TTL, -1);
	set("tos", s, IPPROTO_IP, IP_TOS, 0x10);
	say("byte", setsockopt(s, IPPROTO_IP, IP_TTL, &byte, 1));
	get("ttl", s, IPPROTO_IP, IP_TTL);
	say("short", setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &byte, 1));
	get("unknown", s, IPPROTO_TCP, 9999);
	get("unknown level", s, 12345, 1);
	get("udp level", s, IPPROTO_UDP, 1);
	get("v6 on v4", s, IPPROTO_IPV6, IPV6_V6ONLY);
	get("maxseg", s, IPPROTO_TCP, TCP_MAXSEG);
	struct linger l = { 1, 3 };
	say("linger", setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	close(s);
	s = socket(AF_INET6, SOCK_STREAM, 0);
	set("v6only", s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	struct sockaddr_in6 a = v6("::1", 0);
	if (!bind(s, (struct sockaddr *)&a, sizeof(a))) {
		n = 0;
		say("too late", setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &n, sizeof(n)));
	}
	close(s);
}

static void six(void)
{
	struct sockaddr_in6 a = v6("::", 0);
	int s = socket(AF_INET6, SOCK_STREAM, 0), c, port, n, off = 0;

	setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	say("bind", bind(s, (struct sockaddr *)&a, sizeof(a)));
	say("listen", listen(s, 5));
	port = port_of(s);
	show("name", s, getsockname, port);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	a = v6("::1", port);
	say("connect ::1", connect(c, (struct sockaddr *)&a, sizeof(a)));
	show("client", c, getsockname, port);
	n = accept(s, NULL, NULL);
	show("accepted's peer", n, getpeername, port_of(c));
	close(n);
	close(c);
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("connect 127.0.0.1", connect4(c, "127.0.0.1", port));
	n = accept(s, NULL, NULL);
	show("accepted", n, getsockname, port);
	show("accepted's peer", n, getpeername, port_of(c));
	close(n);
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	a = v6("::ffff:127.0.0.1", port);
	say("connect mapped", connect(c, (struct sockaddr *)&a, sizeof(a)));
	show("client", c, getsockname, port);
	close(accept(s, NULL, NULL));
	close(c);
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("v4 in use", bind4(c, "127.0.0.1", port));
	close(c);
	close(s);
	s = socket(AF_INET6, SOCK_STREAM, 0);
	int on = 1;
	setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	a = v6("::", 0);
	say("bind", bind(s, (struct sockaddr *)&a, sizeof(a)));
	say("listen", listen(s, 5));
	port = port_of(s);
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("no v4 there", connect4(c, "127.0.0.1", port));
	say("v4 is free", bind4(c, "127.0.0.1", port));
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	a = v6("::1", port);
	say("short", connect(c, (struct sockaddr *)&a, 16));
	a.sin6_family = AF_INET;
	say("family", connect(c, (struct sockaddr *)&a, sizeof(a)));
	close(c);
	close(s);
}

/* Who waits for room goes on when what was under way is read, though the reader has made room for more before. */
static void widened(void)
{
	static char bytes[1 << 16];
	int s = listener(5), fds[2], size = 2048;
	long sent = 0, n;
	pid_t child;

	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	connect4(fds[0], "127.0.0.1", port_of(s));
	fds[1] = accept(s, NULL, NULL);
	while ((n = send(fds[0], bytes, 512, MSG_DONTWAIT)) > 0)
		sent += n;
	child = fork();
	if (!child)
		_exit(send(fds[0], bytes, sizeof(bytes), 0) == sizeof(bytes) ? 7 : 8);
	usleep(100000);
	size = 200000;
	setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (sent += (long)sizeof(bytes); sent > 0 && (n = recv(fds[1], bytes, sizeof(bytes), 0)) > 0;)
		sent -= n;
	waitpid(child, &size, 0);
	printf("left %ld, %d\n", sent, WEXITSTATUS(size));
	close(fds[0]);
	close(fds[1]);
	close(s);
}

int main(void)
{
	signal(SIGPIPE, on_sigpipe);
	setvbuf(stdout, NULL, _IOLBF, 0);
	creating();
	printf("-- binding\n");
	binding();
	printf("-- connecting\n");
	connecting();
	printf("-- nonblocking\n");
	nonblocking();
	printf("-- ends\n");
	ends();
	printf("-- options\n");
	options();
	printf("-- IPv6\n");
	six();
	printf("-- widened\n");
	widened();
	return 0;
}
