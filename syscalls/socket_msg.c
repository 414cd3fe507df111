/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: send(2), recv(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2), and their control data: cmsg(3), unix(7).
 *
 * A message's header is copied in once, its control data whole, and both are judged from the copy. On the way out
 * descriptors are installed one by one as they fit; what does not fit is closed and MSG_CTRUNC says so. */
#include "syscalls/socket.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

/* struct msghdr and struct mmsghdr as the kernel has them. */
struct msghdr_guest {
	uint64_t name;
	int32_t name_len;
	uint32_t pad;
	uint64_t iov, iov_len, control, control_len;
	uint32_t flags, pad2;
};

struct mmsghdr_guest {
	struct msghdr_guest hdr;
	uint32_t len, pad;
};

enum { CONTROL_MAX = 128 << 10, MMSG_MAX = 1024, OVERFLOW_ID = 65534 };

_Static_assert(sizeof(struct msghdr_guest) == 56 && sizeof(struct mmsghdr_guest) == 64, "layout of struct mmsghdr");

/* --- control data in --- */

/* SCM_CREDENTIALS: nobody may lie about who he is, but root. */
static int check_cred(struct task *t, const struct ucred *c)
{
	const struct cred *own = t->cred;

	if (c->pid != t->tg->tgid && !cred_capable(own, CAP_SYS_ADMIN))
		return -EPERM;
	if (c->uid != own->uid && c->uid != own->euid && c->uid != own->suid && !cred_capable(own, CAP_SETUID))
		return -EPERM;
	if (c->gid != own->gid && c->gid != own->egid && c->gid != own->sgid && !cred_capable(own, CAP_SETGID))
		return -EPERM;
	return 0;
}

/* What the control messages say so far. */
struct control {
	int fds[RIGHTS_MAX], count;
	bool has_rights;
};

static int take_rights(struct control *c, const char *data, size_t len)
{
	size_t n = len / sizeof(int);

	if (n > (size_t)(RIGHTS_MAX - c->count))
		return -EINVAL;
	memcpy(c->fds + c->count, data, n * sizeof(int));
	c->count += (int)n;
	c->has_rights |= n > 0;
	return 0;
}

static int take_unix(struct task *t, struct control *c, struct sock_msg *m, const struct cmsghdr *h, const char *data)
{
	size_t len = h->cmsg_len - sizeof(*h);

	if (h->cmsg_level != SOL_SOCKET)
		return 0;
	switch (h->cmsg_type) {
	case SCM_RIGHTS:
		return take_rights(c, data, len);
	case SCM_CREDENTIALS:
		if (len != sizeof(m->cred))
			return -EINVAL;
		memcpy(&m->cred, data, sizeof(m->cred));
		m->has_cred = true;
		return check_cred(t, &m->cred);
	default:
		return -EINVAL;
	}
}

static int parse_control(struct task *t, struct socket *s, struct sock_msg *m, const char *data, size_t size)
{
	struct control c = { 0 };
	size_t at = 0;
	int err = 0;

	while (!err && size - at >= sizeof(struct cmsghdr)) {
		struct cmsghdr h;

		memcpy(&h, data + at, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > size - at)
			return -EINVAL;
		/* Other families' control data only refines how a packet is sent: they may look at it. */
		if (s->domain == AF_UNIX)
			err = take_unix(t, &c, m, &h, data + at + sizeof(h));
		else
			sock_msg_add(m, h.cmsg_level, h.cmsg_type, data + at + sizeof(h), (socklen_t)(h.cmsg_len - sizeof(h)));
		at += MIN(CMSG_ALIGN(h.cmsg_len), size - at);
	}
	return err || !c.has_rights ? err : rights_new(t, c.fds, c.count, &m->rights);
}

static int read_control(struct task *t, struct socket *s, struct sock_msg *m, uint64_t addr, uint64_t len)
{
	char *copy;
	int err;

	if (!addr || !len)
		return 0;
	if (len > CONTROL_MAX)
		return -ENOBUFS;
	copy = malloc(len);
	if (!copy)
		return -ENOBUFS;
	err = guest_read(t->mm, copy, addr, len);
	if (!err)
		err = parse_control(t, s, m, copy, len);
	free(copy);
	return err;
}

/* --- control data out --- */

struct control_out {
	struct task *t;
	uint64_t at, left, used;
	int flags; /* MSG_CTRUNC */
};

/* One control message, cut if it does not fit. */
static int put_control(struct control_out *c, int level, int type, const void *data, size_t len)
{
	struct cmsghdr h = { .cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type };
	uint64_t space = CMSG_SPACE(len);
	int err;

	if (c->left < sizeof(h)) {
		c->flags |= MSG_CTRUNC;
		return 0;
	}
	if (c->left < h.cmsg_len) {
		c->flags |= MSG_CTRUNC;
		h.cmsg_len = c->left;
	}
	err = guest_write(c->t->mm, c->at, &h, sizeof(h));
	if (!err && h.cmsg_len > sizeof(h))
		err = guest_write(c->t->mm, c->at + sizeof(h), data, h.cmsg_len - sizeof(h));
	if (err)
		return err;
	space = MIN(space, c->left);
	c->at += space;
	c->left -= space;
	c->used += space;
	return 0;
}

static int install_right(struct control_out *c, struct file *f, uint64_t where, bool cloexec)
{
	int fd, err;

	file_get(f);
	fd = fd_install_task(c->t, f, cloexec);
	if (fd < 0)
		return fd;
	err = guest_write(c->t->mm, where, &fd, sizeof(fd));
	if (err)
		(void)!fd_close(c->t->files, fd);
	return err;
}

static int put_rights(struct control_out *c, const struct rights *r, bool cloexec)
{
	uint64_t room = c->left > sizeof(struct cmsghdr) ? (c->left - sizeof(struct cmsghdr)) / sizeof(int) : 0, space;
	struct cmsghdr h = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	int n = 0, err = 0;

	while (n < r->count && (uint64_t)n < room) {
		err = install_right(c, r->files[n], c->at + sizeof(h) + (uint64_t)n * sizeof(int), cloexec);
		if (err)
			break;
		n++;
	}
	if (n < r->count)
		c->flags |= MSG_CTRUNC;
	if (!n)
		return 0;
	h.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	err = guest_write(c->t->mm, c->at, &h, sizeof(h));
	if (err)
		return err;
	space = MIN(CMSG_SPACE((size_t)n * sizeof(int)), c->left);
	c->at += space;
	c->left -= space;
	c->used += space;
	return 0;
}

/* What a receiver that never sent credentials sees of who did not either, and of nobody: at the end of a stream. */
static struct ucred shown_cred(const struct sock_msg *m)
{
	struct ucred c = m->cred;

	if (m->eof)
		c = (struct ucred){ 0 };
	else if (!m->has_cred)
		c = (struct ucred){ .pid = 0, .uid = OVERFLOW_ID, .gid = OVERFLOW_ID };
	return c;
}

/* Linux looks for the sender of what it takes out of a queue in order: neither of an urgent byte, nor where no message was. */
static bool shows_cred(const struct socket *s, const struct sock_msg *m)
{
	if (s->domain != AF_UNIX || !s->opt.passcred || m->out_flags & MSG_OOB)
		return false;
	return !m->eof || s->type == SOCK_STREAM;
}

static int write_control(struct socket *s, const struct sock_msg *m, struct control_out *c)
{
	struct ucred cred = shown_cred(m);
	int err = 0;

	for (int i = 0; i < m->extra_count && !err; i++)
		err = put_control(c, m->extra[i].level, m->extra[i].type, m->extra[i].data.bytes, m->extra[i].len);
	if (!err && shows_cred(s, m))
		err = put_control(c, SOL_SOCKET, SCM_CREDENTIALS, &cred, sizeof(cred));
	if (!err && m->rights)
		err = put_rights(c, m->rights, m->flags & MSG_CMSG_CLOEXEC);
	return err;
}

/* --- single buffers --- */

SYSCALL_DECLARE(sendto)
{
	struct sock_msg m = { .flags = (int)a[3], .cred = socket_cred(t) };
	struct socket *s;
	struct file *f;
	struct io io;
	int64_t r;

	if (!guest_range_ok(a[1], a[2]))
		return -EFAULT;
	r = socket_lookup(t, (int)a[0], &f, &s);
	if (r)
		return r;
	if (a[4]) {
		m.addr_given = (int)a[5] != 0;
		m.addr_len = (socklen_t)a[5];
		r = socket_read_addr(t, a[4], (int)a[5], &m.addr);
	}
	if (!r) {
		io_init(&io, t->mm, a[1], a[2]);
		m.io = &io;
		r = socket_send(t, f, &m);
		io_fini(&io);
	}
	file_put(f);
	return r;
}

SYSCALL_DECLARE(recvfrom)
{
	struct sock_msg m = { .flags = (int)a[3] };
	struct socket *s;
	struct file *f;
	struct io io;
	int64_t r;
	int err;

	if (!guest_range_ok(a[1], a[2]))
		return -EFAULT;
	r = socket_lookup(t, (int)a[0], &f, &s);
	if (r)
		return r;
	io_init(&io, t->mm, a[1], a[2]);
	m.io = &io;
	r = socket_recv(t, f, &m);
	io_fini(&io);
	if (r >= 0 && a[4] && (err = socket_write_addr(t, &m.addr, m.addr_len, a[4], a[5])))
		r = err;
	rights_free(m.rights);
	file_put(f);
	return r;
}

/* --- whole messages --- */

static int read_header(struct task *t, uint64_t addr, struct msghdr_guest *h)
{
	int err = guest_read(t->mm, h, addr, sizeof(*h));

	if (err)
		return err;
	if (!h->name)
		h->name_len = 0;
	if (h->name_len < 0)
		return -EINVAL;
	h->name_len = MIN(h->name_len, (int)sizeof(struct sockaddr_storage));
	return h->iov_len > GUEST_IOV_MAX ? -EMSGSIZE : 0;
}

static int64_t send_one(struct task *t, struct file *f, struct socket *s, uint64_t addr, int flags)
{
	struct sock_msg m = { .flags = flags, .cred = socket_cred(t) };
	struct msghdr_guest h;
	struct io io;
	int64_t r = read_header(t, addr, &h);

	if (r)
		return r;
	if (h.name_len) {
		m.addr_given = true;
		m.addr_len = (socklen_t)h.name_len;
		r = socket_read_addr(t, h.name, h.name_len, &m.addr);
		if (r)
			return r;
	}
	r = io_init_vector(&io, t->mm, h.iov, h.iov_len);
	if (r)
		return r;
	m.io = &io;
	r = read_control(t, s, &m, h.control, h.control_len);
	if (!r)
		r = socket_send(t, f, &m);
	rights_free(m.rights);
	io_fini(&io);
	return r;
}

/* The message is there: everything but its data goes to the header's places. */
static int64_t finish_recv(struct task *t, struct socket *s, const struct sock_msg *m, uint64_t addr,
			   const struct msghdr_guest *h)
{
	struct control_out c = { .t = t, .at = h->control, .left = h->control ? h->control_len : 0 };
	uint32_t flags;
	int err = 0;

	if (h->name)
		err = socket_write_addr(t, &m->addr, m->addr_len, h->name, addr + offsetof(struct msghdr_guest, name_len));
	if (!err)
		err = write_control(s, m, &c);
	if (err)
		return err;
	flags = (uint32_t)(m->out_flags | c.flags | (m->flags & MSG_CMSG_CLOEXEC));
	err = guest_write(t->mm, addr + offsetof(struct msghdr_guest, flags), &flags, sizeof(flags));
	if (!err)
		err = guest_write(t->mm, addr + offsetof(struct msghdr_guest, control_len), &c.used, sizeof(c.used));
	return err;
}

static int64_t recv_one(struct task *t, struct file *f, struct socket *s, uint64_t addr, int flags)
{
	struct sock_msg m = { .flags = flags };
	struct msghdr_guest h;
	struct io io;
	int64_t r = read_header(t, addr, &h), err;

	if (!r)
		r = io_init_vector(&io, t->mm, h.iov, h.iov_len);
	if (r)
		return r;
	m.io = &io;
	r = socket_recv(t, f, &m);
	io_fini(&io);
	if (r >= 0 && (err = finish_recv(t, s, &m, addr, &h)))
		r = err;
	rights_free(m.rights);
	return r;
}

SYSCALL_DECLARE(sendmsg)
{
	struct socket *s;
	struct file *f;
	int64_t r = socket_lookup(t, (int)a[0], &f, &s);

	if (r)
		return r;
	r = send_one(t, f, s, a[1], (int)a[2]);
	file_put(f);
	return r;
}

SYSCALL_DECLARE(recvmsg)
{
	struct socket *s;
	struct file *f;
	int64_t r = socket_lookup(t, (int)a[0], &f, &s);

	if (r)
		return r;
	r = recv_one(t, f, s, a[1], (int)a[2]);
	file_put(f);
	return r;
}

/* --- several messages --- */

static int put_length(struct task *t, uint64_t addr, int64_t len)
{
	uint32_t n = (uint32_t)len;

	return guest_write(t->mm, addr + offsetof(struct mmsghdr_guest, len), &n, sizeof(n));
}

SYSCALL_DECLARE(sendmmsg)
{
	unsigned count = MIN((unsigned)a[2], MMSG_MAX), done = 0;
	struct socket *s;
	struct file *f;
	int64_t r = socket_lookup(t, (int)a[0], &f, &s);

	if (r)
		return r;
	while (done < count) {
		uint64_t at = a[1] + done * sizeof(struct mmsghdr_guest);

		r = send_one(t, f, s, at, (int)a[3]);
		if (r < 0 || (r = put_length(t, at, r)))
			break;
		done++;
	}
	file_put(f);
	return done ? done : r;
}

/* timeout is looked at after each message only, as the manual page says under BUGS. */
static int64_t recv_many(struct task *t, struct file *f, struct socket *s, const uint64_t a[6], int64_t deadline)
{
	unsigned count = MIN((unsigned)a[2], MMSG_MAX), done = 0;
	int flags = (int)a[3];
	int64_t r = socket_take_error(s);

	while (!r && done < count) {
		uint64_t at = a[1] + done * sizeof(struct mmsghdr_guest);

		r = recv_one(t, f, s, at, flags & ~MSG_WAITFORONE);
		if (r < 0 || (r = put_length(t, at, r)))
			break;
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != NO_DEADLINE && mono_now() >= deadline)
			break;
	}
	/* What went wrong after the first message is told by the next call. */
	if (done && r < 0 && r != -EAGAIN && r != -ERESTARTSYS && r != -EINTR)
		atomic_store(&s->error, (int)-r);
	return done ? done : r;
}

SYSCALL_DECLARE(recvmmsg)
{
	int64_t limit, deadline = NO_DEADLINE, r;
	struct socket *s;
	struct file *f;
	int err = syscall_timespec(t, a[4], &limit);

	if (err)
		return err;
	if (limit != NO_DEADLINE)
		deadline = mono_now() + limit;
	err = socket_lookup(t, (int)a[0], &f, &s);
	if (err)
		return err;
	r = recv_many(t, f, s, a, deadline);
	file_put(f);
	if (r > 0 && deadline != NO_DEADLINE && (err = syscall_write_timespec(t, a[4], MAX(deadline - mono_now(), 0))))
		r = err;
	return r;
}
