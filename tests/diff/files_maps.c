// SPDX-License-Identifier: Apache-2.0
/*
 * Steps on mappings of files, which must agree with what is read, written and cut by descriptors; B inherits A's. An access that
 * faults is told by its signal. Pages of private mappings that can be written are
 * made copies before they are looked at: until when others show what becomes of the file is left open. What is mapped is an open file of its own, as natively a mapping keeps locks of open files alive, and a
 * store sets the file's time, which is otherwise that of the page's first fault. Nothing is stored behind the end through a
 * mapping that is not writable either (SIGSEGV comes first natively: the sandbox cannot tell a store from a load there), nor between a file's end and the end of its page: what becomes of that when the file
 * grows is not the same in all releases.
 */
#include "files.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static sigjmp_buf caught;

static void on_fault(int sig)
{
	siglongjmp(caught, sig);
}

void unmap(struct mapping *m)
{
	if (!m->start)
		return;
	munmap(m->start, m->size);
	close(m->file);
	m->start = NULL;
}

static struct mapping *choose_map(struct player *p, struct rng *r)
{
	unsigned i = rng_below(r, MAPS);

	text_add(&p->out, " {%u}", i);
	return &p->map[i];
}

/* Copies n bytes to or from a mapping. 0, or the signal that ended it. */
static int access_map(char *to, const char *from, size_t n)
{
	struct sigaction a = { .sa_handler = on_fault }, bus, segv;
	int sig;

	sigaction(SIGBUS, &a, &bus);
	sigaction(SIGSEGV, &a, &segv);
	sig = sigsetjmp(caught, 1);
	if (!sig)
		memmove(to, from, n);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

/* Stores the first byte of each page to itself. */
static void own_pages(struct mapping *m)
{
	if (!m->shared && m->writable)
		for (size_t at = 0; at < m->size; at += PAGE)
			access_map(m->start + at, m->start + at, 1);
}

static void play_mmap(struct player *p, struct rng *r)
{
	static const int prots[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_WRITE, PROT_NONE };
	int fd = choose_fd(p, r), prot = PICK(r, prots);
	struct mapping *m = choose_map(p, r), new = { .size = PAGE * (1 + rng_below(r, 4)), .offset = PAGE * (off_t)rng_below(r, 3) };
	char link[32];

	new.shared = !one_in(r, 3);
	new.writable = prot & PROT_WRITE;
	text_add(&p->out, " %d %zu @%ld %s", prot, new.size, (long)new.offset, new.shared ? "shared" : "private");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	fd = fd < 0 ? -1 : open(link, (fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH)) | O_NONBLOCK);
	new.start = mmap(NULL, new.size, prot, new.shared ? MAP_SHARED : MAP_PRIVATE, fd, new.offset);
	text_result(&p->out, new.start == MAP_FAILED ? -1 : 0);
	if (fd >= 0)
		close(fd);
	if (new.start == MAP_FAILED)
		return;
	new.file = open(link, O_PATH | O_CLOEXEC);
	if (new.file < 0)
		text_result(&p->out, -1);
	own_pages(&new);
	unmap(m);
	*m = new;
}

static void play_munmap(struct player *p, struct rng *r)
{
	unmap(choose_map(p, r));
}

static void play_mprotect(struct player *p, struct rng *r)
{
	struct mapping *m = choose_map(p, r);
	int prot = one_in(r, 2) ? PROT_READ : PROT_READ | PROT_WRITE;

	text_add(&p->out, " %d", prot);
	if (!m->start)
		return;
	int n = mprotect(m->start, m->size, prot);

	if (!n)
		m->writable = prot & PROT_WRITE;
	own_pages(m);
	text_result(&p->out, n);
}

static void play_msync(struct player *p, struct rng *r)
{
	struct mapping *m = choose_map(p, r);

	if (m->start)
		text_result(&p->out, msync(m->start, m->size, MS_SYNC));
}

static void play_load(struct player *p, struct rng *r)
{
	struct mapping *m = choose_map(p, r);
	char buf[64];
	size_t at = rng_below(r, 4 * PAGE);

	if (!m->start)
		return;
	own_pages(m);
	at %= m->size - sizeof(buf);
	text_add(&p->out, " +%zu", at);
	int sig = access_map(buf, m->start + at, sizeof(buf));

	text_add(&p->out, sig ? " = signal %d" : " = %2$016llx", sig, (unsigned long long)(sig ? 0 : fnv(FNV_START, buf, sizeof(buf))));
}

static void play_store(struct player *p, struct rng *r)
{
	struct mapping *m = choose_map(p, r);
	char buf[64];
	size_t at = rng_below(r, 4 * PAGE);
	struct stat st;

	memset(buf, (int)('0' + rng_below(r, 10)), sizeof(buf));
	if (!m->start || fstat(m->file, &st))
		return;
	/* Within one page, so that a fault leaves nothing half done. */
	at = at % m->size & ~(sizeof(buf) - 1);
	text_add(&p->out, " +%zu", at);
	off_t in_file = m->offset + (off_t)at;
	off_t pages = (st.st_size + PAGE - 1) & ~(off_t)(PAGE - 1);

	own_pages(m);
	if (in_file + (off_t)sizeof(buf) > st.st_size && (in_file < pages || !m->writable))
		return;
	int sig = access_map(m->start + at, buf, sizeof(buf));

	text_add(&p->out, " = %d", sig);
	if (m->shared && !sig) {
		struct timespec ts[2] = { { 300, 0 }, { 300, 0 } };
		char link[32];

		snprintf(link, sizeof(link), "/proc/self/fd/%d", m->file);
		text_result(&p->out, utimensat(AT_FDCWD, link, ts, 0));
	}
}

const struct op map_ops[] = {
	{ "mmap", 8, play_mmap },   { "munmap", 2, play_munmap }, { "mprotect", 2, play_mprotect }, { "msync", 1, play_msync },
	{ "load", 10, play_load },  { "store", 10, play_store },  { NULL, 0, NULL },
};
