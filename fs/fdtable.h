/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor tables. Shared between tasks by CLONE_FILES. */
#ifndef FS_FDTABLE_H
#define FS_FDTABLE_H

#include "fs/file.h"

struct fdtable;

struct fdtable *fdtable_new(void);
struct fdtable *fdtable_get(struct fdtable *t);
/* The last user closes everything. */
void fdtable_put(struct fdtable *t);
int fdtable_copy(struct fdtable *t, struct fdtable **out) MUST_CHECK;
bool fdtable_shared(struct fdtable *t);

/* The lowest free number >= from, below limit. Takes over the caller's reference on success. -EMFILE, -ENOMEM. */
int fd_install(struct fdtable *t, struct file *f, int from, bool cloexec, uint64_t limit) MUST_CHECK;
/* Puts f at fd, closing what was there. Takes over the reference. */
int fd_install_at(struct fdtable *t, struct file *f, int fd, bool cloexec, uint64_t limit) MUST_CHECK;
/* With a reference; NULL when closed. fd_lookup refuses O_PATH files, fd_lookup_any does not. */
struct file *fd_lookup(struct fdtable *t, int fd);
struct file *fd_lookup_any(struct fdtable *t, int fd);
int fd_close(struct fdtable *t, int fd) MUST_CHECK;
int fd_close_range(struct fdtable *t, unsigned first, unsigned last, bool cloexec_only) MUST_CHECK;
void fdtable_close_on_exec(struct fdtable *t);
int fd_get_cloexec(struct fdtable *t, int fd);
int fd_set_cloexec(struct fdtable *t, int fd, bool on) MUST_CHECK;
/* The next open descriptor >= from, or -1; for /proc. */
int fd_next(struct fdtable *t, int from);
/* Current task's convenience: installs in t->files with RLIMIT_NOFILE, drops the reference on failure. */
int fd_install_task(struct task *t, struct file *f, bool cloexec) MUST_CHECK;
/* 0, or -EMFILE: before something is done whose result could not be installed. */
int fd_room(struct task *t) MUST_CHECK;
/* Keeps the rows of the table honest for RLIMIT_NOFILE checks and /proc. */
int fdtable_count(struct fdtable *t);

#endif
