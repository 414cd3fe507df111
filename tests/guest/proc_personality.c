/* SPDX-License-Identifier: Apache-2.0 */
/* personality(2): what is kept over fork, threads and exec, and what the flags do. */
#include "mem.h"

#include <pthread.h>
#include <sys/personality.h>
#include <sys/utsname.h>

static void tell(const char *what)
{
	struct utsname u;

	uname(&u);
	printf("%s: %#x, machine %s, release %.4s\n", what, personality(0xffffffff), u.machine,
	       strncmp(u.release, "2.6.", 4) ? "now" : u.release);
}

static const char *prot_at(void *p)
{
	static char prot[5];
	unsigned long start, end;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %4s", &start, &end, prot) == 3 && start <= (unsigned long)p && (unsigned long)p < end)
			break;
	fclose(f);
	return prot;
}

static void read_implies_exec(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *p;

	personality(READ_IMPLIES_EXEC);
	p = mmap(NULL, 4 * PG, PROT_READ, ANON, -1, 0);
	printf("mmap: %s\n", prot_at(p));
	mprotect(p + PG, PG, PROT_READ | PROT_WRITE);
	printf("mprotect: %s\n", prot_at(p + PG));
	mprotect(p + 2 * PG, PG, PROT_WRITE);
	printf("no read: %s\n", prot_at(p + 2 * PG));
	p = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, 0);
	printf("file: %s\n", prot_at(p));
	personality(0);
	p = mmap(NULL, PG, PROT_READ, ANON, -1, 0);
	printf("off: %s\n", prot_at(p));
	close(fd);
}

static void *thread(void *arg)
{
	tell("in a thread");
	personality(ADDR_NO_RANDOMIZE);
	return arg;
}

static void over_exec(unsigned flags)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", flags);
	fflush(stdout);
	if (!fork()) {
		personality(flags);
		execl("/proc/self/exe", "proc_personality", text, NULL);
		_exit(1);
	}
	wait(NULL);
}

/* Where a program's own pieces lie, twice. */
static void no_randomization(void)
{
	char first[256] = "", second[256] = "";

	for (int i = 0; i < 2; i++) {
		char *to = i ? second : first;
		int p[2];

		pipe(p);
		if (!fork()) {
			dup2(p[1], 1);
			personality(ADDR_NO_RANDOMIZE);
			execl("/proc/self/exe", "proc_personality", "where", NULL);
			_exit(1);
		}
		wait(NULL);
		read(p[0], to, 255);
		close(p[0]);
		close(p[1]);
	}
	printf("the same places: %d\n", *first && !strcmp(first, second));
}

int main(int argc, char **argv)
{
	pthread_t t;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc > 1 && !strcmp(argv[1], "where")) {
		printf("%p %p %p %p\n", (void *)main, (void *)&t, malloc(10), (void *)printf);
		return 0;
	}
	if (argc > 1) {
		printf("after exec with %#x: ", atoi(argv[1]));
		tell("kept");
		return 0;
	}
	tell("at first");
	T(personality(0xffffffff));
	T(personality(UNAME26));
	tell("old release");
	T(personality(PER_LINUX32));
	tell("32 bits");
	T(personality(PER_SVR4));
	tell("unknown to this kernel");
	personality(0xfffffffe);
	tell("every bit");
	personality(ADDR_COMPAT_LAYOUT);
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	tell("a thread's own");
	personality(0);
	read_implies_exec();
	over_exec(ADDR_NO_RANDOMIZE);
	over_exec(READ_IMPLIES_EXEC | UNAME26);
	over_exec(PER_LINUX32);
	over_exec(STICKY_TIMEOUTS | WHOLE_SECONDS | SHORT_INODE | MMAP_PAGE_ZERO);
	no_randomization();
	return 0;
}
