/* SPDX-License-Identifier: Apache-2.0 */
/* /proc files about the whole system; see proc(5).
 *
 * What they tell of the host is what the guest can learn from its processor and its clock anyway: processors, the amount
 * of memory, the time since boot. Load, processes and counters are the sandbox's own. */
#include "fs/proc/proc_internal.h"
#include "fs/proc/proc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int cpuinfo_fd = -1;

void proc_open_host_files(void)
{
	cpuinfo_fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
}

void proc_cmdline_text(struct text *out)
{
	text_printf(out, "quiet\n");
}

void proc_cpuinfo(struct text *out)
{
	char buf[4096];
	off_t off = 0;
	ssize_t n;

	while (cpuinfo_fd >= 0 && (n = pread(cpuinfo_fd, buf, sizeof(buf), off)) > 0) {
		text_append(out, buf, (size_t)n);
		off += n;
	}
	if (out->len)
		return;
	for (long i = 0, count = sysconf(_SC_NPROCESSORS_ONLN); i < count; i++)
		text_printf(out, "processor\t: %ld\nflags\t\t: fpu sse sse2\n\n", i);
}

void proc_filesystems(struct text *out)
{
	static const char *const types[] = { "nodev\tsysfs", "nodev\ttmpfs", "nodev\tproc", "nodev\tdevtmpfs",
					     "nodev\tdevpts", "nodev\toverlay" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		text_printf(out, "%s\n", types[i]);
}

static void count_tasks(unsigned *running, unsigned *total, pid_t *last)
{
	pid_t pids[4096], tids[512];
	size_t n = groups_list(pids, ARRAY_SIZE(pids));

	*running = 1; /* the reader */
	*total = 0;
	*last = n ? pids[n - 1] : 0;
	for (size_t i = 0; i < n; i++)
		*total += (unsigned)group_tasks_list(pids[i], tids, ARRAY_SIZE(tids));
}

void proc_loadavg(struct text *out)
{
	unsigned running, total;
	pid_t last;

	count_tasks(&running, &total, &last);
	text_printf(out, "0.00 0.00 0.00 %u/%u %d\n", running, total, last);
}

void proc_meminfo(struct text *out)
{
	struct sysinfo si;
	uint64_t unit, kb_total, kb_free;

	sysinfo(&si);
	unit = si.mem_unit;
	kb_total = si.totalram * unit >> 10;
	kb_free = si.freeram * unit >> 10;
	const struct {
		const char *name;
		uint64_t kb;
	} rows[] = {
		{ "MemTotal", kb_total },
		{ "MemFree", kb_free },
		{ "MemAvailable", kb_free + (si.bufferram * unit >> 10) },
		{ "Buffers", si.bufferram * unit >> 10 },
		{ "Cached", 0 },
		{ "SwapCached", 0 },
		{ "Active", 0 },
		{ "Inactive", 0 },
		{ "SwapTotal", si.totalswap * unit >> 10 },
		{ "SwapFree", si.freeswap * unit >> 10 },
		{ "Dirty", 0 },
		{ "Writeback", 0 },
		{ "AnonPages", 0 },
		{ "Mapped", 0 },
		{ "Shmem", si.sharedram * unit >> 10 },
		{ "Slab", 0 },
		{ "PageTables", 0 },
		{ "CommitLimit", kb_total / 2 + (si.totalswap * unit >> 10) },
		{ "Committed_AS", 0 },
		{ "VmallocTotal", (1ULL << 35) - 1 },
		{ "VmallocUsed", 0 },
		{ "AnonHugePages", 0 },
		{ "HugePages_Total", 0 },
		{ "HugePages_Free", 0 },
		{ "Hugepagesize", 2048 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool pages = !strncmp(rows[i].name, "HugePages_", 10);

		text_printf(out, "%s:", rows[i].name);
		text_pad(out, 16);
		text_printf(out, pages ? "%8lu\n" : "%8lu kB\n", rows[i].kb);
	}
}

void proc_stat(struct text *out)
{
	struct timespec now, boot;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned running, total;
	pid_t last;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	count_tasks(&running, &total, &last);
	uint64_t idle = proc_ticks((int64_t)boot.tv_sec * 1000000000);
	text_printf(out, "cpu  0 0 0 %lu 0 0 0 0 0 0\n", idle * (uint64_t)cpus);
	for (long i = 0; i < cpus; i++)
		text_printf(out, "cpu%ld 0 0 0 %lu 0 0 0 0 0 0\n", i, idle);
	text_printf(out, "intr 0\nctxt 0\nbtime %ld\nprocesses %d\nprocs_running %u\nprocs_blocked 0\n",
		    (long)(now.tv_sec - boot.tv_sec), last, running);
}

void proc_uptime(struct text *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	text_printf(out, "%ld.%02ld %ld.%02ld\n", (long)ts.tv_sec, ts.tv_nsec / 10000000, (long)ts.tv_sec,
		    ts.tv_nsec / 10000000);
}

void proc_version(struct text *out)
{
	struct utsname u;

	uname(&u);
	text_printf(out, "Linux version %s (sbx) %s\n", u.release, u.version);
}
