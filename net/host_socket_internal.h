/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of host sockets share. See host_socket.c. */
#ifndef NET_HOST_SOCKET_INTERNAL_H
#define NET_HOST_SOCKET_INTERNAL_H

#include "net/host_socket.h"

struct host_sock {
	struct socket s;
	int fd; /* the sentry's, O_NONBLOCK; changed by close alone */
	_Atomic bool watched; /* the notifier knows it */
	_Atomic bool shut; /* for receiving */
	_Atomic bool urgent; /* SIGURG was sent, and nothing was received since */
};

static inline struct host_sock *host_of(struct socket *s)
{
	return CONTAINER_OF(s, struct host_sock, s);
}

/* What a call that the host answered with EAGAIN returns: -EAGAIN, and whoever waits will be told; or why that cannot be. */
int host_socket_again(struct host_sock *h) MUST_CHECK;

/* --- host_socket_msg.c --- */
ssize_t host_socket_send(struct socket *s, struct sock_msg *m) MUST_CHECK;
ssize_t host_socket_recv(struct socket *s, struct sock_msg *m) MUST_CHECK;

/* --- host_socket_option.c --- */
int host_socket_setsockopt(struct socket *s, int level, int name, const void *value, socklen_t len) MUST_CHECK;
int host_socket_getsockopt(struct socket *s, int level, int name, void *value, socklen_t *len) MUST_CHECK;
int64_t host_socket_ioctl(struct socket *s, struct task *t, unsigned cmd, uint64_t arg) MUST_CHECK;

#endif
