/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts of asynchronous input and output, and the events in them: io_setup(2), io_getevents(2), io_destroy(2).
 *
 * Theory of operation. An operation is done while it is submitted (aio_submit.c), so a context only holds events: a ring that
 * grows up to what was asked for. That is within what io_submit(2) promises, which may block, and does on Linux for files that know no other way;
 * the sentry's files are memory or pages that the host has cached.
 *
 * The id of a context is an address in the guest. On Linux a ring lies there in which libaio looks for events by itself if it finds a magic
 * number at its start. Here it is a page of zeroes, so libaio makes the call. The mapping is the context: what is mapped there is a
 * mappable whose references are the context's, and whoever uses an id looks for it among the mappings (mm_attached). So a context goes
 * with its address space at exec and exit, cannot be used once it is unmapped, and moves with mremap(2), all as on Linux. It is not copied by
 * fork, and a child that made the mapping copied nevertheless has no use of it: a context serves the mm it was made in.
 *
 * Locks: context.lock protects the ring; under it a wait queue's. It is not held while guest memory is touched. References are dropped under
 * the mapping lock, so freeing takes no lock but the memory file's.
 */
#include "fs/aio.h"

#include "kernel/task.h"
#include "mm/shmem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* EVENTS_MAX as on Linux: 256 MiB of events. BATCH events are copied out at once. */
enum { EVENTS_MAX = 0x10000000 / sizeof(struct io_event), RING_FIRST = 16, BATCH = 32 };

struct aio_context {
	struct mappable mappable;
	struct ref ref;
	struct mappable *bytes; /* the page of zeroes; immutable, as the next three */
	const struct mm *mm; /* only compared */
	unsigned asked, capacity;
	struct waitq waitq;
	struct mutex lock;
	struct io_event *ring; /* all below: lock */
	unsigned size, first, count; /* the ring's places, the oldest event, how many there are */
	unsigned reserved; /* events that there are, will be, or are being handed out: never fewer than count, nor more than size */
	bool dead;
};

static _Atomic unsigned total;

unsigned aio_total(void)
{
	return atomic_load(&total);
}

/* --- as a mappable --- */

static struct aio_context *context_of(struct mappable *m)
{
	return CONTAINER_OF(m, struct aio_context, mappable);
}

static void context_get(struct mappable *m)
{
	ref_get(&context_of(m)->ref);
}

static void context_put(struct mappable *m)
{
	struct aio_context *c = context_of(m);

	if (!ref_put(&c->ref))
		return;
	atomic_fetch_sub(&total, c->asked);
	c->bytes->ops->put(c->bytes);
	mutex_destroy(&c->lock);
	mutex_destroy(&c->waitq.lock);
	free(c->ring);
	free(c);
}

static int context_add(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	(void)m, (void)mm, (void)r, (void)off, (void)writable;
	return 0;
}

static void context_remove(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	(void)m, (void)mm, (void)r, (void)off, (void)writable;
}

static int context_translate(struct mappable *m, struct range required, struct range optional, int prot,
			     struct translation out[static TRANSLATIONS_MAX], int *err)
{
	struct mappable *bytes = context_of(m)->bytes;

	return bytes->ops->translate(bytes, required, optional, prot, out, err);
}

static void context_residency(struct mappable *m, struct range r, unsigned char *vec)
{
	struct mappable *bytes = context_of(m)->bytes;

	bytes->ops->residency(bytes, r, vec);
}

static void context_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	struct mappable *bytes = context_of(m)->bytes;

	bytes->ops->describe(bytes, buf, size, dev, ino);
}

static const struct mappable_ops context_ops = {
	.get = context_get,
	.put = context_put,
	.add_mapping = context_add,
	.remove_mapping = context_remove,
	.translate = context_translate,
	.residency = context_residency,
	.describe = context_describe,
};

/* --- life --- */

static struct aio_context *context_new(struct task *t, unsigned count)
{
	struct aio_context *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	if (shmem_new(mm_memfile(t->mm), PAGE_SIZE, "/[aio] (deleted)", &c->bytes)) {
		free(c);
		return NULL;
	}
	c->mappable.ops = &context_ops;
	ref_init(&c->ref);
	waitq_init(&c->waitq);
	mutex_init(&c->lock);
	c->mm = t->mm;
	c->asked = count;
	c->capacity = count * 2; /* as Linux, whose processors each keep some room for themselves */
	return c;
}

/* Room for count among what all may ask for; context_put() gives it back. */
static bool charge(unsigned count)
{
	unsigned before = atomic_fetch_add(&total, count);

	if (before + count <= AIO_MAX_NR)
		return true;
	atomic_fetch_sub(&total, count);
	return false;
}

int aio_setup(struct task *t, unsigned count, uint64_t *id)
{
	struct mmap_args m = { .len = PAGE_SIZE, .prot = PROT_READ | PROT_WRITE, .max_prot = PROT_READ | PROT_WRITE, .flags = MAP_SHARED };
	struct aio_context *c;
	int err;

	if (!count || count > EVENTS_MAX)
		return -EINVAL;
	if (count > AIO_MAX_NR || !charge(count))
		return -EAGAIN;
	c = context_new(t, count);
	if (!c) {
		atomic_fetch_sub(&total, count);
		return -ENOMEM;
	}
	m.mappable = &c->mappable;
	err = mm_mmap(t->mm, &m, id);
	if (!err && (err = mm_madvise(t->mm, *id, PAGE_SIZE, MADV_DONTFORK)))
		(void)!mm_munmap(t->mm, *id, PAGE_SIZE);
	aio_put(c);
	return err;
}

struct aio_context *aio_find(struct task *t, uint64_t id)
{
	struct mappable *m = mm_attached(t->mm, id, &context_ops);
	struct aio_context *c = m ? context_of(m) : NULL;
	bool usable;

	if (!c)
		return NULL;
	mutex_lock(&c->lock);
	usable = !c->dead && c->mm == t->mm;
	mutex_unlock(&c->lock);
	if (usable)
		return c;
	aio_put(c);
	return NULL;
}

void aio_put(struct aio_context *c)
{
	context_put(&c->mappable);
}

unsigned aio_capacity(const struct aio_context *c)
{
	return c->capacity;
}

int aio_destroy(struct task *t, uint64_t id)
{
	struct aio_context *c = aio_find(t, id);
	bool first;

	if (!c)
		return -EINVAL;
	mutex_lock(&c->lock);
	first = !c->dead;
	c->dead = true;
	mutex_unlock(&c->lock);
	if (first) {
		waitq_notify(&c->waitq, POLLIN);
		(void)!mm_detach(t->mm, id, &context_ops);
	}
	aio_put(c);
	return first ? 0 : -EINVAL;
}

/* --- events --- */

static int grow_locked(struct aio_context *c)
{
	unsigned size = MIN(c->size ? c->size * 2 : RING_FIRST, c->capacity);
	struct io_event *ring = malloc(size * sizeof(*ring));

	if (!ring)
		return -EAGAIN;
	for (unsigned i = 0; i < c->count; i++)
		ring[i] = c->ring[(c->first + i) % c->size];
	free(c->ring);
	c->ring = ring;
	c->size = size;
	c->first = 0;
	return 0;
}

int aio_reserve(struct aio_context *c)
{
	int err = 0;

	mutex_lock(&c->lock);
	if (c->reserved == c->capacity)
		err = -EAGAIN;
	else if (c->reserved == c->size)
		err = grow_locked(c);
	if (!err)
		c->reserved++;
	mutex_unlock(&c->lock);
	return err;
}

void aio_release(struct aio_context *c, unsigned n)
{
	mutex_lock(&c->lock);
	c->reserved -= n;
	mutex_unlock(&c->lock);
}

void aio_complete(struct aio_context *c, const struct io_event *e)
{
	mutex_lock(&c->lock);
	c->ring[(c->first + c->count++) % c->size] = *e;
	mutex_unlock(&c->lock);
	waitq_notify(&c->waitq, POLLIN);
}

/* Takes up to max events out; their places stay reserved until it is known what becomes of them. */
static unsigned take(struct aio_context *c, struct io_event *out, unsigned max)
{
	unsigned n = 0;

	mutex_lock(&c->lock);
	for (; n < max && c->count; n++) {
		out[n] = c->ring[c->first];
		c->first = (c->first + 1) % c->size;
		c->count--;
	}
	mutex_unlock(&c->lock);
	return n;
}

/* What could not be handed over is the oldest again. */
static void give_back(struct aio_context *c, const struct io_event *e, unsigned n)
{
	mutex_lock(&c->lock);
	while (n) {
		c->first = (c->first + c->size - 1) % c->size;
		c->ring[c->first] = e[--n];
		c->count++;
	}
	mutex_unlock(&c->lock);
}

struct reader {
	struct task *t;
	struct aio_context *c;
	int64_t min, max, done;
	uint64_t to;
};

/* What is there goes out: 0 when there is enough, -EAGAIN, -EINVAL, -EFAULT. */
static int read_some(struct reader *r)
{
	struct io_event batch[BATCH];
	bool dead;

	while (r->done < r->max) {
		unsigned n = take(r->c, batch, (unsigned)MIN(r->max - r->done, BATCH));

		if (!n)
			break;
		if (guest_write(r->t->mm, r->to + (uint64_t)r->done * sizeof(*batch), batch, n * sizeof(*batch))) {
			give_back(r->c, batch, n);
			return -EFAULT;
		}
		aio_release(r->c, n);
		r->done += n;
	}
	if (r->done >= r->min)
		return 0;
	mutex_lock(&r->c->lock);
	dead = r->c->dead;
	mutex_unlock(&r->c->lock);
	return dead ? -EINVAL : -EAGAIN;
}

int64_t aio_get_events(struct task *t, struct aio_context *c, int64_t min, int64_t max, uint64_t to, int64_t deadline)
{
	struct reader r = { .t = t, .c = c, .min = min, .max = max, .to = to };
	struct waiter w;
	int err = read_some(&r);

	if (err == -EAGAIN) {
		waiter_init(&w, sleeper_self(), POLLIN);
		waitq_add(&c->waitq, &w);
		while ((err = read_some(&r)) == -EAGAIN && !(err = task_sleep(t, deadline)))
			;
		waitq_remove(&c->waitq, &w);
	}
	return r.done || err == -ETIMEDOUT ? r.done : err;
}
