/* SPDX-License-Identifier: Apache-2.0 */
/* The only code of ours that runs in a stub. It is copied to STUB_CODE and uses neither stack nor memory but the
 * read-only batch page and this page. The filter allows system calls only from the `syscall` instructions below, so their
 * end labels are part of the contract (filter.c). A guest may read and jump into this page: under PTRACE_SYSEMU a `syscall` here
 * is the guest's call like any other, and an int3 is the guest's trap. */
#include <sys/syscall.h>

	.section .rodata
	.balign 64
	.globl stub_page, stub_page_end
	.globl stub_one, stub_one_syscall_end, stub_batch, stub_batch_syscall_end
	.globl stub_clone, stub_clone_syscall_end, stub_int3_end
	.globl stub_child, stub_prctl_end, stub_sleep_end, stub_exit_end
	.hidden stub_page, stub_page_end
	.hidden stub_one, stub_one_syscall_end, stub_batch, stub_batch_syscall_end
	.hidden stub_clone, stub_clone_syscall_end, stub_int3_end
	.hidden stub_child, stub_prctl_end, stub_sleep_end, stub_exit_end
stub_page:

/* rax, rdi, rsi, rdx, r10, r8, r9: the call. Stops with the result in rax. */
stub_one:
	syscall
stub_one_syscall_end:
	jmp	.Lstop

/* r15: first struct stub_call, r14: past the last. Stops with r15 == r14, or with r15 at the call that failed. */
stub_batch:
	mov	0(%r15), %rax
	mov	8(%r15), %rdi
	mov	16(%r15), %rsi
	mov	24(%r15), %rdx
	mov	32(%r15), %r10
	mov	40(%r15), %r8
	mov	48(%r15), %r9
	syscall
stub_batch_syscall_end:
	cmp	$-4095, %rax
	jae	.Lstop
	add	$64, %r15
	cmp	%r14, %r15
	jb	stub_batch
.Lstop:
	int3
stub_int3_end:
	hlt

/* As stub_one, for clone: the child goes to sleep until it is seized. */
stub_clone:
	syscall
stub_clone_syscall_end:
	test	%rax, %rax
	jnz	.Lstop

/* A child that nobody traces yet. It dies with the thread that made the template, and by itself if nobody seizes it. */
stub_child:
	endbr64
	mov	$SYS_prctl, %eax
	mov	$1, %edi			/* PR_SET_PDEATHSIG */
	mov	$9, %esi			/* SIGKILL */
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	syscall
stub_prctl_end:
	lea	.Ltimeout(%rip), %rdi
	xor	%esi, %esi
	mov	$SYS_nanosleep, %eax
	syscall
stub_sleep_end:
	mov	$SYS_exit_group, %eax
	mov	$127, %edi
	syscall
stub_exit_end:
	hlt

	.balign 8
.Ltimeout:
	.quad	30, 0				/* seconds: a busy host may take a few to seize it */
stub_page_end:

	.section .note.GNU-stack, "", @progbits
