/* SPDX-License-Identifier: Apache-2.0 */
/* Processor time of stub threads.
 *
 * A stub that never had a second thread is asked for through its process clock: one host call and no file. Else the
 * scheduler's own statistics are read, /proc/PID/task/TID/schedstat, whose first number is the time on a processor in
 * nanoseconds; both come from the same counter of the host. Where that file is missing, stat's two tick counts serve.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Reads a file of the stub thread's /proc directory; false if there is none. */
static bool read_task_file(const struct platform_ctx *ctx, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", ctx->tgid, ctx->tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = 0;
	return true;
}

/* utime and stime are fields 14 and 15; the name in field 2 may contain anything, so count from its closing parenthesis. */
static int64_t stat_time(const struct platform_ctx *ctx)
{
	unsigned long long utime, stime;
	char buf[1024], *p;
	long hz = sysconf(_SC_CLK_TCK);

	if (!read_task_file(ctx, "stat", buf, sizeof(buf)) || !(p = strrchr(buf, ')')))
		return 0;
	if (sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &utime, &stime) != 2 || hz <= 0)
		return 0;
	return (int64_t)((utime + stime) * (unsigned long long)(1000000000 / hz));
}

int64_t ctx_cpu_total(struct platform_ctx *ctx)
{
	struct timespec ts;
	uint64_t ns;
	char buf[128];

	if (atomic_load(&ctx->as->made) <= 1) {
		/* As clock_getcpuclockid(3) encodes the clock of a process: CPUCLOCK_SCHED of ~pid. */
		const clockid_t clock = (clockid_t)(~(unsigned)ctx->tgid << 3 | 2);

		if (!clock_gettime(clock, &ts))
			return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	}
	if (read_task_file(ctx, "schedstat", buf, sizeof(buf)) && sscanf(buf, "%" SCNu64, &ns) == 1)
		return (int64_t)ns;
	return stat_time(ctx);
}

int64_t platform_cputime(struct platform_ctx *ctx)
{
	int64_t t = ctx_cpu_total(ctx) - ctx->cpu_base;

	return t < 0 ? 0 : t;
}
