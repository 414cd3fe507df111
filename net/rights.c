/* SPDX-License-Identifier: Apache-2.0 */
/* SCM_RIGHTS: open files that travel in sockets' queues; unix(7).
 *
 * Theory of operation. A set of rights owns references on its files from sendmsg() on. While it lies in a queue it is in flight, and
 * every socket among its files counts how often it is. A socket whose file has no references but those of queues can be reached
 * only by receiving it. If all those queues belong to such sockets it may be that nobody can: two sockets that were sent through each
 * other and closed, for example. rights_collect() finds them when a socket is released, and when the limit is reached.
 *
 * The collector. Candidates are the sockets in flight whose file has as many references as they are in flight, counted under
 * flight_lock. Their queues, and only theirs, are read: references that lie in candidates' queues are internal. A candidate with more
 * references than internal ones lies in somebody's queue, and whatever lies in its own can be reached through it. What is left is
 * garbage and stays so, since nobody can get at it to send or receive: its queues are emptied, which closes the files in them.
 * One pass counts what lies in the queues and another follows it: what entered or left a queue in between may be seen by one of them
 * only, and then a socket that somebody has just received would pass for garbage. `moves` tells of that, and the collector begins anew.
 *
 * Freeing never recurses: a file in a queue of a file in a queue ends after it (file_put()), and many sockets that are closed this way
 * are followed by one collection.
 *
 * Locks: flight_lock comes after queues' locks and is a leaf.
 */
#include "net/socket.h"

#include "fs/fdtable.h"
#include "kernel/task.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

enum { FLYING_MAX = 1 << 16 };

static struct mutex flight_lock = MUTEX_INITIALIZER;
static LIST_HEAD(, socket) flying GUARDED_BY(flight_lock) = LIST_HEAD_INITIALIZER(flying); /* sockets with in_flight > 0 */
static uint64_t moves GUARDED_BY(flight_lock); /* into queues and out of them */
static _Atomic int flying_files; /* all, for RLIMIT_NOFILE's sake */
static _Atomic int flying_sockets;

/* --- making and moving --- */

static struct rights *rights_alloc(int count)
{
	return calloc(1, sizeof(struct rights) + (size_t)count * sizeof(struct file *));
}

/* As many files may be in flight as a process may have open; privileged ones have no such limit, but the collector needs one. */
static bool too_many(struct task *t)
{
	if (flying_files > FLYING_MAX)
		return true;
	return (uint64_t)flying_files > task_rlimit(t, RLIMIT_NOFILE) && !cred_capable(t->cred, CAP_SYS_RESOURCE) &&
	       !cred_capable(t->cred, CAP_SYS_ADMIN);
}

int rights_new(struct task *t, const int *fds, int count, struct rights **out)
{
	struct rights *r;

	if (count < 0 || count > RIGHTS_MAX)
		return -EINVAL;
	/* The last close of sockets that hold each other releases none, so nothing has collected them yet. */
	if (too_many(t))
		rights_collect();
	if (too_many(t))
		return -ETOOMANYREFS;
	r = rights_alloc(count);
	if (!r)
		return -ENOMEM;
	for (; r->count < count; r->count++) {
		r->files[r->count] = fd_lookup_any(t->files, fds[r->count]);
		if (!r->files[r->count]) {
			rights_free(r);
			return -EBADF;
		}
	}
	*out = r;
	return 0;
}

struct rights *rights_dup(const struct rights *r)
{
	struct rights *n = rights_alloc(r->count);

	if (!n)
		return NULL;
	for (; n->count < r->count; n->count++) {
		n->files[n->count] = r->files[n->count];
		file_get(n->files[n->count]);
	}
	return n;
}

void rights_launch(struct rights *r)
{
	mutex_lock(&flight_lock);
	moves++;
	for (int i = 0; i < r->count; i++) {
		struct socket *s = socket_of(r->files[i]);

		if (!s || s->in_flight++)
			continue;
		LIST_INSERT_HEAD(&flying, s, flight_link);
		flying_sockets++;
	}
	mutex_unlock(&flight_lock);
	flying_files += r->count;
	r->in_flight = true;
}

void rights_land(struct rights *r)
{
	if (!r->in_flight)
		return;
	r->in_flight = false;
	flying_files -= r->count;
	mutex_lock(&flight_lock);
	moves++;
	for (int i = 0; i < r->count; i++) {
		struct socket *s = socket_of(r->files[i]);

		if (!s || --s->in_flight)
			continue;
		LIST_REMOVE(s, flight_link);
		flying_sockets--;
	}
	mutex_unlock(&flight_lock);
}

void rights_free(struct rights *r)
{
	if (!r)
		return;
	rights_land(r);
	for (int i = 0; i < r->count; i++)
		file_put(r->files[i]);
	free(r);
}

/* --- the collector --- */

struct candidate {
	struct socket *s; /* a reference */
	int external; /* references that are not known to lie in a candidate's queue */
	bool alive;
};

struct collection {
	struct candidate *c; /* sorted by address */
	int count;
	struct candidate **reached; /* alive, queue not read yet */
	int reached_count;
};

static int by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct candidate *)a)->s, y = (uintptr_t)((const struct candidate *)b)->s;

	return x < y ? -1 : x > y;
}

static struct candidate *find(struct collection *g, struct file *f)
{
	struct candidate key = { .s = socket_of(f) };

	return key.s ? bsearch(&key, g->c, (size_t)g->count, sizeof(key), by_address) : NULL;
}

/* Sockets that nobody has open. The file of a socket in flight is alive as long as flight_lock is held. */
static int candidates_take(struct collection *g, uint64_t *version)
{
	struct socket *s;
	int room;

	mutex_lock(&flight_lock);
	*version = moves;
	room = flying_sockets;
	g->c = calloc((size_t)room + 1, sizeof(*g->c));
	g->reached = calloc((size_t)room + 1, sizeof(struct candidate *));
	if (!g->c || !g->reached) {
		mutex_unlock(&flight_lock);
		return -ENOMEM;
	}
	LIST_FOREACH(s, &flying, flight_link) {
		struct file *f = atomic_load(&s->file);

		if (!f || ref_count(&f->ref) > s->in_flight || !s->ops->each_rights || g->count == room)
			continue;
		socket_get(s);
		g->c[g->count++] = (struct candidate){ .s = s, .external = s->in_flight };
	}
	mutex_unlock(&flight_lock);
	qsort(g->c, (size_t)g->count, sizeof(*g->c), by_address);
	return 0;
}

static void count_internal(struct rights *r, void *arg)
{
	struct collection *g = arg;

	for (int i = 0; i < r->count; i++) {
		struct candidate *c = find(g, r->files[i]);

		if (c)
			c->external--;
	}
}

static void reach(struct collection *g, struct candidate *c)
{
	if (c->alive)
		return;
	c->alive = true;
	g->reached[g->reached_count++] = c;
}

static void reach_all(struct rights *r, void *arg)
{
	struct collection *g = arg;

	for (int i = 0; i < r->count; i++) {
		struct candidate *c = find(g, r->files[i]);

		if (c)
			reach(g, c);
	}
}

static void candidates_judge(struct collection *g)
{
	for (int i = 0; i < g->count; i++)
		g->c[i].s->ops->each_rights(g->c[i].s, count_internal, g);
	for (int i = 0; i < g->count; i++)
		if (g->c[i].external > 0)
			reach(g, &g->c[i]);
	while (g->reached_count) {
		struct candidate *c = g->reached[--g->reached_count];

		c->s->ops->each_rights(c->s, reach_all, g);
	}
}

/* True if what was found holds: nothing was sent or received meanwhile. */
static bool collect_once(void)
{
	struct collection g = { 0 };
	uint64_t version;
	bool valid = true;

	if (candidates_take(&g, &version))
		goto out_free;
	candidates_judge(&g);
	mutex_lock(&flight_lock);
	valid = version == moves;
	mutex_unlock(&flight_lock);
	for (int i = 0; i < g.count; i++) {
		if (valid && !g.c[i].alive)
			g.c[i].s->ops->purge(g.c[i].s);
		socket_put(g.c[i].s);
	}
out_free:
	free(g.c);
	free(g.reached);
	return valid;
}

static void collect(void)
{
	for (int tries = 0; tries < 4 && flying_sockets; tries++)
		if (collect_once())
			return;
}

void rights_collect(void)
{
	if (flying_sockets)
		file_ends_then(collect);
}
