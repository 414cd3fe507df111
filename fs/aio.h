/* SPDX-License-Identifier: Apache-2.0 */
/* Asynchronous input and output of the kernel's kind: io_setup(2) and its sisters. See aio.c. */
#ifndef FS_AIO_H
#define FS_AIO_H

#include "fs/file.h"

#include <linux/aio_abi.h>

struct aio_context;

enum { AIO_MAX_NR = 65536 };

/* A context for at least `count` operations whose events are not yet read; *id is its address in t's memory. */
int aio_setup(struct task *t, unsigned count, uint64_t *id) MUST_CHECK;
/* Its mapping goes, and who waits for its events is told. -EINVAL: no such context. */
int aio_destroy(struct task *t, uint64_t id) MUST_CHECK;
/* With a reference, or NULL. */
struct aio_context *aio_find(struct task *t, uint64_t id);
void aio_put(struct aio_context *c);
/* How many operations one io_submit may bring. */
unsigned aio_capacity(const struct aio_context *c);
/* What all contexts of the sandbox were asked to hold: /proc/sys/fs/aio-nr. */
unsigned aio_total(void);

/* Does what b, which lies at `at` in t's memory, asks for. 0 when there is or will be an event for it, else why it was refused. */
int aio_submit(struct task *t, struct aio_context *c, uint64_t at, const struct iocb *b) MUST_CHECK;

/* Room for one event: -EAGAIN. Then aio_complete() or aio_release(), of n such rooms, follows. */
int aio_reserve(struct aio_context *c) MUST_CHECK;
void aio_release(struct aio_context *c, unsigned n);
void aio_complete(struct aio_context *c, const struct io_event *e);

/* Hands events, oldest first, to t's memory at `to`, until there were min of them, but not more than max. Returns how many; fewer than min at the
 * deadline; -EINTR if a signal came before any, -EINVAL if the context was destroyed, -EFAULT. */
int64_t aio_get_events(struct task *t, struct aio_context *c, int64_t min, int64_t max, uint64_t to, int64_t deadline) MUST_CHECK;

#endif
