/* SPDX-License-Identifier: Apache-2.0 */
/* Address space calls: mmap(2), munmap, mprotect, mseal, mremap, remap_file_pages, madvise, brk, mincore, msync, mlock and its siblings. */
#include "syscalls/syscalls.h"

#include "fs/fdtable.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/vfs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>

#ifndef PROT_SEM
#define PROT_SEM 0x8
#endif

static bool file_noexec(struct file *f)
{
	return f->path && (path_mount_flags(f->path) & MOUNT_NOEXEC || f->inode->fs->no_exec);
}

/* What mprotect(2) may grant later: a shared mapping of a file that was not opened for writing, or is sealed, never becomes writable;
 * nothing on a noexec mount ever becomes executable. */
static int file_max_prot(struct file *f, bool shared)
{
	int prot = PROT_READ | PROT_WRITE | PROT_EXEC;

	if (shared && (!file_writable(f) || memfd_write_sealed(f)))
		prot &= ~PROT_WRITE;
	return file_noexec(f) ? prot & ~PROT_EXEC : prot;
}

/* Asks f for what it maps: m->mappable, with a reference, is NULL where f maps like anonymous memory (/dev/zero, privately). */
static int file_mappable(struct file *f, struct mmap_args *m)
{
	bool shared = (m->flags & MAP_TYPE) != MAP_PRIVATE;

	/* Behind what a file can be long. */
	if (S_ISREG(f->inode->type) && m->off > INT64_MAX - ((m->len + PAGE_SIZE - 1) & PAGE_MASK))
		return -EOVERFLOW;
	if (!file_readable(f))
		return -EACCES;
	if (shared && (m->prot & PROT_WRITE) && !file_writable(f))
		return -EACCES;
	if (m->prot & PROT_EXEC && file_noexec(f))
		return -EPERM;
	if (!f->ops->mappable)
		return -ENODEV;
	m->max_prot = file_max_prot(f, shared);
	return f->ops->mappable(f, m->prot, m->flags, &m->mappable);
}

static int64_t map_file(struct task *t, struct mmap_args *m, int fd)
{
	struct file *f = fd_lookup(t->files, fd);
	uint64_t addr = 0;
	int err;

	if (!f)
		return -EBADF;
	err = mm_mmap_check(t->mm, m);
	if (!err)
		err = file_mappable(f, m);
	/* Private zeroes are anonymous memory, yet of that name. */
	if (!err && !m->mappable)
		m->name = "/dev/zero";
	if (!err)
		err = mm_mmap(t->mm, m, &addr);
	if (m->mappable)
		m->mappable->ops->put(m->mappable);
	file_put(f);
	return err ? err : (int64_t)addr;
}

int64_t sys_mmap(struct task *t, const uint64_t a[6])
{
	struct mmap_args m = {
		.addr = a[0],
		.len = a[1],
		.prot = (int)a[2] & (PROT_READ | PROT_WRITE | PROT_EXEC),
		.max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
		.flags = (int)a[3],
		.off = a[5],
	};
	uint64_t addr = 0;
	int err;

	if (m.off & ~PAGE_MASK)
		return -EINVAL;
	if ((t->personality & READ_IMPLIES_EXEC) && (m.prot & PROT_READ))
		m.prot |= PROT_EXEC;
	if (!(m.flags & MAP_ANONYMOUS))
		return map_file(t, &m, (int)a[4]);
	err = mm_mmap(t->mm, &m, &addr);
	return err ? err : (int64_t)addr;
}

int64_t sys_munmap(struct task *t, const uint64_t a[6])
{
	return mm_munmap(t->mm, a[0], a[1]);
}

int64_t sys_mprotect(struct task *t, const uint64_t a[6])
{
	uint64_t prot = a[2] & ~(uint64_t)(PROT_GROWSDOWN | PROT_GROWSUP | PROT_SEM);
	bool down = a[2] & PROT_GROWSDOWN, up = a[2] & PROT_GROWSUP;

	if ((down && up) || (prot & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC)))
		return -EINVAL;
	if (up)
		return -EINVAL; /* nothing grows upwards on this architecture */
	if ((t->personality & READ_IMPLIES_EXEC) && (prot & PROT_READ))
		prot |= PROT_EXEC;
	return mm_mprotect(t->mm, a[0], a[1], (int)prot, down);
}

int64_t sys_mseal(struct task *t, const uint64_t a[6])
{
	/* No flag is defined. */
	return a[2] ? -EINVAL : mm_mseal(t->mm, a[0], a[1]);
}

int64_t sys_mremap(struct task *t, const uint64_t a[6])
{
	uint64_t out = 0;
	int err;

	if (a[3] > INT_MAX)
		return -EINVAL;
	err = mm_mremap(t->mm, a[0], a[1], a[2], (int)a[3], a[4], &out);
	return err ? err : (int64_t)out;
}

int64_t sys_remap_file_pages(struct task *t, const uint64_t a[6])
{
	/* The protection stays what it is. */
	return a[2] ? -EINVAL : mm_remap_pages(t->mm, a[0], a[1], a[3], (int)a[4]);
}

int64_t sys_madvise(struct task *t, const uint64_t a[6])
{
	return mm_madvise(t->mm, a[0], a[1], (int)a[2]);
}

int64_t sys_brk(struct task *t, const uint64_t a[6])
{
	return (int64_t)mm_brk(t->mm, a[0]);
}

int64_t sys_msync(struct task *t, const uint64_t a[6])
{
	return mm_msync(t->mm, a[0], a[1], (int)a[2]);
}

int64_t sys_mincore(struct task *t, const uint64_t a[6])
{
	enum { PAGES = 4096 };
	uint64_t addr = a[0], len, done = 0;
	unsigned char *vec;
	int err = 0;

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (!page_up(a[1], &len) || addr + len < addr)
		return -ENOMEM;
	vec = malloc(PAGES);
	if (!vec)
		return -EAGAIN;
	while (done < len && !err) {
		uint64_t n = MIN(len - done, (uint64_t)PAGES * PAGE_SIZE);

		err = mm_mincore(t->mm, addr + done, n, vec);
		if (!err)
			err = guest_write(t->mm, a[2] + done / PAGE_SIZE, vec, n / PAGE_SIZE);
		done += n;
	}
	free(vec);
	return err;
}

int64_t sys_mlock(struct task *t, const uint64_t a[6])
{
	return mm_mlock(t->mm, a[0], a[1], true, false);
}

int64_t sys_mlock2(struct task *t, const uint64_t a[6])
{
	if ((int)a[2] & ~MLOCK_ONFAULT)
		return -EINVAL;
	return mm_mlock(t->mm, a[0], a[1], true, (int)a[2] & MLOCK_ONFAULT);
}

int64_t sys_munlock(struct task *t, const uint64_t a[6])
{
	return mm_mlock(t->mm, a[0], a[1], false, false);
}

int64_t sys_mlockall(struct task *t, const uint64_t a[6])
{
	int flags = (int)a[0];

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	return mm_mlockall(t->mm, flags);
}

int64_t sys_munlockall(struct task *t, const uint64_t a[6])
{
	(void)a;
	return mm_mlockall(t->mm, 0);
}
