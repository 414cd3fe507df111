/* SPDX-License-Identifier: Apache-2.0 */
/* System V shared memory. */
#include "mem.h"

#include <sys/ipc.h>
#include <sys/shm.h>

static key_t key;

/* What shmat gives, without the address. */
static char *at(const char *what, int id, const void *addr, int flags)
{
	char *p = shmat(id, addr, flags);

	if (p == (void *)-1)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: attached%s\n", what, !addr || p == addr ? "" : " elsewhere");
	return p;
}
#define AT(id, addr, flags) at("shmat(" #id ", " #addr ", " #flags ")", id, addr, flags)

static void stat_of(const char *what, int id)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds)) {
		printf("%s: %s\n", what, strerrorname_np(errno));
		return;
	}
	printf("%s: size %lu nattch %lu mode %o own key %d creator %d last %d attached %d detached %d changed %d\n", what, ds.shm_segsz,
	       ds.shm_nattch, ds.shm_perm.mode, ds.shm_perm.__key == key, ds.shm_cpid == getpid(), ds.shm_lpid == getpid(),
	       ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_ctime != 0);
}

static void making(void)
{
	int id, id2;

	T(shmget(key, PG, 0600));
	id = shmget(key, 5000, IPC_CREAT | 0640);
	printf("made: %d\n", id >= 0);
	T(shmget(key, 5000, IPC_CREAT | IPC_EXCL | 0600));
	printf("the same: %d\n", shmget(key, 5000, IPC_CREAT | 0600) == id);
	printf("size 0: %d\n", shmget(key, 0, 0) == id);
	T(shmget(key, 5001, 0));
	T(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600));
	T(shmget(IPC_PRIVATE, -1UL, IPC_CREAT | 0600));
	id2 = shmget(IPC_PRIVATE, PG, 0600);
	printf("private: %d\n", id2 >= 0 && id2 != id);
	stat_of("fresh", id);
	stat_of("private", id2);
	T(shmctl(id2, IPC_RMID, NULL));
	stat_of("removed", id2);
	T(shmctl(id2, IPC_RMID, NULL));
	T(shmctl(-1, IPC_RMID, NULL));
	T(shmctl(id, 99, NULL));
	T(shmctl(id, IPC_STAT, (void *)8));
	T(shmctl(id, IPC_SET, (void *)8));
	struct shmid_ds ds = { .shm_perm = { .uid = getuid(), .gid = getgid(), .mode = 07644 } };
	T(shmctl(id, IPC_SET, &ds));
	stat_of("set", id);
	T(shmctl(id, SHM_LOCK, NULL));
	stat_of("locked", id);
	T(shmctl(id, SHM_UNLOCK, NULL));
	T(shmctl(id, IPC_RMID, NULL));
	T(shmget(key, PG, 0600));
}

static void attaching(void)
{
	int id = shmget(key, 3 * PG - 100, IPC_CREAT | 0600);
	char *base = room(32), *p, *q;

	AT(-1, NULL, 0);
	p = AT(id, base, 0);
	printf("zero: %d %d\n", p[0], p[3 * PG - 1]);
	p[0] = 1;
	p[3 * PG - 1] = 2;
	q = AT(id, NULL, 0);
	printf("two views: %d %d\n", q[0], q[3 * PG - 1]);
	stat_of("two", id);
	AT(id, base + PG, 0);
	AT(id, base + 2 * PG + 7, 0);
	AT(id, base + 8 * PG + 7, SHM_RND);
	AT(id, base + PG, SHM_REMAP);
	AT(id, NULL, SHM_REMAP);
	AT(id, (void *)100, SHM_RND | SHM_REMAP);
	AT(id, (void *)-PG, 0);
	show_maps("attached", base, 12);
	stat_of("over a part", id);
	T(shmdt(base));
	T(shmdt(base));
	T(shmdt(base + PG));
	T(shmdt(base + 8 * PG + 7));
	T(shmdt(base + 9 * PG));
	T(shmdt(base + 8 * PG));
	T(shmdt(q));
	T(shmdt(NULL));
	show_maps("all gone", base, 32);
	stat_of("none", id);
	p = AT(id, NULL, SHM_RDONLY);
	get("read only", p);
	put("read only", p, 1);
	T(mprotect(p, PG, RW));
	T(shmdt(p));
	/* Cut to pieces by other calls, and detached all the same. */
	p = AT(id, base, 0);
	munmap(p + PG, PG);
	stat_of("a hole in it", id);
	T(shmdt(p));
	show_maps("pieces gone", base, 32);
	p = AT(id, base, 0);
	q = mremap(p, 3 * PG, 3 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, base + 10 * PG);
	printf("moved: %d\n", q[0]);
	T(shmdt(p));
	T(shmdt(q));
	p = AT(id, base, SHM_EXEC);
	show_maps("executable", base, 4);
	T(shmdt(p));
	T(shmctl(id, IPC_RMID, NULL));
}

static void sharing(void)
{
	int id = shmget(key, PG, IPC_CREAT | 0600), st, id2;
	char *p = AT(id, NULL, 0);
	int go[2], ready[2];
	char c;

	p[0] = 1;
	fflush(stdout);
	pipe(go);
	pipe(ready);
	if (!fork()) {
		stat_of("in a child", id);
		p[0]++;
		write(ready[1], "r", 1);
		/* What was removed can still be used, and attached by its id. */
		read(go[0], &c, 1);
		stat_of("removed by the parent", id);
		char *q = AT(id, NULL, 0);

		q[1] = 5;
		exit(0);
	}
	read(ready[0], &c, 1);
	T(shmctl(id, IPC_RMID, NULL));
	T(shmget(key, PG, 0600));
	id2 = shmget(key, PG, IPC_CREAT | 0600);
	printf("a new one of that key: %d\n", id2 >= 0 && id2 != id);
	write(go[1], "g", 1);
	wait(&st);
	printf("the child's bytes: %d %d\n", p[0], p[1]);
	stat_of("after its end", id);
	T(shmdt(p));
	stat_of("after the last", id);
	T(shmctl(id, IPC_RMID, NULL));
	AT(id, NULL, 0);
	/* exec detaches. */
	p = AT(id2, NULL, 0);
	fflush(stdout);
	if (!fork()) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	wait(&st);
	stat_of("after an exec", id2);
	T(shmdt(p));
	T(shmctl(id2, IPC_RMID, NULL));
}

static void rights(void)
{
	int id = shmget(key, PG, IPC_CREAT | 0400), full = shmget(IPC_PRIVATE, PG, 0200);
	struct shmid_ds ds;

	AT(id, NULL, 0);
	shmdt(AT(id, NULL, SHM_RDONLY));
	AT(id, NULL, SHM_RDONLY | SHM_EXEC);
	T(shmget(key, PG, 0600) == -1);
	T(shmctl(full, IPC_STAT, &ds));
	T(shmctl(full, IPC_RMID, NULL));
	T(shmctl(id, IPC_RMID, NULL));
}

static void lists(void)
{
	int ids[3], found = 0, top;
	struct shminfo lim;
	struct shm_info info;
	struct shmid_ds ds;
	char line[512];
	FILE *f;

	for (int i = 0; i < 3; i++)
		ids[i] = shmget(IPC_PRIVATE, (i + 1) * PG, 0600);
	printf("limits: %d", shmctl(0, IPC_INFO, (void *)&lim) >= 2);
	printf(" %lu %lu\n", lim.shmmin, lim.shmmni);
	top = shmctl(0, SHM_INFO, (void *)&info);
	printf("info: %d %d %d\n", top >= 2, info.used_ids >= 3, info.shm_tot >= 6);
	for (int i = 0; i <= top; i++) {
		int id = shmctl(i, SHM_STAT, &ds);

		for (int k = 0; k < 3; k++)
			found += id == ids[k] && ds.shm_segsz == (k + 1) * PG;
	}
	printf("found: %d\n", found);
	T(shmctl(30000, SHM_STAT, &ds));
	f = fopen("/proc/sysvipc/shm", "r");
	found = 0;
	while (f && fgets(line, sizeof(line), f)) {
		int k, id;
		unsigned mode;
		unsigned long size;

		if (sscanf(line, "%d %d %o %lu", &k, &id, &mode, &size) != 4) {
			printf("%s", line);
			continue;
		}
		for (int i = 0; i < 3; i++)
			found += id == ids[i] && size == (i + 1) * PG && mode == 0600;
	}
	printf("listed: %d\n", found);
	if (f)
		fclose(f);
	for (int i = 0; i < 3; i++)
		shmctl(ids[i], IPC_RMID, NULL);
}

int main(void)
{
	catch_faults();
	no_caps();
	key = 0x5b000000 + getpid();
	making();
	attaching();
	sharing();
	rights();
	lists();
	return 0;
}
