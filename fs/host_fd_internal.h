/* SPDX-License-Identifier: Apache-2.0 */
/* What host_fd.c and host_tty.c share. */
#ifndef FS_HOST_FD_INTERNAL_H
#define FS_HOST_FD_INTERNAL_H

#include "fs/async.h"
#include "fs/host_fd.h"
#include "fs/tty.h"

enum host_kind { HOST_REGULAR, HOST_NONBLOCK, HOST_SOCKET, HOST_POLLED };

/* Owned by its one open file. */
struct host_fd {
	int fd; /* the sentry's; immutable, as all but the queue and no_nowait */
	enum host_kind kind;
	struct tty *tty; /* one reference; NULL unless it is a terminal */
	_Atomic bool no_nowait; /* RWF_NOWAIT was refused */
	struct waitq waitq;
	struct async_list async;
	_Atomic bool no_room; /* a write found none */
};

/* The terminal that fd is, made when first seen: standard input, output and error are usually one. With a reference. */
int host_tty_get(int fd, dev_t dev, struct tty **out) MUST_CHECK;
int64_t host_tty_ioctl(struct host_fd *h, struct file *f, struct task *t, unsigned cmd, uint64_t arg);
#endif
