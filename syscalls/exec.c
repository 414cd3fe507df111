/* SPDX-License-Identifier: Apache-2.0 */
/* execve(2) and execveat(2): the vectors are copied in once, the loader builds the new mm, task_exec() moves the task to it. */
#include "fs/fdtable.h"
#include "fs/vfs.h"
#include "loader/loader.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* execve(2), "Limits on size of arguments and environment": one string, and all of them whatever RLIMIT_STACK says. */
#define STRING_MAX (128UL << 10)
#define STRINGS_MAX (6UL << 20)
/* Pointers that are read at once. */
enum { POINTERS = 64 };

/* Strings while they are read: the text grows and moves, so they are kept as offsets until the end. */
struct reading {
	char *text;
	size_t len, size;
	size_t *offsets;
	size_t count, room;
};

static int read_string(struct task *t, struct reading *in, uint64_t addr)
{
	ssize_t n;

	if (in->size - in->len < STRING_MAX) {
		size_t size = in->size ? 2 * in->size : 2 * STRING_MAX;
		char *text = realloc(in->text, size);

		if (!text)
			return -ENOMEM;
		in->text = text;
		in->size = size;
	}
	if (in->count == in->room) {
		size_t room = in->room ? 2 * in->room : POINTERS;
		size_t *offsets = reallocarray(in->offsets, room, sizeof(*offsets));

		if (!offsets)
			return -ENOMEM;
		in->offsets = offsets;
		in->room = room;
	}
	n = guest_read_string(t->mm, in->text + in->len, addr, STRING_MAX);
	if (n < 0)
		return n == -ENAMETOOLONG ? -E2BIG : (int)n;
	in->offsets[in->count++] = in->len;
	in->len += (size_t)n + 1;
	return in->len + in->count * sizeof(uint64_t) > STRINGS_MAX ? -E2BIG : 0;
}

static int read_strings(struct task *t, struct reading *in, uint64_t addr)
{
	uint64_t pointers[POINTERS];

	while (addr) {
		ssize_t n = guest_read_some(t->mm, pointers, addr, sizeof(pointers));
		size_t count = n < 0 ? 0 : (size_t)n / sizeof(*pointers);

		if (!count)
			return -EFAULT;
		for (size_t i = 0; i < count; i++) {
			int r = pointers[i] ? read_string(t, in, pointers[i]) : 0;

			if (r || !pointers[i])
				return r;
		}
		addr += count * sizeof(*pointers);
	}
	return 0;
}

/* The vector at addr (0: an empty one). Released by strings_release(), also after an error. */
static int strings_read(struct task *t, uint64_t addr, struct strings *out, char **text)
{
	struct reading in = { 0 };
	int r = read_strings(t, &in, addr);

	*text = in.text;
	out->bytes = in.len;
	out->count = in.count;
	out->v = calloc(in.count + 1, sizeof(*out->v));
	if (out->v)
		for (size_t i = 0; i < in.count; i++)
			out->v[i] = in.text + in.offsets[i];
	else if (!r)
		r = -ENOMEM;
	free(in.offsets);
	return r;
}

static void strings_release(struct strings *s, char *text)
{
	free(s->v);
	free(text);
}

static int64_t load_and_move(struct task *t, const struct load_request *r)
{
	struct loaded image;
	int err = loader_load(r, &image);

	if (err)
		return err;
	err = syscall_own_files(t); /* a new program has descriptors of its own */
	if (err) {
		mm_user_put(image.mm);
		return err;
	}
	err = task_exec(t, image.mm, &image.regs, image.comm);
	if (err)
		return err;
	fdtable_close_on_exec(t->files);
	return SYSCALL_NO_RESULT;
}

static int64_t exec_with(struct task *t, struct load_request *r, uint64_t argv, uint64_t envp)
{
	char *argv_text = NULL, *envp_text = NULL;
	int64_t ret = strings_read(t, argv, &r->argv, &argv_text);

	if (!ret)
		ret = strings_read(t, envp, &r->envp, &envp_text);
	r->task = t;
	r->stack_limit = task_rlimit(t, RLIMIT_STACK);
	if (!ret)
		ret = load_and_move(t, r);
	strings_release(&r->argv, argv_text);
	strings_release(&r->envp, envp_text);
	return ret;
}

int64_t sys_execve(struct task *t, const uint64_t a[6])
{
	char name[PATH_MAX];
	struct load_request r = { .dirfd = AT_FDCWD, .name = name, .walk = WALK_FOLLOW };
	int err = syscall_path(t, a[0], name);

	return err ? err : exec_with(t, &r, a[1], a[2]);
}

int64_t sys_execveat(struct task *t, const uint64_t a[6])
{
	char name[PATH_MAX], shown[PATH_MAX + 32];
	struct load_request r = { .dirfd = (int)a[0], .name = name };
	int flags = (int)a[4], err = syscall_path(t, a[1], name);

	if (!err && !name[0] && !(flags & AT_EMPTY_PATH))
		err = -ENOENT;
	if (err)
		return err;
	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	r.walk = (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0) | (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW);
	if (r.dirfd == AT_FDCWD || name[0] == '/')
		return exec_with(t, &r, a[2], a[3]);
	/* What the program, and a script's interpreter, gets to see as its name. */
	snprintf(shown, sizeof(shown), "/dev/fd/%d%s%s", r.dirfd, name[0] ? "/" : "", name);
	r.shown = shown;
	r.shown_is_closed = fd_get_cloexec(t->files, r.dirfd) > 0;
	return exec_with(t, &r, a[2], a[3]);
}
