/* SPDX-License-Identifier: Apache-2.0 */
/* `sbx doctor`: which layers of confinement this host allows, what to change for those that it refuses, and what protects
 * all the same. Every probe happens in a child that ends at once. */
#include "sandbox/run.h"

#include "base/log.h"
#include "sandbox/confine.h"
#include "sandbox/launch.h"
#include "sandbox/outcome.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs fn in a child; 0 or the negative errno that it returned. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(-fn());
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

static int probe_ptrace(void)
{
	pid_t pid = fork();
	int err = 0;

	if (pid < 0)
		return -errno;
	if (!pid) {
		pause();
		_exit(0);
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL))
		err = -errno;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}

static int probe_filter(void)
{
	unsigned action = SECCOMP_RET_TRACE;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) ? -errno : 0;
}

/* The sentry's confinement as a run does it, so that what is said is what happens. */
static void probe_confinement(struct layers *layers, uid_t uid, gid_t gid)
{
	struct options o;
	char *none[] = { (char *)"true", NULL };
	struct host_trees trees;
	int err = launch_map_ids(layers, uid, gid);

	if (err)
		layer_set_refused(layers, LAYER_USER_NS, -err);
	if (options_parse(&o, none))
		return;
	if (confine_filesystem(&o, NULL, layers, &trees) || confine_privileges(layers))
		return;
	if (confine_syscalls(&o, layers))
		log_debug("no filter");
}

static void probe_layers(struct layers *shared)
{
	/* Read here: in a user namespace without a map they have no value. */
	uid_t uid = getuid();
	gid_t gid = getgid();
	pid_t pid = launch_clone(shared);

	if (!pid) {
		probe_confinement(shared, uid, gid);
		_exit(0);
	}
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
}

static void read_setting(const char *name, const char *path)
{
	char value[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, value, sizeof(value) - 1);
	close(fd);
	if (n <= 0)
		return;
	value[n] = 0;
	value[strcspn(value, "\n")] = 0;
	printf("  %-44s %s\n", name, value);
}

static void print_layers(const struct layers *l)
{
	static const char *const words[] = { [LAYER_UNUSED] = "-", [LAYER_ACTIVE] = "ok", [LAYER_REFUSED] = "REFUSED" };

	for (int i = 0; i < LAYER_COUNT; i++) {
		bool refused = l->layer[i].state == LAYER_REFUSED;

		printf("%-8s %-18s %s\n", words[l->layer[i].state], layer_name((enum layer)i), layer_purpose((enum layer)i));
		if (refused)
			printf("         %s: %s\n", strerror(l->layer[i].error), layer_advice((enum layer)i));
	}
}

static void print_settings(void)
{
	puts("\nsettings of this host");
	read_setting("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces");
	read_setting("kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone");
	read_setting("kernel.apparmor_restrict_unprivileged_userns", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	read_setting("kernel.yama.ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope");
	read_setting("vm.memfd_noexec", "/proc/sys/vm/memfd_noexec");
	read_setting("vm.max_map_count", "/proc/sys/vm/max_map_count");
	read_setting("kernel.seccomp.actions_avail", "/proc/sys/kernel/seccomp/actions_avail");
	read_setting("security modules", "/sys/kernel/security/lsm");
	read_setting("AppArmor profile of this process", "/proc/self/attr/apparmor/current");
}

int verb_doctor(char **args)
{
	struct layers *layers = mmap(NULL, sizeof(*layers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int traced = in_child(probe_ptrace), filtered = in_child(probe_filter), v = landlock_version();
	struct utsname uts;

	if (args[0] || layers == MAP_FAILED) {
		log_user("usage: sbx doctor");
		return EXIT_SANDBOX_ERROR;
	}
	fflush(stdout);
	probe_layers(layers);
	if (filtered)
		layer_set_refused(layers, LAYER_STUB_FILTER, -filtered);
	else
		layer_set_active(layers, LAYER_STUB_FILTER);
	printf("sbx %s", SBX_VERSION);
	if (!uname(&uts))
		printf(", %s %s %s", uts.sysname, uts.release, uts.machine);
	printf(", Landlock version %d\n\n", v > 0 ? v : 0);
	print_layers(layers);
	print_settings();
	if (traced || filtered) {
		printf("\nsbx cannot run here: %s is refused (%s).\n", traced ? "ptrace" : "a seccomp filter",
		       strerror(traced ? -traced : -filtered));
		puts("Look at kernel.yama.ptrace_scope (3 forbids it), and at the container's seccomp profile and capabilities.");
		return 1;
	}
	puts("\nsbx runs here. Whatever is refused above, no system call of the guest reaches the host kernel, the sentry's\n"
	     "own calls are filtered, and every process of the sandbox ends with it.");
	return 0;
}
