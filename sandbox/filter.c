/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of the sentry's own calls: an allow-list, everything else is EPERM.
 *
 * Rows without a condition cost nothing: the host answers them from a bitmap. What is not here matters most: no execve, no
 * socket, connect or bind (but with --network host, and then TCP and UDP only), no mount or namespace call, no keyring, no module, no change of ids, no ptrace of anything that is not a
 * child of the sentry's (the host's own rule), no opening for writing where nothing was granted for writing. Calls of the C
 * library's allocator, threads and of sanitizer builds are in the list.
 */
#include "sandbox/confine.h"

#include "base/compiler.h"
#include "base/log.h"
#include "net/host_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static const int allowed[] = {
	/* files by descriptor */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(close),
	SCMP_SYS(close_range), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(statfs),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(dup), SCMP_SYS(dup2),
	SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(ioctl), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(fadvise64),
	SCMP_SYS(readahead), SCMP_SYS(sync_file_range), SCMP_SYS(copy_file_range), SCMP_SYS(sendfile), SCMP_SYS(splice),
	SCMP_SYS(fgetxattr), SCMP_SYS(flistxattr), SCMP_SYS(getxattr), SCMP_SYS(lgetxattr), SCMP_SYS(listxattr), SCMP_SYS(llistxattr),
	SCMP_SYS(getcwd), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(memfd_create), SCMP_SYS(umask),
	/* waiting and waking */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(futex), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall),
	/* memory */
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mincore),
	SCMP_SYS(msync), SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock), SCMP_SYS(membarrier),
	/* stubs and threads */
	SCMP_SYS(ptrace), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(tgkill), SCMP_SYS(tkill), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(set_tid_address), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(gettid), SCMP_SYS(getpid),
	SCMP_SYS(getppid), SCMP_SYS(arch_prctl), SCMP_SYS(prctl), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	/* signals */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigpending),
	SCMP_SYS(sigaltstack), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
	/* questions */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(uname),
	SCMP_SYS(sysinfo), SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(getrlimit), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(getpriority),
};

/* Only where some tree was granted for writing. */
static const int writing[] = {
	SCMP_SYS(openat2), SCMP_SYS(mkdirat), SCMP_SYS(unlinkat), SCMP_SYS(symlinkat), SCMP_SYS(linkat), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(mknodat), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fchown), SCMP_SYS(fchownat),
	SCMP_SYS(utimensat), SCMP_SYS(fsetxattr), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fremovexattr), SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr), SCMP_SYS(truncate), SCMP_SYS(syncfs), SCMP_SYS(flock),
};

static int allow_all(scmp_filter_ctx ctx, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);

		if (err)
			return err;
	}
	return 0;
}

/* Opening: for reading only, unless something may be written. */
static int allow_open(scmp_filter_ctx ctx, bool writable)
{
	const unsigned changes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	int err;

	if (writable)
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 0);
	err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, changes, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, changes, 0));
	return err;
}

/* Threads and stubs, but nothing in a namespace of its own. clone3's flags cannot be seen; the C library falls back on ENOSYS,
 * so it is answered with that rather than allowed. */
static int allow_clone(scmp_filter_ctx ctx)
{
	const unsigned namespaces = 0x7e020000; /* every CLONE_NEW* */
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));

	return err ? err : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* Limits of the sentry itself may be read, and those that it has may not be raised: prlimit64 with no new value. */
static int allow_limits(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0, 0));
}

/* Signals to processes: with a pid namespace there is nobody else to hit. */
static int allow_kill(scmp_filter_ctx ctx, const struct layers *layers)
{
	if (layers->layer[LAYER_PID_NS].state != LAYER_ACTIVE && layers->layer[LAYER_LANDLOCK].state != LAYER_ACTIVE)
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A1(SCMP_CMP_EQ, 9, 0));
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 0);
}

/* The sockets of --network host: these two kinds of these two families, as host_socket.c makes them, and the options that are plain data.
 * No other socket can be made, not even a pair: nothing of the host's but its network is reached by connect(2). */
static int allow_sockets(scmp_filter_ctx ctx)
{
	static const int calls[] = { SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(listen) };
	static const int domains[] = { AF_INET, AF_INET6 };
	const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	int err = allow_all(ctx, calls, ARRAY_SIZE(calls));

	for (size_t i = 0; i < ARRAY_SIZE(domains) && !err; i++) {
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, SCMP_A0_32(SCMP_CMP_EQ, domains[i], 0),
				       SCMP_A1_32(SCMP_CMP_EQ, SOCK_STREAM | flags, 0), SCMP_A2_32(SCMP_CMP_EQ, IPPROTO_TCP, 0));
		if (!err)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, SCMP_A0_32(SCMP_CMP_EQ, domains[i], 0),
					       SCMP_A1_32(SCMP_CMP_EQ, SOCK_DGRAM | flags, 0), SCMP_A2_32(SCMP_CMP_EQ, IPPROTO_UDP, 0));
	}
	return err ? err : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(accept4), 1, SCMP_A3_32(SCMP_CMP_EQ, flags, 0));
}

static int allow_socket_options(scmp_filter_ctx ctx)
{
	size_t count;
	const struct host_option *o = host_options(&count);
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		if (o[i].use & (HOST_OPTION_SET | HOST_OPTION_OWN))
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 3, SCMP_A1_32(SCMP_CMP_EQ, (uint32_t)o[i].level, 0),
					       SCMP_A2_32(SCMP_CMP_EQ, (uint32_t)o[i].name, 0), SCMP_A4_32(SCMP_CMP_LE, SOCKOPT_MAX, 0));
	return err;
}

int confine_syscalls(const struct options *o, struct layers *layers)
{
	bool writable = options_writable(o);
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = -ENOMEM;

	if (!ctx)
		goto out;
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = allow_all(ctx, allowed, ARRAY_SIZE(allowed));
	if (!err && writable)
		err = allow_all(ctx, writing, ARRAY_SIZE(writing));
	if (!err)
		err = allow_open(ctx, writable);
	if (!err)
		err = allow_clone(ctx);
	if (!err)
		err = allow_limits(ctx);
	if (!err)
		err = allow_kill(ctx, layers);
	if (!err && o->host_network)
		err = allow_sockets(ctx);
	if (!err && o->host_network)
		err = allow_socket_options(ctx);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
out:
	if (err)
		layer_set_refused(layers, LAYER_SENTRY_FILTER, -err);
	else
		layer_set_active(layers, LAYER_SENTRY_FILTER);
	return err;
}
