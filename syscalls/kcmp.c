/* SPDX-License-Identifier: Apache-2.0 */
/* kcmp(2): do two tasks share a thing? What is compared are the sentry's own objects. The order that the call gives to different ones
 * must be total and lasting but must not tell where they lie, so addresses are disguised as Linux disguises its own, by a secret
 * pair of numbers for each type. Objects that the sandbox does not have (input and output contexts, semaphore undo lists) are as equal
 * as those of two Linux tasks that have never used them. */
#include "fs/event.h"
#include "fs/fdtable.h"
#include "fs/file.h"
#include "kernel/process.h"
#include "mm/guest.h"
#include "syscalls/syscalls.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sys/random.h>

static uint64_t secrets[KCMP_TYPES][2];

static void make_secrets(void)
{
	/* Without randomness the order still serves; what it tells is not a secret that anything rests on. */
	if (getrandom(secrets, sizeof(secrets), GRND_NONBLOCK) != sizeof(secrets))
		secrets[0][0] = (uint64_t)mono_now();
	for (int i = 0; i < KCMP_TYPES; i++)
		secrets[i][1] |= 1; /* odd: no two products are the same */
}

static int64_t compare(const void *a, const void *b, int type)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_secrets);
	uint64_t x = ((uint64_t)a ^ secrets[type][0]) * secrets[type][1];
	uint64_t y = ((uint64_t)b ^ secrets[type][0]) * secrets[type][1];

	return x < y ? 1 : x > y ? 2 : 0;
}

/* The file behind a descriptor of t, with a reference; NULL: none. */
static struct file *file_of(struct task *t, uint64_t fd)
{
	struct fdtable *files;
	struct file *f = NULL;

	mutex_lock(&tasks_lock);
	files = t->files ? fdtable_get(t->files) : NULL;
	mutex_unlock(&tasks_lock);
	if (!files)
		return NULL;
	if (fd <= INT32_MAX)
		f = fd_lookup_any(files, (int)fd);
	fdtable_put(files);
	return f;
}

static int64_t compare_files(struct task *one, struct task *two, uint64_t fd1, uint64_t fd2)
{
	struct file *a = file_of(one, fd1), *b = file_of(two, fd2);
	int64_t r = a && b ? compare(a, b, KCMP_FILE) : -EBADF;

	if (a)
		file_put(a);
	if (b)
		file_put(b);
	return r;
}

/* Is the file behind fd of `one` what an epoll of `two` watches? t says at addr which epoll, under which number, and the how manieth. */
static int64_t compare_watched(struct task *t, struct task *one, struct task *two, uint64_t fd, uint64_t addr)
{
	struct kcmp_epoll_slot slot;
	const struct file *target;
	struct file *f, *ep;
	int64_t r = guest_read(t->mm, &slot, addr, sizeof(slot));

	if (r)
		return r;
	f = file_of(one, fd);
	ep = f ? file_of(two, slot.efd) : NULL;
	if (!ep) {
		r = -EBADF;
	} else if (!file_is_epoll(ep)) {
		r = -EINVAL;
	} else {
		target = epoll_target(ep, (int)slot.tfd, slot.toff);
		r = target ? compare(f, target, KCMP_FILE) : -ENOENT;
	}
	if (ep)
		file_put(ep);
	if (f)
		file_put(f);
	return r;
}

static int64_t compare_parts(struct task *one, struct task *two, int type)
{
	int64_t r;

	mutex_lock(&tasks_lock);
	switch (type) {
	case KCMP_VM:
		r = compare(one->mm, two->mm, type);
		break;
	case KCMP_FILES:
		r = compare(one->files, two->files, type);
		break;
	case KCMP_FS:
		r = compare(one->fs, two->fs, type);
		break;
	case KCMP_SIGHAND:
		r = compare(one->sighand, two->sighand, type);
		break;
	case KCMP_IO:
	case KCMP_SYSVSEM:
		r = compare(NULL, NULL, type);
		break;
	default:
		r = -EINVAL;
	}
	mutex_unlock(&tasks_lock);
	return r;
}

int64_t sys_kcmp(struct task *t, const uint64_t a[6])
{
	int type = (int)a[2];
	int64_t r = -ESRCH;
	struct task *one = task_lookup((pid_t)a[0]), *two = task_lookup((pid_t)a[1]);

	if (one && two) {
		r = -EPERM;
		if (task_may_access(t, one) && task_may_access(t, two))
			r = type == KCMP_FILE	   ? compare_files(one, two, a[3], a[4]) :
			    type == KCMP_EPOLL_TFD ? compare_watched(t, one, two, a[3], a[4]) :
						     compare_parts(one, two, type);
	}
	if (one)
		task_put(one);
	if (two)
		task_put(two);
	return r;
}
