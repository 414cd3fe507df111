/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor tables: an array of (file, close-on-exec), grown by doubling, and the lowest number that may be free.
 *
 * Files are released outside the table's lock, since a release may do anything. */
#include "fs/fdtable.h"

#include "fs/locks.h"
#include "kernel/task.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 16, FD_LIMIT = 1 << 20 };

struct slot {
	struct file *file;
	bool cloexec;
};

struct fdtable {
	struct ref ref;
	struct mutex lock;
	/* Protected by lock. */
	struct slot *slots;
	int size, count;
	int first_free; /* no free number is below it */
};

struct fdtable *fdtable_new(void) NO_THREAD_SAFETY_ANALYSIS
{
	struct fdtable *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->slots = calloc(FIRST_SIZE, sizeof(*t->slots));
	if (!t->slots) {
		free(t);
		return NULL;
	}
	t->size = FIRST_SIZE;
	ref_init(&t->ref);
	mutex_init(&t->lock);
	return t;
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	ref_get(&t->ref);
	return t;
}

bool fdtable_shared(struct fdtable *t)
{
	return ref_count(&t->ref) > 1;
}

/* A descriptor went: what POSIX attaches to that, then the reference. */
static void drop(struct fdtable *t, struct file *f)
{
	if (f->ops->flush)
		f->ops->flush(f, t);
	if (locks_any())
		locks_posix_close(f, t);
	file_put(f);
}

void fdtable_put(struct fdtable *t) NO_THREAD_SAFETY_ANALYSIS
{
	if (!t || !ref_put(&t->ref))
		return;
	for (int i = 0; i < t->size; i++)
		if (t->slots[i].file)
			drop(t, t->slots[i].file);
	mutex_destroy(&t->lock);
	free(t->slots);
	free(t);
}

static int grow_locked(struct fdtable *t, int need) REQUIRES(t->lock)
{
	int size = t->size;
	struct slot *n;

	if (need >= FD_LIMIT)
		return -EMFILE;
	while (size <= need)
		size *= 2;
	if (size == t->size)
		return 0;
	n = realloc(t->slots, (size_t)size * sizeof(*n));
	if (!n)
		return -ENOMEM;
	memset(n + t->size, 0, (size_t)(size - t->size) * sizeof(*n));
	t->slots = n;
	t->size = size;
	return 0;
}

int fdtable_copy(struct fdtable *t, struct fdtable **out) NO_THREAD_SAFETY_ANALYSIS
{
	struct fdtable *n = fdtable_new();
	int r;

	if (!n)
		return -ENOMEM;
	mutex_lock(&t->lock);
	r = grow_locked(n, t->size - 1);
	for (int i = 0; !r && i < t->size; i++) {
		if (!t->slots[i].file)
			continue;
		n->slots[i] = t->slots[i];
		file_get(n->slots[i].file);
	}
	n->count = r ? 0 : t->count;
	n->first_free = t->first_free;
	mutex_unlock(&t->lock);
	if (r) {
		fdtable_put(n);
		return r;
	}
	*out = n;
	return 0;
}

int fd_install(struct fdtable *t, struct file *f, int from, bool cloexec, uint64_t limit)
{
	int fd, r = 0;

	mutex_lock(&t->lock);
	fd = MAX(from, t->first_free);
	while (fd < t->size && t->slots[fd].file)
		fd++;
	if ((uint64_t)fd >= limit)
		r = -EMFILE;
	else if (fd >= t->size)
		r = grow_locked(t, fd);
	if (!r) {
		t->slots[fd] = (struct slot){ f, cloexec };
		t->count++;
		if (from <= t->first_free)
			t->first_free = fd + 1;
	}
	mutex_unlock(&t->lock);
	return r ? r : fd;
}

int fd_install_at(struct fdtable *t, struct file *f, int fd, bool cloexec, uint64_t limit)
{
	struct file *old = NULL;
	int r = 0;

	if (fd < 0 || (uint64_t)fd >= limit)
		return -EBADF;
	mutex_lock(&t->lock);
	if (fd >= t->size)
		r = grow_locked(t, fd);
	if (!r) {
		old = t->slots[fd].file;
		t->slots[fd] = (struct slot){ f, cloexec };
		if (!old)
			t->count++;
		if (fd == t->first_free)
			t->first_free++;
	}
	mutex_unlock(&t->lock);
	if (old)
		drop(t, old);
	return r ? r : fd;
}

struct file *fd_lookup_any(struct fdtable *t, int fd)
{
	struct file *f = NULL;

	mutex_lock(&t->lock);
	if (fd >= 0 && fd < t->size)
		f = t->slots[fd].file;
	if (f)
		file_get(f);
	mutex_unlock(&t->lock);
	return f;
}

struct file *fd_lookup(struct fdtable *t, int fd)
{
	struct file *f = fd_lookup_any(t, fd);

	if (f && UNLIKELY(f->flags & O_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

static struct file *take_locked(struct fdtable *t, int fd) REQUIRES(t->lock)
{
	struct file *f = t->slots[fd].file;

	if (f) {
		t->slots[fd] = (struct slot){ 0 };
		t->count--;
		t->first_free = MIN(t->first_free, fd);
	}
	return f;
}

int fd_close(struct fdtable *t, int fd)
{
	struct file *f = NULL;

	mutex_lock(&t->lock);
	if (fd >= 0 && fd < t->size)
		f = take_locked(t, fd);
	mutex_unlock(&t->lock);
	if (!f)
		return -EBADF;
	drop(t, f);
	return 0;
}

int fd_close_range(struct fdtable *t, unsigned first, unsigned last, bool cloexec_only)
{
	if (first > last)
		return -EINVAL;
	for (unsigned fd = first; fd <= last; fd++) {
		struct file *f = NULL;
		bool end;

		mutex_lock(&t->lock);
		end = fd >= (unsigned)t->size;
		if (!end && cloexec_only)
			t->slots[fd].cloexec = t->slots[fd].file != NULL;
		else if (!end)
			f = take_locked(t, (int)fd);
		mutex_unlock(&t->lock);
		if (end)
			break;
		if (f)
			drop(t, f);
	}
	return 0;
}

void fdtable_close_on_exec(struct fdtable *t)
{
	for (int fd = 0;; fd++) {
		struct file *f = NULL;
		bool end;

		mutex_lock(&t->lock);
		while (fd < t->size && !t->slots[fd].cloexec)
			fd++;
		end = fd >= t->size;
		if (!end)
			f = take_locked(t, fd);
		mutex_unlock(&t->lock);
		if (end)
			return;
		if (f)
			drop(t, f);
	}
}

int fd_get_cloexec(struct fdtable *t, int fd)
{
	int r = -EBADF;

	mutex_lock(&t->lock);
	if (fd >= 0 && fd < t->size && t->slots[fd].file)
		r = t->slots[fd].cloexec;
	mutex_unlock(&t->lock);
	return r;
}

int fd_set_cloexec(struct fdtable *t, int fd, bool on)
{
	int r = -EBADF;

	mutex_lock(&t->lock);
	if (fd >= 0 && fd < t->size && t->slots[fd].file) {
		t->slots[fd].cloexec = on;
		r = 0;
	}
	mutex_unlock(&t->lock);
	return r;
}

int fd_next(struct fdtable *t, int from)
{
	int fd;

	mutex_lock(&t->lock);
	for (fd = MAX(from, 0); fd < t->size; fd++)
		if (t->slots[fd].file)
			break;
	if (fd >= t->size)
		fd = -1;
	mutex_unlock(&t->lock);
	return fd;
}

int fd_install_task(struct task *t, struct file *f, bool cloexec)
{
	int fd = fd_install(t->files, f, 0, cloexec, task_rlimit(t, RLIMIT_NOFILE));

	if (fd < 0)
		file_put(f);
	return fd;
}

int fd_room(struct task *t)
{
	struct fdtable *ft = t->files;
	int fd;

	mutex_lock(&ft->lock);
	for (fd = ft->first_free; fd < ft->size && ft->slots[fd].file; fd++)
		;
	ft->first_free = fd;
	mutex_unlock(&ft->lock);
	return (uint64_t)fd < MIN(task_rlimit(t, RLIMIT_NOFILE), (uint64_t)FD_LIMIT) ? 0 : -EMFILE;
}

int fdtable_count(struct fdtable *t)
{
	int n;

	mutex_lock(&t->lock);
	n = t->count;
	mutex_unlock(&t->lock);
	return n;
}
