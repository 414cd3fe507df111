/* SPDX-License-Identifier: Apache-2.0 */
/* Locks: flock(2), POSIX and open-file-description records: conflicts, splitting, waiting, deadlock, what ends them. */
// again: -v {}:{}
#include "file.h"

#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static pid_t parent;

static int rec(int fd, int cmd, int type, int whence, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = whence, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

/* What would be in the way of a write lock on [start, start+len). */
static void who(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	if (fcntl(fd, cmd, &l))
		printf("[%ld+%ld) %s\n", (long)start, (long)len, strerrorname_np(errno));
	else if (l.l_type == F_UNLCK)
		printf("[%ld+%ld) free\n", (long)start, (long)len);
	else
		printf("[%ld+%ld) %s %ld+%ld by %s\n", (long)start, (long)len, l.l_type == F_RDLCK ? "read" : "write", (long)l.l_start,
		       (long)l.l_len, l.l_pid == parent ? "parent" : l.l_pid == -1 ? "a file" : "another");
}

/* Runs fn in a child and waits. */
static void in_child(void (*fn)(void))
{
	pid_t pid = fork();

	if (!pid) {
		fn();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static int fd;

static void try_flock(void)
{
	int mine = open("f", O_RDONLY);

	T(flock(mine, LOCK_SH | LOCK_NB));
	T(flock(mine, LOCK_EX | LOCK_NB));
	/* The parent's open file is this one too. */
	T(flock(fd, LOCK_EX | LOCK_NB));
}

static void whole_files(void)
{
	int other = open("f", O_RDWR), dup_of = dup(fd);

	T(flock(fd, LOCK_SH));
	T(flock(other, LOCK_SH | LOCK_NB));
	T(flock(other, LOCK_EX | LOCK_NB));
	/* The failed conversion gave the shared lock up. */
	T(flock(fd, LOCK_EX | LOCK_NB));
	T(flock(other, LOCK_SH | LOCK_NB));
	T(flock(dup_of, LOCK_UN));
	T(flock(other, LOCK_EX | LOCK_NB));
	close(other);
	T(flock(fd, LOCK_EX | LOCK_NB));
	in_child(try_flock);
	T(flock(fd, LOCK_UN));
	T(flock(fd, LOCK_UN));
	T(flock(fd, 0));
	T(flock(fd, LOCK_SH | LOCK_EX));
	T(flock(99, LOCK_SH));
	other = open("f", O_PATH);
	T(flock(other, LOCK_SH));
	close(other);
	other = open(".", O_RDONLY);
	T(flock(other, LOCK_EX));
	close(other);
	/* flock and records do not see each other. */
	T(flock(fd, LOCK_EX));
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
	other = open("f", O_RDWR);
	T(flock(other, LOCK_EX | LOCK_NB));
	close(other); /* and with it the process's records */
	T(close(dup_of));
	other = open("f", O_RDWR);
	T(flock(other, LOCK_EX | LOCK_NB));
	T(flock(fd, LOCK_UN));
	T(flock(other, LOCK_EX | LOCK_NB));
	close(other);
}

static void look(void)
{
	who(fd, F_GETLK, F_WRLCK, 0, 0);
	who(fd, F_GETLK, F_RDLCK, 0, 0);
	who(fd, F_GETLK, F_WRLCK, 0, 10);
	who(fd, F_GETLK, F_WRLCK, 10, 10);
	who(fd, F_GETLK, F_WRLCK, 25, 1);
	who(fd, F_GETLK, F_WRLCK, 35, 10);
	who(fd, F_GETLK, F_WRLCK, 200, 10);
	who(fd, F_GETLK, F_WRLCK, 1000000, 0);
}

static void try_records(void)
{
	int mine = open("f", O_RDWR);

	T(rec(mine, F_SETLK, F_RDLCK, SEEK_SET, 10, 5));
	T(rec(mine, F_SETLK, F_WRLCK, SEEK_SET, 0, 5));
	T(rec(mine, F_SETLK, F_RDLCK, SEEK_SET, 20, 5));
	T(rec(mine, F_SETLK, F_WRLCK, SEEK_SET, 20, 5));
	/* Closing any descriptor of the file lets all go. */
	close(open("f", O_RDONLY));
}

static void records(void)
{
	struct flock l;
	int ro = open("f", O_RDONLY), wo = open("f", O_WRONLY);

	ftruncate(fd, 100);
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 10, 10));
	T(rec(fd, F_SETLK, F_RDLCK, SEEK_SET, 20, 10));
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 30, 0));
	in_child(look);
	in_child(try_records);
	printf("a hole in the middle\n");
	T(rec(fd, F_SETLK, F_UNLCK, SEEK_SET, 100, 100));
	in_child(look);
	printf("all write\n");
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
	in_child(look);
	printf("partly read\n");
	T(rec(fd, F_SETLK, F_RDLCK, SEEK_SET, 5, 200));
	in_child(look);
	T(rec(fd, F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
	in_child(look);
	printf("from elsewhere\n");
	lseek(fd, 50, SEEK_SET);
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_CUR, -10, 5));
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_END, -10, 5));
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 20, -5));
	in_child(look);
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, -1, 5));
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 4, -5));
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 5, 0x7fffffffffffffff));
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_END, 0x7fffffffffffffff, 1));
	T(rec(fd, F_SETLK, F_WRLCK, 9, 0, 1));
	T(rec(fd, F_SETLK, 9, SEEK_SET, 0, 1));
	T(rec(ro, F_SETLK, F_WRLCK, SEEK_SET, 0, 1));
	T(rec(ro, F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
	T(rec(wo, F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
	T(rec(99, F_SETLK, F_RDLCK, SEEK_SET, 0, 1));
	T(fcntl(fd, F_SETLK, (void *)8));
	T(rec(fd, F_GETLK, F_UNLCK, SEEK_SET, 0, 1));
	memset(&l, 0, sizeof(l));
	l.l_type = F_WRLCK;
	l.l_pid = 77;
	T(fcntl(fd, F_GETLK, &l));
	printf("own locks are not in the way: %d, pid %d\n", l.l_type == F_UNLCK, l.l_pid);
	close(ro);
	close(wo);
	in_child(look);
}

static void try_ofd(void)
{
	int mine = open("f", O_RDWR);

	who(mine, F_OFD_GETLK, F_WRLCK, 0, 0);
	who(mine, F_GETLK, F_WRLCK, 0, 0);
	T(rec(mine, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 5));
	/* The inherited file has the lock. */
	T(rec(fd, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 20));
	T(rec(fd, F_SETLK, F_RDLCK, SEEK_SET, 0, 5));
}

static void file_records(void)
{
	int other = open("f", O_RDWR);
	struct flock l = { .l_type = F_WRLCK, .l_len = 1, .l_pid = 5 };

	T(rec(fd, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 10));
	T(rec(other, F_OFD_SETLK, F_RDLCK, SEEK_SET, 5, 1));
	T(rec(other, F_OFD_SETLK, F_RDLCK, SEEK_SET, 10, 1));
	T(rec(other, F_SETLK, F_RDLCK, SEEK_SET, 5, 1));
	T(fcntl(fd, F_OFD_SETLK, &l));
	in_child(try_ofd);
	close(other);
	in_child(try_ofd);
	T(rec(fd, F_OFD_SETLK, F_UNLCK, SEEK_SET, 0, 0));
	other = open("f", O_RDWR);
	T(rec(other, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 0));
	close(other);
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 0));
	T(rec(fd, F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
}

/* --- waiting --- */

static int *shared;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void wait_for_records(void)
{
	pid_t pid;

	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 10));
	pid = fork();
	if (!pid) {
		double t = now();
		int r = rec(fd, F_SETLKW, F_WRLCK, SEEK_SET, 5, 1);

		printf("got it %d after a while %d, flag %d\n", r, now() - t > 0.05, *shared);
		_exit(0);
	}
	usleep(100000);
	*shared = 1;
	rec(fd, F_SETLK, F_UNLCK, SEEK_SET, 0, 10);
	waitpid(pid, NULL, 0);
	/* The owner's death lets go. */
	pid = fork();
	if (!pid) {
		rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 10);
		*shared = 2;
		for (;;)
			pause();
	}
	while (*shared != 2)
		usleep(1000);
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 10));
	/* A signal interrupts. */
	struct sigaction sa = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval it = { { 0, 0 }, { 0, 50000 } };
	setitimer(ITIMER_REAL, &it, NULL);
	T(rec(fd, F_SETLKW, F_WRLCK, SEEK_SET, 0, 10));
	kill(pid, SIGKILL);
	T(rec(fd, F_SETLKW, F_WRLCK, SEEK_SET, 0, 10));
	waitpid(pid, NULL, 0);
	T(rec(fd, F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
}

static void wait_for_flock(void)
{
	pid_t pid;

	*shared = 0;
	T(flock(fd, LOCK_EX));
	pid = fork();
	if (!pid) {
		int mine = open("f", O_RDWR);
		int r = flock(mine, LOCK_SH);

		printf("got it %d, flag %d\n", r, *shared);
		*shared = 2;
		usleep(50000);
		_exit(0);
	}
	usleep(50000);
	*shared = 1;
	flock(fd, LOCK_UN);
	while (*shared != 2)
		usleep(1000);
	T(flock(fd, LOCK_EX | LOCK_NB));
	T(flock(fd, LOCK_EX));
	waitpid(pid, NULL, 0);
	T(flock(fd, LOCK_UN));
}

static void deadlock(void)
{
	pid_t pid;
	int status;

	*shared = 0;
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 1));
	pid = fork();
	if (!pid) {
		rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 1, 1);
		*shared = 1;
		int r = rec(fd, F_SETLKW, F_WRLCK, SEEK_SET, 0, 1);
		_exit(r == 0 ? 7 : 8);
	}
	while (*shared != 1)
		usleep(1000);
	usleep(50000);
	T(rec(fd, F_SETLKW, F_WRLCK, SEEK_SET, 1, 1));
	T(rec(fd, F_SETLK, F_UNLCK, SEEK_SET, 0, 1));
	waitpid(pid, &status, 0);
	printf("the other one got it: %d\n", WEXITSTATUS(status) == 7);
}

/* Threads share records, but not those of files. */
static void *thread(void *arg)
{
	int other = open("f", O_RDWR);

	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 1));
	T(rec(other, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 1));
	T(rec(other, F_OFD_SETLK, F_WRLCK, SEEK_SET, 50, 1));
	close(other);
	return arg;
}

static void threads(void)
{
	pthread_t t;

	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 1));
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	/* The thread's close of another descriptor let go of the record. */
	int other = open("f", O_RDWR);
	T(rec(other, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 1));
	close(other);
	/* Open descriptors again. */
	T(rec(fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 1));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	close_range(3, ~0U, 0);
	parent = getpid();
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = open("f", O_RDWR | O_CREAT, 0644);
	whole_files();
	records();
	file_records();
	wait_for_records();
	wait_for_flock();
	deadlock();
	threads();
	return 0;
}
