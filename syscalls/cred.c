/* SPDX-License-Identifier: Apache-2.0 */
/* User and group ids, supplementary groups, capabilities: credentials(7), capabilities(7), setresuid(2), capget(2).
 *
 * Ids are per task, as in Linux; the C library makes threads agree. A change that is allowed builds a new struct cred and
 * publishes it; a change of effective ids makes the process undumpable and forgets the parent-death signal. */
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS_MAX = 65536 };
static const uint32_t keep = UINT32_MAX; /* -1: leave this id alone */

int64_t sys_getuid(struct task *t, const uint64_t a[6])
{
	(void)a;
	return t->cred->uid;
}

int64_t sys_geteuid(struct task *t, const uint64_t a[6])
{
	(void)a;
	return t->cred->euid;
}

int64_t sys_getgid(struct task *t, const uint64_t a[6])
{
	(void)a;
	return t->cred->gid;
}

int64_t sys_getegid(struct task *t, const uint64_t a[6])
{
	(void)a;
	return t->cred->egid;
}

static int write_three(struct task *t, const uint64_t a[6], uint32_t x, uint32_t y, uint32_t z)
{
	int r = guest_write(t->mm, a[0], &x, sizeof(x));

	if (!r)
		r = guest_write(t->mm, a[1], &y, sizeof(y));
	return r ? r : guest_write(t->mm, a[2], &z, sizeof(z));
}

int64_t sys_getresuid(struct task *t, const uint64_t a[6])
{
	return write_three(t, a, t->cred->uid, t->cred->euid, t->cred->suid);
}

int64_t sys_getresgid(struct task *t, const uint64_t a[6])
{
	return write_three(t, a, t->cred->gid, t->cred->egid, t->cred->sgid);
}

/* --- changing --- */

/* Publishes n, made from t->cred by cred_copy() and changed. */
static int64_t commit(struct task *t, struct cred *n)
{
	const struct cred *old = t->cred;
	bool effective = n->euid != old->euid || n->egid != old->egid || n->fsuid != old->fsuid || n->fsgid != old->fsgid;

	cred_fix_caps(n, old, t->keepcaps);
	if (effective) {
		mutex_lock(&tasks_lock);
		t->tg->dumpable = 0;
		t->pdeathsig = 0;
		mutex_unlock(&tasks_lock);
	}
	task_set_cred(t, n);
	return 0;
}

static int64_t refuse(struct cred *n)
{
	cred_put(n);
	return -EPERM;
}

static bool is_one_of(uint32_t id, uint32_t x, uint32_t y, uint32_t z)
{
	return id == x || id == y || id == z;
}

int64_t sys_setuid(struct task *t, const uint64_t a[6])
{
	uid_t uid = (uid_t)a[0];
	struct cred *n = uid == keep ? NULL : cred_copy(t->cred);

	if (!n)
		return uid == keep ? -EINVAL : -ENOMEM;
	if (cred_capable(n, CAP_SETUID))
		n->uid = n->suid = uid;
	else if (uid != n->uid && uid != n->suid)
		return refuse(n);
	n->euid = n->fsuid = uid;
	return commit(t, n);
}

int64_t sys_setgid(struct task *t, const uint64_t a[6])
{
	gid_t gid = (gid_t)a[0];
	struct cred *n = gid == keep ? NULL : cred_copy(t->cred);

	if (!n)
		return gid == keep ? -EINVAL : -ENOMEM;
	if (cred_capable(n, CAP_SETGID))
		n->gid = n->sgid = gid;
	else if (gid != n->gid && gid != n->sgid)
		return refuse(n);
	n->egid = n->fsgid = gid;
	return commit(t, n);
}

int64_t sys_setreuid(struct task *t, const uint64_t a[6])
{
	uid_t ruid = (uid_t)a[0], euid = (uid_t)a[1];
	const struct cred *o = t->cred;
	struct cred *n = cred_copy(o);

	if (!n)
		return -ENOMEM;
	bool any = cred_capable(o, CAP_SETUID);
	if (ruid != keep && !any && ruid != o->uid && ruid != o->euid)
		return refuse(n);
	if (euid != keep && !any && !is_one_of(euid, o->uid, o->euid, o->suid))
		return refuse(n);
	if (ruid != keep)
		n->uid = ruid;
	if (euid != keep)
		n->euid = euid;
	if (ruid != keep || (euid != keep && euid != o->uid))
		n->suid = n->euid;
	n->fsuid = n->euid;
	return commit(t, n);
}

int64_t sys_setregid(struct task *t, const uint64_t a[6])
{
	gid_t rgid = (gid_t)a[0], egid = (gid_t)a[1];
	const struct cred *o = t->cred;
	struct cred *n = cred_copy(o);

	if (!n)
		return -ENOMEM;
	bool any = cred_capable(o, CAP_SETGID);
	if (rgid != keep && !any && rgid != o->gid && rgid != o->egid)
		return refuse(n);
	if (egid != keep && !any && !is_one_of(egid, o->gid, o->egid, o->sgid))
		return refuse(n);
	if (rgid != keep)
		n->gid = rgid;
	if (egid != keep)
		n->egid = egid;
	if (rgid != keep || (egid != keep && egid != o->gid))
		n->sgid = n->egid;
	n->fsgid = n->egid;
	return commit(t, n);
}

int64_t sys_setresuid(struct task *t, const uint64_t a[6])
{
	const uid_t want[3] = { (uid_t)a[0], (uid_t)a[1], (uid_t)a[2] };
	const struct cred *o = t->cred;
	struct cred *n = cred_copy(o);

	if (!n)
		return -ENOMEM;
	for (int i = 0; i < 3; i++)
		if (want[i] != keep && !cred_capable(o, CAP_SETUID) && !is_one_of(want[i], o->uid, o->euid, o->suid))
			return refuse(n);
	if (want[0] != keep)
		n->uid = want[0];
	if (want[1] != keep)
		n->euid = want[1];
	if (want[2] != keep)
		n->suid = want[2];
	n->fsuid = n->euid;
	return commit(t, n);
}

int64_t sys_setresgid(struct task *t, const uint64_t a[6])
{
	const gid_t want[3] = { (gid_t)a[0], (gid_t)a[1], (gid_t)a[2] };
	const struct cred *o = t->cred;
	struct cred *n = cred_copy(o);

	if (!n)
		return -ENOMEM;
	for (int i = 0; i < 3; i++)
		if (want[i] != keep && !cred_capable(o, CAP_SETGID) && !is_one_of(want[i], o->gid, o->egid, o->sgid))
			return refuse(n);
	if (want[0] != keep)
		n->gid = want[0];
	if (want[1] != keep)
		n->egid = want[1];
	if (want[2] != keep)
		n->sgid = want[2];
	n->fsgid = n->egid;
	return commit(t, n);
}

/* setfsuid(2) and setfsgid(2) always return the old id and never fail. */
int64_t sys_setfsuid(struct task *t, const uint64_t a[6])
{
	uid_t uid = (uid_t)a[0], old = t->cred->fsuid;
	const struct cred *o = t->cred;

	if (uid == keep || (!is_one_of(uid, o->uid, o->euid, o->suid) && uid != old && !cred_capable(o, CAP_SETUID)))
		return old;
	struct cred *n = cred_copy(o);
	if (n) {
		n->fsuid = uid;
		commit(t, n);
	}
	return old;
}

int64_t sys_setfsgid(struct task *t, const uint64_t a[6])
{
	gid_t gid = (gid_t)a[0], old = t->cred->fsgid;
	const struct cred *o = t->cred;

	if (gid == keep || (!is_one_of(gid, o->gid, o->egid, o->sgid) && gid != old && !cred_capable(o, CAP_SETGID)))
		return old;
	struct cred *n = cred_copy(o);
	if (n) {
		n->fsgid = gid;
		commit(t, n);
	}
	return old;
}

/* --- supplementary groups --- */

int64_t sys_getgroups(struct task *t, const uint64_t a[6])
{
	int size = (int)a[0];
	const struct cred *c = t->cred;

	if (size < 0)
		return -EINVAL;
	if (!size)
		return (int64_t)c->group_count;
	if ((size_t)size < c->group_count)
		return -EINVAL;
	int r = guest_write(t->mm, a[1], c->groups, c->group_count * sizeof(gid_t));
	return r ? r : (int64_t)c->group_count;
}

int64_t sys_setgroups(struct task *t, const uint64_t a[6])
{
	int count = (int)a[0], r = -ENOMEM;
	const struct cred *o = t->cred;

	if (!cred_capable(o, CAP_SETGID))
		return -EPERM;
	if (count < 0 || count > GROUPS_MAX)
		return -EINVAL;
	gid_t *groups = malloc(((size_t)count + 1) * sizeof(gid_t));
	if (!groups)
		return -ENOMEM;
	if (count)
		r = guest_read(t->mm, groups, a[1], (size_t)count * sizeof(gid_t));
	struct cred *n = count && r < 0 ? NULL : cred_new(o->uid, o->gid, groups, (size_t)count);
	free(groups);
	if (!n)
		return r < 0 ? r : -ENOMEM;
	n->euid = o->euid;
	n->suid = o->suid;
	n->fsuid = o->fsuid;
	n->egid = o->egid;
	n->sgid = o->sgid;
	n->fsgid = o->fsgid;
	n->cap_permitted = o->cap_permitted;
	n->cap_effective = o->cap_effective;
	n->cap_inheritable = o->cap_inheritable;
	n->cap_bounding = o->cap_bounding;
	n->cap_ambient = o->cap_ambient;
	n->securebits = o->securebits;
	task_set_cred(t, n);
	return 0;
}

/* --- capabilities --- */

/* Reads the header: how many 32-bit words the caller's version has, and the pid. An unknown version is answered with ours. */
static int read_cap_header(struct task *t, uint64_t addr, int *words, int *pid)
{
	struct __user_cap_header_struct h;
	int r = guest_read(t->mm, &h, addr, sizeof(h));

	if (r < 0)
		return r;
	*pid = h.pid;
	switch (h.version) {
	case _LINUX_CAPABILITY_VERSION_1:
		*words = _LINUX_CAPABILITY_U32S_1;
		return 0;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		*words = _LINUX_CAPABILITY_U32S_3;
		return 0;
	default:
		h.version = _LINUX_CAPABILITY_VERSION_3;
		r = guest_write(t->mm, addr, &h, sizeof(h));
		return r ? r : -EINVAL;
	}
}

int64_t sys_capget(struct task *t, const uint64_t a[6])
{
	struct __user_cap_data_struct d[2];
	int words, pid;
	int r = read_cap_header(t, a[0], &words, &pid);

	/* A null data pointer asks for the version alone. */
	if (r == -EINVAL && !a[1])
		return 0;
	if (r < 0)
		return r;
	if (pid < 0)
		return -EINVAL;
	struct task *target = task_lookup(pid ? pid : t->tid);
	if (!target)
		return -ESRCH;
	struct cred *c = task_get_cred(target);
	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(c->cap_effective >> 32 * i);
		d[i].permitted = (uint32_t)(c->cap_permitted >> 32 * i);
		d[i].inheritable = (uint32_t)(c->cap_inheritable >> 32 * i);
	}
	cred_put(c);
	task_put(target);
	return a[1] ? guest_write(t->mm, a[1], d, (size_t)words * sizeof(d[0])) : 0;
}

int64_t sys_capset(struct task *t, const uint64_t a[6])
{
	struct __user_cap_data_struct d[2] = { 0 };
	const struct cred *o = t->cred;
	uint64_t effective, permitted, inheritable;
	int words, pid;
	int r = read_cap_header(t, a[0], &words, &pid);

	if (r < 0)
		return r;
	if (pid && pid != t->tid)
		return -EPERM;
	r = guest_read(t->mm, d, a[1], (size_t)words * sizeof(d[0]));
	if (r < 0)
		return r;
	effective = d[0].effective | (uint64_t)d[1].effective << 32;
	permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	if (!cred_capable(o, CAP_SETPCAP) && (inheritable & ~(o->cap_inheritable | o->cap_permitted)))
		return -EPERM;
	if ((inheritable & ~(o->cap_inheritable | o->cap_bounding)) || (permitted & ~o->cap_permitted) ||
	    (effective & ~permitted))
		return -EPERM;
	struct cred *n = cred_copy(o);
	if (!n)
		return -ENOMEM;
	n->cap_effective = effective;
	n->cap_permitted = permitted;
	n->cap_inheritable = inheritable;
	n->cap_ambient &= permitted & inheritable;
	task_set_cred(t, n);
	return 0;
}
