/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of a unix stream, and moving bytes between them and the test's memory. */
#ifndef TESTS_UNIT_NET_ENDS_H
#define TESTS_UNIT_NET_ENDS_H

#include "net/socket.h"
#include "tests/support/asserts.h"

static inline void ends_make(struct file *f[2], struct socket *s[2])
{
	cr_assert_eq(unix_create_pair(NULL, SOCK_STREAM, 0, s), 0);
	cr_assert_eq(socket_file_new(s[0], 0, &f[0]), 0);
	cr_assert_eq(socket_file_new(s[1], 0, &f[1]), 0);
}

/* Sends or receives len bytes at buf, as m says besides. */
static inline ssize_t ends_move(struct socket *s, void *buf, size_t len, struct sock_msg m, bool send)
{
	struct io io;
	ssize_t r;

	io_init_kernel(&io, buf, len);
	m.io = &io;
	r = send ? s->ops->send(s, &m) : s->ops->recv(s, &m);
	rights_free(m.rights);
	io_fini(&io);
	return r;
}

#endif
