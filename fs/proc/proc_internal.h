/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of /proc: generators that write one file's contents. tree.c puts them into directories. */
#ifndef FS_PROC_INTERNAL_H
#define FS_PROC_INTERNAL_H

#include "base/text.h"
#include "kernel/task.h"

/* Whole-system files: system.c, sysctl.c */
void proc_cmdline_text(struct text *out);
void proc_cpuinfo(struct text *out);
void proc_filesystems(struct text *out);
void proc_loadavg(struct text *out);
void proc_meminfo(struct text *out);
void proc_stat(struct text *out);
void proc_uptime(struct text *out);
void proc_version(struct text *out);

/* sysvipc.c */
void proc_sysvipc_msg(struct text *out);
void proc_sysvipc_sem(struct text *out);
void proc_sysvipc_shm(struct text *out);

struct proc_sysctl {
	const char *path; /* below /proc/sys */
	void (*text)(struct text *out); /* NULL: `value` */
	const char *value;
};
/* Sorted by path. */
extern const struct proc_sysctl proc_sysctls[];
extern const size_t proc_sysctl_count;

/* One piece of a long text is about so long. */
enum { PROC_PIECE = 16 << 10 };

/* Files of one task, which is alive or a zombie (mm may be NULL then): pid.c, pid_maps.c */
void proc_pid_cgroup(struct text *out, struct task *t);
void proc_pid_comm(struct text *out, struct task *t);
void proc_pid_cmdline(struct text *out, struct task *t, uint64_t *cursor);
void proc_pid_environ(struct text *out, struct task *t, uint64_t *cursor);
void proc_pid_auxv(struct text *out, struct task *t);
void proc_pid_io(struct text *out, struct task *t);
void proc_pid_limits(struct text *out, struct task *t);
void proc_pid_maps(struct text *out, struct task *t, uint64_t *cursor);
void proc_pid_smaps(struct text *out, struct task *t, uint64_t *cursor);
void proc_pid_smaps_rollup(struct text *out, struct task *t);
void proc_pid_oom_score_adj(struct text *out, struct task *t);
void proc_pid_oom_score(struct text *out, struct task *t);
void proc_pid_sched(struct text *out, struct task *t);
void proc_pid_schedstat(struct text *out, struct task *t);
void proc_pid_stat(struct text *out, struct task *t); /* the process's figures */
void proc_task_stat(struct text *out, struct task *t); /* the thread's */
void proc_pid_statm(struct text *out, struct task *t);
void proc_pid_status(struct text *out, struct task *t);
void proc_pid_wchan(struct text *out, struct task *t);
void proc_pid_personality(struct text *out, struct task *t);
void proc_pid_loginuid(struct text *out, struct task *t);
void proc_pid_uid_map(struct text *out, struct task *t);
void proc_pid_mounts(struct text *out, struct task *t);
void proc_pid_mountinfo(struct text *out, struct task *t);

/* The task's mm with a reference (mm_put), or NULL. */
struct mm *proc_mm_get(struct task *t);

/* Clock ticks of /proc (USER_HZ). */
enum { PROC_HZ = 100 };
static inline uint64_t proc_ticks(int64_t ns)
{
	return (uint64_t)(ns / (1000000000 / PROC_HZ));
}

#endif
