/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls about sockets share. */
#ifndef SYSCALLS_SOCKET_H
#define SYSCALLS_SOCKET_H

#include "fs/fdtable.h"
#include "net/socket.h"
#include "syscalls/syscalls.h"

/* The open file behind fd with a reference, and its socket: -EBADF, -ENOTSOCK. */
int socket_lookup(struct task *t, int fd, struct file **f, struct socket **s) MUST_CHECK;
/* An address from the guest: -EINVAL, -EFAULT. */
int socket_read_addr(struct task *t, uint64_t addr, int len, union sock_addr *out) MUST_CHECK;
/* An address to the guest, as much of it as the length at len_addr (an int) allows; the real length is put there. */
int socket_write_addr(struct task *t, const union sock_addr *a, socklen_t len, uint64_t addr, uint64_t len_addr) MUST_CHECK;

#endif
