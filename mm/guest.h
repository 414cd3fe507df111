/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory: the one way the sentry reads and writes it.
 *
 * Every access goes through pmas, so permissions are checked as the guest's own access would be, and pages are made as a
 * fault would make them. Copies are guarded: a page whose backing vanished (a file truncated under a mapping) ends the
 * copy like any bad address. Memory may change while it is read (another guest thread): copy once, then check the copy.
 *
 * Locks: see base/lock.h; may take both mm locks. Must not be called with a lock held that a mappable's translate takes,
 * except the inode lock of another kind than the one mapped. Callers that hold an inode's lock first fault pages in and retry (io_fault_in).
 */
#ifndef MM_GUEST_H
#define MM_GUEST_H

#include "mm/mm.h"
#include "platform/platform.h"

#include <sys/types.h>
#include <sys/uio.h>

/* The kernel's access_ok(): a range outside of user space is refused before anything moves. */
static inline bool guest_range_ok(uint64_t addr, uint64_t size)
{
	return size <= platform_max_addr() && addr <= platform_max_addr() - size;
}

/* All of it or -EFAULT. */
int guest_read(struct mm *mm, void *dst, uint64_t addr, size_t size) MUST_CHECK;
int guest_write(struct mm *mm, uint64_t addr, const void *src, size_t size) MUST_CHECK;
int guest_zero(struct mm *mm, uint64_t addr, size_t size) MUST_CHECK;
/* As much as there is: the count, or -EFAULT if not one byte could be copied. */
ssize_t guest_read_some(struct mm *mm, void *dst, uint64_t addr, size_t size) MUST_CHECK;
ssize_t guest_write_some(struct mm *mm, uint64_t addr, const void *src, size_t size) MUST_CHECK;
ssize_t guest_zero_some(struct mm *mm, uint64_t addr, size_t size) MUST_CHECK;
/* Ignores the vma's effective permissions (ptrace, /proc/PID/mem): maximum permissions count. */
ssize_t guest_peek(struct mm *mm, void *dst, uint64_t addr, size_t size) MUST_CHECK;
ssize_t guest_poke(struct mm *mm, uint64_t addr, const void *src, size_t size) MUST_CHECK;
/* A NUL-terminated string into buf[size]: its length, -EFAULT, or -ENAMETOOLONG when no NUL lies in the first `size` bytes. */
ssize_t guest_read_string(struct mm *mm, char *buf, uint64_t addr, size_t size) MUST_CHECK;

/* Atomic operations on an aligned 32-bit word, for futexes. -EFAULT, -EINVAL if unaligned. */
int guest_load32(struct mm *mm, uint64_t addr, uint32_t *value) MUST_CHECK;
/* *old receives what was there; the exchange took place if it equals expected. */
int guest_cmpxchg32(struct mm *mm, uint64_t addr, uint32_t expected, uint32_t desired, uint32_t *old) MUST_CHECK;
/* What identifies the word across address spaces: for a shared mapping (file, offset), for private memory (mm, address). */
struct guest_key {
	const void *object;
	uint64_t offset;
};
int guest_futex_key(struct mm *mm, uint64_t addr, bool process_private, struct guest_key *out) MUST_CHECK;

/* --- vectors --- */

enum { GUEST_IOV_MAX = 1024 };

/* The memory side of a read or write: a list of guest ranges, or of sentry buffers (mm NULL), with a position. */
struct io {
	struct mm *mm;
	struct iovec *iov; /* iov_base is a guest address, or a sentry pointer if mm is NULL */
	int count, index;
	size_t skip; /* bytes of iov[index] already done */
	size_t left; /* bytes from here to the end */
	struct iovec one;
	struct iovec *heap; /* freed by io_fini */
};

/* A single range. len is cut to MAX_RW_COUNT (0x7ffff000) as the kernel does. */
void io_init(struct io *io, struct mm *mm, uint64_t addr, size_t len);
/* A sentry buffer. */
void io_init_kernel(struct io *io, void *buf, size_t len);
/* Sentry buffers one after the other; the array is the caller's and stays as long as io. */
void io_init_pieces(struct io *io, struct iovec *pieces, int count);
/* The guest's array of iovecs at addr: copied in and checked once. -EFAULT, -EINVAL (count, total), -ENOMEM. */
int io_init_vector(struct io *io, struct mm *mm, uint64_t addr, uint64_t count) MUST_CHECK;
void io_fini(struct io *io);

/* Move up to n bytes and advance: the count moved, or -EFAULT if none could be. A short count without error means io->left ran out;
 * a short count before that means a fault follows. */
ssize_t io_put(struct io *io, const void *src, size_t n) MUST_CHECK; /* sentry -> guest */
ssize_t io_take(struct io *io, void *dst, size_t n) MUST_CHECK; /* guest -> sentry */
ssize_t io_put_zero(struct io *io, size_t n) MUST_CHECK;

/* Pinned sentry addresses of the next bytes of io, so that a host preadv or pwritev moves bytes once. access: PROT_WRITE
 * when the host will write to guest memory. At most IO_PIN_MAX pieces; *bytes is their sum, cut to `max`. 0 or -EFAULT. A host call on them
 * returns EFAULT by itself if a page's backing vanishes. */
enum { IO_PIN_MAX = 16 };
struct io_pin {
	struct iovec iov[IO_PIN_MAX];
	int count;
	size_t bytes;
	bool fills; /* the host writes to guest memory */
	uint64_t gen; /* pmas that are of this generation have not changed */
	struct {
		struct mm_file *file;
		struct range range;
		uint64_t addr; /* the guest's */
	} ref[IO_PIN_MAX];
};
int io_pin(struct io *io, size_t max, int access, struct io_pin *pin) MUST_CHECK;
/* Do vmas cover where io goes on? If not, io_pin() fails, or has a stack grow: not what a transfer of nothing may do. */
bool io_is_mapped(struct io *io);
/* The host has moved `moved` bytes, 0 if it could not: advances by them. A guest's page that became another one meanwhile, as
 * when a fork and a write made a copy of it, is given what the host put into the old one. */
void io_unpin(struct io *io, struct io_pin *pin, size_t moved);
void io_advance(struct io *io, size_t n);
/* Moves up to max bytes, and IO_PIN_MAX pieces, between io and the host's fd at pos in one host call; advances. */
ssize_t io_host_read(struct io *io, size_t max, int fd, off_t pos) MUST_CHECK;
ssize_t io_host_write(struct io *io, size_t max, int fd, off_t pos, int rwf) MUST_CHECK;

/* --- guarded copies of the sentry's own mappings --- */

/* memcpy that survives SIGBUS and SIGSEGV on either side: bytes copied before the fault. */
size_t guarded_copy(void *dst, const void *src, size_t n) MUST_CHECK;
size_t guarded_zero(void *dst, size_t n) MUST_CHECK;
/* Atomic accesses to an aligned word that survive the same faults: false if there was one. */
bool guarded_load32(const uint32_t *word, uint32_t *value) MUST_CHECK;
bool guarded_cmpxchg32(uint32_t *word, uint32_t expected, uint32_t desired, uint32_t *old) MUST_CHECK;
/* Installs the sentry's SIGBUS and SIGSEGV handlers; once, at start. */
void guarded_init(void);

#endif
