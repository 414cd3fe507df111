/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of sockets that were sent through each other and closed: nobody can receive them, and they may neither fill up
 * the sandbox nor keep others from sending. */
#include "attack.h"

#include <sys/resource.h>
#include <sys/socket.h>

enum { LIMIT = 256, PAIRS = 1000 }; /* far more than may be in flight together */

static int send_both(int to, const int fds[2])
{
	char byte = 0, control[CMSG_SPACE(2 * sizeof(int))] = {0};
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	return sendmsg(to, &m, MSG_DONTWAIT) == 1 ? 0 : -1;
}

int main(void)
{
	const struct rlimit limit = {LIMIT, LIMIT};

	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < PAIRS && !holes; i++) {
		int fds[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) || send_both(fds[0], fds) || send_both(fds[1], fds))
			hole("a pair of sockets cannot be sent, after", i);
		close(fds[0]);
		close(fds[1]);
	}
	return verdict();
}
