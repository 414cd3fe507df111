/* SPDX-License-Identifier: Apache-2.0 */
/* Argument helpers that every family uses. */
#include "syscalls/syscalls.h"

#include "base/wait.h"
#include "fs/fdtable.h"
#include "mm/guest.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

enum { NSEC_PER_SEC = 1000000000 };

int syscall_path(struct task *t, uint64_t addr, char *buf)
{
	ssize_t n = guest_read_string(t->mm, buf, addr, PATH_MAX);

	return n < 0 ? (int)n : 0;
}

int syscall_read_extensible(struct task *t, void *dst, size_t known, size_t min, uint64_t addr, uint64_t size)
{
	unsigned char rest[256];

	if (size < min)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	memset(dst, 0, known);
	int r = guest_read(t->mm, dst, addr, MIN(size, known));
	for (uint64_t off = known; !r && off < size; off += sizeof(rest)) {
		size_t n = MIN(size - off, sizeof(rest));

		r = guest_read(t->mm, rest, addr + off, n);
		for (size_t i = 0; !r && i < n; i++)
			if (rest[i])
				r = -E2BIG;
	}
	return r;
}

int syscall_install_pair(struct task *t, struct file *one, struct file *two, bool cloexec, uint64_t addr)
{
	int fds[2], err;

	fds[0] = fd_install_task(t, one, cloexec);
	if (fds[0] < 0) {
		file_put(two);
		return fds[0];
	}
	fds[1] = fd_install_task(t, two, cloexec);
	err = fds[1] < 0 ? fds[1] : guest_write(t->mm, addr, fds, sizeof(fds));
	if (!err)
		return 0;
	(void)!fd_close(t->files, fds[0]);
	if (fds[1] >= 0)
		(void)!fd_close(t->files, fds[1]);
	return err;
}

int syscall_timespec(struct task *t, uint64_t addr, int64_t *ns)
{
	struct timespec ts;
	int err;

	if (!addr) {
		*ns = NO_DEADLINE;
		return 0;
	}
	err = guest_read(t->mm, &ts, addr, sizeof(ts));
	if (err)
		return err;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	/* Beyond what an int64_t of nanoseconds holds (292 years) is for ever, as in the kernel's ktime. */
	if (ts.tv_sec >= INT64_MAX / NSEC_PER_SEC)
		*ns = NO_DEADLINE;
	else
		*ns = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	return 0;
}

int syscall_write_timespec(struct task *t, uint64_t addr, int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };

	return guest_write(t->mm, addr, &ts, sizeof(ts));
}
