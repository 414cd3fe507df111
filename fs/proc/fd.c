/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/fd and /proc/PID/fdinfo: a magic link and a text for each descriptor. A node's id is the descriptor's number. */
#include "fs/proc/tree.h"

#include "fs/fdtable.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fdtable *task_files(struct task *t)
{
	struct fdtable *files = NULL;

	mutex_lock(&tasks_lock);
	if (!t->dead && t->files)
		files = fdtable_get(t->files);
	mutex_unlock(&tasks_lock);
	return files;
}

/* cloexec may be NULL. */
static struct file *node_file(struct pseudo_node *n, bool *cloexec)
{
	struct fdtable *files = task_files(proc_node_task(n));
	struct file *f;

	if (!files)
		return NULL;
	f = fd_lookup_any(files, (int)n->id);
	if (cloexec)
		*cloexec = fd_get_cloexec(files, (int)n->id) == 1;
	fdtable_put(files);
	return f;
}

static int fd_follow(struct pseudo_node *n, struct path *out)
{
	struct file *f = node_file(n, NULL);
	int err;

	if (!f)
		return -ENOENT;
	err = file_path(f, out);
	file_put(f);
	return err;
}

/* Linux shows this size whatever the link says. */
static void fd_getattr(struct pseudo_node *n, struct attr *out)
{
	proc_node_getattr(n, out);
	out->size = 64;
}

static const struct pseudo_ops fd_link_ops = {
	.follow = fd_follow, .getattr = fd_getattr, .release = proc_node_release,
};

static int fdinfo_show(struct pseudo_node *n, struct text *b)
{
	bool cloexec;
	struct file *f = node_file(n, &cloexec);
	char more[1024] = "";
	int mount_id = f && f->path ? path_mount_id(f->path) : 0;

	if (!f)
		return -ENOENT;
	if (f->ops->fdinfo)
		f->ops->fdinfo(f, more, sizeof(more));
	text_printf(b, "pos:\t%ld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%lu\n%s", (long)file_position(f),
		      (unsigned)f->flags | (cloexec ? O_CLOEXEC : 0), mount_id,
		      f->inode ? f->inode->ino : 0, more);
	file_put(f);
	return 0;
}

static const struct pseudo_ops fdinfo_ops = {
	.show = fdinfo_show, .getattr = proc_node_getattr, .release = proc_node_release,
};

static int lookup_number(struct pseudo_node *dir, const char *name, size_t len, const struct pseudo_ops *ops,
			 bool link, struct pseudo_node **out)
{
	struct fdtable *files;
	struct file *f = NULL;
	uint64_t fd;
	uint32_t mode = S_IFREG | 0444;

	if (!proc_parse_id(name, len, &fd) || fd > INT32_MAX)
		return -ENOENT;
	files = task_files(proc_node_task(dir));
	if (files) {
		f = fd_lookup_any(files, (int)fd);
		fdtable_put(files);
	}
	if (!f)
		return -ENOENT;
	if (link) /* the mode tells how the file was opened */
		mode = S_IFLNK | 0100 | (file_readable(f) ? 0400 : 0) | (file_writable(f) ? 0200 : 0);
	file_put(f);
	return proc_node_new(dir->inode.fs, ops, mode, proc_node_task(dir), fd, out);
}

static int fd_lookup_link(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out)
{
	return lookup_number(dir, name, len, &fd_link_ops, true, out);
}

static int fdinfo_lookup(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out)
{
	return lookup_number(dir, name, len, &fdinfo_ops, false, out);
}

static int fd_iterate(struct pseudo_node *dir, int64_t from,
		      bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg)
{
	struct fdtable *files = task_files(proc_node_task(dir));

	if (!files)
		return 0;
	for (int fd = fd_next(files, (int)MAX(from, 0)); fd >= 0; fd = fd_next(files, fd + 1)) {
		char name[16];

		snprintf(name, sizeof(name), "%d", fd);
		if (!emit(arg, name, fd, dir->inode.ino + 1 + (uint64_t)fd,
			  dir->ops == &proc_fd_dir_ops ? S_IFLNK : S_IFREG))
			break;
	}
	fdtable_put(files);
	return 0;
}

/* A process gets at its own descriptors whoever it has become; others go by the owner and the mode, r-x for him alone. */
static int fd_permission(struct pseudo_node *n, const struct cred *c, int mask)
{
	struct task *t = proc_node_task(n), *self = task_self();
	bool owner;

	if (!c || (self && self->tg == t->tg) || cred_capable(c, CAP_DAC_OVERRIDE))
		return 0;
	mutex_lock(&tasks_lock);
	owner = t->cred && t->cred->euid == c->fsuid;
	mutex_unlock(&tasks_lock);
	return owner && !(mask & W_OK) ? 0 : -EACCES;
}

const struct pseudo_ops proc_fd_dir_ops = {
	.lookup = fd_lookup_link,
	.iterate = fd_iterate,
	.getattr = proc_node_getattr,
	.permission = fd_permission,
	.release = proc_node_release,
};
const struct pseudo_ops proc_fdinfo_dir_ops = {
	.lookup = fdinfo_lookup,
	.iterate = fd_iterate,
	.getattr = proc_node_getattr,
	.permission = fd_permission,
	.release = proc_node_release,
};
