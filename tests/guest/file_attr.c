/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes and sizes: stat in all forms, modes, times, truncation, holes, fallocate, file systems. */
// again: -v {}:{}
#include "file.h"

#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <utime.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static mode_t mode_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? 0 : st.st_mode;
}

static void stats(void)
{
	struct stat st, other;
	struct statx sx;
	int fd;

	put_file("f", "0123456789");
	symlink("f", "l");
	symlink("none", "broken");
	T(stat("f", &st));
	printf("mode %o links %d size %ld mine %d\n", st.st_mode, (int)st.st_nlink, (long)st.st_size,
	       st.st_uid == geteuid() && st.st_gid == getegid());
	printf("times agree %d, blocks %d, recent %d\n", st.st_mtim.tv_sec == st.st_ctim.tv_sec && st.st_atim.tv_sec <= st.st_mtim.tv_sec,
	       st.st_blocks > 0, labs(time(NULL) - st.st_mtim.tv_sec) < 5);
	T(lstat("l", &other));
	printf("mode %o size %ld\n", other.st_mode, (long)other.st_size);
	T(stat("l", &other));
	printf("same %d\n", other.st_ino == st.st_ino && other.st_dev == st.st_dev);
	T(stat("broken", &other));
	T(lstat("broken/", &other));
	T(lstat("f/", &other));
	T(stat("", &other));
	T(stat("f", (void *)8));
	T(stat((void *)8, &other));
	fd = open("f", O_RDONLY);
	T(fstat(fd, &other));
	printf("same %d\n", other.st_ino == st.st_ino && other.st_dev == st.st_dev);
	T(fstat(99, &other));
	T(fstat(-100, &other));
	T(fstatat(fd, "", &other, AT_EMPTY_PATH));
	T(syscall(SYS_newfstatat, fd, NULL, &other, AT_EMPTY_PATH));
	T(syscall(SYS_newfstatat, fd, NULL, &other, 0));
	T(fstatat(fd, "", &other, 0));
	T(fstatat(fd, "f", &other, 0));
	T(fstatat(AT_FDCWD, "", &other, AT_EMPTY_PATH));
	printf("is a directory %d\n", S_ISDIR(other.st_mode));
	T(fstatat(AT_FDCWD, "l", &other, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT));
	T(fstatat(AT_FDCWD, "f", &other, 0x8000));
	memset(&sx, 0x55, sizeof(sx));
	T(statx(AT_FDCWD, "f", AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_BTIME, &sx));
	printf("mask %x mode %o links %u size %lu same %d\n", sx.stx_mask & (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID), sx.stx_mode,
	       sx.stx_nlink, (long)sx.stx_size, sx.stx_ino == st.st_ino);
	printf("born %d\n", sx.stx_btime.tv_sec <= sx.stx_ctime.tv_sec && sx.stx_btime.tv_sec > 0);
	T(statx(AT_FDCWD, "/proc", 0, STATX_ALL & ~STATX_BTIME, &sx));
	printf("mount root %d\n", !!(sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) && !!(sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT));
	T(statx(fd, "", AT_EMPTY_PATH, STATX_MODE, &sx));
	T(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_MODE, &sx));
	T(statx(AT_FDCWD, "f", 0x40000, STATX_MODE, &sx));
	T(statx(AT_FDCWD, "f", 0, 0x80000000, &sx));
	close(fd);
	int p[2];
	pipe(p);
	fstat(p[0], &st);
	printf("pipe %o %ld\n", st.st_mode, (long)st.st_size);
	T(stat("/dev/null", &st));
	printf("%o %lx\n", st.st_mode & S_IFMT, (long)st.st_rdev);
}

static void modes(void)
{
	struct stat st;
	int fd = open("f", O_RDWR);

	T(chmod("f", 0100777));
	printf("%o\n", mode_of("f"));
	T(fchmod(fd, 0));
	printf("%o\n", mode_of("f"));
	T(chmod("l", 04711));
	printf("%o %o\n", mode_of("f"), mode_of("l"));
	T(chmod("broken", 0));
	T(chmod("none", 0));
	T(syscall(SYS_fchmodat2, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW));
	T(syscall(SYS_fchmodat2, fd, "", 0604, AT_EMPTY_PATH));
	printf("%o\n", mode_of("f"));
	T(syscall(SYS_fchmodat2, AT_FDCWD, "f", 0600, 0x8000));
	T(chmod(".", 0755));
	/* Writing and giving away end set-user-ID. */
	T(chown("f", -1, -1));
	chmod("f", 06755);
	T(chown("f", getuid(), getgid()));
	printf("%o\n", mode_of("f"));
	chmod("f", 02745);
	T(chown("f", -1, getgid()));
	printf("%o\n", mode_of("f"));
	mkdir("sg", 0755);
	chmod("sg", 06755);
	T(chown("sg", getuid(), getgid()));
	printf("%o\n", mode_of("sg"));
	T(lchown("broken", getuid(), getgid()));
	T(chown("broken", getuid(), getgid()));
	T(fchown(fd, getuid(), getgid()));
	T(fchownat(fd, "", getuid(), -1, AT_EMPTY_PATH));
	T(fchownat(AT_FDCWD, "f", getuid(), -1, 8));
	T(fchown(99, 0, 0));
	close(fd);
}

static void print_times(const char *name)
{
	struct stat st;

	lstat(name, &st);
	printf("  %ld.%09ld %ld.%09ld changed now %d\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
	       labs(time(NULL) - st.st_ctim.tv_sec) < 5);
}

static void times(void)
{
	struct timespec ts[2] = { { 1000, 1 }, { 2000, 999999999 } };
	struct timeval tv[2] = { { 3000, 5 }, { 4000, 999999 } };
	struct utimbuf ut = { 5000, 6000 };
	struct stat st;
	int fd = open("f", O_RDONLY);

	T(utimensat(AT_FDCWD, "f", ts, 0));
	print_times("f");
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = -1;
	T(utimensat(AT_FDCWD, "f", ts, 0));
	print_times("f");
	ts[1].tv_nsec = UTIME_OMIT;
	T(utimensat(AT_FDCWD, "none", ts, 0));
	T(utimensat(AT_FDCWD, "none", ts, 0x800));
	ts[0].tv_nsec = 1000000000;
	T(utimensat(AT_FDCWD, "f", ts, 0));
	ts[0] = (struct timespec){ 10, 20 };
	ts[1] = (struct timespec){ 30, UTIME_NOW };
	T(utimensat(AT_FDCWD, "f", ts, 0));
	stat("f", &st);
	printf("%ld.%ld, now %d\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, labs(time(NULL) - st.st_mtim.tv_sec) < 5);
	ts[1] = (struct timespec){ 7, 8 };
	T(futimens(fd, ts));
	print_times("f");
	T(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
	print_times("l");
	T(syscall(SYS_utimensat, fd, NULL, ts, AT_SYMLINK_NOFOLLOW));
	T(syscall(SYS_utimensat, AT_FDCWD, NULL, ts, 0));
	T(syscall(SYS_utimensat, AT_FDCWD, "f", (void *)8, 0));
	T(syscall(SYS_utimes, "f", tv));
	print_times("f");
	tv[1].tv_usec = 1000000;
	T(syscall(SYS_utimes, "f", tv));
	tv[1].tv_usec = 7;
	T(syscall(SYS_futimesat, AT_FDCWD, "l", tv));
	print_times("f");
	T(syscall(SYS_utime, "f", &ut));
	print_times("f");
	T(syscall(SYS_utime, "f", NULL));
	stat("f", &st);
	printf("now %d\n", labs(time(NULL) - st.st_mtim.tv_sec) < 5);
	T(utimensat(fd, "", ts, AT_EMPTY_PATH));
	print_times("f");
	/* What sets which times. */
	put_file("f", "x");
	stat("f", &st);
	printf("written: modified %d\n", labs(time(NULL) - st.st_mtim.tv_sec) < 5);
	utimensat(AT_FDCWD, ".", ts, 0);
	put_file("brand new", "");
	stat(".", &st);
	printf("directory modified %d\n", labs(time(NULL) - st.st_mtim.tv_sec) < 5);
	utimensat(AT_FDCWD, ".", ts, 0);
	unlink("brand new");
	stat(".", &st);
	printf("directory modified %d\n", labs(time(NULL) - st.st_mtim.tv_sec) < 5);
	utimensat(AT_FDCWD, "f", ts, 0);
	truncate("f", 3);
	stat("f", &st);
	printf("truncated: modified %d\n", labs(time(NULL) - st.st_mtim.tv_sec) < 5);
	close(fd);
}

static void sizes(void)
{
	char buf[16384], *map;
	struct stat st;
	int fd;

	put_file("f", "0123456789");
	T(truncate("f", 4));
	T(truncate("f", 8));
	fd = open("f", O_RDWR);
	T(read(fd, buf, sizeof(buf)));
	printf("%.4s %d %d\n", buf, buf[4], buf[7]);
	T(truncate("f", -1));
	T(truncate("none", 1));
	T(truncate(".", 1));
	T(truncate("f/", 1));
	T(truncate("/dev/null", 0));
	T(ftruncate(fd, 100000));
	T(lseek(fd, 0, SEEK_END));
	T(ftruncate(fd, -1));
	T(ftruncate(99, 0));
	T(ftruncate(99, -1));
	int ro = open("f", O_RDONLY);
	T(ftruncate(ro, 0));
	close(ro);
	int p[2];
	pipe(p);
	T(ftruncate(p[1], 0));
	/* Cut under a mapping, and grown again: zeros. */
	ftruncate(fd, 8192);
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(map, 'm', 8192);
	ftruncate(fd, 100);
	printf("%c %d\n", map[99], map[100]);
	ftruncate(fd, 8192);
	printf("%c %d %d\n", map[99], map[101], map[5000]);
	pwrite(fd, "w", 1, 6000);
	printf("%c\n", map[6000]);
	munmap(map, 8192);
	/* Holes. */
	close(fd);
	fd = open("holes", O_RDWR | O_CREAT | O_TRUNC, 0644);
	T(pwrite(fd, "end", 3, 1 << 20));
	fstat(fd, &st);
	printf("size %ld small %d\n", (long)st.st_size, st.st_blocks < 200);
	T(pread(fd, buf, 10, 4096));
	printf("%d\n", buf[0] | buf[9]);
	T(lseek(fd, 0, SEEK_DATA));
	T(lseek(fd, 0, SEEK_HOLE));
	T(lseek(fd, 1 << 20, SEEK_HOLE));
	T(lseek(fd, 2 << 20, SEEK_DATA));
	T(lseek(fd, -1, SEEK_DATA));
	T(lseek(fd, (1 << 20) + 3, SEEK_DATA));
	T(lseek(fd, (1 << 20) + 3, SEEK_HOLE));
	T(fallocate(fd, 0, 0, 8192));
	T(fallocate(fd, 0, 0, 0));
	T(fallocate(fd, 0, -1, 1));
	T(fallocate(fd, 0, INT64_MAX, 1));
	T(fallocate(fd, 0, 2 << 20, 4096));
	T(lseek(fd, 0, SEEK_END));
	T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 4 << 20, 4096));
	T(lseek(fd, 0, SEEK_END));
	T(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	T(pwrite(fd, "abcdefgh", 8, 4094));
	T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 2));
	T(pread(fd, buf, 8, 4094));
	printf("%c%c %d %d %c%c\n", buf[0], buf[1], buf[2], buf[3], buf[4], buf[5]);
	T(fallocate(fd, 0x1000, 0, 4096));
	T(fallocate(p[0], 0, 0, 4096));
	T(fallocate(p[1], 0, 0, 4096));
	T(fallocate(99, 0, 0, 4096));
	ro = open("holes", O_RDONLY);
	T(fallocate(ro, 0, 0, 4096));
	close(ro);
	ro = open(".", O_RDONLY);
	T(fallocate(ro, 0, 0, 4096));
	T(posix_fallocate(fd, 0, 100));
	T(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	T(fsync(fd));
	T(fdatasync(ro));
	T(fsync(p[0]));
	T(syncfs(fd));
	T(syncfs(99));
	T(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	T(sync_file_range(fd, 0, 0, 99));
	T(sync_file_range(fd, -1, 0, 0));
	T(sync_file_range(p[0], 0, 0, 0));
	sync();
	close(fd);
}

static void limits(void)
{
	struct rlimit l = { 1000, 1000 }, old;
	char buf[2000] = "";
	int fd = open("limited", O_RDWR | O_CREAT, 0644), append, p[2];

	ftruncate(fd, 3000);
	getrlimit(RLIMIT_FSIZE, &old);
	l.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &l);
	signal(SIGXFSZ, SIG_IGN);
	T(ftruncate(fd, 2000));
	T(ftruncate(fd, 500));
	T(ftruncate(fd, 1000));
	T(ftruncate(fd, 1001));
	T(truncate("limited", 1001));
	T(fallocate(fd, 0, 0, 1001));
	T(pwrite(fd, buf, 2000, 0));
	T(pwrite(fd, buf, 1, 1000));
	T(lseek(fd, 0, SEEK_END));
	ftruncate(fd, 998);
	append = open("limited", O_WRONLY | O_APPEND);
	T(write(append, buf, 10));
	T(write(append, buf, 10));
	T(write(append, buf, 0));
	pipe(p);
	write(p[1], buf, 20);
	lseek(fd, 990, SEEK_SET);
	T(splice(p[0], NULL, fd, NULL, 20, 0));
	T(splice(p[0], NULL, fd, NULL, 20, 0));
	close(p[0]);
	close(p[1]);
	close(append);
	signal(SIGXFSZ, SIG_DFL);
	setrlimit(RLIMIT_FSIZE, &old);
	close(fd);
}

static void file_systems(void)
{
	struct statfs a, b;
	struct statvfs v;
	int fd = open("f", O_RDONLY), p[2];

	T(statfs(".", &a));
	T(fstatfs(fd, &b));
	printf("alike %d block %d names %ld room %d\n", a.f_type == b.f_type && a.f_blocks == b.f_blocks, a.f_bsize > 0, a.f_namelen,
	       a.f_blocks >= a.f_bfree && a.f_bfree >= a.f_bavail);
	T(statvfs("f", &v));
	printf("read-only %d\n", !!(v.f_flag & ST_RDONLY));
	T(statfs("none", &a));
	T(statfs("f/x", &a));
	T(fstatfs(99, &a));
	T(statfs(".", (void *)8));
	T(statfs("/proc", &a));
	printf("%lx\n", (long)a.f_type);
	pipe(p);
	T(fstatfs(p[0], &a));
	printf("%lx\n", (long)a.f_type);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	close_range(3, ~0U, 0);
	umask(022);
	stats();
	modes();
	times();
	sizes();
	limits();
	file_systems();
	return 0;
}
