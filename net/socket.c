/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: life, errors, credentials. */
#include "net/socket.h"

#include "kernel/task.h"

#include <string.h>

/* What Linux starts with: net.core.rmem_default and wmem_default. */
enum { BUFFER_DEFAULT = 212992 };

void socket_init(struct socket *s, const struct sock_ops *ops, int domain, int type, int protocol)
{
	memset(s, 0, sizeof(*s));
	ref_init(&s->ref);
	s->ops = ops;
	s->domain = domain;
	s->type = type;
	s->protocol = protocol;
	mutex_init(&s->lock);
	waitq_init(&s->waitq);
	waitq_init(&s->room);
	s->opt.sndbuf = s->opt.rcvbuf = BUFFER_DEFAULT;
	s->opt.rcvlowat = 1;
	s->peer = (struct ucred){ .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
}

void socket_fini(struct socket *s)
{
	mutex_destroy(&s->lock);
	mutex_destroy(&s->waitq.lock);
	mutex_destroy(&s->room.lock);
}

void socket_tell(struct socket *s, uint32_t events, int code)
{
	waitq_notify(&s->waitq, events);
	if (code)
		async_notify(&s->async, code);
}

void socket_room(struct socket *s, uint32_t events)
{
	waitq_notify(&s->waitq, events);
	if (atomic_load_explicit(&s->no_room, memory_order_relaxed) && atomic_exchange(&s->no_room, false))
		async_notify(&s->async, POLL_OUT);
}

void socket_get(struct socket *s)
{
	ref_get(&s->ref);
}

void socket_put(struct socket *s)
{
	if (s && ref_put(&s->ref))
		s->ops->destroy(s);
}

int socket_take_error(struct socket *s)
{
	return atomic_load(&s->error) ? -atomic_exchange(&s->error, 0) : 0;
}

struct ucred socket_cred(struct task *t)
{
	return t ? (struct ucred){ .pid = t->tg->tgid, .uid = t->cred->uid, .gid = t->cred->gid } : (struct ucred){ 0 };
}

struct ucred socket_peer_cred(struct task *t)
{
	return t ? (struct ucred){ .pid = t->tg->tgid, .uid = t->cred->euid, .gid = t->cred->egid } : (struct ucred){ 0 };
}

struct waitq *socket_backlog_waitq(void)
{
	static struct waitq q = WAITQ_INITIALIZER(q);

	return &q;
}
