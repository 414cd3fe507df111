/* SPDX-License-Identifier: Apache-2.0 */
/* Which sockets the filter of the sentry's own calls lets it make, with the host's network and without. Each question is asked in a child. */
#include "sandbox/confine.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OWN = SOCK_NONBLOCK | SOCK_CLOEXEC };

static int fd = -1; /* a TCP socket made before the filter */

/* 0, or the errno that fn left, behind the filter. */
static int behind(bool host_network, int (*fn)(void))
{
	const struct options o = { .host_network = host_network };
	struct layers layers = { 0 };
	pid_t pid = fork();
	int status;

	if (!pid) {
		fd = socket(AF_INET, SOCK_STREAM | OWN, IPPROTO_TCP);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || confine_syscalls(&o, &layers))
			_exit(255);
		errno = 0;
		_exit(fn() < 0 ? errno : 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int tcp(void)
{
	return socket(AF_INET, SOCK_STREAM | OWN, IPPROTO_TCP);
}

static int udp6(void)
{
	return socket(AF_INET6, SOCK_DGRAM | OWN, IPPROTO_UDP);
}

static int blocking(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
}

static int raw(void)
{
	return socket(AF_INET, SOCK_RAW | OWN, IPPROTO_ICMP);
}

static int ping(void)
{
	return socket(AF_INET, SOCK_DGRAM | OWN, IPPROTO_ICMP);
}

static int local(void)
{
	return socket(AF_UNIX, SOCK_STREAM | OWN, 0);
}

static int local_pair(void)
{
	int pair[2];

	return socketpair(AF_UNIX, SOCK_DGRAM | OWN, 0, pair);
}

static int packet(void)
{
	return socket(AF_PACKET, SOCK_DGRAM | OWN, 0);
}

static int netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | OWN, 0);
}

static int name_it(void)
{
	const struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return bind(fd, (const struct sockaddr *)&in, sizeof(in)) ? -1 : listen(fd, 1);
}

static int set_plain(void)
{
	int on = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int set_program(void)
{
	static const char program[16];

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, sizeof(program));
}

static int set_protocol(void)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3);
}

Test(filter, the_hosts_network_is_tcp_and_udp)
{
	cr_assert_eq(behind(true, tcp), 0);
	cr_assert_eq(behind(true, udp6), 0);
	cr_assert_eq(behind(true, name_it), 0);
	cr_assert_eq(behind(true, set_plain), 0);
}

Test(filter, it_is_nothing_else)
{
	int (*const refused[])(void) = { blocking, raw, ping, local, local_pair, packet, netlink, set_program, set_protocol };

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		cr_assert_eq(behind(true, refused[i]), EPERM);
}

Test(filter, without_it_there_is_no_socket)
{
	int (*const refused[])(void) = { tcp, udp6, local, local_pair, netlink, name_it, set_plain };

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		cr_assert_eq(behind(false, refused[i]), EPERM);
}
