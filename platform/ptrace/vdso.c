/* SPDX-License-Identifier: Apache-2.0 */
/* The host's vDSO and the data pages it reads are kept in every stub, so that a guest reads the time without a call. They
 * are found in the sentry's own map and wanted just below the batch pages: mremap(2) moves special mappings whole, which the
 * host supports for checkpoint and restore. Their distances must stay, because the code addresses its data relative to
 * itself. */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The sentry's own, whose bytes are the same. */
static const unsigned char *own;
static uint64_t own_len;

static int vdso_add_part(struct vdso_plan *p, uint64_t start, uint64_t end)
{
	/* They must be neighbours: anything in between would be unmapped or moved with them. */
	if (p->count == VDSO_PARTS_MAX || (p->count && p->end != start))
		return -ENOTSUP;
	if (!p->count)
		p->start = start;
	p->end = end;
	p->parts[p->count++] = (struct vdso_part){ .start = start, .len = end - start };
	return 0;
}

static int vdso_find(struct vdso_plan *p)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int r = 0;

	if (!f)
		return -errno;
	while (!r && fgets(line, sizeof(line), f)) {
		uint64_t start, end;

		if (!strstr(line, "[vvar") && !strstr(line, "[vdso]"))
			continue;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2)
			continue;
		if (strstr(line, "[vdso]")) {
			p->ehdr = start;
			own = (const unsigned char *)start; /* NOLINT: from the map */
			own_len = end - start;
		}
		r = vdso_add_part(p, start, end);
	}
	fclose(f);
	return r;
}

int vdso_plan(struct vdso_plan *p)
{
	uint64_t to, len;
	int r;

	*p = (struct vdso_plan){ .count = 0 };
	r = vdso_find(p);
	if (r == -ENOTSUP || !p->ehdr) {
		/* A layout that is not known: guests do without. */
		*p = (struct vdso_plan){ .count = 0 };
		return 0;
	}
	if (r)
		return r;
	len = p->end - p->start;
	to = STUB_BATCH - len;
	for (int i = 0; i < p->count; i++)
		p->parts[i].to = to + (p->parts[i].start - p->start);
	if (p->end > to) {
		/* The host puts it near the top itself: step aside first, well below both places. */
		p->detour = (to < p->start ? to : p->start) - 16 * len;
	}
	return 0;
}

size_t platform_vdso_read(void *dst, uint64_t addr, size_t size)
{
	uint64_t at = layout.vdso;

	if (!at || addr < at || addr - at >= own_len)
		return 0;
	size = MIN(size, own_len - (addr - at));
	memcpy(dst, own + (addr - at), size);
	return size;
}
