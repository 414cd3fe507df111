/* SPDX-License-Identifier: Apache-2.0 */
/* AF_NETLINK: as much of NETLINK_ROUTE as getifaddrs(3) and if_nameindex(3) ask, and what mq_notify(3) waits for. See netlink.c. */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include "fs/mqueue.h"
#include "net/socket.h"

/* -EPROTONOSUPPORT for any other protocol, -ESOCKTNOSUPPORT. */
int netlink_create(struct task *t, int type, int protocol, struct socket **out) MUST_CHECK;

enum { NETLINK_COOKIE = 32 };
/* What sends cookie to f, which must be a netlink socket, with the event in its last byte: mq_notify(2), SIGEV_THREAD. Waits until the
 * socket has room. -ENOTSOCK, -EINVAL, -ERESTARTSYS. */
int netlink_sink_new(struct task *t, struct file *f, const char cookie[static NETLINK_COOKIE], struct mqueue_sink **out) MUST_CHECK;

#endif
