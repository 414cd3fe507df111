/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct memfile *test_mf;
struct mm *test_mm;
int touch_code, touch_faults;

void harness_setup(void)
{
	guarded_init();
	mm_check_always = true;
	cr_assert_eq(memfile_new(0, &test_mf), 0);
	cr_assert_eq(mm_new(test_mf, &test_mm), 0);
}

void harness_teardown(void)
{
	check_mm(test_mm);
	mm_user_put(test_mm);
	cr_assert_eq(fake.live, 0, "an address space was not released");
	cr_assert_eq(memfile_allocated(test_mf), 0, "%lu bytes leaked", memfile_allocated(test_mf));
	memfile_free(test_mf);
}

int64_t map_at(struct mm *mm, uint64_t addr, uint64_t len, int prot, int flags)
{
	struct mmap_args a = { .addr = addr, .len = len, .prot = prot, .max_prot = -1, .flags = flags | MAP_ANONYMOUS };
	uint64_t out = 0;
	int err;

	if (addr)
		a.flags |= MAP_FIXED;
	err = mm_mmap(mm, &a, &out);
	return err ? err : (int64_t)out;
}

uint64_t map_anon(struct mm *mm, uint64_t addr, uint64_t len)
{
	int64_t r = map_at(mm, addr, len, RW, MAP_PRIVATE);

	cr_assert_gt(r, 0, "mmap: %ld", r);
	return (uint64_t)r;
}

int touch(struct mm *mm, uint64_t addr, int access)
{
	for (int tries = 0; tries < 6; tries++) {
		const struct fake_mapping *m = fake_at(mm->as, addr);
		struct mm_fault f = { .addr = addr, .access = access, .mapped = m };
		int sig;

		if (m && !(access & ~prot_normal(m->prot)))
			return 0;
		/* As the platform tells: a fault on what is mapped readable is a write, else it counts as a read. */
		if (access == PROT_WRITE && !(m && (m->prot & PROT_READ)))
			f.access = PROT_READ;
		f.access_known = access == PROT_EXEC;
		touch_faults++;
		sig = mm_handle_fault(mm, &f, &touch_code);
		check_mm(mm);
		if (sig)
			return sig;
	}
	cr_assert_fail("the guest faults for ever at %#lx", addr);
	return -1;
}

unsigned char load(struct mm *mm, uint64_t addr)
{
	const struct fake_mapping *m;
	unsigned char c = 0;

	cr_assert_eq(touch(mm, addr, PROT_READ), 0, "load from %#lx", addr);
	m = fake_at(mm->as, addr);
	cr_assert_eq(pread(m->file->fd, &c, 1, (off_t)(m->off + (addr - m->addr))), 1);
	return c;
}

void store(struct mm *mm, uint64_t addr, unsigned char value)
{
	const struct fake_mapping *m;

	cr_assert_eq(touch(mm, addr, PROT_WRITE), 0, "store to %#lx", addr);
	m = fake_at(mm->as, addr);
	cr_assert_eq(pwrite(m->file->fd, &value, 1, (off_t)(m->off + (addr - m->addr))), 1);
}

const struct pma *pma_at(struct mm *mm, uint64_t addr)
{
	struct seg p = segset_find(&mm->pmas, addr);

	return seg_ok(p) ? pma_of(p) : NULL;
}

void check_mm(struct mm *mm)
{
	struct seg p;

	cr_assert(mm_check(mm));
	/* Whatever the stub maps is what a pma says... */
	for (size_t i = 0; i < fake_count(mm->as); i++) {
		const struct fake_mapping *m = fake_nth(mm->as, i);

		for (uint64_t at = m->addr; at < m->addr + m->len; at = seg_end(p)) {
			p = segset_find(&mm->pmas, at);
			cr_assert(seg_ok(p), "the stub maps %#lx without a pma", at);
			cr_assert_neq(pma_of(p)->stub, STUB_NONE, "pma at %#lx should not be mapped", at);
			if (!pma_is_mapped(pma_of(p)))
				continue;
			cr_assert_eq(m->file, &pma_of(p)->file->host);
			cr_assert_eq(m->off + (at - m->addr), pma_offset(p, at), "wrong page at %#lx", at);
			cr_assert_eq(m->prot, pma_mapped_prot(pma_of(p)), "prot %d at %#lx", m->prot, at);
		}
	}
	/* ... and what a pma says is mapped is. */
	for (p = segset_first(&mm->pmas); seg_ok(p); p = seg_next(p))
		for (uint64_t at = seg_start(p); pma_is_mapped(pma_of(p)) && at < seg_end(p);) {
			const struct fake_mapping *m = fake_at(mm->as, at);

			cr_assert(m, "the stub does not map %#lx", at);
			at = m->addr + m->len;
		}
}

const char *vmas_text(struct mm *mm)
{
	static char buf[4096];
	size_t n = 0;

	buf[0] = 0;
	for (struct seg g = segset_first(&mm->vmas); seg_ok(g); g = seg_next(g)) {
		struct vma *v = vma_of(g);

		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%ld-%ld %c%c%c%c", n ? ", " : "",
				      (long)(seg_start(g) - BASE) / (long)P, (long)(seg_end(g) - BASE) / (long)P,
				      v->prot & PROT_READ ? 'r' : '-', v->prot & PROT_WRITE ? 'w' : '-',
				      v->prot & PROT_EXEC ? 'x' : '-', v->shared ? 's' : 'p');
		if (n >= sizeof(buf))
			break;
	}
	return buf;
}

/* --- a file --- */

static struct test_file *file_of(struct mappable *m)
{
	return CONTAINER_OF(m, struct test_file, mappable);
}

static void file_get(struct mappable *m)
{
	file_of(m)->refs++;
}

static void file_put(struct mappable *m)
{
	cr_assert_gt(file_of(m)->refs--, 0);
}

static int file_add(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	return mappings_add(&file_of(m)->mappings, mm, r, off, writable);
}

static void file_remove(struct mappable *m, struct mm *mm, struct range r, uint64_t off, bool writable)
{
	mappings_remove(&file_of(m)->mappings, mm, r, off, writable);
}

static int file_translate(struct mappable *m, struct range required, struct range optional, int prot,
			  struct translation out[static TRANSLATIONS_MAX], int *err)
{
	struct test_file *f = file_of(m);
	uint64_t size = align_up(f->size, P);

	(void)prot;
	f->translations++;
	*err = 0;
	if (required.start >= size) {
		*err = -EFAULT;
		return 0;
	}
	if (optional.end > size) {
		optional.end = size;
		*err = -EFAULT;
	}
	out[0] = (struct translation){ .src = optional, .file = &f->file, .off = optional.start, .prot = f->prot };
	f->page_refs += (int)(range_len(optional) / P);
	return 1;
}

static int file_sync(struct mappable *m, struct range r)
{
	(void)r;
	file_of(m)->syncs++;
	return 0;
}

static const struct mappable_ops file_mappable_ops = {
	.get = file_get,
	.put = file_put,
	.add_mapping = file_add,
	.remove_mapping = file_remove,
	.translate = file_translate,
	.sync = file_sync,
};

static void pages_ref(struct mm_file *file, struct range r)
{
	CONTAINER_OF(file, struct test_file, file)->page_refs += (int)(range_len(r) / P);
}

static void pages_unref(struct mm_file *file, struct range r)
{
	struct test_file *f = CONTAINER_OF(file, struct test_file, file);

	f->page_refs -= (int)(range_len(r) / P);
	cr_assert_geq(f->page_refs, 0);
}

static bool pages_sole(struct mm_file *file, struct range r)
{
	(void)file, (void)r;
	return false;
}

static void *pages_internal(struct mm_file *file, uint64_t off, bool write, uint64_t *len)
{
	(void)write;
	*len = P; /* as little as an implementation may give */
	return CONTAINER_OF(file, struct test_file, file)->internal + off;
}

static const struct mm_file_ops pages_ops = {
	.ref = pages_ref,
	.unref = pages_unref,
	.sole_ref = pages_sole,
	.map_internal = pages_internal,
};

struct test_file *test_file_new(uint64_t size)
{
	struct test_file *f = calloc(1, sizeof(*f));
	char page[P];
	int fd = memfd_create("file", 0);

	cr_assert(f && fd >= 0);
	f->mappable.ops = &file_mappable_ops;
	mappings_init(&f->mappings);
	f->file.ops = &pages_ops;
	platform_file_init(&f->file.host, fd);
	f->size = size;
	f->prot = PROT_ALL;
	for (uint64_t off = 0; off < size; off += P) {
		memset(page, (int)(off / P + 1), P);
		cr_assert_eq(pwrite(fd, page, MIN(P, size - off), (off_t)off), (ssize_t)MIN(P, size - off));
	}
	f->internal = mmap(NULL, align_up(size, P), RW, MAP_SHARED, fd, 0);
	cr_assert_neq((void *)f->internal, MAP_FAILED);
	return f;
}

void test_file_free(struct test_file *f)
{
	cr_assert_eq(f->refs, 0, "%d references on the mappable leaked", f->refs);
	cr_assert_eq(f->page_refs, 0, "%d references on pages leaked", f->page_refs);
	cr_assert(mappings_empty(&f->mappings));
	mappings_destroy(&f->mappings);
	munmap(f->internal, align_up(f->size, P));
	close(f->file.host.fd);
	free(f);
}

void test_file_truncate(struct test_file *f, uint64_t size, enum invalidate_private which)
{
	uint64_t old = f->size;

	f->size = size;
	cr_assert_eq(ftruncate(f->file.host.fd, (off_t)size), 0);
	if (size < old)
		mappings_invalidate(&f->mappings, range_make(align_up(size, P), align_up(old, P)), which);
}

int64_t map_file(struct mm *mm, struct test_file *f, uint64_t addr, uint64_t len, int prot, int flags, uint64_t off)
{
	struct mmap_args a = { .addr = addr,
			       .len = len,
			       .prot = prot,
			       .max_prot = -1,
			       .flags = flags | (addr ? MAP_FIXED : 0),
			       .mappable = &f->mappable,
			       .off = off };
	uint64_t out = 0;
	int err = mm_mmap(mm, &a, &out);

	return err ? err : (int64_t)out;
}
