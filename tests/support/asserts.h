/* SPDX-License-Identifier: Apache-2.0 */
/* Criterion's assertions for tests of many threads and processes.
 *
 * Criterion's own tell the runner of every assertion, passed or failed, over one socket of the test's process: two threads that assert at
 * once, or a child of the test, wait for each other's answers for ever. These say nothing until one fails; that is printed and
 * ends the process, which Criterion reports as a failure of the test. */
#ifndef TESTS_SUPPORT_ASSERTS_H
#define TESTS_SUPPORT_ASSERTS_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((noreturn, format(printf, 4, 5))) static inline void
unit_test_fail(const char *file, int line, const char *what, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	flockfile(stderr);
	fprintf(stderr, "%s:%d: (%s) is false:", file, line, what);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	fflush(stderr);
	funlockfile(stderr);
	va_end(ap);
	_exit(1);
}

#undef cr_assert
#undef cr_assert_not
#undef cr_assert_eq
#undef cr_assert_neq
#undef cr_assert_gt
#undef cr_assert_geq
#undef cr_assert_lt
#undef cr_assert_leq
#undef cr_assert_null
#undef cr_assert_not_null
#undef cr_assert_str_eq
#undef cr_assert_str_neq
#undef cr_assert_fail

#define cr_assert(cond, ...) ((cond) ? (void)0 : unit_test_fail(__FILE__, __LINE__, #cond, " " __VA_ARGS__))
#define cr_assert_not(cond, ...) cr_assert(!(cond), ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...) cr_assert((a) == (b), ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...) cr_assert((a) != (b), ##__VA_ARGS__)
#define cr_assert_gt(a, b, ...) cr_assert((a) > (b), ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...) cr_assert((a) >= (b), ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...) cr_assert((a) < (b), ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...) cr_assert((a) <= (b), ##__VA_ARGS__)
#define cr_assert_null(p, ...) cr_assert(!(p), ##__VA_ARGS__)
#define cr_assert_not_null(p, ...) cr_assert(!!(p), ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) cr_assert(!strcmp((a), (b)), ##__VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) cr_assert(strcmp((a), (b)), ##__VA_ARGS__)
#define cr_assert_fail(...) unit_test_fail(__FILE__, __LINE__, "must not happen", " " __VA_ARGS__)

#endif
