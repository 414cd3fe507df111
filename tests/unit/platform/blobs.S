/* SPDX-License-Identifier: Apache-2.0 */
/* Guest programs for the platform's tests: position independent, each in at most a page. */
	.section .rodata
	.macro blob name
	.balign 16
	.globl \name, \name\()_end
\name:
	.endm
	.macro blob_end name
\name\()_end:
	.endm

blob guest_getpid		/* getpid for ever; rbx counts */
1:	mov	$39, %eax
	syscall
	inc	%rbx
	jmp	1b
blob_end guest_getpid

blob guest_spin			/* no stop at all */
1:	inc	%rbx
	pause
	jmp	1b
blob_end guest_spin

blob guest_read			/* loads from rdi, then calls 1000 */
	mov	(%rdi), %rax
	mov	$1000, %eax
	syscall
	ud2
blob_end guest_read

blob guest_write		/* stores rsi to rdi, then calls 1000 */
	mov	%rsi, (%rdi)
	mov	$1000, %eax
	syscall
	ud2
blob_end guest_write

blob guest_jump			/* jumps to rdi */
	jmp	*%rdi
blob_end guest_jump

blob guest_int80
	mov	$20, %eax
	int	$0x80
	ud2
blob_end guest_int80

blob guest_x32
	mov	$0x40000027, %eax
	syscall
	ud2
blob_end guest_x32

blob guest_vsyscall		/* time(0) through the vsyscall page, then call 1000 with its result */
	xor	%edi, %edi
	mov	$0xffffffffff600400, %rax
	call	*%rax
	mov	%rax, %rdi
	mov	$1000, %eax
	syscall
	ud2
blob_end guest_vsyscall

blob guest_traps		/* int3, ud2, a division by zero, a non-canonical load */
	int3
	ud2
	nop
	xor	%edx, %edx
	xor	%ecx, %ecx
	mov	$1, %eax
	div	%ecx
	nop
	mov	$0x8000000000000000, %rax
	mov	(%rax), %rax
blob_end guest_traps

blob guest_xmm			/* calls 1000 with xmm7's low half, then mxcsr through the stack */
	movq	%xmm7, %rdi
	mov	$1000, %eax
	syscall
	jmp	guest_xmm
blob_end guest_xmm

blob guest_poke_loop		/* reads rdi for ever */
1:	mov	(%rdi), %rax
	inc	%rbx
	jmp	1b
blob_end guest_poke_loop

blob guest_beat			/* counts in the word at rdi for ever */
1:	lock incq (%rdi)
	pause
	jmp	1b
blob_end guest_beat

blob guest_registers		/* a call that changes nothing but what the processor's own syscall does */
1:	syscall
	jmp	1b
blob_end guest_registers

	.section .note.GNU-stack, "", @progbits
