/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd(2).
 *
 * A signalfd reports the signals of whoever reads or polls it, which need not be the process that made it. What waits on it waits
 * on the queue of its own process at that time; those queues live for ever (signal_waitq).
 */
#include "fs/event.h"
#include "fs/vfs.h"
#include "kernel/task.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

struct signalfd {
	_Atomic sigset_guest mask;
	struct waitq idle; /* for threads that run no task */
};

static const struct file_ops signalfd_ops;

static void encode(struct signalfd_siginfo *out, const siginfo_t *in)
{
	memset(out, 0, sizeof(*out));
	out->ssi_signo = (uint32_t)in->si_signo;
	out->ssi_errno = in->si_errno;
	out->ssi_code = in->si_code;
	switch (in->si_signo) {
	case SIGCHLD:
		out->ssi_status = in->si_status;
		out->ssi_utime = (uint64_t)in->si_utime;
		out->ssi_stime = (uint64_t)in->si_stime;
		break;
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
		if (in->si_code > 0) {
			out->ssi_addr = (uint64_t)(uintptr_t)in->si_addr;
			return;
		}
		break;
	case SIGPOLL:
		if (in->si_code > 0 && in->si_code != SI_KERNEL) {
			out->ssi_band = (uint32_t)in->si_band;
			out->ssi_fd = in->si_fd;
			return;
		}
		break;
	}
	if (in->si_code == SI_TIMER) {
		out->ssi_tid = (uint32_t)in->si_timerid;
		out->ssi_overrun = (uint32_t)in->si_overrun;
	} else {
		out->ssi_pid = (uint32_t)in->si_pid;
		out->ssi_uid = in->si_uid;
	}
	out->ssi_int = in->si_int;
	out->ssi_ptr = (uint64_t)(uintptr_t)in->si_ptr;
}

static bool take_signal(struct signalfd *s, siginfo_t *info)
{
	struct task *t = task_self();
	bool found;

	if (!t)
		return false;
	mutex_lock(&tasks_lock);
	found = signal_dequeue_locked(t, atomic_load(&s->mask), info);
	mutex_unlock(&tasks_lock);
	return found;
}

static ssize_t signalfd_read(struct file *f, struct io *io, off_t *pos, int flags)
{
	struct signalfd *s = f->private;
	struct signalfd_siginfo one;
	siginfo_t info;
	ssize_t total = 0, r;

	(void)pos, (void)flags;
	if (io->left < sizeof(one))
		return -EINVAL;
	while (io->left >= sizeof(one) && take_signal(s, &info)) {
		encode(&one, &info);
		r = io_put(io, &one, sizeof(one));
		if (r != sizeof(one))
			return total ? total : -EFAULT;
		total += r;
	}
	return total ? total : -EAGAIN;
}

static uint32_t signalfd_poll(struct file *f)
{
	struct signalfd *s = f->private;
	struct task *t = task_self();

	return t && (signal_pending_set(t) & atomic_load(&s->mask)) ? POLLIN | POLLRDNORM : 0;
}

static struct waitq *signalfd_waitq(struct file *f)
{
	struct task *t = task_self();

	return t ? signal_waitq(t) : &((struct signalfd *)f->private)->idle;
}

static void signalfd_fdinfo(struct file *f, char *buf, size_t size)
{
	snprintf(buf, size, "sigmask:\t%016lx\n", atomic_load(&((struct signalfd *)f->private)->mask));
}

static void signalfd_release(struct file *f)
{
	free(f->private);
}

static const struct file_ops signalfd_ops = {
	.type = "signalfd",
	.read = signalfd_read,
	.seek = noop_seek,
	.poll = signalfd_poll,
	.waitq = signalfd_waitq,
	.fdinfo = signalfd_fdinfo,
	.release = signalfd_release,
};

bool file_is_signalfd(const struct file *f)
{
	return f->ops == &signalfd_ops;
}

void signalfd_set_mask(struct file *f, sigset_guest mask)
{
	struct signalfd *s = f->private;

	atomic_store(&s->mask, mask & ~(sig_bit(SIGKILL) | sig_bit(SIGSTOP)));
	if (task_self())
		waitq_notify(signal_waitq(task_self()), POLLIN | POLLRDNORM);
}

int signalfd_new(sigset_guest mask, int flags, struct file **out)
{
	struct signalfd *s = calloc(1, sizeof(*s));
	struct inode *inode;
	int err;

	if (!s)
		return -ENOMEM;
	waitq_init(&s->idle);
	err = anon_inode_new(0600, "anon_inode:[signalfd]", &inode);
	if (err)
		goto out_free;
	*out = file_new(&signalfd_ops, O_RDWR | (flags & O_NONBLOCK), NULL, inode, s);
	if (!*out) {
		inode_put(inode);
		err = -ENOMEM;
		goto out_free;
	}
	signalfd_set_mask(*out, mask);
	return 0;
out_free:
	free(s);
	return err;
}
