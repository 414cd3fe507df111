/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces.
 *
 * Theory of operation. All namespaces are asked for in the clone that makes the sentry; only where the host refuses are
 * they tried one by one, in children that end at once, and the sentry is made with those that are left. Who has
 * CAP_SYS_ADMIN needs no user namespace; everybody else needs one for all the others. Facts from namespaces(7),
 * user_namespaces(7), pid_namespaces(7).
 *
 * No network namespace is made: the sentry's filter allows it no socket, so there is nothing to keep it from; with --network host
 * the host's network is what was asked for.
 */
#include "sandbox/launch.h"

#include "base/compiler.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	enum layer layer;
	int flag;
} namespaces[] = {
	{ LAYER_PID_NS, CLONE_NEWPID },
	{ LAYER_MOUNT_NS, CLONE_NEWNS },
	{ LAYER_IPC_NS, CLONE_NEWIPC },
	{ LAYER_UTS_NS, CLONE_NEWUTS },
};

/* Where the C library keeps the calling thread's id: its own fork() has the kernel correct it in the child, and so must we, for
 * the id is used when one thread changes another's affinity or signals it. Not in any header, so it is looked for. */
static pid_t *cached_tid(void)
{
	pid_t tid = (pid_t)syscall(SYS_gettid), *word = (pid_t *)pthread_self(), *found = NULL;

	for (size_t i = 0; i < 1024 / sizeof(*word); i++) {
		if (word[i] != tid)
			continue;
		if (found)
			return NULL; /* ambiguous */
		found = &word[i];
	}
	return found;
}

static pid_t raw_clone(int flags)
{
	pid_t *tid = cached_tid(), pid;

	pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD | (tid ? CLONE_CHILD_SETTID : 0), NULL, NULL, tid, 0);
	return pid < 0 ? -errno : pid;
}

int launch_probe(int flags)
{
	pid_t pid = raw_clone(flags);

	if (pid < 0)
		return pid;
	if (!pid)
		_exit(0);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static bool is_privileged(void)
{
	if (capng_get_caps_process())
		return false;
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
}

/* The flags that the host allows, tried one by one. */
static int probe_each(struct layers *layers, int user)
{
	int flags = 0, err;

	err = user ? launch_probe(user) : 0;
	if (err) {
		layer_set_refused(layers, LAYER_USER_NS, -err);
		for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
			layer_set_refused(layers, namespaces[i].layer, -err);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		err = launch_probe(user | namespaces[i].flag);
		if (err)
			layer_set_refused(layers, namespaces[i].layer, -err);
		else
			flags |= namespaces[i].flag;
	}
	return flags ? flags | user : 0;
}

static void note_active(struct layers *layers, int flags)
{
	if (flags & CLONE_NEWUSER)
		layer_set_active(layers, LAYER_USER_NS);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (flags & namespaces[i].flag)
			layer_set_active(layers, namespaces[i].layer);
}

pid_t launch_clone(struct layers *layers)
{
	int user = is_privileged() ? 0 : CLONE_NEWUSER, flags = user;
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		flags |= namespaces[i].flag;
	note_active(layers, flags);
	pid = raw_clone(flags);
	if (pid >= 0)
		return pid;
	/* Not the namespaces, but the process itself: nothing to fall back to. */
	if (pid == -EAGAIN || pid == -ENOMEM)
		return pid;
	memset(layers, 0, sizeof(*layers));
	flags = probe_each(layers, user);
	note_active(layers, flags);
	return raw_clone(flags);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int launch_map_ids(const struct layers *layers, uid_t uid, gid_t gid)
{
	char map[64];
	int err;

	if (layers->layer[LAYER_USER_NS].state != LAYER_ACTIVE)
		return 0;
	snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	err = write_file("/proc/self/uid_map", map);
	if (err)
		return err;
	/* An unprivileged process may map its group only after it gave up setgroups(2): user_namespaces(7). */
	err = write_file("/proc/self/setgroups", "deny");
	if (err && err != -ENOENT)
		return err;
	snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	return write_file("/proc/self/gid_map", map);
}
