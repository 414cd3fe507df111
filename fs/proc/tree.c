/* SPDX-License-Identifier: Apache-2.0 */
/* The root of /proc and what all its nodes share; see tree.h. */
#include "fs/proc/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROC_MAGIC = 0x9fa0, PIDS_MAX = 32768, COOKIE_PIDS = 256 };

/* --- nodes of tasks --- */

struct task *proc_node_task(struct pseudo_node *n)
{
	return n->data;
}

void proc_node_release(struct pseudo_node *n)
{
	if (n->data)
		task_put(n->data);
}

void proc_node_getattr(struct pseudo_node *n, struct attr *out)
{
	struct task *t = n->data;

	if (!t)
		return;
	mutex_lock(&tasks_lock);
	if (t->cred) {
		out->uid = t->cred->euid;
		out->gid = t->cred->egid;
	}
	mutex_unlock(&tasks_lock);
}

int proc_node_new(struct filesystem *fs, const struct pseudo_ops *ops, uint32_t mode, struct task *t, uint64_t id,
		  struct pseudo_node **out)
{
	int err = pseudo_node_new(fs, ops, mode, t, out);

	if (err)
		return err;
	task_get(t);
	(*out)->id = id;
	return 0;
}

/* --- tables of entries --- */

/* Nobody can ask about t any more: a thread that ended, a process that was waited for. */
static bool task_gone(struct task *t)
{
	bool gone;

	mutex_lock(&tasks_lock);
	gone = t->dead && t->tg->leader != t;
	mutex_unlock(&tasks_lock);
	return gone;
}

/* A text file of a task: `id` is the address of its generator's row. */
static int task_text_show(struct pseudo_node *n, struct text *out)
{
	const struct proc_entry *e = (const struct proc_entry *)(uintptr_t)n->id;

	if (task_gone(proc_node_task(n)))
		return -ESRCH;
	e->text(out, proc_node_task(n));
	return 0;
}

static int task_text_show_piece(struct pseudo_node *n, uint64_t *cursor, struct text *out)
{
	const struct proc_entry *e = (const struct proc_entry *)(uintptr_t)n->id;

	if (task_gone(proc_node_task(n)))
		return -ESRCH;
	e->piece(out, proc_node_task(n), cursor);
	return 0;
}

/* The settings that a task may write: its name, and the out-of-memory score, which is kept and has no effect. */
static ssize_t task_text_store(struct pseudo_node *n, struct task *writer, char *data, size_t len, off_t pos)
{
	const struct proc_entry *e = (const struct proc_entry *)(uintptr_t)n->id;
	struct task *t = proc_node_task(n);

	(void)pos;
	if (e->text == proc_pid_comm) {
		if (writer->tg != t->tg)
			return -EINVAL;
		mutex_lock(&tasks_lock);
		snprintf(t->comm, sizeof(t->comm), "%.*s", (int)strcspn(data, "\n"), data);
		mutex_unlock(&tasks_lock);
		return (ssize_t)len;
	}
	if (e->text == proc_pid_oom_score_adj) {
		char *end;
		long v = strtol(data, &end, 10);

		if (end == data || v < -1000 || v > 1000)
			return -EINVAL;
		mutex_lock(&tasks_lock);
		t->tg->oom_score_adj = (int)v;
		mutex_unlock(&tasks_lock);
		return (ssize_t)len;
	}
	return -EACCES;
}

static const struct pseudo_ops task_text_ops = {
	.show = task_text_show,
	.store = task_text_store,
	.getattr = proc_node_getattr,
	.release = proc_node_release,
};

static const struct pseudo_ops task_piece_ops = {
	.show_piece = task_text_show_piece,
	.getattr = proc_node_getattr,
	.release = proc_node_release,
};

int proc_entries_lookup(const struct proc_entry *table, size_t count, struct pseudo_node *dir, const char *name, size_t len,
			struct pseudo_node **out)
{
	if (task_gone(proc_node_task(dir)))
		return -ESRCH;
	for (size_t i = 0; i < count; i++) {
		const struct proc_entry *e = &table[i];

		if (strlen(e->name) != len || memcmp(e->name, name, len))
			continue;
		return proc_node_new(dir->inode.fs, e->text ? &task_text_ops : e->piece ? &task_piece_ops : e->ops, e->mode,
				     proc_node_task(dir), e->ops ? dir->id : (uintptr_t)e, out);
	}
	return -ENOENT;
}

int proc_entries_iterate(const struct proc_entry *table, size_t count, struct pseudo_node *dir, int64_t from,
			 bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg)
{
	for (int64_t i = MAX(from, 0); i < (int64_t)count; i++)
		if (!emit(arg, table[i].name, i, dir->inode.ino + 1 + (uint64_t)i, table[i].mode & S_IFMT))
			break;
	return 0;
}

bool proc_parse_id(const char *name, size_t len, uint64_t *out)
{
	*out = 0;
	if (!len || len > 10 || (name[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(name[i] - '0');
	}
	return true;
}

/* --- the root --- */

static int root_lookup(struct pseudo_node *dir, const char *name, size_t len, struct pseudo_node **out)
{
	uint64_t pid;
	struct task *t;
	int err;

	if (!proc_parse_id(name, len, &pid) || pid > INT32_MAX)
		return -ENOENT;
	/* A thread's id names its process here too, though it is not listed: as in Linux. */
	t = task_lookup((pid_t)pid);
	if (!t)
		return -ENOENT;
	err = proc_pid_dir(dir->inode.fs, t, PROC_PROCESS, out);
	task_put(t);
	return err;
}

static int root_iterate(struct pseudo_node *dir, int64_t from,
			bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg)
{
	pid_t *pids = malloc(PIDS_MAX * sizeof(*pids));
	size_t n;

	(void)dir;
	if (!pids)
		return -ENOMEM;
	n = groups_list(pids, PIDS_MAX);
	/* The cookie is the pid itself, so a listing goes on where it stopped whoever came or went. */
	for (size_t i = 0; i < n; i++) {
		char name[16];

		if (pids[i] < from)
			continue;
		snprintf(name, sizeof(name), "%d", pids[i]);
		if (!emit(arg, name, pids[i], 0x10000 + (uint64_t)pids[i], S_IFDIR))
			break;
	}
	free(pids);
	return 0;
}

static const struct pseudo_ops root_ops = { .lookup = root_lookup, .iterate = root_iterate };

static ssize_t self_readlink(struct pseudo_node *n, char *buf, size_t size)
{
	struct task *t = task_self();

	(void)n;
	if (!t)
		return -ENOENT;
	return MIN(snprintf(buf, size, "%d", t->tg->tgid), (int)size);
}

static ssize_t thread_self_readlink(struct pseudo_node *n, char *buf, size_t size)
{
	struct task *t = task_self();

	(void)n;
	if (!t)
		return -ENOENT;
	return MIN(snprintf(buf, size, "%d/task/%d", t->tg->tgid, t->tid), (int)size);
}

static const struct pseudo_ops self_ops = { .readlink = self_readlink };
static const struct pseudo_ops thread_self_ops = { .readlink = thread_self_readlink };

/* --- static files --- */

static const struct {
	const char *path;
	void (*text)(struct text *out);
} system_files[] = {
	{ "cmdline", proc_cmdline_text }, { "cpuinfo", proc_cpuinfo }, { "filesystems", proc_filesystems },
	{ "loadavg", proc_loadavg },	  { "meminfo", proc_meminfo }, { "stat", proc_stat },
	{ "uptime", proc_uptime },	  { "version", proc_version }, { "sysvipc/msg", proc_sysvipc_msg },
	{ "sysvipc/sem", proc_sysvipc_sem }, { "sysvipc/shm", proc_sysvipc_shm },
};

static int system_show(struct pseudo_node *n, struct text *out)
{
	system_files[n->id].text(out);
	return 0;
}

static const struct pseudo_ops system_ops = { .show = system_show };

static int sysctl_show(struct pseudo_node *n, struct text *out)
{
	const struct proc_sysctl *s = n->data;

	if (s->text)
		s->text(out);
	else
		text_append(out, s->value, strlen(s->value));
	return 0;
}

static const struct pseudo_ops sysctl_ops = { .show = sysctl_show };

/* Adds a file at `path` below dir, with the directories on the way to it. NULL: no memory. */
static struct pseudo_node *add_file(struct pseudo_node *dir, const char *path, const struct pseudo_ops *ops, void *data)
{
	const char *p = path, *slash;

	for (; (slash = strchr(p, '/')); p = slash + 1) {
		char name[64];
		struct pseudo_node *next = NULL;

		snprintf(name, sizeof(name), "%.*s", (int)(slash - p), p);
		next = pseudo_child(dir, name);
		if (!next)
			next = pseudo_dir(dir, name, 0555, NULL, NULL);
		if (!next)
			return NULL;
		dir = next;
	}
	return pseudo_file(dir, p, 0444, ops, data);
}

static int build(struct pseudo_node *root)
{
	struct pseudo_node *sys;

	for (size_t i = 0; i < ARRAY_SIZE(system_files); i++) {
		struct pseudo_node *n = add_file(root, system_files[i].path, &system_ops, NULL);

		if (!n)
			return -ENOMEM;
		n->id = i;
	}
	if (!pseudo_magic_link(root, "self", &self_ops, NULL) ||
	    !pseudo_magic_link(root, "thread-self", &thread_self_ops, NULL) ||
	    !pseudo_symlink(root, "mounts", "self/mounts"))
		return -ENOMEM;
	sys = pseudo_dir(root, "sys", 0555, NULL, NULL);
	if (!sys)
		return -ENOMEM;
	for (size_t i = 0; i < proc_sysctl_count; i++)
		if (!add_file(sys, proc_sysctls[i].path, &sysctl_ops, (void *)&proc_sysctls[i]))
			return -ENOMEM;
	return 0;
}

int procfs_new(struct filesystem **out)
{
	int err = pseudo_fs_new("proc", PROC_MAGIC, true, out);

	if (err)
		return err;
	pseudo_root(*out)->ops = &root_ops;
	return build(pseudo_root(*out));
}
