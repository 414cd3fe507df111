/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/sys: the settings that programs read. All are read-only; those that describe limits of the sandbox state its own. */
#include "fs/aio.h"
#include "fs/proc/proc_internal.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/utsname.h>

static void uuid(struct text *out)
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++)
		text_printf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
	text_printf(out, "\n");
}

static void boot_id(struct text *out)
{
	static struct text id; /* made once, under tasks_lock */

	mutex_lock(&tasks_lock);
	if (!id.len)
		uuid(&id);
	text_append(out, id.data, id.len);
	mutex_unlock(&tasks_lock);
}

static void hostname(struct text *out)
{
	struct utsname u;

	uname(&u);
	text_printf(out, "%s\n", u.nodename);
}

static void osrelease(struct text *out)
{
	struct utsname u;

	uname(&u);
	text_printf(out, "%s\n", u.release);
}

static void version(struct text *out)
{
	struct utsname u;

	uname(&u);
	text_printf(out, "%s\n", u.version);
}

static void aio_nr(struct text *out)
{
	text_printf(out, "%u\n", aio_total());
}

const struct proc_sysctl proc_sysctls[] = {
	{ "fs/aio-max-nr", NULL, "65536\n" },
	{ "fs/aio-nr", aio_nr, NULL },
	{ "fs/file-max", NULL, "9223372036854775807\n" },
	{ "fs/nr_open", NULL, "1048576\n" },
	{ "fs/pipe-max-size", NULL, "1048576\n" },
	{ "fs/protected_fifos", NULL, "0\n" },
	{ "fs/protected_hardlinks", NULL, "1\n" },
	{ "fs/protected_regular", NULL, "0\n" },
	{ "fs/protected_symlinks", NULL, "0\n" },
	{ "fs/inotify/max_queued_events", NULL, "16384\n" },
	{ "fs/inotify/max_user_instances", NULL, "128\n" },
	{ "fs/inotify/max_user_watches", NULL, "65536\n" },
	{ "fs/mqueue/msg_default", NULL, "10\n" },
	{ "fs/mqueue/msg_max", NULL, "10\n" },
	{ "fs/mqueue/msgsize_default", NULL, "8192\n" },
	{ "fs/mqueue/msgsize_max", NULL, "8192\n" },
	{ "fs/mqueue/queues_max", NULL, "256\n" },
	{ "kernel/cap_last_cap", NULL, "40\n" },
	{ "kernel/core_pattern", NULL, "core\n" },
	{ "kernel/domainname", NULL, "(none)\n" },
	{ "kernel/hostname", hostname, NULL },
	{ "kernel/msgmax", NULL, "8192\n" },
	{ "kernel/msgmnb", NULL, "16384\n" },
	{ "kernel/ngroups_max", NULL, "65536\n" },
	{ "kernel/osrelease", osrelease, NULL },
	{ "kernel/ostype", NULL, "Linux\n" },
	{ "kernel/overflowgid", NULL, "65534\n" },
	{ "kernel/overflowuid", NULL, "65534\n" },
	{ "kernel/pid_max", NULL, "4194304\n" },
	{ "kernel/random/boot_id", boot_id, NULL },
	{ "kernel/random/entropy_avail", NULL, "256\n" },
	{ "kernel/random/poolsize", NULL, "256\n" },
	{ "kernel/random/uuid", uuid, NULL },
	{ "kernel/randomize_va_space", NULL, "2\n" },
	{ "kernel/sem", NULL, "32000\t1024000000\t500\t32000\n" },
	{ "kernel/seccomp/actions_avail", NULL, "kill_process kill_thread trap errno trace log allow\n" },
	{ "kernel/shmall", NULL, "18446744073692774399\n" },
	{ "kernel/shmmax", NULL, "18446744073692774399\n" },
	{ "kernel/shmmni", NULL, "4096\n" },
	{ "kernel/threads-max", NULL, "32768\n" },
	{ "kernel/version", version, NULL },
	{ "kernel/yama/ptrace_scope", NULL, "0\n" },
	{ "net/core/rmem_default", NULL, "212992\n" },
	{ "net/core/rmem_max", NULL, "212992\n" },
	{ "net/core/somaxconn", NULL, "4096\n" },
	{ "net/core/wmem_max", NULL, "212992\n" },
	{ "net/ipv4/ip_local_port_range", NULL, "32768\t60999\n" },
	{ "net/ipv4/tcp_rmem", NULL, "4096\t131072\t6291456\n" },
	{ "net/ipv4/tcp_wmem", NULL, "4096\t16384\t4194304\n" },
	{ "vm/max_map_count", NULL, "65530\n" },
	{ "vm/mmap_min_addr", NULL, "65536\n" },
	{ "vm/overcommit_memory", NULL, "0\n" },
	{ "vm/overcommit_ratio", NULL, "50\n" },
	{ "vm/swappiness", NULL, "60\n" },
};
const size_t proc_sysctl_count = ARRAY_SIZE(proc_sysctls);
