/* SPDX-License-Identifier: Apache-2.0 */
/* Processes as their relatives see them: waiting for children, sessions and process groups, processor time.
 * See wait(2), setpgid(2), setsid(2), getrusage(2), credentials(7). */
#ifndef KERNEL_PROCESS_H
#define KERNEL_PROCESS_H

#include "kernel/task.h"

/* --- waiting --- */

enum wait_kind { WAIT_FOR_ANY, WAIT_FOR_PID, WAIT_FOR_PGROUP, WAIT_FOR_GROUP };

struct wait_request {
	enum wait_kind kind;
	pid_t id; /* WAIT_FOR_PID, WAIT_FOR_PGROUP */
	struct thread_group *group; /* WAIT_FOR_GROUP: a pidfd's; the caller's reference */
	int options; /* as waitid(2) takes them */
};

struct wait_result {
	pid_t pid;
	uid_t uid;
	int status; /* as wait(2) encodes it */
	int code; /* CLD_* */
	struct rusage_acc usage; /* its own and that of the children it has waited for */
};

/* The pid that changed state, 0 with WNOHANG when none has, -ECHILD, or -ERESTARTSYS. */
int64_t process_wait(struct task *t, const struct wait_request *w, struct wait_result *out) MUST_CHECK;

/* CLD_* and si_status of a wait(2) status. */
int wait_status_code(int status);
int wait_status_value(int status);

/* --- sessions and process groups: as the calls of these names --- */

int64_t process_setsid(struct task *t);
int64_t process_setpgid(struct task *t, pid_t pid, pid_t pgid);
int64_t process_getpgid(struct task *t, pid_t pid);
int64_t process_getsid(struct task *t, pid_t pid);
/* Would pg, without `without` (may be NULL), have nobody in its session and outside itself who could continue it? */
bool pgroup_orphaned_locked(struct pgroup *pg, const struct thread_group *without) REQUIRES(tasks_lock);

/* --- resources --- */

/* May t use this input-output priority (ioprio_set(2)), for itself or one operation? -EINVAL, -EPERM. */
int ioprio_check(const struct task *t, int prio) MUST_CHECK;
void usage_add(struct rusage_acc *sum, const struct rusage_acc *u);
/* What the living and dead tasks of tg have used; of one task. No lock held. */
void group_usage(struct thread_group *tg, struct rusage_acc *out);
void task_usage(struct task *t, struct rusage_acc *out);
/* What all tasks of the sandbox that have ended used. */
void kernel_usage(struct rusage_acc *out);
/* Writes the limits that the mm enforces to t's mm. */
void rlimits_apply_locked(struct thread_group *tg, struct mm *mm) REQUIRES(tasks_lock);

/* --- groups as objects: pidfds --- */

void group_get(struct thread_group *tg);
void group_put(struct thread_group *tg);
/* With a reference, or NULL. Zombies count. */
struct thread_group *group_lookup(pid_t tgid);
bool group_is_zombie(struct thread_group *tg);

/* --- credentials --- */

/* Makes c (taken over) t's credentials. t is the caller. */
void task_set_cred(struct task *t, struct cred *c);
/* With a reference. */
struct cred *task_get_cred(struct task *t);
/* May t look into, or take over, target: the rule of ptrace(2), PTRACE_MODE_READ and _ATTACH with real credentials. */
bool task_may_access(struct task *t, struct task *target);
/* What execve does to credentials: capabilities(7). NULL: no memory. */
struct cred *cred_exec(const struct cred *c, bool no_new_privs) MUST_CHECK;
/* What a change of user ids does to capabilities, from old to the new ids in c. */
void cred_fix_caps(struct cred *c, const struct cred *old, bool keepcaps);

#endif
