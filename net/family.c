/* SPDX-License-Identifier: Apache-2.0 */
/* Which family makes a socket: socket(2), socketpair(2). */
#include "net/netlink.h"
#include "net/socket.h"

#include <errno.h>

static int check_type(int domain, int type)
{
	if (domain < 0 || domain >= AF_MAX)
		return -EAFNOSUPPORT;
	return type < 0 || type >= 11 /* SOCK_MAX */ ? -EINVAL : 0;
}

int socket_create(struct task *t, int domain, int type, int protocol, struct socket **out)
{
	int err = check_type(domain, type);

	if (err)
		return err;
	switch (domain) {
	case AF_UNIX:
		return unix_create(t, type, protocol, out);
	case AF_INET:
	case AF_INET6:
		return inet_create(t, domain, type, protocol, out);
	case AF_NETLINK:
		return netlink_create(t, type, protocol, out);
	default:
		return -EAFNOSUPPORT;
	}
}

int socket_create_pair(struct task *t, int domain, int type, int protocol, struct socket *out[2])
{
	struct socket *s;
	int err = check_type(domain, type);

	if (err)
		return err;
	if (domain == AF_UNIX)
		return unix_create_pair(t, type, protocol, out);
	/* Other families have sockets but no pairs of them; what is wrong with the arguments counts first. */
	err = socket_create(t, domain, type, protocol, &s);
	if (err)
		return err;
	s->ops->close(s);
	socket_put(s);
	return -EOPNOTSUPP;
}
