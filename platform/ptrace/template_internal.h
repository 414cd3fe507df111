/* SPDX-License-Identifier: Apache-2.0 */
/* Between the keeper and the template process while that is made. */
#ifndef PLATFORM_PTRACE_TEMPLATE_INTERNAL_H
#define PLATFORM_PTRACE_TEMPLATE_INTERNAL_H

#include "platform/ptrace/ptrace_internal.h"

enum template_step {
	TEMPLATE_BEGUN,
	TEMPLATE_RSEQ,
	TEMPLATE_PDEATHSIG,
	TEMPLATE_MAP,
	TEMPLATE_NO_NEW_PRIVS,
	TEMPLATE_FILTER,
	TEMPLATE_READY, /* asleep in the stub page */
};

/* In memory shared by both. */
struct template_boot {
	_Atomic uint32_t step; /* how it ended: READY or the step that failed */
	int error; /* errno of that step */
	pid_t sentry;
	struct vdso_plan vdso;
	struct sock_fprog filter;
	uint64_t kept_start, kept_end, vdso_ehdr; /* where vvar and vDSO lie now */
};

/* The life of the template process until it sleeps in the stub page. */
NORETURN void template_child(struct template_boot *b);

#endif
