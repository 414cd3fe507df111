/* SPDX-License-Identifier: Apache-2.0 */
/* The first stack of a program: the System V ABI for AMD64, "Initial Stack and Register State", and getauxval(3).
 *
 * From the top down: eight zero bytes; the name executed; the strings of the environment and of the arguments; 16 random bytes;
 * the platform's name; then, 16-byte aligned at its lower end, the vectors: argc, argv, envp, auxv. All is laid out in a
 * buffer of the sentry's and written to the guest once.
 */
#include "loader/loader_internal.h"

#include "platform/platform.h"

#include <errno.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define PLATFORM_NAME "x86_64"
/* The stack begins this far below the top at most: less than the room that mm keeps free above its mappings. */
#define STACK_SPREAD (64ULL << 20)
/* What exists of a stack before it has to grow. */
#define STACK_FIRST (128ULL << 10)
/* The most that arguments and environment may take however large the stack: three quarters of the kernel's default. */
#define ARGS_MAX (6ULL << 20)
enum { AUXV_MAX = 24, RANDOM_BYTES = 16 };

/* A writer from the top of the buffer down. */
struct image {
	char *buf;
	uint64_t size, at; /* bytes; of the next byte above */
	uint64_t top; /* guest address of the buffer's end */
};

static uint64_t image_addr(const struct image *m)
{
	return m->top - (m->size - m->at);
}

static uint64_t push(struct image *m, const void *data, size_t len)
{
	m->at -= len;
	memcpy(m->buf + m->at, data, len);
	return image_addr(m);
}

static uint64_t push_string(struct image *m, const char *s)
{
	return push(m, s, strlen(s) + 1);
}

static size_t auxv_fill(uint64_t *v, const struct stack_args *a, uint64_t execfn, uint64_t random, uint64_t platform)
{
	const uint64_t pairs[][2] = {
		{ AT_SYSINFO_EHDR, platform_vdso() },
		{ AT_MINSIGSTKSZ, getauxval(AT_MINSIGSTKSZ) },
		{ AT_HWCAP, getauxval(AT_HWCAP) },
		{ AT_PAGESZ, PAGE_SIZE },
		{ AT_CLKTCK, 100 },
		{ AT_PHDR, a->program->phdr },
		{ AT_PHENT, sizeof(Elf64_Phdr) },
		{ AT_PHNUM, a->elf->eh.e_phnum },
		{ AT_BASE, a->interp_base },
		{ AT_FLAGS, 0 },
		{ AT_ENTRY, a->program->entry },
		{ AT_UID, a->cred->uid },
		{ AT_EUID, a->cred->euid },
		{ AT_GID, a->cred->gid },
		{ AT_EGID, a->cred->egid },
		{ AT_SECURE, 0 },
		{ AT_RANDOM, random },
		{ AT_HWCAP2, getauxval(AT_HWCAP2) },
		{ AT_EXECFN, execfn },
		{ AT_PLATFORM, platform },
	};
	size_t n = 0;

	_Static_assert(ARRAY_SIZE(pairs) < AUXV_MAX, "auxv");
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (pairs[i][0] == AT_SYSINFO_EHDR && !pairs[i][1])
			continue;
		v[n++] = pairs[i][0];
		v[n++] = pairs[i][1];
	}
	v[n++] = AT_NULL;
	v[n++] = 0;
	return n;
}

/* execve(2), "Limits on size of arguments and environment". */
static int check_size(const struct stack_args *a, uint64_t strings, uint64_t pointers)
{
	uint64_t limit = MIN(a->limit / 4, ARGS_MAX);

	return strings + pointers > MAX(limit, STACK_FIRST) ? -E2BIG : 0;
}

static void push_vectors(struct image *m, const struct stack_args *a, struct mm_exec_info *x)
{
	uint64_t random[RANDOM_BYTES / 8] = { 0 }, zero = 0, execfn, platform, random_at, *v;
	size_t words = 1 + a->argc + 1 + a->envp->count + 1, n = 0;

	push(m, &zero, sizeof(zero));
	execfn = push_string(m, a->execfn);
	v = (uint64_t *)(void *)m->buf; /* the vectors' room: filled from below while the strings come from above */
	v[n++] = a->argc;
	x->env_end = image_addr(m);
	for (size_t i = a->envp->count; i--;)
		v[2 + a->argc + i] = push_string(m, a->envp->v[i]);
	x->env_start = x->arg_end = image_addr(m);
	for (size_t i = a->argc; i--;)
		v[1 + i] = push_string(m, a->argv[i]);
	x->arg_start = image_addr(m);
	v[1 + a->argc] = 0;
	v[words - 1] = 0;
	platform = push_string(m, PLATFORM_NAME);
	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		memset(random, 0, sizeof(random));
	random_at = push(m, random, sizeof(random));
	x->auxv_count = auxv_fill(x->auxv, a, execfn, random_at, platform);
	memcpy(v + words, x->auxv, x->auxv_count * sizeof(*x->auxv));
}

static int map_stack(struct mm *mm, const struct stack_args *a, uint64_t top, uint64_t used)
{
	uint64_t len = page_down(used + STACK_FIRST + PAGE_SIZE - 1), at;
	int prot = PROT_READ | PROT_WRITE | (a->elf->exec_stack ? PROT_EXEC : 0);
	struct mmap_args m = { .addr = top - len, .len = len, .prot = prot, .max_prot = PROT_READ | PROT_WRITE | PROT_EXEC,
			       .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, .name = "[stack]", .grows_down = true };
	int r = mm_mmap(mm, &m, &at);

	return r == -EEXIST ? -ENOMEM : r;
}

int stack_build(struct mm *mm, const struct stack_args *a, uint64_t *sp)
{
	struct mm_exec_info *x = mm_exec_info(mm);
	uint64_t strings = strlen(a->execfn) + 1 + a->envp->bytes, pointers = (a->argc + a->envp->count) * sizeof(uint64_t);
	uint64_t vectors = pointers + (3 + 2 * AUXV_MAX) * sizeof(uint64_t);
	struct image m;
	int r;

	for (size_t i = 0; i < a->argc; i++)
		strings += strlen(a->argv[i]) + 1;
	r = check_size(a, strings, pointers);
	if (r)
		return r;
	m.size = vectors + strings + RANDOM_BYTES + sizeof(PLATFORM_NAME) + sizeof(uint64_t);
	m.size = (m.size + 15) & ~15ULL;
	m.at = m.size;
	m.top = platform_max_addr() - PAGE_SIZE - elf_random(mm, STACK_SPREAD);
	m.buf = calloc(1, m.size);
	if (!m.buf)
		return -ENOMEM;
	push_vectors(&m, a, x);
	*sp = x->start_stack = m.top - m.size;
	r = map_stack(mm, a, m.top, m.size);
	if (!r)
		r = guest_write(mm, *sp, m.buf, m.size);
	free(m.buf);
	return r == -EFAULT ? -ENOMEM : r;
}
