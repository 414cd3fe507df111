/* SPDX-License-Identifier: Apache-2.0 */
/* The system call table and its dispatcher. table.def has one row a call; everything that must know calls comes from it:
 * dispatch, tracing, `sbx syscalls`, the support page in docs, the counts in the report.
 *
 * A handler copies its arguments in once, works on the sentry's objects, copies results out. It returns the value, a negative errno, a
 * restart code (kernel/task.h) or SYSCALL_NO_RESULT. Narrow arguments (int, unsigned, mode_t) must be truncated by the handler as the
 * kernel's prototypes do: the upper half of a register is the guest's to choose.
 */
#ifndef SYSCALLS_SYSCALLS_H
#define SYSCALLS_SYSCALLS_H

#include "kernel/task.h"

typedef int64_t (*syscall_fn)(struct task *t, const uint64_t a[6]);

enum syscall_level { SYSCALL_NONE, SYSCALL_PARTIAL, SYSCALL_FULL };

struct syscall_entry {
	const char *name;
	const char *args; /* argument formats: see table.def */
	syscall_fn fn; /* NULL: ENOSYS, counted */
	enum syscall_level level;
	const char *note; /* the gap, "" if none */
};

enum { SYSCALL_MAX = 512 };

/* NULL for a number without a row. */
const struct syscall_entry *syscall_entry(uint64_t nr);
/* kernel_hooks.syscall. */
int64_t syscall_dispatch(struct task *t, const struct platform_event *ev);

struct syscall_count {
	uint64_t calls, errors, ns;
};
/* Calls so far by number; index SYSCALL_MAX is every number without a row. out has SYSCALL_MAX + 1 elements. */
void syscall_counts(struct syscall_count *out);
/* Counting time costs two clock reads a call: off unless the report asks. */
void syscall_count_time(bool on);
/* Writes `tid name(args) = result` for every call through log_debug(). */
void syscall_log(bool on);
/* One call as text, for the log: arguments by their formats, paths read from the guest. */
void syscall_format(struct task *t, uint64_t nr, const uint64_t args[6], char *buf, size_t size);

#define SYSCALL_DECLARE(name) int64_t sys_##name(struct task *t, const uint64_t a[6])
/* Every handler's prototype, from the table's rows. */
#define SYSCALL(number, name, formats, how, gap) SYSCALL_DECLARE(name);
#include "syscalls/table.def"
#undef SYSCALL

/* The kernel's struct sigevent: 64 bytes. */
struct sigevent_guest {
	uint64_t value;
	int32_t signo, notify, tid, pad[11];
};
_Static_assert(sizeof(struct sigevent_guest) == 64, "sigevent");

/* --- small helpers that every family uses --- */

/* A path argument: 0, -EFAULT, -ENAMETOOLONG. buf has PATH_MAX bytes. An empty path is the caller's to judge. */
int syscall_path(struct task *t, uint64_t addr, char *buf) MUST_CHECK;
/* A structure that newer kernels may have made longer, `size` bytes of it at addr: dst is zeroed and gets the `known` bytes that we know;
 * what the caller has beyond must be zero. -EINVAL below min, -E2BIG, -EFAULT. */
int syscall_read_extensible(struct task *t, void *dst, size_t known, size_t min, uint64_t addr, uint64_t size) MUST_CHECK;
struct file;
/* Two new descriptors, written to addr as an int[2], or none: 0, -EMFILE, -EFAULT. Takes over both references. */
int syscall_install_pair(struct task *t, struct file *one, struct file *two, bool cloexec, uint64_t addr) MUST_CHECK;
/* struct timespec at addr, checked: 0, -EFAULT, -EINVAL. A deadline: NO_DEADLINE when addr is 0. */
int syscall_timespec(struct task *t, uint64_t addr, int64_t *ns) MUST_CHECK;
int syscall_write_timespec(struct task *t, uint64_t addr, int64_t ns) MUST_CHECK;
/* kill(2) of one process, with its permissions: -ESRCH if it has been reaped, -EPERM, -EINVAL. */
int kill_process_locked(struct task *t, struct thread_group *tg, const siginfo_t *info) REQUIRES(tasks_lock) MUST_CHECK;
/* Ends CLONE_FILES sharing: unshare(2), execve(2). -ENOMEM. */
int syscall_own_files(struct task *t) MUST_CHECK;

#endif
