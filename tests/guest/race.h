/* SPDX-License-Identifier: Apache-2.0 */
/* What the guests about races share: two sides that start at the same moment, with a growing delay between them so that every order
 * comes up. What a round may end in is counted, and only what it must not is printed. */
#ifndef TESTS_GUEST_RACE_H
#define TESTS_GUEST_RACE_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A delay that differs from round to round, in instructions and not in time. */
static inline void dawdle(int round)
{
	for (volatile int i = 0; i < round * 37 % 2000; i++)
		;
}

/* How often: RACE_ROUNDS times a guest's own measure, which is for a slow build of the sentry. */
static inline int race_rounds(int measure)
{
	const char *times = getenv("RACE_ROUNDS");

	return measure * (times ? atoi(times) : 1);
}

#endif
