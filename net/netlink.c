/* SPDX-License-Identifier: Apache-2.0 */
/* Routing sockets: netlink(7), rtnetlink(7).
 *
 * The C library asks through them which interfaces and addresses there are (getifaddrs, getaddrinfo). A request is answered when it is
 * sent: the answer is put into the socket's own queue. Links and addresses can be listed, of which there are the loopback and
 * its two; routes and the like are none. With --network host the host is asked, and each of its messages is one here. Changes
 * are refused.
 *
 * The C library also waits on such a socket for what mq_notify(3) tells its threads: a cookie that the socket is sent by the queue. Its
 * message is made when it is asked for, which waits while the socket is full, so that it cannot be lost later. */
#include "net/netlink.h"

#include "base/log.h"
#include "base/text.h"
#include "fs/vfs.h"
#include "kernel/task.h"
#include "net/dgram.h"
#include "net/host_socket.h"
#include "net/ifreq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_MAX = 64 << 10, OPERSTATE_UNKNOWN = 0, PREFIX_4 = 8, PREFIX_6 = 128, HARDWARE_LEN = 6, LOWER_UP = 0x10000 };

struct netlink_sock {
	struct socket s;
	struct dgram_queue queue;
	uint32_t port; /* s.lock; 0: not bound */
	uint32_t groups; /* s.lock */
};

static struct netlink_sock *netlink_of(struct socket *s)
{
	return CONTAINER_OF(s, struct netlink_sock, s);
}

/* --- answers --- */

struct answer {
	struct text text;
	const struct nlmsghdr *request;
	uint32_t port;
};

/* A message begins: returns where, for end(). */
static size_t begin(struct answer *a, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = a->request->nlmsg_seq, .nlmsg_pid = a->port };
	static const char zero[NLMSG_ALIGNTO];
	size_t at = a->text.len;

	text_append(&a->text, &h, sizeof(h));
	text_append(&a->text, body, len);
	text_append(&a->text, zero, NLMSG_ALIGN(len) - len);
	return at;
}

static void end(struct answer *a, size_t at)
{
	uint32_t len = (uint32_t)(a->text.len - at);

	if (!a->text.failed)
		memcpy(a->text.data + at, &len, sizeof(len));
}

static void attribute(struct answer *a, uint16_t type, const void *data, size_t len)
{
	struct rtattr r = { .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type };
	static const char zero[RTA_ALIGNTO];

	text_append(&a->text, &r, sizeof(r));
	text_append(&a->text, data, len);
	text_append(&a->text, zero, RTA_ALIGN(len) - len);
}

static void attribute_u32(struct answer *a, uint16_t type, uint32_t value)
{
	attribute(a, type, &value, sizeof(value));
}

static void put_link(struct answer *a, uint16_t flags)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC, .ifi_type = ARPHRD_LOOPBACK, .ifi_index = LOOPBACK_INDEX,
			       .ifi_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING | LOWER_UP };
	static const unsigned char hardware[HARDWARE_LEN];
	static const struct rtnl_link_stats stats;
	static const struct rtnl_link_stats64 stats64;
	uint8_t operstate = OPERSTATE_UNKNOWN;
	size_t at = begin(a, RTM_NEWLINK, flags, &i, sizeof(i));

	attribute(a, IFLA_IFNAME, LOOPBACK_NAME, sizeof(LOOPBACK_NAME));
	attribute_u32(a, IFLA_TXQLEN, 1000);
	attribute(a, IFLA_OPERSTATE, &operstate, sizeof(operstate));
	attribute_u32(a, IFLA_MTU, LOOPBACK_MTU);
	attribute(a, IFLA_QDISC, "noqueue", sizeof("noqueue"));
	attribute(a, IFLA_ADDRESS, hardware, sizeof(hardware));
	attribute(a, IFLA_BROADCAST, hardware, sizeof(hardware));
	attribute(a, IFLA_STATS64, &stats64, sizeof(stats64));
	attribute(a, IFLA_STATS, &stats, sizeof(stats));
	end(a, at);
}

static void put_address(struct answer *a, int family)
{
	struct ifaddrmsg i = { .ifa_family = (uint8_t)family, .ifa_flags = IFA_F_PERMANENT, .ifa_scope = RT_SCOPE_HOST,
			       .ifa_prefixlen = family == AF_INET ? PREFIX_4 : PREFIX_6, .ifa_index = LOOPBACK_INDEX };
	struct in_addr v4 = { .s_addr = htonl(INADDR_LOOPBACK) };
	struct ifa_cacheinfo cache = { .ifa_prefered = UINT32_MAX, .ifa_valid = UINT32_MAX };
	size_t at = begin(a, RTM_NEWADDR, NLM_F_MULTI, &i, sizeof(i));

	if (family == AF_INET) {
		attribute(a, IFA_ADDRESS, &v4, sizeof(v4));
		attribute(a, IFA_LOCAL, &v4, sizeof(v4));
		attribute(a, IFA_LABEL, LOOPBACK_NAME, sizeof(LOOPBACK_NAME));
	} else {
		attribute(a, IFA_ADDRESS, &in6addr_loopback, sizeof(in6addr_loopback));
	}
	attribute(a, IFA_CACHEINFO, &cache, sizeof(cache));
	attribute_u32(a, IFA_FLAGS, IFA_F_PERMANENT);
	end(a, at);
}

static void put_error(struct answer *a, int error)
{
	struct nlmsgerr e = { .error = error, .msg = *a->request };

	end(a, begin(a, NLMSG_ERROR, 0, &e, sizeof(e)));
}

/* All of a kind, closed by NLMSG_DONE. */
static void dump(struct answer *a, int family)
{
	int none = 0;

	if (a->request->nlmsg_type == RTM_GETLINK)
		put_link(a, NLM_F_MULTI);
	if (a->request->nlmsg_type == RTM_GETADDR && (family == AF_UNSPEC || family == AF_INET))
		put_address(a, AF_INET);
	if (a->request->nlmsg_type == RTM_GETADDR && (family == AF_UNSPEC || family == AF_INET6))
		put_address(a, AF_INET6);
	end(a, begin(a, NLMSG_DONE, NLM_F_MULTI, &none, sizeof(none)));
}

/* One link, by its number or name. */
static int get_link(struct answer *a, const char *body, size_t len)
{
	struct ifinfomsg i = { 0 };
	struct rtattr r;
	bool named = false;
	size_t at = NLMSG_ALIGN(sizeof(i));

	memcpy(&i, body, MIN(len, sizeof(i)));
	while (len >= at + sizeof(r)) {
		memcpy(&r, body + at, sizeof(r));
		if (r.rta_len < sizeof(r) || r.rta_len > len - at)
			return -EINVAL;
		if (r.rta_type == IFLA_IFNAME)
			named = !strncmp(body + at + sizeof(r), LOOPBACK_NAME, r.rta_len - sizeof(r));
		at += RTA_ALIGN(r.rta_len);
	}
	if (i.ifi_index != LOOPBACK_INDEX && !(named && !i.ifi_index))
		return -ENODEV;
	put_link(a, 0);
	return 0;
}

/* The kinds of messages of rtnetlink come in fours: new, delete, get, set. */
static int answer_one(struct answer *a, const char *body, size_t len)
{
	const struct nlmsghdr *h = a->request;
	bool is_get = (h->nlmsg_type - RTM_BASE) % 4 == 2;
	int family = len ? (unsigned char)body[0] : AF_UNSPEC;

	if (h->nlmsg_type < RTM_BASE || h->nlmsg_type > RTM_MAX)
		return h->nlmsg_type < NLMSG_MIN_TYPE ? 0 : -EOPNOTSUPP;
	if (!is_get)
		return -EPERM;
	if ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP || h->nlmsg_type == RTM_GETADDR) {
		dump(a, family);
		return 1;
	}
	if (h->nlmsg_type == RTM_GETLINK)
		return get_link(a, body, len);
	return h->nlmsg_type == RTM_GETROUTE ? -ENETUNREACH : -EOPNOTSUPP;
}

/* A message of the kernel's. */
static int message_new(const void *data, size_t len, struct dgram **out)
{
	struct sock_msg m = { .has_cred = false };
	struct io io;
	int err;

	io_init_kernel(&io, (void *)data, len);
	m.io = &io;
	err = dgram_new(&m, NULL, out);
	io_fini(&io);
	if (err)
		return err;
	((struct sockaddr_nl *)&(*out)->from)->nl_family = AF_NETLINK;
	(*out)->from_len = sizeof(struct sockaddr_nl);
	return 0;
}

/* Takes d over in any case. */
static int queue_message(struct netlink_sock *n, struct dgram *d, size_t limit)
{
	if (dgram_queue_add(&n->queue, d, INT_MAX, limit)) {
		dgram_free(d);
		return -ENOBUFS;
	}
	socket_tell(&n->s, POLLIN | POLLRDNORM, POLL_IN);
	return 0;
}

/* The answer, or a part of it, lies in the socket's own queue from now on. */
static int enqueue(void *arg, const void *data, size_t len)
{
	struct netlink_sock *n = arg;
	struct dgram *d;
	int err = message_new(data, len, &d);

	return err ? err : queue_message(n, d, (size_t)n->s.opt.rcvbuf);
}

static bool is_question_for_host(const struct nlmsghdr *h)
{
	switch (h->nlmsg_type) {
	case RTM_GETLINK:
	case RTM_GETADDR:
	case RTM_GETROUTE:
	case RTM_GETNEIGH:
	case RTM_GETRULE:
		return host_network_enabled();
	default:
		return false;
	}
}

/* One request, with its header at data, answered. */
static int answer_request(struct netlink_sock *n, const char *data, const struct nlmsghdr *h, uint32_t port)
{
	struct answer a = { .request = h, .port = port };
	int r, err = 0;

	if (is_question_for_host(h)) {
		r = host_route_ask(data, h->nlmsg_len, port, enqueue, n);
		if (r != -EOPNOTSUPP)
			return r;
	} else {
		r = answer_one(&a, data + sizeof(*h), h->nlmsg_len - sizeof(*h));
	}
	if (r < 0 || (!r && (h->nlmsg_flags & NLM_F_ACK)))
		put_error(&a, r);
	if (a.text.failed)
		err = -ENOBUFS;
	else if (a.text.len)
		err = enqueue(n, a.text.data, a.text.len);
	text_free(&a.text);
	return err;
}

static int answer_all(struct netlink_sock *n, const char *data, size_t len, uint32_t port)
{
	size_t at = 0;
	int err = 0;

	while (!err && len - at >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;

		memcpy(&h, data + at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len - at)
			break;
		if (h.nlmsg_flags & NLM_F_REQUEST)
			err = answer_request(n, data + at, &h, port);
		at += MIN(NLMSG_ALIGN(h.nlmsg_len), len - at);
	}
	return err;
}

/* --- operations --- */

static uint32_t bound_port(struct netlink_sock *n, uint32_t wanted)
{
	struct task *t = task_self();
	uint32_t port;

	mutex_lock(&n->s.lock);
	if (!n->port)
		n->port = wanted ? wanted : t ? (uint32_t)t->tg->tgid : 1;
	port = n->port;
	mutex_unlock(&n->s.lock);
	return port;
}

static ssize_t netlink_send(struct socket *s, struct sock_msg *m)
{
	struct netlink_sock *n = netlink_of(s);
	const struct sockaddr_nl *to = (const struct sockaddr_nl *)&m->addr;
	size_t len = m->io->left;
	char *data;
	ssize_t r;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->addr_given && (m->addr_len < sizeof(*to) || to->nl_family != AF_NETLINK))
		return -EINVAL;
	if (m->addr_given && (to->nl_pid || to->nl_groups))
		return to->nl_groups ? -EPERM : -ECONNREFUSED;
	if (len > REQUEST_MAX)
		return -EMSGSIZE;
	data = malloc(len + 1);
	if (!data)
		return -ENOBUFS;
	r = len ? io_take(m->io, data, len) : 0;
	if (r == (ssize_t)len)
		r = answer_all(n, data, len, bound_port(n, 0));
	else
		r = -EFAULT;
	free(data);
	return r < 0 ? r : (ssize_t)len;
}

static ssize_t netlink_recv(struct socket *s, struct sock_msg *m)
{
	ssize_t r;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	r = dgram_queue_take(&netlink_of(s)->queue, m, NULL, NULL);
	if (r >= 0)
		waitq_notify(&s->waitq, POLLOUT);
	return r;
}

static int netlink_bind(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len)
{
	const struct sockaddr_nl *nl = (const struct sockaddr_nl *)a;
	struct netlink_sock *n = netlink_of(s);

	(void)t;
	if (len < sizeof(*nl) || nl->nl_family != AF_NETLINK)
		return -EINVAL;
	if (bound_port(n, nl->nl_pid) != nl->nl_pid && nl->nl_pid)
		return -EINVAL;
	mutex_lock(&s->lock);
	n->groups = nl->nl_groups; /* nothing ever changes, so nothing is ever told */
	mutex_unlock(&s->lock);
	return 0;
}

static int netlink_connect(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock)
{
	(void)t, (void)nonblock;
	if (len < sizeof(sa_family_t))
		return -EINVAL;
	if (a->sa.sa_family == AF_UNSPEC)
		return 0;
	if (a->sa.sa_family != AF_NETLINK || len < sizeof(struct sockaddr_nl))
		return -EINVAL;
	bound_port(netlink_of(s), 0);
	return 0;
}

static int netlink_getname(struct socket *s, bool peer, union sock_addr *a, socklen_t *len)
{
	struct netlink_sock *n = netlink_of(s);
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK };

	mutex_lock(&s->lock);
	if (!peer) {
		nl.nl_pid = n->port;
		nl.nl_groups = n->groups;
	}
	mutex_unlock(&s->lock);
	memcpy(a, &nl, sizeof(nl));
	*len = sizeof(nl);
	return 0;
}

static uint32_t netlink_poll(struct socket *s)
{
	bool empty = dgram_queue_is_empty(&netlink_of(s)->queue);

	return POLLOUT | POLLWRNORM | POLLWRBAND | (empty ? 0 : POLLIN | POLLRDNORM);
}

/* Switches about how messages are told, of which there are none but answers. */
static int netlink_setsockopt(struct socket *s, int level, int name, const void *value, socklen_t len)
{
	(void)s, (void)name, (void)value;
	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	return len < sizeof(int) ? -EINVAL : 0;
}

static void netlink_close(struct socket *s)
{
	dgram_queue_flush(&netlink_of(s)->queue, true);
}

static void netlink_destroy(struct socket *s)
{
	struct netlink_sock *n = netlink_of(s);

	dgram_queue_fini(&n->queue);
	socket_fini(s);
	free(n);
}

static const struct sock_ops netlink_ops = {
	.name = "netlink",
	.bind = netlink_bind,
	.connect = netlink_connect,
	.getname = netlink_getname,
	.send = netlink_send,
	.recv = netlink_recv,
	.poll = netlink_poll,
	.setsockopt = netlink_setsockopt,
	.close = netlink_close,
	.destroy = netlink_destroy,
};

int netlink_create(struct task *t, int type, int protocol, struct socket **out)
{
	struct netlink_sock *n;

	(void)t;
	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != NETLINK_ROUTE)
		return -EPROTONOSUPPORT;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	socket_init(&n->s, &netlink_ops, AF_NETLINK, type, protocol);
	dgram_queue_init(&n->queue);
	*out = &n->s;
	return 0;
}

/* --- cookies --- */

struct cookie {
	struct mqueue_sink sink;
	struct netlink_sock *to; /* one reference */
	struct dgram *message;
};

static void cookie_tell(struct mqueue_sink *sink, enum mqueue_event what)
{
	struct cookie *c = CONTAINER_OF(sink, struct cookie, sink);

	c->message->data[NETLINK_COOKIE - 1] = (unsigned char)what;
	if (what == MQUEUE_NOTHING)
		dgram_free(c->message);
	else if (queue_message(c->to, c->message, SIZE_MAX))
		log_debug("netlink: who waited for a message has closed its socket");
	socket_put(&c->to->s);
	free(c);
}

static int64_t try_room(void *arg)
{
	struct netlink_sock *n = arg;

	return dgram_queue_charge(&n->queue) <= (size_t)n->s.opt.rcvbuf ? 0 : -EAGAIN;
}

int netlink_sink_new(struct task *t, struct file *f, const char cookie[static NETLINK_COOKIE], struct mqueue_sink **out)
{
	struct socket *s = socket_of(f);
	struct cookie *c;
	int err;

	if (!s || s->domain != AF_NETLINK)
		return f->inode->type == S_IFSOCK ? -EINVAL : -ENOTSOCK;
	err = (int)file_wait(t, f, POLLOUT, false, NO_DEADLINE, try_room, netlink_of(s));
	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	err = c ? message_new(cookie, NETLINK_COOKIE, &c->message) : -ENOMEM;
	if (err) {
		free(c);
		return err;
	}
	c->sink.tell = cookie_tell;
	c->to = netlink_of(s);
	socket_get(s);
	*out = &c->sink;
	return 0;
}
