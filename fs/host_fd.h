/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of the caller of sbx handed through to the guest: its standard input, output and error. See host_fd.c. */
#ifndef FS_HOST_FD_H
#define FS_HOST_FD_H

#include "fs/file.h"

/* Makes an open file of the sentry's descriptor fd, which is taken over on success. To be called while /proc/self/fd of the
 * host can still be reached: pipes and terminals are reopened there so that O_NONBLOCK need not be set on what the caller shares. */
int host_fd_new(int fd, struct file **out) MUST_CHECK;
/* Bytes that guests wrote to and read from such descriptors, for the report. */
void host_fd_totals(uint64_t *read, uint64_t *written);
/* Once this many bytes were written, over runs with host_fd_set_output_limit's fn (any thread, no locks held). */
void host_fd_set_output_limit(uint64_t bytes, void (*over)(void));
/* The host terminal's window changed, or it sent a signal (SIGINT, SIGQUIT, SIGTSTP, SIGHUP, SIGWINCH): goes to the guest's
 * foreground process group. False if the guest has no host terminal as its controlling one. */
bool host_tty_signal(int sig);
/* Is tg's process group in front on it? So it is while no guest has made it its controlling terminal. */
struct thread_group;
bool host_tty_in_front(struct thread_group *tg);

/* q is the one that was given; tasks_lock is held. */
typedef void host_notify_fn(struct waitq *q, uint32_t events);

/* Readiness of host descriptors: notifies q once when one of events holds on fd. Starts the one notifier thread when first
 * needed. */
int host_notify_arm(int fd, struct waitq *q, uint32_t events) MUST_CHECK;
/* The same for every change of fd's readiness until it is forgotten, the present one included: EPOLLET. */
int host_notify_watch(int fd, struct waitq *q) MUST_CHECK;
/* As host_notify_watch(), and each report is given to fn, for O_ASYNC. */
int host_notify_async(int fd, struct waitq *q, host_notify_fn *fn) MUST_CHECK;
/* Forgets fd; on return q is not notified any more. */
void host_notify_forget(int fd);

#endif
