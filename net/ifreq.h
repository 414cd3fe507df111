/* SPDX-License-Identifier: Apache-2.0 */
/* ioctls that every socket understands: owners of signals, and the one network interface. See ifreq.c. */
#ifndef NET_IFREQ_H
#define NET_IFREQ_H

#include "fs/file.h"

enum { LOOPBACK_INDEX = 1, LOOPBACK_MTU = 65536 };
#define LOOPBACK_NAME "lo"

/* -ENOTTY for any other; -ENODEV for another interface. */
int64_t ifreq_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg) MUST_CHECK;

#endif
