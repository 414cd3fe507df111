/* SPDX-License-Identifier: Apache-2.0 */
/* 300 processes at once. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 300 };

/* Each waits for the one after it, and passes a token on to the one before it. */
static void processes(void)
{
	static pid_t pids[PROCESSES];
	int in, out, p[2], ok = 0, made = 0, st;
	unsigned token = 1;

	if (pipe(p))
		exit(2);
	in = p[0];
	out = p[1];
	for (int i = 0; i < PROCESSES; i++) {
		int next[2];

		if (pipe(next))
			exit(3);
		pids[i] = fork();
		if (!pids[i]) {
			unsigned v;

			close(out);
			if (read(in, &v, sizeof(v)) != sizeof(v))
				_exit(1);
			v++;
			_exit(write(next[1], &v, sizeof(v)) != sizeof(v));
		}
		made += pids[i] > 0;
		close(in);
		close(next[1]);
		in = next[0];
	}
	printf("processes made: %d\n", made);
	if (write(out, &token, sizeof(token)) != sizeof(token) || read(in, &token, sizeof(token)) != sizeof(token))
		exit(4);
	for (int i = 0; i < PROCESSES; i++)
		ok += waitpid(pids[i], &st, 0) == pids[i] && !st;
	printf("token %u, ended well %d\n", token, ok);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	processes();
	return 0;
}
