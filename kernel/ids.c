/* SPDX-License-Identifier: Apache-2.0 */
/* Process numbers: one space for tasks, thread groups, process groups and sessions, as in Linux's struct pid.
 *
 * A number is in use while it names anything at all, so a process group keeps the number of a leader that is long gone.
 * Numbers go up and wrap around, so that one is reused as late as possible. The table is an array of chunks that exist
 * only while one of their numbers is in use. */
#include "kernel/task_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { CHUNK_SHIFT = 9, CHUNK_SIZE = 1 << CHUNK_SHIFT, CHUNK_COUNT = PID_MAX / CHUNK_SIZE };

struct chunk {
	size_t used;
	struct pid_slot slots[CHUNK_SIZE];
};

static struct chunk *chunks[CHUNK_COUNT] GUARDED_BY(tasks_lock);
static pid_t last_id GUARDED_BY(tasks_lock);
static uint64_t last_serial GUARDED_BY(tasks_lock);

struct pid_slot *ids_find_locked(pid_t id)
{
	mutex_assert_held(&tasks_lock);
	if (id <= 0 || id >= PID_MAX || !chunks[id >> CHUNK_SHIFT])
		return NULL;
	struct pid_slot *s = &chunks[id >> CHUNK_SHIFT]->slots[id & (CHUNK_SIZE - 1)];
	return s->used ? s : NULL;
}

/* The first free number in [from, end), or 0. Full chunks are skipped whole. */
static pid_t find_free(pid_t from, pid_t end) REQUIRES(tasks_lock)
{
	for (pid_t id = from; id < end; id++) {
		struct chunk *c = chunks[id >> CHUNK_SHIFT];

		if (!c)
			return id;
		if (c->used == CHUNK_SIZE)
			id |= CHUNK_SIZE - 1;
		else if (!c->slots[id & (CHUNK_SIZE - 1)].used)
			return id;
	}
	return 0;
}

static void free_if_empty(pid_t id) REQUIRES(tasks_lock)
{
	struct chunk **c = &chunks[id >> CHUNK_SHIFT];

	if (*c && !(*c)->used) {
		free(*c);
		*c = NULL;
	}
}

pid_t ids_alloc_locked(void)
{
	mutex_assert_held(&tasks_lock);
	pid_t id = find_free(last_id + 1, PID_MAX);

	if (!id)
		id = find_free(PID_RESERVED, last_id + 1);
	if (!id)
		return -EAGAIN;
	struct chunk **c = &chunks[id >> CHUNK_SHIFT];
	if (!*c && !(*c = calloc(1, sizeof(**c))))
		return -ENOMEM;
	(*c)->used++;
	(*c)->slots[id & (CHUNK_SIZE - 1)].used = true;
	(*c)->slots[id & (CHUNK_SIZE - 1)].serial = ++last_serial;
	if (id >> CHUNK_SHIFT != last_id >> CHUNK_SHIFT)
		free_if_empty(last_id);
	last_id = id;
	return id;
}

void ids_release_locked(pid_t id)
{
	struct pid_slot *s = ids_find_locked(id);

	if (!s || s->task || s->group || s->pgroup || s->session)
		return;
	s->used = false;
	chunks[id >> CHUNK_SHIFT]->used--;
	/* The chunk in which numbers are being given out stays: a fork loop would make and free it over and over. */
	if (id >> CHUNK_SHIFT != last_id >> CHUNK_SHIFT)
		free_if_empty(id);
}

uint64_t pid_serial_locked(pid_t id)
{
	const struct pid_slot *s = ids_find_locked(id);

	return s ? s->serial : 0;
}

pid_t ids_next_locked(pid_t from)
{
	mutex_assert_held(&tasks_lock);
	for (pid_t id = MAX(from, 1); id < PID_MAX; id++) {
		struct chunk *c = chunks[id >> CHUNK_SHIFT];

		if (!c || !c->used)
			id |= CHUNK_SIZE - 1;
		else if (c->slots[id & (CHUNK_SIZE - 1)].used)
			return id;
	}
	return 0;
}
