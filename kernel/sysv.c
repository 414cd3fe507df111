/* SPDX-License-Identifier: Apache-2.0 */
/* What System V objects share: the table of ids, keys, permissions. An id is slot + (generation << 15), as in Linux, so an id of
 * what was removed is told from one that never was. Slots are reused lowest first. */
#include "kernel/sysv.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

enum { SLOT_BITS = 15, GENERATIONS = 1 << (31 - SLOT_BITS) };

struct mutex sysv_lock = MUTEX_INITIALIZER;

static struct table {
	struct sysv_object **slots;
	int room, count;
	int next; /* above the slot that was given out last */
	int generation;
} tables[SYSV_KINDS] GUARDED_BY(sysv_lock);

/* Objects of a kind at most: shmmni, semmni, msgmni. */
static const int limits[SYSV_KINDS] = { 4096, 32000, 32000 };

void sysv_put(struct sysv_object *o)
{
	if (o && ref_put(&o->ref))
		o->free(o);
}

int sysv_find_locked(enum sysv_kind kind, int id, struct sysv_object **out)
{
	struct sysv_object *o = id < 0 ? NULL : sysv_slot_locked(kind, id & ((1 << SLOT_BITS) - 1));

	if (o && o->id != id) {
		ref_put(&o->ref); /* never the last: the table has one */
		o = NULL;
	}
	*out = o;
	return o ? 0 : -EINVAL;
}

struct sysv_object *sysv_slot_locked(enum sysv_kind kind, int index)
{
	struct table *tab = &tables[kind];

	if (index < 0 || index >= tab->room || !tab->slots[index])
		return NULL;
	ref_get(&tab->slots[index]->ref);
	return tab->slots[index];
}

int sysv_highest_locked(enum sysv_kind kind, int *count)
{
	int i = tables[kind].room;

	*count = tables[kind].count;
	while (i > 0 && !tables[kind].slots[i - 1])
		i--;
	return i ? i - 1 : 0;
}

static struct sysv_object *find_key(enum sysv_kind kind, key_t key) REQUIRES(sysv_lock)
{
	const struct table *tab = &tables[kind];

	for (int i = 0; key != IPC_PRIVATE && i < tab->room; i++)
		if (tab->slots[i] && tab->slots[i]->key == key)
			return tab->slots[i];
	return NULL;
}

/* A free slot, or -ENOSPC, -ENOMEM. */
static int find_slot(enum sysv_kind kind) REQUIRES(sysv_lock)
{
	struct table *tab = &tables[kind];
	struct sysv_object **slots;
	int i = 0, room;

	if (tab->count >= limits[kind])
		return -ENOSPC;
	while (i < tab->room && tab->slots[i])
		i++;
	if (i < tab->room)
		return i;
	room = tab->room ? tab->room * 2 : 16;
	slots = realloc(tab->slots, (size_t)room * sizeof(struct sysv_object *));
	if (!slots)
		return -ENOMEM;
	for (int k = tab->room; k < room; k++)
		slots[k] = NULL;
	tab->slots = slots;
	tab->room = room;
	return i;
}

static int add_new(struct task *t, const struct sysv_get *g) REQUIRES(sysv_lock)
{
	struct table *tab = &tables[g->kind];
	struct sysv_object *o;
	int slot = find_slot(g->kind), err;

	if (slot < 0)
		return slot;
	err = g->make(t, g, &o);
	if (err)
		return err;
	if (slot < tab->next)
		tab->generation = (tab->generation + 1) % GENERATIONS;
	tab->next = slot + 1;
	ref_init(&o->ref);
	o->kind = g->kind;
	o->id = slot | tab->generation << SLOT_BITS;
	o->key = g->key;
	o->mode = (unsigned)g->flags & 0777;
	o->uid = o->cuid = t->cred->euid;
	o->gid = o->cgid = t->cred->egid;
	tab->slots[slot] = o;
	tab->count++;
	return o->id;
}

static int get_locked(struct task *t, const struct sysv_get *g) REQUIRES(sysv_lock)
{
	struct sysv_object *o = find_key(g->kind, g->key);
	int err;

	if (!o)
		return g->key == IPC_PRIVATE || (g->flags & IPC_CREAT) ? add_new(t, g) : -ENOENT;
	if ((g->flags & IPC_CREAT) && (g->flags & IPC_EXCL))
		return -EEXIST;
	err = g->fits(o, g->size);
	if (!err)
		err = sysv_permits_locked(t, o, g->flags);
	return err ? err : o->id;
}

int sysv_get(struct task *t, const struct sysv_get *g)
{
	int r;

	mutex_lock(&sysv_lock);
	r = get_locked(t, g);
	mutex_unlock(&sysv_lock);
	return r;
}

int sysv_permits_locked(struct task *t, const struct sysv_object *o, int wanted)
{
	const struct cred *c = t->cred;
	unsigned asked = (unsigned)(wanted >> 6 | wanted >> 3 | wanted) & 7, granted = o->mode;

	if (c->euid == o->cuid || c->euid == o->uid)
		granted >>= 6;
	else if (cred_in_group(c, o->cgid) || cred_in_group(c, o->gid))
		granted >>= 3;
	return (asked & ~granted) && !cred_capable(c, CAP_IPC_OWNER) ? -EACCES : 0;
}

int sysv_owns_locked(struct task *t, const struct sysv_object *o)
{
	const struct cred *c = t->cred;

	return c->euid == o->cuid || c->euid == o->uid || cred_capable(c, CAP_SYS_ADMIN) ? 0 : -EPERM;
}

/* What find gave is kept only without an error. */
static int keep_if(int err, struct sysv_object **o) REQUIRES(sysv_lock)
{
	if (err) {
		ref_put(&(*o)->ref); /* never the last: the table has one */
		*o = NULL;
	}
	return err;
}

int sysv_find_permitted_locked(struct task *t, enum sysv_kind kind, int id, int wanted, struct sysv_object **out)
{
	int err = sysv_find_locked(kind, id, out);

	return err ? err : keep_if(sysv_permits_locked(t, *out, wanted), out);
}

int sysv_find_owned_locked(struct task *t, enum sysv_kind kind, int id, struct sysv_object **out)
{
	int err = sysv_find_locked(kind, id, out);

	return err ? err : keep_if(sysv_owns_locked(t, *out), out);
}

int sysv_find_stat_locked(struct task *t, enum sysv_kind kind, int id, bool by_slot, bool any, struct sysv_object **out)
{
	if (!by_slot)
		return sysv_find_permitted_locked(t, kind, id, 0444, out);
	*out = sysv_slot_locked(kind, id);
	if (!*out)
		return -EINVAL;
	return any ? 0 : keep_if(sysv_permits_locked(t, *out, 0444), out);
}

void sysv_describe_locked(const struct sysv_object *o, struct ipc_perm *out)
{
	*out = (struct ipc_perm){ .__key = o->key,
				  .uid = o->uid,
				  .gid = o->gid,
				  .cuid = o->cuid,
				  .cgid = o->cgid,
				  .mode = o->mode,
				  .__seq = (unsigned short)(o->id >> SLOT_BITS) };
}

void sysv_set_locked(struct sysv_object *o, const struct ipc_perm *from)
{
	o->uid = from->uid;
	o->gid = from->gid;
	o->mode = (o->mode & ~0777u) | (from->mode & 0777);
}

void sysv_remove_locked(struct sysv_object *o)
{
	struct table *tab = &tables[o->kind];

	tab->slots[o->id & ((1 << SLOT_BITS) - 1)] = NULL;
	tab->count--;
	o->removed = true;
}
