/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping host files: stubs and the sentry map the host's descriptor itself, so pages are shared with the host's page cache. */
#include "fs/host/host_internal.h"
#include "fs/vfs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How much of a file the sentry maps at once: all of a small one. */
#define WINDOW_SMALL (64UL << 20)

/* The host allows a process some 65,530 mappings, and the sentry needs of its own. */
enum {
	WINDOWS_OF_FILE = 64 << 10,
	WINDOWS_MAX = 32 << 10,
	WINDOWS_KEPT = 4 << 10, /* if there are more, a file keeps none that nobody refers to */
};
static _Atomic unsigned window_total;

static struct host_map *map_of(struct mm_file *f)
{
	return CONTAINER_OF(f, struct host_map, file);
}

/* What is referred to keeps the inode, and so the windows, alive: a transfer of the host's may outlast the mapping that it goes to. The
 * first reference is taken by somebody who has the inode; under an mm's locks, where a vma has it, the last put is never the inode's. */
static void file_ref(struct mm_file *f, struct range r)
{
	struct host_map *m = map_of(f);

	if (!atomic_fetch_add(&m->refs, (int64_t)(range_len(r) >> PAGE_SHIFT)))
		inode_get(&m->node->inode);
}

static void file_unref(struct mm_file *f, struct range r)
{
	struct host_map *m = map_of(f);
	struct inode *i = &m->node->inode;
	struct hostfs *fs = hostfs_of(i);
	int64_t pages = (int64_t)(range_len(r) >> PAGE_SHIFT);

	if (atomic_fetch_sub(&m->refs, pages) != pages)
		return;
	if (window_total > WINDOWS_KEPT) {
		/* Who has an address of a window has had a reference since it asked, under the lock. */
		mutex_lock(&fs->lock);
		if (!m->refs)
			host_map_windows_drop(m);
		mutex_unlock(&fs->lock);
	}
	inode_put(i);
}

/* The page cache's pages are never anybody's alone. */
static bool file_sole_ref(struct mm_file *f, struct range r)
{
	(void)f, (void)r;
	return false;
}

static bool add_window_locked(struct host_map *m, size_t index)
{
	size_t count = MAX(index + 1, MIN(2 * m->window_count, WINDOWS_OF_FILE));
	char **w;

	if (index < m->window_count)
		return true;
	w = realloc(m->windows, count * sizeof(*w));
	if (!w)
		return false;
	memset(w + m->window_count, 0, (count - m->window_count) * sizeof(*w));
	m->windows = w;
	m->window_count = count;
	return true;
}

static char *map_window(struct host_map *m, size_t index, bool rw)
{
	char *p;

	if (atomic_fetch_add(&window_total, 1) < WINDOWS_MAX) {
		p = mmap(NULL, WINDOW_SMALL, rw ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, m->file.host.fd,
			 (off_t)(index * WINDOW_SMALL));
		if (p != MAP_FAILED)
			return p;
	}
	window_total--;
	return NULL;
}

static void *file_map_internal(struct mm_file *f, uint64_t off, bool write, uint64_t *len)
{
	struct host_map *m = map_of(f);
	struct hostfs *fs = hostfs_of(&m->node->inode);
	bool rw = m == m->node->map_rw;
	size_t index = off / WINDOW_SMALL;
	char *p = NULL;

	if (write && !rw)
		return NULL;
	mutex_lock(&fs->lock);
	if (m->file.host.fd >= 0 && index < WINDOWS_OF_FILE && add_window_locked(m, index)) {
		if (!m->windows[index])
			m->windows[index] = map_window(m, index, rw);
		p = m->windows[index];
	}
	mutex_unlock(&fs->lock);
	if (!p)
		return NULL;
	*len = WINDOW_SMALL - off % WINDOW_SMALL;
	return p + off % WINDOW_SMALL;
}

static const struct mm_file_ops file_ops = {
	.ref = file_ref,
	.unref = file_unref,
	.sole_ref = file_sole_ref,
	.map_internal = file_map_internal,
};

void host_map_windows_drop(struct host_map *m)
{
	for (size_t i = 0; i < m->window_count; i++)
		if (m->windows[i]) {
			munmap(m->windows[i], WINDOW_SMALL);
			window_total--;
		}
	free(m->windows);
	m->windows = NULL;
	m->window_count = 0;
}

static struct host_map *map_new(struct host_node *n)
{
	struct host_map *m = calloc(1, sizeof(*m));

	if (m) {
		m->file.ops = &file_ops;
		platform_file_init(&m->file.host, -1);
		m->node = n;
	}
	return m;
}

void host_map_free(struct host_map *m)
{
	if (!m)
		return;
	host_map_windows_drop(m);
	if (m->file.host.fd >= 0) {
		int fd = m->file.host.fd;

		platform_file_fini(&m->file.host);
		close(fd);
	}
	free(m);
}

/* The cached mode maps the node's one descriptor, which must be open now. */
static int get_cached(struct host_node *n, struct host_map **out)
{
	struct hostfs *fs = hostfs_of(&n->inode);
	struct host_map *m = n->map ? NULL : map_new(n);
	int fd;

	if (!n->map && !m)
		return -ENOMEM;
	fd = host_fd_use(n);
	if (fd < 0) {
		free(m);
		return fd;
	}
	mutex_lock(&fs->lock);
	if (!n->map) {
		n->map = m;
		platform_file_init(&m->file.host, n->fd);
		m = NULL;
	}
	*out = n->map;
	mutex_unlock(&fs->lock);
	free(m);
	host_fd_drop(n);
	return 0;
}

/* What is mapped for writing serves readers as well: the file may be of a mode that lets nobody open it again. */
static int get_through(struct host_node *n, bool writable, int fd, struct host_map **out)
{
	struct host_map **slot = writable ? &n->map_rw : &n->map, *m;
	struct hostfs *fs = hostfs_of(&n->inode);

	mutex_lock(&fs->lock);
	*out = !*slot && !writable && fd < 0 ? n->map_rw : *slot;
	mutex_unlock(&fs->lock);
	if (*out)
		return 0;
	fd = fd < 0 ? host_open_node(n, writable ? O_RDWR : O_RDONLY) : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return fd < -1 ? fd : host_map_errno(errno);
	m = map_new(n);
	if (!m) {
		close(fd);
		return -ENOMEM;
	}
	platform_file_init(&m->file.host, fd);
	mutex_lock(&fs->lock);
	if (!*slot) {
		*slot = m;
		m = NULL;
	}
	*out = *slot;
	mutex_unlock(&fs->lock);
	host_map_free(m);
	return 0;
}

int host_map_get(struct host_node *n, bool writable, int fd, struct host_map **out)
{
	return host_cached(hostfs_of(&n->inode)) ? get_cached(n, out) : get_through(n, writable, fd, out);
}

/* --- the mappable --- */

static struct host_node *mapped_node(struct mappable *m)
{
	return CONTAINER_OF(m, struct host_node, mappable);
}

static void map_get(struct mappable *m)
{
	struct host_node *n = mapped_node(m);

	inode_get(&n->inode);
	map_name_get(&n->map_name, NULL);
}

static void map_put(struct mappable *m)
{
	struct host_node *n = mapped_node(m);

	map_name_put(&n->map_name);
	inode_put(&n->inode);
}

static int map_add(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	return mappings_add(&mapped_node(m)->mappings, mm, r, off, writable);
}

static void map_remove(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	mappings_remove(&mapped_node(m)->mappings, mm, r, off, writable);
}

static uint64_t mapped_end(struct host_node *n, struct host_map *m)
{
	struct stat st;
	uint64_t size = n->attr.size;

	if (!host_cached(hostfs_of(&n->inode)))
		size = fstat(m->file.host.fd, &st) ? 0 : (uint64_t)st.st_size;
	return (size + PAGE_SIZE - 1) & PAGE_MASK;
}

static int map_translate(struct mappable *mp, struct range required, struct range optional, int prot,
			 struct translation out[static TRANSLATIONS_MAX], int *err)
{
	struct host_node *n = mapped_node(mp);
	bool cached = host_cached(hostfs_of(&n->inode));
	struct host_map *m;
	struct range r;
	uint64_t end;
	int count = 0, fd;

	*err = host_map_get(n, prot & PROT_WRITE, -1, &m);
	if (*err)
		return 0;
	/* Keeps the descriptor open until the pages are referred to. */
	fd = cached ? host_fd_use(n) : 0;
	if (fd < 0) {
		*err = fd;
		return 0;
	}
	end = mapped_end(n, m);
	if (required.end > end)
		*err = -EFAULT;
	if (required.start < end) {
		r = range_intersect(optional, range_make(0, end));
		file_ref(&m->file, r);
		out[count++] = (struct translation){ .src = r, .file = &m->file, .off = r.start,
						     .prot = PROT_READ | PROT_EXEC | (m == n->map_rw ? PROT_WRITE : 0) };
	}
	if (cached)
		host_fd_drop(n);
	return count;
}

static int map_sync(struct mappable *m, struct range r)
{
	struct host_node *n = mapped_node(m);

	(void)r;
	if (!n->map_rw)
		return 0;
	return fdatasync(n->map_rw->file.host.fd) ? -errno : 0;
}

static int map_punch(struct mappable *m, struct range r)
{
	struct host_node *n = mapped_node(m);

	if (!n->map_rw)
		return -EACCES;
	if (fallocate(n->map_rw->file.host.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)r.start, (off_t)range_len(r)))
		return host_map_errno(errno);
	/* Shared pages are the host's own and are zero now; private copies of others stay. */
	return 0;
}

static void map_residency(struct mappable *mp, struct range r, unsigned char *vec)
{
	struct host_node *n = mapped_node(mp);
	bool cached = host_cached(hostfs_of(&n->inode));
	struct host_map *m;

	if (host_map_get(n, false, -1, &m) || (cached && host_fd_use(n) < 0))
		return;
	r = range_intersect(r, range_make(0, mapped_end(n, m)));
	if (!range_empty(r)) {
		file_ref(&m->file, r);
		file_residency(&m->file, r, vec);
		file_unref(&m->file, r);
	}
	if (cached)
		host_fd_drop(n);
}

static void map_describe(struct mappable *m, char *buf, size_t size, uint64_t *dev, uint64_t *ino)
{
	struct host_node *n = mapped_node(m);

	*dev = n->attr.dev;
	*ino = n->attr.ino;
	map_name_print(&n->map_name, buf, size);
}

const struct mappable_ops host_mappable_ops = {
	.get = map_get,
	.put = map_put,
	.add_mapping = map_add,
	.remove_mapping = map_remove,
	.translate = map_translate,
	.sync = map_sync,
	.punch = map_punch,
	.residency = map_residency,
	.describe = map_describe,
};
