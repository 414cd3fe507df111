/* SPDX-License-Identifier: Apache-2.0 */
/* inotify(7).
 *
 * Theory of operation. An instance has watches, each on one inode; an inode lists the watches on it. An event is queued to every
 * watch whose mask wants it; a directory's watches also get the events of its entries, with their names. Equal events in
 * a row are merged. A queue that is full says so once (IN_Q_OVERFLOW).
 *
 * A watch holds a reference on its inode, so a watched overlay file keeps its identity. One mutex guards watches and queues of all
 * instances: events are only produced while somebody watches (notify_watch_count), and then cheaply. It is a leaf but for wait queues
 * and the timer service.
 *
 * Signals (O_ASYNC) are sent by the timer service: who makes an event may hold locks that come after tasks_lock.
 */
#include "fs/async.h"
#include "fs/event.h"
#include "fs/notify.h"
#include "fs/vfs_internal.h"
#include "kernel/task.h"
#include "kernel/timer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* inotify(7)'s limits of a user; here, of the sandbox. */
enum { QUEUE_MAX = 16384, WATCHES_MAX = 65536, INSTANCES_MAX = 128 };

struct notify_event {
	TAILQ_ENTRY(notify_event) link;
	int wd;
	uint32_t mask, cookie;
	size_t len; /* of name with NUL and padding; 0 without */
	char name[];
};

LIST_HEAD(watch_list, notify_watch);

struct inotify {
	struct file *file; /* borrowed */
	TAILQ_HEAD(notify_queue, notify_event) queue;
	size_t queued, queued_bytes;
	struct watch_list watches;
	int next_wd;
	struct waitq wait;
	struct async_list async;
	uint32_t unsignalled; /* events since signaller was armed */
	struct timer signaller;
};

struct notify_watch {
	LIST_ENTRY(notify_watch) of_instance, of_inode;
	struct inotify *owner;
	struct inode *inode; /* one reference */
	int wd;
	uint32_t mask;
};

/* inode->watches */
struct notify_list {
	struct watch_list watches;
};

_Atomic int notify_watch_count;
static struct mutex notify_lock = MUTEX_INITIALIZER;
static _Atomic int instances;
static _Atomic uint32_t next_cookie = 1;

uint32_t notify_cookie(void)
{
	return next_cookie++;
}

/* --- queueing --- */

static bool same_as_last(const struct inotify *n, int wd, uint32_t mask, uint32_t cookie, const char *name, size_t len)
{
	const struct notify_event *e = TAILQ_LAST(&n->queue, notify_queue);

	(void)len;
	if (!e || e->wd != wd || e->mask != mask || e->cookie != cookie)
		return false;
	return e->len ? name && !strcmp(e->name, name) : !name;
}

static void queue_locked(struct inotify *n, int wd, uint32_t mask, uint32_t cookie, const char *name, size_t len)
{
	size_t room = name ? (len + 1 + 15) & ~(size_t)15 : 0;
	struct notify_event *e;

	if (n->queued >= QUEUE_MAX) {
		mask = IN_Q_OVERFLOW;
		wd = -1;
		name = NULL;
		room = cookie = 0;
	}
	if (same_as_last(n, wd, mask, cookie, name, len))
		return;
	e = calloc(1, sizeof(*e) + room);
	if (!e)
		return;
	e->wd = wd;
	e->mask = mask;
	e->cookie = cookie;
	e->len = room;
	if (name)
		memcpy(e->name, name, len);
	TAILQ_INSERT_TAIL(&n->queue, e, link);
	n->queued++;
	n->queued_bytes += sizeof(struct inotify_event) + room;
	waitq_notify(&n->wait, POLLIN);
	if (async_wanted(&n->async) && !n->unsignalled++)
		timer_arm(&n->signaller, 0);
}

static void signal_events(struct timer *t, void *arg)
{
	struct inotify *n = arg;
	uint32_t count;

	(void)t;
	mutex_lock(&notify_lock);
	count = n->unsignalled;
	n->unsignalled = 0;
	mutex_unlock(&notify_lock);
	while (count--)
		async_notify(&n->async, POLL_IN);
}

/* The watch ends; whoever took the lock frees it without. */
static void end_locked(struct notify_watch *w, struct watch_list *ended)
{
	LIST_REMOVE(w, of_instance);
	LIST_REMOVE(w, of_inode);
	notify_watch_count--;
	LIST_INSERT_HEAD(ended, w, of_instance);
}

static void free_ended(struct watch_list *ended)
{
	struct notify_watch *w;

	while ((w = LIST_FIRST(ended))) {
		LIST_REMOVE(w, of_instance);
		inode_put(w->inode);
		free(w);
	}
}

/* What happened, as a watch on a directory or on the file itself is told. */
struct happening {
	uint32_t mask, cookie;
	const char *name; /* NULL: the watched file itself */
	size_t len;
	bool unlinked; /* the name is gone: IN_EXCL_UNLINK */
};

static void tell_locked(struct inode *i, const struct happening *h, struct watch_list *ended)
{
	struct notify_list *l = i->watches;
	struct notify_watch *w, *next;

	for (w = l ? LIST_FIRST(&l->watches) : NULL; w; w = next) {
		bool wanted = w->mask & h->mask & IN_ALL_EVENTS && !(h->unlinked && w->mask & IN_EXCL_UNLINK);

		next = LIST_NEXT(w, of_inode);
		if (wanted)
			queue_locked(w->owner, w->wd, h->mask, h->cookie, h->name, h->len);
		if (h->mask & IN_DELETE_SELF || (wanted && w->mask & IN_ONESHOT)) {
			queue_locked(w->owner, w->wd, IN_IGNORED, 0, NULL, 0);
			end_locked(w, ended);
		}
	}
}

static void tell(struct inode *i, const struct happening *h)
{
	struct watch_list ended = LIST_HEAD_INITIALIZER(ended);

	if (!i->watches)
		return;
	mutex_lock(&notify_lock);
	tell_locked(i, h, &ended);
	mutex_unlock(&notify_lock);
	free_ended(&ended);
}

void notify_name_slow(struct inode *dir, const char *name, size_t len, uint32_t mask, uint32_t cookie)
{
	tell(dir, &(struct happening){ .mask = mask, .cookie = cookie, .name = name, .len = len });
}

void notify_inode_slow(struct inode *i, uint32_t mask)
{
	/* inotify(7) has it otherwise, but Linux never said IN_ISDIR with these two. */
	if (i->type == S_IFDIR && !(mask & (IN_DELETE_SELF | IN_MOVE_SELF)))
		mask |= IN_ISDIR;
	tell(i, &(struct happening){ .mask = mask });
}

void notify_unused_slow(struct inode *i)
{
	struct attr a;

	if (i->watches && !inode_getattr(i, &a) && !a.nlink)
		notify_inode_slow(i, IN_DELETE_SELF);
}

void notify_path_slow(const struct path *p, uint32_t mask)
{
	struct inode *i = p->dentry->inode, *dir;
	struct happening h = { .mask = mask | (i->type == S_IFDIR ? IN_ISDIR : 0) };
	struct dentry *parent;
	char name[NAME_MAX + 1];

	if (!mask)
		return;
	mutex_lock(&vfs_lock);
	parent = p->dentry->parent;
	dentry_get(parent);
	h.name = name;
	h.len = MIN((size_t)p->dentry->len, (size_t)NAME_MAX);
	h.unlinked = p->dentry->deleted;
	memcpy(name, p->dentry->name, h.len);
	name[h.len] = 0;
	mutex_unlock(&vfs_lock);
	dir = parent->inode;
	if (parent != p->dentry && dir)
		tell(dir, &h);
	dentry_put(parent);
	h.name = NULL;
	h.len = 0;
	h.unlinked = false;
	tell(i, &h);
}

void notify_inode_release(struct inode *i)
{
	/* Watches hold references, so none is left. */
	free(i->watches);
	i->watches = NULL;
}

/* --- the file --- */

static ssize_t inotify_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct inotify *n = f->private;
	ssize_t done = 0;

	(void)pos, (void)flags;
	for (;;) {
		struct inotify_event head;
		struct notify_event *e;
		ssize_t r;

		mutex_lock(&notify_lock);
		e = TAILQ_FIRST(&n->queue);
		if (!e || io->left < sizeof(head) + e->len) {
			mutex_unlock(&notify_lock);
			return done ? done : e ? -EINVAL : -EAGAIN;
		}
		TAILQ_REMOVE(&n->queue, e, link);
		n->queued--;
		n->queued_bytes -= sizeof(head) + e->len;
		mutex_unlock(&notify_lock);
		head = (struct inotify_event){ .wd = e->wd, .mask = e->mask, .cookie = e->cookie, .len = (uint32_t)e->len };
		r = io_put(io, &head, sizeof(head));
		if (r == sizeof(head) && e->len)
			r = io_put(io, e->name, e->len) == (ssize_t)e->len ? r : -EFAULT;
		done += (ssize_t)(sizeof(head) + e->len);
		free(e);
		if (r < 0)
			return r;
	}
}

static uint32_t inotify_poll(struct file *f)
{
	struct inotify *n = f->private;
	uint32_t bits;

	mutex_lock(&notify_lock);
	bits = TAILQ_EMPTY(&n->queue) ? 0 : POLLIN | POLLRDNORM;
	mutex_unlock(&notify_lock);
	return bits;
}

static struct waitq *inotify_waitq(struct file *f)
{
	struct inotify *n = f->private;

	return &n->wait;
}

static struct async_list *inotify_async(struct file *f)
{
	struct inotify *n = f->private;

	return &n->async;
}

static int64_t inotify_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct inotify *n = f->private;
	int bytes;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&notify_lock);
	bytes = (int)n->queued_bytes;
	mutex_unlock(&notify_lock);
	return guest_write(t->mm, arg, &bytes, sizeof(bytes));
}

static void inotify_release(struct file *f)
{
	struct watch_list ended = LIST_HEAD_INITIALIZER(ended);
	struct inotify *n = f->private;

	mutex_lock(&notify_lock);
	while (!LIST_EMPTY(&n->watches))
		end_locked(LIST_FIRST(&n->watches), &ended);
	mutex_unlock(&notify_lock);
	free_ended(&ended);
	timer_cancel(&n->signaller); /* nobody arms it any more */
	while (!TAILQ_EMPTY(&n->queue)) {
		struct notify_event *e = TAILQ_FIRST(&n->queue);

		TAILQ_REMOVE(&n->queue, e, link);
		free(e);
	}
	free(n);
	instances--;
}

static const struct file_ops inotify_ops = {
	.type = "inotify",
	.read = inotify_read,
	.seek = noop_seek,
	.poll = inotify_poll,
	.waitq = inotify_waitq,
	.ioctl = inotify_ioctl,
	.async = inotify_async,
	.release = inotify_release,
};

bool file_is_inotify(const struct file *f)
{
	return f->ops == &inotify_ops;
}

int inotify_new(int flags, struct file **out)
{
	struct inotify *n;
	struct inode *i = NULL;
	int r;

	if (++instances > INSTANCES_MAX) {
		instances--;
		return -EMFILE;
	}
	n = calloc(1, sizeof(*n));
	r = -ENOMEM;
	if (!n)
		goto out_count;
	TAILQ_INIT(&n->queue);
	LIST_INIT(&n->watches);
	waitq_init(&n->wait);
	timer_init(&n->signaller, signal_events, n);
	n->next_wd = 1;
	r = anon_inode_new(0600, "anon_inode:inotify", &i);
	if (r)
		goto out_free;
	*out = file_new(&inotify_ops, O_RDONLY | (flags & O_NONBLOCK), NULL, i, n);
	if (*out) {
		n->file = *out;
		return 0;
	}
	r = -ENOMEM;
	inode_put(i);
out_free:
	free(n);
out_count:
	instances--;
	return r;
}

/* n's watch on i. A file has few watches, an instance may have very many. */
static struct notify_watch *find_on_locked(const struct inotify *n, const struct inode *i)
{
	const struct notify_list *l = i->watches;
	struct notify_watch *w = NULL;

	if (l)
		LIST_FOREACH(w, &l->watches, of_inode)
			if (w->owner == n)
				break;
	return w;
}

static struct notify_watch *find_locked(const struct inotify *n, int wd)
{
	struct notify_watch *w;

	LIST_FOREACH(w, &n->watches, of_instance)
		if (w->wd == wd)
			break;
	return w;
}

static int change_locked(struct notify_watch *w, uint32_t mask)
{
	if (mask & IN_MASK_CREATE)
		return -EEXIST;
	w->mask = mask & IN_MASK_ADD ? w->mask | mask : mask;
	return w->wd;
}

int inotify_add(struct file *f, const struct path *p, uint32_t mask)
{
	struct notify_watch *w, *new = calloc(1, sizeof(*new));
	struct notify_list *list = calloc(1, sizeof(*list));
	struct inotify *n = f->private;
	struct inode *i = path_inode(p);
	int r = -ENOMEM;

	if (!new || !list)
		goto out_free;
	mutex_lock(&notify_lock);
	w = find_on_locked(n, i);
	if (w) {
		r = change_locked(w, mask);
	} else if (notify_watch_count >= WATCHES_MAX) {
		r = -ENOSPC;
	} else {
		if (!i->watches) {
			i->watches = list;
			list = NULL;
		}
		inode_get(i);
		new->owner = n;
		new->inode = i;
		new->mask = mask;
		r = new->wd = n->next_wd++;
		LIST_INSERT_HEAD(&n->watches, new, of_instance);
		LIST_INSERT_HEAD(&((struct notify_list *)i->watches)->watches, new, of_inode);
		notify_watch_count++;
		new = NULL;
	}
	mutex_unlock(&notify_lock);
out_free:
	free(new);
	free(list);
	return r;
}

int inotify_remove(struct file *f, int wd)
{
	struct watch_list ended = LIST_HEAD_INITIALIZER(ended);
	struct inotify *n = f->private;
	struct notify_watch *w;

	mutex_lock(&notify_lock);
	w = find_locked(n, wd);
	if (w) {
		queue_locked(n, wd, IN_IGNORED, 0, NULL, 0);
		end_locked(w, &ended);
	}
	mutex_unlock(&notify_lock);
	free_ended(&ended);
	return w ? 0 : -EINVAL;
}
