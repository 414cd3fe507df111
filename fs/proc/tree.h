/* SPDX-License-Identifier: Apache-2.0 */
/* How /proc's directories are put together: internal to fs/proc.
 *
 * Theory of operation. The root has static children (whole-system files, sys/) and looks up numbers dynamically. Everything below a
 * number is made at lookup from a table of entries; a node holds a reference to its task, so it stays valid, and answers ENOENT or ESRCH, after
 * the task is gone. Nothing is cached: the file system keeps no dentries, for tasks come and go.
 */
#ifndef FS_PROC_TREE_H
#define FS_PROC_TREE_H

#include "fs/proc/proc_internal.h"
#include "fs/pseudo.h"

enum proc_view { PROC_PROCESS, PROC_THREAD };

struct proc_entry {
	const char *name;
	uint32_t mode; /* with the type */
	void (*text)(struct text *out, struct task *t); /* text files, or */
	void (*piece)(struct text *out, struct task *t, uint64_t *cursor); /* long ones: pseudo_ops.show_piece */
	const struct pseudo_ops *ops; /* anything else */
};

/* A node for `t` with a reference of its own to it. id is the maker's number (a descriptor). */
int proc_node_new(struct filesystem *fs, const struct pseudo_ops *ops, uint32_t mode, struct task *t, uint64_t id,
		  struct pseudo_node **out) MUST_CHECK;
struct task *proc_node_task(struct pseudo_node *n);
void proc_node_getattr(struct pseudo_node *n, struct attr *out);
void proc_node_release(struct pseudo_node *n);

/* Finds or lists the entries of a table for a task. */
int proc_entries_lookup(const struct proc_entry *table, size_t count, struct pseudo_node *dir, const char *name, size_t len,
			struct pseudo_node **out) MUST_CHECK;
int proc_entries_iterate(const struct proc_entry *table, size_t count, struct pseudo_node *dir, int64_t from,
			 bool (*emit)(void *arg, const char *name, int64_t cookie, uint64_t ino, uint32_t type), void *arg);

/* The directory of a process (/proc/N) or a thread (/proc/N/task/M): pid_dir.c */
int proc_pid_dir(struct filesystem *fs, struct task *t, enum proc_view view, struct pseudo_node **out) MUST_CHECK;
/* A decimal number without sign or leading zero: false if name is none. */
bool proc_parse_id(const char *name, size_t len, uint64_t *out);

extern const struct pseudo_ops proc_fd_dir_ops, proc_fdinfo_dir_ops; /* fd.c */
extern const struct pseudo_ops proc_mem_ops, proc_pagemap_ops; /* mem.c */

#endif
