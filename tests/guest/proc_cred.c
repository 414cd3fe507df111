/* SPDX-License-Identifier: Apache-2.0 */
/* User and group ids as far as they are the same for every caller: reading, no-op changes, refusals of impossible values. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static void check(const char *what, long r)
{
	printf("%s: %s %d\n", what, r < 0 ? "error" : "ok", r < 0 ? errno : 0);
}

int main(void)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	setvbuf(stdout, NULL, _IONBF, 0);
	getresuid(&r, &e, &s);
	getresgid(&rg, &eg, &sg);
	printf("ids %u %u %u %u\n", getuid(), geteuid(), getgid(), getegid());
	printf("same %d %d\n", r == e && e == s, rg == eg && eg == sg);
	check("setuid to self", setuid(getuid()));
	check("setgid to self", setgid(getgid()));
	check("setreuid nothing", setreuid((uid_t)-1, (uid_t)-1));
	check("setresuid nothing", setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1));
	check("setresgid self", setresgid(getgid(), (gid_t)-1, getgid()));
	check("setuid -1", syscall(SYS_setuid, -1));
	check("setgid -1", syscall(SYS_setgid, -1));
	printf("setfsuid %d %d\n", setfsuid((uid_t)-1) == (int)getuid(), setfsuid(getuid()) == (int)getuid());
	printf("setfsgid %d\n", setfsgid((gid_t)-1) == (int)getgid());
	check("getresuid fault", syscall(SYS_getresuid, 8, 8, 8));
	int n = getgroups(0, NULL);
	gid_t *groups = calloc((size_t)n + 1, sizeof(gid_t));
	printf("groups %d %d\n", n, getgroups(n + 1, groups) == n);
	check("getgroups negative", syscall(SYS_getgroups, -1, groups));
	if (n)
		check("getgroups too small", n > 1 ? syscall(SYS_getgroups, n - 1, groups) : (errno = EINVAL, -1));

	struct __user_cap_header_struct h = { .version = 0 };
	struct __user_cap_data_struct d[2];
	check("capget version", syscall(SYS_capget, &h, NULL));
	printf("version %x\n", h.version);
	check("capget", syscall(SYS_capget, &h, d));
	check("capset unchanged", syscall(SYS_capset, &h, d));
	d[0].permitted = d[1].permitted = 0;
	d[0].effective = 1;
	check("capset effective beyond permitted", syscall(SYS_capset, &h, d));
	h.pid = -5;
	check("capget negative", syscall(SYS_capget, &h, d));
	h.pid = 999999;
	check("capget nobody", syscall(SYS_capget, &h, d));
	return 0;
}
