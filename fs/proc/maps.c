/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/maps, smaps and the mount tables; formats as in proc(5). */
#include "fs/proc/proc_internal.h"

#include "fs/vfs.h"

#include <sys/sysmacros.h>

enum { NAME_COLUMN = 73 };

static void print_header(struct text *out, const struct vma_info *v)
{
	text_printf(out, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu", v->range.start, v->range.end,
		    v->prot & PROT_READ ? 'r' : '-', v->prot & PROT_WRITE ? 'w' : '-', v->prot & PROT_EXEC ? 'x' : '-',
		    v->shared ? 's' : 'p', v->off, major(v->dev), minor(v->dev), v->ino);
	if (v->name[0]) {
		text_append(out, " ", 1);
		text_pad(out, NAME_COLUMN);
		/* As Linux: only the newline is escaped. */
		for (const char *p = v->name; *p; p++)
			if (*p == '\n')
				text_printf(out, "\\012");
			else
				text_append(out, p, 1);
	}
	text_append(out, "\n", 1);
}

/* One piece of maps or smaps: the cursor is the address from which on nothing was shown yet. */
struct piece {
	struct text *out;
	uint64_t *cursor;
};

#define SHOWN_ALL UINT64_MAX

static bool shown(const struct piece *p, const struct vma_info *v)
{
	*p->cursor = v->range.end;
	return p->out->len < PROC_PIECE && !p->out->failed;
}

static bool map_line(const struct vma_info *v, void *arg)
{
	const struct piece *p = arg;

	print_header(p->out, v);
	return shown(p, v);
}

/* What the host keeps above the guest's addresses and a guest may use. */
static void print_vdso(struct text *out)
{
	uint64_t at = platform_vdso();

	if (!at)
		return;
	struct vma_info v = { .range = { at, at + 2 * PAGE_SIZE }, .prot = PROT_READ | PROT_EXEC, .name = "[vdso]" };
	print_header(out, &v);
}

void proc_pid_maps(struct text *out, struct task *t, uint64_t *cursor)
{
	struct piece p = { out, cursor };
	struct mm *mm = *cursor == SHOWN_ALL ? NULL : proc_mm_get(t);

	if (!mm)
		return;
	mm_walk(mm, *cursor, false, map_line, &p);
	if (out->len < PROC_PIECE) {
		print_vdso(out);
		*cursor = SHOWN_ALL;
	}
	mm_put(mm);
}

struct usage {
	uint64_t size, rss, anon, locked;
};

static void print_usage(struct text *out, const struct usage *u, bool shared)
{
	uint64_t file = u->rss - u->anon;
	const struct {
		const char *name;
		uint64_t bytes;
	} rows[] = {
		{ "Rss", u->rss },
		{ "Pss", u->rss },
		{ "Shared_Clean", file },
		{ "Shared_Dirty", 0 },
		{ "Private_Clean", 0 },
		{ "Private_Dirty", u->anon },
		{ "Referenced", u->rss },
		{ "Anonymous", shared ? 0 : u->anon },
		{ "LazyFree", 0 },
		{ "AnonHugePages", 0 },
		{ "ShmemPmdMapped", 0 },
		{ "FilePmdMapped", 0 },
		{ "Shared_Hugetlb", 0 },
		{ "Private_Hugetlb", 0 },
		{ "Swap", 0 },
		{ "SwapPss", 0 },
		{ "Locked", u->locked },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		text_printf(out, "%s:", rows[i].name);
		text_pad(out, 16);
		text_printf(out, "%8lu kB\n", rows[i].bytes >> 10);
	}
}

/* The letters of proc_pid_smaps(5), in Linux's order. */
static void print_flags(struct text *out, const struct vma_info *v)
{
	const struct {
		bool on;
		const char *name;
	} flags[] = {
		{ v->prot & PROT_READ, "rd" },
		{ v->prot & PROT_WRITE, "wr" },
		{ v->prot & PROT_EXEC, "ex" },
		{ v->shared, "sh" },
		{ v->max_prot & PROT_READ, "mr" },
		{ v->max_prot & PROT_WRITE, "mw" },
		{ v->max_prot & PROT_EXEC, "me" },
		{ v->shared, "ms" },
		{ v->grows_down, "gd" },
		{ v->locked, "lo" },
		{ v->dont_fork, "dc" },
		{ v->wipe_on_fork, "wf" },
		{ v->sealed, "sl" },
	};

	text_printf(out, "VmFlags:");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].on)
			text_printf(out, " %s", flags[i].name);
	text_printf(out, " \n");
}

static bool smap_entry(const struct vma_info *v, void *arg)
{
	const struct piece *p = arg;
	struct text *out = p->out;
	struct usage u = { range_len(v->range), v->rss, v->anon, v->locked };

	print_header(out, v);
	text_printf(out, "Size:           %8lu kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n", u.size >> 10);
	print_usage(out, &u, v->shared);
	text_printf(out, "THPeligible:           0\n");
	print_flags(out, v);
	return shown(p, v);
}

void proc_pid_smaps(struct text *out, struct task *t, uint64_t *cursor)
{
	struct piece p = { out, cursor };
	struct mm *mm = proc_mm_get(t);

	if (!mm)
		return;
	mm_walk(mm, *cursor, true, smap_entry, &p);
	mm_put(mm);
}

struct rollup {
	struct usage sum;
	struct range range;
};

static bool rollup_add(const struct vma_info *v, void *arg)
{
	struct rollup *r = arg;

	if (!r->range.end)
		r->range.start = v->range.start;
	r->range.end = v->range.end;
	r->sum.rss += v->rss;
	r->sum.anon += v->anon;
	r->sum.locked += v->locked;
	return true;
}

void proc_pid_smaps_rollup(struct text *out, struct task *t)
{
	struct mm *mm = proc_mm_get(t);
	struct rollup r = { 0 };

	if (!mm)
		return;
	mm_walk(mm, 0, true, rollup_add, &r);
	mm_put(mm);
	struct vma_info v = { .range = r.range, .name = "[rollup]" };
	print_header(out, &v);
	print_usage(out, &r.sum, false);
}

static void mount_flags(struct text *out, unsigned flags)
{
	text_printf(out, "%s%s%s%s,relatime", flags & MOUNT_RDONLY ? "ro" : "rw", flags & MOUNT_NOSUID ? ",nosuid" : "",
		    flags & MOUNT_NODEV ? ",nodev" : "", flags & MOUNT_NOEXEC ? ",noexec" : "");
}

static void mounts_line(void *arg, const char *source, const char *path, const char *type, unsigned flags, int id,
			int parent, uint64_t dev)
{
	struct text *out = arg;

	(void)id, (void)parent, (void)dev;
	text_printf(out, "%s %s %s ", source, path, type);
	mount_flags(out, flags);
	text_printf(out, " 0 0\n");
}

void proc_pid_mounts(struct text *out, struct task *t)
{
	(void)t;
	vfs_mounts_walk(mounts_line, out);
}

static void mountinfo_line(void *arg, const char *source, const char *path, const char *type, unsigned flags, int id,
			   int parent, uint64_t dev)
{
	struct text *out = arg;

	text_printf(out, "%d %d %u:%u / %s ", id, parent, major(dev), minor(dev), path);
	mount_flags(out, flags);
	text_printf(out, " - %s %s %s\n", type, source, flags & MOUNT_RDONLY ? "ro" : "rw");
}

void proc_pid_mountinfo(struct text *out, struct task *t)
{
	(void)t;
	vfs_mounts_walk(mountinfo_line, out);
}
