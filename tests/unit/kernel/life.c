/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks from birth to death on the real platform: a guest of a few instructions, and a system call table of six rows. */
#include "kernel/futex.h"
#include "kernel/process.h"
#include "kernel/timer.h"
#include "mm/guest.h"
#include "tests/support/asserts.h"

#include <asm/unistd_64.h>
#include <errno.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CODE = 0x10000000, TIMEOUT_NS = 2000000000 };

static struct memfile *memfile;
static _Atomic int files_refs = 1, init_status = -1, last_wait, waits, groups_ended;
static char files_object, fs_object;

/* --- hooks --- */

static struct fdtable *files_get(struct fdtable *f)
{
	files_refs++;
	return f;
}

static int files_copy(struct fdtable *f, struct fdtable **out)
{
	*out = files_get(f);
	return 0;
}

static void files_put(struct fdtable *f)
{
	(void)f;
	files_refs--;
}

static struct fs_context *fs_get(struct fs_context *f)
{
	return f;
}

static int fs_copy(struct fs_context *f, struct fs_context **out)
{
	*out = f;
	return 0;
}

static void fs_put(struct fs_context *f)
{
	(void)f;
}

static void group_exited(struct thread_group *tg)
{
	(void)tg;
	groups_ended++;
}

static void init_exited(int status)
{
	init_status = status;
}

static int64_t do_wait(struct task *t)
{
	struct wait_request w = { .kind = WAIT_FOR_ANY, .options = WEXITED | __WALL };
	struct wait_result res;
	int64_t r = process_wait(t, &w, &res);

	if (r > 0) {
		last_wait = res.status;
		waits++;
	}
	return r;
}

static int64_t answer(struct task *t, const struct platform_event *ev)
{
	struct clone_params p = { .exit_signal = SIGCHLD };

	t->sys_nr = ev->nr;
	switch (ev->nr) {
	case __NR_getpid:
		return t->tg->tgid;
	case __NR_fork:
		return task_clone(t, &p);
	case __NR_vfork:
		p.flags = CLONE_VM | CLONE_VFORK;
		return task_clone(t, &p);
	case __NR_clone:
		p.flags = ev->args[0];
		p.stack = ev->args[1];
		p.exit_signal = 0;
		return task_clone(t, &p);
	case __NR_wait4:
		return do_wait(t);
	case __NR_exit:
		task_exit(t, (int)(ev->args[0] & 0xff) << 8);
		return SYSCALL_NO_RESULT;
	case __NR_exit_group:
		group_exit(t, (int)(ev->args[0] & 0xff) << 8);
		return SYSCALL_NO_RESULT;
	case __NR_set_tid_address:
		t->clear_child_tid = ev->args[0];
		return t->tid;
	case __NR_pause:
		return task_sleep(t, NO_DEADLINE) == -EINTR ? -ERESTARTNOHAND : 0;
	default:
		return -ENOSYS;
	}
}

static const struct kernel_hooks hooks = {
	.syscall = answer,
	.files_get = files_get,
	.files_copy = files_copy,
	.files_put = files_put,
	.fs_get = fs_get,
	.fs_copy = fs_copy,
	.fs_put = fs_put,
	.group_exited = group_exited,
	.init_exited = init_exited,
};

/* --- guests --- */

#define MOV_EAX(nr) 0xb8, (nr), 0, 0, 0
#define MOV_EDI(x) 0xbf, (x), 0, 0, 0
#define SYSCALL_INSN 0x0f, 0x05
#define CALL0(nr) MOV_EAX(nr), SYSCALL_INSN
#define CALL1(nr, x) MOV_EDI(x), CALL0(nr)
#define TEST_EAX 0x85, 0xc0
#define JNZ(n) 0x75, (n)
#define JMP_SELF 0xeb, 0xfe
#define CALL0_LEN 7
#define CALL1_LEN 12

static void boot(const unsigned char *code, size_t size)
{
	struct mm *mm;
	const char *why;
	struct task_init init = { .comm = "test" };
	struct mmap_args a = {
		.addr = CODE,
		.len = PAGE_SIZE,
		.prot = PROT_READ | PROT_WRITE | PROT_EXEC,
		.max_prot = -1,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	};
	uint64_t addr;

	guarded_init();
	cr_assert_eq(platform_init(&(struct platform_options){ 0 }, &why), 0);
	kernel_init(&hooks);
	futex_init();
	timer_service_init();
	cr_assert_eq(memfile_new(0, &memfile), 0);
	cr_assert_eq(mm_new(memfile, &mm), 0);
	cr_assert_eq(mm_mmap(mm, &a, &addr), 0);
	cr_assert_eq(guest_write(mm, CODE, code, size), 0);
	init.mm = mm;
	init.files = (struct fdtable *)&files_object;
	init.fs = (struct fs_context *)&fs_object;
	init.cred = cred_new(1000, 1000, NULL, 0);
	init.regs.rip = CODE;
	init.regs.rsp = CODE + PAGE_SIZE;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		init.rlimits[i] = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	cr_assert_eq(task_start_init(&init), 0);
}

/* Waits for the end of everything and returns pid 1's status. */
static int end(void)
{
	int64_t deadline = mono_now() + TIMEOUT_NS;

	while (init_status < 0 && mono_now() < deadline)
		usleep(1000);
	if (init_status < 0)
		return -1;
	kernel_wait_all();
	cr_assert_eq(files_refs, 0, "%d references on the descriptors are left", files_refs);
	cr_assert_eq(groups_list((pid_t[8]){ 0 }, 8), 0);
	return init_status;
}

TestSuite(life, .timeout = 20);

Test(life, pid_1_exits)
{
	static const unsigned char code[] = { CALL0(__NR_getpid), 0x89, 0xc7, CALL0(__NR_exit_group) };

	boot(code, sizeof(code));
	cr_assert_eq(end(), 1 << 8);
	cr_assert_eq(groups_ended, 1);
}

Test(life, fork_and_wait)
{
	static const unsigned char code[] = {
		CALL0(__NR_fork), TEST_EAX, JNZ(CALL1_LEN), CALL1(__NR_exit_group, 42),
		CALL0(__NR_wait4), CALL1(__NR_exit_group, 7),
	};

	boot(code, sizeof(code));
	int s = end();
	cr_assert_eq(s, 7 << 8, "status %x, waits %d, last %x", s, waits, last_wait);
	cr_assert_eq(waits, 1);
	cr_assert_eq(last_wait, 42 << 8);
	cr_assert_eq(groups_ended, 2);
}

Test(life, vfork_waits_for_the_child)
{
	static const unsigned char code[] = {
		CALL0(__NR_vfork), TEST_EAX, JNZ(CALL1_LEN), CALL1(__NR_exit_group, 3),
		CALL0(__NR_wait4), CALL1(__NR_exit_group, 8),
	};

	boot(code, sizeof(code));
	cr_assert_eq(end(), 8 << 8);
	cr_assert_eq(last_wait, 3 << 8);
}

Test(life, pid_1_takes_its_sleeping_and_spinning_children_along)
{
	static const unsigned char code[] = {
		CALL0(__NR_fork), TEST_EAX, JNZ(CALL0_LEN + 2), CALL0(__NR_pause), JMP_SELF,
		CALL0(__NR_fork), TEST_EAX, JNZ(2), JMP_SELF,
		CALL1(__NR_exit_group, 5),
	};

	boot(code, sizeof(code));
	cr_assert_eq(end(), 5 << 8);
	cr_assert_eq(groups_ended, 3);
}

Test(life, a_fault_kills)
{
	static const unsigned char code[] = { 0x31, 0xc0, 0x8b, 0x00 }; /* xor eax, eax; mov eax, [rax] */

	boot(code, sizeof(code));
	cr_assert_eq(end() & 0x7f, SIGSEGV);
}

Test(life, another_architecture_kills)
{
	static const unsigned char code[] = { MOV_EAX(20), 0xcd, 0x80, JMP_SELF };

	boot(code, sizeof(code));
	int status = end();
	cr_assert(status == SIGSYS || status == SIGSEGV, "status %x", status);
}

Test(life, exit_group_ends_a_spinning_thread)
{
	static const unsigned char code[] = {
		/* clone(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, rsp) */
		0xbf, 0x00, 0x09, 0x01, 0x00, 0x31, 0xf6, CALL0(__NR_clone), TEST_EAX, JNZ(2), JMP_SELF,
		CALL1(__NR_exit_group, 9),
	};

	boot(code, sizeof(code));
	cr_assert_eq(end(), 9 << 8);
	cr_assert_eq(groups_ended, 1);
}

Test(life, killed_from_outside)
{
	static const unsigned char code[] = { JMP_SELF };

	boot(code, sizeof(code));
	usleep(20000);
	kernel_kill_all();
	cr_assert_eq(end(), SIGKILL);
}

Test(life, a_status_is_that_of_the_thread_that_ends_last)
{
	static const unsigned char code[] = {
		/* the word at rsp - 8 is 1 until the leader has ended */
		0x48, 0x8d, 0x7c, 0x24, 0xf8, 0xc7, 0x07, 0x01, 0x00, 0x00, 0x00, CALL0(__NR_set_tid_address),
		0xbf, 0x00, 0x09, 0x01, 0x00, 0x31, 0xf6, CALL0(__NR_clone), TEST_EAX, JNZ(CALL1_LEN + 7),
		/* the thread waits for that */
		0x83, 0x7c, 0x24, 0xf8, 0x00, 0x75, 0xf9, CALL1(__NR_exit, 2),
		CALL1(__NR_exit, 1),
	};

	boot(code, sizeof(code));
	cr_assert_eq(end(), 2 << 8);
}
