/* SPDX-License-Identifier: Apache-2.0 */
/* execveat(2): by descriptor, by directory, of scripts; fexecve; and its errors. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *const none[] = { "x", "again", NULL };
static char *const env[] = { "A=b", NULL };

/* What became of an execveat in a child: its error, or the exit status of the program. */
static void try(const char *what, int dir, const char *path, int flags)
{
	int st;

	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		syscall(SYS_execveat, dir, path, none, env, flags);
		printf("%s: %s\n", what, strerrorname_np(errno));
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &st, 0);
	if (WEXITSTATUS(st))
		printf("%s: ran, %d\n", what, WEXITSTATUS(st));
}

static void script(const char *name)
{
	FILE *f = fopen(name, "w");

	fputs("#!/bin/sh\nexit 43\n", f);
	fclose(f);
	chmod(name, 0755);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		char link[512] = "";
		ssize_t n = readlink("/proc/self/exe", link, sizeof(link) - 1);

		printf("argument %s environment %s program %s\n", argv[1], getenv("A"), n > 0 ? strrchr(link, '/') + 1 : "?");
		fflush(stdout);
		return 42;
	}
	mkdir("d", 0755);
	script("d/script");
	symlink("../proc_execveat", "d/link");
	int dir = open("d", O_RDONLY | O_DIRECTORY), self = open("proc_execveat", O_RDONLY);
	int path = open("proc_execveat", O_PATH), cloexec = open("proc_execveat", O_RDONLY | O_CLOEXEC);
	int s = open("d/script", O_RDONLY), sc = open("d/script", O_RDONLY | O_CLOEXEC);

	try("descriptor", self, "", AT_EMPTY_PATH);
	try("O_PATH", path, "", AT_EMPTY_PATH);
	try("O_CLOEXEC", cloexec, "", AT_EMPTY_PATH);
	try("directory", dir, "../proc_execveat", 0);
	try("the working directory", AT_FDCWD, "proc_execveat", 0);
	try("link", dir, "link", 0);
	try("link not followed", dir, "link", AT_SYMLINK_NOFOLLOW);
	try("script in a directory", dir, "script", 0);
	try("script by descriptor", s, "", AT_EMPTY_PATH);
	try("script by a descriptor that is closed for it", sc, "", AT_EMPTY_PATH);
	try("empty path", self, "", 0);
	try("unknown flag", self, "", 1);
	try("a directory itself", dir, "", AT_EMPTY_PATH);
	try("bad descriptor", 999, "", AT_EMPTY_PATH);
	try("bad descriptor and a relative path", 999, "x", 0);
	try("no directory", self, "x", 0);
	try("missing", dir, "x", 0);
	try("bad path", dir, (char *)8, 0);
	chmod("d/script", 0644);
	try("not executable", s, "", AT_EMPTY_PATH);
	return 0;
}
