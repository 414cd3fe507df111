/* SPDX-License-Identifier: Apache-2.0 */
/* inotify: file systems and calls tell what happened to names and files. Free while nobody watches anything. */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include "fs/vfs.h"

#include <sys/inotify.h>

extern _Atomic int notify_watch_count;

void notify_path_slow(const struct path *p, uint32_t mask);
void notify_name_slow(struct inode *dir, const char *name, size_t len, uint32_t mask, uint32_t cookie);
void notify_inode_slow(struct inode *i, uint32_t mask);
void notify_unused_slow(struct inode *i);

/* Something happened to the file at p: its watches, and its directory's with its name. mask: IN_*, with IN_ISDIR added here. */
static inline void notify_path(const struct path *p, uint32_t mask)
{
	if (notify_watch_count)
		notify_path_slow(p, mask);
}

static inline void notify_file(struct file *f, uint32_t mask)
{
	if (notify_watch_count && f->path)
		notify_path_slow(f->path, mask);
}

/* A name in dir was made, removed, moved. */
static inline void notify_name(struct inode *dir, const char *name, size_t len, uint32_t mask, uint32_t cookie)
{
	if (notify_watch_count)
		notify_name_slow(dir, name, len, mask, cookie);
}

/* To the watches of i alone: IN_ATTRIB for its links, IN_MOVE_SELF. */
static inline void notify_inode(struct inode *i, uint32_t mask)
{
	if (notify_watch_count)
		notify_inode_slow(i, mask);
}

/* The last user of a removed name left. If it was the file's last name, its watches end. */
static inline void notify_unused(struct inode *i)
{
	if (notify_watch_count)
		notify_unused_slow(i);
}

/* Pairs IN_MOVED_FROM with IN_MOVED_TO. */
uint32_t notify_cookie(void);
int inotify_new(int flags, struct file **out) MUST_CHECK; /* flags: IN_NONBLOCK */
int inotify_add(struct file *f, const struct path *p, uint32_t mask) MUST_CHECK;
int inotify_remove(struct file *f, int wd) MUST_CHECK;
bool file_is_inotify(const struct file *f);

#endif
