/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID and /proc/PID/task/TID. */
#include "fs/proc/proc.h"
#include "fs/proc/tree.h"
#include "kernel/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- links: cwd, root, exe, ns --- */

static int link_cwd(struct pseudo_node *n, struct path *out)
{
	struct task *t = proc_node_task(n);
	struct fs_context *fs = NULL;

	mutex_lock(&tasks_lock);
	if (!t->dead && t->fs)
		fs = fs_context_get(t->fs);
	mutex_unlock(&tasks_lock);
	if (!fs)
		return -ENOENT;
	fs_context_cwd(fs, out);
	fs_context_put(fs);
	return 0;
}

static int link_root(struct pseudo_node *n, struct path *out)
{
	struct task *t = proc_node_task(n);
	struct fs_context *fs = NULL;

	mutex_lock(&tasks_lock);
	if (!t->dead && t->fs)
		fs = fs_context_get(t->fs);
	mutex_unlock(&tasks_lock);
	if (!fs)
		return -ENOENT;
	fs_context_root(fs, out);
	fs_context_put(fs);
	return 0;
}

static int link_exe(struct pseudo_node *n, struct path *out)
{
	struct mm *mm = proc_mm_get(proc_node_task(n));
	struct file *exe = mm ? mm_exec_info(mm)->exe : NULL;

	if (exe && exe->path) {
		*out = *exe->path;
		path_get(out);
	}
	if (mm)
		mm_put(mm);
	return exe && exe->path ? 0 : -ENOENT;
}

static const struct pseudo_ops cwd_ops = {
	.follow = link_cwd, .getattr = proc_node_getattr, .release = proc_node_release,
};
static const struct pseudo_ops root_link_ops = {
	.follow = link_root, .getattr = proc_node_getattr, .release = proc_node_release,
};
static const struct pseudo_ops exe_ops = {
	.follow = link_exe, .getattr = proc_node_getattr, .release = proc_node_release,
};

/* Every task lives in the same namespaces; the numbers are those of Linux's first ones. */
static const char *const namespaces[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };

static ssize_t ns_readlink(struct pseudo_node *n, char *buf, size_t size)
{
	int len = snprintf(buf, size, "%s:[%lu]", namespaces[n->id], 4026531834 + n->id);

	return MIN(len, (int)size);
}

static const struct pseudo_ops ns_link_ops = {
	.readlink = ns_readlink, .getattr = proc_node_getattr, .release = proc_node_release,
};

static int ns_lookup(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (strlen(namespaces[i]) == len && !memcmp(namespaces[i], name, len))
			return proc_node_new(dir->inode.fs, &ns_link_ops, S_IFLNK | 0777, proc_node_task(dir), i, out);
	return -ENOENT;
}

static int ns_iterate(struct pseudo_node *dir, int64_t from,
		      bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg)
{
	(void)dir;
	for (int64_t i = MAX(from, 0); i < (int64_t)ARRAY_SIZE(namespaces); i++)
		if (!emit(arg, namespaces[i], i, 4026531834 + (uint64_t)i, S_IFLNK))
			break;
	return 0;
}

static const struct pseudo_ops ns_dir_ops = {
	.lookup = ns_lookup, .iterate = ns_iterate, .getattr = proc_node_getattr, .release = proc_node_release,
};

/* --- task/ --- */

static int task_dir_lookup(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out)
{
	uint64_t tid;
	struct task *t;
	int err = -ENOENT;

	if (!proc_parse_id(name, len, &tid) || tid > INT32_MAX)
		return -ENOENT;
	t = task_lookup((pid_t)tid);
	if (!t)
		return -ENOENT;
	if (t->tg == proc_node_task(dir)->tg)
		err = proc_pid_dir(dir->inode.fs, t, PROC_THREAD, out);
	task_put(t);
	return err;
}

static int task_dir_iterate(struct pseudo_node *dir, int64_t from,
			    bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type),
			    void *arg)
{
	pid_t tids[4096];
	size_t n = group_tasks_list(proc_node_task(dir)->tg->tgid, tids, ARRAY_SIZE(tids));

	for (size_t i = 0; i < n; i++) {
		char name[16];

		if (tids[i] < from)
			continue;
		snprintf(name, sizeof(name), "%d", tids[i]);
		if (!emit(arg, name, tids[i], 0x20000000 + (uint64_t)tids[i], S_IFDIR))
			break;
	}
	return 0;
}

static const struct pseudo_ops task_dir_ops = {
	.lookup = task_dir_lookup, .iterate = task_dir_iterate, .getattr = proc_node_getattr, .release = proc_node_release,
};

/* --- the directory --- */

#define TEXT(name, mode, fn) { name, S_IFREG | (mode), fn, NULL, NULL }
#define PIECES(name, mode, fn) { name, S_IFREG | (mode), NULL, fn, NULL }
#define NODE(name, mode, ops) { name, mode, NULL, NULL, ops }

static const struct proc_entry process_entries[] = {
	NODE("task", S_IFDIR | 0555, &task_dir_ops),
	TEXT("stat", 0444, proc_pid_stat),
	/* from here on the same for threads */
	NODE("fd", S_IFDIR | 0500, &proc_fd_dir_ops),
	NODE("fdinfo", S_IFDIR | 0555, &proc_fdinfo_dir_ops),
	NODE("ns", S_IFDIR | 0511, &ns_dir_ops),
	NODE("cwd", S_IFLNK | 0777, &cwd_ops),
	NODE("root", S_IFLNK | 0777, &root_link_ops),
	NODE("exe", S_IFLNK | 0777, &exe_ops),
	NODE("mem", S_IFREG | 0600, &proc_mem_ops),
	NODE("pagemap", S_IFREG | 0400, &proc_pagemap_ops),
	TEXT("auxv", 0400, proc_pid_auxv),
	TEXT("cgroup", 0444, proc_pid_cgroup),
	PIECES("cmdline", 0444, proc_pid_cmdline),
	TEXT("comm", 0644, proc_pid_comm),
	PIECES("environ", 0400, proc_pid_environ),
	TEXT("gid_map", 0444, proc_pid_uid_map),
	TEXT("io", 0400, proc_pid_io),
	TEXT("limits", 0444, proc_pid_limits),
	TEXT("loginuid", 0444, proc_pid_loginuid),
	PIECES("maps", 0444, proc_pid_maps),
	TEXT("mountinfo", 0444, proc_pid_mountinfo),
	TEXT("mounts", 0444, proc_pid_mounts),
	TEXT("oom_score", 0444, proc_pid_oom_score),
	TEXT("oom_score_adj", 0644, proc_pid_oom_score_adj),
	TEXT("personality", 0400, proc_pid_personality),
	TEXT("sched", 0644, proc_pid_sched),
	TEXT("schedstat", 0444, proc_pid_schedstat),
	PIECES("smaps", 0444, proc_pid_smaps),
	TEXT("smaps_rollup", 0444, proc_pid_smaps_rollup),
	TEXT("statm", 0444, proc_pid_statm),
	TEXT("status", 0444, proc_pid_status),
	TEXT("uid_map", 0444, proc_pid_uid_map),
	TEXT("wchan", 0444, proc_pid_wchan),
};
enum { FIRST_COMMON = 2 };
static const struct proc_entry thread_stat = TEXT("stat", 0444, proc_task_stat);

static int process_lookup(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out)
{
	return proc_entries_lookup(process_entries, ARRAY_SIZE(process_entries), dir, name, len, out);
}

static int process_iterate(struct pseudo_node *dir, int64_t from,
			   bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg)
{
	return proc_entries_iterate(process_entries, ARRAY_SIZE(process_entries), dir, from, emit, arg);
}

static int thread_lookup(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out)
{
	int err = proc_entries_lookup(&thread_stat, 1, dir, name, len, out);

	if (err != -ENOENT)
		return err;
	return proc_entries_lookup(process_entries + FIRST_COMMON, ARRAY_SIZE(process_entries) - FIRST_COMMON, dir, name,
				   len, out);
}

static int thread_iterate(struct pseudo_node *dir, int64_t from,
			  bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg)
{
	/* Row 1 is "stat" in both views. */
	return proc_entries_iterate(process_entries, ARRAY_SIZE(process_entries), dir, MAX(from, 1), emit, arg);
}

static const struct pseudo_ops process_ops = {
	.lookup = process_lookup, .iterate = process_iterate, .getattr = proc_node_getattr, .release = proc_node_release,
};
static const struct pseudo_ops thread_ops = {
	.lookup = thread_lookup, .iterate = thread_iterate, .getattr = proc_node_getattr, .release = proc_node_release,
};

struct thread_group *proc_group_of(struct file *f)
{
	struct pseudo_node *n = pseudo_node_of_any(f->inode);

	if (!n || n->ops != &process_ops)
		return NULL;
	group_get(proc_node_task(n)->tg);
	return proc_node_task(n)->tg;
}

int proc_pid_dir(struct filesystem *fs, struct task *t, enum proc_view view, struct pseudo_node **out)
{
	return proc_node_new(fs, view == PROC_PROCESS ? &process_ops : &thread_ops, S_IFDIR | 0555, t, 0, out);
}
