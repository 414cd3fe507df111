/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ref.h"
#include "base/wait.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static const int64_t MS = 1000000;

Test(sleeper, pending_wake_is_not_lost)
{
	sleeper_wake(sleeper_self());
	cr_assert_eq(sleep_until(NO_DEADLINE), 0);
	cr_assert_eq(sleep_until(mono_now() + MS), -ETIMEDOUT, "a wake is consumed once");
}

Test(sleeper, deadline_in_the_past_times_out)
{
	cr_assert_eq(sleep_until(1), -ETIMEDOUT);
	cr_assert_eq(sleep_until(-5), -ETIMEDOUT);
}

Test(sleeper, interrupt_stays_until_cleared)
{
	sleeper_interrupt(sleeper_self());
	cr_assert_eq(sleep_until(NO_DEADLINE), -EINTR);
	cr_assert_eq(sleep_until(NO_DEADLINE), -EINTR);
	cr_assert(sleeper_clear_interrupt(sleeper_self()));
	cr_assert_not(sleeper_clear_interrupt(sleeper_self()));
	cr_assert_eq(sleep_until(mono_now() + MS), -ETIMEDOUT);
}

Test(sleeper, wake_wins_over_interrupt)
{
	sleeper_interrupt(sleeper_self());
	sleeper_wake(sleeper_self());
	cr_assert_eq(sleep_until(NO_DEADLINE), 0);
	cr_assert_eq(sleep_until(NO_DEADLINE), -EINTR);
}

Test(sleeper, uninterruptible_sleep_ignores_interrupts)
{
	sleeper_interrupt(sleeper_self());
	cr_assert_eq(sleep_uninterruptible(mono_now() + MS), -ETIMEDOUT);
}

struct pingpong {
	struct sleeper a, b;
	int rounds;
};

static void *peer(void *arg)
{
	struct pingpong *p = arg;

	sleeper_set_self(&p->b);
	for (int i = 0; i < p->rounds; i++) {
		if (sleep_until(NO_DEADLINE))
			return p; /* woken by something else */
		sleeper_wake(&p->a);
	}
	return NULL;
}

Test(sleeper, ten_thousand_round_trips)
{
	struct pingpong p = { .rounds = 10000 };
	pthread_t t;
	void *result;

	sleeper_init(&p.a);
	sleeper_init(&p.b);
	sleeper_set_self(&p.a);
	pthread_create(&t, NULL, peer, &p);
	for (int i = 0; i < p.rounds; i++) {
		sleeper_wake(&p.b);
		cr_assert_eq(sleep_until(mono_now() + 10000 * MS), 0, "round %d", i);
	}
	pthread_join(t, &result);
	cr_assert_null(result);
}

static int calls;
static uint32_t last_events;

static void count_call(struct waiter *w, uint32_t events)
{
	(void)w;
	calls++;
	last_events = events;
}

Test(waitq, notifies_only_interested_waiters)
{
	struct waitq q;
	struct waiter in, out;

	waitq_init(&q);
	waiter_init_callback(&in, count_call, NULL, POLLIN);
	waiter_init(&out, sleeper_self(), POLLOUT);
	waitq_add(&q, &in);
	waitq_add(&q, &out);
	waitq_notify(&q, POLLIN | POLLHUP);
	cr_assert_eq(calls, 1);
	cr_assert_eq(last_events, POLLIN | POLLHUP);
	cr_assert_eq(sleep_until(mono_now() + MS), -ETIMEDOUT, "POLLOUT waiter was not woken");
	waitq_notify(&q, POLLOUT);
	cr_assert_eq(sleep_until(NO_DEADLINE), 0);
	waitq_remove(&q, &in);
	waitq_remove(&q, &out);
	waitq_notify(&q, POLLIN);
	cr_assert_eq(calls, 1);
}

Test(waitq, one_exclusive_waiter_a_notification)
{
	struct waitq q;
	struct waiter w[3];

	waitq_init(&q);
	for (int i = 0; i < 3; i++) {
		waiter_init_callback(&w[i], count_call, NULL, POLLIN);
		w[i].exclusive = i > 0;
		waitq_add(&q, &w[i]);
	}
	waitq_notify(&q, POLLIN);
	cr_assert_eq(calls, 2, "the shared waiter and one of the two exclusive ones");
}

Test(ref, last_put_says_so_and_zero_stays_zero)
{
	struct ref r;

	ref_init(&r);
	ref_get(&r);
	cr_assert_not(ref_put(&r));
	cr_assert(ref_put(&r));
	cr_assert_not(ref_get_unless_zero(&r));
}
