/* SPDX-License-Identifier: Apache-2.0 */
/* Event files: eventfd(2), timerfd_create(2), signalfd(2), epoll(7). Each constructor returns a file with one reference. */
#ifndef FS_EVENT_H
#define FS_EVENT_H

#include "fs/file.h"
#include "kernel/signal.h"

#include <sys/epoll.h>
#include <time.h>

int eventfd_new(uint64_t count, int flags, struct file **out) MUST_CHECK; /* EFD_* */
bool file_is_eventfd(const struct file *f);
/* One more, unless the counter is full. */
void eventfd_signal(struct file *f);

int timerfd_new(int clock, int flags, struct file **out) MUST_CHECK; /* TFD_* */
bool file_is_timerfd(const struct file *f);
/* value and interval in ns; value 0 disarms. old_* receive what timerfd_gettime() would have said. */
int timerfd_set(struct file *f, int flags, int64_t value, int64_t interval, int64_t *old_value,
		int64_t *old_interval) MUST_CHECK;
void timerfd_get(struct file *f, int64_t *value, int64_t *interval);

int signalfd_new(sigset_guest mask, int flags, struct file **out) MUST_CHECK; /* SFD_* */
bool file_is_signalfd(const struct file *f);
void signalfd_set_mask(struct file *f, sigset_guest mask);

int epoll_new(int flags, struct file **out) MUST_CHECK;
bool file_is_epoll(const struct file *f);
/* The nth (from 0) file that ep watches under the number fd: its identity alone, no reference. NULL: there are not so many. */
const struct file *epoll_target(struct file *ep, int fd, unsigned nth);
/* epoll_ctl(2); fd is the number under which target was named. */
int epoll_control(struct file *ep, int op, int fd, struct file *target, const struct epoll_event *ev) MUST_CHECK;
/* Up to max events into out: their count, 0 at the deadline, -EINTR. */
int epoll_collect(struct task *t, struct file *ep, struct epoll_event *out, int max, int64_t deadline) MUST_CHECK;
/* Told by file_put() when f's last reference has gone, before f->ops->release: leaves every epoll. Cheap when f is in none. */
void epoll_file_gone(struct file *f);

/* Event files, inotify's too, seek to nowhere without an error; file_has_offset() and splices know them by this. */
off_t noop_seek(struct file *f, off_t off, int whence);

#endif
