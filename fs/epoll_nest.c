/* SPDX-License-Identifier: Apache-2.0 */
/* Epolls in epolls: what epoll_ctl(2) refuses, so that an event has a bounded way to go.
 *
 * Epolls and what they watch are a graph without cycles, and no way in it passes through more than EPOLL_MAX_NESTS epolls. That alone would
 * still let a guest make layers of epolls, each of which watches all of the layer below: an event would be told along as many ways as the
 * product of the layers' sizes. So the ways from one file up to the epolls that nobody watches are limited too, by their
 * length, with the kernel's figures.
 *
 * Walks mark what they have seen, and so look at each epoll once, however many ways lead there. All of this, the marks among it, is
 * under epoll_links_lock.
 */
#include "fs/epoll_internal.h"

#include <errno.h>

/* An epoll may contain epolls four deep, as in the kernel. */
enum { EPOLL_MAX_NESTS = 4 };

static uint64_t walk;

/* How many epolls deep ep is, counting itself; all that it reaches are marked. */
static int depth_below(struct epoll *ep)
{
	int deepest = 0;

	if (ep->walk == walk)
		return ep->depth;
	for (struct epoll_link *l = ep->items; l; l = l->hh.next)
		if (file_is_epoll(l->key.file))
			deepest = MAX(deepest, depth_below(epoll_of(l->key.file)));
	ep->walk = walk;
	ep->depth = 1 + deepest;
	return ep->depth;
}

static int depth_above(struct epoll *ep)
{
	int highest = 0;

	if (ep->walk == walk)
		return ep->depth;
	for (struct epoll_link *l = ep->file->epoll; l; l = l->next_of_file)
		highest = MAX(highest, depth_above(l->ep));
	ep->walk = walk;
	ep->depth = 1 + highest;
	return ep->depth;
}

int epoll_check_nesting(struct epoll *ep, struct file *target)
{
	int below;

	if (!file_is_epoll(target))
		return 0;
	walk++;
	below = depth_below(epoll_of(target));
	if (ep->walk == walk)
		return -ELOOP;
	walk++;
	return depth_above(ep) + below > EPOLL_MAX_NESTS + 1 ? -ELOOP : 0;
}

/* --- ways --- */

/* How many ways through so many epolls watched by others may lead from a file to one that is not. */
static const int way_limits[EPOLL_MAX_NESTS + 1] = { INT32_MAX, 500, 100, 50, 10 };

/* Counts the ways up from f, which is `nests` epolls above where they start. */
static bool count_ways(struct file *f, int nests, int ways[static EPOLL_MAX_NESTS + 1])
{
	if (nests > EPOLL_MAX_NESTS)
		return false;
	for (struct epoll_link *l = f->epoll; l; l = l->next_of_file) {
		struct file *above = l->ep->file;

		if (above->epoll ? !count_ways(above, nests + 1, ways) : ++ways[nests] > way_limits[nests])
			return false;
	}
	return true;
}

/* Are there not too many ways from f, or from any file that f watches? */
static bool ways_ok(struct file *f)
{
	int ways[EPOLL_MAX_NESTS + 1] = { 0 };
	struct epoll *ep;

	if (!file_is_epoll(f))
		return count_ways(f, 0, ways);
	ep = epoll_of(f);
	if (ep->walk == walk)
		return true;
	ep->walk = walk;
	for (struct epoll_link *l = ep->items; l; l = l->hh.next)
		if (!ways_ok(l->key.file))
			return false;
	return true;
}

bool epoll_paths_ok(struct epoll_link *l)
{
	if (!file_is_epoll(l->key.file) && !l->ep->file->epoll)
		return true;
	walk++;
	return ways_ok(l->key.file);
}
