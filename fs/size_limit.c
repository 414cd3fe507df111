/* SPDX-License-Identifier: Apache-2.0 */
/* RLIMIT_FSIZE, the size beyond which a task may not make files grow: setrlimit(2).
 *
 * Where a write begins is known only under its file's own locks, since O_APPEND means the end as it is then: so an implementation asks
 * there how much it may write, and leaves in *pos where it would have been. The signal is sent after it gave its locks back: the tasks'
 * lock comes before them. */
#include "fs/vfs.h"
#include "kernel/task.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

static uint64_t size_limit(struct task *t)
{
	return t ? task_rlimit(t, RLIMIT_FSIZE) : RLIM_INFINITY;
}

ssize_t file_write_room(off_t pos, size_t count)
{
	uint64_t limit = MIN(size_limit(task_self()), (uint64_t)INT64_MAX);

	if (!count)
		return 0;
	return (uint64_t)pos < limit ? (ssize_t)MIN(count, limit - (uint64_t)pos) : -EFBIG;
}

bool file_write_limited(void)
{
	return size_limit(task_self()) != RLIM_INFINITY;
}

ssize_t file_write_once(struct file *f, struct io *io, off_t *pos, int flags)
{
	ssize_t r = f->ops->write(f, io, pos, flags);
	struct task *t = task_self();

	if (UNLIKELY(r == -EFBIG) && t && pos && (uint64_t)*pos >= size_limit(t))
		signal_send_self(t, SIGXFSZ);
	return r;
}

int inode_grow_check(struct inode *i, uint64_t size)
{
	struct task *t = task_self();
	struct attr attr;
	int r;

	if (size <= size_limit(t))
		return 0;
	r = inode_getattr(i, &attr);
	if (r || size <= attr.size)
		return r;
	signal_send_self(t, SIGXFSZ);
	return -EFBIG;
}
