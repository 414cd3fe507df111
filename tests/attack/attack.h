/* SPDX-License-Identifier: Apache-2.0 */
/* What hostile guests share. A guest prints what it found wrong, or `held` when it found nothing; tests/run-attack
 * judges the rest from outside. Attempts run in children, which may end in any way that natively or by design they may.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static int holes;

static inline void hole(const char *what, long value)
{
	printf("hole: %s (%ld)\n", what, value);
	fflush(stdout);
	holes++;
}

static inline int verdict(void)
{
	if (!holes)
		puts("held");
	return holes != 0;
}

/* Runs fn(arg) in a child with an alarm, and returns its wait status. */
static inline int attempt(void (*fn)(long), long arg)
{
	const struct itimerval limit = {.it_value = {.tv_sec = 5}};
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		setitimer(ITIMER_REAL, &limit, NULL);
		fn(arg);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return status;
}

/* xorshift64: the same sequence on every run. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
