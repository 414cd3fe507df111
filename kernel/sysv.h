/* SPDX-License-Identifier: Apache-2.0 */
/* System V objects: shared memory, semaphore sets, message queues. See sysvipc(7).
 *
 * One namespace a sandbox: keys and ids are its own. What every kind shares (ids, keys, permissions, removal) is in sysv.c, the
 * kinds in sysv_shm.c, sysv_sem.c and sysv_msg.c (sysv_msg.h); system calls decode in syscalls/sysv*.c.
 *
 * Locks. sysv_lock protects everything about the objects. It lies below the mapping lock (a vma that goes may remove a
 * segment), and is never held over guest memory or a sleep. Objects are counted: the table has one reference until removal.
 */
#ifndef KERNEL_SYSV_H
#define KERNEL_SYSV_H

#include "base/lock.h"
#include "base/ref.h"
#include "kernel/task.h"

#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

extern struct mutex sysv_lock;

enum sysv_kind { SYSV_SHM, SYSV_SEM, SYSV_MSG, SYSV_KINDS };

/* The head of every object. Protected by sysv_lock but for the reference. */
struct sysv_object {
	struct ref ref;
	enum sysv_kind kind; /* immutable */
	int id; /* immutable */
	key_t key;
	uid_t uid, cuid;
	gid_t gid, cgid;
	unsigned mode; /* permissions, and flags of the kind above them */
	bool removed;
	void (*free)(struct sysv_object *o); /* after the last reference; no lock held */
};

/* shmget(2) and its sisters: fits() refuses what exists, make() makes a new object (lock held in both). Returns the id. */
struct sysv_get {
	enum sysv_kind kind;
	key_t key;
	int flags;
	size_t size;
	int (*fits)(struct sysv_object *o, size_t size);
	int (*make)(struct task *t, const struct sysv_get *g, struct sysv_object **out);
};
int sysv_get(struct task *t, const struct sysv_get *g) MUST_CHECK;
/* The object of that id with a reference; or -EINVAL and NULL, also when something else has the slot by now. */
int sysv_find_locked(enum sysv_kind kind, int id, struct sysv_object **out) REQUIRES(sysv_lock) MUST_CHECK;
/* The object in slot `index` (SHM_STAT), NULL if there is none; with a reference. */
struct sysv_object *sysv_slot_locked(enum sysv_kind kind, int index) REQUIRES(sysv_lock);
/* The highest slot in use, or 0; how many objects there are. */
int sysv_highest_locked(enum sysv_kind kind, int *count) REQUIRES(sysv_lock);
/* May t do what the permission bits in `wanted` (0444, 0222) say? -EACCES. */
int sysv_permits_locked(struct task *t, const struct sysv_object *o, int wanted) REQUIRES(sysv_lock) MUST_CHECK;
/* IPC_SET and IPC_RMID: -EPERM. */
int sysv_owns_locked(struct task *t, const struct sysv_object *o) REQUIRES(sysv_lock) MUST_CHECK;
/* As sysv_find_locked(), for who may do that with the object. */
int sysv_find_permitted_locked(struct task *t, enum sysv_kind kind, int id, int wanted, struct sysv_object **out) REQUIRES(sysv_lock)
	MUST_CHECK;
int sysv_find_owned_locked(struct task *t, enum sysv_kind kind, int id, struct sysv_object **out) REQUIRES(sysv_lock) MUST_CHECK;
/* For IPC_STAT (by id), SHM_STAT and its sisters (by slot), SHM_STAT_ANY and its (whoever asks). */
int sysv_find_stat_locked(struct task *t, enum sysv_kind kind, int id, bool by_slot, bool any, struct sysv_object **out)
	REQUIRES(sysv_lock) MUST_CHECK;
void sysv_describe_locked(const struct sysv_object *o, struct ipc_perm *out) REQUIRES(sysv_lock);
/* IPC_SET's part: owner and permissions. */
void sysv_set_locked(struct sysv_object *o, const struct ipc_perm *from) REQUIRES(sysv_lock);
/* Takes the object out of the table; the caller puts the table's reference after the lock. */
void sysv_remove_locked(struct sysv_object *o) REQUIRES(sysv_lock);
void sysv_put(struct sysv_object *o);

/* --- shared memory --- */

int shm_get(struct task *t, key_t key, size_t size, int flags) MUST_CHECK;
/* Attaches: *out is where. */
int shm_attach(struct task *t, int id, uint64_t addr, int flags, uint64_t *out) MUST_CHECK;
int shm_detach(struct task *t, uint64_t addr) MUST_CHECK;
/* IPC_STAT (by id), SHM_STAT and SHM_STAT_ANY (by slot): the id, or an error. */
int shm_stat(struct task *t, int id, int cmd, struct shmid_ds *out) MUST_CHECK;
int shm_set(struct task *t, int id, const struct shmid_ds *from) MUST_CHECK;
int shm_remove(struct task *t, int id) MUST_CHECK;
int shm_lock(struct task *t, int id, bool lock) MUST_CHECK;
/* Bytes of the segment in that slot that the host holds. */
uint64_t shm_resident(int index);
/* SHM_INFO: the highest slot. */
int shm_usage(struct shm_info *out);

/* --- semaphores --- */

enum { SEM_SET_MAX = 32000, SEM_OPS_MAX = 500, SEM_VALUE_MAX_V = 32767 };
int sem_get(struct task *t, key_t key, int count, int flags) MUST_CHECK;
/* deadline: NO_DEADLINE or CLOCK_MONOTONIC. */
int sem_operate(struct task *t, int id, const struct sembuf *ops, size_t count, int64_t deadline) MUST_CHECK;
int sem_stat(struct task *t, int id, int cmd, struct semid_ds *out) MUST_CHECK;
int sem_set_perm(struct task *t, int id, const struct semid_ds *from) MUST_CHECK;
int sem_remove(struct task *t, int id) MUST_CHECK;
/* GETVAL, GETPID, GETNCNT, GETZCNT. */
int sem_ask(struct task *t, int id, int index, int cmd) MUST_CHECK;
int sem_set_value(struct task *t, int id, int index, int value) MUST_CHECK;
/* How many semaphores the set has; GETALL and SETALL move exactly that many values. */
int sem_count(struct task *t, int id) MUST_CHECK;
int sem_get_all(struct task *t, int id, unsigned short *values, int count) MUST_CHECK;
int sem_set_all(struct task *t, int id, const unsigned short *values, int count) MUST_CHECK;
/* SEM_INFO: sets and semaphores; the highest slot. */
int sem_usage(int *sets, int *semaphores);
/* SEM_UNDO when a process ends. */
void sem_group_exited(struct thread_group *tg);

#endif
