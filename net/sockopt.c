/* SPDX-License-Identifier: Apache-2.0 */
/* SOL_SOCKET options: socket(7). A table says what is a plain number or switch; the rest is done one by one. Sizes of buffers are
 * doubled and bounded as Linux does, since programs read back what they set. */
#include "net/socket.h"

#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

enum { SNDBUF_MIN = 4608, RCVBUF_MIN = 2304, BUFFER_MAX = 212992, PRIORITY_MAX = 6 };
enum { NSEC_PER_USEC = 1000, USEC_PER_SEC = 1000000 };
#define NSEC_PER_SEC 1000000000LL

/* --- switches and numbers --- */

enum kind { SWITCH, NUMBER };

static const struct plain_option {
	int name;
	enum kind kind;
	size_t offset; /* in struct sock_options */
} plain_options[] = {
	{ SO_REUSEADDR, SWITCH, offsetof(struct sock_options, reuseaddr) },
	{ SO_REUSEPORT, SWITCH, offsetof(struct sock_options, reuseport) },
	{ SO_KEEPALIVE, SWITCH, offsetof(struct sock_options, keepalive) },
	{ SO_BROADCAST, SWITCH, offsetof(struct sock_options, broadcast) },
	{ SO_DONTROUTE, SWITCH, offsetof(struct sock_options, dontroute) },
	{ SO_OOBINLINE, SWITCH, offsetof(struct sock_options, oobinline) },
	{ SO_PASSCRED, SWITCH, offsetof(struct sock_options, passcred) },
	{ SO_PASSSEC, SWITCH, offsetof(struct sock_options, passsec) },
	{ SO_TIMESTAMP, SWITCH, offsetof(struct sock_options, timestamp) },
	{ SO_TIMESTAMPNS, SWITCH, offsetof(struct sock_options, timestampns) },
	{ SO_NO_CHECK, SWITCH, offsetof(struct sock_options, no_check) },
	{ SO_PRIORITY, NUMBER, offsetof(struct sock_options, priority) },
	{ SO_MARK, NUMBER, offsetof(struct sock_options, mark) },
	{ SO_RCVLOWAT, NUMBER, offsetof(struct sock_options, rcvlowat) },
	{ SO_SNDBUF, NUMBER, offsetof(struct sock_options, sndbuf) },
	{ SO_RCVBUF, NUMBER, offsetof(struct sock_options, rcvbuf) },
	{ SO_BUSY_POLL, NUMBER, offsetof(struct sock_options, busy_poll) },
};

static const struct plain_option *find_plain(int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain_options); i++)
		if (plain_options[i].name == name)
			return &plain_options[i];
	return NULL;
}

static void *field(struct socket *s, const struct plain_option *o)
{
	return (char *)&s->opt + o->offset;
}

static void set_buffer(struct socket *s, bool receive, int value, bool force)
{
	int most = force ? INT32_MAX / 2 : BUFFER_MAX;

	value = MIN((int)MIN((unsigned)value, (unsigned)INT32_MAX), most) * 2;
	if (receive) {
		s->opt.rcvbuf = MAX(value, RCVBUF_MIN);
		s->opt.rcvbuf_set = true;
	} else {
		s->opt.sndbuf = MAX(value, SNDBUF_MIN);
		s->opt.sndbuf_set = true;
		socket_room(s, POLLOUT | POLLWRNORM);
	}
}

/* What a number must be. */
static int check_number(struct task *t, int name, int *value)
{
	bool admin = cred_capable(t->cred, CAP_NET_ADMIN);

	switch (name) {
	case SO_MARK:
		return admin ? 0 : -EPERM;
	case SO_PRIORITY:
		return (*value >= 0 && *value <= PRIORITY_MAX) || admin ? 0 : -EPERM;
	case SO_RCVLOWAT:
		*value = *value < 0 ? INT32_MAX : MAX(*value, 1);
		return 0;
	case SO_BUSY_POLL:
		return *value < 0 ? -EINVAL : 0;
	default:
		return 0;
	}
}

static int set_plain(struct socket *s, struct task *t, const struct plain_option *o, int value)
{
	int err;

	if (o->kind == SWITCH) {
		if (s->domain != AF_UNIX && (o->name == SO_PASSCRED || o->name == SO_PASSSEC))
			return 0;
		atomic_store((_Atomic bool *)field(s, o), value != 0);
		return 0;
	}
	err = check_number(t, o->name, &value);
	if (err)
		return err;
	if (o->name == SO_SNDBUF || o->name == SO_RCVBUF)
		set_buffer(s, o->name == SO_RCVBUF, value, false);
	else
		atomic_store((_Atomic int *)field(s, o), value);
	return 0;
}

/* --- time limits: old and new layout are the same on a 64-bit machine --- */

static int set_timeout(_Atomic int64_t *limit, const void *value, socklen_t len)
{
	struct timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, value, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= USEC_PER_SEC)
		return -EDOM;
	if (tv.tv_sec < 0)
		atomic_store(limit, 1); /* past: what cannot be done at once fails */
	else if (tv.tv_sec >= INT64_MAX / NSEC_PER_SEC - 1)
		atomic_store(limit, 0);
	else
		atomic_store(limit, tv.tv_sec * NSEC_PER_SEC + tv.tv_usec * NSEC_PER_USEC);
	return 0;
}

static void get_timeout(int64_t limit, struct timeval *tv)
{
	limit = limit == 1 ? 0 : limit;
	tv->tv_sec = limit / NSEC_PER_SEC;
	tv->tv_usec = limit % NSEC_PER_SEC / NSEC_PER_USEC;
}

static int set_linger(struct socket *s, const void *value, socklen_t len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, value, sizeof(l));
	s->opt.linger_on = l.l_onoff != 0;
	if (l.l_onoff)
		s->opt.linger = l.l_linger;
	return 0;
}

/* SO_BINDTODEVICE: the loopback is the only device, so a name changes nothing. */
static int set_device(const void *value, socklen_t len)
{
	char name[16] = { 0 };

	memcpy(name, value, MIN(len, sizeof(name) - 1));
	return !name[0] || !strcmp(name, "lo") ? 0 : -ENODEV;
}

static int set_generic(struct socket *s, struct task *t, int name, const void *value, socklen_t len)
{
	const struct plain_option *o = find_plain(name);
	int number;

	switch (name) {
	case SO_BINDTODEVICE:
		return set_device(value, len);
	case SO_LINGER:
		return set_linger(s, value, len);
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return set_timeout(&s->opt.rcvtimeo, value, len);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return set_timeout(&s->opt.sndtimeo, value, len);
	}
	if (len < sizeof(number))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	if (o)
		return set_plain(s, t, o, number);
	switch (name) {
	case SO_DEBUG:
		return number && !cred_capable(t->cred, CAP_NET_ADMIN) ? -EACCES : 0;
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		if (!cred_capable(t->cred, CAP_NET_ADMIN))
			return -EPERM;
		set_buffer(s, name == SO_RCVBUFFORCE, MAX(number, 0), true);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* Is it done here, whatever the family? Waiting is the sentry's, and who is at the other end too. */
static bool is_generic(const struct socket *s, int level, int name)
{
	if (level != SOL_SOCKET)
		return false;
	switch (name) {
	case SO_LINGER:
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
	case SO_PASSCRED:
	case SO_PASSSEC:
	case SO_PEERCRED:
		return true;
	default:
		return !s->ops->own_generic;
	}
}

int socket_setsockopt(struct socket *s, struct task *t, int level, int name, const void *value, socklen_t len)
{
	if (is_generic(s, level, name))
		return set_generic(s, t, name, value, len);
	return s->ops->setsockopt ? s->ops->setsockopt(s, level, name, value, len) :
	       s->domain == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
}

/* --- getsockopt --- */

static int give(void *value, socklen_t *len, const void *what, size_t size)
{
	*len = MIN(*len, (socklen_t)size);
	memcpy(value, what, *len);
	return 0;
}

static int get_peercred(struct socket *s, void *value, socklen_t *len)
{
	struct ucred peer;

	mutex_lock(&s->lock);
	peer = s->peer;
	mutex_unlock(&s->lock);
	return give(value, len, &peer, sizeof(peer));
}

static int get_number(struct socket *s, int name, int *out)
{
	const struct plain_option *o = find_plain(name);

	if (o) {
		*out = o->kind == SWITCH ? atomic_load((_Atomic bool *)field(s, o)) : atomic_load((_Atomic int *)field(s, o));
		return 0;
	}
	switch (name) {
	case SO_DEBUG:
	case SO_LOCK_FILTER:
	case SO_INCOMING_CPU:
		*out = 0;
		return 0;
	case SO_TYPE:
		*out = s->type;
		return 0;
	case SO_DOMAIN:
		*out = s->domain;
		return 0;
	case SO_PROTOCOL:
		*out = s->protocol;
		return 0;
	case SO_ERROR:
		*out = -socket_take_error(s);
		return 0;
	case SO_ACCEPTCONN:
		*out = s->listening;
		return 0;
	case SO_SNDLOWAT:
		*out = 1;
		return 0;
	case SO_PEEK_OFF:
		*out = -1;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_generic(struct socket *s, int name, void *value, socklen_t *len)
{
	struct linger l = { .l_onoff = s->opt.linger_on, .l_linger = s->opt.linger };
	struct timeval tv;
	int number, err;

	switch (name) {
	case SO_LINGER:
		return give(value, len, &l, sizeof(l));
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		get_timeout(s->opt.rcvtimeo, &tv);
		return give(value, len, &tv, sizeof(tv));
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		get_timeout(s->opt.sndtimeo, &tv);
		return give(value, len, &tv, sizeof(tv));
	case SO_PEERCRED:
		return get_peercred(s, value, len);
	case SO_BINDTODEVICE:
		*len = 0;
		return 0;
	}
	err = get_number(s, name, &number);
	return err ? err : give(value, len, &number, sizeof(number));
}

int socket_getsockopt(struct socket *s, int level, int name, void *value, socklen_t *len)
{
	if (is_generic(s, level, name))
		return get_generic(s, name, value, len);
	return s->ops->getsockopt ? s->ops->getsockopt(s, level, name, value, len) :
	       s->domain == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
}
