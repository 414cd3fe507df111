# SPDX-License-Identifier: Apache-2.0
"""What -m holds: not the guest's pages only."""
import subprocess

from harness import SBX, check, descendants, folder, run

LIMIT = 24 << 20

# Makes entries of the kind that argv[1] names, in the directory argv[2], until there is no room; then waits for the end of standard input.
FILL = r"""
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static char target[2000], value[4000];

static int make(const char *kind, const char *name)
{
	if (!strcmp(kind, "directory"))
		return mkdir(name, 0700);
	if (!strcmp(kind, "symlink"))
		return symlink(target, name);
	if (!strcmp(kind, "link") && access("first", F_OK) == 0)
		return link("first", name);
	if (mknod(strcmp(kind, "link") ? name : "first", S_IFREG | 0600, 0))
		return -1;
	return strcmp(kind, "xattr") ? 0 : setxattr(name, "user.x", value, sizeof(value), 0);
}

int main(int argc, char **argv)
{
	char name[100];
	int n;

	memset(target, 'x', sizeof(target) - 1);
	printf("ready\n");
	fflush(stdout);
	getchar();
	if (argc < 3 || chdir(argv[2]))
		return 1;
	for (n = 0; n < 200000; n++) {
		snprintf(name, sizeof(name), "entry-%d", n);
		if (make(argv[1], name))
			break;
	}
	printf("%s\n", n < 200000 ? strerrorname_np(errno) : "never full");
	fflush(stdout);
	getchar();
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "entry-%d", i + 1);
		if (remove(name))
			return 2;
	}
	return !!mknod("again", S_IFREG | 0600, 0);
}
"""


def heap(pid):
    """The private memory of the largest process below pid: the sentry's."""
    sizes = [0]
    for p in descendants(pid):
        try:
            lines = open(f"/proc/{p}/status").read().splitlines()
        except OSError:
            continue
        sizes += [int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:")]
    return max(sizes)


def fill(d, kind, where):
    p = subprocess.Popen([SBX, "run", "-m", str(LIMIT), "./fill", kind, where], cwd=d, text=True, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    try:
        check(p.stdout.readline() == "ready\n", kind)
        before = heap(p.pid)
        p.stdin.write("x")
        p.stdin.flush()
        line = p.stdout.readline()
        grown = heap(p.pid) - before
        check(line == "ENOSPC\n", (kind, where, line, grown))
        check(0 < grown < LIMIT, (kind, where, grown))
        p.stdin.close()
        check(p.wait(30) == 0, (kind, where, p.returncode))
    finally:
        p.kill()
        p.wait()


def test_files_without_contents_count_against_the_limit():
    with folder() as d:
        subprocess.run(["cc", "-D_GNU_SOURCE", "-x", "c", "-", "-o", f"{d}/fill"], input=FILL, text=True, check=True)
        for kind in ("file", "directory", "link", "symlink", "xattr"):
            fill(d, kind, "/tmp")
        fill(d, "file", ".")


def test_what_fits_fits():
    r = run("-m", str(64 << 20), "sh", "-c", "i=0; while [ $i -lt 2000 ]; do : >f$i; i=$((i+1)); done; ls | wc -l")
    check(r.status == 0 and r.out.endswith("\n") and int(r.out) >= 2000, r)
