/* SPDX-License-Identifier: Apache-2.0 */
/* mincore, msync, membarrier, and memory of other processes: process_vm_readv and process_vm_writev. */
#include "mem.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/uio.h>

static void residency(void)
{
	unsigned char vec[8];
	char *p = anon(8);
	int fd = memfd_create("m", 0);

	T(mincore(p, 8 * PG, vec));
	printf("untouched: ");
	for (int i = 0; i < 8; i++)
		printf("%d", vec[i] & 1);
	printf("\n");
	p[2 * PG] = 1;
	p[5 * PG] = 1;
	T(mincore(p, 8 * PG, vec));
	for (int i = 0; i < 8; i++)
		printf("%d", vec[i] & 1);
	printf("\n");
	T(mincore(p + 1, PG, vec));
	T(mincore(p, 0, vec));
	T(mincore(p, PG, (void *)8));
	T(mincore(p, -1UL, vec));
	T(mincore((void *)-PG, PG, vec));
	T(mincore((void *)(1UL << 47), PG, vec));
	T(mincore(p, 1, vec));
	munmap(p + 4 * PG, PG);
	T(mincore(p, 8 * PG, vec));
	munmap(p, 8 * PG);
	ftruncate(fd, 4 * PG);
	pwrite(fd, "x", 1, PG);
	p = mmap(NULL, 4 * PG, PROT_READ, MAP_SHARED, fd, 0);
	T(mincore(p, 4 * PG, vec));
	printf("a file: %d%d%d%d\n", vec[0], vec[1], vec[2], vec[3]);
	munmap(p, 4 * PG);
	close(fd);
}

static void syncs(void)
{
	char *p = anon(4), *s = mmap(NULL, 4 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *none = (char *)(1UL << 47);

	T(msync(p, 4 * PG, MS_SYNC));
	T(msync(p, 4 * PG, 0));
	T(msync(p, 4 * PG, MS_ASYNC));
	T(msync(p, 4 * PG, MS_INVALIDATE));
	T(msync(p, 4 * PG, MS_SYNC | MS_ASYNC));
	T(msync(p, 4 * PG, 8));
	T(msync(p + 1, PG, MS_SYNC));
	T(msync(p, 0, MS_SYNC));
	T(msync(p, -1UL, MS_SYNC));
	T(msync(p, -PG, MS_SYNC));
	T(msync(none, PG, MS_SYNC));
	T(msync(s, 4 * PG, MS_SYNC | MS_INVALIDATE));
	T(mlock(p + 2 * PG, PG));
	T(msync(p, 4 * PG, MS_SYNC | MS_INVALIDATE));
	munmap(p + PG, PG);
	T(msync(p, 4 * PG, MS_SYNC));
	munmap(p, 4 * PG);
	munmap(s, 4 * PG);
}

static int x, y;
static long reordered;
static pthread_barrier_t meet;
static int rounds = 300;

static int barrier(int cmd, unsigned flags)
{
	return syscall(SYS_membarrier, cmd, flags, 0);
}

/* Dekker's pattern: the fast side has a compiler barrier only, the slow side a membarrier. Both may not read 0. */
static int seen[2];
static void *fast(void *arg)
{
	for (int i = 0; i < rounds; i++) {
		pthread_barrier_wait(&meet);
		__atomic_store_n(&x, 1, __ATOMIC_RELAXED);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		seen[0] = __atomic_load_n(&y, __ATOMIC_RELAXED);
		pthread_barrier_wait(&meet);
		pthread_barrier_wait(&meet);
	}
	return NULL;
}

static void barriers(void)
{
	int all = barrier(MEMBARRIER_CMD_QUERY, 0);
	pthread_t t;

	printf("offered: %d %d %d %d\n", !!(all & MEMBARRIER_CMD_GLOBAL), !!(all & MEMBARRIER_CMD_PRIVATE_EXPEDITED),
	       !!(all & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED), !!(all & MEMBARRIER_CMD_GLOBAL_EXPEDITED));
	T(barrier(MEMBARRIER_CMD_QUERY, 1));
	T(barrier(MEMBARRIER_CMD_GLOBAL, 1));
	T(barrier(1 << 30, 0));
	T(barrier(-1, 0));
	T(barrier(3, 0));
	T(barrier(MEMBARRIER_CMD_GLOBAL, 0));
	T(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
	T(barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0));
	T(barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0));
	T(barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0));
	T(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0));
	T(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0));
	T(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
	T(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 4));
	fflush(stdout);
	if (!fork()) {
		T(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
		exit(0);
	}
	wait(NULL);
	pthread_barrier_init(&meet, NULL, 2);
	pthread_create(&t, NULL, fast, NULL);
	for (int i = 0; i < rounds; i++) {
		x = y = 0;
		pthread_barrier_wait(&meet);
		__atomic_store_n(&y, 1, __ATOMIC_RELAXED);
		barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0);
		seen[1] = __atomic_load_n(&x, __ATOMIC_RELAXED);
		pthread_barrier_wait(&meet);
		reordered += !seen[0] && !seen[1];
		pthread_barrier_wait(&meet);
	}
	pthread_join(t, NULL);
	printf("reordered: %ld\n", reordered);
}

static void across(void)
{
	char *p = anon(8), buf[64] = "";
	int to[2], from[2], st;
	pid_t child;

	strcpy(p, "before");
	strcpy(p + 2 * PG, "second");
	mprotect(p + 4 * PG, PG, PROT_READ);
	munmap(p + 3 * PG, PG);
	pipe(to);
	pipe(from);
	child = fork();
	if (!child) {
		char c;

		strcpy(p, "child's");
		write(from[1], "r", 1);
		read(to[0], &c, 1);
		printf("child has %s, %s\n", p, p + 2 * PG);
		exit(0);
	}
	read(from[0], buf, 1);
	struct iovec local[2] = { { buf, 8 }, { buf + 8, 7 } }, remote[3] = { { p, 8 }, { p + 2 * PG, 7 }, { NULL, 0 } };

	T(process_vm_readv(child, local, 2, remote, 3, 0));
	printf("read %s and %s; ours is %s\n", buf, buf + 8, p);
	strcpy(buf, "written");
	T(process_vm_writev(child, local, 1, remote, 1, 0));
	T(process_vm_writev(child, local, 1, &(struct iovec){ p + 3 * PG - 4, 8 }, 1, 0));
	T(process_vm_writev(child, local, 1, &(struct iovec){ p + 3 * PG, 8 }, 1, 0));
	T(process_vm_writev(child, local, 1, &(struct iovec){ p + 4 * PG, 8 }, 1, 0));
	T(process_vm_readv(child, local, 1, &(struct iovec){ p + 4 * PG, 8 }, 1, 0));
	T(process_vm_readv(child, local, 2, remote, 1, 0));
	T(process_vm_readv(child, local, 1, remote, 2, 0));
	T(process_vm_readv(child, local, 0, remote, 2, 0));
	T(process_vm_readv(child, local, 1, remote, 0, 0));
	T(process_vm_readv(child, local, 1, remote, 1, 1));
	T(process_vm_readv(child, local, 1025, remote, 1, 0));
	T(process_vm_readv(child, local, 1, remote, 1025, 0));
	T(process_vm_readv(child, (void *)8, 1, remote, 1, 0));
	T(process_vm_readv(child, local, 1, (void *)8, 1, 0));
	T(process_vm_readv(child, &(struct iovec){ (void *)8, 8 }, 1, remote, 1, 0));
	T(process_vm_readv(child, local, 1, &(struct iovec){ p, -1UL }, 1, 0));
	T(process_vm_readv(1 << 22, local, 1, remote, 1, 0));
	T(process_vm_readv(getpid(), local, 1, remote, 1, 0));
	write(to[1], "g", 1);
	waitpid(child, &st, 0);
	T(process_vm_readv(child, local, 1, remote, 1, 0));
	munmap(p, 8 * PG);
}

int main(void)
{
	catch_faults();
	no_caps();
	residency();
	syncs();
	barriers();
	across();
	return 0;
}
