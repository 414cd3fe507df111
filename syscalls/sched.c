/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling: sched(7), nice(2), ioprio_set(2). What a guest sets is checked and remembered, so that it reads back what it wrote;
 * the host schedules the sandbox as it likes. Only giving up the processor is real. */
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>

#ifndef SCHED_RESET_ON_FORK
#define SCHED_RESET_ON_FORK 0x40000000
#endif

enum { POLICY_NORMAL = 0, POLICY_FIFO = 1, POLICY_RR = 2, POLICY_BATCH = 3, POLICY_IDLE = 5, POLICY_DEADLINE = 6 };

int64_t sys_sched_yield(struct task *t, const uint64_t a[6])
{
	(void)t, (void)a;
	/* The guest's thread shares this thread's processor, so who waits there gets it. */
	sched_yield();
	return 0;
}

int64_t sys_getcpu(struct task *t, const uint64_t a[6])
{
	unsigned cpu = 0, node = 0;
	int r = 0;

	if (getcpu(&cpu, &node) < 0)
		cpu = node = 0;
	if (a[0])
		r = guest_write(t->mm, a[0], &cpu, sizeof(cpu));
	if (!r && a[1])
		r = guest_write(t->mm, a[1], &node, sizeof(node));
	return r;
}

/* The task a call names (0: the caller), with a reference, or NULL. */
static struct task *target_of(struct task *t, pid_t pid)
{
	return task_lookup(pid ? pid : t->tid);
}

/* sched_setaffinity(2): the caller's effective uid against the target's real and effective ones. */
static bool may_schedule(struct task *t, struct task *target)
{
	struct cred *o = task_get_cred(target);
	bool ok = t->cred->euid == o->euid || t->cred->euid == o->uid || cred_capable(t->cred, CAP_SYS_NICE);

	cred_put(o);
	return ok;
}

/* --- affinity --- */

static size_t affinity_bytes(void)
{
	size_t last = 0;

	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, kernel_cpus()))
			last = i;
	return (last / 64 + 1) * 8;
}

int64_t sys_sched_getaffinity(struct task *t, const uint64_t a[6])
{
	size_t size = (unsigned)a[1], need = affinity_bytes();
	cpu_set_t set;

	if (size < need || size & 7)
		return -EINVAL;
	struct task *target = target_of(t, (pid_t)a[0]);
	if (!target)
		return -ESRCH;
	mutex_lock(&tasks_lock);
	set = target->affinity;
	mutex_unlock(&tasks_lock);
	task_put(target);
	int r = guest_write(t->mm, a[2], &set, need);
	return r ? r : (int64_t)need;
}

int64_t sys_sched_setaffinity(struct task *t, const uint64_t a[6])
{
	size_t size = MIN((size_t)(unsigned)a[1], sizeof(cpu_set_t));
	cpu_set_t set;
	int r;

	CPU_ZERO(&set);
	r = guest_read(t->mm, &set, a[2], size);
	if (r < 0)
		return r;
	struct task *target = target_of(t, (pid_t)a[0]);
	if (!target)
		return -ESRCH;
	CPU_AND(&set, &set, kernel_cpus());
	if (!may_schedule(t, target)) {
		r = -EPERM;
	} else if (!CPU_COUNT(&set)) {
		r = -EINVAL;
	} else {
		mutex_lock(&tasks_lock);
		target->affinity = set;
		mutex_unlock(&tasks_lock);
	}
	task_put(target);
	return r;
}

/* --- policies --- */

static bool is_realtime(int policy)
{
	return policy == POLICY_FIFO || policy == POLICY_RR;
}

static bool policy_known(int policy)
{
	return policy == POLICY_NORMAL || is_realtime(policy) || policy == POLICY_BATCH || policy == POLICY_IDLE;
}

/* What a call wants to be changed. */
struct sched_change {
	int policy; /* -1: as it is, the priority's range and the flag with it */
	int priority;
	bool keep_params; /* priority and nice value stay as they are */
	bool reset_on_fork;
	bool has_nice;
	int nice;
};

/* What sched_setscheduler(2) and sched(7) let the owner of a task do without CAP_SYS_NICE. */
static bool owner_may_locked(const struct task *target, const struct sched_change *c) REQUIRES(tasks_lock)
{
	int64_t rt_limit = (int64_t)MIN(target->tg->rlimits[RLIMIT_RTPRIO].rlim_cur, 99);

	if (is_realtime(c->policy)) {
		if (c->policy != target->sched_policy && !rt_limit)
			return false;
		if (c->priority > target->sched_priority && c->priority > rt_limit)
			return false;
	} else if (c->has_nice && c->nice < target->nice && !task_may_have_nice_locked(target, c->nice)) {
		return false;
	}
	if (target->sched_policy == POLICY_IDLE && c->policy != POLICY_IDLE && !task_may_have_nice_locked(target, target->nice))
		return false;
	return c->reset_on_fork || !target->sched_reset_on_fork;
}

static int change_locked(struct task *t, struct task *target, bool owner, struct sched_change c) REQUIRES(tasks_lock)
{
	if (c.policy < 0) {
		c.policy = target->sched_policy;
		c.reset_on_fork |= target->sched_reset_on_fork;
	}
	if (c.keep_params) {
		c.priority = target->sched_priority;
		c.has_nice = false;
	}
	if (is_realtime(c.policy) ? c.priority < 1 || c.priority > 99 : c.priority != 0)
		return -EINVAL;
	if (!cred_capable(t->cred, CAP_SYS_NICE) && (!owner || !owner_may_locked(target, &c)))
		return -EPERM;
	target->sched_policy = c.policy;
	target->sched_priority = c.priority;
	target->sched_reset_on_fork = c.reset_on_fork;
	if (c.has_nice && !is_realtime(c.policy))
		target->nice = c.nice;
	return 0;
}

static int change_scheduling(struct task *t, pid_t pid, const struct sched_change *c)
{
	if (c->policy >= 0 && !policy_known(c->policy))
		return c->policy == POLICY_DEADLINE ? -EPERM : -EINVAL;
	struct task *target = target_of(t, pid);
	if (!target)
		return -ESRCH;
	bool owner = may_schedule(t, target);

	mutex_lock(&tasks_lock);
	int r = change_locked(t, target, owner, *c);

	mutex_unlock(&tasks_lock);
	task_put(target);
	return r;
}

int64_t sys_sched_setscheduler(struct task *t, const uint64_t a[6])
{
	struct sched_change c = { .policy = (int)a[1] & ~SCHED_RESET_ON_FORK, .reset_on_fork = a[1] & SCHED_RESET_ON_FORK };

	if ((pid_t)a[0] < 0 || (int)a[1] < 0 || !a[2])
		return -EINVAL;
	int r = guest_read(t->mm, &c.priority, a[2], sizeof(c.priority));
	return r ? r : change_scheduling(t, (pid_t)a[0], &c);
}

int64_t sys_sched_setparam(struct task *t, const uint64_t a[6])
{
	struct sched_change c = { .policy = -1 };

	if ((pid_t)a[0] < 0 || !a[1])
		return -EINVAL;
	int r = guest_read(t->mm, &c.priority, a[1], sizeof(c.priority));
	return r ? r : change_scheduling(t, (pid_t)a[0], &c);
}

struct sched_view {
	int policy, priority, nice;
	bool reset_on_fork;
};

static int view_of(struct task *t, pid_t pid, struct sched_view *v)
{
	if (pid < 0)
		return -EINVAL;
	struct task *target = target_of(t, pid);
	if (!target)
		return -ESRCH;
	mutex_lock(&tasks_lock);
	*v = (struct sched_view){ target->sched_policy, target->sched_priority, target->nice, target->sched_reset_on_fork };
	mutex_unlock(&tasks_lock);
	task_put(target);
	return 0;
}

int64_t sys_sched_getscheduler(struct task *t, const uint64_t a[6])
{
	struct sched_view v;
	int r = view_of(t, (pid_t)a[0], &v);

	return r ? r : v.policy | (v.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

int64_t sys_sched_getparam(struct task *t, const uint64_t a[6])
{
	struct sched_view v;

	if (!a[1])
		return -EINVAL;
	int r = view_of(t, (pid_t)a[0], &v);
	return r ? r : guest_write(t->mm, a[1], &v.priority, sizeof(v.priority));
}

struct sched_attr_guest { /* struct sched_attr up to SCHED_ATTR_SIZE_VER1 */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
enum { SCHED_ATTR_VER0 = 48 };

/* sched_setattr(2): a longer structure than is known here passes if what is unknown is zero; if not, the caller is told the size. */
static int read_attr(struct task *t, uint64_t addr, struct sched_attr_guest *attr)
{
	const uint32_t known = sizeof(*attr);
	unsigned char rest[PAGE_SIZE];
	uint32_t size;
	int r = guest_read(t->mm, &size, addr, sizeof(size));

	if (r < 0)
		return r;
	if (!size)
		size = SCHED_ATTR_VER0;
	if (size < SCHED_ATTR_VER0 || size > PAGE_SIZE)
		goto out_size;
	r = guest_read(t->mm, attr, addr, MIN(size, known));
	if (r < 0 || size <= known)
		return r;
	r = guest_read(t->mm, rest, addr + known, size - known);
	for (uint32_t i = 0; !r && i < size - known; i++)
		if (rest[i])
			goto out_size;
	return r;
out_size:
	r = guest_write(t->mm, addr, &known, sizeof(known));
	return r < 0 ? r : -E2BIG;
}

int64_t sys_sched_setattr(struct task *t, const uint64_t a[6])
{
	struct sched_attr_guest attr = { 0 };

	if (!a[1] || (pid_t)a[0] < 0 || (unsigned)a[2])
		return -EINVAL;
	int r = read_attr(t, a[1], &attr);
	if (r < 0)
		return r;
	if ((int)attr.policy < 0)
		return -EINVAL;
	if (attr.flags & (SCHED_FLAG_UTIL_CLAMP_MIN | SCHED_FLAG_UTIL_CLAMP_MAX))
		return -EOPNOTSUPP;
	if (attr.flags & ~(uint64_t)SCHED_FLAG_ALL)
		return -EINVAL;
	const struct sched_change c = {
		.policy = attr.flags & SCHED_FLAG_KEEP_POLICY ? -1 : (int)attr.policy,
		.priority = (int)attr.priority,
		.keep_params = attr.flags & SCHED_FLAG_KEEP_PARAMS,
		.reset_on_fork = attr.flags & SCHED_FLAG_RESET_ON_FORK,
		.has_nice = true,
		.nice = MAX(-20, MIN(attr.nice, 19)),
	};
	return change_scheduling(t, (pid_t)a[0], &c);
}

int64_t sys_sched_getattr(struct task *t, const uint64_t a[6])
{
	struct sched_view v;
	uint32_t size = (uint32_t)a[2];

	if (!a[1] || size > PAGE_SIZE || size < SCHED_ATTR_VER0 || (unsigned)a[3])
		return -EINVAL;
	int r = view_of(t, (pid_t)a[0], &v);
	if (r < 0)
		return r;
	struct sched_attr_guest attr = {
		.size = MIN(size, (uint32_t)sizeof(attr)),
		.policy = (uint32_t)v.policy,
		.flags = v.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0,
		.nice = v.nice,
		.priority = (uint32_t)v.priority,
		.util_max = 1024,
	};
	return guest_write(t->mm, a[1], &attr, attr.size);
}

int64_t sys_sched_get_priority_max(struct task *t, const uint64_t a[6])
{
	(void)t;
	int policy = (int)a[0];

	if (is_realtime(policy))
		return 99;
	return policy_known(policy) || policy == POLICY_DEADLINE ? 0 : -EINVAL;
}

int64_t sys_sched_get_priority_min(struct task *t, const uint64_t a[6])
{
	(void)t;
	int policy = (int)a[0];

	if (is_realtime(policy))
		return 1;
	return policy_known(policy) || policy == POLICY_DEADLINE ? 0 : -EINVAL;
}

int64_t sys_sched_rr_get_interval(struct task *t, const uint64_t a[6])
{
	struct sched_view v;
	int r = view_of(t, (pid_t)a[0], &v);

	if (r < 0)
		return r;
	int64_t ns = v.policy == POLICY_FIFO ? 0 : v.policy == POLICY_RR ? 100000000 : 4000000;
	return syscall_write_timespec(t, a[1], ns);
}
