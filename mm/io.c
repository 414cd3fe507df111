/* SPDX-License-Identifier: Apache-2.0 */
/* The memory side of reads and writes. See readv(2), and Linux's import_iovec() for what is checked and what is cut. */
#include "mm/mm_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RW_COUNT ((size_t)0x7ffff000)

void io_init(struct io *io, struct mm *mm, uint64_t addr, size_t len)
{
	*io = (struct io){ .mm = mm, .count = 1, .left = MIN(len, MAX_RW_COUNT) };
	io->one = (struct iovec){ .iov_base = (void *)(uintptr_t)addr, .iov_len = io->left };
	io->iov = &io->one;
}

void io_init_kernel(struct io *io, void *buf, size_t len)
{
	*io = (struct io){ .mm = NULL, .count = 1, .left = len };
	io->one = (struct iovec){ .iov_base = buf, .iov_len = len };
	io->iov = &io->one;
}

void io_init_pieces(struct io *io, struct iovec *pieces, int count)
{
	*io = (struct io){ .mm = NULL, .iov = pieces, .count = count };
	for (int i = 0; i < count; i++)
		io->left += pieces[i].iov_len;
}

/* Bounds what the guest wrote: lengths, addresses, the sum. */
static int check_vector(struct io *io)
{
	size_t total = 0;

	for (int i = 0; i < io->count; i++) {
		struct iovec *v = &io->iov[i];
		uint64_t base = (uint64_t)(uintptr_t)v->iov_base;

		if (v->iov_len > SSIZE_MAX)
			return -EINVAL;
		if (v->iov_len && (base >= platform_max_addr() || v->iov_len > platform_max_addr() - base))
			return -EFAULT;
		v->iov_len = MIN(v->iov_len, MAX_RW_COUNT - total);
		total += v->iov_len;
	}
	io->left = total;
	return 0;
}

int io_init_vector(struct io *io, struct mm *mm, uint64_t addr, uint64_t count)
{
	int err;

	*io = (struct io){ .mm = mm };
	io->iov = &io->one;
	if (count > GUEST_IOV_MAX)
		return -EINVAL;
	io->count = (int)count;
	if (count > 1) {
		io->heap = malloc(count * sizeof(*io->heap));
		if (!io->heap)
			return -ENOMEM;
		io->iov = io->heap;
	}
	err = guest_read(mm, io->iov, addr, count * sizeof(struct iovec));
	if (!err)
		err = check_vector(io);
	if (err) {
		io_fini(io);
		io->left = 0;
	}
	return err;
}

void io_fini(struct io *io)
{
	free(io->heap);
	io->heap = NULL;
	io->count = 0;
}

void io_advance(struct io *io, size_t n)
{
	n = MIN(n, io->left);
	io->left -= n;
	while (n) {
		size_t here = MIN(n, io->iov[io->index].iov_len - io->skip);

		io->skip += here;
		n -= here;
		if (io->skip < io->iov[io->index].iov_len)
			continue;
		/* Who looks at elements finds none that is empty behind one that was not, as the kernel's iterators have it. */
		do
			io->index++;
		while (io->left && !io->iov[io->index].iov_len);
		io->skip = 0;
	}
}

enum io_dir { IO_PUT, IO_TAKE, IO_ZERO };

static ssize_t move_piece(struct io *io, uint64_t at, char *buf, size_t n, enum io_dir dir)
{
	char *p = (char *)(uintptr_t)at;

	if (io->mm) {
		if (dir == IO_PUT)
			return guest_write_some(io->mm, at, buf, n);
		if (dir == IO_TAKE)
			return guest_read_some(io->mm, buf, at, n);
		return guest_zero_some(io->mm, at, n);
	}
	if (dir == IO_PUT)
		memcpy(p, buf, n);
	else if (dir == IO_TAKE)
		memcpy(buf, p, n);
	else
		memset(p, 0, n);
	return (ssize_t)n;
}

static ssize_t io_move(struct io *io, char *buf, size_t n, enum io_dir dir)
{
	size_t done = 0;

	n = MIN(n, io->left);
	while (done < n) {
		struct iovec *v = &io->iov[io->index];
		size_t piece = MIN(n - done, v->iov_len - io->skip);
		ssize_t r;

		if (!piece) { /* an empty element */
			io->index++;
			io->skip = 0;
			continue;
		}
		r = move_piece(io, (uint64_t)(uintptr_t)v->iov_base + io->skip, buf ? buf + done : NULL, piece, dir);
		if (r <= 0)
			break;
		io_advance(io, (size_t)r);
		done += (size_t)r;
		if ((size_t)r < piece)
			break;
	}
	return done || !n ? (ssize_t)done : -EFAULT;
}

ssize_t io_put(struct io *io, const void *src, size_t n)
{
	return io_move(io, (char *)src, n, IO_PUT);
}

ssize_t io_take(struct io *io, void *dst, size_t n)
{
	return io_move(io, dst, n, IO_TAKE);
}

ssize_t io_put_zero(struct io *io, size_t n)
{
	return io_move(io, NULL, n, IO_ZERO);
}

/* Pins the next contiguous piece at addr, at most n bytes: its length, 0 if there is none to be had. */
static size_t pin_guest(struct mm *mm, uint64_t addr, size_t n, int access, struct io_pin *pin)
{
	bool tried = false;
	uint64_t len;
	struct seg p;
	char *at;

	if (addr >= platform_max_addr())
		return 0;
	mutex_lock(&mm->active);
	while (!(at = pma_internal_locked(mm, addr, access, false, &len))) {
		mutex_unlock(&mm->active);
		/* Made once and gone again: somebody unmaps as we go. */
		if (guest_fault_in(mm, addr, n, access, 0) || tried)
			return 0;
		tried = true;
		mutex_lock(&mm->active);
	}
	n = MIN(n, len);
	p = segset_find(&mm->pmas, addr);
	if (!pin->count)
		pin->gen = mm->pma_gen;
	pin->iov[pin->count] = (struct iovec){ .iov_base = at, .iov_len = n };
	pin->ref[pin->count].file = pma_of(p)->file;
	pin->ref[pin->count].addr = addr;
	pin->ref[pin->count].range =
		range_make(page_down(pma_offset(p, addr)), align_up(pma_offset(p, addr) + n, PAGE_SIZE));
	pma_of(p)->file->ops->ref(pma_of(p)->file, pin->ref[pin->count].range);
	mutex_unlock(&mm->active);
	return n;
}

bool io_is_mapped(struct io *io)
{
	uint64_t at, len;
	bool covered;

	if (!io->mm || !io->left)
		return true;
	at = (uint64_t)(uintptr_t)io->iov[io->index].iov_base + io->skip;
	len = io->iov[io->index].iov_len - io->skip;
	if (at >= platform_max_addr() || len > platform_max_addr() - at)
		return false;
	mutex_lock(&io->mm->mapping);
	covered = vma_covers_locked(io->mm, range_make(at, at + len));
	mutex_unlock(&io->mm->mapping);
	return covered;
}

static size_t pin_piece(struct io *io, uint64_t addr, size_t n, int access, struct io_pin *pin)
{
	if (io->mm)
		return pin_guest(io->mm, addr, n, access, pin);
	pin->iov[pin->count] = (struct iovec){ .iov_base = (void *)(uintptr_t)addr, .iov_len = n };
	pin->ref[pin->count].file = NULL;
	return n;
}

int io_pin(struct io *io, size_t max, int access, struct io_pin *pin)
{
	int index = io->index;
	size_t skip = io->skip;

	pin->count = 0;
	pin->bytes = 0;
	pin->fills = access & PROT_WRITE;
	max = MIN(max, io->left);
	while (pin->bytes < max && pin->count < IO_PIN_MAX) {
		struct iovec *v = &io->iov[index];
		size_t n = MIN(max - pin->bytes, v->iov_len - skip), got;

		if (!n) {
			index++;
			skip = 0;
			continue;
		}
		got = pin_piece(io, (uint64_t)(uintptr_t)v->iov_base + skip, n, access, pin);
		if (!got)
			break;
		pin->count++;
		pin->bytes += got;
		skip += got;
	}
	return pin->bytes || !max ? 0 : -EFAULT;
}

/* Are the bytes at addr, of piece i, still the ones that were pinned? For how many of the n that answer holds. */
static size_t same_backing(struct mm *mm, const struct io_pin *pin, int i, uint64_t addr, size_t n, bool *same)
{
	uint64_t off = pin->ref[i].range.start + (addr - page_down(pin->ref[i].addr));
	struct seg p;

	mutex_lock(&mm->active);
	p = segset_lower_bound(&mm->pmas, addr);
	*same = mm->pma_gen == pin->gen;
	if (!*same && seg_ok(p) && seg_start(p) <= addr) {
		*same = pma_of(p)->file == pin->ref[i].file && pma_offset(p, addr) == off;
		n = MIN(n, seg_end(p) - addr);
	} else if (!*same && seg_ok(p)) {
		n = MIN(n, seg_start(p) - addr);
	}
	mutex_unlock(&mm->active);
	return n;
}

/* Writes what the host put into piece i again where that is not the guest's page any more. */
static void follow(struct mm *mm, const struct io_pin *pin, int i, size_t n)
{
	const char *bytes = pin->iov[i].iov_base;
	size_t done = 0;

	while (done < n) {
		uint64_t addr = pin->ref[i].addr + done;
		bool same;
		size_t here = same_backing(mm, pin, i, addr, n - done, &same);
		ssize_t w = same ? (ssize_t)here : guest_write_some(mm, addr, bytes + done, here);

		/* Where nothing is any more nothing gets lost. */
		done += w > 0 ? (size_t)w : MIN(here, PAGE_SIZE - (addr & ~PAGE_MASK));
	}
}

void io_unpin(struct io *io, struct io_pin *pin, size_t moved)
{
	size_t left = pin->fills ? moved : 0;

	for (int i = 0; i < pin->count; i++) {
		size_t n = MIN(left, pin->iov[i].iov_len);

		if (!pin->ref[i].file)
			continue;
		follow(io->mm, pin, i, n);
		left -= n;
		pin->ref[i].file->ops->unref(pin->ref[i].file, pin->ref[i].range);
	}
	pin->count = 0;
	io_advance(io, moved);
}

static ssize_t host_move(struct io *io, size_t max, int fd, off_t pos, int access, int rwf)
{
	struct io_pin pin;
	ssize_t n;
	int r = io_pin(io, max, access, &pin);

	if (r)
		return r;
	n = access == PROT_READ ? pwritev2(fd, pin.iov, pin.count, pos, rwf) : preadv2(fd, pin.iov, pin.count, pos, rwf);
	if (n < 0)
		n = -errno;
	io_unpin(io, &pin, n > 0 ? (size_t)n : 0);
	return n;
}

ssize_t io_host_read(struct io *io, size_t max, int fd, off_t pos)
{
	return host_move(io, max, fd, pos, PROT_WRITE, 0);
}

ssize_t io_host_write(struct io *io, size_t max, int fd, off_t pos, int rwf)
{
	return host_move(io, max, fd, pos, PROT_READ, rwf);
}
