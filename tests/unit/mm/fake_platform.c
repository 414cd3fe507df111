/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_platform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct platform_as {
	struct fake_mapping *m; /* unordered, disjoint */
	size_t count, room;
};

struct platform_ctx {
	struct platform_as *as;
};

struct fake_stats fake;
void (*fake_on_removal)(const struct fake_mapping *m);
static int fail_countdown = -1, fail_err;
static size_t mappings_max = SIZE_MAX;
static struct platform_ctx self;

void fake_fail_after(int n, int err)
{
	fail_countdown = n;
	fail_err = err;
}

void fake_fail_never(void)
{
	fail_countdown = -1;
}

static int injected_failure(void)
{
	if (fail_countdown > 0)
		fail_countdown--;
	else if (!fail_countdown)
		return fail_err;
	return 0;
}

void fake_limit_mappings(size_t n)
{
	mappings_max = n ? n : SIZE_MAX;
}

void fake_enter(struct platform_as *as)
{
	self.as = as;
}

struct platform_ctx *platform_ctx_self(void)
{
	return self.as ? &self : NULL;
}

struct platform_as *platform_ctx_as(struct platform_ctx *ctx)
{
	return ctx->as;
}

uint64_t platform_min_addr(void)
{
	return 0x10000;
}

uint64_t platform_max_addr(void)
{
	return 0x7ffff0000000;
}

size_t platform_vdso_read(void *dst, uint64_t addr, size_t size)
{
	(void)dst, (void)addr, (void)size;
	return 0;
}

void platform_file_init(struct platform_file *f, int fd)
{
	f->fd = fd;
	f->slot = -1;
}

void platform_file_fini(struct platform_file *f)
{
	f->slot = -1;
}

int platform_as_new(struct platform_as **out)
{
	*out = calloc(1, sizeof(**out));
	fake.live++;
	return *out ? 0 : -ENOMEM;
}

void platform_as_release(struct platform_as *as)
{
	fake.live--;
	free(as->m);
	free(as);
}

static void add(struct platform_as *as, struct fake_mapping m)
{
	if (as->count == as->room) {
		as->room = as->room * 2 + 16;
		as->m = realloc(as->m, as->room * sizeof(*as->m));
		if (!as->m)
			abort();
	}
	as->m[as->count++] = m;
}

/* Cuts every mapping at `at`. */
static void cut(struct platform_as *as, uint64_t at)
{
	for (size_t i = 0; i < as->count; i++) {
		struct fake_mapping tail = as->m[i];

		if (at <= tail.addr || at >= tail.addr + tail.len)
			continue;
		as->m[i].len = at - tail.addr;
		tail.len -= as->m[i].len;
		tail.off += as->m[i].len;
		tail.addr = at;
		add(as, tail);
		return;
	}
}

static void clear(struct platform_as *as, uint64_t addr, uint64_t len)
{
	size_t kept = 0;

	cut(as, addr);
	cut(as, addr + len);
	for (size_t i = 0; i < as->count; i++)
		if (as->m[i].addr < addr || as->m[i].addr >= addr + len)
			as->m[kept++] = as->m[i];
		else if (fake_on_removal)
			fake_on_removal(&as->m[i]);
	as->count = kept;
}

/* Would a change of [addr, addr + len) leave too many mappings? Outside it are the pieces that are left, inside `made` or what is there. */
static bool too_many(const struct platform_as *as, uint64_t addr, uint64_t len, int made)
{
	size_t outside = 0, inside = 0;

	for (size_t i = 0; i < as->count; i++) {
		uint64_t start = as->m[i].addr, end = start + as->m[i].len;

		outside += (start < addr) + (end > addr + len);
		inside += start < addr + len && end > addr;
	}
	return outside + (made < 0 ? inside : (size_t)made) > mappings_max;
}

static bool aligned(uint64_t addr, uint64_t len)
{
	return len && !((addr | len) & ~PAGE_MASK) && addr >= platform_min_addr() && addr + len <= platform_max_addr();
}

int platform_as_map(struct platform_as *as, uint64_t addr, uint64_t len, struct platform_file *f, uint64_t off, int prot,
		    bool populate)
{
	int err = injected_failure();

	fake.maps++;
	fake.populated += populate;
	if (!aligned(addr, len) || (off & ~PAGE_MASK))
		abort();
	if (!err && too_many(as, addr, len, 1))
		err = -ENOMEM;
	if (err)
		return err;
	clear(as, addr, len);
	add(as, (struct fake_mapping){ .addr = addr, .len = len, .off = off, .file = f, .prot = prot });
	return 0;
}

int platform_as_unmap(struct platform_as *as, uint64_t addr, uint64_t len)
{
	int err = injected_failure();

	fake.unmaps++;
	if (!aligned(addr, len))
		abort();
	if (!err && too_many(as, addr, len, 0))
		err = -ENOMEM;
	if (!err)
		clear(as, addr, len);
	return err;
}

int platform_as_clear(struct platform_as *as)
{
	fake.unmaps++;
	clear(as, platform_min_addr(), platform_max_addr() - platform_min_addr());
	return 0;
}

/* As mprotect(2): a hole is ENOMEM. */
int platform_as_protect(struct platform_as *as, uint64_t addr, uint64_t len, int prot)
{
	int err = injected_failure();
	uint64_t done = 0;

	fake.protects++;
	if (!aligned(addr, len))
		abort();
	if (!err && too_many(as, addr, len, -1))
		err = -ENOMEM;
	if (err)
		return err;
	cut(as, addr);
	cut(as, addr + len);
	for (size_t i = 0; i < as->count; i++)
		if (as->m[i].addr >= addr && as->m[i].addr < addr + len) {
			as->m[i].prot = prot;
			done += as->m[i].len;
		}
	return done == len ? 0 : -ENOMEM;
}

int platform_as_batch(struct platform_as *as, const struct platform_op *ops, size_t count, size_t *failed)
{
	fake.batches++;
	for (size_t i = 0; i < count; i++) {
		const struct platform_op *op = &ops[i];
		int err;

		if (op->kind == PLATFORM_MAP)
			err = platform_as_map(as, op->addr, op->len, op->file, op->off, op->prot, op->populate);
		else if (op->kind == PLATFORM_UNMAP)
			err = platform_as_unmap(as, op->addr, op->len);
		else
			err = platform_as_protect(as, op->addr, op->len, op->prot);
		if (err) {
			if (failed)
				*failed = i;
			return err;
		}
	}
	return 0;
}

const struct fake_mapping *fake_at(struct platform_as *as, uint64_t addr)
{
	for (size_t i = 0; i < as->count; i++)
		if (addr >= as->m[i].addr && addr < as->m[i].addr + as->m[i].len)
			return &as->m[i];
	return NULL;
}

size_t fake_count(struct platform_as *as)
{
	return as->count;
}

const struct fake_mapping *fake_nth(struct platform_as *as, size_t n)
{
	return n < as->count ? &as->m[n] : NULL;
}
