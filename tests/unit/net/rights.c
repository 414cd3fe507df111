/* SPDX-License-Identifier: Apache-2.0 */
/* Files in flight and the collector: nothing that can still be received may go, everything else must. */
#include "net/socket.h"

#include "fs/vfs.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int released; /* canaries */

static void canary_release(struct file *f)
{
	(void)f;
	released++;
}

static const struct file_ops canary_ops = { .type = "canary", .release = canary_release };

static struct file *canary(void)
{
	struct inode *i;

	cr_assert_eq(anon_inode_new(S_IFREG | 0600, "canary", &i), 0);
	return file_new(&canary_ops, O_RDWR, NULL, i, NULL);
}

static void pair(int type, struct file *out[2])
{
	struct socket *s[2];

	cr_assert_eq(unix_create_pair(NULL, type, 0, s), 0);
	cr_assert_eq(socket_file_new(s[0], 0, &out[0]), 0);
	cr_assert_eq(socket_file_new(s[1], 0, &out[1]), 0);
}

/* f travels through `via`; the caller keeps its own reference. */
static void send_file(struct file *via, struct file *f)
{
	struct rights *r = calloc(1, sizeof(*r) + sizeof(f));
	struct sock_msg m = { .rights = r };
	struct socket *s = socket_of(via);
	char byte = 'x';
	struct io io;

	file_get(f);
	r->count = 1;
	r->files[0] = f;
	io_init_kernel(&io, &byte, 1);
	m.io = &io;
	cr_assert_eq(s->ops->send(s, &m), 1);
	cr_assert_null(m.rights);
	io_fini(&io);
}

/* The file of the next message, with the reference it travelled with. */
static struct file *recv_from(struct socket *s)
{
	struct file *f = NULL;
	struct sock_msg m = { 0 };
	char byte;
	struct io io;

	io_init_kernel(&io, &byte, 1);
	m.io = &io;
	if (s->ops->recv(s, &m) == 1 && m.rights) {
		f = m.rights->files[0];
		file_get(f);
		rights_free(m.rights);
	}
	io_fini(&io);
	return f;
}

static struct file *recv_file(struct file *from)
{
	return recv_from(socket_of(from));
}

static void send_canary(struct file *via)
{
	struct file *c = canary();

	send_file(via, c);
	file_put(c);
}

Test(rights, arrive_with_their_message)
{
	struct file *a[2], *c = canary(), *got;

	released = 0;
	pair(SOCK_STREAM, a);
	send_file(a[0], c);
	file_put(c);
	cr_assert_eq(released, 0);
	got = recv_file(a[1]);
	cr_assert_eq(got, c);
	file_put(got);
	cr_assert_eq(released, 1);
	file_put(a[0]);
	file_put(a[1]);
}

Test(rights, go_with_the_queue_they_lie_in)
{
	struct file *a[2];

	released = 0;
	pair(SOCK_SEQPACKET, a);
	send_canary(a[0]);
	file_put(a[1]);
	cr_assert_eq(released, 1);
	file_put(a[0]);
}

Test(rights, collector_breaks_a_cycle_of_one)
{
	struct file *a[2];

	released = 0;
	pair(SOCK_STREAM, a);
	send_canary(a[0]);
	send_file(a[0], a[1]);
	file_put(a[1]);
	cr_assert_eq(released, 0);
	file_put(a[0]);
	cr_assert_eq(released, 1);
}

Test(rights, collector_spares_what_can_be_received)
{
	struct file *a[2], *keep[2], *got;

	released = 0;
	pair(SOCK_STREAM, a);
	pair(SOCK_DGRAM, keep);
	send_canary(a[0]);
	send_file(a[0], a[1]);
	send_file(keep[0], a[1]);
	file_put(a[1]);
	file_put(a[0]);
	rights_collect();
	cr_assert_eq(released, 0);
	got = recv_file(keep[1]);
	cr_assert_not_null(got);
	file_put(recv_file(got));
	cr_assert_eq(released, 1);
	file_put(got);
	file_put(keep[0]);
	file_put(keep[1]);
}

Test(rights, a_long_chain_is_freed_without_recursion)
{
	struct file *prev[2], *next[2];

	released = 0;
	pair(SOCK_STREAM, prev);
	send_canary(prev[0]);
	for (int i = 0; i < 20000; i++) {
		pair(SOCK_STREAM, next);
		send_file(next[0], prev[0]);
		send_file(next[0], prev[1]);
		file_put(prev[0]);
		file_put(prev[1]);
		memcpy(prev, next, sizeof(prev));
	}
	file_put(prev[0]);
	file_put(prev[1]);
	rights_collect();
	cr_assert_eq(released, 1);
}

/* --- somebody receives while the collector looks --- */

static struct file *received;
static const struct sock_ops *stream_ops;

/* Reads its own queue right after the collector has, the first time. */
static void each_and_receive(struct socket *s, void (*fn)(struct rights *r, void *arg), void *arg)
{
	stream_ops->each_rights(s, fn, arg);
	if (!received)
		received = recv_from(s);
}

Test(rights, collector_spares_what_is_received_meanwhile)
{
	struct file *keep[2], *outer[2], *inner[2];
	struct sock_ops ops;

	released = 0;
	pair(SOCK_STREAM, keep);
	pair(SOCK_STREAM, outer);
	pair(SOCK_STREAM, inner);
	send_canary(inner[0]);
	send_file(outer[0], inner[1]);
	send_file(keep[0], outer[1]);
	stream_ops = socket_of(outer[1])->ops;
	ops = *stream_ops;
	ops.each_rights = each_and_receive;
	socket_of(outer[1])->ops = &ops;
	file_put(inner[1]);
	file_put(outer[1]);
	rights_collect();
	cr_assert_not_null(received);
	cr_assert_eq(released, 0);
	file_put(recv_file(received));
	cr_assert_eq(released, 1);
	file_put(received);
	file_put(inner[0]);
	file_put(outer[0]);
	file_put(keep[0]);
	file_put(keep[1]);
}

/* --- random graphs, against a model --- */

enum { NODES = 24, EDGES = 60, GRAPHS = 200 };

static struct graph {
	struct file *end[NODES][2]; /* [1] is what travels; [0] is kept, and closed in the end */
	bool held[NODES]; /* somebody has [1] open */
	int edges[NODES][NODES]; /* how often j lies in i's queue */
} g;

static void reach(bool *seen, int n)
{
	if (seen[n])
		return;
	seen[n] = true;
	for (int j = 0; j < NODES; j++)
		if (g.edges[n][j])
			reach(seen, j);
}

static int expected_dead(void)
{
	bool seen[NODES] = { false };
	int dead = 0;

	for (int n = 0; n < NODES; n++)
		if (g.held[n])
			reach(seen, n);
	for (int n = 0; n < NODES; n++)
		dead += !seen[n];
	return dead;
}

static void one_graph(unsigned seed)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

	srand(seed);
	released = 0;
	memset(&g, 0, sizeof(g));
	for (int n = 0; n < NODES; n++) {
		pair(types[rand() % 3], g.end[n]);
		g.held[n] = true;
		send_canary(g.end[n][0]);
	}
	for (int e = rand() % EDGES; e >= 0; e--) {
		int i = rand() % NODES, j = rand() % NODES;

		send_file(g.end[i][0], g.end[j][1]);
		g.edges[i][j]++;
	}
	for (int n = 0; n < NODES; n++) {
		if (rand() % 3 == 0)
			continue;
		g.held[n] = false;
		file_put(g.end[n][1]);
	}
	rights_collect();
	cr_assert_eq(released, expected_dead(), "seed %u: %d went, %d should", seed, released, expected_dead());
	/* The rest, in any order. */
	for (int n = 0; n < NODES; n++) {
		if (g.held[n])
			file_put(g.end[n][1]);
		file_put(g.end[n][0]);
	}
	rights_collect();
	cr_assert_eq(released, NODES, "seed %u: %d of %d went", seed, released, NODES);
}

Test(rights, collector_agrees_with_a_model)
{
	for (unsigned seed = 1; seed <= GRAPHS; seed++)
		one_graph(seed);
}
