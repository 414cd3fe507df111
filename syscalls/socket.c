/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets but for messages: socket(2), socketpair(2), bind(2), listen(2), accept(2), connect(2), getsockname(2), getsockopt(2),
 * shutdown(2). */
#include "syscalls/socket.h"

#include <errno.h>
#include <string.h>

enum { SOCK_TYPE_BITS = 0xf };

int socket_lookup(struct task *t, int fd, struct file **f, struct socket **s)
{
	*f = fd_lookup(t->files, fd);
	if (!*f)
		return -EBADF;
	*s = socket_of(*f);
	if (*s)
		return 0;
	file_put(*f);
	return -ENOTSOCK;
}

int socket_read_addr(struct task *t, uint64_t addr, int len, union sock_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (len < 0 || len > (int)sizeof(out->storage))
		return -EINVAL;
	return len ? guest_read(t->mm, out, addr, (size_t)len) : 0;
}

int socket_write_addr(struct task *t, const union sock_addr *a, socklen_t len, uint64_t addr, uint64_t len_addr)
{
	int room, real = (int)len, err = guest_read(t->mm, &room, len_addr, sizeof(room));

	if (err)
		return err;
	if (room < 0)
		return -EINVAL;
	room = MIN(room, real);
	if (room)
		err = guest_write(t->mm, addr, a, (size_t)room);
	return err ? err : guest_write(t->mm, len_addr, &real, sizeof(real));
}

/* --- making --- */

static int split_type(int *type, int *flags)
{
	*flags = *type & ~SOCK_TYPE_BITS;
	*type &= SOCK_TYPE_BITS;
	return *flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK) ? -EINVAL : 0;
}

/* A file for s, whose reference is taken over whatever happens. */
static int make_file(struct socket *s, int flags, struct file **out)
{
	int err = socket_file_new(s, flags, out);

	if (err) {
		s->ops->close(s);
		socket_put(s);
	}
	return err;
}

static int install(struct task *t, struct socket *s, int flags)
{
	struct file *f;
	int err = make_file(s, flags, &f);

	return err ? err : fd_install_task(t, f, flags & SOCK_CLOEXEC);
}

SYSCALL_DECLARE(socket)
{
	int type = (int)a[1], flags, err = split_type(&type, &flags);
	struct socket *s;

	if (!err)
		err = socket_create(t, (int)a[0], type, (int)a[2], &s);
	return err ? err : install(t, s, flags);
}

SYSCALL_DECLARE(socketpair)
{
	int type = (int)a[1], flags, err = split_type(&type, &flags);
	struct file *one, *two;
	struct socket *s[2];

	if (!err)
		err = socket_create_pair(t, (int)a[0], type, (int)a[2], s);
	if (err)
		return err;
	err = make_file(s[0], flags, &one);
	if (err) {
		s[1]->ops->close(s[1]);
		socket_put(s[1]);
		return err;
	}
	err = make_file(s[1], flags, &two);
	if (err) {
		file_put(one);
		return err;
	}
	return syscall_install_pair(t, one, two, flags & SOCK_CLOEXEC, a[3]);
}

/* --- addresses and connections --- */

SYSCALL_DECLARE(bind)
{
	union sock_addr addr;
	struct socket *s;
	struct file *f;
	int err = socket_lookup(t, (int)a[0], &f, &s);

	if (err)
		return err;
	err = socket_read_addr(t, a[1], (int)a[2], &addr);
	if (!err)
		err = s->ops->bind ? s->ops->bind(s, t, &addr, (socklen_t)a[2]) : -EOPNOTSUPP;
	file_put(f);
	return err;
}

SYSCALL_DECLARE(listen)
{
	struct socket *s;
	struct file *f;
	int err = socket_lookup(t, (int)a[0], &f, &s);

	if (err)
		return err;
	err = s->ops->listen ? s->ops->listen(s, (int)a[1]) : -EOPNOTSUPP;
	file_put(f);
	return err;
}

SYSCALL_DECLARE(connect)
{
	union sock_addr addr;
	struct socket *s;
	struct file *f;
	int err = socket_lookup(t, (int)a[0], &f, &s);

	if (err)
		return err;
	err = socket_read_addr(t, a[1], (int)a[2], &addr);
	if (!err)
		err = s->ops->connect ? socket_connect(t, f, &addr, (socklen_t)a[2]) : -EOPNOTSUPP;
	file_put(f);
	return err;
}

/* The connection is out of its queue: it gets a descriptor, or is closed. */
static int64_t deliver(struct task *t, struct socket *s, int flags, uint64_t addr, uint64_t len_addr)
{
	union sock_addr peer = { 0 };
	socklen_t len = 0;
	int fd, err = 0;

	if (addr) {
		err = s->ops->getname(s, true, &peer, &len);
		if (err)
			err = -ECONNABORTED;
		else
			err = socket_write_addr(t, &peer, len, addr, len_addr);
	}
	fd = install(t, s, flags);
	if (!err || fd < 0)
		return fd;
	(void)!fd_close(t->files, fd);
	return err;
}

static int64_t accept_one(struct task *t, int fd, uint64_t addr, uint64_t len_addr, int flags)
{
	struct socket *s, *got;
	struct file *f;
	int err;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	err = socket_lookup(t, fd, &f, &s);
	if (err)
		return err;
	/* Without a descriptor to be had the connection stays where it is. */
	if ((uint64_t)fdtable_count(t->files) >= task_rlimit(t, RLIMIT_NOFILE))
		err = -EMFILE;
	else
		err = socket_accept(t, f, &got);
	file_put(f);
	return err ? err : deliver(t, got, flags, addr, len_addr);
}

SYSCALL_DECLARE(accept)
{
	return accept_one(t, (int)a[0], a[1], a[2], 0);
}

SYSCALL_DECLARE(accept4)
{
	return accept_one(t, (int)a[0], a[1], a[2], (int)a[3]);
}

static int64_t getname(struct task *t, const uint64_t a[6], bool peer)
{
	union sock_addr addr = { 0 };
	socklen_t len = 0;
	struct socket *s;
	struct file *f;
	int err = socket_lookup(t, (int)a[0], &f, &s);

	if (err)
		return err;
	err = s->ops->getname(s, peer, &addr, &len);
	if (!err)
		err = socket_write_addr(t, &addr, len, a[1], a[2]);
	file_put(f);
	return err;
}

SYSCALL_DECLARE(getsockname)
{
	return getname(t, a, false);
}

SYSCALL_DECLARE(getpeername)
{
	return getname(t, a, true);
}

SYSCALL_DECLARE(shutdown)
{
	int how = (int)a[1], err;
	struct socket *s;
	struct file *f;

	err = socket_lookup(t, (int)a[0], &f, &s);
	if (err)
		return err;
	if (how < SHUT_RD || how > SHUT_RDWR)
		err = -EINVAL;
	else
		err = s->ops->shutdown ? s->ops->shutdown(s, how) : -EOPNOTSUPP;
	file_put(f);
	return err;
}

/* --- options --- */

SYSCALL_DECLARE(setsockopt)
{
	char value[SOCKOPT_MAX] = { 0 };
	int len = (int)a[4], err;
	struct socket *s;
	struct file *f;

	if (len < 0)
		return -EINVAL;
	err = socket_lookup(t, (int)a[0], &f, &s);
	if (err)
		return err;
	len = MIN(len, SOCKOPT_MAX);
	if (len)
		err = guest_read(t->mm, value, a[3], (size_t)len);
	if (!err)
		err = socket_setsockopt(s, t, (int)a[1], (int)a[2], value, (socklen_t)len);
	file_put(f);
	return err;
}

SYSCALL_DECLARE(getsockopt)
{
	char value[SOCKOPT_MAX] = { 0 };
	socklen_t size;
	struct socket *s;
	struct file *f;
	int len, err = socket_lookup(t, (int)a[0], &f, &s);

	if (err)
		return err;
	err = guest_read(t->mm, &len, a[4], sizeof(len));
	if (!err && len < 0)
		err = -EINVAL;
	if (err)
		goto out_put;
	size = (socklen_t)MIN(len, SOCKOPT_MAX);
	err = socket_getsockopt(s, (int)a[1], (int)a[2], value, &size);
	if (!err && size)
		err = guest_write(t->mm, a[3], value, size);
	if (!err)
		err = guest_write(t->mm, a[4], &size, sizeof(size));
out_put:
	file_put(f);
	return err;
}
