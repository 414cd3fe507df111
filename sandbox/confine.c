/* SPDX-License-Identifier: Apache-2.0 */
/* The confinement of the sentry.
 *
 * Theory of operation. A guest that finds a hole in the sentry should gain nothing that the guest was not given. In order:
 *   1. the granted trees are cloned as detached mounts, made read-only (unless granted for writing), nosuid and nodev, and
 *      held by descriptors; the sentry's root becomes an empty directory with a /proc of its own. Where mounts are
 *      refused, Landlock limits the sentry to the same trees;
 *   2. capabilities go, and no_new_privs is set, so that no later execve could bring any back; the bounding set can stay, as the
 *      filter allows no execve either;
 *   3. the platform, the kernel and the guest's file systems start;
 *   4. the allow-list filter goes up last (filter.c).
 * Stubs are forked after 2 and inherit all of it.
 *
 * Facts from mount_setattr(2), open_tree(2), pivot_root(2), landlock(7), capabilities(7).
 */
#include "sandbox/confine.h"

#include "base/log.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

enum tree_access { TREE_READ, TREE_WRITE };

/* A detached copy of the mounts beneath path; or, without mounts, the directory itself. */
static int tree_open(const char *path, enum tree_access access, bool mounts)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	int fd, err;

	if (!mounts) {
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd < 0)
		return -errno;
	if (access == TREE_READ)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Can a tree be cloned and made read-only here at all? */
static int mounts_usable(const struct layers *layers)
{
	int fd;

	if (layers->layer[LAYER_MOUNT_NS].state != LAYER_ACTIVE)
		return layers->layer[LAYER_MOUNT_NS].error ? -layers->layer[LAYER_MOUNT_NS].error : -EPERM;
	/* What happens here must not travel back to the host's namespace. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Opens the tree for a grant of src; a file is reached through its directory. */
static int grant_open(const char *src, enum tree_access access, bool mounts, struct host_tree *out)
{
	struct stat st;
	char dir[PATH_MAX], *slash;
	int fd;

	if (stat(src, &st))
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		fd = tree_open(src, access, mounts);
	} else {
		if (!realpath(src, dir))
			return -errno;
		slash = strrchr(dir, '/');
		out->file = strdup(slash + 1);
		if (!out->file)
			return -ENOMEM;
		slash[slash == dir] = 0;
		fd = tree_open(dir, access, mounts);
	}
	out->fd = fd;
	return fd < 0 ? fd : 0;
}

static int trees_open(const struct options *o, const char *cwd, bool mounts, struct host_trees *t)
{
	const char *root = o->root ? o->root : "/";
	int err;

	t->root.fd = tree_open(root, TREE_READ, mounts);
	if (t->root.fd < 0) {
		log_user("cannot use %s as root: %s", root, strerror(-t->root.fd));
		return t->root.fd;
	}
	t->cwd.fd = -1;
	if (cwd) {
		t->cwd.fd = tree_open(cwd, TREE_READ, mounts);
		if (t->cwd.fd < 0) {
			log_user("cannot open %s: %s", cwd, strerror(-t->cwd.fd));
			return t->cwd.fd;
		}
	}
	t->grants = xcalloc(o->grant_count + 1, sizeof(*t->grants));
	for (size_t i = 0; i < o->grant_count; i++) {
		const struct grant *g = &o->grants[i];

		t->grants[i].fd = -1;
		if (g->kind != GRANT_READ && g->kind != GRANT_WRITE)
			continue;
		err = grant_open(g->src, g->kind == GRANT_WRITE ? TREE_WRITE : TREE_READ, mounts, &t->grants[i]);
		if (err) {
			log_user("cannot grant %s: %s", g->src, strerror(-err));
			return err;
		}
	}
	return 0;
}

/* /proc of the sentry's own pid namespace. */
static int mount_own_proc(const char *at)
{
	return mount("proc", at, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ? -errno : 0;
}

/* A /proc for the empty root: of the sentry's own pid namespace, or else the host's. */
static int mount_proc(const char *at, struct layers *layers)
{
	int err = mount_own_proc(at);

	if (!err) {
		if (layers->layer[LAYER_PID_NS].state == LAYER_ACTIVE)
			layer_set_active(layers, LAYER_PROC);
		else
			layer_set_refused(layers, LAYER_PROC, layers->layer[LAYER_PID_NS].error);
		return 0;
	}
	layer_set_refused(layers, LAYER_PROC, -err);
	return mount("/proc", at, NULL, MS_BIND | MS_REC, NULL) ? -errno : 0;
}

/* Makes an empty file system, with just a /proc, the root. */
static int pivot_to_empty(struct layers *layers)
{
	static const char *const places[] = { "/tmp", "/dev", "/proc" };
	const char *place = NULL;
	char proc[32];
	int err = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(places) && !place; i++) {
		if (!mount("sbx", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0755"))
			place = places[i];
		else
			err = -errno;
	}
	if (!place)
		return err;
	if (!strcmp(place, "/proc"))
		return -EBUSY;
	strcpy(stpcpy(proc, place), "/proc");
	if (mkdir(proc, 0555))
		return -errno;
	err = mount_proc(proc, layers);
	if (err)
		return err;
	if (mount(NULL, place, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return -errno;
	if (chdir(place) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	return 0;
}

/* Where the root cannot be exchanged, since chroot(2) has made a plain directory of it for one, /proc must still be of the sentry's own pid
 * namespace: in another the numbers of its stubs mean other processes or none. Made private first, the mount beneath passes nothing on. */
static void cover_proc(struct layers *layers)
{
	if (layers->layer[LAYER_MOUNT_NS].state == LAYER_ACTIVE && layers->layer[LAYER_PID_NS].state == LAYER_ACTIVE &&
	    !mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL) && !mount_own_proc("/proc"))
		layer_set_active(layers, LAYER_PROC);
}

/* The same grants by Landlock; /proc stays readable for the sentry's own use. */
static int restrict_by_landlock(const struct options *o, const struct host_trees *t, struct layers *layers)
{
	int *reads = xcalloc(o->grant_count + 3, sizeof(*reads)), *writes = xcalloc(o->grant_count + 1, sizeof(*writes));
	size_t read_count = 0, write_count = 0;
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), err;

	reads[read_count++] = t->root.fd;
	if (t->cwd.fd >= 0)
		reads[read_count++] = t->cwd.fd;
	if (proc >= 0)
		reads[read_count++] = proc;
	for (size_t i = 0; i < o->grant_count; i++) {
		if (t->grants[i].fd < 0)
			continue;
		if (o->grants[i].kind == GRANT_WRITE)
			writes[write_count++] = t->grants[i].fd;
		else
			reads[read_count++] = t->grants[i].fd;
	}
	err = landlock_restrict(reads, read_count, writes, write_count, o->host_network ? LANDLOCK_ANY_TCP : LANDLOCK_NO_TCP);
	if (err)
		layer_set_refused(layers, LAYER_LANDLOCK, -err);
	else
		layer_set_active(layers, LAYER_LANDLOCK);
	if (proc >= 0)
		close(proc);
	free(reads);
	free(writes);
	/* Refused or not, the sandbox goes on: the layer is named, and the guest's calls never reach the host anyway. */
	return 0;
}

int confine_filesystem(const struct options *o, const char *cwd, struct layers *layers, struct host_trees *out)
{
	int refused = mounts_usable(layers), err;

	err = trees_open(o, cwd, !refused, out);
	if (err)
		return err;
	if (!refused) {
		refused = pivot_to_empty(layers);
		if (!refused) {
			layer_set_active(layers, LAYER_MOUNTS);
			return 0;
		}
	}
	layer_set_refused(layers, LAYER_MOUNTS, -refused);
	cover_proc(layers);
	/* Landlock needs it, and so does nothing before it. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return restrict_by_landlock(o, out, layers);
}

/* The caller's limits are the guest's affair, which the kernel keeps for it; the sentry holds all its memory in one file, and one
 * descriptor for many of the guest's. */
static void raise_limit(int which)
{
	struct rlimit r, all = { RLIM_INFINITY, RLIM_INFINITY };

	if (getrlimit(which, &r))
		return;
	if (which == RLIMIT_FSIZE && !setrlimit(which, &all))
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(which, &r);
}

int confine_privileges(struct layers *layers)
{
	static const struct rlimit no_core = { 0, 0 };

	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_FSIZE);
	signal(SIGXFSZ, SIG_IGN); /* where the limit cannot be raised, writing behind it is just an error */
	umask(0); /* files are made with modes that have seen the guest's */
	capng_setpid(0); /* the library remembers the front process otherwise */
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS)) {
		log_user("cannot drop capabilities: %s", strerror(errno));
		return -EPERM;
	}
	layer_set_active(layers, LAYER_CAPABILITIES);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		log_user("cannot set no_new_privs: %s", strerror(errno));
		return -EPERM;
	}
	layer_set_active(layers, LAYER_NO_NEW_PRIVS);
	/* A core of the sentry would hold the guest's memory, and the caller's environment. */
	if (setrlimit(RLIMIT_CORE, &no_core))
		return -errno;
	return 0;
}
