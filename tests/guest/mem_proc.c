/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc/PID says of memory: maps, smaps, smaps_rollup, statm, status, mem. Figures are told relative to what changed. */
#include "mem.h"

#include <fcntl.h>

static unsigned long status(const char *key)
{
	char line[256];
	unsigned long v = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			v = strtoul(line + strlen(key), NULL, 10);
	fclose(f);
	return v / 4;
}

/* The named figure, in pages, of the mapping that begins at p; file is smaps. */
static long figure(const void *p, const char *key)
{
	char line[512];
	unsigned long a;
	long v = -1;
	int here = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%*x ", &a) == 1 && strchr(line, '-') && strchr(line, '-') - line > 7)
			here = a == (unsigned long)p;
		else if (here && !strncmp(line, key, strlen(key)))
			v = strtoul(line + strlen(key) + 1, NULL, 10) / 4;
	}
	fclose(f);
	return v;
}

static void show(const char *what, const void *p)
{
	printf("%s: Size %ld Rss %ld Anonymous %ld Locked %ld\n", what, figure(p, "Size"), figure(p, "Rss"),
	       figure(p, "Anonymous"), figure(p, "Locked"));
}

static void maps(void)
{
	char *p = room(64);
	int fd = open("file with\nspaces", O_RDWR | O_CREAT, 0600), m = memfd_create("name", 0);

	ftruncate(fd, 8 * PG);
	ftruncate(m, 8 * PG);
	mmap(p, 2 * PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, PG);
	mmap(p + 2 * PG, 2 * PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 3 * PG);
	mmap(p + 4 * PG, 2 * PG, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 3 * PG);
	mmap(p + 6 * PG, 2 * PG, RW, MAP_SHARED | MAP_FIXED, m, 0);
	mmap(p + 8 * PG, 2 * PG, RW, ANON | MAP_FIXED, -1, 0);
	mmap(p + 10 * PG, 2 * PG, PROT_NONE, ANON | MAP_FIXED, -1, 0);
	mmap(p + 12 * PG, 2 * PG, PROT_READ | PROT_EXEC, ANON | MAP_FIXED, -1, 0);
	unlink("file with\nspaces");
	show_maps("kinds", p, 64);
	mprotect(p + 10 * PG, 2 * PG, RW);
	show_maps("merged", p, 64);
	mlock(p + 9 * PG, PG);
	madvise(p + 10 * PG, PG, MADV_DONTFORK);
	show_maps("cut by a lock and by advice", p, 64);
	munmap(p, 64 * PG);
	close(fd);
	close(m);
}

static void figures(void)
{
	char *p = room(300);

	p = mmap(p + 20 * PG, 256 * PG, RW, ANON | MAP_FIXED, -1, 0);
	show("fresh", p);
	for (int i = 0; i < 100; i += 2)
		p[i * PG] = 1;
	show("touched", p);
	madvise(p, 50 * PG, MADV_DONTNEED);
	show("half dropped", p);
	mprotect(p, 256 * PG, PROT_READ);
	show("read only", p);
	munmap(p + 128 * PG, 128 * PG);
	mlock(p, 128 * PG);
	show("locked", p);
	munmap(p, 128 * PG);
	printf("gone: %ld\n", figure(p, "Size"));
}

static void totals(void)
{
	unsigned long before[5], after[5];
	static const char *const keys[] = { "VmSize:", "VmRSS:", "VmData:", "VmStk:", "VmLck:" };
	char *p;

	for (int i = 0; i < 5; i++)
		before[i] = status(keys[i]);
	p = anon(2048);
	memset(p, 1, 1024 * PG);
	mlock(p, 10 * PG);
	for (int i = 0; i < 5; i++)
		after[i] = status(keys[i]);
	printf("VmSize +%ld VmData +%ld VmStk +%ld VmLck +%ld\n", after[0] - before[0], after[2] - before[2],
	       after[3] - before[3], after[4] - before[4]);
	printf("VmRSS: %d\n", after[1] - before[1] >= 1024 && after[1] - before[1] < 1100);
	printf("VmPeak: %d VmHWM: %d\n", status("VmPeak:") >= after[0], status("VmHWM:") >= after[1] - 100);
	munmap(p, 2048 * PG);
	printf("VmHWM stays: %d, VmRSS does not: %d\n", status("VmHWM:") >= after[1] - 100, status("VmRSS:") < after[1] - 900);

	unsigned long size, resident, shared, text, lib, data, dirty;
	FILE *f = fopen("/proc/self/statm", "r");

	printf("statm: %d\n", fscanf(f, "%lu %lu %lu %lu %lu %lu %lu", &size, &resident, &shared, &text, &lib, &data, &dirty));
	printf("%d %d %d %d %lu %d %lu\n", size == status("VmSize:") || size + 64 > status("VmSize:"), resident > 0 && resident < size,
	       shared <= resident, text > 0 && text < size, lib, data > 0 && data < size, dirty);
	fclose(f);
}

static void rollup(void)
{
	char line[256];
	int rows = 0;
	long rss = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "[rollup]"))
			printf("a header\n");
		else
			rows++;
		if (!strncmp(line, "Rss:", 4))
			rss = strtol(line + 4, NULL, 10);
	}
	printf("rows: %d, sum: %d\n", rows > 10, rss > 0);
	fclose(f);
}

static void mem_file(void)
{
	int fd = open("/proc/self/mem", O_RDWR);
	char *p = anon(4), buf[16] = "";

	strcpy(p, "memory");
	T(pread(fd, buf, 7, (off_t)p));
	printf("%s\n", buf);
	mprotect(p, PG, PROT_READ);
	T(pwrite(fd, "MEM", 3, (off_t)p));
	printf("written in spite of the protection: %s\n", p);
	munmap(p + PG, PG);
	T(pread(fd, buf, 8, (off_t)p + PG - 4));
	T(pread(fd, buf, 8, (off_t)p + PG));
	T(pread(fd, buf, 8, 0));
	T(pwrite(fd, buf, 8, (off_t)p + PG));
	munmap(p, 4 * PG);
	close(fd);
}

int main(void)
{
	catch_faults();
	no_caps();
	maps();
	figures();
	totals();
	rollup();
	mem_file();
	return 0;
}
