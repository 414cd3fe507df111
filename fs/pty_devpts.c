/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-terminals as the files of /dev/pts: which there are, and whose. See pty.c. */
#include "fs/pty_internal.h"

#include <errno.h>

bool pty_exists(unsigned index)
{
	struct pty *p = pty_find(index);
	bool there;

	if (!p)
		return false;
	mutex_lock(&p->lock);
	there = !p->master_gone;
	mutex_unlock(&p->lock);
	tty_put(&p->tty);
	return there;
}

int pty_next(int from)
{
	for (int i = MAX(from, 0); i < PTY_MAX; i++)
		if (pty_exists((unsigned)i))
			return i;
	return -1;
}

int pty_attr(unsigned index, uid_t *uid, gid_t *gid, uint32_t *mode)
{
	struct pty *p = pty_find(index);

	if (!p)
		return -ENOENT;
	mutex_lock(&p->lock);
	*uid = p->uid;
	*gid = p->gid;
	*mode = p->mode;
	mutex_unlock(&p->lock);
	tty_put(&p->tty);
	return 0;
}

int pty_set_attr(unsigned index, const uid_t *uid, const gid_t *gid, const uint32_t *mode)
{
	struct pty *p = pty_find(index);

	if (!p)
		return -ENOENT;
	mutex_lock(&p->lock);
	if (uid)
		p->uid = *uid;
	if (gid)
		p->gid = *gid;
	if (mode)
		p->mode = *mode & 07777;
	mutex_unlock(&p->lock);
	tty_put(&p->tty);
	return 0;
}
