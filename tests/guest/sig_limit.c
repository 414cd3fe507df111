/* SPDX-License-Identifier: Apache-2.0 */
// user: 45678 45678
/* RLIMIT_SIGPENDING, which Linux counts by user: so as one who has no other process. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void check(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
}

int main(void)
{
	struct rlimit rl = { 5, 5 };
	sigset_t set;
	siginfo_t si;
	union sigval v = { 0 };
	const struct timespec zero = { 0, 0 };
	int queued = 0, taken = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	setrlimit(RLIMIT_SIGPENDING, &rl);
	while (queued < 100 && !sigqueue(getpid(), SIGRTMIN + 3, v))
		queued++;
	printf("queued until %s: %d\n", strerrorname_np(errno), queued);
	check("kill of a real-time signal still works", kill(getpid(), SIGRTMIN + 3));
	check("a standard one needs no room", kill(getpid(), SIGUSR1));
	while (sigtimedwait(&set, &si, &zero) > 0)
		taken++;
	printf("taken: all %d\n", taken == queued + 1);
	check("room again", sigqueue(getpid(), SIGRTMIN + 3, v));
	sigtimedwait(&set, &si, &zero);
	rl.rlim_cur = 0;
	setrlimit(RLIMIT_SIGPENDING, &rl);
	check("no room at all", sigqueue(getpid(), SIGRTMIN + 3, v));
	check("nor for a queued standard one", sigqueue(getpid(), SIGUSR1, v));
	return 0;
}
