/* SPDX-License-Identifier: Apache-2.0 */
/* prctl(2) and arch_prctl(2). Options that would change the host thread are remembered and read back, or refused as a kernel built
 * without them refuses. */
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/seccomp.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <string.h>

enum { LAST_CAP = 40, TIMER_SLACK_DEFAULT_NS = 50000 };

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif

static int64_t set_name(struct task *t, uint64_t addr)
{
	char name[16] = { 0 };
	ssize_t n = guest_read_string(t->mm, name, addr, sizeof(name));

	/* Longer names are cut. */
	if (n < 0 && n != -ENAMETOOLONG)
		return n;
	name[15] = '\0';
	mutex_lock(&tasks_lock);
	memset(t->comm, 0, sizeof(t->comm));
	memcpy(t->comm, name, strnlen(name, sizeof(name)));
	mutex_unlock(&tasks_lock);
	return 0;
}

static int64_t get_name(struct task *t, uint64_t addr)
{
	char name[16];

	mutex_lock(&tasks_lock);
	memcpy(name, t->comm, sizeof(name));
	mutex_unlock(&tasks_lock);
	return guest_write(t->mm, addr, name, sizeof(name));
}

static int64_t set_group_flag(struct task *t, int option, uint64_t value)
{
	struct thread_group *tg = t->tg;
	int64_t r = 0;

	mutex_lock(&tasks_lock);
	switch (option) {
	case PR_SET_DUMPABLE:
		if (value > 1)
			r = -EINVAL;
		else
			tg->dumpable = (int)value;
		break;
	case PR_SET_CHILD_SUBREAPER:
		tg->child_subreaper = value;
		break;
	case PR_SET_PDEATHSIG:
		if (value > SIGNAL_COUNT)
			r = -EINVAL;
		else
			t->pdeathsig = (int)value;
		break;
	default:
		r = -EINVAL;
	}
	mutex_unlock(&tasks_lock);
	return r;
}

static int64_t get_group_flag(struct task *t, int option)
{
	mutex_lock(&tasks_lock);
	int value = option == PR_GET_DUMPABLE	       ? t->tg->dumpable :
		    option == PR_GET_CHILD_SUBREAPER ? t->tg->child_subreaper :
						       t->pdeathsig;
	mutex_unlock(&tasks_lock);
	return value;
}

/* --- capabilities and securebits --- */

static int64_t drop_bounding(struct task *t, uint64_t cap)
{
	if (!cred_capable(t->cred, CAP_SETPCAP))
		return -EPERM;
	if (cap > LAST_CAP)
		return -EINVAL;
	struct cred *n = cred_copy(t->cred);
	if (!n)
		return -ENOMEM;
	n->cap_bounding &= ~(1ULL << cap);
	task_set_cred(t, n);
	return 0;
}

static int64_t change_ambient(struct task *t, uint64_t op, uint64_t cap)
{
	const struct cred *o = t->cred;
	uint64_t bit;

	if (op == PR_CAP_AMBIENT_CLEAR_ALL ? cap : cap > LAST_CAP)
		return -EINVAL;
	bit = 1ULL << cap;
	if (op == PR_CAP_AMBIENT_IS_SET)
		return !!(o->cap_ambient & bit);
	if (op < PR_CAP_AMBIENT_IS_SET || op > PR_CAP_AMBIENT_CLEAR_ALL)
		return -EINVAL;
	if (op == PR_CAP_AMBIENT_RAISE && (!(o->cap_permitted & bit) || !(o->cap_inheritable & bit) ||
					   (o->securebits & SECBIT_NO_CAP_AMBIENT_RAISE)))
		return -EPERM;
	struct cred *n = cred_copy(o);
	if (!n)
		return -ENOMEM;
	if (op == PR_CAP_AMBIENT_RAISE)
		n->cap_ambient |= bit;
	else
		n->cap_ambient = op == PR_CAP_AMBIENT_LOWER ? n->cap_ambient & ~bit : 0;
	task_set_cred(t, n);
	return 0;
}

static int64_t set_keepcaps(struct task *t, uint64_t value)
{
	if (value > 1)
		return -EINVAL;
	if (t->cred->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	t->keepcaps = value;
	return 0;
}

/* --- the rest --- */

/* Memory is named for the reader of /proc/PID/maps alone; what cannot be a name is refused as Linux refuses it. */
static int64_t set_vma(struct task *t, const uint64_t a[6])
{
	char name[80];

	if (a[1] != PR_SET_VMA_ANON_NAME || (a[2] & ~PAGE_MASK))
		return -EINVAL;
	if (!a[4])
		return 0;
	ssize_t n = guest_read_string(t->mm, name, a[4], sizeof(name));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	for (ssize_t i = 0; i < n; i++)
		if (name[i] < 0x20 || name[i] == 0x7f || strchr("\\`$[]", name[i]))
			return -EINVAL;
	return 0;
}

static int64_t set_timer_slack(struct task *t, uint64_t ns)
{
	t->timer_slack = (int64_t)ns <= 0 ? TIMER_SLACK_DEFAULT_NS : ns;
	return 0;
}

static int64_t set_seccomp(struct task *t, uint64_t mode, uint64_t filter)
{
	switch (mode) {
	case SECCOMP_MODE_STRICT:
		return seccomp_operation(t, SECCOMP_SET_MODE_STRICT, 0, 0);
	case SECCOMP_MODE_FILTER:
		return seccomp_operation(t, SECCOMP_SET_MODE_FILTER, 0, filter);
	default:
		return -EINVAL;
	}
}

static int64_t set_no_new_privs(struct task *t, const uint64_t a[6])
{
	if (a[1] != 1 || a[2] || a[3] || a[4])
		return -EINVAL;
	t->no_new_privs = true;
	return 0;
}

/* Options about the task's group and name. -ENOSYS: not one of them. */
static int64_t prctl_identity(struct task *t, int option, const uint64_t a[6])
{
	int value;

	switch (option) {
	case PR_SET_NAME:
		return set_name(t, a[1]);
	case PR_GET_NAME:
		return get_name(t, a[1]);
	case PR_SET_DUMPABLE:
	case PR_SET_PDEATHSIG:
	case PR_SET_CHILD_SUBREAPER:
		return set_group_flag(t, option, a[1]);
	case PR_GET_DUMPABLE:
		return get_group_flag(t, option);
	case PR_GET_PDEATHSIG:
	case PR_GET_CHILD_SUBREAPER:
		value = (int)get_group_flag(t, option);
		return guest_write(t->mm, a[1], &value, sizeof(value));
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(t, a);
	case PR_GET_NO_NEW_PRIVS:
		return a[1] || a[2] || a[3] || a[4] ? -EINVAL : t->no_new_privs;
	case PR_SET_TIMERSLACK:
		return set_timer_slack(t, a[1]);
	case PR_GET_TIMERSLACK:
		return (int64_t)t->timer_slack;
	default:
		return -ENOSYS;
	}
}

static int64_t prctl_caps(struct task *t, int option, const uint64_t a[6])
{
	switch (option) {
	case PR_SET_KEEPCAPS:
		return set_keepcaps(t, a[1]);
	case PR_GET_KEEPCAPS:
		return t->keepcaps;
	case PR_CAPBSET_READ:
		return a[1] > LAST_CAP ? -EINVAL : (int64_t)(t->cred->cap_bounding >> a[1] & 1);
	case PR_CAPBSET_DROP:
		return drop_bounding(t, a[1]);
	case PR_CAP_AMBIENT:
		return change_ambient(t, a[1], a[2]);
	case PR_GET_SECUREBITS:
		return t->cred->securebits | (t->keepcaps ? 1 << SECURE_KEEP_CAPS : 0);
	case PR_SET_SECUREBITS:
		return -EPERM; /* needs CAP_SETPCAP */
	default:
		return -ENOSYS;
	}
}

int64_t sys_prctl(struct task *t, const uint64_t a[6])
{
	int option = (int)a[0], zero = 0;
	int64_t r = prctl_identity(t, option, a);

	if (r == -ENOSYS)
		r = prctl_caps(t, option, a);
	if (r != -ENOSYS)
		return r;
	switch (option) {
	case PR_SET_VMA:
		return set_vma(t, a);
	case PR_SET_MM:
		return -EPERM; /* needs CAP_SYS_RESOURCE */
	case PR_SET_PTRACER:
	case PR_SET_THP_DISABLE:
	case PR_MCE_KILL:
		return 0;
	case PR_GET_THP_DISABLE:
	case PR_GET_TIMING:
	case PR_GET_MDWE:
	case PR_GET_IO_FLUSHER:
		return 0;
	case PR_SET_TIMING:
		return a[1] ? -EINVAL : 0;
	case PR_GET_TSC:
		zero = PR_TSC_ENABLE;
		return guest_write(t->mm, a[1], &zero, sizeof(zero));
	case PR_SET_TSC:
		return a[1] == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_GET_TID_ADDRESS:
		return guest_write(t->mm, a[1], &t->clear_child_tid, sizeof(t->clear_child_tid));
	case PR_GET_SECCOMP:
		return atomic_load(&t->seccomp_mode);
	case PR_SET_SECCOMP:
		return set_seccomp(t, a[1], a[2]);
	case PR_GET_SPECULATION_CTRL:
		return -EINVAL;
	default:
		return -EINVAL;
	}
}

/* --- arch_prctl --- */

enum {
	ARCH_SET_GS_BASE = 0x1001, ARCH_SET_FS_BASE, ARCH_GET_FS_BASE, ARCH_GET_GS_BASE,
	ARCH_GET_CPUID_ON = 0x1011, ARCH_SET_CPUID_ON,
};

int64_t sys_arch_prctl(struct task *t, const uint64_t a[6])
{
	struct user_regs_struct *regs = platform_regs(t->ctx);
	uint64_t base;

	switch ((int)a[0]) {
	case ARCH_SET_FS_BASE:
	case ARCH_SET_GS_BASE:
		if (a[1] >= platform_max_addr())
			return -EPERM;
		if ((int)a[0] == ARCH_SET_FS_BASE)
			regs->fs_base = a[1];
		else
			regs->gs_base = a[1];
		platform_regs_changed(t->ctx);
		return 0;
	case ARCH_GET_FS_BASE:
	case ARCH_GET_GS_BASE:
		base = (int)a[0] == ARCH_GET_FS_BASE ? regs->fs_base : regs->gs_base;
		return guest_write(t->mm, a[1], &base, sizeof(base));
	case ARCH_GET_CPUID_ON:
		return 1;
	case ARCH_SET_CPUID_ON:
		return -ENODEV;
	default:
		return -EINVAL;
	}
}
