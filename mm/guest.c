/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between the sentry and the guest.
 *
 * Theory of operation. The hot path takes the active lock once, asks the pma hints for the sentry's address of the first byte and copies
 * under guard as far as that reaches. Only what has no pma yet, or needs a copy first, takes both locks and goes through
 * pma_get.c like a fault of the guest. Pages that the sentry fills on the guest's own account are entered in the stub at once: the
 * guest is about to read them, and is stopped anyway.
 */
#include "mm/mm_internal.h"

#include <errno.h>
#include <string.h>

enum copy_kind { COPY_IN, COPY_OUT, COPY_ZERO };

static bool own_context(struct mm *mm)
{
	struct platform_ctx *ctx = platform_ctx_self();

	return ctx && mm->as && platform_ctx_as(ctx) == mm->as;
}

int guest_fault_in(struct mm *mm, uint64_t addr, uint64_t size, int access, unsigned flags)
{
	struct range r = { addr, addr + MIN(size, (uint64_t)MM_UNIT) };
	uint64_t end, len;
	int err;

	if (addr >= platform_max_addr())
		return -EFAULT;
	mm_lock(mm);
	err = pmas_get_locked(mm, r, access, flags, &end);
	if (end > addr)
		err = pma_internal_locked(mm, addr, access, flags & GET_IGNORE_PERMS, &len) ? 0 : -EFAULT;
	if (!err && (access & PROT_WRITE) && own_context(mm))
		/* A failure leaves the pmas unmapped: the guest's fault will try again. */
		(void)!stub_map_range_locked(mm, range_make(page_down(addr), end), false);
	mm_unlock(mm);
	return err ? -EFAULT : 0;
}

static size_t move_bytes(char *at, char *buf, size_t n, enum copy_kind kind)
{
	if (kind == COPY_IN)
		return guarded_copy(buf, at, n);
	if (kind == COPY_OUT)
		return guarded_copy(at, buf, n);
	return guarded_zero(at, n);
}

/* The bytes moved before the first one that could not be. */
static size_t copy_guest(struct mm *mm, uint64_t addr, char *buf, size_t size, enum copy_kind kind, unsigned flags)
{
	int access = kind == COPY_IN ? PROT_READ : PROT_WRITE;
	uint64_t max = platform_max_addr();
	size_t done = 0;

	if (addr >= max)
		return 0;
	size = MIN(size, max - addr);
	mutex_lock(&mm->active);
	while (done < size) {
		uint64_t len;
		char *at = pma_internal_locked(mm, addr + done, access, flags & GET_IGNORE_PERMS, &len);
		size_t n, moved;

		if (!at) {
			int err;

			mutex_unlock(&mm->active);
			err = guest_fault_in(mm, addr + done, size - done, access, flags);
			mutex_lock(&mm->active);
			if (err)
				break;
			continue;
		}
		n = MIN(len, size - done);
		moved = move_bytes(at, buf ? buf + done : NULL, n, kind);
		done += moved;
		if (moved < n)
			break;
	}
	mutex_unlock(&mm->active);
	return done;
}

int guest_read(struct mm *mm, void *dst, uint64_t addr, size_t size)
{
	return copy_guest(mm, addr, dst, size, COPY_IN, 0) == size ? 0 : -EFAULT;
}

int guest_write(struct mm *mm, uint64_t addr, const void *src, size_t size)
{
	return copy_guest(mm, addr, (char *)src, size, COPY_OUT, 0) == size ? 0 : -EFAULT;
}

int guest_zero(struct mm *mm, uint64_t addr, size_t size)
{
	return copy_guest(mm, addr, NULL, size, COPY_ZERO, 0) == size ? 0 : -EFAULT;
}

static ssize_t some(size_t done, size_t size)
{
	return done || !size ? (ssize_t)done : -EFAULT;
}

ssize_t guest_read_some(struct mm *mm, void *dst, uint64_t addr, size_t size)
{
	return some(copy_guest(mm, addr, dst, size, COPY_IN, 0), size);
}

ssize_t guest_write_some(struct mm *mm, uint64_t addr, const void *src, size_t size)
{
	return some(copy_guest(mm, addr, (char *)src, size, COPY_OUT, 0), size);
}

ssize_t guest_zero_some(struct mm *mm, uint64_t addr, size_t size)
{
	return some(copy_guest(mm, addr, NULL, size, COPY_ZERO, 0), size);
}

ssize_t guest_peek(struct mm *mm, void *dst, uint64_t addr, size_t size)
{
	size_t done = copy_guest(mm, addr, dst, size, COPY_IN, GET_IGNORE_PERMS);

	/* The vDSO lies above what the mm knows of. */
	return some(done ? done : platform_vdso_read(dst, addr, size), size);
}

ssize_t guest_poke(struct mm *mm, uint64_t addr, const void *src, size_t size)
{
	return some(copy_guest(mm, addr, (char *)src, size, COPY_OUT, GET_IGNORE_PERMS), size);
}

ssize_t guest_read_string(struct mm *mm, char *buf, uint64_t addr, size_t size)
{
	size_t done = 0;

	while (done < size) {
		/* Small steps that never cross a page: most strings are short, and the page after one may be missing. */
		size_t n = MIN(MIN(size - done, (size_t)256), PAGE_SIZE - ((addr + done) & ~PAGE_MASK)), got;
		char *nul;

		got = copy_guest(mm, addr + done, buf + done, n, COPY_IN, 0);
		nul = memchr(buf + done, 0, got);
		if (nul)
			return nul - buf;
		if (got < n)
			return -EFAULT;
		done += n;
	}
	return -ENAMETOOLONG;
}

/* The sentry's address of an aligned word; the active lock is held on success. */
static int lock_word(struct mm *mm, uint64_t addr, int access, uint32_t **word) NO_THREAD_SAFETY_ANALYSIS
{
	uint64_t len;

	if (addr & 3)
		return -EINVAL;
	if (addr >= platform_max_addr())
		return -EFAULT;
	mutex_lock(&mm->active);
	while (!(*word = (uint32_t *)(void *)pma_internal_locked(mm, addr, access, false, &len))) {
		int err;

		mutex_unlock(&mm->active);
		err = guest_fault_in(mm, addr, 4, access, 0);
		if (err)
			return err;
		mutex_lock(&mm->active);
	}
	return 0;
}

int guest_load32(struct mm *mm, uint64_t addr, uint32_t *value) NO_THREAD_SAFETY_ANALYSIS
{
	uint32_t *word;
	int err = lock_word(mm, addr, PROT_READ, &word);

	if (err)
		return err;
	err = guarded_load32(word, value) ? 0 : -EFAULT;
	mutex_unlock(&mm->active);
	return err;
}

int guest_cmpxchg32(struct mm *mm, uint64_t addr, uint32_t expected, uint32_t desired,
		    uint32_t *old) NO_THREAD_SAFETY_ANALYSIS
{
	uint32_t *word;
	int err = lock_word(mm, addr, PROT_READ | PROT_WRITE, &word);

	if (err)
		return err;
	err = guarded_cmpxchg32(word, expected, desired, old) ? 0 : -EFAULT;
	mutex_unlock(&mm->active);
	return err;
}

int guest_futex_key(struct mm *mm, uint64_t addr, bool process_private, struct guest_key *out)
{
	struct seg g;
	int err = 0;

	if (addr & 3)
		return -EINVAL;
	if (addr >= platform_max_addr())
		return -EFAULT;
	*out = (struct guest_key){ .object = mm, .offset = addr };
	if (process_private)
		return 0;
	mutex_lock(&mm->mapping);
	g = segset_find(&mm->vmas, addr);
	if (!seg_ok(g))
		err = -EFAULT;
	else if (vma_of(g)->shared)
		*out = (struct guest_key){ .object = vma_of(g)->mappable, .offset = vma_offset(g, addr) };
	else
		out->offset |= 1; /* as in Linux, who waits without FUTEX_PRIVATE_FLAG is not woken with it */
	mutex_unlock(&mm->mapping);
	return err;
}
