/* SPDX-License-Identifier: Apache-2.0 */
/* Breaking copy-on-write.
 *
 * Theory of operation. A pma that needs a copy shares its bytes: with a file (a private mapping) or with forks. Two ways out.
 *
 *   take over   A private range whose every page has one reference belongs to nobody else any more (the other side of the fork is gone
 *               or has copied): need_cow is dropped, the stub gets its write permission. No byte moves.
 *   copy        At most a unit around the request: 64 KiB, doubling up to 2 MiB while writes walk upwards, clipped to pma and vma.
 *               Pages that were never written are holes of the memory file and stay holes.
 *
 * The copy is written into the memory file with pwrite(2) from the sentry's mapping of the source: pages need not be entered
 * in the sentry's page table, and a source that vanished (a truncated file) makes a short count instead of a signal. What
 * was copied before that counts. The stub's mapping is replaced before the old reference is given back.
 */
#include "mm/mm_internal.h"

#include <errno.h>
#include <unistd.h>

/* The first run of data of the memory file in [at, piece.end); empty at piece.end when there is none. `there` says of each page of piece
 * whether it is in memory; if not it is a hole, or the host has swapped it out, which lseek(2) knows. SEEK_HOLE could tell the end of
 * the run, but looks for it through all the data that follows, beyond the piece. */
static struct range next_data(int fd, struct range piece, uint64_t at, const unsigned char *there)
{
	uint64_t end;

	while (at < piece.end && !(there[(at - piece.start) / PAGE_SIZE] & 1)) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);

		if (data < 0 || (uint64_t)data >= piece.end)
			return range_make(piece.end, piece.end);
		if ((uint64_t)data == at)
			break;
		at = (uint64_t)data;
	}
	end = at;
	do
		end += PAGE_SIZE;
	while (end < piece.end && (there[(end - piece.start) / PAGE_SIZE] & 1));
	return range_make(at, end);
}

static uint64_t write_all(int fd, const char *src, uint64_t n, uint64_t off)
{
	uint64_t done = 0;

	while (done < n) {
		ssize_t w = pwrite(fd, src + done, n - done, (off_t)(off + done));

		if (w <= 0 && errno == EINTR)
			continue;
		if (w <= 0)
			break;
		done += (uint64_t)w;
	}
	return done;
}

/* Copies a piece of file, at most MM_UNIT, to the memory file at dst: the bytes done. *dense: no hole was met. */
static uint64_t copy_piece(struct mm *mm, struct mm_file *file, struct range piece, uint64_t dst, bool *dense)
{
	unsigned char there[MM_UNIT / PAGE_SIZE];
	int fd = memfile_file(mm->memfile)->host.fd;
	bool holes = file == memfile_file(mm->memfile);
	uint64_t at = piece.start;

	if (holes)
		file_residency(file, piece, there);
	while (at < piece.end) {
		struct range run = holes ? next_data(fd, piece, at, there) : range_make(at, piece.end);
		uint64_t len, n;
		char *p;

		if (run.start != at)
			*dense = false;
		at = run.start;
		if (range_empty(run))
			break;
		p = file->ops->map_internal(file, run.start, false, &len);
		if (!p)
			break;
		len = MIN(len, range_len(run));
		n = write_all(fd, p, len, dst + (run.start - piece.start));
		at += n;
		if (n < len)
			break;
	}
	return at - piece.start;
}

static uint64_t copy_bytes(struct mm *mm, struct mm_file *file, struct range src, uint64_t dst, bool *dense)
{
	uint64_t done = 0, n, want;

	*dense = true;
	do {
		want = MIN(range_len(src) - done, MM_UNIT);
		n = copy_piece(mm, file, range_make(src.start + done, src.start + done + want), dst + done, dense);
		done += n;
	} while (n == want && done < range_len(src));
	return done;
}

/* How much to copy for a write at `need`. */
static struct range copy_unit(struct mm *mm, struct range need, struct range clip)
{
	uint64_t unit = MM_COW_UNIT;

	if (need.start >= mm->cow_next && need.start - mm->cow_next < mm->cow_unit)
		unit = MIN(mm->cow_unit * 2, (uint64_t)MM_UNIT);
	mm->cow_unit = unit;
	return range_intersect(range_make(align_down(need.start, unit), align_up(need.end, unit)), clip);
}

/* Allocates and fills a copy of c, shrunk to what could be copied; c.start stays. */
static int make_copy(struct mm *mm, struct seg p, struct range *c, uint64_t *off, bool *dense)
{
	struct pma *v = pma_of(p);
	uint64_t len = range_len(*c), done;
	int err = memfile_alloc(mm->memfile, len, PAGE_SIZE, 0, MEMFILE_BOTTOM_UP, off);

	if (err)
		return err;
	done = page_down(copy_bytes(mm, v->file, pma_file_range(p, *c), *off, dense));
	if (done < len)
		memfile_unref(mm->memfile, range_make(*off + done, *off + len));
	c->end = c->start + done;
	return done ? 0 : -ENXIO;
}

/* Puts the copy at [c) in place of p's part: sets, stub, references. */
static int install_copy(struct mm *mm, struct seg vseg, struct seg p, struct range c, uint64_t off, bool dense)
{
	struct pma old, *v;
	struct vma *vma = vma_of(vseg);
	int err = segset_isolate(&mm->pmas, p, c, &p);

	pma_changed_locked(mm);
	if (err)
		return err;
	v = pma_of(p);
	old = *v;
	*v = (struct pma){ .file = memfile_file(mm->memfile),
			   .off = off,
			   .prot = (uint8_t)prot_normal(vma->prot),
			   .max_prot = (uint8_t)prot_normal(vma->max_prot),
			   .private = true,
			   .stub = old.stub };
	if (old.stub != STUB_NONE) {
		err = stub_map_locked(mm, p, dense);
		if (err)
			err = stub_unmap_locked(mm, c);
		if (err) {
			*v = old;
			v->stub = STUB_UNSURE;
			return err;
		}
	}
	pma_account_locked(mm, &old, -(int64_t)range_len(c));
	pma_account_locked(mm, v, (int64_t)range_len(c));
	old.file->ops->unref(old.file, range_make(old.off, old.off + range_len(c)));
	mm->cow_next = c.end;
	segset_merge_range(&mm->pmas, c);
	return 0;
}

static int copy_range(struct mm *mm, struct seg vseg, struct seg p, struct range need)
{
	struct range c = copy_unit(mm, need, range_intersect(seg_range(p), seg_range(vseg)));
	uint64_t off;
	bool dense;
	int err = make_copy(mm, p, &c, &off, &dense);

	if (!err && c.end <= need.start) {
		memfile_unref(mm->memfile, range_make(off, off + range_len(c)));
		err = -ENXIO;
	}
	if (err) { /* too large, or broken before the request: the request alone may still do */
		c = need;
		err = make_copy(mm, p, &c, &off, &dense);
	}
	if (err)
		return err;
	err = install_copy(mm, vseg, p, c, off, dense);
	if (err)
		memfile_unref(mm->memfile, range_make(off, off + range_len(c)));
	return err;
}

/* The largest range around `need` that nobody else refers to: the pma, or the copy unit; empty if there is none. */
static struct range sole_range(struct mm *mm, struct seg p, struct range need)
{
	struct range r = seg_range(p), unit;

	if (memfile_sole_ref(mm->memfile, pma_file_range(p, r)))
		return r;
	unit = range_intersect(range_make(align_down(need.start, MM_COW_UNIT), align_up(need.start + 1, MM_COW_UNIT)), r);
	if (memfile_sole_ref(mm->memfile, pma_file_range(p, unit)))
		return unit;
	return range_make(0, 0);
}

static int take_over(struct mm *mm, struct seg p, struct range r)
{
	struct platform_op op = { .kind = PLATFORM_PROTECT, .addr = r.start, .len = range_len(r) };
	int err = segset_isolate(&mm->pmas, p, r, &p), old;
	struct stub_batch b;
	struct pma *v;

	pma_changed_locked(mm);
	if (err)
		return err;
	v = pma_of(p);
	old = pma_stub_prot(v);
	v->need_cow = false;
	op.prot = pma_stub_prot(v);
	if (v->stub == STUB_MAPPED && op.prot != old) {
		stub_batch_init(&b, mm);
		err = stub_batch_add(&b, &op);
		if (!err)
			err = stub_batch_flush(&b);
		if (err)
			v->stub = STUB_UNSURE; /* the fault maps it again */
	}
	segset_merge_range(&mm->pmas, r);
	return 0;
}

int pma_break_cow_locked(struct mm *mm, struct seg vseg, struct seg p, struct range need)
{
	struct range r = { 0, 0 };

	mutex_assert_held(&mm->active);
	assert(pma_of(p)->need_cow && range_superset(seg_range(p), need));
	if (pma_of(p)->private)
		r = sole_range(mm, p, need);
	if (!range_empty(r))
		return take_over(mm, p, r);
	return copy_range(mm, vseg, p, need);
}
