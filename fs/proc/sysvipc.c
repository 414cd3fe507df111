/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/sysvipc: every System V object of the sandbox, in the columns of Linux, which ipcs(1) reads. */
#include "fs/proc/proc_internal.h"

#include "kernel/sysv_msg.h"

void proc_sysvipc_shm(struct text *out)
{
	struct shm_info info;
	struct shmid_ds d;

	text_printf(out, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      "
			 "dtime      ctime                   rss                  swap\n");
	for (int i = 0, top = shm_usage(&info); i <= top; i++) {
		uint64_t resident;
		int id = shm_stat(task_self(), i, SHM_STAT_ANY, &d);

		if (id < 0)
			continue;
		resident = shm_resident(i);
		text_printf(out, "%10d %10d  %4o %21lu %5u %5u  %5lu %5u %5u %5u %5u %10ld %10ld %10ld %21lu %21lu\n",
			    d.shm_perm.__key, id, d.shm_perm.mode, d.shm_segsz, (unsigned)d.shm_cpid, (unsigned)d.shm_lpid,
			    d.shm_nattch, d.shm_perm.uid, d.shm_perm.gid, d.shm_perm.cuid, d.shm_perm.cgid, d.shm_atime,
			    d.shm_dtime, d.shm_ctime, resident, 0UL);
	}
}

void proc_sysvipc_sem(struct text *out)
{
	struct semid_ds d;
	int sets, sems;

	text_printf(out, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
	for (int i = 0, top = sem_usage(&sets, &sems); i <= top; i++) {
		int id = sem_stat(task_self(), i, SEM_STAT_ANY, &d);

		if (id >= 0)
			text_printf(out, "%10d %10d  %4o %10lu %5u %5u %5u %5u %10ld %10ld\n", d.sem_perm.__key, id, d.sem_perm.mode,
				    d.sem_nsems, d.sem_perm.uid, d.sem_perm.gid, d.sem_perm.cuid, d.sem_perm.cgid, d.sem_otime,
				    d.sem_ctime);
	}
}

void proc_sysvipc_msg(struct text *out)
{
	struct msqid_ds d;
	int queues, messages, bytes;

	text_printf(out, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      "
			 "rtime      ctime\n");
	for (int i = 0, top = msg_usage(&queues, &messages, &bytes); i <= top; i++) {
		int id = msg_stat(task_self(), i, MSG_STAT_ANY, &d);

		if (id >= 0)
			text_printf(out, "%10d %10d  %4o  %10lu %10lu %5u %5u %5u %5u %5u %5u %10ld %10ld %10ld\n",
				    d.msg_perm.__key, id, d.msg_perm.mode, d.__msg_cbytes, d.msg_qnum, (unsigned)d.msg_lspid,
				    (unsigned)d.msg_lrpid, d.msg_perm.uid, d.msg_perm.gid, d.msg_perm.cuid, d.msg_perm.cgid,
				    d.msg_stime, d.msg_rtime, d.msg_ctime);
	}
}
