/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry process.
 *
 * Theory of operation. Boot goes in one order, each step relying on those before it: die with the front process; open what is
 * only to be had before confinement; confine the file system, drop rights; start the platform while there is one thread; start the
 * kernel's services; build the guest's world; load the program; filter the sentry's own calls; start pid 1. Then the
 * boot thread becomes the one that waits: for signals that the front process hands on, for the time limit, and for the end of
 * pid 1 (END_SIGNAL, sent by the hook on whichever thread ran it). It never touches guest state but through the kernel's
 * functions that any thread may call.
 *
 * At the end nothing is torn down that the exit of a process tears down better: the figures go to the shared outcome, and
 * _exit() takes every stub with it.
 */
#include "sandbox/sentry.h"

#include "base/log.h"
#include "base/wait.h"
#include "fs/fdtable.h"
#include "fs/host_fd.h"
#include "fs/proc/proc.h"
#include "fs/tty.h"
#include "kernel/process.h"
#include "kernel/timer.h"
#include "net/host_socket.h"
#include "sandbox/confine.h"
#include "sandbox/exec.h"
#include "sandbox/launch.h"
#include "sandbox/world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the whole process shares; there is one sandbox in it. */
static struct {
	const struct sentry_start *start;
	struct memfile *memfile;
	struct file *stdio[3];
	struct host_trees trees;
	struct fs_context *fs;
	pid_t tid; /* of the boot thread */
	_Atomic int init_status;
	struct thread_group *init;
} sentry;

static int end_signal(void)
{
	return SIGRTMAX - 1;
}

void sentry_relayed_signals(sigset_t *set)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2, SIGCONT, SIGALRM };

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(set, signals[i]);
}

/* --- the end --- */

static void record_usage(struct outcome *out)
{
	struct rusage_acc usage;

	if (out->start_ns)
		out->wall_ns = mono_now() - out->start_ns;
	if (sentry.init) {
		group_usage(sentry.init, &usage);
		usage_add(&usage, &sentry.init->dead_children);
		out->user_ns = usage.utime_ns;
		out->system_ns = usage.stime_ns;
		out->peak_resident = usage.maxrss;
	}
	kernel_task_counts(&out->processes, &out->threads);
	platform_get_stats(&out->platform);
	syscall_counts(out->counts);
}

/* There in builds for AddressSanitizer only: reports what nothing points to any more. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

NORETURN static void finish(enum verdict verdict, int status, int error)
{
	struct outcome *out = sentry.start->outcome;

	out->verdict = verdict;
	out->status = status;
	out->error = error;
	record_usage(out);
	atomic_store(&out->complete, true);
	if (__lsan_do_recoverable_leak_check)
		(void)__lsan_do_recoverable_leak_check();
	_exit(0);
}

/* Boot failed after a message was printed. */
NORETURN static void give_up(void)
{
	sentry.start->outcome->reported = true;
	finish(VERDICT_SANDBOX_ERROR, 0, 0);
}

NORETURN static void fail(const char *what, int err)
{
	log_user("%s: %s", what, strerror(-err));
	give_up();
}

static void init_exited(int status)
{
	atomic_store(&sentry.init_status, status);
	syscall(SYS_tgkill, getpid(), sentry.tid, end_signal());
}

static void group_exited(struct thread_group *tg)
{
	tty_group_exited(tg);
}

static struct kernel_hooks hooks = {
	.syscall = syscall_dispatch,
	.files_get = fdtable_get,
	.files_copy = fdtable_copy,
	.files_put = fdtable_put,
	.fs_get = fs_context_get,
	.fs_copy = fs_context_copy,
	.fs_put = fs_context_put,
	.group_exited = group_exited,
	.init_exited = init_exited,
};

/* --- boot --- */

static void die_with_front(void)
{
	struct pollfd p = { .fd = sentry.start->alive_fd, .events = POLLIN };

	/* Out of the caller's session, so that its terminal's signals reach the front process alone. */
	setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		fail("cannot ask to end with the front process", -errno);
	/* It may have ended before that. */
	if (poll(&p, 1, 0) != 0)
		_exit(0);
	close(sentry.start->alive_fd);
}

/* Numbers 0 to 2 must never be given to something else, whatever the caller had closed. */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (!sentry.start->caller->open[fd] && open("/dev/null", O_RDWR) != fd)
			fail("cannot open /dev/null", -errno);
}

static void open_host_files(void)
{
	for (int fd = 0; fd < 3; fd++) {
		int copy, err;

		if (!sentry.start->caller->open[fd])
			continue;
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		err = copy < 0 ? -errno : host_fd_new(copy, &sentry.stdio[fd]);
		if (err)
			fail("cannot hand through a standard descriptor", err);
	}
	proc_open_host_files();
}

static void confine_early(void)
{
	const struct options *o = sentry.start->options;
	struct layers *layers = &sentry.start->outcome->layers;
	int err = launch_map_ids(layers, sentry.start->caller->uid, sentry.start->caller->gid);

	if (err)
		layer_set_refused(layers, LAYER_USER_NS, -err);
	if (confine_filesystem(o, world_hidden_cwd(o, sentry.start->caller), layers, &sentry.trees))
		give_up();
	if (confine_privileges(layers))
		give_up();
}

static void start_platform(void)
{
	struct platform_options po = { 0 };
	const char *why = NULL;
	int err;

	guarded_init();
	err = platform_init(&po, &why);
	if (err) {
		log_user("cannot start the platform: %s: %s", why ? why : "unknown step", strerror(-err));
		give_up();
	}
	layer_set_active(&sentry.start->outcome->layers, LAYER_STUB_FILTER);
}

static void start_kernel(void)
{
	const struct options *o = sentry.start->options;
	int err = memfile_new(o->memory, &sentry.memfile);

	if (err)
		fail("cannot make the memory file", err);
	kernel_set_hostname(o->hostname);
	kernel_init(&hooks);
}

static struct fdtable *make_fdtable(void)
{
	struct fdtable *files = fdtable_new();

	if (!files)
		fail("cannot make the descriptor table", -ENOMEM);
	for (int fd = 0; fd < 3; fd++) {
		int err = sentry.stdio[fd] ? fd_install_at(files, sentry.stdio[fd], fd, false, 3) : 0;

		if (err < 0)
			fail("cannot hand through a standard descriptor", err);
	}
	return files;
}

static void start_program(struct strings env, struct cred *cred)
{
	const struct options *o = sentry.start->options;
	struct outcome *out = sentry.start->outcome;
	struct task_init init = { .files = make_fdtable(), .fs = sentry.fs, .cred = cred };
	struct loaded loaded;
	struct task *t;
	int err;

	init.ignored = sentry.start->caller->ignored;
	init.blocked = sentry.start->caller->blocked;
	memcpy(init.rlimits, sentry.start->caller->rlimits, sizeof(init.rlimits));
	err = exec_find_and_load(o->argv, &env, sentry.fs, cred, sentry.memfile, init.rlimits[RLIMIT_STACK].rlim_cur, &loaded);
	if (err) {
		log_user("cannot execute %s: %s%s", o->argv[0], strerror(-err),
			 err == -ENOENT && world_is_private(o->argv[0]) ? " (the sandbox has its own; see --ro-bind)" : "");
		finish(VERDICT_NOT_STARTED, 0, -err);
	}
	init.mm = loaded.mm;
	init.regs = loaded.regs;
	init.comm = loaded.comm;
	err = o->host_network ? host_network_enable() : 0;
	if (err)
		fail("cannot use the host's network", err);
	err = confine_syscalls(o, &out->layers);
	if (err)
		fail("cannot filter the sentry's calls", err);
	if (!o->quiet)
		layers_warn(&out->layers);
	out->start_ns = mono_now();
	err = task_start_init(&init);
	if (err)
		fail("cannot start the program", err);
	t = task_lookup(1);
	if (t) {
		group_get(t->tg);
		sentry.init = t->tg;
		task_put(t);
	}
}

/* --- while the guest runs --- */

static void relay(const siginfo_t *si)
{
	siginfo_t info = signal_info(si->si_signo, SI_USER, NULL);
	bool terminal = si->si_code == SI_QUEUE && si->si_value.sival_int == RELAY_TERMINAL;

	if ((terminal || si->si_signo == SIGWINCH) && host_tty_signal(si->si_signo))
		return;
	mutex_lock(&tasks_lock);
	/* What came from the terminal is for all who would share it, as it is without a sandbox. */
	if (sentry.init && terminal && sentry.init->pgroup)
		signal_send_pgroup_locked(sentry.init->pgroup, &info);
	else if (sentry.init)
		(void)signal_send_group_locked(sentry.init, &info);
	mutex_unlock(&tasks_lock);
}

/* Ctrl-Z. A shell with job control ignores it and keeps its jobs in groups of their own: it sees the one in front stop, as without a
 * sandbox. Any other program's caller has the terminal back only if the sandbox as a whole stops, which is the front process's to do. */
static void suspend(const siginfo_t *si)
{
	bool together = false, ignores;

	if (sentry.init) {
		mutex_lock(&tasks_lock);
		ignores = sentry.init->leader && !sentry.init->leader->dead && signal_ignored_locked(sentry.init->leader, SIGTSTP);
		mutex_unlock(&tasks_lock);
		together = !ignores && host_tty_in_front(sentry.init);
	}
	atomic_store(&sentry.start->outcome->suspension, together ? SUSPEND_SANDBOX : SUSPEND_JOB);
	syscall(SYS_futex, &sentry.start->outcome->suspension, FUTEX_WAKE, 1, NULL, NULL, 0);
	if (!together)
		relay(si);
}

/* Waits for the next signal until deadline: 0 when that passed. */
static int next_signal(const sigset_t *set, int64_t deadline, siginfo_t *si)
{
	int64_t left = deadline == NO_DEADLINE ? 0 : MAX(deadline - mono_now(), 0);
	struct timespec ts = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
	int sig;

	do {
		sig = deadline == NO_DEADLINE ? sigwaitinfo(set, si) : sigtimedwait(set, si, &ts);
	} while (sig < 0 && errno == EINTR && deadline == NO_DEADLINE);
	if (sig > 0)
		return sig;
	/* Interrupted with a deadline: let the caller come back unless it has passed. */
	return errno == EINTR && mono_now() < deadline ? -1 : 0;
}

/* True when the program ended by itself, false when the time was up. */
static bool wait_for_end(void)
{
	const struct options *o = sentry.start->options;
	int64_t deadline = o->time_ns ? sentry.start->outcome->start_ns + o->time_ns : NO_DEADLINE;
	sigset_t set;
	siginfo_t si;

	sentry_relayed_signals(&set);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, end_signal());
	for (;;) {
		int sig = next_signal(&set, deadline, &si);

		if (!sig)
			return false;
		if (sig == end_signal())
			return true;
		if (sig == SIGTSTP)
			suspend(&si);
		else if (sig > 0)
			relay(&si);
	}
}

static enum verdict judge(bool ended, int status)
{
	if (!ended)
		return VERDICT_TIME_LIMIT;
	return WIFSIGNALED(status) ? VERDICT_SIGNALLED : VERDICT_EXITED;
}

NORETURN void sentry_main(const struct sentry_start *s)
{
	struct strings env;
	struct cred *cred;
	bool ended;
	int status;

	sentry.start = s;
	sentry.tid = (pid_t)syscall(SYS_gettid);
	die_with_front();
	fill_standard_descriptors();
	close_range(3, ~0U, 0);
	env = caller_environment(s->options);
	open_host_files();
	confine_early();
	start_platform();
	start_kernel();
	cred = cred_new(s->caller->uid, s->caller->gid, s->caller->groups, s->caller->group_count);
	if (!cred)
		fail("cannot make credentials", -ENOMEM);
	if (world_build(s->options, s->caller, &sentry.trees, sentry.memfile, strings_find_env(&env, "HOME"), &sentry.fs))
		give_up();
	start_program(env, cred);
	ended = wait_for_end();
	kernel_kill_all();
	kernel_wait_all();
	status = atomic_load(&sentry.init_status);
	finish(judge(ended, status), ended ? status : SIGKILL, 0);
}
