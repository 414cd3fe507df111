/* SPDX-License-Identifier: Apache-2.0 */
/* Steps on sockets: messages with descriptors in them, urgent bytes, ends and options. */
#include "descriptors.h"

#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Longer messages may be cut into several buffers, the first of which carries the descriptors. */
enum { PASSED_MAX = 4, PASSED_WITH = 5 * PAGE };

/* May what slot i holds lie in the queue of slot `over`'s peer without making a cycle? */
static bool may_pass(int i, int over)
{
	return slot[i].kind != CLOSED && (!is_socket(i) || slot[i].rank < slot[over].rank);
}

static void op_sendmsg(struct rng *r)
{
	char control[CMSG_SPACE(sizeof(int) * PASSED_MAX)] = { 0 };
	int i = choose_kind(r, STREAM, SEQPACKET), count = (int)rng_below(r, 3), passed = 0, fds[PASSED_MAX];
	size_t n = choose_length(r);
	struct iovec v = { buffer, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	int flags = MSG_DONTWAIT | (one_in(r, 5) ? MSG_EOR : 0) | (one_in(r, 3) ? MSG_NOSIGNAL : 0);

	if (i < 0)
		return;
	say(" %d %zu flags %x", i, n, flags);
	for (int k = 0; k < count; k++) {
		int b = choose_open(r);

		if (!may_pass(b, i) || n > PASSED_WITH)
			continue;
		fds[passed++] = slot[b].fd;
		say(" with %d", b);
	}
	if (passed) {
		struct cmsghdr *h = (struct cmsghdr *)control;

		*h = (struct cmsghdr){ CMSG_LEN(sizeof(int) * (size_t)passed), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(h), fds, sizeof(int) * (size_t)passed);
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)passed);
	}
	fill_buffer(n);
	say_result(sendmsg(slot[i].fd, &m, flags));
}

/* What came with a message; descriptors are closed, and their numbers tell which were free. */
static void say_control(struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		say(" c%d:%zu", h->cmsg_type, h->cmsg_len);
		if (h->cmsg_type == SCM_RIGHTS) {
			for (size_t k = 0; k < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); k++) {
				int fd;

				memcpy(&fd, CMSG_DATA(h) + sizeof(int) * k, sizeof(fd));
				say(" fd %d", fd);
				close(fd);
			}
		} else if (h->cmsg_type == SCM_CREDENTIALS && h->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
			struct ucred u;

			memcpy(&u, CMSG_DATA(h), sizeof(u));
			say(" %s %u %u", u.pid == getpid() ? "own" : u.pid ? "other" : "no", u.uid, u.gid);
		}
	}
}

static int choose_flags(struct rng *r)
{
	return MSG_DONTWAIT | (one_in(r, 3) ? MSG_PEEK : 0) | (one_in(r, 4) ? MSG_TRUNC : 0) | (one_in(r, 6) ? MSG_WAITALL : 0) |
	       (urgent_bytes && one_in(r, 12) ? MSG_OOB : 0);
}

static void op_recvmsg(struct rng *r)
{
	char control[CMSG_SPACE(sizeof(int) * 8) + CMSG_SPACE(sizeof(struct ucred))] = { 0 };
	int i = choose_kind(r, STREAM, SEQPACKET), flags = choose_flags(r);
	size_t n = choose_length(r), room = one_in(r, 4) ? rng_below(r, 40) : sizeof(control);
	struct iovec v[2] = { { buffer, n / 2 }, { buffer + n / 2, n - n / 2 } };
	struct sockaddr_un name;
	struct msghdr m = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = v, .msg_iovlen = 2,
			    .msg_control = control, .msg_controllen = room };
	ssize_t got;

	if (i < 0)
		return;
	say(" %d %zu flags %x room %zu", i, n, flags, room);
	memset(buffer, 0, n);
	got = recvmsg(slot[i].fd, &m, flags);
	say_read(got, n);
	if (got < 0)
		return;
	say(" flags %x control %zu name %u", m.msg_flags, m.msg_controllen, m.msg_namelen);
	say_control(&m);
}

static void op_recv(struct rng *r)
{
	int i = choose_open(r), flags = choose_flags(r);
	size_t n = choose_length(r);

	say(" %d %zu flags %x", i, n, flags);
	memset(buffer, 0, n);
	say_read(recv(slot[i].fd, buffer, n, flags), n);
}

static void op_urgent(struct rng *r)
{
	int i = choose_kind(r, STREAM, STREAM), mark = -1;
	size_t n = 1 + rng_below(r, 3);

	if (i < 0 || lengths == WHOLE_PAGES || !urgent_bytes)
		return;
	fill_buffer(n);
	say(" %d", i);
	if (one_in(r, 2)) {
		say_result(send(slot[i].fd, buffer, n, MSG_OOB | MSG_DONTWAIT));
		return;
	}
	say_result(ioctl(slot[i].fd, SIOCATMARK, &mark));
	say(" mark %d", mark);
}

static void op_shutdown(struct rng *r)
{
	int i = choose_kind(r, STREAM, SEQPACKET), how = (int)rng_below(r, 4);

	if (i < 0)
		return;
	say(" %d %d", i, how);
	say_result(shutdown(slot[i].fd, how));
}

static void op_option(struct rng *r)
{
	static const int set[] = { SO_PASSCRED, SO_OOBINLINE };
	static const int get[] = { SO_ERROR, SO_TYPE, SO_PASSCRED, SO_RCVLOWAT };
	int i = choose_kind(r, STREAM, SEQPACKET), name, value = (int)rng_below(r, 2);
	socklen_t len = sizeof(value);

	if (i < 0)
		return;
	if (one_in(r, 2)) {
		name = PICK(r, set);
		say(" %d set %d to %d", i, name, value);
		say_result(setsockopt(slot[i].fd, SOL_SOCKET, name, &value, len));
		return;
	}
	name = PICK(r, get);
	say(" %d get %d", i, name);
	say_result(getsockopt(slot[i].fd, SOL_SOCKET, name, &value, &len));
	say(" %d", value);
}

const struct op socket_ops[] = {
	{ "sendmsg", 7, op_sendmsg }, { "recvmsg", 7, op_recvmsg },   { "recv", 3, op_recv },
	{ "urgent", 2, op_urgent },   { "shutdown", 2, op_shutdown }, { "option", 3, op_option },
	{ 0 },
};
