/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes of files that are written through: those that users may set, "user.*". What else the host keeps (labels,
 * capabilities, access control lists) is the host's affair and neither shown nor changed. See xattr(7). */
#include "fs/host/host_internal.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

enum { USER_PREFIX_LEN = sizeof("user.") - 1 };

static bool of_users(const char *name)
{
	return !strncmp(name, "user.", USER_PREFIX_LEN);
}

ssize_t host_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct host_node *n = host_node_of(i);
	ssize_t r;
	int fd;

	if (!of_users(name))
		return -ENODATA;
	fd = host_fd_use(n);
	if (fd < 0)
		return fd;
	r = getxattr(host_fd_name(fd).s, name, buf, size);
	if (r < 0)
		r = host_map_errno(errno);
	host_fd_drop(n);
	return r;
}

int host_setxattr(struct inode *i, const char *name, const void *buf, size_t size, int flags)
{
	struct host_node *n = host_node_of(i);
	int fd, r;

	if (!of_users(name))
		return -EOPNOTSUPP;
	fd = host_fd_use(n);
	if (fd < 0)
		return fd;
	r = setxattr(host_fd_name(fd).s, name, buf, size, flags) ? host_map_errno(errno) : 0;
	host_fd_drop(n);
	return r;
}

int host_removexattr(struct inode *i, const char *name)
{
	struct host_node *n = host_node_of(i);
	int fd, r;

	if (!of_users(name))
		return -ENODATA;
	fd = host_fd_use(n);
	if (fd < 0)
		return fd;
	r = removexattr(host_fd_name(fd).s, name) ? host_map_errno(errno) : 0;
	host_fd_drop(n);
	return r;
}

/* Copies the names that are shown to buf (NULL: just counts), and returns their length. */
static size_t keep_users(const char *all, size_t len, char *buf)
{
	size_t kept = 0;

	for (size_t at = 0; at < len;) {
		size_t n = strlen(all + at) + 1;

		if (of_users(all + at)) {
			if (buf)
				memcpy(buf + kept, all + at, n);
			kept += n;
		}
		at += n;
	}
	return kept;
}

ssize_t host_listxattr(struct inode *i, char *buf, size_t size)
{
	struct host_node *n = host_node_of(i);
	char *all = malloc(XATTR_LIST_MAX + 1);
	ssize_t r;
	int fd;

	if (!all)
		return -ENOMEM;
	fd = host_fd_use(n);
	if (fd < 0) {
		free(all);
		return fd;
	}
	r = listxattr(host_fd_name(fd).s, all, XATTR_LIST_MAX);
	r = r < 0 ? host_map_errno(errno) : r;
	host_fd_drop(n);
	if (r > 0) {
		size_t kept;

		all[r] = 0;
		kept = keep_users(all, (size_t)r, NULL);
		if (size && kept > size)
			r = -ERANGE;
		else
			r = (ssize_t)keep_users(all, (size_t)r, size ? buf : NULL);
	}
	free(all);
	return r;
}
