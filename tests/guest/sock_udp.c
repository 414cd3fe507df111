/* SPDX-License-Identifier: Apache-2.0 */
// again: --network host
/* UDP over the loopback, several messages a call, getifaddrs(3), getaddrinfo(3) of numbers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

static void polled(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	usleep(5000);
	int n = poll(&p, 1, 0);

	printf("%s: poll %d%s%s%s%s%s\n", what, n, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "",
	       p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "", p.revents & POLLRDHUP ? " RDHUP" : "");
}

static struct sockaddr_in v4(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static int bound(int domain)
{
	int s = socket(domain, SOCK_DGRAM, 0);
	struct sockaddr_in a = v4("127.0.0.1", 0);
	struct sockaddr_in6 b = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (domain == AF_INET ? bind(s, (struct sockaddr *)&a, sizeof(a)) : bind(s, (struct sockaddr *)&b, sizeof(b)))
		perror("bind");
	return s;
}

static int port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	return ntohs(a.sin_port);
}

static long to(int s, const char *ip, int port, const char *text)
{
	struct sockaddr_in a = v4(ip, port);

	return sendto(s, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a));
}

static void from(const char *what, int s, int flags, int known)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);
	char buf[32] = "";
	long r = recvfrom(s, buf, 8, flags, (struct sockaddr *)&a, &len);

	if (r < 0)
		say(what, r);
	else
		printf("%s: %ld <%s> from %s port %s\n", what, r, buf, inet_ntoa(a.sin_addr),
		       ntohs(a.sin_port) == known ? "known" : "other");
}

static void plain(void)
{
	int a = bound(AF_INET), b = bound(AF_INET), n, pa = port_of(a), pb = port_of(b);
	struct sockaddr_in x;
	socklen_t len = sizeof(x);
	char big[70000];

	polled("fresh", a);
	say("no destination", send(a, "x", 1, 0));
	say("peer", getpeername(a, (struct sockaddr *)&x, &len));
	say("sendto", to(a, "127.0.0.1", pb, "hello"));
	say("longer", to(a, "127.0.0.1", pb, "hello, world"));
	say("empty", to(a, "127.0.0.1", pb, ""));
	polled("three", b);
	say("FIONREAD", ioctl(b, FIONREAD, &n));
	printf("%d\n", n);
	from("peek", b, MSG_PEEK, pa);
	from("first", b, 0, pa);
	from("cut", b, MSG_TRUNC, pa);
	from("empty", b, 0, pa);
	from("none", b, MSG_DONTWAIT, pa);
	say("nobody there", to(a, "127.0.0.1", 1, "x"));
	polled("not told", a);
	say("port 0", to(a, "127.0.0.1", 0, "x"));
	x = v4("127.0.0.1", pb);
	say("short", sendto(a, "x", 1, 0, (struct sockaddr *)&x, 4));
	x.sin_family = AF_UNIX;
	say("family", sendto(a, "x", 1, 0, (struct sockaddr *)&x, sizeof(x)));
	say("too long", send(a, big, 65508, 0));
	x = v4("127.0.0.1", pb);
	say("long", sendto(a, big, 65507, 0, (struct sockaddr *)&x, sizeof(x)));
	say("received", recv(b, big, sizeof(big), 0));
	say("broadcast", to(a, "255.255.255.255", pb, "x"));
	say("listen", listen(a, 1));
	say("accept", accept(a, NULL, NULL));
	say("shutdown", shutdown(a, SHUT_RDWR));
	n = socket(AF_INET, SOCK_DGRAM, 0);
	say("in use", bind(n, (struct sockaddr *)&x, sizeof(x)));
	say("autobind", to(n, "127.0.0.1", pb, "auto"));
	from("from it", b, 0, port_of(n));
	close(a);
	close(b);
	close(n);
}

static void connected(void)
{
	int a = bound(AF_INET), b = bound(AF_INET), c = bound(AF_INET), n = 0, pb = port_of(b);
	struct sockaddr_in x = v4("127.0.0.1", pb);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	socklen_t len = sizeof(n);

	say("connect", connect(a, (struct sockaddr *)&x, sizeof(x)));
	say("send", send(a, "one", 3, 0));
	from("recv", b, 0, port_of(a));
	say("stranger", to(c, "127.0.0.1", port_of(a), "no"));
	say("friend", to(b, "127.0.0.1", port_of(a), "yes"));
	usleep(5000);
	from("only the friend", a, MSG_DONTWAIT, pb);
	from("none", a, MSG_DONTWAIT, pb);
	say("elsewhere", to(a, "127.0.0.1", port_of(c), "else"));
	from("there", c, 0, port_of(a));
	close(b);
	say("gone", send(a, "x", 1, 0));
	polled("told", a);
	say("send", send(a, "x", 1, 0));
	usleep(5000);
	say("send", send(a, "x", 1, 0));
	say("recv", recv(a, &n, 1, MSG_DONTWAIT));
	send(a, "x", 1, 0);
	usleep(5000);
	getsockopt(a, SOL_SOCKET, SO_ERROR, &n, &len);
	printf("SO_ERROR %s\n", strerrorname_np(n));
	say("SHUT_WR", shutdown(a, SHUT_WR));
	say("send", send(a, "x", 1, MSG_NOSIGNAL));
	polled("shut", a);
	say("disconnect", connect(a, &none, sizeof(none)));
	len = sizeof(x);
	say("no peer", getpeername(a, (struct sockaddr *)&x, &len));
	close(a);
	close(c);
}

static void six(void)
{
	int a = bound(AF_INET6), b = socket(AF_INET6, SOCK_DGRAM, 0), c = bound(AF_INET), off = 0;
	struct sockaddr_in6 x = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT }, y;
	socklen_t len = sizeof(y);
	char buf[16], ip[64];

	setsockopt(b, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	x.sin6_port = htons(port_of(a));
	say("sendto", sendto(b, "six", 3, 0, (struct sockaddr *)&x, sizeof(x)));
	say("recv", recvfrom(a, buf, sizeof(buf), 0, (struct sockaddr *)&y, &len));
	printf("from %s, %u bytes\n", inet_ntop(AF_INET6, &y.sin6_addr, ip, sizeof(ip)), len);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &x.sin6_addr);
	x.sin6_port = htons(port_of(c));
	say("mapped", sendto(b, "four", 4, 0, (struct sockaddr *)&x, sizeof(x)));
	from("as IPv4", c, 0, port_of(b));
	say("back", to(c, "127.0.0.1", port_of(b), "back"));
	len = sizeof(y);
	say("recv", recvfrom(b, buf, sizeof(buf), 0, (struct sockaddr *)&y, &len));
	printf("from %s\n", inet_ntop(AF_INET6, &y.sin6_addr, ip, sizeof(ip)));
	say("to an IPv4 address", to(b, "127.0.0.1", port_of(c), "v4"));
	from("there", c, 0, port_of(b));
	close(a);
	close(b);
	close(c);
}

static void ancillary(void)
{
	int a = bound(AF_INET), b = bound(AF_INET), on = 1;
	char control[256], data[8];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h;

	say("pktinfo", setsockopt(b, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)));
	say("ttl", setsockopt(b, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)));
	say("timestamp", setsockopt(b, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
	to(a, "127.0.0.1", port_of(b), "x");
	say("recvmsg", recvmsg(b, &m, 0));
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		printf("level %d type %d length %zu", h->cmsg_level, h->cmsg_type, (size_t)h->cmsg_len);
		if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO)
			printf(" interface %d to %s", ((struct in_pktinfo *)CMSG_DATA(h))->ipi_ifindex,
			       inet_ntoa(((struct in_pktinfo *)CMSG_DATA(h))->ipi_addr));
		if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_TTL)
			printf(" %d", *(int *)CMSG_DATA(h));
		printf("\n");
	}
	close(a);
	close(b);
}

static void many(void)
{
	int a = bound(AF_INET), b = bound(AF_INET);
	struct sockaddr_in x = v4("127.0.0.1", port_of(b));
	char in[4][8] = { "", "" };
	struct iovec out[3] = { { "one", 3 }, { "two", 3 }, { "three", 5 } }, into[4];
	struct mmsghdr m[4] = { 0 };
	struct timespec ts = { 0, 100000000 };

	for (int i = 0; i < 3; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_name = &x, .msg_namelen = sizeof(x), .msg_iov = &out[i], .msg_iovlen = 1 };
	say("sendmmsg", sendmmsg(a, m, 3, 0));
	printf("%u %u %u\n", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	for (int i = 0; i < 4; i++) {
		into[i] = (struct iovec){ in[i], 7 };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &into[i], .msg_iovlen = 1 };
	}
	say("two of them", recvmmsg(b, m, 2, 0, NULL));
	printf("%s %s\n", in[0], in[1]);
	say("wait for one", recvmmsg(b, m, 4, MSG_WAITFORONE, NULL));
	printf("%s %u\n", in[0], m[0].msg_len);
	say("none", recvmmsg(b, m, 4, MSG_DONTWAIT, &ts));
	say("bad time", recvmmsg(b, m, 4, 0, &(struct timespec){ 0, -1 }));
	m[1].msg_hdr.msg_iov = (void *)8;
	to(a, "127.0.0.1", port_of(b), "x");
	to(a, "127.0.0.1", port_of(b), "y");
	say("bad second", recvmmsg(b, m, 2, 0, NULL));
	close(a);
	close(b);
}

static void overflow(void)
{
	int a = bound(AF_INET), b = bound(AF_INET), small = 1, n = 0;
	struct timeval tv = { 0, 20000 };
	char buf[1000];

	setsockopt(b, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	for (int i = 0; i < 100; i++)
		to(a, "127.0.0.1", port_of(b), "packet");
	while (recv(b, buf, sizeof(buf), 0) > 0)
		n++;
	say("in the end", -1);
	printf("some lost %d, some there %d\n", n < 100, n > 0);
	close(a);
	close(b);
}

static void interfaces(void)
{
	struct ifaddrs *all, *i;
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *r;
	struct ifreq q = { .ifr_name = "lo" };
	int s = socket(AF_INET, SOCK_DGRAM, 0), v4s = 0, links = 0;

	say("getifaddrs", getifaddrs(&all));
	for (i = all; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "lo") || !i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			v4s += ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
			       ((struct sockaddr_in *)i->ifa_netmask)->sin_addr.s_addr == htonl(0xff000000);
		if (i->ifa_addr->sa_family == AF_PACKET)
			links += i->ifa_flags & IFF_LOOPBACK && i->ifa_flags & IFF_UP;
	}
	freeifaddrs(all);
	printf("lo: %d links, %d addresses\n", links, v4s);
	printf("index %u, name %d\n", if_nametoindex("lo"), if_indextoname(1, q.ifr_name) && !strcmp(q.ifr_name, "lo"));
	say("SIOCGIFFLAGS", ioctl(s, SIOCGIFFLAGS, &q));
	printf("up %d loopback %d\n", !!(q.ifr_flags & IFF_UP), !!(q.ifr_flags & IFF_LOOPBACK));
	say("SIOCGIFMTU", ioctl(s, SIOCGIFMTU, &q));
	printf("%d\n", q.ifr_mtu);
	strcpy(q.ifr_name, "none0");
	say("no such", ioctl(s, SIOCGIFINDEX, &q));
	printf("getaddrinfo %d\n", getaddrinfo("127.0.0.1", "80", &hints, &r));
	freeaddrinfo(r);
	close(s);
}

/* Shut without a connection: ENOTCONN, and shut all the same. */
static void shut_unconnected(void)
{
	char c;

	for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
		int s = socket(AF_INET, SOCK_DGRAM, 0);
		struct sockaddr_in a = v4("127.0.0.1", 4444);

		say("shutdown", shutdown(s, how));
		polled("shut", s);
		say("recv at once", recv(s, &c, 1, MSG_DONTWAIT));
		if (how != SHUT_WR)
			say("recv", recv(s, &c, 1, 0));
		say("sendto", sendto(s, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof(a)));
		close(s);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	plain();
	printf("-- connected\n");
	connected();
	printf("-- IPv6\n");
	six();
	printf("-- ancillary\n");
	ancillary();
	printf("-- many\n");
	many();
	overflow();
	printf("-- interfaces\n");
	interfaces();
	shut_unconnected();
	return 0;
}
