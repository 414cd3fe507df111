/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest maps of a host's tree lives as long as it is referred to, be it by a transfer of the host's alone. */
#include "fs/vfs_internal.h"
#include "mm/mappable.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char tree[] = "/tmp/host_map.XXXXXX";

static void must(int err)
{
	cr_assert_eq(err, 0, "%s", strerror(-err));
}

/* The inode of a file of one page in a tree of the host, which nothing else refers to. */
static struct inode *only_file(void)
{
	struct filesystem *fs;
	struct inode *i;
	int fd;

	cr_assert(mkdtemp(tree));
	fd = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(hostfs_new(NULL, fd, HOSTFS_WRITE_THROUGH, &fs));
	fd = openat(fd, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_eq(pwrite(fd, "before", 7, 0), 7);
	cr_assert_eq(ftruncate(fd, PAGE_SIZE), 0);
	close(fd);
	mutex_lock(&fs->root->lock);
	must(fs->root->ops->lookup(fs->root, "file", 4, &i));
	mutex_unlock(&fs->root->lock);
	return i;
}

static void remove_tree(void)
{
	char name[sizeof(tree) + 8];

	snprintf(name, sizeof(name), "%s/file", tree);
	cr_assert_eq(unlink(name), 0);
	cr_assert_eq(rmdir(tree), 0);
}

static struct translation translate(struct inode *i, int prot)
{
	const struct range page = { 0, PAGE_SIZE };
	struct translation t[TRANSLATIONS_MAX];
	struct mappable *m;
	struct file *f;
	int err;

	must(i->ops->open(i, NULL, O_RDWR, &f));
	must(f->ops->mappable(f, prot, MAP_SHARED, &m));
	cr_assert_eq(m->ops->translate(m, page, page, prot, t, &err), 1);
	must(err);
	m->ops->put(m);
	file_put(f);
	return t[0];
}

/* An unmap in one thread while the host reads into the pages for another freed the file, and unmapped where the host wrote. */
Test(host_map, a_reference_outlives_the_mapping)
{
	struct inode *i = only_file();
	struct translation t = translate(i, PROT_READ | PROT_WRITE), more = translate(i, PROT_READ | PROT_WRITE);
	int fd = t.file->host.fd;
	uint64_t len;
	char *p;

	remove_tree();
	p = t.file->ops->map_internal(t.file, t.off, true, &len);
	cr_assert(p);
	inode_put(i);
	more.file->ops->unref(more.file, more.src);
	cr_assert_neq(fcntl(fd, F_GETFD), -1, "closed while it was referred to");
	cr_assert_str_eq(p, "before");
	t.file->ops->unref(t.file, t.src);
	cr_assert(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "open though nothing refers to it");
}

#ifndef __SANITIZE_THREAD__ /* which would map shadow for each of the windows, and has not so much room */
static size_t mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	size_t n = 0;

	for (int c; (c = getc(f)) != EOF;)
		n += c == '\n';
	fclose(f);
	return n;
}

/* A file of terabytes took all the mappings that the host allows the sentry: it could start no thread any more. What an allocator, a
 * sanitizer's above all, maps beside the windows is less than SLACK. */
Test(host_map, windows_are_bounded)
{
	enum { SLACK = 16 << 10 };
	const uint64_t step = 64 << 20;
	struct inode *i = only_file();
	struct translation t = translate(i, PROT_READ | PROT_WRITE);
	size_t before = mappings();
	uint64_t len;

	remove_tree();
	for (uint64_t w = 0; w < 60000; w++)
		(void)!t.file->ops->map_internal(t.file, w * step, true, &len);
	cr_assert_leq(mappings(), before + (32 << 10) + SLACK);
	t.file->ops->ref(t.file, t.src);
	t.file->ops->unref(t.file, t.src);
	cr_assert(t.file->ops->map_internal(t.file, t.off, true, &len), "what is there stays as long as it is referred to");
	inode_get(i);
	t.file->ops->unref(t.file, t.src);
	cr_assert_leq(mappings(), before + SLACK, "mapped though nothing refers to it");
	inode_put(i);
	inode_put(i);
}
#endif
