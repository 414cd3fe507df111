/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper: a sentry thread that makes stub processes and keeps their descriptors.
 *
 * It owns the template stub, so only it can inject the clone that makes another stub. It is the stubs' real parent (clone
 * with CLONE_PARENT), so their parent-death signals hang on its life; it lives as long as the platform.
 *
 * Its descriptor table is not the sentry's but the stubs': it leaves the sentry's table, closes all it finds, and shares
 * what it has with the template and so with every stub. A host file that is to be mapped is sent to it once over a unix
 * socket; the number under which it arrives serves all stubs. Descriptors 0 and 2 are its end of the socket (2 so that nothing the
 * C library ever writes to standard error can reach a file of a guest), 1 is the batch file.
 *
 * Requests are structures on the requester's stack; their address travels with the message, and `state` is a futex. A socket
 * orders nothing as far as the language's memory model goes, so `state` is also what publishes a request. The keeper must not
 * log, nor use any descriptor of the sentry.
 */
#include "platform/ptrace/template_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_FILE_PIECES = 16384, KEEPER_STACK = 256 << 10 };
enum { FD_SOCKET = 0, FD_NOWHERE = 2, FD_FIRST_FREE = 3 };

enum { STATE_NEW, STATE_SENT, STATE_DONE };
enum request_kind { REQUEST_START, REQUEST_STUB, REQUEST_FILE, REQUEST_DROP, REQUEST_QUIT };

struct request {
	enum request_kind kind;
	int result;
	_Atomic uint32_t state; /* STATE_*; the futex */
};

/* What crosses the socket. A drop needs no answer, so it carries its argument itself. */
struct message {
	struct request *request; /* NULL: close descriptor `drop` */
	int drop;
};

static struct {
	pthread_t thread;
	int socket; /* the sentry's end */
	int far_socket, batch_fd; /* the keeper's end and the batch file, until it has left the sentry's table */
	struct stub_call *batch; /* the batch file, mapped */
	struct template_boot *boot;
	const char *why; /* the step of keeper_boot() that failed */
	struct request *start;
	struct platform_ctx template; /* as is NULL: injected singly, never run */
	struct mutex files; /* one file is sent once */
} keeper = { .socket = -1, .far_socket = -1, .batch_fd = -1, .files = MUTEX_INITIALIZER };

/* --- the keeper's side --- */

static void request_finish(struct request *r, int result)
{
	r->result = result;
	atomic_store(&r->state, STATE_DONE);
	ptrace_futex_wake(&r->state, 1);
}

/* Raw: the numbers are of the keeper's table, and whoever watches the sentry's by number must not be misled. */
static void keeper_close(int fd)
{
	syscall(SYS_close, fd);
}

static void close_from(unsigned first)
{
	struct rlimit lim;
	unsigned max = 65536;

	if (!syscall(SYS_close_range, first, ~0U, 0))
		return;
	if (!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur < max)
		max = (unsigned)lim.rlim_cur;
	for (unsigned fd = first; fd < max; fd++)
		keeper_close((int)fd);
}

/* Leaves the sentry's descriptor table. */
static int keeper_split_files(void)
{
	int high_socket, high_batch;

	if (unshare(CLONE_FILES) && syscall(SYS_close_range, ~0U, ~0U, CLOSE_RANGE_UNSHARE))
		return -errno;
	/* Out of the way of the numbers they are to have. */
	high_socket = fcntl(keeper.far_socket, F_DUPFD, FD_FIRST_FREE);
	high_batch = fcntl(keeper.batch_fd, F_DUPFD, FD_FIRST_FREE);
	if (high_socket < 0 || high_batch < 0)
		return -errno;
	if (dup2(high_socket, FD_SOCKET) < 0 || dup2(high_batch, STUB_FD_BATCH) < 0)
		return -errno;
	/* A sanitizer's report about this thread is to be seen, and would fill the socket. */
	if (!SANITIZED && dup2(high_socket, FD_NOWHERE) < 0)
		return -errno;
	close_from(FD_FIRST_FREE);
	return 0;
}

static const char *step_name(uint32_t step)
{
	switch (step) {
	case TEMPLATE_RSEQ:
		return "rseq";
	case TEMPLATE_PDEATHSIG:
		return "parent-death signal";
	case TEMPLATE_MAP:
		return "mapping the stub page";
	case TEMPLATE_NO_NEW_PRIVS:
		return "no_new_privs";
	case TEMPLATE_FILTER:
		return "seccomp filter";
	default:
		return "template stub";
	}
}

/* Waits until the child sleeps in the stub page. Once, for well under a millisecond. */
static int template_await(pid_t pid)
{
	const struct timespec nap = { 0, 50000 };
	struct template_boot *b = keeper.boot;
	uint32_t step;

	while ((step = atomic_load(&b->step)) == TEMPLATE_BEGUN) {
		if (waitpid(pid, NULL, WNOHANG | __WALL) == pid)
			return -ECHILD;
		nanosleep(&nap, NULL);
	}
	if (step == TEMPLATE_READY)
		return 0;
	keeper.why = step_name(step);
	waitpid(pid, NULL, __WALL);
	return -b->error;
}

static int template_seize(struct platform_ctx *t)
{
	int status;

	keeper.why = "ptrace";
	if (ptrace(PTRACE_SEIZE, t->tid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP) ||
	    ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL))
		return -errno;
	return ctx_wait_stop(t, &status);
}

static int template_unmap(struct platform_ctx *t, uint64_t start, uint64_t end)
{
	const struct stub_call c = { .nr = SYS_munmap, .args = { start, end - start } };
	int64_t r = 0;

	if (start < end && inject_one(t, &c, &r))
		return -EOWNERDEAD;
	return (int)r;
}

/* What is left of the sentry in the template goes. */
static int template_empty(struct platform_ctx *t)
{
	const struct template_boot *b = keeper.boot;
	uint64_t start = b->kept_start ? b->kept_start : STUB_BATCH, end = b->kept_end ? b->kept_end : STUB_BATCH;
	int r;

	keeper.why = "emptying the template stub";
	r = template_unmap(t, 0, start);
	return r ? r : template_unmap(t, end, STUB_CODE);
}

static void layout_set(const struct template_boot *b)
{
	layout.vdso = b->vdso_ehdr;
	layout.kept_start = b->kept_start;
	layout.kept_end = b->kept_end;
	layout.max_addr = b->kept_start ? b->kept_start : STUB_BATCH;
}

static int keeper_boot(void)
{
	struct platform_ctx *t = &keeper.template;
	pid_t pid;
	int r;

	keeper.why = "unshare of the descriptor table";
	r = keeper_split_files();
	if (r)
		return r;
	keeper.why = "fork of the template stub";
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return -errno;
	if (!pid)
		template_child(keeper.boot);
	t->tgid = t->tid = pid;
	atomic_init(&t->cpu, -1);
	r = template_await(pid);
	if (r)
		return r;
	r = template_seize(t);
	if (!r) {
		regs_fresh(t);
		r = template_empty(t);
	}
	if (!r) {
		xstate_init(pid);
		layout_set(keeper.boot);
	} else {
		kill(pid, SIGKILL);
	}
	return r;
}

static int keeper_clone_stub(void)
{
	int64_t pid;

	if (inject_clone(&keeper.template, STUB_PROCESS_FLAGS, &pid))
		return -EAGAIN;
	return (int)pid;
}

/* The next message, and the descriptor that came with it or -1. */
static bool keeper_receive(struct message *m, int *fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	do {
		n = syscall(SYS_recvmsg, FD_SOCKET, &msg, 0);
	} while (n < 0 && errno == EINTR);
	*fd = msg.msg_flags & MSG_CTRUNC ? -EMFILE : -EBADF;
	c = CMSG_FIRSTHDR(&msg);
	if (n == sizeof(*m) && c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	return n == sizeof(*m);
}

static void *keeper_main(void *arg)
{
	struct message m;
	int fd, r;

	(void)arg;
	r = keeper_boot();
	request_finish(keeper.start, r);
	if (r)
		return NULL;
	while (keeper_receive(&m, &fd)) {
		struct request *q = m.request;

		if (q && atomic_load(&q->state) != STATE_SENT)
			break;
		if (!q) {
			if (m.drop >= FD_FIRST_FREE)
				keeper_close(m.drop);
		} else if (q->kind == REQUEST_STUB) {
			request_finish(q, keeper_clone_stub());
		} else if (q->kind == REQUEST_FILE) {
			request_finish(q, fd);
		} else {
			break;
		}
	}
	kill(keeper.template.tgid, SIGKILL);
	while (waitpid(keeper.template.tgid, NULL, __WALL) < 0 && errno == EINTR)
		;
	close_from(0);
	return NULL;
}

/* --- the other threads' side --- */

static int keeper_send(const struct message *m, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)m, sizeof(*m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.room);
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
						 .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(keeper.socket, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int request_await(struct request *q)
{
	uint32_t state;

	while ((state = atomic_load(&q->state)) != STATE_DONE)
		ptrace_futex_wait(&q->state, state);
	return q->result;
}

/* Sends q, with descriptor fd if that is not -1. */
static int request_send(struct request *q, int fd)
{
	const struct message m = { .request = q };

	atomic_store(&q->state, STATE_SENT);
	return keeper_send(&m, fd);
}

static int keeper_ask(enum request_kind kind, int fd)
{
	struct request q = { .kind = kind };
	int r = request_send(&q, fd);

	return r ? r : request_await(&q);
}

pid_t keeper_new_stub(void)
{
	return keeper_ask(REQUEST_STUB, -1);
}

struct stub_call *keeper_batch(unsigned index)
{
	return keeper.batch + (size_t)index * BATCH_MAX;
}

int file_slot(struct platform_file *f)
{
	int slot = atomic_load_explicit(&f->slot, memory_order_acquire);

	if (LIKELY(slot >= 0))
		return slot;
	mutex_lock(&keeper.files);
	slot = atomic_load(&f->slot);
	if (slot < 0) {
		slot = f->fd < 0 ? -EBADF : keeper_ask(REQUEST_FILE, f->fd);
		if (slot >= 0)
			atomic_store(&f->slot, slot);
	}
	mutex_unlock(&keeper.files);
	return slot;
}

void platform_file_init(struct platform_file *f, int fd)
{
	f->fd = fd;
	atomic_init(&f->slot, -1);
}

void platform_file_fini(struct platform_file *f)
{
	const struct message m = { .drop = atomic_exchange(&f->slot, -1) };

	/* Ordered before any later request, so the number is free when it is next handed out. */
	if (m.drop >= 0)
		(void)!keeper_send(&m, -1);
}

/* --- start and stop --- */

static int keeper_prepare(void)
{
	size_t bytes = (size_t)BATCH_FILE_PIECES * BATCH_BYTES;
	int sv[2], r;
	void *p;

	keeper.why = "socket pair";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return -errno;
	keeper.socket = sv[0];
	keeper.far_socket = sv[1];
	keeper.why = "memfd";
	keeper.batch_fd = memfd_create("batch", MFD_CLOEXEC);
	if (keeper.batch_fd < 0 || ftruncate(keeper.batch_fd, (off_t)bytes))
		return -errno;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, keeper.batch_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	keeper.batch = p;
	p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	keeper.boot = p;
	keeper.boot->sentry = getpid();
	keeper.why = "seccomp filter";
	r = filter_build(&keeper.boot->filter);
	if (!r) {
		keeper.why = "reading /proc/self/maps";
		r = vdso_plan(&keeper.boot->vdso);
	}
	return r;
}

static int keeper_thread_start(void)
{
	struct request start = { .kind = REQUEST_START };
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	keeper.why = "thread";
	keeper.start = &start;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, KEEPER_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&keeper.thread, &attr, keeper_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (r)
		return -r;
	r = request_await(&start);
	if (r)
		pthread_join(keeper.thread, NULL);
	return r;
}

static void keeper_clean(void)
{
	int *fds[] = { &keeper.socket, &keeper.far_socket, &keeper.batch_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	if (keeper.boot) {
		free(keeper.boot->filter.filter);
		munmap(keeper.boot, PAGE_SIZE);
	}
	if (keeper.batch)
		munmap(keeper.batch, (size_t)BATCH_FILE_PIECES * BATCH_BYTES);
	keeper.boot = NULL;
	keeper.batch = NULL;
	memset(&keeper.template, 0, sizeof(keeper.template));
}

int keeper_start(const char **why)
{
	int r = keeper_prepare();

	if (!r)
		r = keeper_thread_start();
	if (r) {
		*why = keeper.why;
		keeper_clean();
		return r;
	}
	/* The keeper has its own. */
	close(keeper.far_socket);
	close(keeper.batch_fd);
	keeper.far_socket = keeper.batch_fd = -1;
	/* Clones inherit it from the template. */
	free(keeper.boot->filter.filter);
	keeper.boot->filter.filter = NULL;
	return 0;
}

void keeper_stop(void)
{
	struct request q = { .kind = REQUEST_QUIT };

	if (keeper.socket < 0)
		return;
	if (!request_send(&q, -1))
		pthread_join(keeper.thread, NULL);
	keeper_clean();
}
