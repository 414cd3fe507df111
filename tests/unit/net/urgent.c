/* SPDX-License-Identifier: Apache-2.0 */
/* Urgent bytes of unix streams, sent and received at random: what a direction says of its bytes stays true. */
#include "fs/vfs.h"
#include "net/stream_internal.h"
#include "net/unix_internal.h"
#include "tests/support/asserts.h"
#include "tests/unit/net/ends.h"

#include <errno.h>
#include <stdlib.h>

static ssize_t move(struct socket *s, size_t len, int flags, bool send)
{
	static char bytes[3000];

	return ends_move(s, bytes, len, (struct sock_msg){ .flags = flags, .goes_on = !send && rand() % 8 == 0 }, send);
}

static void check(const struct direction *d)
{
	size_t sum = 0, count = 0;
	bool oob = !d->oob;
	struct segment *s;

	TAILQ_FOREACH(s, &d->segments, link) {
		cr_assert(s->len || s->urgent);
		cr_assert(!s->urgent || s->len <= 1);
		sum += s->len;
		count++;
		oob = oob || (s == d->oob && s->urgent && s->len);
	}
	cr_assert(TAILQ_EMPTY(&d->segments) || sum == d->ring.len, "%zu of %zu bytes", sum, (size_t)d->ring.len);
	cr_assert_eq(count, d->segment_count);
	cr_assert(oob, "the urgent byte has gone");
}

Test(urgent, segments_and_ring_agree)
{
	struct socket *s[2];
	struct file *f[2];
	struct unix_sock *u;

	srand(11);
	ends_make(f, s);
	u = unix_of(s[1]);
	for (int step = 0; step < 50000; step++) {
		int flags = (rand() % 3 ? 0 : MSG_OOB) | (rand() % 4 ? 0 : MSG_PEEK);
		size_t len = (size_t)(rand() % (rand() % 4 ? 8 : 3000));
		bool send = rand() % 2;
		ssize_t r;

		if (rand() % 50 == 0)
			s[1]->opt.oobinline = !s[1]->opt.oobinline;
		if (rand() % 50 == 0)
			s[1]->opt.passcred = !s[1]->opt.passcred;
		r = move(s[!send], len, send ? flags & MSG_OOB : flags, send);
		cr_assert(r >= 0 || r == -EAGAIN || r == -EINVAL || r == -EOPNOTSUPP, "%zd", r);
		check(&atomic_load(&u->pair)->dir[u->side]);
	}
	file_put(f[0]);
	file_put(f[1]);
}
