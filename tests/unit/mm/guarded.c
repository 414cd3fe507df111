/* SPDX-License-Identifier: Apache-2.0 */
/* Copies next to pages that are not there: how far they get, and that the sentry survives. */
#include "mm/guest.h"
#include "tests/support/asserts.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 4 * PAGE_SIZE };

/* SIZE bytes, and nothing after them. */
static char *before_hole(void)
{
	char *p = mmap(NULL, SIZE + PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	for (size_t i = 0; i < SIZE; i++)
		p[i] = (char)(i * 7 + (i >> 8));
	cr_assert_eq(mprotect(p + SIZE, PAGE_SIZE, PROT_NONE), 0);
	return p;
}

TestSuite(guarded, .init = guarded_init, .timeout = 20);

Test(guarded, copies_every_small_size)
{
	char *src = before_hole(), dst[600];

	for (size_t n = 0; n <= 520; n++) {
		for (size_t shift = 0; shift < 8; shift++) {
			memset(dst, 0x55, sizeof(dst));
			cr_assert_eq(guarded_copy(dst + 8, src + shift, n), n);
			cr_assert_eq(memcmp(dst + 8, src + shift, n), 0);
			cr_assert(dst[7] == 0x55 && dst[8 + n] == 0x55);
		}
	}
}

Test(guarded, stops_at_the_first_bad_byte_of_the_source)
{
	char *src = before_hole(), dst[1200];

	for (size_t have = 0; have < 300; have++) {
		for (size_t n = have; n < have + 300; n += 13) {
			memset(dst, 0x55, sizeof(dst));
			cr_assert_eq(guarded_copy(dst, src + SIZE - have, n), MIN(have, n));
			cr_assert_eq(memcmp(dst, src + SIZE - have, have), 0);
			cr_assert_eq(dst[have], 0x55);
		}
	}
}

Test(guarded, stops_at_the_first_bad_byte_of_the_destination)
{
	char *dst = before_hole(), src[700];

	memset(src, 0x66, sizeof(src));
	for (size_t have = 0; have < 300; have++) {
		memset(dst + SIZE - 300, 0, 300);
		cr_assert_eq(guarded_copy(dst + SIZE - have, src, have + 1 + have % 9), have);
		cr_assert_eq(memcmp(dst + SIZE - have, src, have), 0);
		cr_assert_eq(guarded_zero(dst + SIZE - have, have + 5), have);
		cr_assert(!have || (dst[SIZE - have] == 0 && dst[SIZE - 1] == 0));
	}
}

Test(guarded, survives_a_truncated_file)
{
	int fd = memfd_create("t", MFD_CLOEXEC);
	char dst[2 * PAGE_SIZE], *p;

	cr_assert_eq(ftruncate(fd, 2 * PAGE_SIZE), 0);
	p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_eq(guarded_copy(dst, p, sizeof(dst)), sizeof(dst));
	cr_assert_eq(ftruncate(fd, PAGE_SIZE), 0);
	cr_assert_eq(guarded_copy(dst, p, sizeof(dst)), (size_t)PAGE_SIZE);
	cr_assert_eq(guarded_copy(p + PAGE_SIZE - 3, dst, 10), 3);
	cr_assert_eq(guarded_zero(p, sizeof(dst)), (size_t)PAGE_SIZE);
	close(fd);
}

Test(guarded, words_report_faults)
{
	char *p = before_hole();
	uint32_t old = 1, *word = (uint32_t *)(void *)(p + SIZE - 4);

	*word = 42;
	cr_assert(guarded_load32(word, &old) && old == 42);
	cr_assert(guarded_cmpxchg32(word, 41, 43, &old) && old == 42 && *word == 42);
	cr_assert(guarded_cmpxchg32(word, 42, 43, &old) && old == 42 && *word == 43);
	cr_assert(!guarded_load32(word + 1, &old));
	cr_assert(!guarded_cmpxchg32(word + 1, 0, 0, &old));
}

static void *copy_often(void *hole)
{
	char buf[64];
	size_t bad = 0;

	for (int i = 0; i < 2000; i++)
		bad += guarded_copy(buf, (char *)hole - 32, 64) != 32;
	return (void *)bad;
}

Test(guarded, works_in_every_thread)
{
	char *p = before_hole();
	pthread_t t[4];
	void *bad;

	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, copy_often, p + SIZE), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		cr_assert_null(bad);
	}
}

Test(guarded, any_other_fault_kills, .signal = SIGSEGV)
{
	volatile char *p = before_hole();

	signal(SIGSEGV, SIG_DFL); /* what lies below ours: not the test runner's or a sanitizer's handler */
	guarded_init();
	p[SIZE] = 1;
}
