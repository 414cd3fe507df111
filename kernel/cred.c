/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: see credentials(7), capabilities(7). Objects are immutable once a task has them; a change makes a new one. */
#include "kernel/cred.h"
#include "kernel/process.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>

enum { MAY_FS_CAPS_COUNT = 8 };
/* The capabilities that change hands with fsuid. */
static const int fs_caps[MAY_FS_CAPS_COUNT] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_LINUX_IMMUTABLE, CAP_MKNOD, CAP_MAC_OVERRIDE,
};

static int compare_gids(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

	return x < y ? -1 : x > y;
}

struct cred *cred_new(uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
	struct cred *c = calloc(1, sizeof(*c) + count * sizeof(gid_t));

	if (!c)
		return NULL;
	ref_init(&c->ref);
	c->uid = c->euid = c->suid = c->fsuid = uid;
	c->gid = c->egid = c->sgid = c->fsgid = gid;
	c->group_count = count;
	if (count) {
		memcpy(c->groups, groups, count * sizeof(gid_t));
		qsort(c->groups, count, sizeof(gid_t), compare_gids);
	}
	return c;
}

struct cred *cred_copy(const struct cred *c)
{
	size_t size = sizeof(*c) + c->group_count * sizeof(gid_t);
	struct cred *copy = malloc(size);

	if (!copy)
		return NULL;
	copy->uid = c->uid;
	copy->euid = c->euid;
	copy->suid = c->suid;
	copy->fsuid = c->fsuid;
	copy->gid = c->gid;
	copy->egid = c->egid;
	copy->sgid = c->sgid;
	copy->fsgid = c->fsgid;
	copy->cap_permitted = c->cap_permitted;
	copy->cap_effective = c->cap_effective;
	copy->cap_inheritable = c->cap_inheritable;
	copy->cap_bounding = c->cap_bounding;
	copy->cap_ambient = c->cap_ambient;
	copy->securebits = c->securebits;
	copy->group_count = c->group_count;
	memcpy(copy->groups, c->groups, c->group_count * sizeof(gid_t));
	ref_init(&copy->ref);
	return copy;
}

void cred_get(struct cred *c)
{
	ref_get(&c->ref);
}

void cred_put(struct cred *c)
{
	if (ref_put(&c->ref))
		free(c);
}

bool cred_in_group(const struct cred *c, gid_t gid)
{
	return c->fsgid == gid || bsearch(&gid, c->groups, c->group_count, sizeof(gid_t), compare_gids);
}

bool cred_capable(const struct cred *c, int cap)
{
	return c->cap_effective >> cap & 1;
}

static uint64_t fs_cap_mask(void)
{
	uint64_t mask = 0;

	for (int i = 0; i < MAY_FS_CAPS_COUNT; i++)
		mask |= 1ULL << fs_caps[i];
	return mask;
}

void cred_fix_caps(struct cred *c, const struct cred *old, bool keepcaps)
{
	bool was_root = !old->uid || !old->euid || !old->suid;

	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (was_root && c->uid && c->euid && c->suid) {
		if (!keepcaps)
			c->cap_permitted = c->cap_effective = 0;
		c->cap_ambient = 0;
	}
	if (!old->euid && c->euid)
		c->cap_effective = 0;
	if (old->euid && !c->euid)
		c->cap_effective = c->cap_permitted;
	if (!old->fsuid && c->fsuid)
		c->cap_effective &= ~fs_cap_mask();
	if (old->fsuid && !c->fsuid)
		c->cap_effective |= c->cap_permitted & fs_cap_mask();
}

struct cred *cred_exec(const struct cred *c, bool no_new_privs)
{
	struct cred *n = cred_copy(c);
	bool root = !c->euid || !c->uid;

	if (!n)
		return NULL;
	n->suid = n->fsuid = n->euid;
	n->sgid = n->fsgid = n->egid;
	if (root && !(c->securebits & SECBIT_NOROOT)) {
		n->cap_permitted = c->cap_inheritable | c->cap_bounding;
		if (no_new_privs)
			n->cap_permitted &= c->cap_permitted;
		n->cap_ambient = 0;
		n->cap_effective = c->euid ? 0 : n->cap_permitted;
	} else {
		n->cap_permitted = n->cap_effective = c->cap_ambient;
	}
	n->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
	return n;
}

/* --- a task's credentials --- */

void task_set_cred(struct task *t, struct cred *c)
{
	mutex_lock(&tasks_lock);
	struct cred *old = t->cred;

	t->cred = c;
	mutex_unlock(&tasks_lock);
	cred_put(old);
}

struct cred *task_get_cred(struct task *t)
{
	mutex_lock(&tasks_lock);
	struct cred *c = t->cred;

	cred_get(c);
	mutex_unlock(&tasks_lock);
	return c;
}

bool task_may_access(struct task *t, struct task *target)
{
	if (t->tg == target->tg)
		return true;
	struct cred *theirs = task_get_cred(target);
	const struct cred *c = t->cred;
	bool same = c->uid == theirs->uid && c->uid == theirs->euid && c->uid == theirs->suid && c->gid == theirs->gid &&
		    c->gid == theirs->egid && c->gid == theirs->sgid;
	bool superset = !(theirs->cap_permitted & ~c->cap_permitted);
	bool override = cred_capable(c, CAP_SYS_PTRACE);

	cred_put(theirs);
	mutex_lock(&tasks_lock);
	bool dumpable = target->tg->dumpable == 1;
	mutex_unlock(&tasks_lock);
	return (same && superset && dumpable) || override;
}
