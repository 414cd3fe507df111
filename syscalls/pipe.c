/* SPDX-License-Identifier: Apache-2.0 */
/* pipe(2). */
#include "fs/pipe.h"
#include "fs/fdtable.h"
#include "syscalls/syscalls.h"

#include <errno.h>

static int64_t make_pipe(struct task *t, uint64_t addr, int flags)
{
	struct file *rd, *wr;
	int err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = pipe_new_files(flags, &rd, &wr);
	return err ? err : syscall_install_pair(t, rd, wr, flags & O_CLOEXEC, addr);
}

SYSCALL_DECLARE(pipe)
{
	return make_pipe(t, a[0], 0);
}

SYSCALL_DECLARE(pipe2)
{
	return make_pipe(t, a[0], (int)a[1]);
}
