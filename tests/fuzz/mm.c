/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the memory manager on the fake platform: libFuzzer's bytes are a program of operations on two address spaces.
 *
 * Theory of operation. Three oracles. After every operation both sets are checked as a whole, against each other and against what the fake
 * stub maps (check_mm). A model of the contents says which byte every page of private anonymous memory must hold: what was
 * stored there last, in this address space, since it was mapped or discarded. And at the end nothing may be left: references, bytes of the
 * memory file, address spaces.
 *
 * Half of the inputs play on a host that grants a few mappings only, which no operation may notice.
 * An operation may be told to fail in the host at its n-th change of the stub: then it must fail as a whole, or succeed, and the sets must
 * still agree with the stub. What such an operation leaves mapped is asked of the sets, not assumed.
 */
#include "tests/unit/mm/harness.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { PAGES = 96, SPACES = 2, FILE_SIZE = 24 };
/* The middle of the arena is a multiple of 2 MiB. */
#define ARENA (BASE + MM_UNIT - PAGES / 2 * P)

enum kind { NOTHING, ANON, OTHER };
struct page {
	uint8_t kind, value;
	bool wipe;
};

static struct mm *spaces[SPACES];
static struct page model[SPACES][PAGES];
static struct test_file *file;

struct input {
	const uint8_t *at, *end;
};

static unsigned take(struct input *in, unsigned below)
{
	return in->at < in->end ? *in->at++ % below : 0;
}

struct piece {
	int space;
	unsigned first, count;
	struct mm *mm;
	struct page *pages;
	uint64_t addr, len;
};

static struct piece take_piece(struct input *in)
{
	struct piece p = { .space = (int)take(in, SPACES), .first = take(in, PAGES) };

	if (!spaces[p.space])
		p.space = 0;
	p.count = 1 + take(in, 24);
	p.count = MIN(p.count, PAGES - p.first);
	p.mm = spaces[p.space];
	p.pages = model[p.space] + p.first;
	p.addr = ARENA + p.first * P;
	p.len = p.count * P;
	return p;
}

static const struct vma *vma_there(struct mm *mm, uint64_t addr)
{
	struct seg g = segset_find(&mm->vmas, addr);

	return seg_ok(g) ? vma_of(g) : NULL;
}

static int take_prot(struct input *in)
{
	static const int prots[] = { RW, RW, PROT_READ, PROT_NONE, PROT_ALL };

	return prots[take(in, ARRAY_SIZE(prots))];
}

static void set_pages(struct page *pages, unsigned n, enum kind kind)
{
	for (unsigned i = 0; i < n; i++)
		pages[i] = (struct page){ .kind = kind };
}

static void do_map(struct input *in, struct piece *p)
{
	unsigned what = take(in, 4);
	int prot = take_prot(in), extra = take(in, 4) ? 0 : MAP_POPULATE;
	int64_t r;

	if (what < 2)
		r = map_at(p->mm, p->addr, p->len, prot, MAP_PRIVATE | extra);
	else if (what == 2)
		r = map_at(p->mm, p->addr, p->len, prot, MAP_SHARED | extra);
	else
		r = map_file(p->mm, file, p->addr, p->len, prot, (take(in, 2) ? MAP_SHARED : MAP_PRIVATE) | extra, take(in, FILE_SIZE) * P);
	if (r > 0)
		set_pages(p->pages, p->count, what < 2 ? ANON : OTHER);
}

static void do_unmap(struct piece *p)
{
	if (!mm_munmap(p->mm, p->addr, p->len))
		set_pages(p->pages, p->count, NOTHING);
}

/* An operation that failed half-way may have done part of what it was told: the sets know. */
static void resync(int space)
{
	for (unsigned i = 0; i < PAGES; i++) {
		const struct vma *v = vma_there(spaces[space], ARENA + i * P);
		struct page *page = &model[space][i];

		if (!v)
			*page = (struct page){ .kind = NOTHING };
		else if (v->mappable)
			page->kind = OTHER;
		else if (page->kind != ANON)
			*page = (struct page){ .kind = ANON };
		page->wipe = v && v->wipe_on_fork;
	}
}

/* A move without another size takes holes along: they leave the target alone. */
static void move_pages(struct piece *p, struct page *to, bool stays)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct page from = p->pages[i];

		if (from.kind == NOTHING)
			continue;
		to[i] = from;
		p->pages[i] = (struct page){ .kind = stays ? from.kind : NOTHING, .wipe = stays && from.wipe };
	}
}

/* Some of several vmas may have moved before the host refused. */
static void reread(struct piece *p, unsigned first, unsigned count)
{
	uint8_t got;

	fake_fail_never();
	for (unsigned i = first; i < first + count; i++)
		if (model[p->space][i].kind == ANON && guest_peek(p->mm, &got, ARENA + i * P, 1) == 1)
			model[p->space][i].value = got;
}

/* Which of the source's pages are where after a move is said by the call alone. */
static void do_remap(struct input *in, struct piece *p)
{
	struct page moved[PAGES];
	unsigned to = take(in, PAGES), count = 1 + take(in, 24);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (take(in, 4) ? 0 : 4);
	const struct vma *v = vma_there(p->mm, p->addr);
	enum kind kind = v && !v->mappable ? ANON : OTHER;
	uint64_t out;

	if (flags & 4)
		count = p->count;
	count = MIN(count, PAGES - to);
	memcpy(moved, p->pages, p->count * sizeof(*moved));
	if (mm_mremap(p->mm, p->addr, p->len, count * P, flags, ARENA + to * P, &out)) {
		/* As in Linux, the target is cleared and the source's tail cut off before the move is judged. */
		resync(p->space);
		if (count == p->count) {
			reread(p, p->first, count);
			reread(p, to, count);
		}
		return;
	}
	if (count == p->count) {
		move_pages(p, model[p->space] + to, flags & 4);
		return;
	}
	set_pages(p->pages, p->count, NOTHING);
	set_pages(model[p->space] + to, count, kind);
	for (unsigned i = 0; i < count; i++)
		model[p->space][to + i].wipe = v && moved[0].wipe;
	memcpy(model[p->space] + to, moved, MIN(count, p->count) * sizeof(*moved));
}

/* Advice that the host refused may have been followed for some of the pages: they say it themselves. */
static void look_again(struct piece *p)
{
	uint8_t got;

	for (unsigned i = 0; i < p->count; i++) {
		if (p->pages[i].kind != ANON || guest_peek(p->mm, &got, p->addr + i * P, 1) != 1)
			continue;
		cr_assert(!got || got == p->pages[i].value, "page %u holds %u", p->first + i, got);
		p->pages[i].value = got;
	}
}

static void do_advise(struct input *in, struct piece *p)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_POPULATE_READ, MADV_POPULATE_WRITE };
	int a = advice[take(in, ARRAY_SIZE(advice))];

	if (a == MADV_DONTNEED || a == MADV_FREE) {
		int err = mm_madvise(p->mm, p->addr, p->len, MADV_DONTNEED);

		fake_fail_never();
		if (err && err != -ENOMEM)
			look_again(p);
		else
			for (unsigned i = 0; i < p->count; i++)
				p->pages[i].value = 0;
		return;
	}
	(void)!mm_madvise(p->mm, p->addr, p->len, a);
	for (unsigned i = 0; i < p->count; i++) {
		const struct vma *v = vma_there(p->mm, p->addr + i * P);

		p->pages[i].wipe = v && v->wipe_on_fork;
	}
}

static void do_store(struct input *in, struct piece *p)
{
	uint8_t value = (uint8_t)(1 + take(in, 255));

	for (unsigned i = 0; i < MIN(p->count, 6U); i++) {
		const struct vma *v = vma_there(p->mm, p->addr + i * P);

		if (touch(p->mm, p->addr + i * P, PROT_WRITE)) {
			cr_assert(p->pages[i].kind != ANON || !(v->prot & PROT_WRITE), "a store to page %u", p->first + i);
			continue;
		}
		store(p->mm, p->addr + i * P, value);
		p->pages[i].value = value;
	}
}

static void check_page(struct mm *mm, const struct page *page, uint64_t addr)
{
	const struct vma *v = vma_there(mm, addr);
	unsigned char got;

	if (page->kind != ANON || !v->prot)
		return;
	got = load(mm, addr);
	cr_assert_eq(got, page->value, "%#lx holds %u, not %u", addr, got, page->value);
}

static void do_load(struct piece *p)
{
	for (unsigned i = 0; i < MIN(p->count, 6U); i++)
		check_page(p->mm, &p->pages[i], p->addr + i * P);
}

/* The sentry's own copies, which take and break pages as the guest's accesses do. */
static void do_copy(struct input *in, struct piece *p)
{
	uint8_t value = (uint8_t)(1 + take(in, 255)), got = 0;
	const struct vma *v = vma_there(p->mm, p->addr);
	bool anon = p->pages->kind == ANON;

	if (guest_write(p->mm, p->addr, &value, 1))
		cr_assert(!anon || !(v->prot & PROT_WRITE));
	else
		p->pages->value = value;
	if (anon && v->prot) {
		cr_assert_eq(guest_read(p->mm, &got, p->addr, 1), 0);
		cr_assert_eq(got, p->pages->value);
	}
}

static void drop_child(void)
{
	if (!spaces[1])
		return;
	check_mm(spaces[1]);
	mm_user_put(spaces[1]);
	spaces[1] = NULL;
}

static void do_fork(void)
{
	drop_child();
	if (mm_fork(spaces[0], &spaces[1])) {
		spaces[1] = NULL;
		return;
	}
	memcpy(model[1], model[0], sizeof(model[1]));
	for (unsigned i = 0; i < PAGES; i++)
		if (model[1][i].wipe)
			model[1][i].value = 0;
}

static void do_truncate(struct input *in)
{
	test_file_truncate(file, take(in, FILE_SIZE + 1) * P, take(in, 2) ? INVALIDATE_ALL : INVALIDATE_SHARED);
}

static void play(struct input *in)
{
	unsigned op = take(in, 16), failing = take(in, 8);
	struct piece p = take_piece(in);

	if (failing == 7)
		fake_fail_after((int)take(in, 4), take(in, 2) ? -ENOMEM : -EPERM);
	switch (op) {
	case 0 ... 2:
		do_map(in, &p);
		break;
	case 3:
		do_unmap(&p);
		break;
	case 4:
	case 5:
		(void)!mm_mprotect(p.mm, p.addr, p.len, take_prot(in), false);
		break;
	case 6:
		do_remap(in, &p);
		break;
	case 7:
		do_advise(in, &p);
		break;
	case 8:
		do_fork();
		break;
	case 9:
		do_truncate(in);
		break;
	case 10:
		drop_child();
		break;
	default:
		fake_fail_never();
		break;
	}
	fake_fail_never();
	for (int i = 0; i < SPACES; i++)
		if (spaces[i] && failing == 7)
			resync(i);
	if (op == 11 || op == 12)
		do_store(in, &p);
	else if (op == 13)
		do_copy(in, &p);
	else if (op > 13)
		do_load(&p);
	for (int i = 0; i < SPACES; i++)
		if (spaces[i])
			check_mm(spaces[i]);
}

/* One memory file serves all inputs: its mappings cost more than an input. */
static void begin(void)
{
	if (!test_mf) {
		guarded_init();
		mm_check_always = true;
		cr_assert_eq(memfile_new(0, &test_mf), 0);
	}
	cr_assert_eq(mm_new(test_mf, &test_mm), 0);
	spaces[0] = test_mm;
	file = test_file_new(FILE_SIZE * P);
}

static void finish(void)
{
	drop_child();
	check_mm(test_mm);
	mm_user_put(test_mm);
	spaces[0] = NULL;
	cr_assert_eq(fake.live, 0, "an address space was not released");
	cr_assert_eq(memfile_allocated(test_mf), 0, "%lu bytes leaked", memfile_allocated(test_mf));
	cr_assert(memfile_check(test_mf));
	file->size = FILE_SIZE * P; /* what its mapping in here is long */
	test_file_free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	unsigned few = take(&in, 16);

	fake_limit_mappings(few < 8 ? 0 : few - 4);
	memset(model, 0, sizeof(model));
	begin();
	while (in.at < in.end)
		play(&in);
	for (int s = 0; s < SPACES; s++)
		for (unsigned i = 0; spaces[s] && i < PAGES; i++)
			check_page(spaces[s], &model[s][i], ARENA + i * P);
	finish();
	return 0;
}
