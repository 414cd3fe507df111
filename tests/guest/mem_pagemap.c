/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/pagemap: which pages are there, and which are a file's; its seeks and errors. */
// user: 65534 65534
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { P = 4096, PAGES = 8 };
#define PFN ((UINT64_C(1) << 55) - 1)

static int fd;

static void show(const char *what, const char *p, int n)
{
	uint64_t words[PAGES];
	ssize_t r = pread(fd, words, (size_t)n * 8, (off_t)((uintptr_t)p / P * 8));

	printf("%s: %zd ", what, r);
	for (int i = 0; i < r / 8; i++)
		printf("%c", !(words[i] >> 63) ? words[i] >> 62 & 1 ? 's' : '-' : words[i] >> 61 & 1 ? 'F' : 'A');
	for (int i = 0; i < r / 8; i++)
		if (words[i] & PFN)
			printf(" a frame number");
	printf("\n");
	fflush(stdout);
}

static void result(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

int main(void)
{
	char *a = mmap(NULL, PAGES * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *s = mmap(NULL, PAGES * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t word;

	/* Whole huge pages would come at a touch. */
	madvise(a, PAGES * P, MADV_NOHUGEPAGE);
	fd = open("/proc/self/pagemap", O_RDONLY);
	show("fresh", a, PAGES);
	a[1 * P] = 1;
	a[6 * P] = 1;
	show("two written", a, PAGES);
	madvise(a + P, P, MADV_DONTNEED);
	show("one given back", a, PAGES);
	s[2 * P] = 1;
	show("shared", s, 4);
	munmap(a + 6 * P, P);
	show("unmapped", a, PAGES);
	mremap(a + 2 * P, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, a + 7 * P);
	a[7 * P] = 1;
	show("moved", a, PAGES);

	result("half a word", read(fd, &word, 4));
	result("crooked place", pread(fd, &word, 8, 4));
	result("nothing", read(fd, &word, 0));
	result("beyond the end", pread(fd, &word, 8, (off_t)(UINT64_C(1) << 47) / P * 8 + 4096));
	result("seek", lseek(fd, 80, SEEK_SET));
	result("read there", read(fd, &word, 8));
	result("seek on", lseek(fd, 8, SEEK_CUR));
	result("seek to the end", lseek(fd, 0, SEEK_END));
	result("for writing", open("/proc/self/pagemap", O_RDWR));
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		char name[64];

		snprintf(name, sizeof(name), "/proc/%d/pagemap", getppid());
		result("the parent's", open(name, O_RDONLY) >= 0);
		snprintf(name, sizeof(name), "/proc/%d/mem", getppid());
		result("its memory", open(name, O_RDONLY) >= 0);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	prctl(PR_SET_DUMPABLE, 0);
	pid = fork();
	if (!pid) {
		char name[64];

		snprintf(name, sizeof(name), "/proc/%d/mem", getppid());
		result("memory of who is not dumpable", open(name, O_RDONLY));
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return 0;
}
