/* SPDX-License-Identifier: Apache-2.0 */
/* Streams against a model: whatever is sent and received in whatever pieces, bytes arrive once and in order, and what is readable is
 * what was sent and not read. */
#include "net/socket.h"

#include "fs/vfs.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static void pair(struct file *f[2], struct socket *s[2])
{
	cr_assert_eq(unix_create_pair(NULL, SOCK_STREAM, 0, s), 0);
	cr_assert_eq(socket_file_new(s[0], 0, &f[0]), 0);
	cr_assert_eq(socket_file_new(s[1], 0, &f[1]), 0);
}

static ssize_t move(struct socket *s, void *buf, size_t len, int flags, bool send)
{
	struct sock_msg m = { .flags = flags };
	struct io io;
	ssize_t r;

	io_init_kernel(&io, buf, len);
	m.io = &io;
	r = send ? s->ops->send(s, &m) : s->ops->recv(s, &m);
	rights_free(m.rights);
	io_fini(&io);
	return r;
}

Test(stream, bytes_arrive_once_and_in_order)
{
	static unsigned char out[100000], in[100000];
	uint64_t sent = 0, got = 0;
	struct socket *s[2];
	struct file *f[2];

	srand(7);
	pair(f, s);
	for (int step = 0; step < 20000; step++) {
		size_t len = (size_t)(rand() % (rand() % 20 ? 300 : 100000)) + 1;
		int look = rand() % 4 ? 0 : MSG_PEEK;
		ssize_t r;

		if (rand() % 100 == 0)
			s[1]->opt.passcred = !s[1]->opt.passcred; /* from now on bytes carry something, or not */
		if (rand() % 2) {
			for (size_t i = 0; i < len; i++)
				out[i] = (unsigned char)((sent + i) * 7);
			r = move(s[0], out, len, 0, true);
			cr_assert(r > 0 || r == -EAGAIN);
			sent += r > 0 ? (uint64_t)r : 0;
			continue;
		}
		r = move(s[1], in, len, look, false);
		cr_assert(r > 0 || (r == -EAGAIN && sent == got));
		for (ssize_t i = 0; i < r; i++)
			cr_assert_eq(in[i], (unsigned char)((got + (uint64_t)i) * 7), "byte %zd of step %d", i, step);
		if (r > 0 && !look)
			got += (uint64_t)r;
		cr_assert_leq(got, sent);
	}
	file_put(f[0]);
	file_put(f[1]);
}

Test(stream, full_one_has_room_again_when_half_is_read)
{
	static char buf[1 << 20];
	struct socket *s[2];
	struct file *f[2];
	ssize_t held;

	pair(f, s);
	held = move(s[0], buf, sizeof(buf), 0, true);
	cr_assert(held > 0 && held < (ssize_t)sizeof(buf));
	cr_assert_eq(move(s[0], buf, 1, 0, true), -EAGAIN);
	cr_assert_not(s[0]->ops->poll(s[0]) & POLLOUT);
	cr_assert_eq(move(s[1], buf, (size_t)held / 4, 0, false), held / 4);
	cr_assert_not(s[0]->ops->poll(s[0]) & POLLOUT);
	cr_assert_eq(move(s[1], buf, (size_t)held / 2, 0, false), held / 2);
	cr_assert(s[0]->ops->poll(s[0]) & POLLOUT);
	file_put(f[0]);
	file_put(f[1]);
}
