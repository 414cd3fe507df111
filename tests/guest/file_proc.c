/* SPDX-License-Identifier: Apache-2.0 */
/* /proc as programs use it: descriptors, links, what a process says of itself, the system's files. */
#include "file.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

static char base[PATH_MAX];

/* A link's text, with what differs from run to run taken out. */
static void print_link(const char *name)
{
	char buf[PATH_MAX], *p = buf, *colon;
	ssize_t n = readlink(name, buf, sizeof(buf) - 1);

	if (n < 0) {
		printf("%s -> %s\n", name, strerrorname_np(errno));
		return;
	}
	buf[n] = 0;
	if (!strncmp(buf, base, strlen(base))) {
		p += strlen(base) - 1;
		*p = '.';
	}
	colon = strstr(p, ":[");
	if (colon && isdigit(colon[2]))
		strcpy(colon, ":[number]");
	printf("%s -> %s\n", name, p);
}

static char *slurp(const char *name, size_t *len)
{
	static char buf[1 << 20];
	int fd = open(name, O_RDONLY);
	size_t at = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buf + at, sizeof(buf) - 1 - at)) > 0)
		at += n;
	if (fd >= 0)
		close(fd);
	else
		printf("%s: %s\n", name, strerrorname_np(errno));
	buf[at] = 0;
	if (len)
		*len = at;
	return buf;
}

/* A descriptor's text, read through the very descriptor it is about. */
static void tell_of_itself(int fd)
{
	char name[64], buf[256] = "";
	int own = dup(fd), info;

	sprintf(name, "/proc/self/fdinfo/%d", own);
	info = open(name, O_RDONLY);
	T(dup2(info, own) == own);
	T(read(own, buf, sizeof(buf) - 1) > 0);
	printf("of itself: %s\n", strtok(buf, "\n"));
	close(info);
	close(own);
}

/* The line of a file that begins with key. */
static void print_line(const char *name, const char *key)
{
	char *text = slurp(name, NULL), *line = strtok(text, "\n");

	while (line && strncmp(line, key, strlen(key)))
		line = strtok(NULL, "\n");
	printf("%s: %s\n", name, line ? line : "no such line");
}

static int has(const char *name, const char *text)
{
	size_t len;
	char *all = slurp(name, &len);

	/* Strings end with NUL bytes in some of these files. */
	return memmem(all, len, text, strlen(text)) != NULL;
}

static int by_number(const void *a, const void *b)
{
	return atoi(*(char *const *)a) - atoi(*(char *const *)b);
}

static void list_numbers(const char *dir)
{
	char *names[64];
	int count = 0;
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (isdigit(e->d_name[0]) && count < 64)
			names[count++] = strdup(e->d_name);
	closedir(d);
	qsort(names, count, sizeof(*names), by_number);
	printf("%s:", dir);
	for (int i = 0; i < count; i++)
		printf(" %s", names[i]);
	printf("\n");
}

static void descriptors(void)
{
	int p[2], s[2], fd;
	struct stat st;
	char name[32];

	fd = open("f", O_RDWR | O_CREAT | O_APPEND, 0644);
	open("gone", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	unlink("gone");
	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	memfd_create("name", 0);
	open(".", O_RDONLY);
	open("f", O_PATH);
	open("/dev/null", O_WRONLY);
	for (int i = 3; i <= 12; i++) {
		sprintf(name, "/proc/self/fd/%d", i);
		print_link(name);
	}
	list_numbers("/proc/self/fd"); /* and the one that lists */
	T(lstat("/proc/self/fd/3", &st));
	printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	T(lstat("/proc/self/fd/4", &st));
	printf("mode %o\n", st.st_mode);
	T(lstat("/proc/self/fd/12", &st));
	printf("mode %o\n", st.st_mode);
	T(stat("/proc/self/fd/3", &st));
	printf("mode %o\n", st.st_mode);
	T(stat("/proc/self/fd/4", &st));
	printf("links %d\n", (int)st.st_nlink);
	T(readlink("/proc/self/fd/99", name, sizeof(name)));
	T(open("/proc/self/fd/99", O_RDONLY));
	T(unlink("/proc/self/fd/3"));
	T(open("/proc/self/fd/new", O_RDONLY | O_CREAT, 0644));
	T(open("/proc/self/fd/3/x", O_RDONLY));
	/* Opening the link opens the file anew. */
	write(fd, "0123456789", 10);
	int again = open("/proc/self/fd/3", O_RDONLY);
	char buf[16];
	T(read(again, buf, 4));
	close(again);
	again = open("/proc/self/fd/4", O_RDONLY);
	T(again < 0 ? -1 : 0);
	close(again);
	again = open("/proc/self/fd/6", O_WRONLY);
	T(write(again, "through", 7));
	T(read(p[0], buf, 16));
	close(again);
	T(open("/proc/self/fd/7", O_RDWR));
	again = open("/dev/fd/3", O_RDONLY);
	T(again < 0 ? -1 : 0);
	close(again);
	again = open("/proc/self/fd/10/f", O_RDONLY);
	close(again);
	rename("f", "g");
	print_link("/proc/self/fd/3");
	lseek(fd, 5, SEEK_SET);
	print_line("/proc/self/fdinfo/3", "pos:");
	print_line("/proc/self/fdinfo/3", "flags:");
	print_line("/proc/self/fdinfo/4", "flags:");
	print_line("/proc/self/fdinfo/11", "flags:");
	tell_of_itself(fd);
	list_numbers("/proc/self/fdinfo");
	list_numbers("/proc/thread-self/fd");
	close_range(3, ~0U, 0);
}

static void self(void)
{
	char buf[PATH_MAX], number[32];
	size_t len;
	char *text;

	sprintf(number, "%d", getpid());
	buf[readlink("/proc/self", buf, sizeof(buf))] = 0;
	printf("self %d\n", !strcmp(buf, number));
	sprintf(number, "%d/task/%d", getpid(), gettid());
	buf[readlink("/proc/thread-self", buf, sizeof(buf))] = 0;
	printf("thread-self %d\n", !strcmp(buf, number));
	print_link("/proc/self/cwd");
	print_link("/proc/self/root");
	print_link("/proc/self/exe");
	print_link("/proc/self/ns/none");
	T(access("/proc/self/exe", X_OK));
	T(access("/proc/self/cwd/g", F_OK));
	text = slurp("/proc/self/cmdline", &len);
	printf("cmdline %zu %s\n", len, text);
	T(has("/proc/self/comm", "file_proc\n"));
	prctl(PR_SET_NAME, "another");
	T(has("/proc/self/comm", "another\n"));
	int fd = open("/proc/self/comm", O_WRONLY);
	T(write(fd, "written name that is too long\n", 30));
	close(fd);
	printf("%s", slurp("/proc/self/comm", NULL));
	print_line("/proc/self/status", "Name:");
	print_line("/proc/self/status", "State:");
	print_line("/proc/self/status", "Threads:");
	umask(027);
	print_line("/proc/self/status", "Umask:");
	signal(SIGUSR1, SIG_IGN);
	/* The C library keeps these two to itself, so nobody's program resets what was inherited. */
	for (int sig = 32; sig < 34; sig++)
		syscall(SYS_rt_sigaction, sig, (unsigned long[4]){ 0 }, NULL, 8);
	print_line("/proc/self/status", "SigIgn:");
	print_line("/proc/self/status", "SigBlk:");
	text = slurp("/proc/self/stat", NULL);
	char comm[64], state;
	int pid, ppid, pgrp, sid;
	sscanf(text, "%d (%[^)]) %c %d %d %d", &pid, comm, &state, &ppid, &pgrp, &sid);
	printf("%d %s %c %d %d %d\n", pid == getpid(), comm, state, ppid == getppid(), pgrp == getpgrp(), sid == getsid(0));
	int fields = 0;
	for (char *p = strrchr(text, ')'); *p; p++)
		fields += *p == ' ';
	printf("fields %d\n", fields + 2);
	long pages, resident;
	sscanf(slurp("/proc/self/statm", NULL), "%ld %ld", &pages, &resident);
	printf("statm %d\n", pages >= resident && resident > 10);
	struct rlimit l = { 100, 200 };
	setrlimit(RLIMIT_NOFILE, &l);
	print_line("/proc/self/limits", "Max open files");
	T(has("/proc/self/environ", "PATH="));
	T(has("/proc/self/cgroup", "0::") >= 0);
	T(has("/proc/self/mounts", " /proc proc ") || has("/proc/self/mounts", "proc /proc proc "));
	T(has("/proc/self/mountinfo", " /proc "));
	T(has("/proc/self/maps", "[stack]"));
	T(has("/proc/self/maps", "file_proc"));
	T(open("/proc/self/none", O_RDONLY));
	T(mkdir("/proc/self/x", 0755));
	T(open("/proc/999999/status", O_RDONLY));
	T(open("/proc/-1", O_RDONLY));
	T(open("/proc/01", O_RDONLY));
}

static void maps(void)
{
	char *m = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), want[64], *line;
	int fd = open("g", O_RDONLY);

	mprotect(m + 4096, 4096, PROT_NONE);
	sprintf(want, "%lx-%lx", (long)m + 4096, (long)m + 8192);
	line = strstr(slurp("/proc/self/maps", NULL), want);
	printf("%.18s\n", line ? line + strlen(want) : "none");
	char *f = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	sprintf(want, "%lx-%lx", (long)f, (long)f + 4096);
	line = strstr(slurp("/proc/self/maps", NULL), want);
	printf("%.15s\n", line ? line + strlen(want) : "none");
	line = line ? strchr(line, '\n') - 2 : "??";
	printf("%.2s\n", line);
	/* Reading and writing memory by the file. */
	int mem = open("/proc/self/mem", O_RDWR);
	static char cell[] = "before";
	char buf[8] = "";
	T(pread(mem, buf, 6, (long)cell));
	printf("%s\n", buf);
	T(pwrite(mem, "after!", 6, (long)cell));
	printf("%s\n", cell);
	T(pread(mem, buf, 6, 8));
	T(pread(mem, buf, 6, (long)m + 4096));
	close(mem);
	T(has("/proc/self/smaps", "Rss:"));
	munmap(m, 3 * 4096);
	munmap(f, 4096);
}

static void *sleeper(void *arg)
{
	prctl(PR_SET_NAME, "sleeper");
	*(pid_t *)arg = gettid();
	for (;;)
		pause();
}

static void others(void)
{
	volatile pid_t tid = 0;
	pthread_t t;
	char name[64];
	int count = 0;

	pthread_create(&t, NULL, sleeper, (void *)&tid);
	while (!tid)
		usleep(1000);
	usleep(20000);
	sprintf(name, "/proc/self/task/%d/comm", tid);
	printf("%s", slurp(name, NULL));
	sprintf(name, "/proc/self/task/%d/status", tid);
	printf("%s\n", strstr(slurp(name, NULL), "State:\tS") ? "sleeps" : "does not sleep");
	print_line("/proc/self/status", "Threads:");
	DIR *d = opendir("/proc/self/task");
	while (readdir(d))
		count++;
	closedir(d);
	printf("tasks %d\n", count - 2);
	sprintf(name, "/proc/%d/comm", tid);
	printf("%s", slurp(name, NULL)); /* not listed, but there */
	pid_t pid = fork();
	if (!pid)
		for (;;)
			pause();
	sprintf(name, "/proc/%d/status", pid);
	T(has(name, "Name:"));
	sprintf(name, "/proc/%d/cwd/g", pid);
	T(access(name, F_OK));
	sprintf(name, "/proc/%d/status", pid);
	int fd = open(name, O_RDONLY);
	sprintf(name, "/proc/%d", pid);
	int dir = open(name, O_RDONLY);
	kill(pid, SIGKILL);
	siginfo_t si;
	waitid(P_PID, pid, &si, WEXITED | WNOWAIT);
	sprintf(name, "/proc/%d/stat", pid);
	T(strstr(slurp(name, NULL), ") Z ") != NULL);
	sprintf(name, "/proc/%d/cmdline", pid);
	size_t len;
	slurp(name, &len);
	T(len);
	sprintf(name, "/proc/%d/exe", pid);
	T(readlink(name, name, sizeof(name)));
	waitpid(pid, NULL, 0);
	char buf[64];
	T(read(fd, buf, sizeof(buf)));
	T(openat(dir, "status", O_RDONLY));
	sprintf(name, "/proc/%d", pid);
	T(access(name, F_OK));
	close(fd);
	close(dir);
}

static void machine(void)
{
	char *text = slurp("/proc/cpuinfo", NULL);
	int cpus = 0;

	for (char *p = text; (p = strstr(p, "processor\t")); p++)
		cpus++;
	printf("processors %d\n", cpus >= 1);
	T(has("/proc/meminfo", "MemTotal:") && has("/proc/meminfo", "MemAvailable:") && has("/proc/meminfo", "SwapFree:"));
	T(has("/proc/stat", "cpu ") && has("/proc/stat", "btime ") && has("/proc/stat", "processes "));
	double up;
	T(sscanf(slurp("/proc/uptime", NULL), "%lf", &up) == 1 && up > 0);
	T(sscanf(slurp("/proc/loadavg", NULL), "%lf", &up));
	T(!strncmp(slurp("/proc/version", NULL), "Linux version ", 14));
	T(has("/proc/filesystems", "nodev\tproc\n"));
	T(atoi(slurp("/proc/sys/kernel/pid_max", NULL)) >= 32768);
	T(strlen(slurp("/proc/sys/kernel/ostype", NULL)));
	T(strlen(slurp("/proc/sys/kernel/random/boot_id", NULL)));
	T(strlen(slurp("/proc/sys/kernel/random/uuid", NULL)));
	T(atoi(slurp("/proc/sys/fs/pipe-max-size", NULL)));
	T(atoi(slurp("/proc/sys/vm/overcommit_memory", NULL)) >= 0);
	T(has("/proc/self/auxv", "") && access("/proc/self/auxv", R_OK) == 0);
	print_link("/proc/mounts");
	T(access("/proc/cmdline", F_OK));
	T(access("/dev/stdin", F_OK) | access("/dev/fd", F_OK) | access("/dev/urandom", R_OK) | access("/dev/tty", F_OK));
	print_link("/dev/fd");
	print_link("/dev/stdout");
	T(access("/sys/devices/system/cpu/online", R_OK));
}

/* Run by root or by anybody, here and there: without a capability. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	syscall(SYS_capset, &head, none);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	drop_capabilities();
	close_range(3, ~0U, 0);
	getcwd(base, sizeof(base));
	descriptors();
	self();
	maps();
	others();
	machine();
	return 0;
}
