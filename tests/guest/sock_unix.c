/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets with names: paths, abstract names, listening, accepting, backlog, credentials, datagrams between strangers. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

/* fd numbers are not told. */
static void done(const char *what, long r)
{
	say(what, r < 0 ? r : 0);
}

static void polled(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	int n = poll(&p, 1, 0);

	printf("%s: poll %d%s%s%s%s%s\n", what, n, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "",
	       p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "", p.revents & POLLRDHUP ? " RDHUP" : "");
}

static struct sockaddr_un addr(const char *name, socklen_t *len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (*name == '@') {
		strcpy(a.sun_path + 1, name + 1);
		*len = offsetof(struct sockaddr_un, sun_path) + strlen(name);
	} else {
		strcpy(a.sun_path, name);
		*len = sizeof(a);
	}
	return a;
}

static int with_addr(int (*fn)(int, const struct sockaddr *, socklen_t), int fd, const char *name)
{
	socklen_t len;
	struct sockaddr_un a = addr(name, &len);

	return fn(fd, (struct sockaddr *)&a, len);
}

static int do_bind(int fd, const char *name)
{
	return with_addr(bind, fd, name);
}

static int do_connect(int fd, const char *name)
{
	return with_addr(connect, fd, name);
}

static void show_name(const char *what, int fd, int (*fn)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	int r = fn(fd, (struct sockaddr *)&a, &len);

	if (r) {
		say(what, r);
		return;
	}
	printf("%s: %u bytes <", what, len);
	for (unsigned i = 0; i + 2 < len; i++)
		putchar(a.sun_path[i] ? a.sun_path[i] : '@');
	printf(">\n");
}

static int server(int type, const char *name, int backlog)
{
	int fd = socket(AF_UNIX, type, 0);

	say("bind", do_bind(fd, name));
	say("listen", listen(fd, backlog));
	return fd;
}

static void show_cred(const char *what, int fd)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len))
		say(what, -1);
	else
		printf("%s: pid %s uid %s gid %s\n", what, c.pid == getpid() ? "mine" : c.pid == 0 ? "0" : "other",
		       c.uid == getuid() ? "mine" : c.uid == -1u ? "-1" : "other",
		       c.gid == getgid() ? "mine" : c.gid == -1u ? "-1" : "other");
}

static void paths(int type)
{
	struct stat st;
	char buf[16];
	int s, c, a;

	umask(022);
	s = socket(AF_UNIX, type, 0);
	say("listen without a name", listen(s, 1));
	say("accept without listening", accept(s, NULL, NULL));
	polled("idle", s);
	show_cred("cred of nobody", s);
	show_name("nobody", s, getsockname);
	show_name("no peer", s, getpeername);
	say("bind", do_bind(s, "path"));
	say("bind again", do_bind(s, "other"));
	say("stat", stat("path", &st));
	printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	say("stat other", stat("other", &st));
	done("open", open("path", O_RDWR));
	c = socket(AF_UNIX, type, 0);
	say("bind to the same", do_bind(c, "path"));
	say("connect before listen", do_connect(c, "path"));
	say("listen", listen(s, 3));
	say("listen again", listen(s, 5));
	polled("listening", s);
	say("connect", do_connect(c, "path"));
	polled("one waits", s);
	say("connect again", do_connect(c, "path"));
	say("listener connects", do_connect(s, "path"));
	say("write before accept", write(c, "early", 5));
	a = accept(s, NULL, NULL);
	done("accept", a);
	show_name("server", s, getsockname);
	show_name("accepted", a, getsockname);
	show_name("accepted's peer", a, getpeername);
	show_name("client", c, getsockname);
	show_name("client's peer", c, getpeername);
	show_cred("server's view", a);
	show_cred("client's view", c);
	say("read", read(a, buf, sizeof(buf)));
	say("unlink", unlink("path"));
	say("still connected", write(a, "late", 4));
	say("read", read(c, buf, sizeof(buf)));
	close(c);
	c = socket(AF_UNIX, type, 0);
	say("unlinked", do_connect(c, "path"));
	close(creat("file", 0644));
	say("no socket", do_connect(c, "file"));
	close(a);
	close(s);
	s = socket(AF_UNIX, type, 0);
	do_bind(s, "dead");
	listen(s, 1);
	close(s);
	say("dead", do_connect(c, "dead"));
	say("in use though dead", do_bind(c, "dead"));
	unlink("dead");
	unlink("file");
	close(c);
}

static void bad_addresses(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un a = { .sun_family = AF_INET, .sun_path = "x" };
	struct sockaddr_un u = { .sun_family = AF_UNSPEC };

	say("family", bind(s, (struct sockaddr *)&a, sizeof(a)));
	a.sun_family = AF_UNIX;
	say("short", bind(s, (struct sockaddr *)&a, 1));
	say("long", bind(s, (struct sockaddr *)&a, 111));
	say("too long", bind(s, (struct sockaddr *)&a, 200));
	say("no directory", do_bind(s, "none/x"));
	say("connect short", connect(s, (struct sockaddr *)&a, 2));
	say("connect nowhere", do_connect(s, "nowhere"));
	say("bad pointer", connect(s, (struct sockaddr *)8, 20));
	say("unspec stream", connect(s, (struct sockaddr *)&u, sizeof(u)));
	say("unspec datagram", connect(d, (struct sockaddr *)&u, sizeof(u)));
	memset(a.sun_path, 'y', sizeof(a.sun_path));
	say("longest path", bind(s, (struct sockaddr *)&a, sizeof(a)));
	show_name("longest", s, getsockname);
	say("not a socket", bind(0, (struct sockaddr *)&a, sizeof(a)));
	say("no descriptor", bind(999, (struct sockaddr *)&a, sizeof(a)));
	close(s);
	close(d);
}

static void abstract(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t len;
	int s = server(SOCK_STREAM, "@sbx test", 2), d = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), n;

	show_name("abstract", s, getsockname);
	say("connect", do_connect(c, "@sbx test"));
	n = socket(AF_UNIX, SOCK_STREAM, 0);
	say("in use", do_bind(n, "@sbx test"));
	say("prefix", do_connect(n, "@sbx tes"));
	say("other type", do_connect(d, "@sbx test"));
	close(s);
	char b;
	say("never accepted", read(c, &b, 1));
	say("free again", do_bind(n, "@sbx test"));
	close(n);
	n = socket(AF_UNIX, SOCK_STREAM, 0);
	say("autobind", bind(n, (struct sockaddr *)&a, 2));
	len = sizeof(a);
	getsockname(n, (struct sockaddr *)&a, &len);
	printf("length %u first %d\n", len, a.sun_path[0]);
	close(c);
	close(d);
	close(n);
}

static void *late_accept(void *arg)
{
	usleep(50000);
	close(accept(*(int *)arg, NULL, NULL));
	return NULL;
}

static void backlog(void)
{
	int s = server(SOCK_STREAM, "backlog", 1), c[4];
	pthread_t t;

	for (int i = 0; i < 4; i++)
		c[i] = socket(AF_UNIX, SOCK_STREAM | (i < 3 ? SOCK_NONBLOCK : 0), 0);
	say("first", do_connect(c[0], "backlog"));
	say("second", do_connect(c[1], "backlog"));
	say("third", do_connect(c[2], "backlog"));
	pthread_create(&t, NULL, late_accept, &s);
	say("waits", do_connect(c[3], "backlog"));
	pthread_join(t, NULL);
	fcntl(s, F_SETFL, O_NONBLOCK);
	done("accept", accept4(s, NULL, NULL, SOCK_CLOEXEC));
	done("accept", accept4(s, NULL, NULL, SOCK_NONBLOCK));
	done("none", accept4(s, NULL, NULL, 0));
	done("flags", accept4(s, NULL, NULL, 77));
	say("shut", shutdown(s, SHUT_RD));
	say("refused", do_connect(c[2], "backlog"));
	done("accept", accept(s, NULL, NULL));
	unlink("backlog");
	close(s);
}

static void datagrams(void)
{
	struct sockaddr_un from;
	socklen_t len = sizeof(from);
	char buf[16] = "";
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "a" };

	say("bind", do_bind(a, "a"));
	say("bind", do_bind(b, "b"));
	say("no peer", send(b, "x", 1, 0));
	say("write without a peer", write(b, "x", 1));
	say("sendto", sendto(b, "one", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	say("sendto, no name", sendto(c, "two", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	say("recvfrom", recvfrom(a, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len));
	printf("<%s> from <%s> %u\n", buf, from.sun_path, len);
	len = sizeof(from);
	say("recvfrom", recvfrom(a, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len));
	printf("<%s> from %u\n", buf, len);
	say("connect", do_connect(a, "b"));
	show_name("peer", a, getpeername);
	say("stranger", sendto(c, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	say("stranger connects", do_connect(c, "a"));
	say("peer", sendto(b, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	say("send", send(a, "y", 1, 0));
	say("recv", recv(b, buf, 1, 0));
	say("listen", listen(b, 1));
	say("accept", accept(b, NULL, NULL));
	close(b);
	say("gone", send(a, "y", 1, 0));
	say("gone", send(a, "y", 1, 0));
	polled("a", a);
	unlink("a");
	unlink("b");
	close(a);
	close(c);
}

static void passcred(int type)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char c = 'x';
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct ucred cred = { getpid(), getuid(), getgid() };
	int sv[2], on = 1;

	socketpair(AF_UNIX, type, 0, sv);
	write(sv[0], "a", 1);
	setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	write(sv[0], "b", 1);
	for (int i = 0; i < 2; i++) {
		m.msg_controllen = sizeof(control);
		say("recvmsg", recvmsg(sv[1], &m, 0));
		printf("%c control %zu flags %#x", c, (size_t)m.msg_controllen, m.msg_flags);
		if (CMSG_FIRSTHDR(&m)) {
			memcpy(&cred, CMSG_DATA(&control.h), sizeof(cred));
			printf(" type %d len %zu pid %s uid %s", control.h.cmsg_type, (size_t)control.h.cmsg_len,
			       cred.pid == getpid() ? "mine" : cred.pid ? "other" : "0",
			       cred.uid == getuid() ? "mine" : "other");
		}
		printf("\n");
	}
	cred = (struct ucred){ getpid(), getuid(), getgid() };
	control.h = (struct cmsghdr){ CMSG_LEN(sizeof(cred)), SOL_SOCKET, SCM_CREDENTIALS };
	memcpy(CMSG_DATA(&control.h), &cred, sizeof(cred));
	m.msg_controllen = sizeof(control);
	say("own", sendmsg(sv[0], &m, 0));
	control.h.cmsg_len--;
	say("short", sendmsg(sv[0], &m, 0));
	control.h.cmsg_len = 3;
	say("very short", sendmsg(sv[0], &m, 0));
	control.h.cmsg_len = 1000;
	say("long", sendmsg(sv[0], &m, 0));
	control.h = (struct cmsghdr){ CMSG_LEN(sizeof(cred)), SOL_SOCKET, 77 };
	say("type", sendmsg(sv[0], &m, 0));
	control.h = (struct cmsghdr){ CMSG_LEN(sizeof(cred)), 77, 77 };
	say("level", sendmsg(sv[0], &m, 0));
	m.msg_control = NULL;
	say("no room at all", recvmsg(sv[1], &m, 0));
	printf("flags %#x\n", m.msg_flags);
	m.msg_control = &control;
	m.msg_controllen = sizeof(struct cmsghdr) + 4;
	say("little room", recvmsg(sv[1], &m, 0));
	printf("flags %#x length %zu\n", m.msg_flags, (size_t)control.h.cmsg_len);
	close(sv[0]);
	close(sv[1]);
}

/* Many clients at once; each sends its number and gets it back. */
static void *client(void *arg)
{
	long bad = 0;

	for (int i = 0; i < 50; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0), v = i, w = -1;
		bad += do_connect(fd, "many") != 0 || write(fd, &v, sizeof(v)) != sizeof(v) ||
		       recv(fd, &w, sizeof(w), MSG_WAITALL) != sizeof(w) || w != v + 1;
		close(fd);
	}
	return (void *)bad;
}

static void many(void)
{
	int s = server(SOCK_STREAM, "many", 2);
	pthread_t t[4];
	long bad = 0;
	void *r;

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, client, NULL);
	for (int i = 0; i < 200; i++) {
		int fd = accept(s, NULL, NULL), v = 0;
		bad += recv(fd, &v, sizeof(v), MSG_WAITALL) != sizeof(v);
		v++;
		bad += write(fd, &v, sizeof(v)) != sizeof(v);
		close(fd);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &r);
		bad += (long)r;
	}
	printf("many: %ld bad\n", bad);
	unlink("many");
	close(s);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("-- stream\n");
	paths(SOCK_STREAM);
	printf("-- seqpacket\n");
	paths(SOCK_SEQPACKET);
	printf("-- addresses\n");
	bad_addresses();
	abstract();
	printf("-- backlog\n");
	backlog();
	printf("-- datagrams\n");
	datagrams();
	printf("-- credentials\n");
	passcred(SOCK_STREAM);
	passcred(SOCK_DGRAM);
	many();
	return 0;
}
