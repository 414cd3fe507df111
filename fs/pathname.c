/* SPDX-License-Identifier: Apache-2.0 */
/* From a path back to a name: getcwd(2), /proc/PID/cwd, fd, exe and maps. */
#include "fs/vfs_internal.h"

#include <errno.h>
#include <string.h>

/* Writes backwards from the end of a buffer. */
struct tail {
	char *buf, *p;
	bool full;
};

static void tail_push(struct tail *t, const char *s, size_t len)
{
	if ((size_t)(t->p - t->buf) < len) {
		t->full = true;
		return;
	}
	t->p -= len;
	memcpy(t->p, s, len);
}

enum reach { REACH_ROOT, REACH_ELSEWHERE, REACH_NAMELESS };

static enum reach build_locked(const struct path *p, const struct path *root, struct tail *t)
{
	struct mount *m = p->mount;
	struct dentry *d = p->dentry;

	while (!(m == root->mount && d == root->dentry)) {
		if (d == m->root) {
			if (!m->parent)
				return REACH_ELSEWHERE;
			d = m->at;
			m = m->parent;
			continue;
		}
		if (d->parent == d) {
			tail_push(t, d->name, d->len);
			return REACH_NAMELESS;
		}
		tail_push(t, d->name, d->len);
		tail_push(t, "/", 1);
		d = d->parent;
	}
	return REACH_ROOT;
}

ssize_t vfs_path_name(const struct path *p, const struct path *root, char *buf, size_t size)
{
	struct tail t = { buf, buf + size, false };
	enum reach reach;
	size_t len;

	tail_push(&t, "", 1);
	mutex_lock(&vfs_lock);
	if (p->dentry->deleted)
		tail_push(&t, " (deleted)", 10);
	const char *bare = t.p;

	reach = build_locked(p, root, &t);
	mutex_unlock(&vfs_lock);
	if (reach != REACH_NAMELESS && t.p == bare)
		tail_push(&t, "/", 1);
	if (reach == REACH_ELSEWHERE)
		tail_push(&t, "(unreachable)", 13);
	if (t.full)
		return -ERANGE;
	len = (size_t)(buf + size - t.p);
	memmove(buf, t.p, len);
	return (ssize_t)len - 1;
}
