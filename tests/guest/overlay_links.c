/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were there before the guest: several names of one, which stay one file whatever is done by either; their extended
 * attributes; their holes. */
// before: mkdir t t/d; for f in a b c e g; do echo $f > t/$f; done; ln t/a t/a2; ln t/a t/d/a3; ln t/b t/b2; ln t/c t/c2; ln t/e t/e2; ln t/g t/d/g2
// before: ln -s nowhere t/s; ln t/s t/s2; truncate -s 40000 t/holes; printf data | dd of=t/holes bs=1 seek=8192 conv=notrunc status=none
// before: python3 -c "import os; [os.setxattr('t/x' if os.path.exists('t/x') else open('t/x', 'w').name, 'user.' + n, n.encode()) for n in 'abc']" || true
// again: -v {}:{}
#include "file.h"

#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/xattr.h>

static void same(const char *a, const char *b)
{
	struct stat sa, sb;

	if (lstat(a, &sa) || lstat(b, &sb))
		printf("%s, %s: %s\n", a, b, strerrorname_np(errno));
	else
		printf("%s, %s: %s, links %d %d\n", a, b, sa.st_ino == sb.st_ino ? "same" : "not the same", (int)sa.st_nlink, (int)sb.st_nlink);
}

static void append(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_APPEND);

	T(write(fd, text, strlen(text)));
	close(fd);
}

static void written(void)
{
	int fd = open("a2", O_RDONLY);
	char *m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), buf[32] = "";

	printf("mapped %.1s\n", m);
	append("a", "more\n");
	T(read(fd, buf, sizeof(buf)));
	printf("%s", buf);
	printf("mapped %.6s\n", m);
	same("a", "a2");
	same("a", "d/a3");
	show_file("d/a3");
	T(chmod("d/a3", 0600));
	show_mode("a");
	T(unlink("a"));
	same("a2", "d/a3");
	T(rename("d/a3", "moved"));
	append("moved", "and more\n");
	show_file("a2");
	T(unlink("a2"));
	show_mode("moved");
	close(fd);
}

static void others(void)
{
	same("b", "b2");
	T(unlink("b"));
	show_mode("b2");
	T(link("b2", "b3"));
	same("b3", "b2");
	T(rename("c", "c2"));
	show_mode("c");
	T(renameat2(AT_FDCWD, "e", AT_FDCWD, "c2", RENAME_EXCHANGE));
	same("c2", "e2");
	same("c", "e");
	T(truncate("e2", 1));
	show_file("c2");
	put_file("over", "over");
	T(rename("over", "e2"));
	show_mode("c2");
	/* The second name is not looked up before the first has gone. */
	append("g", "gone\n");
	T(unlink("g"));
	show_file("d/g2");
	show_mode("d/g2");
	T(unlink("s"));
	show_mode("s2");
}

static void xattr(const char *name)
{
	char buf[16] = "";

	T(getxattr("x", name, buf, sizeof(buf)));
	printf("%s is \"%s\"\n", name, buf);
}

static void xattrs(void)
{
	char list[64];

	if (getxattr("x", "user.a", NULL, 0) < 0)
		return; /* a file system without */
	T(listxattr("x", NULL, 0));
	xattr("user.a");
	T(getxattr("x", "user.a", list, 0));
	T(getxattr("x", "user.none", list, 0));
	T(setxattr("x", "user.a", "own", 3, XATTR_CREATE));
	T(setxattr("x", "user.none", "own", 3, XATTR_REPLACE));
	T(removexattr("x", "user.b"));
	xattr("user.a");
	xattr("user.b");
	xattr("user.c");
	T(setxattr("x", "user.c", "other", 5, XATTR_REPLACE));
	xattr("user.c");
	T(listxattr("x", list, sizeof(list)));
}

static void holes(void)
{
	int fd = open("holes", O_RDWR);

	for (int i = 0; i < 2; i++) {
		T(lseek(fd, 0, SEEK_DATA));
		T(lseek(fd, 8192, SEEK_HOLE));
		T(lseek(fd, 12288, SEEK_DATA));
		T(lseek(fd, 20000, SEEK_HOLE));
		T(lseek(fd, 40000, SEEK_HOLE));
		T(pwrite(fd, "x", 1, 9000));
	}
	close(fd);
}

int main(void)
{
	umask(022);
	no_caps();
	T(chdir("t"));
	written();
	others();
	xattrs();
	holes();
	return 0;
}
