/* SPDX-License-Identifier: Apache-2.0 */
/* setxattrat(2) and its kind: extended attributes by a directory's descriptor. */
// again: -v {}:{}
#include "file.h"

#include <stdint.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define SYS_setxattrat_ 463
#define SYS_getxattrat_ 464
#define SYS_listxattrat_ 465
#define SYS_removexattrat_ 466

static char buf[1000];

struct args {
	uint64_t value;
	uint32_t size, flags;
	uint64_t more;
};

int main(void)
{
	struct args a = { (uintptr_t)"at", 2, 0, 0 };
	int d = open(".", O_RDONLY), fd = open("f", O_RDWR | O_CREAT, 0644);

	setvbuf(stdout, NULL, _IONBF, 0);
	symlink("f", "l");
	if (syscall(SYS_listxattrat_, d, "f", 0, NULL, 0) < 0 && errno == ENOSYS)
		return 77; /* this kernel is too old */
	syscall(SYS_removexattrat_, d, "f", 0, "user.at");
	T(syscall(SYS_setxattrat_, d, "f", 0, "user.at", &a, 16));
	T(syscall(SYS_setxattrat_, d, "f", 0, "user.at", &a, 15));
	T(syscall(SYS_setxattrat_, d, "f", 0, "user.at", &a, 24));
	a.more = 1;
	T(syscall(SYS_setxattrat_, d, "f", 0, "user.at", &a, 24));
	T(syscall(SYS_setxattrat_, d, "f", 0, "user.at", &a, 5000));
	T(syscall(SYS_setxattrat_, d, "f", 0x400, "user.at", &a, 16));
	a.flags = XATTR_CREATE;
	T(syscall(SYS_setxattrat_, d, "f", 0, "user.at", &a, 16));
	T(syscall(SYS_setxattrat_, d, "l", AT_SYMLINK_NOFOLLOW, "user.at", &a, 16));
	a.flags = XATTR_REPLACE;
	T(syscall(SYS_setxattrat_, fd, "", AT_EMPTY_PATH, "user.at", &a, 16));
	T(syscall(SYS_setxattrat_, fd, "", 0, "user.at", &a, 16));
	a = (struct args){ (uintptr_t)buf, 100, 0, 0 };
	T(syscall(SYS_getxattrat_, d, "f", 0, "user.at", &a, 16));
	T(syscall(SYS_getxattrat_, d, "l", 0, "user.at", &a, 16));
	T(syscall(SYS_getxattrat_, fd, NULL, AT_EMPTY_PATH, "user.at", &a, 16));
	a.flags = 1;
	T(syscall(SYS_getxattrat_, d, "f", 0, "user.at", &a, 16));
	T(syscall(SYS_listxattrat_, d, "f", 0, buf, 1000) > 0);
	T(syscall(SYS_removexattrat_, d, "f", 0, "user.at"));
	T(syscall(SYS_removexattrat_, 99, "f", 0, "user.at"));
	T(syscall(SYS_removexattrat_, 99, "", AT_EMPTY_PATH, "user.at"));
	T(syscall(SYS_removexattrat_, AT_FDCWD, "f", 0, "user.at"));
	return 0;
}
