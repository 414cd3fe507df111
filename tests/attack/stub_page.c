/* SPDX-License-Identifier: Apache-2.0 */
/* The pages above a guest's address space hold code that makes calls for the sentry. A guest may run it, with registers
 * that it chose and a batch of calls of its own: each is a call of the guest's, never the host's. And no call may
 * change or write there. */
#include "attack.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define TOP 0x7ffffffff000ul
#define PAGE 4096ul

struct injected {
	long nr, args[6], unused;
};

static const char made[] = "made-on-the-host";
static struct injected batch[8];

static void run_at(long address)
{
	const long end = (long)(batch + sizeof(batch) / sizeof(*batch));
	const struct itimerval short_limit = {.it_value = {.tv_usec = 200000}};

	setitimer(ITIMER_REAL, &short_limit, NULL);
	asm volatile("mov %0, %%r15; mov %1, %%r14; jmp *%2"
		     :
		     : "r"(batch), "r"(end), "r"(address), "a"(SYS_mkdir), "D"(made), "S"(0777)
		     : "r14", "r15", "memory");
}

static void store_at(long address)
{
	*(volatile char *)address = 1;
}

static void expect_untouchable(unsigned long page)
{
	void *p = (void *)page, *own;
	int status;

	if (!mprotect(p, PAGE, PROT_READ | PROT_WRITE) || !munmap(p, PAGE) || !madvise(p, PAGE, MADV_DONTNEED))
		hole("a call on the stub's pages", (long)page);
	if (mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
		hole("mmap over the stub's pages", (long)page);
	if (mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED)
		hole("mremap of the stub's pages", (long)page);
	own = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mremap(own, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) != MAP_FAILED)
		hole("mremap over the stub's pages", (long)page);
	if (syscall(SYS_getrandom, p, 16, 0) >= 0 || syscall(SYS_uname, p) >= 0)
		hole("a result written to the stub's pages", (long)page);
	status = attempt(store_at, (long)page);
	if (!WIFSIGNALED(status))
		hole("a store to the stub's pages", (long)page);
}

int main(void)
{
	/* From a page that guests may have to the end: what lies in between is the stub's. The kernel's own data pages
	 * count too. */
	unsigned long lowest = TOP - 13 * PAGE;

	for (size_t i = 0; i < sizeof(batch) / sizeof(*batch); i++)
		batch[i] = (struct injected){.nr = SYS_mkdir, .args = {(long)made, 0777}};
	for (unsigned long page = lowest; page < TOP + PAGE; page += PAGE)
		expect_untouchable(page);
	if (mprotect((void *)(lowest - PAGE), 2 * PAGE, PROT_READ) == 0)
		hole("a range that begins below the stub's pages", 0);
	for (long offset = 0; offset < 224; offset++)
		attempt(run_at, (long)(TOP - PAGE) + offset);
	return verdict();
}
