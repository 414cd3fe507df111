/* SPDX-License-Identifier: Apache-2.0 */
/* The template stub: the one process that all stubs are clones of.
 *
 * It begins as a fork of the sentry, made by the keeper thread (keeper.c), and rids itself of everything it inherited:
 *
 *   1 session, directory, signal dispositions and mask, alternate stack, robust list, child tid, rseq area (one that is no
 *     longer mapped would kill the stub on its first return to user mode), core files
 *   2 the vDSO moved below the batch pages, the stub page mapped at the top
 *   3 no_new_privs and the filter; from here on only the stub page can make calls
 *   4 it jumps into the stub page and sleeps there; the keeper seizes it and injects munmap for all that remains
 *
 * The descriptor table is the keeper's, shared by clone. Steps use raw system calls only: the process is a copy of one
 * thread of several. A step that fails is reported in memory shared with the keeper.
 */
#include "platform/ptrace/template_internal.h"

#include <errno.h>
#include <linux/prctl.h>
#include <linux/rseq.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

NORETURN static void template_fail(struct template_boot *b, enum template_step step)
{
	b->error = errno ? errno : EIO;
	atomic_store(&b->step, step);
	for (;;)
		syscall(SYS_exit_group, 127);
}

static void template_shed_signals(void)
{
	/* The kernel's own structure: handler, flags, restorer, mask. */
	const uint64_t action[4] = { 0 }, mask = 0;
	const stack_t none = { .ss_flags = SS_DISABLE };

	for (int sig = 1; sig <= 64; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			syscall(SYS_rt_sigaction, sig, action, NULL, sizeof(mask));
	syscall(SYS_sigaltstack, &none, NULL);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}

/* The registered length is not what every libc version says it is. */
static int template_shed_rseq(void)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	const unsigned lengths[] = { __rseq_size, 32, 64, 96, 128 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		if (!lengths[i])
			continue;
		if (!syscall(SYS_rseq, area, lengths[i], RSEQ_FLAG_UNREGISTER, RSEQ_SIG) || errno == ENOSYS)
			return 0;
	}
	/* Not registered is as good: then a registration succeeds, and can be undone. */
	if (!syscall(SYS_rseq, area, 32, 0, RSEQ_SIG))
		return (int)syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
	return -1;
}

static void template_shed(struct template_boot *b)
{
	const struct rlimit no_core = { 0, 0 };

	syscall(SYS_setsid);
	syscall(SYS_chdir, "/");
	syscall(SYS_setrlimit, RLIMIT_CORE, &no_core);
	syscall(SYS_set_robust_list, NULL, 24);
	syscall(SYS_set_tid_address, NULL);
	syscall(SYS_prctl, PR_SET_NAME, "sbx-stub", 0, 0, 0);
	template_shed_signals();
	errno = 0;
	if (template_shed_rseq())
		template_fail(b, TEMPLATE_RSEQ);
	if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		template_fail(b, TEMPLATE_PDEATHSIG);
	if (syscall(SYS_getppid) != b->sentry)
		syscall(SYS_exit_group, 127);
}

/* Moves all parts by `by`; a part that is refused leaves those before it moved. Returns how many were moved. */
static int vdso_move(const struct vdso_plan *p, uint64_t from_base, uint64_t to_base)
{
	for (int i = 0; i < p->count; i++) {
		const struct vdso_part *v = &p->parts[i];
		uint64_t off = v->start - p->start;

		if (syscall(SYS_mremap, from_base + off, v->len, v->len, MREMAP_MAYMOVE | MREMAP_FIXED, to_base + off) < 0)
			return i;
	}
	return p->count;
}

/* The host may refuse to move the first part (sealed system mappings): then all stay where they are. */
static void template_place_vdso(struct template_boot *b)
{
	const struct vdso_plan *p = &b->vdso;
	uint64_t from = p->start, to;
	int n;

	b->kept_start = p->start;
	b->kept_end = p->end;
	b->vdso_ehdr = p->ehdr;
	if (!p->count)
		return;
	to = p->parts[0].to;
	if (p->detour && vdso_move(p, from, p->detour) == p->count)
		from = p->detour;
	n = vdso_move(p, from, to);
	if (n == p->count) {
		b->kept_start = to;
		b->kept_end = to + (p->end - p->start);
		b->vdso_ehdr = to + (p->ehdr - p->start);
	} else if (n || from != p->start) {
		/* Torn apart: guests do without. What remains is unmapped with the rest. */
		b->kept_start = b->kept_end = b->vdso_ehdr = 0;
	}
}

static void template_place_code(struct template_boot *b)
{
	void *code = (void *)(uintptr_t)STUB_CODE;

	errno = 0;
	if (syscall(SYS_mmap, code, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	    (long)STUB_CODE)
		template_fail(b, TEMPLATE_MAP);
	memcpy(code, stub_page, (size_t)(stub_page_end - stub_page));
	if (syscall(SYS_mprotect, code, PAGE_SIZE, PROT_READ | PROT_EXEC))
		template_fail(b, TEMPLATE_MAP);
}

static void template_confine(struct template_boot *b)
{
	errno = 0;
	if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		template_fail(b, TEMPLATE_NO_NEW_PRIVS);
	/* Without SPEC_ALLOW, older hosts slow all of the guest's own code down. The guest shares no address space with
	 * anything it must not read. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &b->filter))
		template_fail(b, TEMPLATE_FILTER);
}

void template_child(struct template_boot *b)
{
	void (*child)(void) = (void (*)(void))(uintptr_t)stub_address(stub_child);

	template_shed(b);
	template_place_vdso(b);
	template_place_code(b);
	template_confine(b);
	atomic_store(&b->step, TEMPLATE_READY);
	child();
	__builtin_unreachable();
}
