/* SPDX-License-Identifier: Apache-2.0 */
/* The default world and what options change in it.
 *
 * Theory of operation. The root is the host's tree, read-only, under an overlay that keeps changes in memory. /tmp, /dev, /dev/shm,
 * /proc and /sys are the sandbox's own. Then grants are mounted in command line order, so a later one covers an
 * earlier one. The caller's directory stays visible: where a private directory would hide it (it lies beneath /tmp), it is
 * mounted there too, under an overlay of its own. Last, what usually holds secrets in a home is covered, unless the caller stands in
 * it or granted it.
 */
#include "sandbox/world.h"

#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static const char *const private_dirs[] = { "/tmp", "/dev/shm", "/dev", "/proc", "/sys" };

/* Beneath the caller's home. */
static const char *const secrets[] = { ".ssh",	 ".gnupg",	 ".aws",	".azure",	   ".kube",
				       ".netrc", ".docker",	 ".password-store", ".git-credentials", ".config/gcloud",
				       ".config/gh", ".mozilla", ".config/google-chrome", ".config/chromium" };

static bool beneath(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

bool world_is_private(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(private_dirs); i++)
		if (beneath(path, private_dirs[i]))
			return true;
	return false;
}

const char *world_hidden_cwd(const struct options *o, const struct caller *c)
{
	if (o->workdir || o->root || !(beneath(c->cwd, "/tmp") || beneath(c->cwd, "/dev/shm")))
		return NULL;
	for (size_t i = 0; i < o->grant_count; i++)
		if (beneath(c->cwd, o->grants[i].dst))
			return NULL;
	return c->cwd;
}

static bool complained; /* at boot, by its one thread */

static int complain(const char *what, const char *path, int err)
{
	complained = true;
	log_user("%s %s: %s", what, path, strerror(-err));
	return err;
}

/* What is at path; if nothing is, it is made, a directory or file as mode says. */
static int mount_point(const char *path, uint32_t mode, struct path *at)
{
	int err = vfs_make_setup(path, mode);

	return err ? err : vfs_walk_setup(path, WALK_FOLLOW, at);
}

/* Mounts fs (taken over) at path, which is made if it is not there. */
static int mount_at(const char *path, struct filesystem *fs, unsigned flags, const char *source)
{
	struct path at;
	int err = mount_point(path, S_IFDIR | 0755, &at);

	if (err) {
		filesystem_put(fs);
		return complain("cannot mount on", path, err);
	}
	err = vfs_mount(&at, fs, flags, source);
	path_put(&at);
	return err ? complain("cannot mount on", path, err) : 0;
}

static int mount_tmpfs(const char *path, struct memfile *mf, uint64_t size, uint32_t mode, unsigned flags)
{
	struct filesystem *fs;
	int err = tmpfs_new(mf, size, mode, &fs);

	return err ? err : mount_at(path, fs, flags, "tmpfs");
}

static int mount_root(int fd, struct memfile *mf)
{
	struct filesystem *host, *root;
	int err = hostfs_new(mf, fd, HOSTFS_READONLY_CACHED, &host);

	if (err)
		return err;
	/* Mount points may have to be made even where the guest may change nothing, so there is an overlay in any case, and it
	 * is made read-only last. */
	err = overlay_new(mf, host, 0, &root);
	if (err)
		return err;
	return vfs_init(root);
}

static int mount_private(struct memfile *mf)
{
	struct filesystem *fs;
	int err;

	err = procfs_new(&fs);
	if (!err)
		err = mount_at("/proc", fs, MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, "proc");
	if (!err)
		err = sysfs_new(&fs);
	if (!err)
		err = mount_at("/sys", fs, MOUNT_RDONLY | MOUNT_NOSUID | MOUNT_NODEV | MOUNT_NOEXEC, "sysfs");
	if (!err)
		err = devfs_new(mf, &fs);
	if (!err)
		err = mount_at("/dev", fs, MOUNT_NOSUID, "dev");
	if (!err)
		err = mount_tmpfs("/dev/shm", mf, 0, 01777, MOUNT_NOSUID | MOUNT_NODEV);
	if (!err)
		err = mount_tmpfs("/tmp", mf, 0, 01777, MOUNT_NOSUID | MOUNT_NODEV);
	return err;
}

/* A single file: its directory is mounted aside, the file bound, and the directory taken away again. */
static int bind_file(const struct grant *g, struct filesystem *dir, const char *name, unsigned flags)
{
	struct path aside, file, at;
	char path[NAME_MAX + 8] = "/proc/";
	int err;

	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	strcat(path, name);
	err = mount_at("/proc", dir, flags, g->src);
	if (err)
		return err;
	err = vfs_walk_setup(path, 0, &file);
	if (!err) {
		err = mount_point(g->dst, S_IFREG | 0644, &at);
		if (!err) {
			err = vfs_bind(&at, &file, flags);
			path_put(&at);
		}
		path_put(&file);
	}
	if (!vfs_walk_setup("/proc", 0, &aside)) {
		int gone = vfs_umount(&aside, 0);

		path_put(&aside);
		if (gone && !err)
			err = gone;
	}
	return err ? complain("cannot show a file at", g->dst, err) : 0;
}

static int mount_grant(const struct grant *g, const struct host_tree *tree, struct memfile *mf)
{
	bool write = g->kind == GRANT_WRITE;
	unsigned flags = MOUNT_NOSUID | MOUNT_NODEV | (write ? 0 : MOUNT_RDONLY);
	struct filesystem *fs;
	int err = hostfs_new(mf, tree->fd, write ? HOSTFS_WRITE_THROUGH : HOSTFS_READONLY_CACHED, &fs);

	if (err)
		return complain("cannot grant", g->src, err);
	return tree->file ? bind_file(g, fs, tree->file, flags) : mount_at(g->dst, fs, flags, g->src);
}

/* Covers what is at path, if anything is. */
static int hide(const char *path, struct memfile *mf)
{
	struct path at, null;
	int err = vfs_walk_setup(path, WALK_FOLLOW, &at);

	/* What the sentry may not reach, the guest will not either. */
	if (err == -ENOENT || err == -ENOTDIR || err == -EACCES)
		return 0;
	if (err)
		return complain("cannot hide", path, err);
	if (S_ISDIR(path_inode(&at)->type)) {
		struct filesystem *fs;

		err = tmpfs_new(mf, 0, 0700, &fs);
		if (!err)
			err = vfs_mount(&at, fs, MOUNT_RDONLY | MOUNT_NOSUID | MOUNT_NODEV, "hidden");
	} else {
		err = vfs_walk_setup("/dev/null", 0, &null);
		if (!err) {
			err = vfs_bind(&at, &null, MOUNT_RDONLY);
			path_put(&null);
		}
	}
	path_put(&at);
	return err ? complain("cannot hide", path, err) : 0;
}

static int mount_grants(const struct options *o, const struct host_trees *trees, struct memfile *mf)
{
	int err = 0;

	for (size_t i = 0; i < o->grant_count && !err; i++) {
		const struct grant *g = &o->grants[i];

		if (g->kind == GRANT_TMPFS)
			err = mount_tmpfs(g->dst, mf, g->size, 01777, MOUNT_NOSUID | MOUNT_NODEV);
		else if (g->kind == GRANT_HIDE)
			err = hide(g->dst, mf);
		else
			err = mount_grant(g, &trees->grants[i], mf);
	}
	return err;
}

static bool granted(const struct options *o, const char *path)
{
	for (size_t i = 0; i < o->grant_count; i++)
		if (o->grants[i].kind != GRANT_HIDE && beneath(o->grants[i].dst, path))
			return true;
	return false;
}

static int hide_secrets(const struct options *o, const struct caller *c, const char *home, struct memfile *mf)
{
	char path[PATH_MAX];
	int err = 0;

	if (!home || home[0] != '/' || strlen(home) > PATH_MAX - 64)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(secrets) && !err; i++) {
		strcpy(stpcpy(stpcpy(path, home), "/"), secrets[i]);
		if (!beneath(c->cwd, path) && !granted(o, path))
			err = hide(path, mf);
	}
	return err;
}

static int mount_cwd(const char *cwd, int fd, struct memfile *mf)
{
	struct filesystem *host, *fs;
	int err = hostfs_new(mf, fd, HOSTFS_READONLY_CACHED, &host);

	if (!err)
		err = overlay_new(mf, host, 0, &fs);
	return err ? err : mount_at(cwd, fs, MOUNT_NOSUID | MOUNT_NODEV, "cwd");
}

static int make_context(const struct options *o, const struct caller *c, struct fs_context **out)
{
	struct path root, cwd;
	int err = vfs_walk_setup("/", 0, &root);

	if (err)
		return err;
	if (o->workdir) {
		err = vfs_walk_setup(o->workdir, WALK_FOLLOW | WALK_DIRECTORY, &cwd);
		if (err) {
			complain("cannot enter", o->workdir, err);
			goto out_root;
		}
	} else if (vfs_walk_setup(c->cwd, WALK_FOLLOW | WALK_DIRECTORY, &cwd)) {
		/* Not part of this world (--root): start at its top. */
		path_get(&root);
		cwd = root;
	}
	err = fs_context_new(&root, &cwd, c->umask, out);
	path_put(&cwd);
out_root:
	path_put(&root);
	return err;
}

int world_build(const struct options *o, const struct caller *c, const struct host_trees *trees, struct memfile *mf,
		const char *home, struct fs_context **out)
{
	int err = mount_root(trees->root.fd, mf);

	if (!err)
		err = mount_private(mf);
	if (!err && trees->cwd.fd >= 0)
		err = mount_cwd(c->cwd, trees->cwd.fd, mf);
	if (!err)
		err = mount_grants(o, trees, mf);
	if (!err)
		err = hide_secrets(o, c, home, mf);
	if (!err)
		err = make_context(o, c, out);
	if (o->read_only)
		vfs_root_readonly();
	if (err && !complained)
		log_user("cannot build the sandbox's file systems: %s", strerror(-err));
	return err;
}
