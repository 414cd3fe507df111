/* SPDX-License-Identifier: Apache-2.0 */
/* Commits one crime by name. tests/run-canary builds it as the sentry is built and expects the sanitizer to say so: a
 * sanitizer that is silently off would make every other test of that build worthless. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int shared;

static void *race(void *arg)
{
	for (int i = 0; i < 100000; i++)
		shared = shared + 1;
	return arg;
}

static void data_race(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, race, NULL))
		abort();
	race(NULL);
	pthread_join(t, NULL);
}

static void use_after_free(void)
{
	char *volatile p = malloc(16); /* volatile, so that the compiler does not see it coming */

	free(p);
	*(volatile char *)(p + 3) = 1;
}

static void overflow(void)
{
	volatile int x = INT_MAX;

	x = x + 1;
	printf("%d\n", x);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "race"))
		data_race();
	else if (argc == 2 && !strcmp(argv[1], "use-after-free"))
		use_after_free();
	else if (argc == 2 && !strcmp(argv[1], "overflow"))
		overflow();
	else
		return 2;
	return 0;
}
