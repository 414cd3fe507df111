/* SPDX-License-Identifier: Apache-2.0 */
/* open(2) and openat2(2): every flag and error, O_TMPFILE, O_PATH, how names are walked. */
// again: -v {}:{}
#include "file.h"

#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static int open2(int dir, const char *name, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static void make_tree(void)
{
	put_file("file", "hello");
	mkdir("dir", 0755);
	mkdir("dir/sub", 0755);
	put_file("dir/inner", "inner");
	symlink("file", "link");
	symlink("dir", "dirlink");
	symlink("nowhere", "broken");
	symlink("made-by-link", "creates");
	symlink("loop2", "loop1");
	symlink("loop1", "loop2");
	symlink("/", "toroot");
	symlink("../file", "dir/up");
	symlink("../../..", "dir/far");
	mkfifo("fifo", 0644);
}

static void basics(void)
{
	char buf[16];
	int fd;

	O(open("file", O_RDONLY));
	O(open("missing", O_RDONLY));
	O(open("file", O_RDWR | O_CREAT | O_EXCL, 0644));
	O(open("link", O_RDWR | O_CREAT | O_EXCL, 0644));
	O(open("broken", O_RDWR | O_CREAT | O_EXCL, 0644));
	O(open("creates", O_RDWR | O_CREAT, 0640));
	show_mode("made-by-link");
	O(open("", O_RDONLY));
	O(open("", O_RDWR | O_CREAT, 0644));
	O(open("file/", O_RDONLY));
	O(open("file/x", O_RDONLY));
	O(open("file/..", O_RDONLY));
	O(open("file/.", O_RDONLY));
	O(open("missing/", O_RDWR | O_CREAT, 0644));
	O(open("file/", O_RDWR | O_CREAT, 0644));
	O(open("dir/", O_RDWR | O_CREAT, 0644));
	O(open("dir", O_RDWR | O_CREAT, 0644));
	O(open("dir", O_RDONLY | O_CREAT, 0644));
	O(open("dir", O_RDONLY | O_CREAT | O_EXCL, 0644));
	O(open(".", O_RDONLY | O_CREAT, 0644));
	O(open("..", O_RDONLY | O_CREAT | O_EXCL, 0644));
	O(open("/", O_RDONLY | O_CREAT, 0644));
	O(open("dir", O_WRONLY));
	O(open("dir", O_RDONLY | O_TRUNC));
	O(open("dir", O_RDONLY));
	O(open("dir/", O_RDONLY));
	O(open("missing/x", O_RDWR | O_CREAT, 0644));
	O(open("file/x", O_RDWR | O_CREAT, 0644));
	O(open("broken/x", O_RDWR | O_CREAT, 0644));
	O(open("fifo", O_WRONLY | O_NONBLOCK));
	fd = FD(open("fifo", O_RDONLY | O_NONBLOCK));
	O(open("fifo", O_WRONLY | O_NONBLOCK));
	close(fd);
	fd = open("file", O_ACCMODE);
	T(read(fd, buf, 1));
	T(write(fd, buf, 1));
	T(fcntl(fd, F_GETFL) & O_ACCMODE);
	close(fd);
	O(open((char *)8, O_RDONLY));
	O(open("file", O_RDONLY | 0x40000000));
	O(openat(-1, "file", O_RDONLY));
	O(openat(9999, "/", O_RDONLY));
	fd = open("file", O_RDONLY);
	O(openat(fd, "x", O_RDONLY));
	O(openat(fd, "", O_RDONLY));
	close(fd);
	fd = open("dir", O_RDONLY);
	O(openat(fd, "inner", O_RDONLY));
	O(openat(fd, "../file", O_RDONLY));
	O(openat(fd, "", O_RDONLY));
	close(fd);
}

static void links(void)
{
	char deep[64], target[64];

	O(open("link", O_RDONLY | O_NOFOLLOW));
	O(open("link", O_RDONLY | O_NOFOLLOW | O_CREAT, 0644));
	O(open("link/", O_RDONLY | O_NOFOLLOW));
	O(open("dirlink", O_RDONLY | O_NOFOLLOW));
	O(open("dirlink/", O_RDONLY | O_NOFOLLOW));
	O(open("dirlink/inner", O_RDONLY | O_NOFOLLOW));
	O(open("dirlink", O_RDONLY | O_DIRECTORY));
	O(open("dirlink", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
	O(open("file", O_RDONLY | O_DIRECTORY));
	O(open("link", O_RDONLY | O_DIRECTORY));
	O(open("missing", O_RDONLY | O_DIRECTORY | O_CREAT, 0644));
	O(open("dir", O_RDONLY | O_DIRECTORY | O_CREAT, 0644));
	O(open("loop1", O_RDONLY));
	O(open("loop1", O_RDONLY | O_CREAT, 0644));
	O(open("loop1/x", O_RDONLY));
	O(open("dir/up", O_RDONLY));
	O(open("broken", O_RDONLY));
	O(open("broken/", O_RDONLY | O_CREAT, 0644));
	/* Forty links are followed, the next is one too many. */
	for (int i = 0; i < 42; i++) {
		snprintf(deep, sizeof(deep), "chain%d", i);
		snprintf(target, sizeof(target), i ? "chain%d" : "file", i - 1);
		symlink(target, deep);
	}
	O(open("chain39", O_RDONLY));
	O(open("chain40", O_RDONLY));
	O(open("chain40", O_RDONLY | O_NOFOLLOW | O_PATH));
	O(open("chain39", O_RDWR | O_CREAT, 0644));
	O(open("chain40", O_RDWR | O_CREAT, 0644));
}

static void name_lengths(void)
{
	char name[5000];

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	O(open(name, O_RDWR | O_CREAT, 0644));
	T(unlink(name));
	name[255] = 'n';
	name[256] = 0;
	O(open(name, O_RDWR | O_CREAT, 0644));
	O(open(name, O_RDONLY));
	for (int i = 0; i < 4999; i += 2)
		memcpy(name + i, "./", 2);
	strcpy(name + 4090, "file");
	O(open(name, O_RDONLY));
	strcpy(name + 4090, "././file");
	O(open(name, O_RDONLY));
}

static void modes(void)
{
	int fd;

	umask(027);
	O(open("masked", O_RDWR | O_CREAT, 0777));
	show_mode("masked");
	O(open("special", O_RDWR | O_CREAT, 07777));
	show_mode("special");
	umask(022);
	fd = FD(open("unreadable", O_RDWR | O_CREAT, 0));
	T(write(fd, "abc", 3));
	close(fd);
	O(open("unreadable", O_RDONLY));
	O(open("unreadable", O_WRONLY));
	O(open("unreadable", O_PATH));
	chmod("unreadable", 0200);
	O(open("unreadable", O_RDONLY));
	O(open("unreadable", O_WRONLY));
	O(open("unreadable", O_RDWR));
	chmod("unreadable", 0400);
	O(open("unreadable", O_RDONLY | O_TRUNC));
	show_mode("unreadable");
	O(open("unreadable", O_RDWR | O_CREAT, 0644));
	chmod("dir", 0600);
	O(open("dir/inner", O_RDONLY));
	O(open("dir/missing", O_RDONLY));
	O(open("dir/missing", O_RDWR | O_CREAT, 0644));
	O(open("dir", O_RDONLY));
	chmod("dir", 0500);
	O(open("dir/missing", O_RDWR | O_CREAT, 0644));
	O(open("dir/inner", O_RDWR | O_CREAT, 0644));
	O(open("dir/inner", O_RDWR | O_CREAT | O_EXCL, 0644));
	chmod("dir", 0755);
}

static void status_flags(void)
{
	static const int flags[] = { O_APPEND, O_NONBLOCK, O_SYNC, O_DSYNC, O_ASYNC, O_NOATIME, O_CLOEXEC, O_TRUNC, O_NOCTTY,
				     O_NOFOLLOW, O_DIRECTORY, O_PATH, O_PATH | O_RDWR | O_APPEND, O_LARGEFILE };

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		int fd = open(flags[i] == O_DIRECTORY ? "dir" : "file", (flags[i] & O_DIRECTORY ? O_RDONLY : O_RDWR) | flags[i]);

		printf("flags %o: fl %o fd %d\n", flags[i], fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
		close(fd);
	}
	put_file("file", "hello");
}

static void paths_only(void)
{
	int fd = FD(open("file", O_PATH)), d, n;
	char buf[64];
	struct stat st;

	T(read(fd, buf, 1));
	T(write(fd, buf, 1));
	T(lseek(fd, 0, SEEK_SET));
	T(ftruncate(fd, 0));
	T(fchmod(fd, 0600));
	T(fchown(fd, -1, -1));
	T(fstat(fd, &st));
	T(fsync(fd));
	T(fcntl(fd, F_GETFL));
	T(fcntl(fd, F_SETFL, O_APPEND));
	T(ioctl(fd, 0x5451));
	T(fchdir(fd));
	T(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	T(syscall(SYS_getdents64, fd, buf, 64));
	close(fd);
	fd = FD(open("link", O_PATH | O_NOFOLLOW));
	T(fstat(fd, &st));
	printf("a link: %d\n", S_ISLNK(st.st_mode));
	T(readlinkat(fd, "", buf, sizeof(buf)));
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
	O(open(buf, O_RDONLY));
	close(fd);
	fd = FD(open("file", O_PATH));
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", fd);
	n = FD(open(buf, O_RDWR));
	T(read(n, buf, 5));
	close(n);
	close(fd);
	d = FD(open("dir", O_PATH));
	O(openat(d, "inner", O_RDONLY));
	T(syscall(SYS_getdents64, d, buf, 64));
	T(fchdir(d));
	O(open("inner", O_RDONLY));
	T(chdir(".."));
	T(fstatat(d, "", &st, AT_EMPTY_PATH));
	close(d);
	O(open("fifo", O_PATH));
	O(open("fifo", O_PATH | O_DIRECTORY));
	O(open("missing", O_PATH | O_CREAT, 0644));
}

static void sockets_and_devices(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	T(bind(s, (struct sockaddr *)&a, sizeof(a)));
	O(open("sock", O_RDWR));
	O(open("sock", O_PATH));
	close(s);
	T(mknod("dev", S_IFCHR | 0600, 0x103));
	T(mknod("reg", S_IFREG | 0600, 0));
	T(mknod("reg2", 0600, 0));
	T(mknod("sock2", S_IFSOCK | 0600, 0));
	T(mknod("bad", S_IFDIR | 0600, 0));
	T(mknod("bad", S_IFLNK | 0600, 0));
	T(mknod("bad", 0170000 | 0600, 0));
	T(mknod("reg", S_IFREG | 0600, 0));
	T(mknod("new/", S_IFREG | 0600, 0));
	O(open("/dev/null", O_RDWR | O_TRUNC));
	O(open("/dev/null", O_RDWR | O_CREAT, 0644));
	O(open("/dev/null", O_RDWR | O_CREAT | O_EXCL, 0644));
	O(open("/dev/null/x", O_RDWR));
	O(open("/dev/null", O_DIRECTORY));
}

static void tmpfiles(void)
{
	char name[64];
	struct stat st;
	int fd = FD(open(".", O_TMPFILE | O_RDWR, 0640));

	T(write(fd, "temporary", 9));
	T(fstat(fd, &st));
	printf("mode %o links %d size %d\n", st.st_mode, (int)st.st_nlink, (int)st.st_size);
	printf("flags %o\n", fcntl(fd, F_GETFL));
	T(linkat(fd, "", AT_FDCWD, "linked0", AT_EMPTY_PATH));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	T(linkat(AT_FDCWD, name, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
	show_file("linked");
	T(unlink("linked"));
	T(linkat(AT_FDCWD, name, AT_FDCWD, "linked2", AT_SYMLINK_FOLLOW));
	close(fd);
	fd = FD(open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0640));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	T(linkat(AT_FDCWD, name, AT_FDCWD, "linked3", AT_SYMLINK_FOLLOW));
	close(fd);
	O(open(".", O_TMPFILE | O_RDONLY, 0640));
	O(open("file", O_TMPFILE | O_RDWR, 0640));
	O(open("missing", O_TMPFILE | O_RDWR, 0640));
	O(open("dirlink", O_TMPFILE | O_RDWR, 0640));
	O(open("dirlink", O_TMPFILE | O_RDWR | O_NOFOLLOW, 0640));
	O(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0640));
	O(open(".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0640));
	chmod("dir", 0555);
	O(open("dir", O_TMPFILE | O_RDWR, 0640));
	chmod("dir", 0755);
	O(open("/proc", O_TMPFILE | O_RDWR, 0640));
}

static void how(void)
{
	struct open_how h[2] = { { .flags = O_RDONLY } };
	int d = open("dir", O_PATH | O_DIRECTORY);

	T(syscall(SYS_openat2, AT_FDCWD, "file", h, 0));
	T(syscall(SYS_openat2, AT_FDCWD, "file", h, 16));
	T(syscall(SYS_openat2, AT_FDCWD, "missing", h, sizeof(*h)));
	T(syscall(SYS_openat2, AT_FDCWD, "missing", h, sizeof(h)));
	h[1].flags = 1;
	T(syscall(SYS_openat2, AT_FDCWD, "file", h, sizeof(h)));
	T(syscall(SYS_openat2, AT_FDCWD, "file", h, 4097));
	T(syscall(SYS_openat2, AT_FDCWD, "file", 8, sizeof(*h)));
	O(open2(AT_FDCWD, "file", 1ULL << 40, 0, 0));
	O(open2(AT_FDCWD, "file", 0x40000000, 0, 0));
	O(open2(AT_FDCWD, "file", O_RDONLY, 0644, 0));
	O(open2(AT_FDCWD, "how-new", O_RDWR | O_CREAT, 0644, 0));
	O(open2(AT_FDCWD, "how-new", O_RDWR | O_CREAT, 010644, 0));
	O(open2(AT_FDCWD, "file", O_RDONLY, 0, 0x40));
	O(open2(AT_FDCWD, "file", O_PATH | O_RDWR, 0, 0));
	O(open2(AT_FDCWD, "file", O_PATH | O_CLOEXEC, 0, 0));
	O(open2(AT_FDCWD, "file", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
	O(open2(AT_FDCWD, "dir", O_CREAT | O_DIRECTORY, 0644, 0));
	O(open2(AT_FDCWD, ".", O_TMPFILE | O_RDWR, 0644, 0));
	O(open2(d, "inner", O_RDONLY, 0, RESOLVE_BENEATH));
	O(open2(d, "../file", O_RDONLY, 0, RESOLVE_BENEATH));
	O(open2(d, "sub/../inner", O_RDONLY, 0, RESOLVE_BENEATH));
	O(open2(d, "sub/../../dir/inner", O_RDONLY, 0, RESOLVE_BENEATH));
	O(open2(d, "/", O_RDONLY, 0, RESOLVE_BENEATH));
	O(open2(d, "up", O_RDONLY, 0, RESOLVE_BENEATH));
	O(open2(d, "new", O_RDWR | O_CREAT, 0644, RESOLVE_BENEATH));
	O(open2(d, "../new", O_RDWR | O_CREAT, 0644, RESOLVE_BENEATH));
	O(open2(d, "/inner", O_RDONLY, 0, RESOLVE_IN_ROOT));
	O(open2(d, "../../inner", O_RDONLY, 0, RESOLVE_IN_ROOT));
	O(open2(d, "far/inner", O_RDONLY, 0, RESOLVE_IN_ROOT));
	O(open2(d, "up", O_RDONLY, 0, RESOLVE_IN_ROOT));
	O(open2(d, "/", O_RDONLY, 0, RESOLVE_IN_ROOT));
	O(open2(AT_FDCWD, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	O(open2(AT_FDCWD, "link", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
	O(open2(AT_FDCWD, "dirlink/inner", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	O(open2(AT_FDCWD, "file", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	O(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	O(open2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
	O(open2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
	O(open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_BENEATH));
	O(open2(AT_FDCWD, "/proc", O_RDONLY, 0, RESOLVE_NO_XDEV));
	O(open2(AT_FDCWD, "file", O_RDONLY, 0, RESOLVE_NO_XDEV));
	O(open2(d, "..", O_RDONLY, 0, RESOLVE_NO_XDEV));
	O(open2(AT_FDCWD, "loop1", O_RDONLY, 0, RESOLVE_IN_ROOT));
	close(d);
}

static void busy_program(void)
{
	O(open("/proc/self/exe", O_RDONLY));
	O(open("/proc/self/exe", O_WRONLY));
	T(truncate("/proc/self/exe", 0));
}

static void descriptors(void)
{
	struct rlimit old, l;
	int fds[3];

	getrlimit(RLIMIT_NOFILE, &old);
	fds[0] = open("file", O_RDONLY);
	fds[1] = open("file", O_RDONLY);
	printf("lowest first: %d\n", fds[1] == fds[0] + 1);
	close(fds[0]);
	fds[2] = open("file", O_RDONLY);
	printf("reused: %d\n", fds[2] == fds[0]);
	l = old;
	l.rlim_cur = (rlim_t)fds[1] + 1;
	setrlimit(RLIMIT_NOFILE, &l);
	O(open("file", O_RDONLY));
	O(open("missing", O_RDONLY));
	T(dup(fds[1]));
	T(dup2(fds[1], fds[1] + 1));
	setrlimit(RLIMIT_NOFILE, &old);
	close(fds[1]);
	close(fds[2]);
	T(close(fds[1]));
}

static void all(void)
{
	make_tree();
	basics();
	links();
	name_lengths();
	modes();
	status_flags();
	paths_only();
	sockets_and_devices();
	tmpfiles();
	how();
	busy_program();
	descriptors();
}

int main(void)
{
	everywhere(all);
	return 0;
}
