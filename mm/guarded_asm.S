/* SPDX-License-Identifier: Apache-2.0 */
/* The instructions that may fault on guest memory, and where to go on if they do: see guarded.c. */

	.text

/* size_t guarded_copy_asm(void *dst, const void *src, size_t n): how many bytes were not copied.
 * Words until fewer than 8 bytes are left, then bytes. A fault among the words goes on with bytes, so that the count is
 * exact. Long copies are the processor's string instruction, which leaves its progress in rcx. */
	.globl	guarded_copy_asm
	.type	guarded_copy_asm, @function
guarded_copy_asm:
	.cfi_startproc
	endbr64
	movq	%rdx, %rcx
	cmpq	$256, %rdx
	jae	guarded_copy_bytes
	subq	$8, %rcx
	jb	2f
	.globl	guarded_copy_words
guarded_copy_words:
1:	movq	(%rsi), %rax
	movq	%rax, (%rdi)
	addq	$8, %rsi
	addq	$8, %rdi
	subq	$8, %rcx
	jae	1b
	.globl	guarded_copy_words_end
guarded_copy_words_end:
2:	addq	$8, %rcx
	jz	guarded_copy_out
	.globl	guarded_copy_tail
guarded_copy_tail:
3:	movzbl	(%rsi), %eax
	movb	%al, (%rdi)
	incq	%rsi
	incq	%rdi
	decq	%rcx
	jnz	3b
	.globl	guarded_copy_tail_end
guarded_copy_tail_end:
	jmp	guarded_copy_out
	/* A fault in the loop of words: rcx is 8 less than what is left. */
	.globl	guarded_copy_retry
guarded_copy_retry:
	addq	$8, %rcx
	.globl	guarded_copy_bytes
guarded_copy_bytes:
	rep movsb
	.globl	guarded_copy_bytes_end
guarded_copy_bytes_end:
	.globl	guarded_copy_out
guarded_copy_out:
	movq	%rcx, %rax
	ret
	.cfi_endproc
	.size	guarded_copy_asm, . - guarded_copy_asm

/* size_t guarded_zero_asm(void *dst, size_t n): how many bytes were not cleared. */
	.globl	guarded_zero_asm
	.type	guarded_zero_asm, @function
guarded_zero_asm:
	.cfi_startproc
	endbr64
	movq	%rsi, %rcx
	xorl	%eax, %eax
	.globl	guarded_zero_bytes
guarded_zero_bytes:
	rep stosb
	.globl	guarded_zero_out
guarded_zero_out:
	movq	%rcx, %rax
	ret
	.cfi_endproc
	.size	guarded_zero_asm, . - guarded_zero_asm

/* int guarded_load32_asm(const void *p, uint32_t *value): 0, or 1 after a fault. */
	.globl	guarded_load32_asm
	.type	guarded_load32_asm, @function
guarded_load32_asm:
	.cfi_startproc
	endbr64
	mfence
	.globl	guarded_load32_access
guarded_load32_access:
	movl	(%rdi), %eax
	.globl	guarded_load32_done
guarded_load32_done:
	movl	%eax, (%rsi)
	xorl	%eax, %eax
	ret
	.globl	guarded_word_failed
guarded_word_failed:
	movl	$1, %eax
	ret
	.cfi_endproc
	.size	guarded_load32_asm, . - guarded_load32_asm

/* int guarded_cmpxchg32_asm(void *p, uint32_t expected, uint32_t desired, uint32_t *old): 0, or 1 after a fault. */
	.globl	guarded_cmpxchg32_asm
	.type	guarded_cmpxchg32_asm, @function
guarded_cmpxchg32_asm:
	.cfi_startproc
	endbr64
	movl	%esi, %eax
	.globl	guarded_cmpxchg32_access
guarded_cmpxchg32_access:
	lock cmpxchgl %edx, (%rdi)
	.globl	guarded_cmpxchg32_done
guarded_cmpxchg32_done:
	movl	%eax, (%rcx)
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	guarded_cmpxchg32_asm, . - guarded_cmpxchg32_asm

	.section .note.GNU-stack, "", @progbits
	/* Says that this object keeps the rules of indirect branch tracking and shadow stacks, which the linker wants of all. */
	.section .note.gnu.property, "a", @note
	.align	8
	.long	4, 16, 5
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0
