/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a signal handler: Linux's struct rt_sigframe for x86-64 and what follows it. See sigreturn(2),
 * arch/x86/include/uapi/asm/sigcontext.h.
 *
 *   high   interrupted stack pointer, or the end of the alternate stack
 *          128 bytes of red zone (not on entry to the alternate stack)
 *   fp ->  extended state, aligned to 64: 512 bytes of FXSAVE, whose last 48 hold the software words that say how much follows,
 *          64 of XSAVE header, the components, and a closing magic word
 *   sp ->  return address (the restorer), ucontext, siginfo; sp + 8 is aligned to 16
 *   low
 *
 * Everything in a frame is the guest's to change before it returns through it. What comes back is used like this: general registers
 * go to the platform; segments that no 64-bit user thread has, and extended state that the processor's own instruction (XRSTOR, or FXRSTOR
 * without believable software words) would fault on, are a SIGSEGV as on Linux, and the host checks the rest; the mask loses SIGKILL and
 * SIGSTOP; the alternate stack passes the same checks as sigaltstack(2).
 *
 * Components of the extended state that need a permission of their own (AMX tiles) are not part of a frame: no guest has it.
 */
#include "kernel/signal_internal.h"
#include "mm/guest.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct frame_context {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct frame_ucontext {
	uint64_t flags, link;
	struct sigaltstack_guest stack;
	struct frame_context mc;
	sigset_guest sigmask;
};

struct frame {
	uint64_t restorer;
	struct frame_ucontext uc;
	siginfo_t info;
};

_Static_assert(sizeof(struct frame_context) == 256, "sigcontext");
_Static_assert(sizeof(struct frame_ucontext) == 304, "ucontext");
_Static_assert(sizeof(struct frame) == 440, "rt_sigframe");

enum {
	UC_FP_XSTATE = 1,
	UC_SIGCONTEXT_SS = 2,
	UC_STRICT_RESTORE_SS = 4,
	RED_ZONE = 128,
	XSAVE_HEADER = 64,
	XSAVE_MIN = PLATFORM_FXSAVE_SIZE + XSAVE_HEADER,
	SW_OFFSET = 464, /* the software words in the FXSAVE area */
	MAGIC2_SIZE = 4,
};

static const uint32_t magic1 = 0x46505853, magic2 = 0x46505845;
static const uint32_t autodisarm = 1u << 31;
/* The flags that a program may change: AC, OF, DF, TF, SF, ZF, AF, PF, CF, RF. */
static const uint64_t flags_restored = 0x40000 | 0x800 | 0x400 | 0x100 | 0x80 | 0x40 | 0x10 | 0x4 | 0x1 | 0x10000;
static const uint64_t flags_cleared = 0x400 | 0x100 | 0x10000; /* DF, TF, RF on entry to a handler */
static const uint64_t amx = 3ull << 17, legacy = 3;

struct sw_words {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};

/* What of the host's state goes into frames, and all that the processor has: immutable after the first use. */
static struct {
	uint64_t features, enabled;
	uint32_t size;
} layout;
static pthread_once_t layout_once = PTHREAD_ONCE_INIT;

static void find_layout(void)
{
	uint32_t a, b, c, d, low, high;

	layout.features = legacy;
	layout.size = PLATFORM_FXSAVE_SIZE;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || platform_xstate_size() < XSAVE_MIN)
		return;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	layout.enabled = ((uint64_t)high << 32) | low;
	layout.features = layout.enabled & ~amx;
	layout.size = XSAVE_MIN;
	for (uint32_t i = 2; i < 63; i++) {
		if (!(layout.features & (1ull << i)) || !__get_cpuid_count(0xd, i, &a, &b, &c, &d) || !a)
			continue;
		if (a + b <= platform_xstate_size())
			layout.size = MAX(layout.size, a + b);
		else
			layout.features &= ~(1ull << i);
	}
}

static bool have_xsave(void)
{
	pthread_once(&layout_once, find_layout);
	return layout.size > PLATFORM_FXSAVE_SIZE;
}

static uint32_t frame_xstate_size(void)
{
	return have_xsave() ? layout.size + MAGIC2_SIZE : PLATFORM_FXSAVE_SIZE;
}

uint64_t signal_frame_size(void)
{
	return (sizeof(struct frame) + 15 + 63 + frame_xstate_size() + 15) & ~15ull;
}

/* --- into the handler --- */

static bool on_stack(const struct sigaltstack_guest *ss, uint64_t sp)
{
	return sp > ss->sp && sp - ss->sp <= ss->size;
}

/* Where the frame and the extended state go. -EFAULT when they do not fit on the alternate stack. */
static int place(struct task *t, const struct sigaction_guest *act, uint64_t *frame, uint64_t *fp)
{
	const struct sigaltstack_guest *ss = &t->altstack;
	uint64_t sp = platform_sp(t->ctx);
	bool nested = ss->size && !(ss->flags & autodisarm) && on_stack(ss, sp);
	bool entering = (act->flags & SA_ONSTACK) && ss->size && !nested;

	sp = entering ? ss->sp + ss->size : sp - RED_ZONE;
	*fp = (sp - frame_xstate_size()) & ~63ull;
	*frame = ((*fp - sizeof(struct frame)) & ~15ull) - 8;
	if ((nested || entering) && !on_stack(ss, *frame))
		return -EFAULT;
	/* Below the stack lies nothing: a wrapped address would pass as one at the other end. */
	return *frame > sp ? -EFAULT : 0;
}

static int fill_xstate(struct task *t, unsigned char *buf)
{
	struct sw_words sw;
	uint64_t present;
	int r = platform_xstate_get(t->ctx, buf, platform_xstate_size());

	if (r < 0 || !have_xsave())
		return r < 0 ? r : 0;
	sw = (struct sw_words){
		.magic1 = magic1,
		.extended_size = layout.size + MAGIC2_SIZE,
		.xfeatures = layout.features,
		.xstate_size = layout.size,
	};
	memcpy(buf + SW_OFFSET, &sw, sizeof(sw));
	/* The legacy parts are always there: who reads a frame does not look whether they were in their initial state. */
	memcpy(&present, buf + PLATFORM_FXSAVE_SIZE, sizeof(present));
	present = (present & layout.features) | legacy;
	memcpy(buf + PLATFORM_FXSAVE_SIZE, &present, sizeof(present));
	memcpy(buf + layout.size, &magic2, MAGIC2_SIZE);
	return 0;
}

static void fill_context(struct task *t, struct frame_context *c, sigset_guest mask, uint64_t fp)
{
	const struct user_regs_struct *r = platform_regs(t->ctx);

	*c = (struct frame_context){
		.r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11,
		.r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
		.di = r->rdi, .si = r->rsi, .bp = r->rbp, .bx = r->rbx,
		.dx = r->rdx, .ax = r->rax, .cx = r->rcx, .sp = r->rsp,
		.ip = r->rip, .flags = r->eflags,
		.cs = (uint16_t)r->cs, .ss = (uint16_t)r->ss,
		.err = t->fault_err, .trapno = t->fault_trapno, .cr2 = t->fault_addr,
		.oldmask = mask, .fpstate = fp,
	};
}

static void enter_handler(struct task *t, const struct signal_ready *s, uint64_t frame)
{
	struct user_regs_struct *r = platform_regs(t->ctx);

	r->rdi = (uint64_t)s->info.si_signo;
	r->rsi = frame + offsetof(struct frame, info);
	r->rdx = frame + offsetof(struct frame, uc);
	r->rax = 0;
	r->rsp = frame;
	r->rip = s->action.handler;
	r->eflags &= ~flags_cleared;
	r->orig_rax = ~0ull;
	platform_regs_changed(t->ctx);
}

int signal_frame_push(struct task *t, const struct signal_ready *s, sigset_guest mask)
{
	uint64_t addr, fp;
	unsigned char *buf;
	struct frame *f;
	int r = -EFAULT;

	/* x86-64 has no other way back from a handler, and Linux refuses too. */
	if (!(s->action.flags & KERNEL_SA_RESTORER))
		return -EFAULT;
	r = place(t, &s->action, &addr, &fp);
	if (r < 0)
		return r;
	/* One buffer, one copy: frame and extended state are neighbours on the stack. */
	uint64_t off = fp - addr, size = off + frame_xstate_size();

	buf = calloc(1, off + MAX(platform_xstate_size(), (size_t)frame_xstate_size()));
	if (!buf)
		return -ENOMEM;
	r = fill_xstate(t, buf + off);
	if (r < 0)
		goto out_free;
	f = (struct frame *)buf;
	f->restorer = s->action.restorer;
	f->uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (have_xsave() ? UC_FP_XSTATE : 0);
	f->uc.stack = t->altstack;
	f->uc.sigmask = mask;
	fill_context(t, &f->uc.mc, mask, fp);
	f->info = s->info;
	r = guest_write(t->mm, addr, buf, size);
	if (r >= 0)
		r = platform_xstate_enter_handler(t->ctx, buf + off);
	if (r < 0)
		goto out_free;
	if (t->altstack.flags & autodisarm)
		t->altstack = (struct sigaltstack_guest){ .flags = SS_DISABLE };
	enter_handler(t, s, addr);
out_free:
	free(buf);
	return r;
}

/* --- and back --- */

/* How many bytes of XSAVE state a frame holds; PLATFORM_FXSAVE_SIZE when it claims nothing more that can be believed. -EFAULT: its end
 * cannot be read. */
static int believed_size(const unsigned char *buf, size_t got, uint64_t *features)
{
	struct sw_words sw;
	uint32_t end;

	*features = legacy;
	memcpy(&sw, buf + SW_OFFSET, sizeof(sw));
	if (sw.magic1 != magic1 || sw.xstate_size < XSAVE_MIN || sw.xstate_size > layout.size || sw.xstate_size > sw.extended_size)
		return PLATFORM_FXSAVE_SIZE;
	if (sw.xstate_size + MAGIC2_SIZE > got)
		return -EFAULT;
	memcpy(&end, buf + sw.xstate_size, sizeof(end));
	if (end != magic2)
		return PLATFORM_FXSAVE_SIZE;
	*features = sw.xfeatures & layout.features;
	return (int)sw.xstate_size;
}

/* The header as XRSTOR looks at it: components that there are, and no other form. What it does not look at is cleared for the host,
 * which does. */
static int check_header(unsigned char *header, uint64_t features)
{
	uint64_t words[XSAVE_HEADER / sizeof(uint64_t)];

	memcpy(words, header, sizeof(words));
	if ((words[0] & ~layout.enabled) || words[1] || words[2])
		return -EFAULT;
	words[0] &= features;
	memset(words + 3, 0, sizeof(words) - 3 * sizeof(*words));
	memcpy(header, words, sizeof(words));
	return 0;
}

/* Makes of what a frame holds what the platform takes. XRSTOR and FXRSTOR fault on addresses that are not aligned for them. */
static int accept_xstate(unsigned char *buf, size_t got, size_t room, uint64_t fp)
{
	uint64_t features;
	int size = have_xsave() ? believed_size(buf, got, &features) : PLATFORM_FXSAVE_SIZE;

	if (size < 0)
		return size;
	memset(buf + size, 0, room - (size_t)size);
	if (size > PLATFORM_FXSAVE_SIZE)
		return fp & 63 ? -EFAULT : check_header(buf + PLATFORM_FXSAVE_SIZE, features);
	if (have_xsave())
		memcpy(buf + PLATFORM_FXSAVE_SIZE, &legacy, sizeof(legacy));
	return fp & 15 ? -EFAULT : 0;
}

static int restore_xstate(struct task *t, uint64_t fp)
{
	size_t room = MAX(platform_xstate_size(), (size_t)frame_xstate_size());
	unsigned char *buf;
	ssize_t got;
	int r = -EFAULT;

	if (!fp) {
		platform_xstate_reset(t->ctx);
		return 0;
	}
	buf = calloc(1, room);
	if (!buf)
		return -ENOMEM;
	got = guest_read_some(t->mm, buf, fp, frame_xstate_size());
	if (got >= PLATFORM_FXSAVE_SIZE)
		r = accept_xstate(buf, (size_t)got, room, fp);
	if (!r)
		r = platform_xstate_set(t->ctx, buf, platform_xstate_size());
	free(buf);
	return r;
}

/* May a 64-bit thread have these? Linux finds out when it returns to them. A stack segment that is none is mended for programs that did
 * not say they would keep it right. */
static bool segments_valid(const struct frame_ucontext *uc)
{
	enum { RPL_USER = 3, USER_CS = 0x33, USER_DS = 0x2b };

	return (uc->mc.cs | RPL_USER) == USER_CS &&
	       ((uc->mc.ss | RPL_USER) == USER_DS || !(uc->flags & UC_STRICT_RESTORE_SS));
}

static void restore_context(struct task *t, const struct frame_context *c)
{
	struct user_regs_struct *r = platform_regs(t->ctx);

	r->r8 = c->r8;
	r->r9 = c->r9;
	r->r10 = c->r10;
	r->r11 = c->r11;
	r->r12 = c->r12;
	r->r13 = c->r13;
	r->r14 = c->r14;
	r->r15 = c->r15;
	r->rdi = c->di;
	r->rsi = c->si;
	r->rbp = c->bp;
	r->rbx = c->bx;
	r->rdx = c->dx;
	r->rax = c->ax;
	r->rcx = c->cx;
	r->rsp = c->sp;
	r->rip = c->ip;
	r->eflags = (r->eflags & ~flags_restored) | (c->flags & flags_restored);
	r->orig_rax = ~0ull;
	platform_regs_changed(t->ctx);
}

int64_t signal_sigreturn(struct task *t)
{
	siginfo_t bad = signal_info(SIGSEGV, SI_KERNEL, NULL);
	uint64_t addr = platform_sp(t->ctx) - sizeof(uint64_t);
	struct frame_ucontext uc;

	t->restart.fn = NULL;
	t->in_syscall = false;
	if (guest_read(t->mm, &uc, addr + offsetof(struct frame, uc), sizeof(uc)) < 0)
		goto out_bad;
	signal_set_mask(t, uc.sigmask);
	restore_context(t, &uc.mc);
	if (!segments_valid(&uc) || restore_xstate(t, uc.mc.fpstate) < 0)
		goto out_bad;
	(void)!signal_set_altstack(t, &uc.stack, uc.mc.sp);
	return SYSCALL_NO_RESULT;
out_bad:
	signal_force(t, &bad);
	return SYSCALL_NO_RESULT;
}
