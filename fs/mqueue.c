/* SPDX-License-Identifier: Apache-2.0 */
/* The names and files of POSIX message queues.
 *
 * A queue is an inode of a file system that is mounted nowhere. All queues stand in one list, those that were unlinked without a name;
 * a name holds one reference, and so does each open file. names_lock protects the list and the names; it is taken with no inode's
 * lock held, and no reference is put under it. A queue counts for its maker's RLIMIT_MSGQUEUE, full, until it goes.
 */
#include "fs/mqueue_internal.h"
#include "kernel/process.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	MQUEUE_MAGIC = 0x19800202,
	FILE_SIZE = 80, /* st_size: what fits the text that a read gives */
	HARD_MESSAGES = 65536, HARD_MESSAGE_SIZE = 16 << 20, /* with CAP_SYS_RESOURCE */
	MESSAGE_COST = 48, PRIORITY_COST = 48, /* getrlimit(2): the kernel's structs for a message and a priority in use */
};

static struct mutex names_lock = MUTEX_INITIALIZER;
static LIST_HEAD(, mqueue) queues GUARDED_BY(names_lock) = LIST_HEAD_INITIALIZER(queues);
static size_t queue_count GUARDED_BY(names_lock);

static int mqueue_statfs(struct filesystem *fs, struct statfs *out)
{
	(void)fs;
	*out = (struct statfs){ .f_type = MQUEUE_MAGIC, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE, .f_namelen = NAME_MAX };
	return 0;
}

static void fs_release(struct filesystem *fs)
{
	(void)fs; /* static */
}

static const struct filesystem_ops mqueue_fs_ops = { .type = "mqueue", .statfs = mqueue_statfs, .release = fs_release };
static struct filesystem mqueue_fs;

static void mqueue_fs_once(void)
{
	filesystem_init(&mqueue_fs, &mqueue_fs_ops);
}

/* --- open files --- */

/* mq_overview(7), "Mounting the message queue filesystem": what a read tells. */
static ssize_t mqueue_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct mqueue *q = mqueue_of(f);
	char text[FILE_SIZE + 64];
	ssize_t r;
	int len;

	(void)flags;
	mutex_lock(&q->inode.lock);
	len = snprintf(text, sizeof(text), "QSIZE:%-10zu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", q->bytes,
		       q->owner ? q->notice.notify : 0,
		       q->owner && q->notice.notify == SIGEV_SIGNAL ? q->notice.signo : 0, q->owner ? q->owner->tgid : 0);
	mutex_unlock(&q->inode.lock);
	if (*pos >= len)
		return 0;
	r = io_put(io, text + *pos, MIN(io->left, (size_t)(len - *pos)));
	if (r > 0)
		*pos += r;
	return r;
}

static off_t mqueue_seek(struct file *f, off_t off, int whence)
{
	off_t base = whence == SEEK_CUR ? f->pos : whence == SEEK_END ? FILE_SIZE : 0;

	if (whence < SEEK_SET || whence > SEEK_END || __builtin_add_overflow(base, off, &off) || off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

static uint32_t mqueue_poll(struct file *f)
{
	struct mqueue *q = mqueue_of(f);
	uint32_t m = 0;

	mutex_lock(&q->inode.lock);
	if (q->count)
		m |= POLLIN | POLLRDNORM;
	if (q->count < q->max_messages)
		m |= POLLOUT | POLLWRNORM;
	mutex_unlock(&q->inode.lock);
	return m;
}

static struct waitq *mqueue_waitq(struct file *f)
{
	return &mqueue_of(f)->poll;
}

/* mq_close(3): any descriptor for the queue that its process closes ends what the process registered. */
static void mqueue_flush(struct file *f, struct fdtable *owner)
{
	(void)owner;
	if (task_self())
		mqueue_forget_owner(mqueue_of(f), task_self()->tg);
}

static const struct file_ops mqueue_file_ops = {
	.type = "mqueue",
	.read = mqueue_read,
	.seek = mqueue_seek,
	.no_splice_from = true,
	.poll = mqueue_poll,
	.waitq = mqueue_waitq,
	.flush = mqueue_flush,
};

bool file_is_mqueue(const struct file *f)
{
	return f->ops == &mqueue_file_ops;
}

size_t mqueue_message_size(struct file *f)
{
	return mqueue_of(f)->message_size;
}

/* --- inodes --- */

static struct mqueue *mqueue_from(struct inode *i)
{
	return CONTAINER_OF(i, struct mqueue, inode);
}

static int mqueue_getattr(struct inode *i, struct attr *out)
{
	mutex_lock(&i->lock);
	*out = mqueue_from(i)->attr;
	mutex_unlock(&i->lock);
	return 0;
}

static int mqueue_setattr(struct inode *i, const struct attr *a, unsigned valid)
{
	mutex_lock(&i->lock);
	attr_change(&mqueue_from(i)->attr, i, a, valid);
	mutex_unlock(&i->lock);
	return 0;
}

static int mqueue_open_file(struct inode *i, struct path *path, int flags, struct file **out)
{
	return file_new_at(&mqueue_file_ops, flags, path, i, mqueue_from(i), out);
}

static void mqueue_release(struct inode *i)
{
	struct mqueue *q = mqueue_from(i);

	mutex_lock(&names_lock);
	LIST_REMOVE(q, link);
	queue_count--;
	mutex_unlock(&names_lock);
	if (q->owner && q->notice.sink)
		q->notice.sink->tell(q->notice.sink, MQUEUE_NOTHING);
	if (q->owner)
		group_put(q->owner);
	mqueue_free_messages(q);
	free(q->name);
	free(q);
}

static const struct inode_ops mqueue_inode_ops = {
	.getattr = mqueue_getattr,
	.setattr = mqueue_setattr,
	.open = mqueue_open_file,
	.release = mqueue_release,
};

/* --- making --- */

static int check_attr(struct task *t, const struct mq_attr *attr)
{
	bool capable = cred_capable(t->cred, CAP_SYS_RESOURCE);

	if (attr->mq_maxmsg <= 0 || attr->mq_maxmsg > (capable ? HARD_MESSAGES : MQUEUE_MESSAGES))
		return -EINVAL;
	if (attr->mq_msgsize <= 0 || attr->mq_msgsize > (capable ? HARD_MESSAGE_SIZE : MQUEUE_MESSAGE_SIZE))
		return -EINVAL;
	return 0;
}

/* Is there room for one more queue, of so much? */
static int check_room_locked(struct task *t, uint64_t charge) REQUIRES(names_lock)
{
	uint64_t sum = charge;
	struct mqueue *q;

	if (queue_count >= MQUEUE_COUNT_MAX && !cred_capable(t->cred, CAP_SYS_RESOURCE))
		return -ENOSPC;
	LIST_FOREACH(q, &queues, link)
		if (q->charged_uid == t->cred->uid)
			sum += q->charged;
	return sum > task_rlimit(t, RLIMIT_MSGQUEUE) ? -EMFILE : 0;
}

static struct mqueue *mqueue_new(struct task *t, const char *name, uint32_t mode, const struct mq_attr *attr)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static _Atomic uint64_t next_ino = 1;
	struct mqueue *q = calloc(1, sizeof(*q));
	uint64_t ino = ++next_ino;

	if (!q)
		return NULL;
	q->name = strdup(name);
	if (!q->name) {
		free(q);
		return NULL;
	}
	pthread_once(&once, mqueue_fs_once);
	inode_init(&q->inode, &mqueue_fs, &mqueue_inode_ops, S_IFREG, ino);
	q->attr = (struct attr){ .ino = ino, .dev = mqueue_fs.dev, .mode = S_IFREG | mode, .nlink = 1, .size = FILE_SIZE,
				 .blksize = PAGE_SIZE, .uid = t->cred->fsuid, .gid = t->cred->fsgid };
	clock_gettime(CLOCK_REALTIME_COARSE, &q->attr.mtime);
	q->attr.atime = q->attr.ctime = q->attr.btime = q->attr.mtime;
	inode_set_perm(&q->inode, q->attr.mode, q->attr.uid, q->attr.gid);
	q->max_messages = (size_t)attr->mq_maxmsg;
	q->message_size = (size_t)attr->mq_msgsize;
	TAILQ_INIT(&q->messages);
	TAILQ_INIT(&q->senders);
	TAILQ_INIT(&q->receivers);
	waitq_init(&q->poll);
	return q;
}

static int create_locked(struct task *t, const char *name, uint32_t mode, const struct mq_attr *attr, struct mqueue **out)
	REQUIRES(names_lock)
{
	struct mq_attr usual = { .mq_maxmsg = MQUEUE_MESSAGES, .mq_msgsize = MQUEUE_MESSAGE_SIZE };
	uint64_t count, charge;
	int err;

	if (!attr)
		attr = &usual;
	err = check_attr(t, attr);
	if (err)
		return err;
	count = (uint64_t)attr->mq_maxmsg;
	charge = count * ((uint64_t)attr->mq_msgsize + MESSAGE_COST) + MIN(count, MQUEUE_PRIORITIES) * PRIORITY_COST;
	err = check_room_locked(t, charge);
	if (err)
		return err;
	*out = mqueue_new(t, name, mode & 07777 & ~fs_context_umask(t->fs), attr);
	if (!*out)
		return -ENOMEM;
	(*out)->charged_uid = t->cred->uid;
	(*out)->charged = charge;
	LIST_INSERT_HEAD(&queues, *out, link);
	queue_count++;
	return 0;
}

/* --- names --- */

static int check_name(const char *name)
{
	if (!*name)
		return -ENOENT;
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EACCES;
	return strlen(name) > NAME_MAX ? -ENAMETOOLONG : 0;
}

static struct mqueue *find_locked(const char *name) REQUIRES(names_lock)
{
	struct mqueue *q;

	LIST_FOREACH(q, &queues, link)
		if (q->name && !strcmp(q->name, name))
			return q;
	return NULL;
}

static int check_open(struct task *t, struct mqueue *q, int flags)
{
	static const int wanted[] = { [O_RDONLY] = MAY_READ, [O_WRONLY] = MAY_WRITE, [O_RDWR] = MAY_READ | MAY_WRITE };

	if (flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	return inode_permission(&q->inode, t->cred, wanted[flags & O_ACCMODE]);
}

/* The queue of that name, old or new, with a reference. */
static int find_or_create(struct task *t, const char *name, int flags, uint32_t mode, const struct mq_attr *attr,
			  struct mqueue **out)
{
	int err;

	mutex_lock(&names_lock);
	*out = find_locked(name);
	if (*out)
		err = check_open(t, *out, flags);
	else
		err = flags & O_CREAT ? create_locked(t, name, mode, attr, out) : -ENOENT;
	if (!err)
		inode_get(&(*out)->inode);
	mutex_unlock(&names_lock);
	return err;
}

int mqueue_open(struct task *t, const char *name, int flags, uint32_t mode, const struct mq_attr *attr, struct file **out)
{
	char shown[NAME_MAX + 2];
	struct path *path;
	struct mqueue *q;
	int err = check_name(name);

	if (err)
		return err;
	err = find_or_create(t, name, flags, mode, attr, &q);
	if (err)
		return err;
	snprintf(shown, sizeof(shown), "/%s", name);
	path = malloc(sizeof(*path));
	err = path ? path_nameless(&q->inode, shown, path) : -ENOMEM;
	if (!err) {
		err = mqueue_open_file(&q->inode, path, flags & (O_ACCMODE | O_NONBLOCK), out);
		if (err)
			path_put(path);
	}
	if (err)
		free(path);
	inode_put(&q->inode);
	return err;
}

int mqueue_unlink(struct task *t, const char *name)
{
	struct mqueue *q;
	int err = check_name(name);

	if (err)
		return err;
	mutex_lock(&names_lock);
	q = find_locked(name);
	if (!q)
		err = -ENOENT;
	else if (!inode_owned(&q->inode, t->cred)) /* the directory of the names is like /tmp */
		err = -EPERM;
	if (!err) {
		free(q->name);
		q->name = NULL;
	}
	mutex_unlock(&names_lock);
	if (err)
		return err;
	mutex_lock(&q->inode.lock);
	q->attr.nlink = 0;
	mutex_unlock(&q->inode.lock);
	inode_put(&q->inode);
	return 0;
}
