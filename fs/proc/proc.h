/* SPDX-License-Identifier: Apache-2.0 */
/* /proc. procfs_new() is declared in fs/vfs.h. */
#ifndef FS_PROC_H
#define FS_PROC_H

/* Opens the host files that /proc passes on (cpuinfo), while the host's /proc can still be reached. */
void proc_open_host_files(void);

/* The process whose directory /proc/PID f is, with a reference; NULL if it is something else. */
struct file;
struct thread_group;
struct thread_group *proc_group_of(struct file *f);

#endif
