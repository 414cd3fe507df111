/* SPDX-License-Identifier: Apache-2.0 */
/* The stub's filter: the second wall.
 *
 * Guests run under PTRACE_SYSEMU, which stops each call before any filter sees it and never lets it execute. The filter
 * matters for what SYSEMU does not see: the injected calls, which run under PTRACE_CONT, a stub thread that is not yet
 * seized, and the vsyscall page, whose emulation in the host's fault handler asks seccomp but not ptrace.
 *
 * It is one classic BPF program made of two parts. A prologue kills foreign architectures and refuses every call that does
 * not come from one of the `syscall` instructions of the stub page (libseccomp cannot compare instruction pointers). What
 * follows was compiled by libseccomp: the few numbers, with the arguments that can be told in advance. Refused means
 * SECCOMP_RET_TRACE: a stop under a tracer, ENOSYS without one. See seccomp(2), and arch/x86/entry/vsyscall for the stop's rules.
 */
#include "platform/ptrace/ptrace_internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The numbers that may be injected, and those that stub_child makes by itself. */
static int filter_add_rules(scmp_filter_ctx f)
{
	const scmp_datum_t map_flags = MAP_SHARED | MAP_FIXED;
	int r = 0;

	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			      SCMP_A3(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)MAP_POPULATE, map_flags));
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(munmap), 0);
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 0);
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 2, SCMP_A0(SCMP_CMP_EQ, STUB_PROCESS_FLAGS, 0),
			      SCMP_A1(SCMP_CMP_EQ, 0, 0));
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 2, SCMP_A0(SCMP_CMP_EQ, STUB_THREAD_FLAGS, 0),
			      SCMP_A1(SCMP_CMP_EQ, 0, 0));
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2, SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0),
			      SCMP_A1(SCMP_CMP_EQ, SIGKILL, 0));
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(nanosleep), 0);
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(exit), 0);
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(exit_group), 0);
	return r;
}

/* libseccomp's program as bytes: *out is malloced with `reserve` instructions of room in front. */
static int filter_export(scmp_filter_ctx f, size_t reserve, struct sock_filter **out, size_t *count)
{
	struct stat st;
	int fd = memfd_create("filter", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(f, fd);
	if (r < 0)
		goto out_close;
	r = -EIO;
	if (fstat(fd, &st) || st.st_size % (off_t)sizeof(**out))
		goto out_close;
	*count = (size_t)st.st_size / sizeof(**out);
	*out = calloc(*count + reserve, sizeof(**out));
	r = -ENOMEM;
	if (!*out)
		goto out_close;
	r = 0;
	if (pread(fd, *out + reserve, (size_t)st.st_size, 0) != st.st_size) {
		free(*out);
		r = -EIO;
	}
out_close:
	close(fd);
	return r;
}

/* Foreign architecture: killed. Not from a syscall instruction of the stub page: refused. */
static size_t filter_prologue(struct sock_filter *p)
{
	const char *const allowed[] = {
		stub_one_syscall_end, stub_batch_syscall_end, stub_clone_syscall_end, stub_prctl_end, stub_sleep_end,
		stub_exit_end,
	};
	const uint32_t ip = offsetof(struct seccomp_data, instruction_pointer);
	const size_t n = ARRAY_SIZE(allowed);
	struct sock_filter *at = p;

	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4);
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(STUB_CODE >> 32), 0,
					     (uint8_t)(n + 1));
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip);
	for (size_t i = 0; i < n; i++)
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)stub_address(allowed[i]),
						     (uint8_t)(n - i), 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	return (size_t)(at - p);
}

int filter_build(struct sock_fprog *prog)
{
	struct sock_filter head[32], *all;
	size_t head_len = filter_prologue(head), count;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRACE(0));
	int r;

	if (!f)
		return -ENOMEM;
	r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!r)
		r = filter_add_rules(f);
	if (!r)
		r = filter_export(f, head_len, &all, &count);
	if (!r) {
		memcpy(all, head, head_len * sizeof(*all));
		*prog = (struct sock_fprog){ .len = (unsigned short)(count + head_len), .filter = all };
	}
	seccomp_release(f);
	return r < 0 ? r : r ? -EINVAL : 0;
}
