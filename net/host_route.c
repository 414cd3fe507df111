/* SPDX-License-Identifier: Apache-2.0 */
/* Which interfaces, addresses and routes the host has, for guests with --network host.
 *
 * Theory of operation. Two sockets are opened before the sentry's filter forbids their kind: one for netdevice(7) ioctls, one that speaks
 * rtnetlink(7). The callers (ifreq.c, netlink.c) let only questions pass. A question over netlink is answered while it is sent, and a long
 * answer goes on while it is read, so reading never waits; nothing else arrives there, as the socket joins no group.
 *
 * Locks: route.lock is held over a question and its answer; under it, those of the queue that the answer goes to.
 */
#include "net/host_socket.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Programs read with buffers of a page; the host makes its messages as long as the longest that was ever read. */
enum { ANSWER_MAX = 4096 };

static struct {
	_Atomic bool enabled;
	int ioctl_fd; /* immutable once enabled, as the next */
	int netlink_fd; /* -1: the host lets nobody ask */
	struct mutex lock;
	uint32_t seq; /* of the last question; lock */
} route = { .ioctl_fd = -1, .netlink_fd = -1, .lock = MUTEX_INITIALIZER };

int host_network_enable(void)
{
	route.ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	if (route.ioctl_fd < 0)
		return -errno;
	route.netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	atomic_store(&route.enabled, true);
	return 0;
}

bool host_network_enabled(void)
{
	return atomic_load(&route.enabled);
}

int host_route_ioctl(unsigned cmd, void *arg)
{
	return ioctl(route.ioctl_fd, cmd, arg) ? -errno : 0;
}

struct answer {
	uint32_t seq, asked_seq, port; /* the sentry's, the guest's */
	bool dump, done;
};

/* Readdresses the messages of one datagram to who asked; drops what belongs to an earlier question. Returns the new length. */
static size_t readdress(struct answer *a, char *data, size_t len)
{
	size_t at = 0, kept = 0;

	while (len - at >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		size_t size;

		memcpy(&h, data + at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len - at)
			break;
		size = MIN(NLMSG_ALIGN(h.nlmsg_len), len - at);
		if (h.nlmsg_seq == a->seq) {
			a->done |= !a->dump || h.nlmsg_type == NLMSG_DONE || h.nlmsg_type == NLMSG_ERROR;
			h.nlmsg_seq = a->asked_seq;
			h.nlmsg_pid = a->port;
			memcpy(data + at, &h, sizeof(h));
			memmove(data + kept, data + at, size);
			kept += size;
		}
		at += size;
	}
	return kept;
}

/* An error message quotes the question, which the guest knows by its own number. */
static void requote(struct answer *a, char *data, size_t len)
{
	struct nlmsghdr h;
	struct nlmsgerr e;

	if (len < NLMSG_LENGTH(sizeof(e)))
		return;
	memcpy(&h, data, sizeof(h));
	if (h.nlmsg_type != NLMSG_ERROR)
		return;
	memcpy(&e, data + NLMSG_HDRLEN, sizeof(e));
	e.msg.nlmsg_seq = a->asked_seq;
	e.msg.nlmsg_pid = a->port;
	memcpy(data + NLMSG_HDRLEN, &e, sizeof(e));
}

static int read_answer(struct answer *a, int (*put)(void *arg, const void *data, size_t len), void *arg)
{
	char data[ANSWER_MAX];
	int err = 0;

	/* To its end, even if nobody wants it any more: the host begins no other before. */
	while (!a->done) {
		ssize_t n = recv(route.netlink_fd, data, sizeof(data), MSG_DONTWAIT);
		size_t len;

		if (n < 0)
			return errno == EAGAIN ? -ENOBUFS : -errno;
		len = readdress(a, data, (size_t)n);
		requote(a, data, len);
		if (len && !err)
			err = put(arg, data, len);
	}
	return err;
}

int host_route_ask(const void *request, size_t len, uint32_t port, int (*put)(void *arg, const void *data, size_t len), void *arg)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct answer a = { .port = port };
	struct nlmsghdr h;
	char *copy;
	int err = 0;

	if (route.netlink_fd < 0)
		return -EOPNOTSUPP;
	copy = malloc(len);
	if (!copy)
		return -ENOBUFS;
	memcpy(copy, request, len);
	memcpy(&h, copy, sizeof(h));
	a.asked_seq = h.nlmsg_seq;
	a.dump = (h.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	/* With an acknowledgement an answer that is one message would be two. */
	h.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (h.nlmsg_flags & NLM_F_DUMP));
	h.nlmsg_len = (uint32_t)len;
	h.nlmsg_pid = 0;
	mutex_lock(&route.lock);
	h.nlmsg_seq = a.seq = ++route.seq;
	memcpy(copy, &h, sizeof(h));
	if (sendto(route.netlink_fd, copy, len, MSG_DONTWAIT, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		err = -errno;
	else
		err = read_answer(&a, put, arg);
	mutex_unlock(&route.lock);
	free(copy);
	return err;
}
