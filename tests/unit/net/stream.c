/* SPDX-License-Identifier: Apache-2.0 */
/* Streams against a model: whatever is sent and received in whatever pieces, bytes arrive once and in order, and what is readable is
 * what was sent and not read. */
#include "fs/vfs.h"
#include "net/socket.h"
#include "tests/support/asserts.h"
#include "tests/unit/net/ends.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static ssize_t move(struct socket *s, void *buf, size_t len, int flags, bool send)
{
	return ends_move(s, buf, len, (struct sock_msg){ .flags = flags }, send);
}

Test(stream, bytes_arrive_once_and_in_order)
{
	static unsigned char out[100000], in[100000];
	uint64_t sent = 0, got = 0;
	struct socket *s[2];
	struct file *f[2];

	srand(7);
	ends_make(f, s);
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

	ends_make(f, s);
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

/* Each byte is a segment of its own where the one before carries something else. */
Test(stream, segments_count_for_what_may_be_under_way)
{
	const size_t segment = 80; /* about what the sentry has for each */
	struct socket *s[2];
	struct file *f[2];
	size_t sent = 0;
	char byte = 'x';
	ssize_t r;

	ends_make(f, s);
	while ((r = ends_move(s[0], &byte, 1, (struct sock_msg){ .has_cred = sent % 2 }, true)) == 1)
		sent++;
	cr_assert_eq(r, -EAGAIN);
	cr_assert(sent > 1 && sent * segment < (size_t)s[0]->opt.sndbuf, "%zu segments", sent);
	for (; sent; sent -= (size_t)r)
		cr_assert_gt(r = move(s[1], &byte, 1, 0, false), 0);
	cr_assert_eq(move(s[1], &byte, 1, 0, false), -EAGAIN);
	cr_assert_eq(move(s[0], &byte, 1, 0, true), 1);
	file_put(f[0]);
	file_put(f[1]);
}
