/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of mm share: an mm on the fake platform, a guest's processor, a file to map. */
#ifndef TESTS_UNIT_MM_HARNESS_H
#define TESTS_UNIT_MM_HARNESS_H

#include "fake_platform.h"
#include "mm/mm_internal.h"
#include "tests/support/asserts.h"

#include <errno.h>
#include <string.h>

#define BASE 0x10000000ULL /* where fixed mappings of the tests lie; a multiple of 2 MiB */
#define P PAGE_SIZE
#define RW (PROT_READ | PROT_WRITE)

extern struct memfile *test_mf;
extern struct mm *test_mm;

void harness_setup(void);
void harness_teardown(void);

/* mmap with the given flags; MAP_FIXED if addr is not 0. Returns the address or negative errno. */
int64_t map_at(struct mm *mm, uint64_t addr, uint64_t len, int prot, int flags);
uint64_t map_anon(struct mm *mm, uint64_t addr, uint64_t len);

/* The guest's processor: faults until the access works. Returns 0 or the signal; its code in touch_code. */
int touch(struct mm *mm, uint64_t addr, int access);
extern int touch_code, touch_faults;
/* A guest's load and store of a byte; asserts that they work. */
unsigned char load(struct mm *mm, uint64_t addr);
void store(struct mm *mm, uint64_t addr, unsigned char value);

/* Both sets are right, and the stub maps nothing that they do not say. */
void check_mm(struct mm *mm);
/* "start-end rwxp, ..." in pages relative to BASE. */
const char *vmas_text(struct mm *mm);
const struct pma *pma_at(struct mm *mm, uint64_t addr);

/* A file of the host with `size` bytes; byte i of page n is n + 1. */
struct test_file {
	struct mappable mappable;
	struct mappings mappings;
	struct mm_file file;
	uint64_t size;
	int refs, page_refs; /* on the mappable; pages referred to by pmas and pins */
	int translations;
	int syncs;
	char *internal;
	int prot; /* what translations allow */
};
struct test_file *test_file_new(uint64_t size);
void test_file_free(struct test_file *f);
void test_file_truncate(struct test_file *f, uint64_t size, enum invalidate_private which);
int64_t map_file(struct mm *mm, struct test_file *f, uint64_t addr, uint64_t len, int prot, int flags, uint64_t off);

#endif
