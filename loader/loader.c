/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: find the file, follow scripts to the ELF file that runs them, build a new mm from it.
 *
 * Everything that can fail is done here before execve(2)'s point of no return, so a program that cannot be loaded is an error
 * number, never a killed process; that is the one difference to Linux, which kills when a segment cannot be mapped.
 * Files stay open from their headers' check to their mapping, so what was judged is what is mapped.
 */
#include "loader/loader_internal.h"

#include "fs/vfs.h"
#include "mm/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

/* As the kernel's limit on rewriting a program by its first line. */
enum { SCRIPT_DEPTH = 4 };
#define BRK_SPREAD (32ULL << 20)

struct loading {
	const struct load_request *r;
	struct file *exe;
	char head[HEAD_SIZE];
	size_t head_len;
	struct script scripts[SCRIPT_DEPTH];
	const char *name; /* of what is loaded now */
	const char **argv;
	size_t argc;
};

static const char *shown_name(const struct load_request *r)
{
	return r->shown ? r->shown : r->name;
}

static const struct cred *cred_of(const struct load_request *r)
{
	return r->task ? r->task->cred : r->cred;
}

/* --- finding --- */

static int open_first(const struct load_request *r, const char *name, unsigned walk, struct file **out)
{
	struct path root, cwd, p;
	int err;

	fs_context_root(r->fs, &root);
	fs_context_cwd(r->fs, &cwd);
	err = vfs_walk_at(&root, &cwd, r->cred, name, walk, &p);
	if (!err) {
		err = vfs_open_exec_path(&p, r->cred, out);
		path_put(&p);
	}
	path_put(&cwd);
	path_put(&root);
	return err;
}

static int open_program(const struct load_request *r, int dirfd, const char *name, unsigned walk, struct file **out)
{
	if (!r->task)
		return open_first(r, name, walk, out);
	return vfs_open_exec(r->task, dirfd, name, walk, out);
}

static int open_next(struct loading *l, int dirfd, const char *name, unsigned walk)
{
	struct file *f;
	ssize_t n;
	int err = open_program(l->r, dirfd, name, walk, &f);

	if (err)
		return err;
	if (l->exe)
		file_put(l->exe);
	l->exe = f;
	n = file_pread_kernel(f, l->head, sizeof(l->head), 0);
	if (n < 0)
		return (int)n;
	l->head_len = (size_t)n;
	return 0;
}

/* argv[0] becomes: interpreter, its argument, the script. */
static int put_interp(struct loading *l, const struct script *s)
{
	size_t extra = s->arg ? 2 : 1, tail = l->argc ? l->argc - 1 : 0;
	const char **v = calloc(tail + extra + 2, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v[0] = s->interp;
	if (s->arg)
		v[1] = s->arg;
	v[extra] = l->name;
	if (tail)
		memcpy(v + extra + 1, l->argv + 1, tail * sizeof(*v));
	free(l->argv);
	l->argv = v;
	l->argc = tail + extra + 1;
	l->name = s->interp;
	return 0;
}

/* Opens the file asked for and goes from scripts to their interpreters until something else is open. */
static int find_image(struct loading *l)
{
	int err = open_next(l, l->r->dirfd, l->r->name, l->r->walk);

	for (int depth = 0; !err && script_is(l->head, l->head_len); depth++) {
		struct script *s = &l->scripts[depth];

		if (depth == SCRIPT_DEPTH)
			return -ELOOP;
		err = l->r->shown_is_closed ? -ENOENT : script_parse(l->head, l->head_len, s);
		if (!err)
			err = put_interp(l, s);
		if (!err)
			err = open_next(l, AT_FDCWD, s->interp, WALK_FOLLOW);
	}
	return err;
}

/* --- loading --- */

/* What an unusable interpreter is to execve(2). */
static int map_interp(struct mm *mm, const struct load_request *r, const char *name, struct elf_image *out)
{
	struct file *f;
	struct elf e;
	int err = open_program(r, AT_FDCWD, name, WALK_FOLLOW, &f);

	if (err)
		return err;
	err = elf_read(f, &e);
	if (!err) {
		err = elf_map(mm, &e, ELF_PLACE_FREE, out);
		elf_fini(&e);
	}
	file_put(f);
	return err == -ENOEXEC ? -ELIBBAD : err;
}

static void exe_get(void *exe)
{
	file_get(exe);
}

static void exe_put(void *exe)
{
	file_put(exe);
}

static void note_program(struct mm *mm, struct loading *l, const struct elf *e, const struct elf_image *program)
{
	struct mm_exec_info *x = mm_exec_info(mm);
	uint64_t brk = page_down(program->end + PAGE_SIZE - 1);

	x->start_code = program->start_code;
	x->end_code = program->end_code;
	x->start_data = program->start_data;
	x->end_data = program->end_data;
	/* A static PIE lies among mappings that are yet to come; its heap needs room. */
	if (e->eh.e_type == ET_DYN && !e->interp)
		brk = elf_program_base();
	x->start_brk = brk + elf_random(mm, BRK_SPREAD);
	mm_set_brk_start(mm, x->start_brk);
	file_get(l->exe);
	x->exe = l->exe;
	x->exe_get = exe_get;
	x->exe_put = exe_put;
}

static int build(struct loading *l, const struct elf *e, struct mm *mm, struct loaded *out)
{
	const struct load_request *r = l->r;
	struct elf_image program, interp = { 0 };
	struct stack_args a = { .argv = l->argv, .argc = l->argc, .envp = &r->envp, .execfn = shown_name(r), .cred = cred_of(r), .elf = e,
				.program = &program, .limit = r->stack_limit };
	uint64_t sp;
	int err = elf_map(mm, e, e->interp ? ELF_PLACE_PROGRAM : ELF_PLACE_FREE, &program);

	if (!err && e->interp)
		err = map_interp(mm, r, e->interp, &interp);
	a.interp_base = interp.base;
	if (!err)
		err = stack_build(mm, &a, &sp);
	if (err)
		return err;
	note_program(mm, l, e, &program);
	out->mm = mm;
	out->regs.rip = e->interp ? interp.entry : program.entry;
	out->regs.rsp = sp;
	return 0;
}

/* The last component of the name executed: for a script the script's, not its interpreter's. */
static void set_comm(const struct load_request *r, char comm[static 16])
{
	const char *name = shown_name(r), *slash = strrchr(name, '/');

	strncpy(comm, slash ? slash + 1 : name, 15);
	comm[15] = '\0';
}

static int load_image(struct loading *l, struct loaded *out)
{
	struct memfile *mf = l->r->task ? mm_memfile(l->r->task->mm) : l->r->memfile;
	struct mm *mm;
	struct elf e;
	int err = elf_read(l->exe, &e);

	if (err)
		return err;
	err = mm_new(mf, &mm);
	if (!err) {
		if (l->r->task && (l->r->task->personality & ADDR_NO_RANDOMIZE))
			mm_fix_layout(mm);
		err = build(l, &e, mm, out);
		if (err)
			mm_user_put(mm);
	}
	elf_fini(&e);
	return err;
}

int loader_load(const struct load_request *r, struct loaded *out)
{
	struct loading l = { .r = r, .name = shown_name(r) };
	int err = -ENOMEM;

	memset(out, 0, sizeof(*out));
	l.argc = MAX(r->argv.count, (size_t)1);
	l.argv = calloc(l.argc, sizeof(*l.argv));
	if (l.argv) {
		l.argv[0] = ""; /* Linux gives programs started without arguments an empty one */
		if (r->argv.count)
			memcpy(l.argv, r->argv.v, r->argv.count * sizeof(*l.argv));
		err = find_image(&l);
	}
	if (!err)
		err = load_image(&l, out);
	if (!err)
		set_comm(r, out->comm);
	if (l.exe)
		file_put(l.exe);
	free(l.argv);
	return err;
}
