/* SPDX-License-Identifier: Apache-2.0 */
/* io_setup(2), io_submit(2), io_getevents(2), io_pgetevents(2), io_cancel(2), io_destroy(2). */
#include "fs/aio.h"
#include "syscalls/sigmask.h"
#include "syscalls/syscalls.h"

#include <errno.h>

SYSCALL_DECLARE(io_setup)
{
	uint64_t id;
	int err = guest_read(t->mm, &id, a[1], sizeof(id));

	if (err)
		return err;
	if (id)
		return -EINVAL;
	err = aio_setup(t, (unsigned)a[0], &id);
	if (err)
		return err;
	err = guest_write(t->mm, a[1], &id, sizeof(id));
	if (err)
		(void)!aio_destroy(t, id);
	return err;
}

SYSCALL_DECLARE(io_destroy)
{
	return aio_destroy(t, a[0]);
}

static int submit_one(struct task *t, struct aio_context *c, uint64_t where)
{
	struct iocb b;
	uint64_t at;
	int err = guest_read(t->mm, &at, where, sizeof(at));

	if (!err)
		err = guest_read(t->mm, &b, at, sizeof(b));
	return err ? err : aio_submit(t, c, at, &b);
}

SYSCALL_DECLARE(io_submit)
{
	int64_t count = (int64_t)a[1], done = 0;
	struct aio_context *c;
	int err = 0;

	if (count < 0)
		return -EINVAL;
	c = aio_find(t, a[0]);
	if (!c)
		return -EINVAL;
	count = MIN(count, (int64_t)aio_capacity(c));
	while (done < count && !(err = submit_one(t, c, a[2] + (uint64_t)done * sizeof(uint64_t))))
		done++;
	aio_put(c);
	return done ? done : err;
}

/* Every operation is done when it has been submitted, so there is none to be found. */
SYSCALL_DECLARE(io_cancel)
{
	uint32_t key;
	int err = guest_read(t->mm, &key, a[1] + offsetof(struct iocb, aio_key), sizeof(key));

	return err ? err : -EINVAL;
}

/* The time limit, which Linux takes as it is: what is past is now. */
static int read_deadline(struct task *t, uint64_t addr, int64_t *deadline)
{
	const int64_t second = 1000000000;
	struct timespec ts;
	int64_t now = mono_now(), left;
	int err;

	*deadline = NO_DEADLINE;
	if (!addr)
		return 0;
	err = guest_read(t->mm, &ts, addr, sizeof(ts));
	if (err)
		return err;
	if (ts.tv_sec < 0 || __builtin_mul_overflow(ts.tv_sec, second, &left))
		left = ts.tv_sec < 0 ? 0 : NO_DEADLINE;
	else if (__builtin_add_overflow(left, ts.tv_nsec, &left))
		left = NO_DEADLINE;
	if (__builtin_add_overflow(now, left, deadline))
		*deadline = NO_DEADLINE;
	return 0;
}

static int64_t get_events(struct task *t, const uint64_t a[6], int64_t deadline)
{
	int64_t min = (int64_t)a[1], max = (int64_t)a[2], r;
	struct aio_context *c = aio_find(t, a[0]);

	if (!c)
		return -EINVAL;
	r = min < 0 || min > max ? -EINVAL : aio_get_events(t, c, min, max, a[3], deadline);
	aio_put(c);
	return r;
}

SYSCALL_DECLARE(io_getevents)
{
	int64_t deadline;
	int err = read_deadline(t, a[4], &deadline);

	return err ? err : get_events(t, a, deadline);
}

SYSCALL_DECLARE(io_pgetevents)
{
	struct {
		uint64_t set, size;
	} mask = { 0, 0 };
	int64_t deadline, r;
	int err = read_deadline(t, a[4], &deadline);

	if (!err && a[5])
		err = guest_read(t->mm, &mask, a[5], sizeof(mask));
	if (!err)
		err = sigmask_begin(t, mask.set, mask.size);
	if (err)
		return err;
	r = get_events(t, a, deadline);
	return sigmask_end(t, mask.set, r == -EINTR ? -ERESTARTNOHAND : r);
}
