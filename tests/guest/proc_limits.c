/* SPDX-License-Identifier: Apache-2.0 */
// user: 45679 45679
/* Resource limits and what they do: each in a child that sets it and meets it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r < 0 ? -1 : r, r < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

static void set(int resource, rlim_t soft)
{
	struct rlimit rl;

	getrlimit(resource, &rl);
	rl.rlim_cur = soft;
	if (setrlimit(resource, &rl))
		_exit(90);
}

static void files(void)
{
	int p[2];

	set(RLIMIT_NOFILE, 5);
	check("dup", dup(0));
	check("dup", dup(0));
	check("dup beyond", dup(0));
	check("pipe beyond", pipe(p));
	check("dup2 beyond", dup2(0, 5));
	check("fcntl beyond", fcntl(0, F_DUPFD, 5));
	check("open beyond", open("/dev/null", O_RDONLY));
}

static void on_xfsz(int sig, siginfo_t *info, void *context)
{
	(void)context;
	printf("SIGXFSZ %d, code %d, of itself %d\n", sig == SIGXFSZ, info->si_code, info->si_pid == getpid());
}

static void file_size(void)
{
	char block[4096] = { 0 };
	int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0600);

	sigaction(SIGXFSZ, &(struct sigaction){ .sa_sigaction = on_xfsz, .sa_flags = SA_SIGINFO }, NULL);
	set(RLIMIT_FSIZE, 5000);
	check("write", write(fd, block, sizeof(block)));
	check("write, cut", write(fd, block, sizeof(block)));
	check("write, none", write(fd, block, sizeof(block)));
	check("truncate within", ftruncate(fd, 4000));
	check("truncate beyond", ftruncate(fd, 5001));
	signal(SIGXFSZ, SIG_DFL);
	check("until death", write(fd, block, lseek(fd, 0, SEEK_END)) > 0);
	if (write(fd, block, sizeof(block)) < 0)
		_exit(1);
	if (write(fd, block, sizeof(block)) < 0)
		_exit(2);
}

static void address_space(void)
{
	set(RLIMIT_AS, 64 << 20);
	void *p = mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check("mmap beyond", p == MAP_FAILED ? -1 : 0);
	p = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check("mmap within", p == MAP_FAILED ? -1 : 0);
	check("mremap beyond", mremap(p, 1 << 20, 128 << 20, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
}

static void data(void)
{
	char *end = sbrk(0);

	set(RLIMIT_DATA, 1 << 20);
	check("brk beyond", sbrk(8 << 20) == (void *)-1 ? -1 : 0);
	printf("unmoved %d\n", sbrk(0) == (void *)end);
	check("mmap beyond", mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	check("not data", mmap(NULL, 8 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
}

static int deeper(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	return n ? deeper(n - 1) + frame[0] : 0;
}

static void stack(void)
{
	set(RLIMIT_STACK, 256 << 10);
	deeper(20);
	printf("shallow\n");
	fflush(stdout);
	deeper(1000);
	_exit(1);
}

static void memory_lock(void)
{
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	set(RLIMIT_MEMLOCK, 8192);
	check("lock", mlock(p, 8192));
	check("lock the same", mlock(p, 4096));
	check("lock beyond", mlock(p, 12288));
	check("unlock", munlock(p, 8192));
	set(RLIMIT_MEMLOCK, 0);
	check("lock nothing allowed", mlock(p, 4096));
}

static void processes(void)
{
	pid_t pid;
	int n = 0;

	set(RLIMIT_NPROC, 3);
	while (n < 10) {
		pid = fork();
		if (!pid)
			for (;;)
				pause();
		if (pid < 0)
			break;
		n++;
	}
	check("fork beyond", pid < 0 ? -1 : 0);
	printf("some before %d\n", n < 3);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	kill(0, SIGKILL);
}

static void niceness(void)
{
	set(RLIMIT_NICE, 0);
	errno = 0;
	check("nicer", nice(3));
	check("less nice", nice(-1));
	set(RLIMIT_RTPRIO, 0);
}

static void values(void)
{
	struct rlimit rl, back;

	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (getrlimit(i, &rl) || rl.rlim_cur > rl.rlim_max)
			printf("limit %d\n", i);
	getrlimit(RLIMIT_CORE, &rl);
	rl.rlim_max = rl.rlim_cur = 0;
	check("lower", setrlimit(RLIMIT_CORE, &rl));
	rl.rlim_max = 1;
	check("raise the hard one", setrlimit(RLIMIT_CORE, &rl));
	rl = (struct rlimit){ 2, 1 };
	check("soft above hard", setrlimit(RLIMIT_CORE, &rl));
	check("unreadable", setrlimit(RLIMIT_CORE, (void *)8));
	check("no such", setrlimit(RLIM_NLIMITS, &rl));
	check("pid 1's", prlimit(getppid(), RLIMIT_CORE, NULL, &back));
}

static void child(const char *what, void (*fn)(void))
{
	int st;

	printf("-- %s\n", what);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		setpgid(0, 0);
		fn();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	printf("-- %x\n", st);
}

int main(void)
{
	child("values", values);
	child("files", files);
	child("file size", file_size);
	child("address space", address_space);
	child("data", data);
	child("stack", stack);
	child("locked memory", memory_lock);
	child("processes", processes);
	child("niceness", niceness);
	return 0;
}
