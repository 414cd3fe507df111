/* SPDX-License-Identifier: Apache-2.0 */
/* The host's network, lent to guests by --network host. See host_socket.c. */
#ifndef NET_HOST_SOCKET_H
#define NET_HOST_SOCKET_H

#include "net/socket.h"

/* From now on internet sockets are the host's. Once, before the sentry's calls are filtered: what the filter will not let be opened is
 * opened here. 0 or negative errno. */
int host_network_enable(void) MUST_CHECK;
bool host_network_enabled(void);

/* What inet_create() hands over: domain, type and protocol are checked. */
int host_socket_create(int domain, int type, int protocol, struct socket **out) MUST_CHECK;

/* The options that reach the host, for the sentry's filter too. */
enum { HOST_OPTION_GET = 1, HOST_OPTION_SET = 2, HOST_OPTION_OWN = 4 /* set by the sentry itself, never for a guest */ };
struct host_option {
	int level, name;
	unsigned use;
};
const struct host_option *host_options(size_t *count);

/* --- questions about the host's interfaces and routes (host_route.c) --- */

/* A netdevice(7) ioctl that only reads; arg is sentry memory. */
int host_route_ioctl(unsigned cmd, void *arg) MUST_CHECK;
/* An rtnetlink(7) request that only reads, len bytes with its header. Each message of the answer is given to put(), addressed to port; what
 * that returns other than 0 ends it. -EOPNOTSUPP where the host lets nobody ask. */
int host_route_ask(const void *request, size_t len, uint32_t port, int (*put)(void *arg, const void *data, size_t len), void *arg)
	MUST_CHECK;

#endif
