/* SPDX-License-Identifier: Apache-2.0 */
/* AF_NETLINK: as much of NETLINK_ROUTE as getifaddrs(3) and if_nameindex(3) ask. See netlink.c. */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include "net/socket.h"

/* -EPROTONOSUPPORT for any other protocol, -ESOCKTNOSUPPORT. */
int netlink_create(struct task *t, int type, int protocol, struct socket **out) MUST_CHECK;

#endif
