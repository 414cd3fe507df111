/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of ids, groups and capabilities by a process without capabilities: which are refused, and what every one leaves behind. */
#include "file.h"

#include <grp.h>
#include <sys/fsuid.h>

static const unsigned ids[] = { -1, 0, 1, 1000, 65534, 4294967294 };
enum { IDS = sizeof(ids) / sizeof(*ids) };

static void tell_ids(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "Cap", 3))
			printf("  %s", line);
	fclose(f);
}

static const char *outcome(long r)
{
	return r < 0 ? strerrorname_np(errno) : "ok";
}

/* The C library makes all threads agree; the calls themselves are what is asked for. */
static void one_id(const char *name, long call)
{
	printf("%s:", name);
	for (int i = 0; i < IDS; i++)
		printf(" %s", outcome(syscall(call, ids[i])));
	printf("\n");
}

static void fs_id(const char *name, long call)
{
	printf("%s:", name);
	for (int i = 0; i < IDS; i++)
		printf(" %ld", syscall(call, ids[i]));
	printf("\n");
}

static void two_ids(const char *name, long call)
{
	printf("%s:\n", name);
	for (int i = 0; i < IDS; i++) {
		for (int j = 0; j < IDS; j++)
			printf(" %s", outcome(syscall(call, ids[i], ids[j])));
		printf("\n");
	}
}

static void three_ids(const char *name, long call)
{
	printf("%s:\n", name);
	for (int i = 0; i < IDS * IDS * IDS; i++)
		printf(" %s%s", outcome(syscall(call, ids[i / IDS / IDS], ids[i / IDS % IDS], ids[i % IDS])),
		       (i + 1) % IDS ? "" : "\n");
}

static void groups(void)
{
	gid_t list[3] = { getgid(), 0, 1 };

	T(setgroups(0, NULL));
	T(setgroups(1, list));
	T(setgroups(3, list));
	T(setgroups(65537, list));
	T(setgroups(1, (void *)8));
	T(setgroups(-1, list));
}

static long capset_to(unsigned effective, unsigned permitted, unsigned inheritable)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { effective, permitted, inheritable }, { 0 } };

	return syscall(SYS_capset, &h, d);
}

static void capabilities(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_1 };
	struct __user_cap_data_struct d[2] = { 0 };

	T(capset_to(0, 0, 0));
	T(capset_to(1, 0, 0));
	T(capset_to(0, 1, 0));
	T(capset_to(0, 0, 1));
	T(syscall(SYS_capset, &h, d));
	h.pid = 4000000;
	T(syscall(SYS_capset, &h, d));
	h = (struct __user_cap_header_struct){ 7, 0 };
	T(syscall(SYS_capset, &h, d));
	printf("version %x\n", h.version);
	T(syscall(SYS_capset, NULL, d));
	T(syscall(SYS_capget, NULL, d));
	T(prctl(PR_CAPBSET_READ, 0));
	T(prctl(PR_CAPBSET_READ, 63));
	T(prctl(PR_CAPBSET_DROP, 0));
	T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
	T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 0, 0, 0));
	T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
	T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0));
	T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	T(prctl(PR_CAP_AMBIENT, 9, 0, 0, 0));
	T(prctl(PR_SET_KEEPCAPS, 1));
	T(prctl(PR_GET_KEEPCAPS));
	T(prctl(PR_SET_KEEPCAPS, 2));
	T(prctl(PR_GET_SECUREBITS));
	T(prctl(PR_SET_SECUREBITS, 1));
	T(prctl(PR_SET_SECUREBITS, 0));
}

static void dumpable(void)
{
	T(prctl(PR_GET_DUMPABLE));
	T(setresuid(getuid(), getuid(), getuid()));
	T(prctl(PR_GET_DUMPABLE));
}

int main(void)
{
	no_caps();
	tell_ids();
	one_id("setuid", SYS_setuid);
	one_id("setgid", SYS_setgid);
	fs_id("setfsuid", SYS_setfsuid);
	fs_id("setfsgid", SYS_setfsgid);
	two_ids("setreuid", SYS_setreuid);
	two_ids("setregid", SYS_setregid);
	three_ids("setresuid", SYS_setresuid);
	three_ids("setresgid", SYS_setresgid);
	groups();
	capabilities();
	dumpable();
	tell_ids();
	return 0;
}
