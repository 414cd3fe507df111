/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: names, sizes, flags, what bears them. */
// again: -v {}:{}
#include "file.h"

#include <sys/xattr.h>

static char buf[70000];

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The user's names, sorted: what else is listed is the file system's affair. */
static void names(const char *file)
{
	ssize_t n = llistxattr(file, buf, sizeof(buf));
	char *list[64];
	int count = 0;

	for (char *p = buf; n > 0 && p < buf + n; p += strlen(p) + 1)
		if (!strncmp(p, "user.", 5))
			list[count++] = p;
	qsort(list, count, sizeof(*list), by_name);
	printf("%s:", file);
	for (int i = 0; i < count; i++)
		printf(" %s", list[i]);
	printf("%s\n", n < 0 ? strerrorname_np(errno) : "");
}

static void basics(void)
{
	T(setxattr("f", "user.one", "value", 5, 0));
	T(getxattr("f", "user.one", buf, sizeof(buf)));
	printf("%.5s\n", buf);
	T(getxattr("f", "user.one", NULL, 0));
	T(getxattr("f", "user.one", buf, 4));
	T(getxattr("f", "user.one", buf, 5));
	T(getxattr("f", "user.two", buf, 5));
	T(setxattr("f", "user.one", "other", 5, XATTR_CREATE));
	T(setxattr("f", "user.two", "other", 5, XATTR_REPLACE));
	T(setxattr("f", "user.one", "longer value", 12, XATTR_REPLACE));
	T(setxattr("f", "user.two", "", 0, XATTR_CREATE));
	T(setxattr("f", "user.two", "x", 1, XATTR_CREATE | XATTR_REPLACE));
	T(setxattr("f", "user.two", "x", 1, 4));
	T(getxattr("f", "user.two", buf, 5));
	T(getxattr("f", "user.one", buf, sizeof(buf)));
	names("f");
	T(listxattr("f", buf, 3));
	T(removexattr("f", "user.one"));
	T(removexattr("f", "user.one"));
	names("f");
	T(setxattr("f", "user.", "x", 1, 0));
	T(getxattr("f", "user.", buf, 1));
	T(setxattr("f", "nothing", "x", 1, 0));
	T(setxattr("f", "other.name", "x", 1, 0));
	T(setxattr("f", "", "x", 1, 0));
	T(getxattr("f", "", buf, 1));
	T(setxattr("none", "user.a", "x", 1, 0));
	T(getxattr("none", "user.a", buf, 1));
	T(listxattr("none", buf, 1));
	T(setxattr("f", (void *)8, "x", 1, 0));
	T(setxattr("f", "user.a", (void *)8, 1, 0));
	T(getxattr("f", "user.two", (void *)8, 0));
	T(setxattr("f", "user.three", "abc", 3, 0));
	T(getxattr("f", "user.three", (void *)8, 3));
	T(removexattr("f", "nothing"));
}

static void sizes(void)
{
	char name[300] = "user.";

	memset(name + 5, 'n', 295);
	name[255] = 0;
	T(setxattr("f", name, "x", 1, 0));
	T(getxattr("f", name, buf, 1));
	T(removexattr("f", name));
	name[255] = 'n';
	name[256] = 0;
	T(setxattr("f", name, "x", 1, 0));
	T(getxattr("f", name, buf, 1));
	T(setxattr("f", "user.big", buf, 65537, 0));
	memset(buf, 'b', 2000);
	T(setxattr("f", "user.big", buf, 2000, 0));
	T(getxattr("f", "user.big", buf, 70000));
	T(removexattr("f", "user.big"));
}

static void bearers(void)
{
	int fd, p[2];

	T(setxattr("d", "user.d", "x", 1, 0));
	T(getxattr("d", "user.d", buf, 1));
	T(setxattr("l", "user.followed", "x", 1, 0));
	names("f");
	T(lsetxattr("l", "user.link", "x", 1, 0));
	T(lgetxattr("l", "user.link", buf, 1));
	T(lremovexattr("l", "user.link"));
	names("l");
	T(setxattr("fifo", "user.p", "x", 1, 0));
	T(getxattr("fifo", "user.p", buf, 1));
	fd = open("f", O_RDONLY);
	T(fsetxattr(fd, "user.fd", "x", 1, 0));
	T(fgetxattr(fd, "user.fd", buf, 1));
	T(fremovexattr(fd, "user.fd"));
	T(flistxattr(fd, NULL, 0) > 0);
	close(fd);
	fd = open("f", O_PATH);
	T(fsetxattr(fd, "user.fd", "x", 1, 0));
	T(fgetxattr(fd, "user.fd", buf, 1));
	T(flistxattr(fd, buf, 100));
	close(fd);
	T(fgetxattr(99, "user.fd", buf, 1));
	pipe(p);
	T(fsetxattr(p[0], "user.fd", "x", 1, 0));
	/* They move with the file, and a copy of the name is the same file. */
	link("f", "g");
	rename("f", "h");
	names("g");
	names("h");
	rename("h", "f");
	/* A new file has none. */
	unlink("g");
	close(open("g", O_WRONLY | O_CREAT, 0644));
	names("g");
	T(getxattr("/proc/self/status", "user.x", buf, 1));
}

/* Run by root or by anybody, here and there. */
static void permissions(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	syscall(SYS_capset, &head, none);
	setxattr("f", "user.p", "x", 1, 0);
	chmod("f", 0400);
	T(setxattr("f", "user.q", "x", 1, 0));
	T(removexattr("f", "user.p"));
	T(getxattr("f", "user.p", buf, 1));
	chmod("f", 0200);
	T(getxattr("f", "user.p", buf, 1));
	T(setxattr("f", "user.q", "x", 1, 0));
	T(listxattr("f", NULL, 0) > 0);
	chmod("f", 0644);
	T(setxattr("f", "trusted.x", "x", 1, 0));
	T(getxattr("f", "trusted.x", buf, 1));
	T(removexattr("f", "trusted.x"));
	T(setxattr("f", "security.x", "x", 1, 0));
	T(getxattr("f", "security.x", buf, 1));
	T(getxattr("f", "security.capability", buf, 100));
	chmod("d", 01777);
	T(setxattr("d", "user.sticky", "x", 1, 0));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	close_range(3, ~0U, 0);
	close(open("f", O_WRONLY | O_CREAT, 0644));
	mkdir("d", 0755);
	symlink("f", "l");
	mkfifo("fifo", 0644);
	basics();
	sizes();
	bearers();
	permissions();
	return 0;
}
