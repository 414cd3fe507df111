/* SPDX-License-Identifier: Apache-2.0 */
/* What files cost the sentry beside their pages meets the memory limit: it is charged at least as much as the heap grows, and all of it
 * comes back. */
#include "fs/dirlist.h"
#include "fs/vfs_internal.h"
#include "kernel/cred.h"
#include "mm/memfile.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT = 4 << 20, MANY = 1000000 };

static struct memfile *mf;
static struct filesystem *fs;
static struct cred *cred;

static void must(int err)
{
	cr_assert_eq(err, 0, "%s", strerror(-err));
}

static void make_fs(void)
{
	must(memfile_new(LIMIT, &mf));
	must(tmpfs_new(mf, 0, 0755, &fs));
	cred = cred_new(0, 0, NULL, 0);
}

static void drop_fs(void)
{
	filesystem_put(fs);
	dentry_shrink(0);
	cr_assert_eq(memfile_charged(mf), 0, "%lu bytes are still charged", memfile_charged(mf));
	memfile_free(mf);
	cred_put(cred);
}

TestSuite(charge, .init = make_fs, .fini = drop_fs);

static size_t heap(void)
{
	return mallinfo2().uordblks;
}

static int make_file(struct inode *dir, const char *name)
{
	struct inode *i;
	int r = dir->ops->create(dir, name, strlen(name), S_IFREG | 0644, 0, cred, &i);

	if (!r)
		inode_put(i);
	return r;
}

static int make_opened_file(struct inode *dir, const char *name)
{
	struct inode *i;
	struct file *f;
	int r = dir->ops->create(dir, name, strlen(name), S_IFREG | 0644, 0, cred, &i);

	if (r)
		return r;
	must(i->ops->open(i, NULL, O_RDONLY, &f));
	file_put(f);
	inode_put(i);
	return 0;
}

static int make_dir(struct inode *dir, const char *name)
{
	struct inode *i;
	int r = dir->ops->mkdir(dir, name, strlen(name), 0755, cred, &i);

	if (!r)
		inode_put(i);
	return r;
}

/* Each has the next: no directory is without its table. */
static int make_deep_dir(struct inode *dir, const char *name)
{
	static struct inode *deepest;
	struct inode *in = strcmp(name, "0") ? deepest : dir;
	int r = in->ops->mkdir(in, "d", 1, 0755, cred, &deepest);

	if (!r)
		inode_put(deepest);
	return r;
}

static int make_link(struct inode *dir, const char *name)
{
	struct inode *i;
	int r;

	if (!strcmp(name, "0"))
		return make_file(dir, name);
	must(dir->ops->lookup(dir, "0", 1, &i));
	r = dir->ops->link(dir, name, strlen(name), i);
	inode_put(i);
	return r;
}

static int make_symlink(struct inode *dir, const char *name)
{
	static char target[3000];
	struct inode *i;
	int r;

	memset(target, 'x', sizeof(target) - 1);
	r = dir->ops->symlink(dir, name, strlen(name), target, cred, &i);
	if (!r)
		inode_put(i);
	return r;
}

static int make_xattr(struct inode *dir, const char *name)
{
	static const char value[60000];
	struct inode *i;
	int r = make_file(dir, name);

	if (r)
		return r;
	must(dir->ops->lookup(dir, name, strlen(name), &i));
	r = i->ops->setxattr(i, "user.big", value, sizeof(value), 0);
	inode_put(i);
	return r;
}

static int make_long_name(struct inode *dir, const char *name)
{
	char full[NAME_MAX + 1];

	snprintf(full, sizeof(full), "%0255d", atoi(name));
	return make_file(dir, full);
}

/* Makes such files until there is no room. */
static void fill(int (*make)(struct inode *dir, const char *name))
{
	size_t before = heap(), grown;
	uint64_t charged;
	char name[16];
	int r = 0, n;

	for (n = 0; !r && n < MANY; n++) {
		snprintf(name, sizeof(name), "%d", n);
		r = make(fs->root, name);
	}
	cr_assert_eq(r, -ENOSPC, "%d after %d", r, n);
	grown = heap() - before;
	charged = memfile_charged(mf);
	cr_assert(charged >= grown && charged <= LIMIT, "%lu of %d bytes charged for %lu", charged, LIMIT, grown);
	/* Where a sanitizer has the heap, nobody counts it. */
	cr_assert(!grown || charged <= 3 * grown, "%lu bytes charged for %lu", charged, grown);
	cr_assert(memfile_check(mf));
}

Test(charge, empty_files) { fill(make_file); }
Test(charge, files_that_were_opened) { fill(make_opened_file); }
Test(charge, directories) { fill(make_dir); }
Test(charge, directories_in_each_other) { fill(make_deep_dir); }
Test(charge, links) { fill(make_link); }
Test(charge, symlinks) { fill(make_symlink); }
Test(charge, extended_attributes) { fill(make_xattr); }
Test(charge, long_names) { fill(make_long_name); }

static int remove_name(struct inode *dir, const char *name)
{
	struct inode *i;
	int r = dir->ops->lookup(dir, name, strlen(name), &i);

	if (r)
		return r;
	r = dir->ops->unlink(dir, name, strlen(name), i);
	inode_put(i);
	return r;
}

Test(charge, what_is_removed_makes_room)
{
	fill(make_file);
	must(remove_name(fs->root, "0"));
	must(make_file(fs->root, "0"));
	cr_assert_eq(make_file(fs->root, "one-more"), -ENOSPC);
}

static int rename_file(struct inode *dir, const char *from, const char *to)
{
	struct inode *i;
	int r = dir->ops->lookup(dir, from, strlen(from), &i);

	if (r)
		return r;
	r = dir->ops->rename(dir, from, strlen(from), i, dir, to, strlen(to), NULL, 0);
	inode_put(i);
	return r;
}

Test(charge, a_name_makes_room_for_the_one_that_takes_its_place)
{
	char longer[200];

	fill(make_link);
	must(rename_file(fs->root, "1", "one"));
	cr_assert_eq(rename_file(fs->root, "1", "other"), -ENOENT);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	cr_assert_eq(rename_file(fs->root, "one", longer), -ENOSPC);
	must(rename_file(fs->root, "one", "1"));
	must(remove_name(fs->root, "2"));
	must(remove_name(fs->root, "3"));
	must(remove_name(fs->root, "4"));
	must(rename_file(fs->root, "1", longer));
}

Test(charge, pages_and_files_share_the_limit)
{
	uint64_t off;

	must(memfile_alloc(mf, LIMIT / 2, PAGE_SIZE, 0, MEMFILE_BOTTOM_UP, &off));
	fill(make_file);
	cr_assert_leq(memfile_charged(mf), LIMIT / 2);
	memfile_unref(mf, range_make(off, off + LIMIT / 2));
	must(make_file(fs->root, "now"));
}

/* Listings of a changing directory, until there is no room for one more. */
static void hold_listings(struct inode *dir)
{
	struct dirlist *held[MANY / 1000];
	size_t n = 0, before;
	char name[16];
	int r = 0;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%d", i);
		must(make_file(dir, name));
	}
	before = heap();
	while (!r && n < MANY / 1000) {
		/* A change makes the next listing another. */
		must(remove_name(dir, "7"));
		must(make_file(dir, "7"));
		r = dir->ops->list(dir, &held[n]);
		n += !r;
	}
	cr_assert_eq(r, -ENOMEM);
	cr_assert_leq(heap() - before, LIMIT + LIMIT / 16); /* what holds each listing is not charged */
	while (n)
		dirlist_put(held[--n]);
}

Test(charge, listings_held_open)
{
	hold_listings(fs->root);
}

Test(charge, listings_of_a_writable_host_tree_held_open)
{
	char tree[] = "/tmp/charge.XXXXXX", name[16];
	struct filesystem *host;
	int fd;

	cr_assert(mkdtemp(tree));
	fd = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(hostfs_new(mf, fd, HOSTFS_WRITE_THROUGH, &host));
	hold_listings(host->root);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "%d", i);
		must(remove_name(host->root, name));
	}
	cr_assert_eq(rmdir(tree), 0);
	filesystem_put(host);
}

/* --- overlays --- */

enum { LOWER = 10000 };

static struct memfile *lower_mf;
static struct filesystem *lower, *overlay;

static void make_overlay(void)
{
	char name[16];

	make_fs();
	must(memfile_new(0, &lower_mf));
	must(tmpfs_new(lower_mf, 0, 0755, &lower));
	must(make_dir(lower->root, "deep"));
	for (int i = 0; i < LOWER; i++) {
		snprintf(name, sizeof(name), "%d", i);
		must(make_file(lower->root, name));
	}
	must(overlay_new(mf, lower, 0, &overlay));
}

static void drop_overlay(void)
{
	filesystem_put(overlay);
	drop_fs();
	memfile_free(lower_mf);
}

TestSuite(charge_overlay, .init = make_overlay, .fini = drop_overlay);

static int change_one(struct inode *dir, const char *name)
{
	struct attr a = { .mode = 0600 };
	struct inode *i;
	int r;

	must(dir->ops->lookup(dir, name, strlen(name), &i));
	r = i->ops->setattr(i, &a, ATTR_MODE);
	inode_put(i);
	return r;
}

/* From the end on. */
static int change_last(struct inode *dir, const char *name)
{
	char other[16];

	snprintf(other, sizeof(other), "%d", LOWER - 1 - atoi(name));
	return change_one(dir, other);
}

static int until_full(int (*change)(struct inode *dir, const char *name))
{
	char name[16];
	int r = 0, n;

	for (n = 0; !r && n < LOWER; n++) {
		snprintf(name, sizeof(name), "%d", n);
		r = change(overlay->root, name);
	}
	cr_assert_eq(r, -ENOSPC, "%d after %d", r, n);
	return n - 1;
}

Test(charge_overlay, looking_costs_nothing)
{
	char name[16];

	for (int i = 0; i < LOWER; i++) {
		struct inode *n;

		snprintf(name, sizeof(name), "%d", i);
		must(overlay->root->ops->lookup(overlay->root, name, strlen(name), &n));
		inode_put(n);
	}
	cr_assert_eq(memfile_charged(mf), 0);
}

/* A program may be known by many names, and the first to be looked up is not the one that is wanted. */
Test(charge_overlay, other_names_of_a_lower_file_are_found_at_the_limit)
{
	struct inode *i, *first, *second;

	must(lower->root->ops->lookup(lower->root, "0", 1, &i));
	must(lower->root->ops->link(lower->root, "other", 5, i));
	inode_put(i);
	until_full(change_last);
	must(overlay->root->ops->lookup(overlay->root, "0", 1, &first));
	must(overlay->root->ops->lookup(overlay->root, "other", 5, &second));
	cr_assert_eq(first, second);
	must(remove_name(overlay->root, "9999"));
	inode_put(first);
	inode_put(second);
}

/* Of which one lies in a directory that the other's directory holds: that lets go of it in the end. */
Test(charge_overlay, names_of_a_lower_file_at_different_depths)
{
	struct inode *i, *deep, *names[2];

	must(lower->root->ops->lookup(lower->root, "0", 1, &i));
	must(lower->root->ops->lookup(lower->root, "deep", 4, &deep));
	must(deep->ops->link(deep, "alias", 5, i));
	inode_put(i);
	inode_put(deep);
	must(overlay->root->ops->lookup(overlay->root, "0", 1, &names[0]));
	must(overlay->root->ops->lookup(overlay->root, "deep", 4, &deep));
	must(deep->ops->lookup(deep, "alias", 5, &names[1]));
	cr_assert_eq(names[0], names[1]);
	must(change_one(overlay->root, "deep"));
	inode_put(deep);
	inode_put(names[0]);
	inode_put(names[1]);
	cr_assert_gt(memfile_charged(mf), 0);
}

Test(charge_overlay, changes_of_lower_files)
{
	char name[16];
	struct inode *i;
	int n = until_full(change_one);

	/* What could not be changed is as it was, and can still be found. */
	snprintf(name, sizeof(name), "%d", n);
	must(overlay->root->ops->lookup(overlay->root, name, strlen(name), &i));
	cr_assert_eq(i->mode, S_IFREG | 0644);
	inode_put(i);
	must(overlay->root->ops->lookup(overlay->root, "0", 1, &i));
	cr_assert_eq(i->mode, S_IFREG | 0600);
	inode_put(i);
}

Test(charge_overlay, whiteouts)
{
	uint64_t off, left;
	char name[16];
	struct inode *i;
	int n;

	/* They are small: there are not enough lower files to fill the limit. */
	must(memfile_alloc(mf, LIMIT - (256 << 10), PAGE_SIZE, 0, MEMFILE_BOTTOM_UP, &off));
	n = until_full(remove_name);
	snprintf(name, sizeof(name), "%d", n);
	must(overlay->root->ops->lookup(overlay->root, name, strlen(name), &i));
	inode_put(i);
	left = memfile_charged(mf);
	cr_assert_gt(left, (uint64_t)n * sizeof(void *));
	memfile_unref(mf, range_make(off, off + LIMIT - (256 << 10)));
}

Test(charge_overlay, a_change_deep_down_is_whole_or_not_at_all)
{
	struct inode *deep, *i;

	must(overlay->root->ops->lookup(overlay->root, "deep", 4, &deep));
	must(make_file(deep, "first"));
	until_full(change_one);
	cr_assert_eq(make_file(deep, "second"), -ENOSPC);
	cr_assert_eq(deep->ops->lookup(deep, "second", 6, &i), -ENOENT);
	must(remove_name(deep, "first"));
	must(make_file(deep, "second"));
	inode_put(deep);
}

/* --- whatever is done, the account is that of what is left --- */

enum { CHURN_STEPS = 20000, CHURN_NAMES = 8 };

static struct inode *look(struct inode *dir, const char *name)
{
	struct inode *i;

	return dir->ops->lookup(dir, name, 1, &i) ? NULL : i;
}

static int remove_there(struct inode *dir, const char *name, struct inode *i)
{
	return i->type == S_IFDIR ? dir->ops->rmdir(dir, name, 1, i) : dir->ops->unlink(dir, name, 1, i);
}

static int make_some(struct inode *dir, const char *name, int what)
{
	struct inode *i;
	int r;

	if (what == 0)
		return make_file(dir, name);
	if (what == 1)
		return make_dir(dir, name);
	r = what == 2 ? dir->ops->symlink(dir, name, 1, "somewhere", cred, &i) : dir->ops->tmpfile(dir, S_IFREG | 0600, cred, &i);
	if (!r)
		inode_put(i);
	return r;
}

/* i is dir's name, t to's other or NULL. */
static int change_some(struct inode *dir, const char *name, struct inode *i, struct inode *to, const char *other, struct inode *t)
{
	bool alike = !t || (t->type == S_IFDIR) == (i->type == S_IFDIR);
	struct attr a = { .mode = 0600 };

	switch (rand() % 7) {
	case 0:
		return remove_there(dir, name, i);
	case 1:
		return t || i->type == S_IFDIR ? 0 : to->ops->link(to, other, 1, i);
	case 2:
		return t ? to->ops->rename(dir, name, 1, i, to, other, 1, t, RENAME_EXCHANGE) : 0;
	case 3:
		return alike && i != t ? dir->ops->rename(dir, name, 1, i, to, other, 1, t, 0) : 0;
	case 4:
		return i->ops->setxattr(i, rand() % 2 ? "user.a" : "user.b", "value", (size_t)(rand() % 6), 0);
	case 5:
		return i->ops->removexattr(i, "user.a");
	default:
		return i->ops->setattr(i, &a, ATTR_MODE);
	}
}

static void churn_step(struct inode *dirs[2])
{
	const char name[2] = { (char)('0' + rand() % CHURN_NAMES) }, other[2] = { (char)('0' + rand() % CHURN_NAMES) };
	struct inode *dir = dirs[rand() % 2], *to = dirs[rand() % 2], *i = look(dir, name), *t = look(to, other);
	struct dirlist *l;
	int r;

	if (rand() % 8 == 0) {
		r = dir->ops->list(dir, &l);
		if (!r)
			dirlist_put(l);
	} else {
		r = i ? change_some(dir, name, i, to, other, t) : make_some(dir, name, rand() % 4);
	}
	cr_assert(!r || r == -ENOSPC || r == -ENOMEM || r == -ENODATA, "%d", r);
	inode_put(i);
	inode_put(t);
}

/* What is charged when all names are gone again. There is hardly ever room. */
static uint64_t churn(struct inode *dirs[2])
{
	uint64_t off, taken = LIMIT - (memfile_charged(mf) & PAGE_MASK) - 2 * PAGE_SIZE;

	must(memfile_alloc(mf, taken, PAGE_SIZE, 0, MEMFILE_BOTTOM_UP, &off));
	for (int n = 0; n < CHURN_STEPS; n++)
		churn_step(dirs);
	memfile_unref(mf, range_make(off, off + taken));
	for (int n = 0; n < 2 * CHURN_NAMES; n++) {
		const char name[2] = { (char)('0' + n / 2) };
		struct inode *i = look(dirs[n % 2], name);

		if (i)
			must(remove_there(dirs[n % 2], name, i));
		inode_put(i);
	}
	return memfile_charged(mf);
}

static void churn_twice(struct inode *root, const char *sub)
{
	struct inode *dirs[2] = { root };
	uint64_t once;

	must(root->ops->lookup(root, sub, strlen(sub), &dirs[1]));
	once = churn(dirs);
	cr_assert_eq(churn(dirs), once);
	inode_put(dirs[1]);
}

Test(charge, comes_back_whatever_is_done)
{
	must(make_dir(fs->root, "sub"));
	churn_twice(fs->root, "sub");
}

Test(charge_overlay, comes_back_whatever_is_done) { churn_twice(overlay->root, "deep"); }
