/* SPDX-License-Identifier: Apache-2.0 */
/* System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2).
 *
 * A segment is a mappable that hands translations on to shared memory of mm (shmem.h) and knows who maps it. An attachment is a
 * run of addresses that maps a run of the segment in one address space; fork copies it and exec and exit end it, as they do with
 * any mapping, so the count needs no care of its own. A removed segment stays until the last attachment goes: it is then
 * taken out of the table under the mapping lock of whoever unmapped it, and freed when the vma's reference is given back.
 */
#include "kernel/sysv.h"
#include "mm/shmem.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef SHM_DEST
#define SHM_DEST 01000
#define SHM_LOCKED 02000
#endif
#define SHM_SIZE_MAX (UINT64_MAX - (1ULL << 24))
#ifndef SHM_HUGETLB
#define SHM_HUGETLB 04000
#endif

struct shm {
	struct sysv_object object;
	struct mappable mappable; /* what vmas refer to */
	struct mappable *bytes; /* immutable; owned */
	struct mappings maps; /* has its own lock */
	uint64_t size; /* immutable */
	char name[24]; /* immutable */
	/* Protected by sysv_lock. */
	int attaching; /* attachments on their way keep a removed segment */
	time_t atime, dtime, ctime;
	pid_t creator, last;
};

static struct shm *shm_of(struct mappable *m)
{
	return CONTAINER_OF(m, struct shm, mappable);
}

static struct shm *shm_from(struct sysv_object *o)
{
	return CONTAINER_OF(o, struct shm, object);
}

static pid_t self_pid(void)
{
	struct task *t = task_self();

	return t ? t->tg->tgid : 0;
}

static void segment_get(struct mappable *m)
{
	ref_get(&shm_of(m)->object.ref);
}

static void segment_put(struct mappable *m)
{
	sysv_put(&shm_of(m)->object);
}

/* Out of the table if it was removed and nobody has it. The table's reference is then the caller's to put. */
static bool last_detached_locked(struct shm *s) REQUIRES(sysv_lock)
{
	if (!(s->object.mode & SHM_DEST) || s->object.removed || s->attaching || !mappings_empty(&s->maps))
		return false;
	sysv_remove_locked(&s->object);
	return true;
}

static int segment_add(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	struct shm *s = shm_of(m);
	int err = mappings_add(&s->maps, mm, r, off, writable);

	if (err)
		return err;
	mutex_lock(&sysv_lock);
	s->atime = time(NULL);
	s->last = self_pid();
	mutex_unlock(&sysv_lock);
	return 0;
}

static void segment_remove(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	struct shm *s = shm_of(m);
	bool gone;

	mappings_remove(&s->maps, mm, r, off, writable);
	mutex_lock(&sysv_lock);
	s->dtime = time(NULL);
	s->last = self_pid();
	gone = last_detached_locked(s);
	mutex_unlock(&sysv_lock);
	if (gone)
		ref_put(&s->object.ref); /* the vma still has one */
}

static int segment_translate(struct mappable *m, struct range required, struct range optional, int prot,
			     struct translation out[static TRANSLATIONS_MAX], int *err)
{
	struct mappable *bytes = shm_of(m)->bytes;

	return bytes->ops->translate(bytes, required, optional, prot, out, err);
}

static int segment_punch(struct mappable *m, struct range r)
{
	struct mappable *bytes = shm_of(m)->bytes;

	return bytes->ops->punch(bytes, r);
}

static void segment_residency(struct mappable *m, struct range r, unsigned char *vec)
{
	struct mappable *bytes = shm_of(m)->bytes;

	bytes->ops->residency(bytes, r, vec);
}

static void segment_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	snprintf(buf, size, "%s (deleted)", shm_of(m)->name);
	*dev = 1;
	*ino = (uint64_t)shm_of(m)->object.id;
}

static const struct mappable_ops segment_ops = {
	.get = segment_get,
	.put = segment_put,
	.add_mapping = segment_add,
	.remove_mapping = segment_remove,
	.translate = segment_translate,
	.punch = segment_punch,
	.residency = segment_residency,
	.describe = segment_describe,
};

static void segment_free(struct sysv_object *o)
{
	struct shm *s = shm_from(o);

	s->bytes->ops->put(s->bytes);
	mappings_destroy(&s->maps);
	free(s);
}

static int segment_fits(struct sysv_object *o, size_t size)
{
	return size > shm_from(o)->size ? -EINVAL : 0;
}

static int segment_make(struct task *t, const struct sysv_get *g, struct sysv_object **out)
{
	struct shm *s;
	int err;

	if (!g->size || g->size > SHM_SIZE_MAX)
		return -EINVAL;
	if (g->flags & SHM_HUGETLB)
		return -ENOMEM; /* as a host without reserved huge pages answers */
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	snprintf(s->name, sizeof(s->name), "/SYSV%08x", (unsigned)g->key);
	err = shmem_new(mm_memfile(t->mm), g->size, s->name, &s->bytes);
	if (err) {
		free(s);
		return err;
	}
	s->mappable.ops = &segment_ops;
	mappings_init(&s->maps);
	s->object.free = segment_free;
	s->size = g->size;
	s->ctime = time(NULL);
	s->creator = t->tg->tgid;
	*out = &s->object;
	return 0;
}

int shm_get(struct task *t, key_t key, size_t size, int flags)
{
	struct sysv_get g = { .kind = SYSV_SHM, .key = key, .flags = flags, .size = size, .fits = segment_fits, .make = segment_make };

	return sysv_get(t, &g);
}

/* What shmat's flags ask for. */
static int attach_args(struct mmap_args *m, int flags)
{
	if (m->addr & ~PAGE_MASK) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		m->addr &= PAGE_MASK;
		if (!m->addr && (flags & SHM_REMAP))
			return -EINVAL;
	}
	if (!m->addr && (flags & SHM_REMAP))
		return -EINVAL;
	m->flags = MAP_SHARED;
	if (m->addr)
		m->flags |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	m->prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	m->max_prot = PROT_READ | PROT_EXEC | (m->prot & PROT_WRITE);
	return 0;
}

int shm_attach(struct task *t, int id, uint64_t addr, int flags, uint64_t *out)
{
	int wanted = (flags & SHM_RDONLY ? 0444 : 0666) | (flags & SHM_EXEC ? 0111 : 0), err;
	struct mmap_args m = { .addr = addr };
	struct sysv_object *o = NULL;
	struct shm *s;
	bool gone;

	err = id < 0 ? -EINVAL : attach_args(&m, flags);
	if (err)
		return err;
	mutex_lock(&sysv_lock);
	err = sysv_find_permitted_locked(t, SYSV_SHM, id, wanted, &o);
	if (!err)
		shm_from(o)->attaching++;
	mutex_unlock(&sysv_lock);
	if (err)
		return err;
	s = shm_from(o);
	m.len = s->size;
	m.mappable = &s->mappable;
	/* A range that wraps around is a mistake, one that is too high is no room. */
	err = m.addr + m.len < m.addr ? -EINVAL : mm_mmap(t->mm, &m, out);
	mutex_lock(&sysv_lock);
	s->attaching--;
	gone = last_detached_locked(s);
	mutex_unlock(&sysv_lock);
	if (gone)
		sysv_put(o);
	sysv_put(o);
	return err == -EEXIST ? -EINVAL : err;
}

int shm_detach(struct task *t, uint64_t addr)
{
	return mm_detach(t->mm, addr, &segment_ops);
}

/* --- shmctl --- */

static void describe_locked(struct shm *s, struct shmid_ds *out) REQUIRES(sysv_lock)
{
	*out = (struct shmid_ds){ .shm_segsz = s->size,
				  .shm_atime = s->atime,
				  .shm_dtime = s->dtime,
				  .shm_ctime = s->ctime,
				  .shm_cpid = s->creator,
				  .shm_lpid = s->last,
				  .shm_nattch = mappings_count(&s->maps) };
	sysv_describe_locked(&s->object, &out->shm_perm);
}

int shm_stat(struct task *t, int id, int cmd, struct shmid_ds *out)
{
	struct sysv_object *o;
	int r;

	mutex_lock(&sysv_lock);
	r = sysv_find_stat_locked(t, SYSV_SHM, id, cmd != IPC_STAT, cmd == SHM_STAT_ANY, &o);
	if (!r) {
		describe_locked(shm_from(o), out);
		r = cmd == IPC_STAT ? 0 : o->id;
	}
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return r;
}

int shm_set(struct task *t, int id, const struct shmid_ds *from)
{
	struct sysv_object *o = NULL;
	int err;

	mutex_lock(&sysv_lock);
	err = sysv_find_owned_locked(t, SYSV_SHM, id, &o);
	if (!err) {
		sysv_set_locked(o, &from->shm_perm);
		shm_from(o)->ctime = time(NULL);
	}
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return err;
}

int shm_remove(struct task *t, int id)
{
	struct sysv_object *o = NULL;
	bool gone = false;
	int err;

	mutex_lock(&sysv_lock);
	err = sysv_find_owned_locked(t, SYSV_SHM, id, &o);
	if (!err) {
		o->mode |= SHM_DEST;
		o->key = IPC_PRIVATE; /* the key is free for the next one */
		gone = last_detached_locked(shm_from(o));
	}
	mutex_unlock(&sysv_lock);
	if (gone)
		sysv_put(o);
	sysv_put(o);
	return err;
}

/* Memory is never swapped by us, so only the mark changes. */
int shm_lock(struct task *t, int id, bool lock)
{
	struct sysv_object *o = NULL;
	int err;

	mutex_lock(&sysv_lock);
	err = sysv_find_locked(SYSV_SHM, id, &o);
	if (!err && !cred_capable(t->cred, CAP_IPC_LOCK)) {
		err = sysv_owns_locked(t, o);
		if (!err && lock && !mm_limits(t->mm)->memlock)
			err = -EPERM;
	}
	if (!err)
		o->mode = lock ? o->mode | SHM_LOCKED : o->mode & ~(unsigned)SHM_LOCKED;
	mutex_unlock(&sysv_lock);
	sysv_put(o);
	return err;
}

uint64_t shm_resident(int index)
{
	struct sysv_object *o;
	uint64_t bytes = 0;

	mutex_lock(&sysv_lock);
	o = sysv_slot_locked(SYSV_SHM, index);
	mutex_unlock(&sysv_lock);
	if (o)
		bytes = shmem_resident(shm_from(o)->bytes);
	sysv_put(o);
	return bytes;
}

int shm_usage(struct shm_info *out)
{
	int highest;

	*out = (struct shm_info){ 0 };
	mutex_lock(&sysv_lock);
	highest = sysv_highest_locked(SYSV_SHM, &out->used_ids);
	for (int i = 0; i <= highest; i++) {
		struct sysv_object *o = sysv_slot_locked(SYSV_SHM, i);

		if (!o)
			continue;
		out->shm_tot += (shm_from(o)->size + PAGE_SIZE - 1) / PAGE_SIZE;
		ref_put(&o->ref); /* never the last: the table has one */
	}
	mutex_unlock(&sysv_lock);
	return highest;
}
