/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the loader share. See loader.h and the head of each file. */
#ifndef LOADER_LOADER_INTERNAL_H
#define LOADER_LOADER_INTERNAL_H

#include "loader/loader.h"
#include "mm/mm.h"

#include <elf.h>

/* --- script.c --- */

/* What execve(2) reads of a file to see what it is. */
enum { HEAD_SIZE = 256 };

struct script {
	char line[HEAD_SIZE]; /* interpreter and argument, each ended by a NUL */
	const char *interp;
	const char *arg; /* NULL: none */
};

bool script_is(const char *head, size_t len);
/* -ENOEXEC if the first line names no interpreter, or is cut off before its name ends. */
int script_parse(const char *head, size_t len, struct script *out) MUST_CHECK;

/* --- elf.c --- */

struct elf {
	struct file *file; /* borrowed */
	Elf64_Ehdr eh;
	Elf64_Phdr *ph; /* eh.e_phnum of them, each PT_LOAD within bounds */
	uint64_t low, high; /* page-aligned bounds of all segments, before the bias */
	uint64_t align; /* of the image: a power of two, at least a page */
	bool exec_stack;
	char *interp; /* PT_INTERP, or NULL */
};

struct elf_image {
	uint64_t bias, entry, phdr; /* addresses; phdr is 0 if no segment holds the headers */
	uint64_t base; /* the lowest address */
	uint64_t start_code, end_code, start_data, end_data, end;
};

/* Reads and judges the headers of f. -ENOEXEC, -ENOMEM, -EIO. Released by elf_fini(). */
int elf_read(struct file *f, struct elf *out) MUST_CHECK;
void elf_fini(struct elf *e);
/* How an image finds its place. */
enum elf_place { ELF_PLACE_FREE /* where mmap would */, ELF_PLACE_PROGRAM /* where Linux puts a PIE that has an interpreter */ };
/* Maps e into an mm that nothing runs in. */
int elf_map(struct mm *mm, const struct elf *e, enum elf_place place, struct elf_image *out) MUST_CHECK;
/* A random, page-aligned distance below `span` (a power of two); 0 if the host has no randomness to give, or mm's layout is fixed. */
uint64_t elf_random(const struct mm *mm, uint64_t span);
/* Where Linux would put a PIE without randomisation: two thirds up. */
uint64_t elf_program_base(void);

/* --- stack.c --- */

struct stack_args {
	const char *const *argv;
	size_t argc;
	const struct strings *envp;
	const char *execfn;
	const struct cred *cred;
	const struct elf *elf;
	const struct elf_image *program;
	uint64_t interp_base; /* 0: none */
	uint64_t limit; /* RLIMIT_STACK */
};

/* Makes the stack with arguments, environment and auxiliary vector; records them in mm_exec_info(). *sp: rsp at the entry. */
int stack_build(struct mm *mm, const struct stack_args *a, uint64_t *sp) MUST_CHECK;

#endif
