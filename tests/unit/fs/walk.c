/* SPDX-License-Identifier: Apache-2.0 */
/* Walking paths: dots, links, mounts, permissions and the limits that openat2(2) may set, in a world of two memory file systems.
 *
 *   /dir/sub/file    /dir/up -> ..    /dir/abs -> /dir/sub    /dir/rel -> sub/file    /dir/self -> self
 *   /c0 -> dir, /c1 -> c0, ... /c45 -> c44
 *   /private (0700 of user 0)/file
 *   /mnt: another file system with in/file and out -> ../dir */
#include "fs/vfs_internal.h"
#include "kernel/cred.h"
#include "mm/memfile.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN = 46 };

static struct path root;

static void must(int err)
{
	cr_assert_eq(err, 0, "%s", strerror(-err));
}

static void make_link(const char *dir, const char *name, const char *target)
{
	struct cred *c = cred_new(0, 0, NULL, 0);
	struct inode *i;
	struct path at;

	must(vfs_walk_setup(dir, WALK_DIRECTORY, &at));
	must(path_inode(&at)->ops->symlink(path_inode(&at), name, strlen(name), target, c, &i));
	inode_put(i);
	path_put(&at);
	cred_put(c);
}

static void make_world(void)
{
	struct filesystem *first, *second;
	struct memfile *mf;
	char name[16], target[16];
	struct path at;

	must(memfile_new(UINT64_MAX, &mf));
	must(tmpfs_new(mf, 0, 0755, &first));
	must(tmpfs_new(mf, 0, 0755, &second));
	must(vfs_init(first));
	must(vfs_make_setup("/dir/sub/file", S_IFREG | 0644));
	make_link("/dir", "up", "..");
	make_link("/dir", "abs", "/dir/sub");
	make_link("/dir", "rel", "sub/file");
	make_link("/dir", "self", "self");
	for (int i = 0; i < CHAIN; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		snprintf(target, sizeof(target), "c%d", i - 1);
		make_link("/", name, i ? target : "dir");
	}
	must(vfs_make_setup("/private", S_IFDIR | 0700));
	must(vfs_make_setup("/private/file", S_IFREG | 0666));
	must(vfs_make_setup("/mnt", S_IFDIR | 0755));
	must(vfs_walk_setup("/mnt", 0, &at));
	must(vfs_mount(&at, second, 0, "second"));
	path_put(&at);
	must(vfs_make_setup("/mnt/in/file", S_IFREG | 0644));
	make_link("/mnt", "out", "../dir");
	must(vfs_walk_setup("/", 0, &root));
}

TestSuite(walk, .init = make_world);

/* Where `name` leads from `start`, by its name from the root, or "-ERRNO". */
static const char *walk_from(const char *start, const char *name, unsigned flags, const struct cred *c)
{
	static char out[PATH_MAX];
	struct path from, to;
	ssize_t n;
	int r;

	must(vfs_walk_setup(start, WALK_FOLLOW, &from));
	/* What may not be left is the root, as vfs_walk() sees to. */
	r = vfs_walk_at(flags & (WALK_BENEATH | WALK_IN_ROOT) ? &from : &root, &from, c, name, flags, &to);
	path_put(&from);
	if (r) {
		snprintf(out, sizeof(out), "-%s", strerrorname_np(-r));
		return out;
	}
	n = vfs_path_name(&to, &root, out, sizeof(out));
	cr_assert_gt(n, 0);
	path_put(&to);
	return out;
}

#define expect(start, name, flags, want)                                                                               \
	do {                                                                                                           \
		const char *got_ = walk_from(start, name, flags, NULL);                                                \
		cr_assert(!strcmp(got_, want), "%s from %s with %#x: %s, not %s", name, start, flags, got_, want);     \
	} while (0)

Test(walk, dots_and_slashes_are_free)
{
	expect("/", "dir/sub/file", 0, "/dir/sub/file");
	expect("/", "///dir//./sub/../sub/file", 0, "/dir/sub/file");
	expect("/dir", "..", 0, "/");
	expect("/", "../../../dir", 0, "/dir");
	expect("/dir/sub", ".", 0, "/dir/sub");
	expect("/dir", "sub/", 0, "/dir/sub");
	expect("/", "/", 0, "/");
}

Test(walk, what_is_not_there_is_told_from_what_is_no_directory)
{
	expect("/", "none", 0, "-ENOENT");
	expect("/", "none/more", 0, "-ENOENT");
	expect("/", "none", 0, "-ENOENT"); /* now from the cache */
	expect("/", "dir/sub/file/more", 0, "-ENOTDIR");
	expect("/", "dir/sub/file/", 0, "-ENOTDIR");
	expect("/", "dir/sub/file/.", 0, "-ENOTDIR");
	expect("/", "dir/sub/file/..", 0, "-ENOTDIR");
	expect("/", "dir/sub/file", WALK_DIRECTORY, "-ENOTDIR");
	expect("/", "", 0, "-ENOENT");
	expect("/dir", "", WALK_EMPTY, "/dir");
}

Test(walk, links_are_followed_at_the_end_when_asked)
{
	expect("/", "dir/abs", 0, "/dir/abs");
	expect("/", "dir/abs", WALK_FOLLOW, "/dir/sub");
	expect("/", "dir/abs/", 0, "/dir/sub");
	expect("/", "dir/abs/file", 0, "/dir/sub/file");
	expect("/", "dir/rel", WALK_FOLLOW, "/dir/sub/file");
	expect("/", "dir/up", WALK_FOLLOW, "/");
	expect("/", "dir/up/dir/up/dir/rel", WALK_FOLLOW, "/dir/sub/file");
	expect("/", "dir/abs", WALK_DIRECTORY, "-ENOTDIR");
}

Test(walk, forty_links_are_enough)
{
	expect("/", "dir/self", WALK_FOLLOW, "-ELOOP");
	expect("/", "dir/self/x", 0, "-ELOOP");
	expect("/", "c39", WALK_FOLLOW, "/dir");
	expect("/", "c40", WALK_FOLLOW, "-ELOOP");
	expect("/", "c40", 0, "/c40");
	expect("/", "c19/up/c18/sub", WALK_FOLLOW, "/dir/sub");
	expect("/", "c19/up/c20/sub", WALK_FOLLOW, "-ELOOP");
}

Test(walk, names_have_a_largest_length)
{
	char name[NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[NAME_MAX + 1] = 0;
	expect("/", name, 0, "-ENAMETOOLONG");
	name[NAME_MAX] = 0;
	expect("/", name, 0, "-ENOENT");
}

Test(walk, mounts_cover_and_lead_back)
{
	expect("/", "mnt/in/file", 0, "/mnt/in/file");
	expect("/mnt/in", "../..", 0, "/");
	expect("/mnt", "..", 0, "/");
	expect("/mnt", "out", WALK_FOLLOW, "/dir");
	expect("/mnt", "out/up/mnt/in", WALK_FOLLOW, "/mnt/in");
}

Test(walk, beneath_never_leaves)
{
	expect("/dir", "sub/../sub/file", WALK_BENEATH, "/dir/sub/file");
	expect("/dir", "rel", WALK_BENEATH | WALK_FOLLOW, "/dir/sub/file");
	expect("/dir", "..", WALK_BENEATH, "-EXDEV");
	expect("/dir", "sub/../..", WALK_BENEATH, "-EXDEV");
	expect("/dir", "/dir/sub", WALK_BENEATH, "-EXDEV");
	expect("/dir", "abs", WALK_BENEATH | WALK_FOLLOW, "-EXDEV");
	expect("/dir", "up/dir", WALK_BENEATH, "-EXDEV");
}

Test(walk, in_root_takes_the_start_for_the_root)
{
	expect("/dir", "../../sub", WALK_IN_ROOT, "/dir/sub");
	expect("/dir", "/sub/file", WALK_IN_ROOT, "/dir/sub/file");
	expect("/dir", "abs", WALK_IN_ROOT | WALK_FOLLOW, "-ENOENT");
	expect("/dir", "up/sub", WALK_IN_ROOT, "/dir/sub");
}

/* /jail/in goes to /in when the walk reads the link in it: what another thread's rename may do at that step. */
static const struct inode_ops *plain;

static ssize_t read_and_move(struct inode *link, char *buf, size_t size)
{
	ssize_t n = plain->readlink(link, buf, size);
	struct dentry *d, *target;
	struct path jail;

	must(vfs_walk_setup("/jail", WALK_DIRECTORY, &jail));
	mutex_lock(&path_inode(&jail)->lock);
	must(dentry_lookup_locked(jail.dentry, "in", 2, &d));
	mutex_unlock(&path_inode(&jail)->lock);
	mutex_lock(&path_inode(&root)->lock);
	must(dentry_lookup_locked(root.dentry, "in", 2, &target));
	must(path_inode(&jail)->ops->rename(path_inode(&jail), "in", 2, d->inode, path_inode(&root), "in", 2, NULL, 0));
	must(dentry_move(d, target, false));
	mutex_unlock(&path_inode(&root)->lock);
	dentry_put(d);
	dentry_put(target);
	path_put(&jail);
	return n;
}

static const char *walk_and_move(const char *target, unsigned flags)
{
	static struct inode_ops ops;
	struct path link;

	must(vfs_make_setup("/jail/in/file", S_IFREG | 0644));
	must(vfs_make_setup("/file", S_IFREG | 0644));
	make_link("/jail/in", "link", target);
	must(vfs_walk_setup("/jail/in/link", 0, &link));
	plain = path_inode(&link)->ops;
	ops = *plain;
	ops.readlink = read_and_move;
	path_inode(&link)->ops = &ops;
	path_put(&link);
	return walk_from(flags ? "/jail" : "/jail/in", flags ? "in/link/file" : "link/file", flags, NULL);
}

Test(walk, up_from_a_directory_that_was_carried_out)
{
	cr_assert_str_eq(walk_and_move("..", WALK_BENEATH), "-EAGAIN");
}

Test(walk, up_from_a_directory_that_was_carried_out_of_a_root)
{
	cr_assert_str_eq(walk_and_move("..", WALK_IN_ROOT), "-EAGAIN");
}

Test(walk, the_end_of_a_walk_was_carried_out)
{
	cr_assert_str_eq(walk_and_move(".", WALK_BENEATH), "-EXDEV");
}

Test(walk, a_walk_without_limits_follows_what_is_carried_away)
{
	cr_assert_str_eq(walk_and_move("..", 0), "/file");
}

Test(walk, links_and_mounts_can_be_refused)
{
	expect("/", "dir/rel", WALK_NO_SYMLINKS | WALK_FOLLOW, "-ELOOP");
	expect("/", "dir/abs/file", WALK_NO_SYMLINKS, "-ELOOP");
	expect("/", "dir/sub/file", WALK_NO_SYMLINKS, "/dir/sub/file");
	expect("/", "mnt/in", WALK_NO_XDEV, "-EXDEV");
	expect("/mnt/in", "file", WALK_NO_XDEV, "/mnt/in/file");
	expect("/mnt/in", "../../dir", WALK_NO_XDEV, "-EXDEV");
}

Test(walk, directories_must_be_searchable)
{
	struct cred *user = cred_new(1000, 1000, NULL, 0);

	cr_assert_str_eq(walk_from("/", "private/file", 0, user), "-EACCES");
	cr_assert_str_eq(walk_from("/", "private/none", 0, user), "-EACCES");
	cr_assert_str_eq(walk_from("/", "private", 0, user), "/private");
	cr_assert_str_eq(walk_from("/private", "file", 0, user), "-EACCES");
	cr_assert_str_eq(walk_from("/", "dir/sub/file", 0, user), "/dir/sub/file");
	cr_assert_str_eq(walk_from("/", "private/file", 0, NULL), "/private/file");
	cred_put(user);
}

/* A tree of random links; every walk ends, with a place or an errno, and the same one twice. */
Test(walk, random_names_always_end)
{
	static const char *const words[] = { ".", "..", "dir", "sub", "up", "abs", "rel", "self", "mnt", "in", "out", "c3", "none", "" };
	char name[128], first[PATH_MAX];

	srand(5);
	for (int i = 0; i < 20000; i++) {
		unsigned flags = (unsigned)rand() & (WALK_FOLLOW | WALK_DIRECTORY | WALK_BENEATH | WALK_NO_XDEV);

		name[0] = 0;
		for (int n = rand() % 8; n >= 0; n--)
			strcat(strcat(name, words[(size_t)rand() % ARRAY_SIZE(words)]), n ? "/" : "");
		strcpy(first, walk_from("/dir", name, flags, NULL));
		cr_assert_str_eq(walk_from("/dir", name, flags, NULL), first, "%s", name);
		cr_assert(!(flags & WALK_BENEATH) || first[0] == '-' || !strncmp(first, "/dir", 4), "%s leaves: %s", name, first);
	}
}
