/* SPDX-License-Identifier: Apache-2.0 */
/* System V shared memory and semaphores: shmget(2), shmat, shmdt, shmctl, semget(2), semop, semtimedop, semctl. */
#include "kernel/sysv.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int64_t sys_shmget(struct task *t, const uint64_t a[6])
{
	return shm_get(t, (key_t)a[0], a[1], (int)a[2]);
}

int64_t sys_shmat(struct task *t, const uint64_t a[6])
{
	uint64_t at = 0;
	int err = shm_attach(t, (int)a[0], a[1], (int)a[2], &at);

	return err ? err : (int64_t)at;
}

int64_t sys_shmdt(struct task *t, const uint64_t a[6])
{
	return shm_detach(t, a[0]);
}

static int64_t shm_info_cmd(struct task *t, int cmd, uint64_t out)
{
	const struct shminfo limits = { .shmmax = ULONG_MAX - (1UL << 24), .shmmin = 1, .shmmni = 4096, .shmseg = 4096,
					.shmall = ULONG_MAX - (1UL << 24) };
	struct shm_info info;
	int highest = shm_usage(&info), err;

	err = cmd == IPC_INFO ? guest_write(t->mm, out, &limits, sizeof(limits)) : guest_write(t->mm, out, &info, sizeof(info));
	return err ? err : highest;
}

int64_t sys_shmctl(struct task *t, const uint64_t a[6])
{
	int id = (int)a[0], cmd = (int)a[1], r, err;
	struct shmid_ds ds;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SHM_INFO:
		return shm_info_cmd(t, cmd, a[2]);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		r = shm_stat(t, id, cmd, &ds);
		err = r < 0 ? r : guest_write(t->mm, a[2], &ds, sizeof(ds));
		return err ? err : r;
	case IPC_SET:
		err = guest_read(t->mm, &ds, a[2], sizeof(ds));
		return err ? err : shm_set(t, id, &ds);
	case IPC_RMID:
		return shm_remove(t, id);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_lock(t, id, cmd == SHM_LOCK);
	default:
		return -EINVAL;
	}
}

int64_t sys_semget(struct task *t, const uint64_t a[6])
{
	return sem_get(t, (key_t)a[0], (int)a[1], (int)a[2]);
}

static int64_t operate(struct task *t, const uint64_t a[6], int64_t timeout)
{
	struct sembuf ops[SEM_OPS_MAX];
	size_t count = (unsigned)a[2];
	int64_t now, deadline = NO_DEADLINE;
	int err;

	if (!count || (int)a[0] < 0)
		return -EINVAL;
	if (count > SEM_OPS_MAX)
		return -E2BIG;
	err = guest_read(t->mm, ops, a[1], count * sizeof(ops[0]));
	if (err)
		return err;
	if (timeout != NO_DEADLINE) {
		now = mono_now();
		deadline = timeout > NO_DEADLINE - now ? NO_DEADLINE : now + timeout;
	}
	return sem_operate(t, (int)a[0], ops, count, deadline);
}

int64_t sys_semop(struct task *t, const uint64_t a[6])
{
	return operate(t, a, NO_DEADLINE);
}

int64_t sys_semtimedop(struct task *t, const uint64_t a[6])
{
	int64_t timeout;
	int err = syscall_timespec(t, a[3], &timeout);

	return err ? err : operate(t, a, timeout);
}

static int64_t sem_info_cmd(struct task *t, int cmd, uint64_t out)
{
	struct seminfo info = { .semmap = 1024000000, .semmni = 32000, .semmns = 1024000000, .semmnu = 1024000000,
				.semmsl = SEM_SET_MAX, .semopm = SEM_OPS_MAX, .semume = SEM_OPS_MAX, .semusz = 20,
				.semvmx = SEM_VALUE_MAX_V, .semaem = SEM_VALUE_MAX_V };
	int sets, sems, highest = sem_usage(&sets, &sems), err;

	if (cmd == SEM_INFO) {
		info.semusz = sets;
		info.semaem = sems;
	}
	err = guest_write(t->mm, out, &info, sizeof(info));
	return err ? err : highest;
}

static int64_t sem_values(struct task *t, int id, int cmd, uint64_t addr)
{
	int n = sem_count(t, id), err;
	unsigned short *values;

	if (n < 0)
		return n;
	values = calloc((size_t)n, sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (cmd == GETALL) {
		err = sem_get_all(t, id, values, n);
		if (!err)
			err = guest_write(t->mm, addr, values, (size_t)n * sizeof(*values));
	} else {
		err = guest_read(t->mm, values, addr, (size_t)n * sizeof(*values));
		if (!err)
			err = sem_set_all(t, id, values, n);
	}
	free(values);
	return err;
}

int64_t sys_semctl(struct task *t, const uint64_t a[6])
{
	int id = (int)a[0], cmd = (int)a[2], r, err;
	struct semid_ds ds;

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return sem_info_cmd(t, cmd, a[3]);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		r = sem_stat(t, id, cmd, &ds);
		err = r < 0 ? r : guest_write(t->mm, a[3], &ds, sizeof(ds));
		return err ? err : r;
	case IPC_SET:
		err = guest_read(t->mm, &ds, a[3], sizeof(ds));
		return err ? err : sem_set_perm(t, id, &ds);
	case IPC_RMID:
		return sem_remove(t, id);
	case GETALL:
	case SETALL:
		return sem_values(t, id, cmd, a[3]);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
		return sem_ask(t, id, (int)a[1], cmd);
	case SETVAL:
		return sem_set_value(t, id, (int)a[1], (int)a[3]);
	default:
		return -EINVAL;
	}
}
