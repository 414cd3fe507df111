/* SPDX-License-Identifier: Apache-2.0 */
/* Every way into a kernel that is not a 64-bit `syscall` with a number of the table: none may do what it asks for, and
 * none may end anything but the process that tries. A way in that works makes a directory in the working directory,
 * which the runner sees. */
#include "attack.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static const char made[] = "made-on-the-host";

static long call(uint64_t nr, uint64_t a, uint64_t b)
{
	long r;

	asm volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return r;
}

static void *low_code(const void *code, size_t size)
{
	void *p = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	memcpy(p, code, size);
	memcpy((char *)p + 256, made, sizeof(made));
	return p;
}

/* mov $39, %eax; mov $0x10000100, %ebx; mov $0777, %ecx; int $0x80: mkdir of the 32-bit table, which ends a process
 * here. */
static const unsigned char int80_code[] = {0xb8, 39,   0, 0, 0, 0xbb, 0,    1,    0,   0x10,
					   0xb9, 0xff, 1, 0, 0, 0xcd, 0x80, 0x0f, 0x0b};

static void int80(long arg)
{
	(void)arg;
	((void (*)(void))low_code(int80_code, sizeof(int80_code)))();
}

static void int80_in_32_bit_code(long arg)
{
	const struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) far = {0x10000000, 0x23};

	(void)arg;
	low_code(int80_code, sizeof(int80_code));
	asm volatile("ljmp *%0" : : "m"(far));
}

static void sysenter(long arg)
{
	(void)arg;
	asm volatile("sysenter" : : "a"(39), "b"(made), "c"(0777));
}

static void x32(long arg)
{
	call(0x40000000 | (uint64_t)arg, (uint64_t)made, 0777);
}

/* Numbers that no table has. */
static void odd_numbers(long arg)
{
	(void)arg;
	for (uint64_t i = 1; i < 512; i++) {
		if (call(-i, (uint64_t)made, 0777) != -ENOSYS || call((uint32_t)-i, (uint64_t)made, 0777) != -ENOSYS)
			_exit(1);
		if (call(1000 + i * 4096, (uint64_t)made, 0777) != -ENOSYS)
			_exit(1);
	}
}

static void vsyscalls(long arg)
{
	unsigned cpu = ~0u;
	long tv[2];

	(void)arg;
	if (((long (*)(void *, void *))0xffffffffff600000)(tv, NULL) || tv[0] < 1000)
		_exit(1);
	if (((long (*)(void *))0xffffffffff600400)(NULL) < 1000)
		_exit(1);
	if (((long (*)(void *, void *, void *))0xffffffffff600800)(&cpu, NULL, NULL) || cpu == ~0u)
		_exit(1);
}

static void vsyscall_without_stack(long sp)
{
	asm volatile("mov %0, %%rsp; mov $0xffffffffff600400, %%rax; jmp *%%rax" : : "r"(sp) : "rax", "memory");
}

static void jump(long to)
{
	asm volatile("jmp *%0" : : "r"(to), "a"(SYS_mkdir), "D"(made), "S"(0777));
}

static void stack_pointer(long sp)
{
	asm volatile("mov %0, %%rsp; mov %1, %%eax; syscall; mov $60, %%eax; xor %%edi, %%edi; syscall"
		     :
		     : "r"(sp), "i"(SYS_getpid)
		     : "rax", "rdi", "rcx", "r11", "memory");
}

static void flag(long bit)
{
	asm volatile("pushf; or %0, (%%rsp); popf; mov %1, %%eax; syscall; nop; nop; pushf; pop %%rcx"
		     :
		     : "r"(bit), "i"(SYS_fork)
		     : "rax", "rcx", "r11", "memory");
	_exit(0);
}

static void privileged(long which)
{
	switch (which) {
	case 0:
		asm volatile("hlt");
		break;
	case 1:
		asm volatile("cli");
		break;
	case 2:
		asm volatile("inb $0x60, %%al" : : : "rax");
		break;
	case 3:
		asm volatile("rdmsr" : : "c"(0x10) : "rax", "rdx");
		break;
	case 4:
		asm volatile("mov %%cr0, %%rax" : : : "rax");
		break;
	case 5:
		asm volatile("push $0x2b; push $0; push $0x202; push $0x10; push $0; iretq");
		break;
	}
	_exit(0);
}

static void expect_signal(const char *what, int status)
{
	if (!WIFSIGNALED(status) || WTERMSIG(status) == SIGALRM)
		hole(what, status);
}

int main(void)
{
	static const long kernel[] = {(long)0x8000000000000000, (long)0xffffffff81000000, 0x7ffffffff000, -8,
				      (long)0xffffffffff600401};
	int status;

	expect_signal("int 0x80", attempt(int80, 0));
	expect_signal("int 0x80 in 32-bit code", attempt(int80_in_32_bit_code, 0));
	expect_signal("sysenter", attempt(sysenter, 0));
	expect_signal("x32 mkdir", attempt(x32, SYS_mkdir));
	expect_signal("x32 execve", attempt(x32, 520));
	if ((status = attempt(odd_numbers, 0)))
		hole("a number of no call", status);
	status = attempt(vsyscalls, 0); /* a host may have none: SIGSEGV then */
	if (status && status != SIGSEGV)
		hole("vsyscall", status);
	for (size_t i = 0; i < sizeof(kernel) / sizeof(*kernel); i++) {
		expect_signal("a jump out of user memory", attempt(jump, kernel[i]));
		expect_signal("vsyscall without a stack", attempt(vsyscall_without_stack, kernel[i]));
		status = attempt(stack_pointer, kernel[i]); /* the processor may refuse to return to such a stack */
		if (status && status != SIGSEGV && status != SIGBUS)
			hole("a call with a strange stack pointer", status);
	}
	for (int bit = 0; bit < 22; bit++) {
		status = attempt(flag, 1l << bit);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
			hole("a call with a strange flag", bit);
	}
	for (int i = 0; i < 6; i++)
		expect_signal("a privileged instruction", attempt(privileged, i));
	return verdict();
}
