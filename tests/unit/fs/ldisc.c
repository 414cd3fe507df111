/* SPDX-License-Identifier: Apache-2.0 */
/* The line discipline's bounds: whatever a master types under whatever settings, the buffers hold what they may and no more. What it
 * should answer is compared with Linux in tests/guest/pty_lines.c. */
#include "fs/ldisc.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct ldisc l;

static void start(void)
{
	cr_assert_eq(ldisc_init(&l), 0);
}

static void end(void)
{
	ldisc_fini(&l);
}

TestSuite(ldisc, .init = start, .fini = end);

static size_t type(const char *text)
{
	return ldisc_receive(&l, (const unsigned char *)text, strlen(text));
}

static ssize_t take(char *buf, size_t size)
{
	struct io io;
	ssize_t r;

	io_init_kernel(&io, buf, size);
	r = ldisc_read(&l, &io);
	io_fini(&io);
	return r;
}

Test(ldisc, line_is_readable_when_it_ends)
{
	char buf[16] = "";

	type("abc");
	cr_assert_not(ldisc_readable(&l, 1));
	type("\n");
	cr_assert(ldisc_readable(&l, 1));
	cr_assert_eq(take(buf, sizeof(buf)), 4);
	cr_assert_str_eq(buf, "abc\n");
}

Test(ldisc, end_of_file_is_an_empty_read)
{
	char buf[16];

	type("\004");
	cr_assert(ldisc_readable(&l, 1));
	cr_assert_eq(take(buf, sizeof(buf)), 0);
	cr_assert_not(ldisc_readable(&l, 1));
}

Test(ldisc, too_long_a_line_loses_its_end_but_can_be_ended)
{
	static char buf[8192];

	for (int i = 0; i < 6000; i++)
		cr_assert_eq(type("x"), 1);
	type("\n");
	cr_assert_eq(take(buf, sizeof(buf)), LDISC_LINE + 1);
	cr_assert_eq(buf[LDISC_LINE], '\n');
}

Test(ldisc, unread_lines_stop_who_types)
{
	size_t lines = 0;

	while (type("0123456789abcde\n") == 16)
		lines++;
	cr_assert(lines * 16 <= LDISC_INPUT && lines * 16 > LDISC_INPUT - 64);
	cr_assert_not(ldisc_has_room(&l));
	ldisc_flush_input(&l);
	cr_assert(ldisc_has_room(&l));
}

Test(ldisc, echoes_that_nobody_reads_are_lost)
{
	for (int i = 0; i < 100000; i++)
		type(i % 100 ? "y" : "\025");
	cr_assert_leq(l.out.len, LDISC_ECHO);
	cr_assert_not(ldisc_writable(&l));
}

static void random_settings(void)
{
	struct termios2 t = l.tio;

	t.c_iflag = (uint32_t)rand() & 0x7fff;
	t.c_oflag = (uint32_t)rand() & 0xffff;
	t.c_lflag = (uint32_t)rand() & 0x1ffff;
	for (int i = 0; i < KERNEL_NCCS; i++)
		if (rand() % 4 == 0)
			t.c_cc[i] = (uint8_t)(rand() % 40);
	ldisc_set(&l, &t);
}

static void check(void)
{
	uint32_t held = l.head - l.tail, lines = l.line - l.tail;

	cr_assert_leq(held, LDISC_INPUT);
	cr_assert_leq(lines, held);
	cr_assert_leq(l.out.len, LDISC_ECHO);
	cr_assert_leq(ldisc_count(&l), held);
}

Test(ldisc, bounds_hold_whatever_happens)
{
	unsigned char bytes[600];
	char buf[3000];
	struct io io;

	srand(11);
	for (int step = 0; step < 100000; step++) {
		size_t n = (size_t)rand() % sizeof(bytes), took;

		switch (rand() % 8) {
		case 0:
			if (rand() % 10 == 0)
				random_settings();
			break;
		case 1:
		case 2:
			if (ldisc_readable(&l, 1))
				cr_assert_geq(take(buf, (size_t)rand() % sizeof(buf) + 1), 0);
			break;
		case 3:
			io_init_kernel(&io, buf, n);
			cr_assert(ldisc_write(&l, &io) >= -EAGAIN);
			io_fini(&io);
			break;
		case 4:
			ring_consume(&l.out, MIN(l.out.len, n * 8));
			break;
		case 5:
			if (rand() % 50 == 0)
				ldisc_flush_input(&l);
			break;
		default:
			for (size_t i = 0; i < n; i++)
				bytes[i] = (unsigned char)(rand() % (rand() % 3 ? 40 : 256));
			took = ldisc_receive(&l, bytes, n);
			cr_assert_leq(took, n);
			cr_assert(took == n || !ldisc_has_room(&l) || l.head - l.tail == LDISC_INPUT);
		}
		check();
	}
}
