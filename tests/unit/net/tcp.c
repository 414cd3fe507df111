/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of a TCP listener whose backlog is full: each waits once, and is forgotten when it gives up. */
#include "net/inet_internal.h"
#include "tests/support/asserts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static struct inet_sock *tcp(void)
{
	struct inet_sock *i = inet_new(&tcp_ops, AF_INET, SOCK_STREAM, IPPROTO_TCP);

	cr_assert_not_null(i);
	return i;
}

static int dial(struct inet_sock *i, const struct inet_sock *to)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(to->local.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	union sock_addr a = { 0 };

	memcpy(&a, &in, sizeof(in));
	return tcp_connect(&i->s, NULL, &a, sizeof(in), true);
}

/* A listener with room for one connection that nobody has accepted, and the client of that one. */
static struct inet_sock *full_listener(struct inet_sock **first)
{
	struct inet_sock *l = tcp();

	cr_assert_eq(tcp_listen(&l->s, 0), 0);
	*first = tcp();
	cr_assert_eq(dial(*first, l), -EINPROGRESS);
	cr_assert_eq((*first)->state, TCP_STATE_CONNECTED);
	return l;
}

static void give_up(struct inet_sock *i)
{
	union sock_addr nowhere = { .sa.sa_family = AF_UNSPEC };

	cr_assert_eq(tcp_connect(&i->s, NULL, &nowhere, sizeof(nowhere.sa), true), 0);
}

static struct inet_sock *accept_one(struct inet_sock *l)
{
	struct socket *s;

	return tcp_accept(&l->s, true, &s) ? NULL : inet_of(s);
}

static void hang_up(struct inet_sock *i)
{
	i->s.ops->close(&i->s);
}

/* Closed, as all that it was connected with: nobody else may have a reference. */
static void drop(struct inet_sock *i)
{
	cr_assert_eq(ref_count(&i->s.ref), 1);
	socket_put(&i->s);
}

Test(tcp, a_client_that_comes_again_waits_once)
{
	struct inet_sock *first, *l = full_listener(&first), *c = tcp(), *end[2];

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(dial(c, l), -EINPROGRESS);
		cr_assert_eq(ref_count(&c->s.ref), 2);
		if (i == 0)
			give_up(c);
		else if (i == 1)
			cr_assert_eq(c->s.ops->shutdown(&c->s, SHUT_RDWR), 0);
	}
	end[0] = accept_one(l);
	cr_assert_eq(c->state, TCP_STATE_CONNECTED);
	end[1] = accept_one(l);
	cr_assert(end[0] && end[1]);
	cr_assert_null(accept_one(l));
	hang_up(first);
	hang_up(c);
	hang_up(l);
	for (int i = 0; i < 2; i++) {
		hang_up(end[i]);
		drop(end[i]);
	}
	drop(first);
	drop(c);
	drop(l);
}

Test(tcp, a_client_that_is_closed_is_forgotten)
{
	struct inet_sock *first, *l = full_listener(&first), *c[10];

	for (int i = 0; i < 10; i++) {
		c[i] = tcp();
		cr_assert_eq(dial(c[i], l), -EINPROGRESS);
	}
	for (int i = 0; i < 10; i++) {
		hang_up(c[i]);
		drop(c[i]);
	}
	cr_assert(TAILQ_EMPTY(&l->waiting));
	hang_up(l);
	hang_up(first);
	drop(first);
	drop(l);
}

Test(tcp, a_client_waits_for_one_listener_at_a_time)
{
	struct inet_sock *first[2], *l[2], *c = tcp();

	for (int i = 0; i < 2; i++)
		l[i] = full_listener(&first[i]);
	cr_assert_eq(dial(c, l[0]), -EINPROGRESS);
	give_up(c);
	cr_assert_eq(dial(c, l[1]), -EINPROGRESS);
	hang_up(l[0]);
	cr_assert_eq(c->state, TCP_STATE_CONNECTING);
	hang_up(l[1]);
	cr_assert_eq(c->state, TCP_STATE_IDLE);
	hang_up(c);
	drop(c);
	for (int i = 0; i < 2; i++) {
		hang_up(first[i]);
		drop(first[i]);
		drop(l[i]);
	}
}
