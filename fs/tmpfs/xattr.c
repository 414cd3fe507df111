/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes, as xattr(7) has them on tmpfs. Those of lower files are not shown: the guest starts without any. */
#include "fs/tmpfs/tmpfs_internal.h"

#include <errno.h>
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

ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct tmpfs_node *n = node_of(i);
	struct tmpfs_xattr *x;
	ssize_t r = -ENODATA;

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
	free(old);
	n->attr.ctime = tmpfs_now();
	return 0;
}

int tmpfs_setxattr(struct inode *i, const char *name, const void *buf, size_t size, int flags)
{
	struct tmpfs_node *n = node_of(i);
	size_t len = strlen(name);
	struct tmpfs_xattr *x = calloc(1, sizeof(*x) + len + 1 + size);
	int r;

	if (!x)
		return -ENOMEM;
	memcpy(x->name, name, len + 1);
	x->value = x->name + len + 1;
	x->size = size;
	memcpy(x->value, buf, size);
	tmpfs_pin(n);
	mutex_lock(&n->data);
	r = replace_locked(n, x, flags);
	mutex_unlock(&n->data);
	if (r)
		free(x);
	return r;
}

ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t size)
{
	struct tmpfs_node *n = node_of(i);
	size_t used = 0;
	ssize_t r = 0;

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
	free(x);
	return x ? 0 : -ENODATA;
}

void tmpfs_xattrs_free(struct tmpfs_node *n)
{
	while (n->xattrs) {
		struct tmpfs_xattr *x = n->xattrs;

		n->xattrs = x->next;
		free(x);
	}
}
