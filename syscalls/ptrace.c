/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2): decoding. What the requests mean is in kernel/ptrace*.c. An unknown request is EIO, as under Linux. */
#include "kernel/ptrace.h"

#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reg.h>
#include <sys/uio.h>

/* In <sys/ptrace.h> or <asm/ptrace-abi.h>, which do not go together with <linux/ptrace.h>. */
enum {
	REQ_GETREGS = 12,
	REQ_SETREGS = 13,
	REQ_GETFPREGS = 14,
	REQ_SETFPREGS = 15,
	REQ_OLDSETOPTIONS = 21,
	REQ_ARCH_PRCTL = 30,
	REQ_SYSEMU = 31,
	REQ_SYSEMU_SINGLESTEP = 32,
	REQ_SINGLEBLOCK = 33,
};

enum { WORD = 8 };

struct request {
	struct task *t;
	pid_t tid;
	uint64_t addr, data;
};

/* --- memory --- */

static int64_t peek(const struct request *q)
{
	uint64_t word;
	struct mm *mm;
	int r = trace_mm(q->t, q->tid, &mm);

	if (r < 0)
		return r;
	r = guest_peek(mm, &word, q->addr, sizeof(word)) == sizeof(word) ? 0 : -EIO;
	mm_put(mm);
	return r ? r : guest_write(q->t->mm, q->data, &word, sizeof(word));
}

static int64_t poke(const struct request *q)
{
	struct mm *mm;
	int r = trace_mm(q->t, q->tid, &mm);

	if (r < 0)
		return r;
	r = guest_poke(mm, q->addr, &q->data, sizeof(q->data)) == sizeof(q->data) ? 0 : -EIO;
	mm_put(mm);
	return r;
}

/* --- registers --- */

static int64_t peek_user(const struct request *q)
{
	uint64_t word;
	int r = trace_peek_user(q->t, q->tid, q->addr, &word);

	return r ? r : guest_write(q->t->mm, q->data, &word, sizeof(word));
}

static int64_t get_regs(const struct request *q, uint64_t addr, size_t size)
{
	struct user_regs_struct regs;
	int r = trace_get_regs(q->t, q->tid, &regs);

	return r ? r : guest_write(q->t->mm, addr, &regs, size);
}

static int64_t set_regs(const struct request *q, uint64_t addr, size_t size)
{
	struct user_regs_struct regs;
	int r = guest_read(q->t->mm, &regs, addr, size);

	return r ? r : trace_set_regs(q->t, q->tid, &regs, size);
}

static int64_t get_xstate(const struct request *q, uint64_t addr, size_t size)
{
	unsigned char *buf = malloc(platform_xstate_size());
	int r = -ENOMEM;

	if (buf)
		r = trace_get_xstate(q->t, q->tid, buf, size);
	if (!r)
		r = guest_write(q->t->mm, addr, buf, size);
	free(buf);
	return r;
}

static int64_t set_xstate(const struct request *q, uint64_t addr, size_t size)
{
	unsigned char *buf = malloc(platform_xstate_size());
	int r = -ENOMEM;

	if (buf)
		r = guest_read(q->t->mm, buf, addr, size);
	if (!r)
		r = trace_set_xstate(q->t, q->tid, buf, size);
	free(buf);
	return r;
}

/* One regset: its whole size, and the moves; a set that must be whole says which error a part is. */
static int64_t move_regset(const struct request *q, bool set, struct iovec *iov)
{
	uint64_t addr = (uint64_t)(uintptr_t)iov->iov_base;
	size_t whole = (uint32_t)q->addr == NT_X86_XSTATE ? platform_xstate_size() : PLATFORM_FXSAVE_SIZE;

	switch ((uint32_t)q->addr) {
	case NT_PRSTATUS:
		iov->iov_len = MIN(iov->iov_len, sizeof(struct user_regs_struct));
		return set ? set_regs(q, addr, iov->iov_len) : get_regs(q, addr, iov->iov_len);
	case NT_PRFPREG:
	case NT_X86_XSTATE:
		iov->iov_len = MIN(iov->iov_len, whole);
		if (!set)
			return get_xstate(q, addr, iov->iov_len);
		if (iov->iov_len != whole)
			return whole == PLATFORM_FXSAVE_SIZE ? -EINVAL : -EFAULT;
		return set_xstate(q, addr, whole);
	default:
		return -EINVAL;
	}
}

static int64_t regset(const struct request *q, bool set)
{
	struct user_regs_struct unused;
	struct iovec iov;
	int64_t r = trace_get_regs(q->t, q->tid, &unused);

	/* Who may not ask at all hears that first. */
	if (!r)
		r = guest_read(q->t->mm, &iov, q->data, sizeof(iov));
	if (r)
		return r;
	if (iov.iov_len % WORD)
		return -EINVAL;
	r = move_regset(q, set, &iov);
	/* The length is the second word of the structure. */
	return r ? r : guest_write(q->t->mm, q->data + WORD, &iov.iov_len, sizeof(iov.iov_len));
}

/* arch_prctl(2) for somebody else: addr is the value or where it goes, data the code. */
static int64_t arch_prctl(const struct request *q)
{
	uint64_t value;
	int r;

	switch (q->data) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		r = trace_poke_user(q->t, q->tid, (q->data == ARCH_SET_FS ? FS_BASE : GS_BASE) * WORD, q->addr);
		return r == -EIO ? -EPERM : r;
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		r = trace_peek_user(q->t, q->tid, (q->data == ARCH_GET_FS ? FS_BASE : GS_BASE) * WORD, &value);
		return r ? r : guest_write(q->t->mm, q->addr, &value, sizeof(value));
	default:
		return -EINVAL;
	}
}

/* --- signals --- */

static int64_t get_siginfo(const struct request *q)
{
	siginfo_t info;
	int r = trace_get_siginfo(q->t, q->tid, &info);

	return r ? r : guest_write(q->t->mm, q->data, &info, sizeof(info));
}

static int64_t set_siginfo(const struct request *q)
{
	siginfo_t info;
	int r = guest_read(q->t->mm, &info, q->data, sizeof(info));

	return r ? r : trace_set_siginfo(q->t, q->tid, &info);
}

static int64_t get_mask(const struct request *q)
{
	sigset_guest mask;
	int r = q->addr == sizeof(mask) ? trace_get_mask(q->t, q->tid, &mask) : -EINVAL;

	return r ? r : guest_write(q->t->mm, q->data, &mask, sizeof(mask));
}

static int64_t set_mask(const struct request *q)
{
	sigset_guest mask;
	int r = q->addr == sizeof(mask) ? guest_read(q->t->mm, &mask, q->data, sizeof(mask)) : -EINVAL;

	return r ? r : trace_set_mask(q->t, q->tid, mask);
}

static int64_t peek_siginfo(const struct request *q)
{
	struct ptrace_peeksiginfo_args args;
	siginfo_t info;
	int64_t done = 0;
	int r = guest_read(q->t->mm, &args, q->addr, sizeof(args));

	if (r)
		return r;
	if ((args.flags & ~(uint32_t)PTRACE_PEEKSIGINFO_SHARED) || args.nr < 0)
		return -EINVAL;
	while (done < args.nr && args.off + (uint64_t)done >= args.off) {
		r = trace_peek_signal(q->t, q->tid, args.flags & PTRACE_PEEKSIGINFO_SHARED, args.off + (uint64_t)done, &info);
		if (r > 0)
			r = guest_write(q->t->mm, q->data + (uint64_t)done * sizeof(info), &info, sizeof(info)) ? -EFAULT : 1;
		if (r <= 0)
			break;
		done++;
	}
	return done ? done : r < 0 ? r : 0;
}

/* --- the rest --- */

static int check_options(const struct request *q, uint64_t options)
{
	if (options & ~(uint64_t)TRACE_OPTIONS)
		return -EINVAL;
	if ((options & PTRACE_O_SUSPEND_SECCOMP) && !cred_capable(q->t->cred, CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

static int64_t set_options(const struct request *q)
{
	int r = check_options(q, q->data);

	return r ? r : trace_set_options(q->t, q->tid, q->data);
}

static int64_t seize(const struct request *q)
{
	int r = q->addr ? -EIO : check_options(q, q->data);

	if (r == -EINVAL)
		r = -EIO;
	return r ? r : trace_attach(q->t, q->tid, true, (unsigned)q->data);
}

static int64_t event_message(const struct request *q)
{
	uint64_t message;
	int r = trace_message(q->t, q->tid, &message);

	return r ? r : guest_write(q->t->mm, q->data, &message, sizeof(message));
}

static int64_t syscall_info(const struct request *q)
{
	struct ptrace_syscall_info info;
	int r = trace_syscall_info(q->t, q->tid, &info);

	if (r > 0 && guest_write(q->t->mm, q->data, &info, MIN((uint64_t)r, q->addr)) < 0)
		r = -EFAULT;
	return r;
}

static int64_t resume(const struct request *q, enum trace_mode mode)
{
	return trace_resume(q->t, q->tid, mode, q->data);
}

static int64_t registers(const struct request *q, uint64_t what)
{
	switch (what) {
	case PTRACE_PEEKUSR:
		return peek_user(q);
	case PTRACE_POKEUSR:
		return trace_poke_user(q->t, q->tid, q->addr, q->data);
	case REQ_GETREGS:
		return get_regs(q, q->data, sizeof(struct user_regs_struct));
	case REQ_SETREGS:
		return set_regs(q, q->data, sizeof(struct user_regs_struct));
	case REQ_GETFPREGS:
		return get_xstate(q, q->data, PLATFORM_FXSAVE_SIZE);
	case REQ_SETFPREGS:
		return set_xstate(q, q->data, PLATFORM_FXSAVE_SIZE);
	case PTRACE_GETREGSET:
		return regset(q, false);
	case PTRACE_SETREGSET:
		return regset(q, true);
	case REQ_ARCH_PRCTL:
		return arch_prctl(q);
	default:
		return -EIO;
	}
}

/* Signals, and what has happened. */
static int64_t news(const struct request *q, uint64_t what)
{
	switch (what) {
	case PTRACE_GETSIGINFO:
		return get_siginfo(q);
	case PTRACE_SETSIGINFO:
		return set_siginfo(q);
	case PTRACE_PEEKSIGINFO:
		return peek_siginfo(q);
	case PTRACE_GETSIGMASK:
		return get_mask(q);
	case PTRACE_SETSIGMASK:
		return set_mask(q);
	case PTRACE_GETEVENTMSG:
		return event_message(q);
	case PTRACE_GET_SYSCALL_INFO:
		return syscall_info(q);
	case PTRACE_SETOPTIONS:
	case REQ_OLDSETOPTIONS:
		return set_options(q);
	default:
		return registers(q, what);
	}
}

int64_t sys_ptrace(struct task *t, const uint64_t a[6])
{
	struct request q = { .t = t, .tid = (pid_t)a[1], .addr = a[2], .data = a[3] };

	switch (a[0]) {
	case PTRACE_TRACEME:
		return trace_me(t);
	case PTRACE_ATTACH:
		return trace_attach(t, q.tid, false, 0);
	case PTRACE_SEIZE:
		return seize(&q);
	case PTRACE_INTERRUPT:
		return trace_interrupt(t, q.tid);
	case PTRACE_LISTEN:
		return trace_listen(t, q.tid);
	case PTRACE_DETACH:
		return trace_detach(t, q.tid, q.data);
	case PTRACE_KILL:
		return trace_kill(t, q.tid);
	case PTRACE_CONT:
		return resume(&q, TRACE_CONT);
	case PTRACE_SYSCALL:
		return resume(&q, TRACE_SYSCALL);
	case PTRACE_SINGLESTEP:
	case REQ_SINGLEBLOCK: /* a processor that cannot stop at branches alone, as in most virtual machines, makes single steps of it */
		return resume(&q, TRACE_STEP);
	case REQ_SYSEMU:
		return resume(&q, TRACE_SYSEMU);
	case REQ_SYSEMU_SINGLESTEP:
		return resume(&q, TRACE_SYSEMU_STEP);
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(&q);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return poke(&q);
	default:
		return news(&q, a[0]);
	}
}
