/* SPDX-License-Identifier: Apache-2.0 */
/* pipe(2). */
#include "fs/pipe.h"
#include "fs/fdtable.h"
#include "syscalls/syscalls.h"

#include <errno.h>

static int64_t make_pipe(struct task *t, uint64_t addr, int flags)
{
	struct file *rd, *wr;
	int fds[2], err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = pipe_new_files(flags, &rd, &wr);
	if (err)
		return err;
	fds[0] = fd_install_task(t, rd, flags & O_CLOEXEC);
	if (fds[0] < 0) {
		file_put(wr);
		return fds[0];
	}
	fds[1] = fd_install_task(t, wr, flags & O_CLOEXEC);
	err = fds[1] < 0 ? fds[1] : guest_write(t->mm, addr, fds, sizeof(fds));
	if (!err)
		return 0;
	(void)!fd_close(t->files, fds[0]);
	if (fds[1] >= 0)
		(void)!fd_close(t->files, fds[1]);
	return err;
}

SYSCALL_DECLARE(pipe)
{
	return make_pipe(t, a[0], 0);
}

SYSCALL_DECLARE(pipe2)
{
	return make_pipe(t, a[0], (int)a[1]);
}
