/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of unix sockets: unix(7).
 *
 * A path is an inode of type socket in some file system, which points to the socket that is bound to it (inode.attached) until that
 * socket is closed; the socket holds the path, so that the inode stays the same one. Abstract names, and the names that the kernel
 * chooses, are in a table of their own; sockets of different types do not see each other's.
 *
 * Locks: names_lock is taken before sockets' locks. An inode's lock protects what is attached to it.
 */
#include "net/unix_internal.h"

#include "kernel/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 64, FAMILY_LEN = offsetof(struct sockaddr_un, sun_path), MAY_WRITE = 2, AUTOBIND_NAMES = 1 << 20 };

static struct mutex names_lock = MUTEX_INITIALIZER;
static LIST_HEAD(bucket, unix_sock) table[BUCKETS] GUARDED_BY(names_lock);

int unix_name_new(const union sock_addr *addr, socklen_t len, struct unix_name **out)
{
	struct unix_name *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	ref_init(&n->ref);
	n->len = len;
	memcpy(&n->addr, addr, len);
	*out = n;
	return 0;
}

void unix_name_put(struct unix_name *n)
{
	if (n && ref_put(&n->ref))
		free(n);
}

int unix_check_addr(const union sock_addr *a, socklen_t *len)
{
	if (*len <= FAMILY_LEN || *len > sizeof(a->un) || a->un.sun_family != AF_UNIX)
		return -EINVAL;
	if (a->un.sun_path[0])
		*len = (socklen_t)(FAMILY_LEN + strnlen(a->un.sun_path, *len - FAMILY_LEN) + 1);
	return 0;
}

socklen_t unix_name_get(struct unix_sock *u, union sock_addr *a)
{
	struct unix_name *n = atomic_load(&u->name);

	if (!n) {
		a->un.sun_family = AF_UNIX;
		return FAMILY_LEN;
	}
	memcpy(a, &n->addr, n->len);
	return n->len;
}

/* --- abstract names --- */

static struct bucket *bucket_of(int type, const union sock_addr *addr, socklen_t len)
{
	unsigned h = (unsigned)type;

	for (socklen_t i = 0; i < len - FAMILY_LEN; i++)
		h = h * 31 + (unsigned char)addr->un.sun_path[i];
	return &table[h % BUCKETS];
}

static struct unix_sock *find_locked(int type, const union sock_addr *addr, socklen_t len) REQUIRES(names_lock)
{
	struct unix_sock *u;

	LIST_FOREACH(u, bucket_of(type, addr, len), name_link) {
		struct unix_name *n = atomic_load(&u->name);

		if (u->s.type == type && n->len == len && !memcmp(n->addr.un.sun_path, addr->un.sun_path, len - FAMILY_LEN))
			return u;
	}
	return NULL;
}

/* Gives u the name, if it has none: -EINVAL. */
static int name_set(struct unix_sock *u, struct unix_name *n)
{
	int err = 0;

	mutex_lock(&u->s.lock);
	if (atomic_load(&u->name) || u->state == UNIX_CLOSED)
		err = -EINVAL;
	else
		atomic_store(&u->name, n);
	mutex_unlock(&u->s.lock);
	return err;
}

int unix_name_bind_abstract(struct unix_sock *u, const union sock_addr *addr, socklen_t len)
{
	struct unix_name *n;
	int err = unix_name_new(addr, len, &n);

	if (err)
		return err;
	mutex_lock(&names_lock);
	err = find_locked(u->s.type, addr, len) ? -EADDRINUSE : name_set(u, n);
	if (!err) {
		LIST_INSERT_HEAD(bucket_of(u->s.type, addr, len), u, name_link);
		u->listed = true;
	}
	mutex_unlock(&names_lock);
	if (err)
		unix_name_put(n);
	return err;
}

int unix_name_autobind(struct unix_sock *u)
{
	static _Atomic unsigned next;
	union sock_addr addr = { .un.sun_family = AF_UNIX };
	int err = -EADDRINUSE;

	if (atomic_load(&u->name))
		return 0;
	for (int tries = 0; err == -EADDRINUSE && tries < AUTOBIND_NAMES; tries++) {
		snprintf(addr.un.sun_path + 1, 6, "%05x", atomic_fetch_add(&next, 1) % AUTOBIND_NAMES);
		err = unix_name_bind_abstract(u, &addr, FAMILY_LEN + 6);
	}
	/* Somebody else has named it: just as well. */
	return err == -EINVAL ? 0 : err == -EADDRINUSE ? -ENOSPC : err;
}

/* --- paths --- */

static void attached_put(void *attached)
{
	socket_put(attached);
}

/* Makes the inode lead to u. */
static void attach(struct inode *i, struct unix_sock *u)
{
	mutex_lock(&i->lock);
	socket_get(&u->s);
	i->attached = &u->s;
	i->attached_put = attached_put;
	mutex_unlock(&i->lock);
}

static void detach(struct inode *i, struct unix_sock *u)
{
	bool mine;

	mutex_lock(&i->lock);
	mine = i->attached == &u->s;
	if (mine) {
		i->attached = NULL;
		i->attached_put = NULL;
	}
	mutex_unlock(&i->lock);
	if (mine)
		socket_put(&u->s);
}

static struct unix_sock *attached_get(struct inode *i)
{
	struct socket *s = NULL;

	mutex_lock(&i->lock);
	if (i->attached_put == attached_put && (s = i->attached))
		socket_get(s);
	mutex_unlock(&i->lock);
	return s ? unix_of(s) : NULL;
}

static uint32_t mode_of(struct unix_sock *u)
{
	struct file *f = atomic_load(&u->s.file);

	return S_IFSOCK | (f ? f->inode->mode & 07777 : 0777);
}

int unix_name_bind_path(struct unix_sock *u, struct task *t, const union sock_addr *addr, socklen_t len)
{
	struct unix_name *n;
	struct path p;
	int err;

	if (atomic_load(&u->name))
		return -EINVAL;
	err = unix_name_new(addr, len, &n);
	if (err)
		return err;
	((char *)&n->addr)[len - 1] = 0;
	err = vfs_mknod(t, AT_FDCWD, n->addr.un.sun_path, mode_of(u), 0, &p);
	if (err)
		goto out_name;
	err = name_set(u, n);
	if (err) {
		(void)!vfs_unlink(t, AT_FDCWD, n->addr.un.sun_path);
		path_put(&p);
		goto out_name;
	}
	attach(path_inode(&p), u);
	mutex_lock(&u->s.lock);
	u->bound = p;
	mutex_unlock(&u->s.lock);
	return 0;
out_name:
	unix_name_put(n);
	return err == -EEXIST ? -EADDRINUSE : err;
}

void unix_name_release(struct unix_sock *u)
{
	struct path p;

	mutex_lock(&names_lock);
	if (u->listed)
		LIST_REMOVE(u, name_link);
	u->listed = false;
	mutex_unlock(&names_lock);
	mutex_lock(&u->s.lock);
	p = u->bound;
	u->bound.mount = NULL;
	mutex_unlock(&u->s.lock);
	if (!p.mount)
		return;
	detach(path_inode(&p), u);
	path_put(&p);
}

/* --- looking up --- */

static int find_path(struct task *t, const char *name, struct unix_sock **out)
{
	struct path p;
	int err = vfs_walk(t, AT_FDCWD, name, WALK_FOLLOW, &p);

	if (err)
		return err;
	err = vfs_permission(&p, t->cred, MAY_WRITE);
	if (!err) {
		*out = S_ISSOCK(path_inode(&p)->type) ? attached_get(path_inode(&p)) : NULL;
		err = *out ? 0 : -ECONNREFUSED;
	}
	path_put(&p);
	return err;
}

int unix_name_find(struct task *t, const union sock_addr *a, socklen_t len, int type, struct unix_sock **out)
{
	char name[sizeof(a->un.sun_path) + 1] = { 0 };
	int err;

	if (a->un.sun_path[0]) {
		memcpy(name, a->un.sun_path, MIN(len - FAMILY_LEN, sizeof(a->un.sun_path)));
		err = find_path(t, name, out);
		if (err)
			return err;
	} else {
		mutex_lock(&names_lock);
		*out = find_locked(type, a, len);
		if (*out)
			socket_get(&(*out)->s);
		mutex_unlock(&names_lock);
		if (!*out)
			return -ECONNREFUSED;
	}
	if ((*out)->s.type == type)
		return 0;
	socket_put(&(*out)->s);
	return -EPROTOTYPE;
}
