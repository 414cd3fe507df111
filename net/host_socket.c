/* SPDX-License-Identifier: Apache-2.0 */
/* Internet sockets of the host, lent to guests: --network host.
 *
 * Theory of operation. A guest's TCP or UDP socket is a socket of the sentry's in the host's network, one for one, and what the guest asks of
 * it is asked of the host: the host's own rules say who may bind where and what can be reached, for a process of the caller's without
 * capabilities. What a guest may ask is an allow-list throughout: these families, types and protocols (inet.c checks them before, the sentry's
 * filter behind), options by level and number (host_socket_option.c), flags and control messages (host_socket_msg.c), ioctls that read. No
 * address, option or message has a pointer in it; each is a bounded copy in the sentry before the host sees it.
 *
 * Nothing here waits. The host's socket is O_NONBLOCK always; whether the guest's is, how long it may wait (SO_RCVTIMEO, SO_SNDTIMEO),
 * MSG_WAITALL and SIGPIPE are the sentry's affair, in socket_file.c as for all sockets. SO_LINGER too: the host would wait in close(2) whatever
 * O_NONBLOCK says, so it is told only to reset; with a time to linger the rest is sent in the background.
 *
 * Readiness: poll asks the host. The first time that somebody waits, the notifier (fs/host_notify.c) is asked to watch the socket for
 * good, by edges; each edge of the host's is one of the guest's. So an edge-triggered epoll in the guest hears of new data even if it left old
 * data unread, as natively.
 *
 * connect(2): a blocking one calls the host's again each time that the socket is notified. The host answers EALREADY until it is decided
 * and then, once, how it ended: just what the guest is to hear.
 *
 * Invariants: the descriptor is closed when the guest's file is released, and nobody is in an operation then. It is in no stub: stubs
 * have a descriptor table of their own. The notifier forgets it before its number is free.
 *
 * Locks: none. The host's socket has its own, `watched` and `shut` are set once.
 */
#include "net/host_socket_internal.h"

#include "fs/host_fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* --- readiness --- */

/* If somebody waits, the notifier must know. Told of a socket that is ready already it reports at once, so nothing is missed between
 * the host's answer and this. */
static int watch(struct host_sock *h)
{
	int err;

	if (atomic_load(&h->watched) || !atomic_load(&h->s.waitq.count))
		return 0;
	err = host_notify_watch(h->fd, &h->s.waitq);
	if (!err)
		atomic_store(&h->watched, true);
	return err;
}

/* What O_ASYNC tells of an edge. The host says what holds, not what is new: the signals may come once too often, never too seldom. */
static void happened(struct waitq *q, uint32_t events)
{
	struct host_sock *h = CONTAINER_OF(q, struct host_sock, s.waitq);
	struct async_list *l = &h->s.async;

	mutex_assert_held(&tasks_lock);
	if (events & POLLPRI && !atomic_exchange(&h->urgent, true))
		async_urgent_locked(l);
	if (events & POLLERR)
		async_notify_locked(l, POLL_ERR);
	else if ((events & (POLLHUP | POLLRDHUP)) == (POLLHUP | POLLRDHUP)) /* one that was never connected is hung up too */
		async_notify_locked(l, POLL_HUP);
	else if (events & POLLIN)
		async_notify_locked(l, POLL_IN);
	if (events & POLLOUT && atomic_exchange(&h->s.no_room, false))
		async_notify_locked(l, POLL_OUT);
}

static void host_watch(struct socket *s)
{
	struct host_sock *h = host_of(s);

	if (!host_notify_async(h->fd, &s->waitq, happened))
		atomic_store(&h->watched, true);
}

int host_socket_again(struct host_sock *h)
{
	int err = watch(h);

	return err ? err : -EAGAIN;
}

static uint32_t host_poll(struct socket *s)
{
	struct host_sock *h = host_of(s);
	struct pollfd p = { .fd = h->fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND };

	/* Before the question: what changes after the answer is told. A socket that cannot be watched must not be waited for. */
	if (watch(h))
		return POLLERR;
	return poll(&p, 1, 0) > 0 ? (uint32_t)(unsigned short)p.revents : 0;
}

/* --- addresses and connections --- */

static int host_bind(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len)
{
	(void)t;
	return bind(host_of(s)->fd, &a->sa, len) ? -errno : 0;
}

static int host_listen(struct socket *s, int backlog)
{
	if (listen(host_of(s)->fd, backlog))
		return -errno;
	atomic_store(&s->listening, true);
	return 0;
}

static int host_connect(struct socket *s, struct task *t, const union sock_addr *a, socklen_t len, bool nonblock)
{
	struct host_sock *h = host_of(s);
	int err;

	(void)t;
	/* Until it is connected, which may be told before connect() returns. */
	atomic_store(&s->no_room, true);
	err = connect(h->fd, &a->sa, len) ? -errno : 0;
	if (err == -EINPROGRESS || err == -EALREADY)
		return nonblock ? err : host_socket_again(h);
	atomic_store(&s->no_room, false);
	return err;
}

static int host_getname(struct socket *s, bool peer, union sock_addr *a, socklen_t *len)
{
	int fd = host_of(s)->fd;

	*len = sizeof(*a);
	return (peer ? getpeername(fd, &a->sa, len) : getsockname(fd, &a->sa, len)) ? -errno : 0;
}

static int host_shutdown(struct socket *s, int how)
{
	struct host_sock *h = host_of(s);

	/* Before the host wakes who waits, and even if it says ENOTCONN: an unconnected UDP socket is shut all the same. */
	if (how != SHUT_WR)
		atomic_store(&h->shut, true);
	return shutdown(h->fd, how) ? -errno : 0;
}

static int host_new(int fd, int domain, int type, int protocol, struct host_sock **out);

static int host_accept(struct socket *s, bool nonblock, struct socket **out)
{
	struct host_sock *h = host_of(s), *got;
	int fd = accept4(h->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), err;

	(void)nonblock;
	if (fd < 0)
		return errno == EAGAIN ? host_socket_again(h) : -errno;
	err = host_new(fd, s->domain, s->type, s->protocol, &got);
	if (err)
		return err;
	/* What the sentry keeps of a listener's options is handed on as the host does with the rest. */
	got->s.opt.rcvtimeo = s->opt.rcvtimeo;
	got->s.opt.sndtimeo = s->opt.sndtimeo;
	got->s.opt.rcvlowat = s->opt.rcvlowat;
	got->s.opt.linger_on = s->opt.linger_on;
	got->s.opt.linger = s->opt.linger;
	*out = &got->s;
	return 0;
}

/* --- life --- */

static void host_close(struct socket *s)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct host_sock *h = host_of(s);

	if (s->opt.linger_on && !s->opt.linger)
		(void)!setsockopt(h->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (atomic_load(&h->watched))
		host_notify_forget(h->fd);
	close(h->fd);
	h->fd = -1;
}

static void host_destroy(struct socket *s)
{
	socket_fini(s);
	free(host_of(s));
}

static const struct sock_ops host_ops = {
	.name = "host",
	.own_generic = true,
	.bind = host_bind,
	.connect = host_connect,
	.getname = host_getname,
	.send = host_socket_send,
	.recv = host_socket_recv,
	.shutdown = host_shutdown,
	.listen = host_listen,
	.accept = host_accept,
	.poll = host_poll,
	.setsockopt = host_socket_setsockopt,
	.getsockopt = host_socket_getsockopt,
	.ioctl = host_socket_ioctl,
	.watch = host_watch,
	.close = host_close,
	.destroy = host_destroy,
};

/* Takes fd over whatever happens. */
static int host_new(int fd, int domain, int type, int protocol, struct host_sock **out)
{
	struct host_sock *h = calloc(1, sizeof(*h));

	if (!h) {
		close(fd);
		return -ENOMEM;
	}
	socket_init(&h->s, &host_ops, domain, type, protocol);
	h->fd = fd;
	*out = h;
	return 0;
}

int host_socket_create(int domain, int type, int protocol, struct socket **out)
{
	int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), err;
	struct host_sock *h;

	if (fd < 0)
		return -errno;
	err = host_new(fd, domain, type, protocol, &h);
	if (!err)
		*out = &h->s;
	return err;
}
