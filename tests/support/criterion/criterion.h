/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for Criterion in builds with ThreadSanitizer, whose shadow memory leaves no room where Criterion wants its own.
 * It offers what the unit tests use besides tests/support/asserts.h, nothing else: each test is a fork of the runner, one after the
 * other (runner.c). */
#ifndef TESTS_SUPPORT_CRITERION_H
#define TESTS_SUPPORT_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct unit_test {
	const char *suite, *name; /* name NULL: what all tests of the suite share */
	void (*fn)(void);
	void (*init)(void), (*fini)(void);
	int signal; /* that the test must die of, or 0 */
	double timeout; /* seconds */
};

#define UNIT_TEST_ENTRY(id, ...)                                                                                       \
	static struct unit_test id = { __VA_ARGS__ };                                                                  \
	static struct unit_test *const id##_entry __attribute__((section("unit_tests"), used)) = &id

#define TestSuite(suite_, ...) UNIT_TEST_ENTRY(suite_##_suite, .suite = #suite_, ##__VA_ARGS__)
#define Test(suite_, name_, ...)                                                                                       \
	static void suite_##_##name_##_impl(void);                                                                     \
	UNIT_TEST_ENTRY(suite_##_##name_##_test, .suite = #suite_, .name = #name_, .fn = suite_##_##name_##_impl,      \
			##__VA_ARGS__);                                                                                \
	static void suite_##_##name_##_impl(void)

__attribute__((noreturn)) void unit_test_skip(void);

#define cr_skip(...) unit_test_skip()

#endif
