/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tests of a ThreadSanitizer build: see criterion/criterion.h. Options as Criterion's: --filter SUITE/NAME (a
 * glob); --jobs is accepted and means nothing. A report of the sanitizer is a failure: it changes the exit status. */
#include "criterion/criterion.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_SKIPPED = 77, SLOWNESS = 10 };

extern struct unit_test *const __start_unit_tests[], *const __stop_unit_tests[];

void unit_test_skip(void)
{
	_exit(STATUS_SKIPPED);
}

static const struct unit_test *suite_of(const struct unit_test *t)
{
	for (struct unit_test *const *p = __start_unit_tests; p < __stop_unit_tests; p++)
		if (!(*p)->name && !strcmp((*p)->suite, t->suite))
			return *p;
	return NULL;
}

static void run_in_child(const struct unit_test *t)
{
	const struct unit_test *suite = suite_of(t);
	double timeout = t->timeout > 0 ? t->timeout : suite ? suite->timeout : 0;

	if (timeout > 0)
		alarm((unsigned)(timeout * SLOWNESS));
	if (suite && suite->init)
		suite->init();
	if (t->init)
		t->init();
	t->fn();
	if (t->fini)
		t->fini();
	if (suite && suite->fini)
		suite->fini();
	exit(0);
}

static bool run(const struct unit_test *t)
{
	int status = 0, expected = t->signal;
	pid_t pid;

	if (!expected && suite_of(t))
		expected = suite_of(t)->signal;
	fflush(NULL);
	pid = fork();
	if (!pid)
		run_in_child(t);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIPPED)
		return true;
	if (expected)
		return WIFSIGNALED(status) && WTERMSIG(status) == expected;
	if (WIFSIGNALED(status))
		fprintf(stderr, "%s::%s: signal %d\n", t->suite, t->name, WTERMSIG(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const char *filter = NULL;
	int tested = 0, failed = 0;

	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--filter"))
			filter = argv[i + 1];
	for (struct unit_test *const *p = __start_unit_tests; p < __stop_unit_tests; p++) {
		char name[256];

		if (!(*p)->name)
			continue;
		snprintf(name, sizeof(name), "%s/%s", (*p)->suite, (*p)->name);
		if (filter && fnmatch(filter, name, 0))
			continue;
		tested++;
		if (run(*p))
			continue;
		failed++;
		fprintf(stderr, "[FAIL] %s\n", name);
	}
	printf("[====] Tested: %d | Failing: %d\n", tested, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
