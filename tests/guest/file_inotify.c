/* SPDX-License-Identifier: Apache-2.0 */
/* inotify(7): which events every change gives, to the directory and to the file, and how watches end. */
// again: -v {}:{}
#include "file.h"

#include <linux/falloc.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <utime.h>

static uint32_t cookie;

static const struct {
	uint32_t bit;
	const char *name;
} bits[] = {
	{ IN_ACCESS, "ACCESS" }, { IN_MODIFY, "MODIFY" }, { IN_ATTRIB, "ATTRIB" }, { IN_CLOSE_WRITE, "CLOSE_WRITE" },
	{ IN_CLOSE_NOWRITE, "CLOSE_NOWRITE" }, { IN_OPEN, "OPEN" }, { IN_MOVED_FROM, "MOVED_FROM" }, { IN_MOVED_TO, "MOVED_TO" },
	{ IN_CREATE, "CREATE" }, { IN_DELETE, "DELETE" }, { IN_DELETE_SELF, "DELETE_SELF" }, { IN_MOVE_SELF, "MOVE_SELF" },
	{ IN_UNMOUNT, "UNMOUNT" }, { IN_Q_OVERFLOW, "OVERFLOW" }, { IN_IGNORED, "IGNORED" }, { IN_ISDIR, "ISDIR" },
};

static void show(const struct inotify_event *e)
{
	printf("    wd %d len %u", e->wd, e->len);
	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if (e->mask & bits[i].bit)
			printf(" %s", bits[i].name);
	if (e->cookie)
		printf(" cookie %s", e->cookie == cookie ? "as before" : "new");
	cookie = e->cookie;
	printf("%s%s\n", e->len ? " " : "", e->len ? e->name : "");
}

/* Reads all that is there. */
static void events(const char *what, int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n;

	printf("  %s\n", what);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n; p += sizeof(struct inotify_event) + ((struct inotify_event *)p)->len)
			show((struct inotify_event *)p);
	if (n < 0 && errno != EAGAIN)
		say("read", n);
}

#define E(call) (T(call), events("", fd))

static void refusals(void)
{
	int fd = FD(inotify_init1(0)), other = open(".", O_RDONLY);

	T(inotify_init1(0x10000000));
	close(fd);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	T(fcntl(fd, F_GETFD));
	printf("flags %o\n", fcntl(fd, F_GETFL));
	T(inotify_add_watch(fd, "missing", IN_ALL_EVENTS));
	T(inotify_add_watch(fd, ".", 0));
	T(inotify_add_watch(fd, ".", IN_ISDIR));
	T(inotify_add_watch(fd, ".", IN_ONLYDIR | IN_CREATE));
	T(inotify_add_watch(fd, "/proc/self/exe", IN_ONLYDIR | IN_CREATE));
	T(inotify_add_watch(other, ".", IN_CREATE));
	T(inotify_add_watch(-1, ".", IN_CREATE));
	T(inotify_add_watch(fd, (char *)8, IN_CREATE));
	T(inotify_add_watch(fd, "", IN_CREATE));
	T(inotify_rm_watch(fd, 1));
	T(inotify_rm_watch(fd, 1));
	T(inotify_rm_watch(fd, 99));
	T(inotify_rm_watch(other, 1));
	events("IGNORED is queued", fd);
	T(inotify_add_watch(fd, ".", IN_CREATE | IN_MASK_CREATE));
	T(inotify_add_watch(fd, ".", IN_CREATE | IN_MASK_CREATE));
	T(inotify_add_watch(fd, ".", IN_CREATE | IN_MASK_CREATE | IN_MASK_ADD));
	T(inotify_add_watch(fd, ".", IN_DELETE | IN_MASK_ADD));
	T(write(fd, "x", 1));
	T(ftruncate(fd, 0));
	close(fd);
	close(other);
}

static void file_life(void)
{
	char buf[8];
	int fd = inotify_init1(IN_NONBLOCK), f;

	mkdir("w", 0755);
	T(inotify_add_watch(fd, "w", IN_ALL_EVENTS));
	f = FD(open("w/f", O_RDWR | O_CREAT, 0644));
	events("created and opened", fd);
	T(inotify_add_watch(fd, "w/f", IN_ALL_EVENTS));
	E(write(f, "abc", 3));
	E(write(f, "", 0));
	E(pread(f, buf, 3, 0));
	E(pread(f, buf, 3, 100));
	E(pwrite(f, "abc", 3, 0));
	E(ftruncate(f, 1));
	E(truncate("w/f", 2));
	E(ftruncate(f, 2));
	E(fallocate(f, 0, 0, 100));
	E(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10));
	E(fchmod(f, 0600));
	E(chmod("w/f", 0644));
	E(fchown(f, -1, -1));
	E(chown("w/f", getuid(), -1));
	E(utime("w/f", NULL));
	E(futimens(f, NULL));
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } };
	E(futimens(f, ts));
	ts[0].tv_nsec = 0, ts[1].tv_nsec = UTIME_OMIT;
	E(futimens(f, ts));
	ts[0].tv_nsec = UTIME_OMIT;
	E(futimens(f, ts));
	E(fsetxattr(f, "user.a", "1", 1, 0));
	E(fremovexattr(f, "user.a"));
	E(fsync(f));
	E(link("w/f", "w/g"));
	E(unlink("w/g"));
	E(close(f));
	f = FD(open("w/f", O_RDONLY));
	events("opened", fd);
	E(close(f));
	f = FD(open("w/f", O_WRONLY | O_TRUNC));
	events("opened and cut", fd);
	E(dup(f));
	E(close(f));
	f = FD(open("w/f", O_PATH));
	E(close(f));
	E(unlink("w/f"));
	close(fd);
}

static void names(void)
{
	int fd = inotify_init1(IN_NONBLOCK), f;

	mkdir("a", 0755);
	mkdir("b", 0755);
	T(inotify_add_watch(fd, "a", IN_ALL_EVENTS));
	T(inotify_add_watch(fd, "b", IN_ALL_EVENTS));
	E(mkdir("a/dir", 0755));
	E(symlink("x", "a/link"));
	E(mknod("a/fifo", S_IFIFO | 0600, 0));
	E(rename("a/link", "a/link2"));
	E(rename("a/link2", "b/link3"));
	E(rename("a/dir", "b/dir"));
	E(renameat2(AT_FDCWD, "b/dir", AT_FDCWD, "a/fifo", RENAME_EXCHANGE));
	E(rename("a/fifo", "a/fifo"));
	T(inotify_add_watch(fd, "b/link3", IN_ALL_EVENTS | IN_DONT_FOLLOW));
	T(inotify_add_watch(fd, "b/dir", IN_ALL_EVENTS));
	put_file("a/over", "x");
	events("made", fd);
	E(rename("a/over", "b/link3"));
	E(unlink("b/link3"));
	E(rmdir("a/fifo"));
	E(unlink("b/dir"));
	E(rmdir("b"));
	put_file("a/later", "x");
	f = open("a/later", O_RDWR);
	T(inotify_add_watch(fd, "a/later", IN_ALL_EVENTS));
	events("made", fd);
	E(unlink("a/later"));
	E(write(f, "x", 1));
	E(close(f));
	T(link("/proc/self/exe", "a/exe") < 0 ? 0 : 0);
	E(rename("a", "c"));
	T(inotify_add_watch(fd, ".", IN_ALL_EVENTS));
	E(rename("c", "a"));
	E(rmdir("a"));
	close(fd);
}

static void masks(void)
{
	char buf[64];
	int fd = inotify_init1(IN_NONBLOCK), n = 0, f;

	mkdir("m", 0755);
	T(inotify_add_watch(fd, "m", IN_CREATE));
	T(inotify_add_watch(fd, "m", IN_DELETE | IN_MASK_ADD));
	T(inotify_add_watch(fd, "m/../m", IN_DELETE | IN_MASK_ADD));
	put_file("m/1", "");
	E(unlink("m/1"));
	T(inotify_add_watch(fd, "m", IN_DELETE));
	put_file("m/1", "");
	E(unlink("m/1"));
	T(inotify_add_watch(fd, "m", IN_CREATE | IN_ONESHOT));
	put_file("m/1", "");
	put_file("m/2", "");
	events("one shot", fd);
	T(inotify_add_watch(fd, "m/1", IN_MODIFY));
	f = open("m/1", O_WRONLY);
	write(f, "1", 1);
	write(f, "1", 1);
	write(f, "1", 1);
	T(ioctl(fd, FIONREAD, &n));
	printf("bytes %d\n", n);
	events("equal events are one", fd);
	T(ioctl(fd, FIONREAD, &n));
	printf("bytes %d\n", n);
	T(inotify_add_watch(fd, "m", IN_CREATE));
	put_file("m/a-name-that-is-longer-than-that", "");
	T(read(fd, buf, 16));
	T(read(fd, buf, 20));
	T(read(fd, buf, 64));
	T(inotify_add_watch(fd, "m", IN_DELETE | IN_EXCL_UNLINK));
	T(close(f));
	close(fd);
	fd = inotify_init1(IN_NONBLOCK);
	T(inotify_add_watch(fd, "m", IN_CLOSE | IN_OPEN | IN_ACCESS));
	f = open("m", O_RDONLY | O_DIRECTORY);
	syscall(SYS_getdents64, f, (char[1024]){ 0 }, 1024);
	close(f);
	events("a directory is read", fd);
	T(chdir("m"));
	T(chdir(".."));
	events("entered", fd);
	close(fd);
}

static void waiting(void)
{
	struct pollfd p;
	char buf[256];
	int fd = inotify_init1(0), st;

	mkdir("p", 0755);
	p = (struct pollfd){ fd, POLLIN, 0 };
	T(inotify_add_watch(fd, "p", IN_CREATE));
	T(poll(&p, 1, 0));
	if (!fork()) {
		usleep(50000);
		put_file("p/new", "");
		_exit(0);
	}
	T(poll(&p, 1, 200000));
	printf("revents %x\n", p.revents);
	T(read(fd, buf, sizeof(buf)));
	wait(&st);
	if (!fork()) {
		usleep(50000);
		put_file("p/new2", "");
		_exit(0);
	}
	T(read(fd, buf, sizeof(buf)));
	wait(&st);
	close(fd);
}

static void mapped(void)
{
	int fd = inotify_init1(IN_NONBLOCK), f;
	char *p;

	put_file("map", "0123456789");
	f = open("map", O_RDWR);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	T(inotify_add_watch(fd, "map", IN_ALL_EVENTS));
	p[0] = 'x';
	T(msync(p, 4096, MS_SYNC));
	events("no event for writes to memory", fd);
	munmap(p, 4096);
	close(f);
	events("unmapped and closed", fd);
	close(fd);
}

static void overflow(void)
{
	char buf[4096], name[32];
	int fd = inotify_init1(IN_NONBLOCK), events = 0, overflowed = 0;
	ssize_t n;

	mkdir("o", 0755);
	inotify_add_watch(fd, "o", IN_OPEN | IN_ACCESS);
	put_file("o/1", "");
	put_file("o/2", "");
	for (int i = 0; i < 16500; i++) {
		snprintf(name, sizeof(name), "o/%d", i % 2 + 1);
		close(open(name, O_RDONLY));
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n; p += sizeof(struct inotify_event) + ((struct inotify_event *)p)->len) {
			events++;
			if (((struct inotify_event *)p)->mask & IN_Q_OVERFLOW)
				overflowed += ((struct inotify_event *)p)->wd == -1;
		}
	printf("events %d overflows %d\n", events, overflowed);
	close(fd);
}

/* As many instances as /proc/sys says, and no more. */
static void instances(void)
{
	FILE *f = fopen("/proc/sys/fs/inotify/max_user_instances", "r");
	int limit = 0, count = 0, fd, last = -1;

	if (f && fscanf(f, "%d", &limit) == 1)
		while (count <= limit && (fd = inotify_init1(0)) >= 0)
			last = fd, count++;
	printf("instances end: %s %d\n", strerrorname_np(errno), count <= limit);
	for (; last > 2 && count--; last--)
		close(last);
	fclose(f);
}

static void all(void)
{
	instances();
	refusals();
	file_life();
	names();
	masks();
	waiting();
	mapped();
	overflow();
}

int main(void)
{
	everywhere(all);
	return 0;
}
