/* SPDX-License-Identifier: Apache-2.0 */
/* Open files: life. Blocking reads and writes are in io.c. */
#include "fs/file.h"

#include "fs/async.h"
#include "fs/event.h"
#include "fs/locks.h"
#include "fs/notify.h"
#include "fs/vfs_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct file *file_new(const struct file_ops *ops, int flags, struct path *path, struct inode *inode, void *private)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	ref_init(&f->ref);
	f->ops = ops;
	f->flags = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
	mutex_init(&f->pos_lock);
	f->path = path;
	f->inode = inode;
	f->private = private;
	return f;
}

int file_new_at(const struct file_ops *ops, int flags, struct path *path, struct inode *i, void *private, struct file **out)
{
	struct file *f = file_new(ops, flags, path, i, private);

	if (!f)
		return -ENOMEM;
	if (!path)
		inode_get(i);
	*out = f;
	return 0;
}

void file_get(struct file *f)
{
	ref_get(&f->ref);
}

/* Either value will do, the old or the new one: ThreadSanitizer need not look. */
__attribute__((no_sanitize("thread"), noinline)) off_t file_position(const struct file *f)
{
	return *(const volatile off_t *)&f->pos;
}

static void notify_close(struct file *f)
{
	if (!(f->flags & O_PATH))
		notify_file(f, file_writable(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
}

/* f has no reference left. */
static void end(struct ended *what)
{
	struct file *f = CONTAINER_OF(what, struct file, ended);

	epoll_file_gone(f);
	async_release(f);
	notify_close(f);
	locks_file_release(f);
	file_write_count_put(f);
	if (f->ops->release)
		f->ops->release(f);
	if (f->path) {
		path_put(f->path);
		free(f->path);
	} else {
		inode_put(f->inode);
	}
	mutex_destroy(&f->pos_lock);
	free(f);
}

static _Thread_local struct ends ends = { .end = end };

void file_ends_hold(void)
{
	ends_hold(&ends);
}

void file_ends_release(void)
{
	ends_release(&ends);
}

void file_ends_then(void (*fn)(void))
{
	assert(!ends.then || ends.then == fn);
	ends.then = fn;
	file_ends_hold();
	file_ends_release();
}

void file_put(struct file *f)
{
	if (f && ref_put(&f->ref))
		ends_queue(&ends, &f->ended);
}

int path_nameless(struct inode *i, const char *name, struct path *out)
{
	struct mount *m = anon_mount();

	out->dentry = dentry_new_nameless(m->fs, i, name);
	if (!out->dentry)
		return -ENOMEM;
	inode_get(i);
	mount_get(m);
	out->mount = m;
	return 0;
}

int file_path(struct file *f, struct path *out)
{
	const char *name = anon_inode_name(f->inode);
	char made[64];

	if (f->path) {
		path_get(f->path);
		*out = *f->path;
		return 0;
	}
	/* A descriptor of the caller's: what it is called on the host is not the guest's to know. */
	if (!name) {
		snprintf(made, sizeof(made), "%s:[%" PRIu64 "]",
			 f->inode->type == S_IFIFO ? "pipe" : f->inode->type == S_IFSOCK ? "socket" : "host", f->inode->ino);
		name = made;
	}
	return path_nameless(f->inode, name, out);
}
