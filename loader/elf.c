/* SPDX-License-Identifier: Apache-2.0 */
/* ELF images: elf(5), and the rules of the kernel's binfmt_elf for where they go.
 *
 * A file's numbers are checked once, in elf_read(), into a struct elf whose segments all lie in the address space and neither wrap
 * nor shrink; elf_map() then only does arithmetic that cannot overflow. The bytes of the file are mapped, never read, except for the
 * headers; whatever is not there (a truncated file) is the guest's SIGBUS, as natively. The one write is the zeroing of what lies
 * behind the file's part in a segment's last file page.
 */
#include "loader/loader_internal.h"

#include "platform/platform.h"

#include <errno.h>
#include <limits.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/* binfmt_elf takes no more than 64 KiB of program headers. */
enum { PHDRS_MAX = 65536 / sizeof(Elf64_Phdr) };
/* PIEs that have an interpreter are put up to this far above elf_program_base(): mmap_rnd_bits of x86-64. */
#define PROGRAM_SPREAD (1ULL << 40)
#define ALIGN_MAX (1ULL << 30)

/* --- reading --- */

static int read_exactly(struct file *f, void *buf, size_t len, uint64_t off)
{
	ssize_t n;

	if (off > INT64_MAX - len)
		return -ENOEXEC;
	n = file_pread_kernel(f, buf, len, (off_t)off);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -ENOEXEC;
}

static bool header_ok(const Elf64_Ehdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_ident[EI_CLASS] == ELFCLASS64 && h->e_ident[EI_DATA] == ELFDATA2LSB &&
	       (h->e_type == ET_EXEC || h->e_type == ET_DYN) && h->e_machine == EM_X86_64 && h->e_phentsize == sizeof(Elf64_Phdr) &&
	       h->e_phnum >= 1 && h->e_phnum <= PHDRS_MAX;
}

/* One PT_LOAD: bounds, and its part of the image's. */
static int judge_load(struct elf *e, const Elf64_Phdr *p)
{
	uint64_t max = platform_max_addr();

	if (p->p_filesz > p->p_memsz || p->p_memsz > max || p->p_vaddr > max - p->p_memsz)
		return -ENOEXEC;
	if ((p->p_vaddr ^ p->p_offset) & ~PAGE_MASK || p->p_offset > INT64_MAX - max)
		return -ENOEXEC;
	if (!p->p_memsz)
		return 0;
	if (e->low == e->high) {
		e->low = page_down(p->p_vaddr);
		e->high = e->low;
	}
	e->low = MIN(e->low, page_down(p->p_vaddr));
	e->high = MAX(e->high, page_down(p->p_vaddr + p->p_memsz + PAGE_SIZE - 1));
	if (p->p_align > e->align && p->p_align <= ALIGN_MAX && !(p->p_align & (p->p_align - 1)))
		e->align = p->p_align;
	return 0;
}

static int read_interp(struct elf *e, const Elf64_Phdr *p)
{
	int r;

	if (p->p_filesz < 2 || p->p_filesz > PATH_MAX)
		return -ENOEXEC;
	e->interp = malloc(p->p_filesz);
	if (!e->interp)
		return -ENOMEM;
	r = read_exactly(e->file, e->interp, p->p_filesz, p->p_offset);
	if (!r && e->interp[p->p_filesz - 1])
		r = -ENOEXEC;
	return r;
}

static int judge(struct elf *e)
{
	int r = 0;

	for (size_t i = 0; i < e->eh.e_phnum && !r; i++) {
		const Elf64_Phdr *p = &e->ph[i];

		if (p->p_type == PT_LOAD)
			r = judge_load(e, p);
		else if (p->p_type == PT_INTERP && !e->interp)
			r = read_interp(e, p);
		else if (p->p_type == PT_GNU_STACK)
			e->exec_stack = p->p_flags & PF_X;
	}
	return !r && e->low == e->high ? -ENOEXEC : r;
}

int elf_read(struct file *f, struct elf *out)
{
	int r;

	*out = (struct elf){ .file = f, .align = PAGE_SIZE };
	r = read_exactly(f, &out->eh, sizeof(out->eh), 0);
	if (!r && !header_ok(&out->eh))
		r = -ENOEXEC;
	if (r)
		return r;
	out->ph = calloc(out->eh.e_phnum, sizeof(*out->ph));
	if (!out->ph)
		return -ENOMEM;
	r = read_exactly(f, out->ph, out->eh.e_phnum * sizeof(*out->ph), out->eh.e_phoff);
	if (!r)
		r = judge(out);
	if (r)
		elf_fini(out);
	return r;
}

void elf_fini(struct elf *e)
{
	free(e->ph);
	free(e->interp);
	e->ph = NULL;
	e->interp = NULL;
}

/* --- placing --- */

uint64_t elf_random(const struct mm *mm, uint64_t span)
{
	uint64_t r = 0;

	if (mm_layout_fixed(mm))
		return 0;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = 0; /* a predictable layout is better than none */
	return r & (span - 1) & PAGE_MASK;
}

uint64_t elf_program_base(void)
{
	/* Of what the host gives a process: so that a debugger's user meets the addresses of outside. */
	return page_down(0x7ffffffff000 / 3 * 2);
}

/* A free range for the image as mmap would choose it, given back at once: nobody else maps in this mm. */
static int place_free(struct mm *mm, const struct elf *e, uint64_t *start)
{
	uint64_t len = e->high - e->low + e->align - PAGE_SIZE;
	struct mmap_args m = { .len = len, .max_prot = -1, .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };
	int r = mm_mmap(mm, &m, start);

	if (r)
		return r;
	r = mm_munmap(mm, *start, len);
	*start += (e->low - *start) & (e->align - 1);
	return r;
}

/* The distance between the file's addresses and the mapped ones. */
static int choose_bias(struct mm *mm, const struct elf *e, enum elf_place place, uint64_t *bias)
{
	uint64_t start;
	int r;

	*bias = 0;
	if (e->eh.e_type == ET_EXEC)
		return 0;
	if (place == ELF_PLACE_PROGRAM) {
		start = elf_program_base() + elf_random(mm, PROGRAM_SPREAD);
		start -= (start - e->low) & (e->align - 1);
		if (e->high - e->low < platform_max_addr() - start) {
			*bias = start - e->low;
			return 0;
		}
	}
	r = place_free(mm, e, &start);
	*bias = start - e->low;
	return r;
}

/* --- mapping --- */

static int segment_prot(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) | (p->p_flags & PF_X ? PROT_EXEC : 0);
}

static int map_fixed(struct mm *mm, uint64_t start, uint64_t end, int prot, struct mappable *file, uint64_t off)
{
	struct mmap_args m = { .addr = start, .len = end - start, .prot = prot, .max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
			       .flags = MAP_PRIVATE | MAP_FIXED | (file ? MAP_DENYWRITE : MAP_ANONYMOUS), .mappable = file, .off = off };
	uint64_t at;

	return start < end ? mm_mmap(mm, &m, &at) : 0;
}

static int map_segment(struct mm *mm, const Elf64_Phdr *p, uint64_t bias, struct mappable *file)
{
	uint64_t start = bias + p->p_vaddr, file_end = start + p->p_filesz, end = start + p->p_memsz;
	uint64_t file_pages = page_down(file_end + PAGE_SIZE - 1), end_pages = page_down(end + PAGE_SIZE - 1);
	int prot = segment_prot(p), r;

	if (!p->p_filesz)
		return map_fixed(mm, page_down(start), end_pages, prot, NULL, 0);
	r = map_fixed(mm, page_down(start), file_pages, prot, file, page_down(p->p_offset));
	/* To the page's end, not the segment's: dynamic linkers take their first memory from there. */
	if (!r && end > file_end && file_pages > file_end && prot & PROT_WRITE)
		r = guest_zero(mm, file_end, file_pages - file_end) ? -ENOEXEC : 0; /* the file ends before */
	return r ? r : map_fixed(mm, file_pages, end_pages, prot, NULL, 0);
}

/* What /proc shows, and the auxiliary vector needs, of one mapped segment. */
static void note_segment(const struct elf *e, const Elf64_Phdr *p, struct elf_image *out)
{
	uint64_t start = out->bias + p->p_vaddr, file_end = start + p->p_filesz;

	if (p->p_flags & PF_X) {
		out->start_code = out->start_code ? MIN(out->start_code, start) : start;
		out->end_code = MAX(out->end_code, file_end);
	}
	out->start_data = MAX(out->start_data, start);
	out->end_data = MAX(out->end_data, file_end);
	out->end = MAX(out->end, start + p->p_memsz);
	if (e->eh.e_phoff >= p->p_offset && e->eh.e_phoff - p->p_offset < p->p_filesz)
		out->phdr = start + (e->eh.e_phoff - p->p_offset);
}

int elf_map(struct mm *mm, const struct elf *e, enum elf_place place, struct elf_image *out)
{
	struct mappable *file = NULL;
	int r;

	memset(out, 0, sizeof(*out));
	if (!e->file->ops->mappable)
		return -ENOEXEC;
	r = choose_bias(mm, e, place, &out->bias);
	if (!r)
		r = e->file->ops->mappable(e->file, PROT_READ | PROT_EXEC, MAP_PRIVATE, &file);
	for (size_t i = 0; i < e->eh.e_phnum && !r; i++) {
		if (e->ph[i].p_type != PT_LOAD || !e->ph[i].p_memsz)
			continue;
		r = map_segment(mm, &e->ph[i], out->bias, file);
		note_segment(e, &e->ph[i], out);
	}
	if (file)
		file->ops->put(file);
	out->base = out->bias + e->low;
	out->entry = out->bias + e->eh.e_entry;
	if (!r && out->entry >= platform_max_addr())
		r = -ENOEXEC;
	return r;
}
