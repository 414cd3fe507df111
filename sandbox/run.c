/* SPDX-License-Identifier: Apache-2.0 */
/* The front process of `sbx run`.
 *
 * Theory of operation. It keeps the caller's rights and its terminal, makes the sentry, hands signals on to it, and turns the
 * outcome into an exit status and a report. It holds no guest state, so a sentry that fails is seen from a safe place. Sentry and
 * front end together: the sentry has asked for SIGKILL on the front's death, and the front is the reaper of everything below it, so
 * that where there is no pid namespace it returns only after the last stub is gone.
 *
 * All signals that are handed on are blocked and taken synchronously: there is no handler in this process.
 */
#include "sandbox/run.h"

#include "base/log.h"
#include "base/wait.h"
#include "sandbox/launch.h"
#include "sandbox/report.h"
#include "sandbox/sentry.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How much longer than the sentry the front waits before it enforces the time limit itself. */
#define TIME_LIMIT_GRACE_NS 2000000000LL
/* How long the sentry may take to say what Ctrl-Z stops. */
#define SUSPEND_PATIENCE_NS 2000000000LL

struct front {
	struct options options;
	struct caller caller;
	struct outcome *outcome;
	sigset_t relayed, waited, before;
	pid_t sentry;
	int sentry_status;
	int64_t deadline;
	bool overdue; /* the front had to enforce the time limit */
	int report_fd;
};

static int open_report(struct front *f)
{
	const struct options *o = &f->options;

	f->report_fd = o->json_fd;
	if (o->json) {
		/* Opened before the guest runs, and never through a link that an earlier guest may have left. */
		f->report_fd = open(o->json, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0666);
		if (f->report_fd < 0) {
			log_user("cannot write the report to %s: %s", o->json, strerror(errno));
			return -errno;
		}
	} else if (o->json_fd >= 0 && fcntl(o->json_fd, F_GETFD) < 0) {
		log_user("cannot write the report to descriptor %d: %s", o->json_fd, strerror(errno));
		return -errno;
	}
	return 0;
}

static void block_signals(struct front *f)
{
	sigset_t all;

	sentry_relayed_signals(&f->relayed);
	f->waited = f->relayed;
	sigaddset(&f->waited, SIGCHLD);
	sigaddset(&f->waited, SIGTSTP);
	all = f->waited;
	sigaddset(&all, SIGRTMAX - 1);
	sigprocmask(SIG_BLOCK, &all, &f->before);
	/* An ignored SIGCHLD would reap the sentry before its status is read. */
	signal(SIGCHLD, SIG_DFL);
}

static int start_sentry(struct front *f)
{
	int alive[2];
	pid_t pid;

	if (pipe2(alive, O_CLOEXEC))
		return -errno;
	/* Stubs that lose the sentry come here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid = launch_clone(&f->outcome->layers);
	if (!pid) {
		struct sentry_start s = { &f->options, &f->caller, f->outcome, alive[0] };

		close(alive[1]);
		sentry_main(&s);
	}
	close(alive[0]);
	if (pid < 0) {
		close(alive[1]);
		return pid;
	}
	f->sentry = pid;
	return 0;
}

/* What the caller ignores (nohup) is handed on too: the program began ignoring it, and may have changed its mind. */
static void hand_on(struct front *f, const siginfo_t *si)
{
	union sigval origin = { .sival_int = si->si_code == SI_KERNEL ? RELAY_TERMINAL : RELAY_PROCESS };

	sigqueue(f->sentry, si->si_signo, origin);
}

static bool sentry_ended(const struct front *f)
{
	siginfo_t si = { 0 };

	return waitid(P_PID, (id_t)f->sentry, &si, WEXITED | WNOHANG | WNOWAIT) || si.si_pid;
}

/* Ctrl-Z: does it stop a job of the guest's shell, which goes on? One that does not answer is stopped. */
static bool stops_job_alone(struct front *f, const siginfo_t *si)
{
	const struct timespec slice = { .tv_nsec = 100000000 };
	const int64_t patience = mono_now() + SUSPEND_PATIENCE_NS;
	_Atomic uint32_t *answer = &f->outcome->suspension;

	atomic_store(answer, SUSPEND_UNKNOWN);
	hand_on(f, si);
	while (atomic_load(answer) == SUSPEND_UNKNOWN && !sentry_ended(f) && mono_now() < patience)
		syscall(SYS_futex, answer, FUTEX_WAIT, SUSPEND_UNKNOWN, &slice, NULL, 0);
	return atomic_load(answer) == SUSPEND_JOB;
}

/* The whole sandbox stops, and goes on when the caller's shell continues us. */
static void suspend(struct front *f, const siginfo_t *si)
{
	if (si->si_code == SI_KERNEL && stops_job_alone(f, si))
		return;
	if (f->caller.ignored & sig_bit(SIGTSTP))
		return;
	kill(f->sentry, SIGSTOP);
	raise(SIGSTOP);
	kill(f->sentry, SIGCONT);
}

/* Reaps; true once the sentry is gone. */
static bool reap(struct front *f)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		if (pid == f->sentry) {
			f->sentry_status = status;
			return true;
		}
	return pid < 0 && errno == ECHILD;
}

static void wait_sentry(struct front *f)
{
	siginfo_t si;

	while (!reap(f)) {
		int64_t left = f->deadline == NO_DEADLINE ? 3600000000000LL : MAX(f->deadline - mono_now(), 0);
		struct timespec ts = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
		int sig = sigtimedwait(&f->waited, &si, &ts);

		if (sig < 0 && errno == EAGAIN && f->deadline != NO_DEADLINE && mono_now() >= f->deadline) {
			f->overdue = true;
			f->deadline = NO_DEADLINE;
			kill(f->sentry, SIGKILL);
		} else if (sig == SIGTSTP) {
			suspend(f, &si);
		} else if (sig > 0 && sig != SIGCHLD) {
			hand_on(f, &si);
		}
	}
	/* Whoever is left has lost its tracer and is on its way out. */
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

/* What is to be said of a sentry that did not finish its own account. */
static void judge_incomplete(struct front *f)
{
	struct outcome *out = f->outcome;

	if (atomic_load(&out->complete))
		return;
	out->verdict = f->overdue ? VERDICT_TIME_LIMIT : VERDICT_SANDBOX_ERROR;
	if (f->overdue)
		return;
	if (WIFSIGNALED(f->sentry_status))
		log_user("the sentry was killed by signal %d (%s)", WTERMSIG(f->sentry_status),
			 sigabbrev_np(WTERMSIG(f->sentry_status)) ? sigabbrev_np(WTERMSIG(f->sentry_status)) : "?");
	else
		log_user("the sentry ended unexpectedly (status %d)", WEXITSTATUS(f->sentry_status));
}

int verb_run(char **args)
{
	static struct front front; /* one a process, and for as long as it lives: options and caller own strings */
	struct front *f = &front;
	int err;

	if (options_parse(&f->options, args))
		return EXIT_SANDBOX_ERROR;
	if (f->options.help) {
		options_help(stdout);
		return 0;
	}
	if (getenv("SBX_DEBUG")) {
		log_set_debug(true);
		syscall_log(true);
	}
	caller_read(&f->caller);
	if (open_report(f))
		return EXIT_SANDBOX_ERROR;
	syscall_count_time(f->report_fd >= 0);
	f->outcome = mmap(NULL, sizeof(*f->outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f->outcome == MAP_FAILED) {
		log_user("cannot start: %s", strerror(errno));
		return EXIT_SANDBOX_ERROR;
	}
	block_signals(f);
	f->deadline = f->options.time_ns ? mono_now() + f->options.time_ns + TIME_LIMIT_GRACE_NS : NO_DEADLINE;
	err = start_sentry(f);
	if (err) {
		log_user("cannot start the sentry: %s", strerror(-err));
		return EXIT_SANDBOX_ERROR;
	}
	wait_sentry(f);
	judge_incomplete(f);
	if (f->report_fd >= 0 && report_write(f->report_fd, &f->options, f->outcome))
		log_user("cannot write the report");
	return verdict_exit_status(f->outcome);
}
