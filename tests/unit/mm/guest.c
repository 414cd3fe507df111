/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between sentry and guest, vectors, pins, invalidation, resident figures. */
#include "harness.h"

#include <unistd.h>

TestSuite(guest, .init = harness_setup, .fini = harness_teardown, .timeout = 30);

Test(guest, copies_cross_pages_and_stop_at_holes)
{
	char in[3 * 4096], out[3 * 4096];

	memset(in, 'x', sizeof(in));
	map_anon(test_mm, BASE, 2 * P);
	cr_assert_eq(guest_write(test_mm, BASE + 100, in, 2 * P - 100), 0);
	cr_assert_eq(guest_read(test_mm, out, BASE + 100, 2 * P - 100), 0);
	cr_assert_eq(memcmp(in, out, 2 * P - 100), 0);
	cr_assert_eq(guest_write(test_mm, BASE + P, in, P + 1), -EFAULT);
	cr_assert_eq(guest_write_some(test_mm, BASE + P, in, P + 1), P);
	cr_assert_eq(guest_read_some(test_mm, out, BASE + 2 * P - 3, 100), 3);
	cr_assert_eq(guest_read_some(test_mm, out, BASE + 2 * P, 1), -EFAULT);
	cr_assert_eq(guest_read(test_mm, out, BASE + 2 * P, 0), 0);
	cr_assert_eq(guest_read(test_mm, out, UINT64_MAX - 2, 8), -EFAULT);
	cr_assert_eq(guest_read(test_mm, out, platform_max_addr() - 4, 8), -EFAULT);
}

Test(guest, permissions_are_those_of_the_guest)
{
	unsigned char c = 1;

	map_at(test_mm, BASE, P, PROT_READ, MAP_PRIVATE);
	map_at(test_mm, BASE + P, P, PROT_NONE, MAP_PRIVATE);
	cr_assert_eq(guest_write(test_mm, BASE, &c, 1), -EFAULT);
	cr_assert_eq(guest_read(test_mm, &c, BASE, 1), 0);
	cr_assert_eq(guest_read(test_mm, &c, BASE + P, 1), -EFAULT);
	c = 7;
	cr_assert_eq(guest_poke(test_mm, BASE, &c, 1), 1);
	cr_assert_eq(guest_peek(test_mm, &c, BASE + P, 1), 1);
	cr_assert_eq(load(test_mm, BASE), 7);
	/* Nothing cached by the peek lets an ordinary copy through. */
	cr_assert_eq(guest_read(test_mm, &c, BASE + P, 1), -EFAULT);
	cr_assert_eq(guest_write(test_mm, BASE, &c, 1), -EFAULT);
}

Test(guest, a_poke_into_a_private_file_copies)
{
	struct test_file *f = test_file_new(P);
	unsigned char c = 0xcc;

	map_file(test_mm, f, BASE, P, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	load(test_mm, BASE);
	cr_assert_eq(guest_poke(test_mm, BASE, &c, 1), 1);
	check_mm(test_mm);
	cr_assert_eq(load(test_mm, BASE), 0xcc);
	cr_assert_eq(f->internal[0], 1);
	cr_assert_eq(fake_at(test_mm->as, BASE)->prot, PROT_READ | PROT_EXEC);
	cr_assert_eq(mm_munmap(test_mm, BASE, P), 0);
	test_file_free(f);
}

Test(guest, hints_follow_changes)
{
	unsigned char c;

	map_anon(test_mm, BASE, 2 * P);
	cr_assert_eq(guest_zero(test_mm, BASE, 2 * P), 0);
	cr_assert_eq(mm_mprotect(test_mm, BASE, P, PROT_READ, false), 0);
	cr_assert_eq(guest_zero(test_mm, BASE, 1), -EFAULT);
	cr_assert_eq(mm_munmap(test_mm, BASE, P), 0);
	cr_assert_eq(guest_read(test_mm, &c, BASE, 1), -EFAULT);
}

Test(guest, strings_end_at_a_nul_a_hole_or_the_limit)
{
	char buf[5000];

	map_anon(test_mm, BASE, P);
	cr_assert_eq(guest_write(test_mm, BASE + P - 4, "abc", 4), 0);
	cr_assert_eq(guest_read_string(test_mm, buf, BASE + P - 4, sizeof(buf)), 3);
	cr_assert_str_eq(buf, "abc");
	cr_assert_eq(guest_write(test_mm, BASE + P - 4, "abcd", 4), 0);
	cr_assert_eq(guest_read_string(test_mm, buf, BASE + P - 4, sizeof(buf)), -EFAULT);
	cr_assert_eq(guest_read_string(test_mm, buf, BASE + P - 4, 4), -ENAMETOOLONG);
	memset(buf, 'a', sizeof(buf));
	cr_assert_eq(guest_write(test_mm, BASE, buf, P), 0);
	cr_assert_eq(guest_read_string(test_mm, buf, BASE, 1000), -ENAMETOOLONG);
}

Test(guest, words_for_futexes)
{
	struct guest_key a, b;
	uint32_t v = 5, old;

	map_anon(test_mm, BASE, P);
	cr_assert_eq(guest_write(test_mm, BASE, &v, 4), 0);
	cr_assert_eq(guest_load32(test_mm, BASE, &old), 0);
	cr_assert_eq(old, 5);
	cr_assert_eq(guest_cmpxchg32(test_mm, BASE, 5, 6, &old), 0);
	cr_assert_eq(old, 5);
	cr_assert_eq(guest_cmpxchg32(test_mm, BASE, 5, 7, &old), 0);
	cr_assert_eq(old, 6);
	cr_assert_eq(guest_load32(test_mm, BASE + 2, &old), -EINVAL);
	cr_assert_eq(guest_load32(test_mm, BASE + P, &old), -EFAULT);
	map_at(test_mm, BASE + 2 * P, P, RW, MAP_SHARED);
	struct mm *child;
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	cr_assert_eq(guest_futex_key(test_mm, BASE + 2 * P + 8, false, &a), 0);
	cr_assert_eq(guest_futex_key(child, BASE + 2 * P + 8, false, &b), 0);
	cr_assert(a.object == b.object && a.offset == b.offset, "shared memory is one word");
	cr_assert_eq(guest_futex_key(test_mm, BASE, false, &a), 0);
	cr_assert_eq(guest_futex_key(child, BASE, false, &b), 0);
	cr_assert_neq(a.object, b.object);
	cr_assert_eq(guest_futex_key(test_mm, BASE + P, false, &a), -EFAULT);
	mm_user_put(child);
}

static void put_iov(uint64_t at, uint64_t base, uint64_t len)
{
	struct iovec v = { (void *)(uintptr_t)base, len };

	cr_assert_eq(guest_write(test_mm, at, &v, sizeof(v)), 0);
}

Test(guest, vectors_are_bounded_and_walked)
{
	uint64_t list = BASE;
	char buf[64];
	struct io io;

	map_anon(test_mm, BASE, 4 * P);
	put_iov(list, BASE + P, 3);
	put_iov(list + 16, BASE + 3 * P, 0);
	put_iov(list + 32, BASE + 2 * P, 5);
	cr_assert_eq(io_init_vector(&io, test_mm, list, 3), 0);
	cr_assert_eq(io.left, 8);
	cr_assert_eq(io_put(&io, "12345678", 4), 4);
	cr_assert_eq(io_put(&io, "5678", 10), 4);
	cr_assert_eq(io_put(&io, "x", 1), 0);
	io_fini(&io);
	cr_assert_eq(guest_read(test_mm, buf, BASE + 2 * P, 5), 0);
	cr_assert_eq(memcmp(buf, "45678", 5), 0);
	cr_assert_eq(io_init_vector(&io, test_mm, list, 1025), -EINVAL);
	cr_assert_eq(io_init_vector(&io, test_mm, BASE + 4 * P - 8, 1), -EFAULT);
	cr_assert_eq(io_init_vector(&io, test_mm, list, 0), 0);
	cr_assert_eq(io.left, 0);
	io_fini(&io);
	put_iov(list, BASE, (uint64_t)-1);
	cr_assert_eq(io_init_vector(&io, test_mm, list, 2), -EINVAL);
	put_iov(list, platform_max_addr() - 1, 2);
	cr_assert_eq(io_init_vector(&io, test_mm, list, 2), -EFAULT);
}

Test(guest, a_fault_in_the_middle_of_a_vector_counts_what_was_moved)
{
	char buf[100] = { 0 };
	struct io io;

	map_anon(test_mm, BASE, P);
	put_iov(BASE, BASE + P - 10, 50);
	cr_assert_eq(io_init_vector(&io, test_mm, BASE, 1), 0);
	cr_assert_eq(io_put(&io, buf, 50), 10);
	cr_assert_eq(io_put(&io, buf, 40), -EFAULT);
	io_fini(&io);
	io_init_kernel(&io, buf, sizeof(buf));
	cr_assert_eq(io_put(&io, "hello", 5), 5);
	cr_assert_eq(io_put_zero(&io, 5), 5);
	cr_assert_str_eq(buf, "hello");
}

Test(guest, pins_hold_pages_and_shrink_at_holes)
{
	struct io_pin pin;
	struct io io;
	struct mm_file *mem = memfile_file(test_mf);

	map_anon(test_mm, BASE, 2 * P);
	io_init(&io, test_mm, BASE + P, 2 * P);
	cr_assert_eq(io_pin(&io, 1 << 20, PROT_WRITE, &pin), 0);
	cr_assert_eq(pin.bytes, P);
	memset(pin.iov[0].iov_base, 'p', P);
	cr_assert_eq(load(test_mm, BASE + P), 'p');
	cr_assert_not(mem->ops->sole_ref(mem, pin.ref[0].range));
	cr_assert_eq(mm_munmap(test_mm, BASE, 2 * P), 0);
	memset(pin.iov[0].iov_base, 'q', P); /* still there */
	io_unpin(&io, &pin, 0);
	io_init(&io, test_mm, BASE, P);
	cr_assert_eq(io_pin(&io, P, PROT_READ, &pin), -EFAULT);
}

/* The host fills a pinned page while another thread forks and then writes beside it: both belong to the parent. */
Test(guest, what_the_host_fills_follows_a_copy)
{
	struct io_pin pin;
	struct mm *child;
	struct io io;

	map_anon(test_mm, BASE, 64 * P);
	store(test_mm, BASE, 'o');
	io_init(&io, test_mm, BASE + 10, 40 * P);
	cr_assert_eq(io_pin(&io, 40 * P, PROT_WRITE, &pin), 0);
	cr_assert_eq(pin.count, 1);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	store(test_mm, BASE, 'x'); /* copies 16 pages, for the child has the others */
	memset(pin.iov[0].iov_base, 'h', 30 * P);
	io_unpin(&io, &pin, 30 * P);
	cr_assert_eq(io.left, 10 * P);
	cr_assert_eq(load(test_mm, BASE), 'x');
	for (uint64_t at = 10; at < 30 * P + 10; at++)
		cr_assert_eq(load(test_mm, BASE + at), 'h', "at %lu", at);
	cr_assert_eq(load(test_mm, BASE + 30 * P + 10), 0);
	cr_assert_eq(load(child, BASE), 'o');
	mm_user_put(child);
}

/* Unmapped and mapped anew under the host's hands: the new page gets the bytes, as from Linux's copy_to_user(). */
Test(guest, what_the_host_fills_goes_where_the_address_leads)
{
	struct io_pin pin;
	struct io io;

	map_anon(test_mm, BASE, 4 * P);
	io_init(&io, test_mm, BASE, 4 * P);
	cr_assert_eq(io_pin(&io, 4 * P, PROT_WRITE, &pin), 0);
	cr_assert_eq(mm_munmap(test_mm, BASE + P, 3 * P), 0);
	map_anon(test_mm, BASE + 2 * P, P);
	memset(pin.iov[0].iov_base, 'h', 4 * P);
	io_unpin(&io, &pin, 4 * P);
	cr_assert_eq(load(test_mm, BASE), 'h');
	cr_assert_eq(load(test_mm, BASE + 3 * P - 1), 'h');
}

Test(guest, pages_filled_in_the_guests_own_call_are_mapped_at_once)
{
	map_anon(test_mm, BASE, P);
	fake_enter(test_mm->as);
	cr_assert_eq(guest_zero(test_mm, BASE, 16), 0);
	load(test_mm, BASE);
	cr_assert_eq(touch_faults, 0);
	fake_enter(NULL);
}

Test(guest, truncation_takes_pages_away)
{
	struct test_file *f = test_file_new(8 * P);
	unsigned char c;

	map_file(test_mm, f, BASE, 4 * P, RW, MAP_SHARED, 2 * P);
	map_file(test_mm, f, BASE + 8 * P, 8 * P, RW, MAP_PRIVATE, 0);
	cr_assert_eq(load(test_mm, BASE + 3 * P), 6);
	store(test_mm, BASE + 8 * P + 7 * P, 77);
	test_file_truncate(f, 4 * P, INVALIDATE_SHARED);
	check_mm(test_mm);
	cr_assert_eq(load(test_mm, BASE + P), 4);
	cr_assert_eq(touch(test_mm, BASE + 2 * P, PROT_READ), 7 /* SIGBUS */);
	cr_assert_eq(guest_read(test_mm, &c, BASE + 2 * P, 1), -EFAULT);
	cr_assert_eq(load(test_mm, BASE + 15 * P), 77, "a private copy survives");
	f->size = 8 * P;
	test_file_truncate(f, 4 * P, INVALIDATE_ALL);
	cr_assert_eq(touch(test_mm, BASE + 15 * P, PROT_READ), 7);
	cr_assert_eq(mm_munmap(test_mm, BASE, 16 * P), 0);
	test_file_free(f);
}

Test(guest, a_vanished_source_ends_a_copy)
{
	struct test_file *f = test_file_new(20 * P);
	char buf[3 * 4096];

	map_file(test_mm, f, BASE, 20 * P, RW, MAP_SHARED, 0);
	load(test_mm, BASE);
	/* The host's file shrinks without anybody telling. */
	cr_assert_eq(ftruncate(f->file.host.fd, 2 * P), 0);
	cr_assert_eq(guest_read_some(test_mm, buf, BASE, 3 * P), 2 * P);
	cr_assert_eq(mm_munmap(test_mm, BASE, 20 * P), 0);
	/* A private copy ends where the source does: what is before it counts. */
	map_file(test_mm, f, BASE, 20 * P, RW, MAP_PRIVATE, 0);
	store(test_mm, BASE, 1);
	cr_assert_eq(test_mm->rss_anon, 2 * P);
	cr_assert_eq(touch(test_mm, BASE + 2 * P, PROT_WRITE), 7);
	cr_assert_eq(mm_munmap(test_mm, BASE, 20 * P), 0);
	test_file_free(f);
}

Test(guest, invalidation_reaches_every_mm)
{
	struct test_file *f = test_file_new(4 * P);
	struct mm *child;

	map_file(test_mm, f, BASE, 4 * P, PROT_READ, MAP_SHARED, 0);
	load(test_mm, BASE);
	cr_assert_eq(mm_fork(test_mm, &child), 0);
	load(child, BASE);
	test_file_truncate(f, P, INVALIDATE_SHARED);
	check_mm(child);
	cr_assert_null(fake_at(child->as, BASE + P));
	cr_assert_null(fake_at(test_mm->as, BASE + P));
	cr_assert_not_null(fake_at(child->as, BASE));
	mm_user_put(child);
	cr_assert_eq(mm_munmap(test_mm, BASE, 4 * P), 0);
	test_file_free(f);
}

Test(guest, the_registry_counts_writable_mappings)
{
	struct test_file *f = test_file_new(8 * P);

	map_file(test_mm, f, BASE, 8 * P, PROT_READ, MAP_PRIVATE, 0);
	cr_assert_not(mappings_writable(&f->mappings));
	map_file(test_mm, f, BASE + 8 * P, 8 * P, PROT_READ, MAP_SHARED, 0);
	cr_assert(mappings_writable(&f->mappings));
	cr_assert_eq(mm_munmap(test_mm, BASE + 10 * P, P), 0);
	cr_assert(mappings_writable(&f->mappings));
	cr_assert_eq(mm_munmap(test_mm, BASE + 8 * P, 8 * P), 0);
	cr_assert_not(mappings_writable(&f->mappings));
	cr_assert_not(mappings_empty(&f->mappings));
	cr_assert_eq(mm_munmap(test_mm, BASE, 8 * P), 0);
	test_file_free(f);
}

Test(guest, resident_figures_follow_what_is_touched)
{
	unsigned char vec[10];
	struct mm_stats s;

	map_anon(test_mm, BASE, 4 * MM_UNIT);
	for (uint64_t i = 0; i < 4; i++)
		store(test_mm, BASE + i * MM_UNIT, 1);
	mm_get_stats(test_mm, &s);
	cr_assert_eq(s.rss_bytes, 4 * P);
	cr_assert_eq(s.rss_peak, 4 * P);
	cr_assert_eq(mm_mincore(test_mm, BASE, 10 * P, vec), 0);
	cr_assert(vec[0] == 1 && vec[1] == 0);
	cr_assert_eq(mm_mincore(test_mm, BASE - P, 2 * P, vec), -ENOMEM);
	cr_assert_eq(mm_munmap(test_mm, BASE, MM_UNIT), 0);
	mm_get_stats(test_mm, &s);
	cr_assert_eq(s.rss_bytes, 3 * P);
	cr_assert_eq(s.rss_peak, 4 * P);
}

Test(guest, msync_tells_the_file)
{
	struct test_file *f = test_file_new(2 * P);

	map_file(test_mm, f, BASE, 2 * P, RW, MAP_SHARED, 0);
	cr_assert_eq(mm_msync(test_mm, BASE, 2 * P, MS_SYNC), 0);
	cr_assert_eq(f->syncs, 1);
	cr_assert_eq(mm_msync(test_mm, BASE, 3 * P, MS_ASYNC), -ENOMEM);
	cr_assert_eq(mm_msync(test_mm, BASE, P, MS_ASYNC | MS_SYNC), -EINVAL);
	cr_assert_eq(mm_msync(test_mm, BASE + 1, P, MS_SYNC), -EINVAL);
	cr_assert_eq(mm_munmap(test_mm, BASE, 2 * P), 0);
	test_file_free(f);
}
