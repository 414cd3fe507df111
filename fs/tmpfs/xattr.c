/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes, as xattr(7) has them on tmpfs. A lower inode's are shown until one is set or removed, when all are copied: those
 * that it shows, that is; a host tree shows those of users. */
#include "fs/tmpfs/tmpfs_internal.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/* What one file's attributes may take together. */
enum { XATTRS_MAX = 128 << 10 };

static struct tmpfs_xattr *find(struct tmpfs_node *n, const char *name)
{
	struct tmpfs_xattr *x;

	for (x = n->xattrs; x; x = x->next)
		if (!strcmp(x->name, name))
			return x;
	return NULL;
}

/* --- the lower inode's --- */

/* The lower inode, if its attributes are n's still. */
static struct inode *lower_of(struct tmpfs_node *n)
{
	bool own;

	if (!n->lower || !n->lower->ops->getxattr || !n->lower->ops->listxattr)
		return NULL;
	mutex_lock(&n->data);
	own = n->own_xattrs;
	mutex_unlock(&n->data);
	return own ? NULL : n->lower;
}

static int xattr_new(struct tmpfs *fs, const char *name, size_t size, struct tmpfs_xattr **out)
{
	size_t len = strlen(name), all = sizeof(struct tmpfs_xattr) + len + 1 + size;
	uint64_t charged = tmpfs_heap_size(all);
	struct tmpfs_xattr *x;
	int r = tmpfs_charge(fs, charged);

	if (r)
		return r;
	x = calloc(1, all);
	if (!x) {
		tmpfs_uncharge(fs, charged);
		return -ENOMEM;
	}
	memcpy(x->name, name, len + 1);
	x->value = x->name + len + 1;
	x->size = size;
	x->charged = charged;
	*out = x;
	return 0;
}

static void xattr_free(struct tmpfs *fs, struct tmpfs_xattr *x)
{
	if (x)
		tmpfs_uncharge(fs, x->charged);
	free(x);
}

static void free_all(struct tmpfs *fs, struct tmpfs_xattr *x)
{
	while (x) {
		struct tmpfs_xattr *next = x->next;

		xattr_free(fs, x);
		x = next;
	}
}

/* One attribute of the lower inode in front of *list. One that has gone meanwhile is left out. */
static int copy_one(struct tmpfs *fs, struct inode *lower, const char *name, struct tmpfs_xattr **list)
{
	ssize_t size = lower->ops->getxattr(lower, name, NULL, 0);
	struct tmpfs_xattr *x;
	int r;

	if (size < 0)
		return size == -ENODATA ? 0 : (int)size;
	r = xattr_new(fs, name, (size_t)size, &x);
	if (r)
		return r;
	size = size ? lower->ops->getxattr(lower, name, x->value, x->size) : 0;
	if (size < 0) {
		xattr_free(fs, x);
		return size == -ENODATA ? 0 : (int)size;
	}
	x->size = (size_t)size;
	x->next = *list;
	*list = x;
	return 0;
}

static int copy_lower(struct tmpfs *fs, struct inode *lower, struct tmpfs_xattr **list)
{
	char *names = malloc(XATTR_LIST_MAX);
	ssize_t len;
	int r;

	if (!names)
		return -ENOMEM;
	len = lower->ops->listxattr(lower, names, XATTR_LIST_MAX);
	r = len < 0 && len != -EOPNOTSUPP ? (int)len : 0;
	for (ssize_t at = 0; !r && at < len; at += (ssize_t)strlen(names + at) + 1)
		r = copy_one(fs, lower, names + at, list);
	free(names);
	return r;
}

/* From now on n has its own. */
static int copy_up(struct tmpfs_node *n)
{
	struct tmpfs *fs = tmpfs_of(&n->inode);
	struct inode *lower = lower_of(n);
	struct tmpfs_xattr *list = NULL;
	int r;

	if (!lower)
		return 0;
	r = copy_lower(fs, lower, &list);
	if (!r)
		r = tmpfs_pin(n);
	mutex_lock(&n->data);
	if (!r && !n->own_xattrs) {
		n->own_xattrs = true;
		n->xattrs = list;
		list = NULL;
	}
	mutex_unlock(&n->data);
	free_all(fs, list);
	return r;
}

/* --- the calls --- */

ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct tmpfs_node *n = node_of(i);
	struct tmpfs_xattr *x;
	struct inode *lower = lower_of(n);
	ssize_t r = -ENODATA;

	if (lower) {
		r = lower->ops->getxattr(lower, name, buf, size);
		return r == -EOPNOTSUPP ? -ENODATA : r;
	}
	mutex_lock(&n->data);
	x = find(n, name);
	if (x) {
		r = (ssize_t)x->size;
		if (size && size < x->size)
			r = -ERANGE;
		else if (size)
			memcpy(buf, x->value, x->size);
	}
	mutex_unlock(&n->data);
	return r;
}

static size_t total(const struct tmpfs_node *n)
{
	size_t sum = 0;

	for (const struct tmpfs_xattr *x = n->xattrs; x; x = x->next)
		sum += strlen(x->name) + x->size;
	return sum;
}

static int replace_locked(struct tmpfs_node *n, struct tmpfs_xattr *add, int flags)
{
	struct tmpfs_xattr **p = &n->xattrs, *old = find(n, add->name);

	if (old && flags & XATTR_CREATE)
		return -EEXIST;
	if (!old && flags & XATTR_REPLACE)
		return -ENODATA;
	if (total(n) + strlen(add->name) + add->size > XATTRS_MAX)
		return -ENOSPC;
	while (*p && *p != old)
		p = &(*p)->next;
	add->next = old ? old->next : NULL;
	*p = add;
	xattr_free(tmpfs_of(&n->inode), old);
	n->attr.ctime = tmpfs_now();
	return 0;
}

int tmpfs_setxattr(struct inode *i, const char *name, const void *buf, size_t size, int flags)
{
	struct tmpfs_node *n = node_of(i);
	struct tmpfs_xattr *x;
	int r = copy_up(n);

	if (!r)
		r = tmpfs_pin(n);
	if (!r)
		r = xattr_new(tmpfs_of(i), name, size, &x);
	if (r)
		return r;
	memcpy(x->value, buf, size);
	mutex_lock(&n->data);
	r = replace_locked(n, x, flags);
	mutex_unlock(&n->data);
	if (r)
		xattr_free(tmpfs_of(i), x);
	return r;
}

ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t size)
{
	struct tmpfs_node *n = node_of(i);
	struct inode *lower = lower_of(n);
	size_t used = 0;
	ssize_t r = 0;

	if (lower) {
		r = lower->ops->listxattr(lower, buf, size);
		return r == -EOPNOTSUPP ? 0 : r;
	}
	mutex_lock(&n->data);
	for (struct tmpfs_xattr *x = n->xattrs; x; x = x->next) {
		size_t len = strlen(x->name) + 1;

		if (size && used + len > size) {
			r = -ERANGE;
			break;
		}
		if (size)
			memcpy(buf + used, x->name, len);
		used += len;
	}
	mutex_unlock(&n->data);
	return r ? r : (ssize_t)used;
}

int tmpfs_removexattr(struct inode *i, const char *name)
{
	struct tmpfs_node *n = node_of(i);
	struct tmpfs_xattr **p, *x = NULL;
	int r = copy_up(n);

	if (!r)
		r = tmpfs_pin(n);
	if (r)
		return r;
	mutex_lock(&n->data);
	for (p = &n->xattrs; *p; p = &(*p)->next) {
		if (!strcmp((*p)->name, name)) {
			x = *p;
			*p = x->next;
			n->attr.ctime = tmpfs_now();
			break;
		}
	}
	mutex_unlock(&n->data);
	xattr_free(tmpfs_of(i), x);
	return x ? 0 : -ENODATA;
}

void tmpfs_xattrs_free(struct tmpfs_node *n)
{
	free_all(tmpfs_of(&n->inode), n->xattrs);
	n->xattrs = NULL;
}
