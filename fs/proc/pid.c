/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID: texts about one process or thread; formats as in proc(5) and fs/proc/array.c of Linux.
 *
 * Each generator takes a snapshot under tasks_lock, then prints it without locks, because guest memory and the mm's locks
 * must not be touched under tasks_lock. */
#include "fs/proc/proc_internal.h"

#include "fs/fdtable.h"
#include "fs/vfs.h"
#include "kernel/ptrace.h"
#include "kernel/seccomp.h"
#include "mm/guest.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct mm *proc_mm_get(struct task *t)
{
	struct mm *mm;

	mutex_lock(&tasks_lock);
	mm = t->dead ? NULL : t->mm;
	if (mm)
		mm_get(mm);
	mutex_unlock(&tasks_lock);
	return mm;
}

/* What stat and status need of the task tree. */
struct snapshot {
	char comm[16], state;
	pid_t pid, tid, ppid, tracer, pgrp, session, tpgid;
	int threads, nice, policy, priority, exit_signal, exit_status;
	unsigned tty;
	uint64_t min_flt, maj_flt, child_min_flt, child_maj_flt;
	int64_t utime, stime, child_utime, child_stime, start;
	sigset_guest pending, shared, blocked, ignored, caught;
	cpu_set_t affinity;
	bool no_new_privs;
	int seccomp_mode;
	size_t seccomp_filters;
	struct cred *cred; /* referenced */
	struct mm_stats mm;
	bool has_mm;
	int umask;
};

static const char *state_name(char c)
{
	switch (c) {
	case 'R':
		return "R (running)";
	case 'T':
		return "T (stopped)";
	case 't':
		return "t (tracing stop)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "S (sleeping)";
	}
}

static char task_state(struct task *t)
{
	if (t->tg->state == GROUP_ZOMBIE || t->dead)
		return 'Z';
	if (t->ptrace_stop)
		return 't';
	if (t->stopped)
		return 'T';
	/* Asleep in the sentry, or about to: the word says so without a lock. */
	return atomic_load(&t->sleeper.word) & SLEEPER_ASLEEP ? 'S' : 'R';
}

static void snapshot_signals_locked(struct snapshot *s, struct task *t)
{
	s->pending = t->pending.set;
	s->shared = t->tg->shared_pending.set;
	s->blocked = t->blocked;
	for (int sig = 1; t->sighand && sig <= SIGNAL_COUNT; sig++) {
		uint64_t h = t->sighand->actions[sig - 1].handler;

		if (h == (uint64_t)(uintptr_t)SIG_IGN)
			s->ignored |= sig_bit(sig);
		else if (h != (uint64_t)(uintptr_t)SIG_DFL)
			s->caught |= sig_bit(sig);
	}
}

static void snapshot_take(struct snapshot *s, struct task *t)
{
	struct thread_group *tg = t->tg;
	struct mm *mm = NULL;
	struct fs_context *fs = NULL;

	memset(s, 0, sizeof(*s));
	mutex_lock(&tasks_lock);
	memcpy(s->comm, t->comm, sizeof(s->comm));
	s->state = task_state(t);
	s->pid = tg->tgid;
	s->tid = t->tid;
	s->ppid = tg->parent ? tg->parent->tgid : 0;
	s->tracer = trace_tracer_locked(t);
	if (tg->pgroup) {
		s->pgrp = tg->pgroup->id;
		s->session = tg->pgroup->session->id;
		s->tty = tg->pgroup->session->tty ? 0x8800 : 0; /* 136:0, the first pseudo-terminal */
		s->tpgid = tg->pgroup->session->foreground ? tg->pgroup->session->foreground->id : -1;
	}
	s->threads = tg->task_count;
	s->nice = t->nice;
	s->policy = t->sched_policy;
	s->priority = t->sched_priority;
	s->exit_signal = tg->exit_signal;
	s->exit_status = tg->exit_status;
	s->min_flt = t->min_flt;
	s->maj_flt = t->maj_flt;
	s->child_min_flt = (uint64_t)tg->dead_children.min_flt;
	s->child_maj_flt = (uint64_t)tg->dead_children.maj_flt;
	s->child_utime = tg->dead_children.utime_ns;
	s->child_stime = tg->dead_children.stime_ns;
	s->start = t->start_time;
	s->affinity = t->affinity;
	s->no_new_privs = t->no_new_privs;
	s->seccomp_mode = t->seccomp_mode;
	s->seccomp_filters = seccomp_filter_count_locked(t);
	s->cred = t->cred;
	if (s->cred)
		cred_get(s->cred);
	snapshot_signals_locked(s, t);
	if (!t->dead && t->mm) {
		mm = t->mm;
		mm_get(mm);
	}
	if (!t->dead && t->fs)
		fs = fs_context_get(t->fs);
	mutex_unlock(&tasks_lock);
	if (fs) {
		s->umask = (int)fs_context_umask(fs);
		fs_context_put(fs);
	}
	if (mm) {
		s->has_mm = true;
		mm_get_stats(mm, &s->mm);
		mm_put(mm);
	}
}

static void snapshot_drop(struct snapshot *s)
{
	if (s->cred)
		cred_put(s->cred);
}

/* Time since the machine booted at which the task was made. */
static uint64_t start_ticks(int64_t mono_start)
{
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	return proc_ticks((int64_t)boot.tv_sec * 1000000000 + boot.tv_nsec - (mono_now() - mono_start));
}

static void print_stat(struct text *out, struct task *t, bool whole_process)
{
	struct snapshot s;
	struct mm *mm = proc_mm_get(t);
	struct mm_exec_info none = { 0 }, *x = mm ? mm_exec_info(mm) : &none;

	snapshot_take(&s, t);
	if (whole_process)
		group_cputime(t->tg, &s.utime, &s.stime);
	else
		task_cputime(t, &s.utime, &s.stime);
	text_printf(out, "%d (%s) %c %d %d %d %u %d %u", whole_process ? s.pid : s.tid, s.comm, s.state, s.ppid, s.pgrp,
		    s.session, s.tty, s.tty ? s.tpgid : -1, 0x400000U);
	text_printf(out, " %lu %lu %lu %lu", s.min_flt, s.child_min_flt, s.maj_flt, s.child_maj_flt);
	text_printf(out, " %lu %lu %ld %ld", proc_ticks(s.utime), proc_ticks(s.stime), (long)proc_ticks(s.child_utime),
		    (long)proc_ticks(s.child_stime));
	text_printf(out, " %d %d %d 0 %lu", 20 + s.nice, s.nice, s.threads, start_ticks(s.start));
	text_printf(out, " %lu %ld %lu", s.mm.vm_bytes, (long)(s.mm.rss_bytes >> PAGE_SHIFT), UINT64_MAX);
	text_printf(out, " %lu %lu %lu 0 0", x->start_code, x->end_code, x->start_stack);
	text_printf(out, " %lu %lu %lu %lu 0 0 0", s.pending & 0x7fffffff, s.blocked & 0x7fffffff,
		    s.ignored & 0x7fffffff, s.caught & 0x7fffffff);
	text_printf(out, " %d 0 %d %d 0 0 0", s.exit_signal, s.priority, s.policy);
	text_printf(out, " %lu %lu %lu %lu %lu %lu %lu %d\n", x->start_data, x->end_data, x->start_brk, x->arg_start,
		    x->arg_end, x->env_start, x->env_end, s.state == 'Z' ? s.exit_status : 0);
	snapshot_drop(&s);
	if (mm)
		mm_put(mm);
}

void proc_pid_stat(struct text *out, struct task *t)
{
	print_stat(out, t, true);
}

void proc_task_stat(struct text *out, struct task *t)
{
	print_stat(out, t, false);
}

void proc_pid_statm(struct text *out, struct task *t)
{
	struct mm *mm = proc_mm_get(t);
	struct mm_stats m = { 0 };

	if (mm) {
		mm_get_stats(mm, &m);
		mm_put(mm);
	}
	text_printf(out, "%lu %lu %lu %lu 0 %lu 0\n", m.vm_bytes >> PAGE_SHIFT, m.rss_bytes >> PAGE_SHIFT,
		    (m.rss_file + m.rss_shmem) >> PAGE_SHIFT, m.exec_bytes >> PAGE_SHIFT,
		    (m.data_bytes + m.stack_bytes) >> PAGE_SHIFT);
}

static void print_affinity(struct text *out, const cpu_set_t *set)
{
	uint64_t word = 0;
	int first = -1;
	bool comma = false;

	for (int i = 0; i < 64; i++)
		word |= CPU_ISSET(i, set) ? 1ULL << i : 0;
	text_printf(out, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", word);
	for (int i = 0; i <= 64; i++) {
		bool on = i < 64 && (word >> i & 1);

		if (on && first < 0)
			first = i;
		if (on || first < 0)
			continue;
		text_printf(out, first == i - 1 ? "%s%d" : "%s%d-%d", comma ? "," : "", first, i - 1);
		comma = true;
		first = -1;
	}
	text_printf(out, "\n");
}

static void print_memory(struct text *out, const struct mm_stats *m)
{
	const struct {
		const char *name;
		uint64_t bytes;
	} rows[] = {
		{ "VmPeak", m->vm_peak },     { "VmSize", m->vm_bytes },
		{ "VmLck", m->locked_bytes }, { "VmPin", 0 },
		{ "VmHWM", m->rss_peak },     { "VmRSS", m->rss_bytes },
		{ "RssAnon", m->rss_bytes - m->rss_file - m->rss_shmem },
		{ "RssFile", m->rss_file },   { "RssShmem", m->rss_shmem },
		{ "VmData", m->data_bytes },  { "VmStk", m->stack_bytes },
		{ "VmExe", m->exec_bytes },   { "VmLib", 0 },
		{ "VmPTE", 0 },		      { "VmSwap", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		text_printf(out, "%s:\t%8lu kB\n", rows[i].name, rows[i].bytes >> 10);
	text_printf(out, "HugetlbPages:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t1\n");
}

static void print_ids(struct text *out, const struct cred *c)
{
	if (!c)
		return;
	text_printf(out, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid);
	text_printf(out, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->fsgid);
}

static void print_capabilities(struct text *out, const struct cred *c)
{
	if (!c)
		return;
	text_printf(out, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n",
		    c->cap_inheritable, c->cap_permitted, c->cap_effective, c->cap_bounding, c->cap_ambient);
}

void proc_pid_status(struct text *out, struct task *t)
{
	struct snapshot s;

	snapshot_take(&s, t);
	text_printf(out, "Name:\t%s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
		    s.comm, s.umask, state_name(s.state), s.pid, s.tid, s.ppid, s.tracer);
	print_ids(out, s.cred);
	text_printf(out, "FDSize:\t64\nGroups:\t");
	for (size_t i = 0; s.cred && i < s.cred->group_count; i++)
		text_printf(out, "%u ", s.cred->groups[i]);
	text_printf(out, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", s.pid, s.tid, s.pgrp, s.session);
	if (s.has_mm)
		print_memory(out, &s.mm);
	text_printf(out, "Threads:\t%d\nSigQ:\t0/%lu\n", s.threads, (unsigned long)task_rlimit(t, RLIMIT_SIGPENDING));
	text_printf(out, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		    s.pending, s.shared, s.blocked, s.ignored, s.caught);
	print_capabilities(out, s.cred);
	text_printf(out, "NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%zu\n", s.no_new_privs, s.seccomp_mode,
		    s.seccomp_filters);
	print_affinity(out, &s.affinity);
	text_printf(out, "Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\n"
			 "nonvoluntary_ctxt_switches:\t0\n");
	snapshot_drop(&s);
}

/* What t's memory holds of [start, end), a piece from the cursor on. */
static void print_guest_bytes(struct text *out, struct mm *mm, uint64_t start, uint64_t end, uint64_t *cursor)
{
	char buf[PROC_PIECE];
	ssize_t n;

	if (end < start || *cursor >= end - start)
		return;
	n = guest_peek(mm, buf, start + *cursor, MIN(sizeof(buf), end - start - *cursor));
	if (n <= 0)
		return;
	text_append(out, buf, (size_t)n);
	*cursor += (uint64_t)n;
}

void proc_pid_cmdline(struct text *out, struct task *t, uint64_t *cursor)
{
	struct mm *mm = proc_mm_get(t);

	if (!mm)
		return;
	print_guest_bytes(out, mm, mm_exec_info(mm)->arg_start, mm_exec_info(mm)->arg_end, cursor);
	mm_put(mm);
}

void proc_pid_environ(struct text *out, struct task *t, uint64_t *cursor)
{
	struct mm *mm = proc_mm_get(t);

	if (!mm)
		return;
	print_guest_bytes(out, mm, mm_exec_info(mm)->env_start, mm_exec_info(mm)->env_end, cursor);
	mm_put(mm);
}

void proc_pid_auxv(struct text *out, struct task *t)
{
	struct mm *mm = proc_mm_get(t);

	if (!mm)
		return;
	text_append(out, mm_exec_info(mm)->auxv, mm_exec_info(mm)->auxv_count * sizeof(uint64_t));
	mm_put(mm);
}

void proc_pid_comm(struct text *out, struct task *t)
{
	char comm[16];

	mutex_lock(&tasks_lock);
	memcpy(comm, t->comm, sizeof(comm));
	mutex_unlock(&tasks_lock);
	text_printf(out, "%.15s\n", comm);
}

void proc_pid_limits(struct text *out, struct task *t)
{
	static const struct {
		int resource;
		const char *name, *unit;
	} rows[] = {
		{ RLIMIT_CPU, "Max cpu time", "seconds" },
		{ RLIMIT_FSIZE, "Max file size", "bytes" },
		{ RLIMIT_DATA, "Max data size", "bytes" },
		{ RLIMIT_STACK, "Max stack size", "bytes" },
		{ RLIMIT_CORE, "Max core file size", "bytes" },
		{ RLIMIT_RSS, "Max resident set", "bytes" },
		{ RLIMIT_NPROC, "Max processes", "processes" },
		{ RLIMIT_NOFILE, "Max open files", "files" },
		{ RLIMIT_MEMLOCK, "Max locked memory", "bytes" },
		{ RLIMIT_AS, "Max address space", "bytes" },
		{ RLIMIT_LOCKS, "Max file locks", "locks" },
		{ RLIMIT_SIGPENDING, "Max pending signals", "signals" },
		{ RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes" },
		{ RLIMIT_NICE, "Max nice priority", "" },
		{ RLIMIT_RTPRIO, "Max realtime priority", "" },
		{ RLIMIT_RTTIME, "Max realtime timeout", "us" },
	};
	struct rlimit limits[RLIM_NLIMITS];

	mutex_lock(&tasks_lock);
	memcpy(limits, t->tg->rlimits, sizeof(limits));
	mutex_unlock(&tasks_lock);
	text_printf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const rlim_t v[2] = { limits[rows[i].resource].rlim_cur, limits[rows[i].resource].rlim_max };

		text_printf(out, "%-25s ", rows[i].name);
		for (int k = 0; k < 2; k++)
			if (v[k] == RLIM_INFINITY)
				text_printf(out, "%-20s ", "unlimited");
			else
				text_printf(out, "%-20lu ", (unsigned long)v[k]);
		text_printf(out, "%-10s\n", rows[i].unit);
	}
}

void proc_pid_io(struct text *out, struct task *t)
{
	(void)t;
	text_printf(out, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
			 "cancelled_write_bytes: 0\n");
}

void proc_pid_cgroup(struct text *out, struct task *t)
{
	(void)t;
	text_printf(out, "0::/\n");
}

void proc_pid_oom_score_adj(struct text *out, struct task *t)
{
	mutex_lock(&tasks_lock);
	int value = t->tg->oom_score_adj;
	mutex_unlock(&tasks_lock);
	text_printf(out, "%d\n", value);
}

void proc_pid_oom_score(struct text *out, struct task *t)
{
	(void)t;
	text_printf(out, "0\n");
}

void proc_pid_sched(struct text *out, struct task *t)
{
	struct snapshot s;

	snapshot_take(&s, t);
	text_printf(out, "%s (%d, #threads: %d)\npolicy : %d\nprio : %d\n", s.comm, s.pid, s.threads, s.policy,
		    120 + s.nice);
	snapshot_drop(&s);
}

void proc_pid_schedstat(struct text *out, struct task *t)
{
	int64_t utime, stime;

	task_cputime(t, &utime, &stime);
	text_printf(out, "%ld 0 0\n", utime + stime);
}

void proc_pid_wchan(struct text *out, struct task *t)
{
	(void)t;
	text_printf(out, "0");
}

void proc_pid_personality(struct text *out, struct task *t)
{
	text_printf(out, "%08lx\n", t->personality);
}

void proc_pid_loginuid(struct text *out, struct task *t)
{
	(void)t;
	text_printf(out, "4294967295");
}

void proc_pid_uid_map(struct text *out, struct task *t)
{
	(void)t;
	text_printf(out, "%10u %10u %10u\n", 0U, 0U, UINT32_MAX);
}
