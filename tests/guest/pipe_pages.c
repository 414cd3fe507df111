/* SPDX-License-Identifier: Apache-2.0 */
/* vmsplice(2) both ways, packets in pipes that change their size, and readahead(2): what they take, and what they refuse. */
#include "file.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PAGE = 4096 };
static char *page;

static void refusals(void)
{
	struct iovec good = { page, 5 }, bad = { (void *)8, 5 }, big[2] = { { page, PAGE }, { page, (size_t)-1 } };
	int p[2], file = memfd_create("m", 0), s[2];

	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	T(vmsplice(-1, &good, 1, 0));
	T(vmsplice(file, &good, 1, 0));
	T(vmsplice(s[0], &good, 1, 0));
	T(vmsplice(p[1], &good, 1, 0x1000));
	T(vmsplice(p[1], &bad, 1, 0));
	T(vmsplice(p[1], (void *)8, 1, 0));
	T(vmsplice(p[1], &good, 0, 0));
	T(vmsplice(p[1], &good, 1025, 0));
	T(vmsplice(p[1], big, 2, SPLICE_F_NONBLOCK));
	T(vmsplice(p[0], &good, 1, SPLICE_F_NONBLOCK));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	T(vmsplice(p[1], &good, 1, 0));
	signal(SIGPIPE, SIG_DFL);
	close(p[1]);
	close(file);
	close(s[0]);
	close(s[1]);
}

static void both_ways(void)
{
	struct iovec out[3] = { { page, 3 }, { NULL, 0 }, { page + 100, 4 } };
	char a[4] = "", b[8] = "";
	struct iovec in[2] = { { a, 3 }, { b, 7 } };
	int p[2], q[2], n = 0;

	memcpy(page, "abc", 3);
	memcpy(page + 100, "defg", 4);
	pipe(p);
	pipe2(q, O_NONBLOCK);
	T(vmsplice(p[1], out, 3, SPLICE_F_MORE));
	T(tee(p[0], q[1], 100, 0));
	T(vmsplice(p[0], in, 2, 0));
	printf("%s %s\n", a, b);
	memset(b, 0, sizeof(b));
	T(read(q[0], b, 7));
	printf("%s\n", b);
	out[0].iov_len = PAGE;
	out[0].iov_base = page;
	while (vmsplice(q[1], out, 1, SPLICE_F_NONBLOCK) == PAGE)
		n++;
	printf("%d pages: %s\n", n, strerrorname_np(errno));
	for (int i = 0; i < 4; i++)
		close(i < 2 ? p[i] : q[i - 2]);
}

static void ahead(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600), p[2];

	pipe(p);
	T(ftruncate(fd, 3 * PAGE));
	T(readahead(fd, 0, 2 * PAGE));
	T(readahead(fd, 100 * PAGE, PAGE));
	T(readahead(fd, -1, PAGE));
	T(readahead(fd, 0, 0));
	T(readahead(p[0], 0, PAGE));
	T(readahead(-1, 0, PAGE));
	close(fd);
	fd = open(path, O_WRONLY);
	T(readahead(fd, 0, PAGE));
	close(fd);
	fd = open(path, O_PATH);
	T(readahead(fd, 0, PAGE));
	close(fd);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	T(readahead(fd, 0, PAGE));
	close(fd);
	unlink(path);
	close(p[0]);
	close(p[1]);
}

static void all(void)
{
	ahead("ahead");
}

/* O_NONBLOCK is not for vmsplice: it waits for the child's bytes, and for the child to make room. */
static void waits(void)
{
	struct iovec one = { page, PAGE };
	int p[2];

	pipe2(p, O_NONBLOCK);
	fcntl(p[0], F_SETPIPE_SZ, PAGE);
	if (!fork()) {
		usleep(20000);
		write(p[1], page, 7);
		_exit(0);
	}
	T(vmsplice(p[0], &one, 1, 0));
	wait(NULL);
	write(p[1], page, PAGE);
	if (!fork()) {
		usleep(20000);
		read(p[0], page, PAGE);
		_exit(0);
	}
	T(vmsplice(p[1], &one, 1, 0));
	wait(NULL);
	close(p[0]);
	close(p[1]);
}

static void packets(void)
{
	int p[2];

	pipe2(p, O_NONBLOCK | O_DIRECT);
	T(write(p[1], page, 3));
	T(write(p[1], page, 4));
	T(fcntl(p[1], F_SETPIPE_SZ, 2 << 16)); /* with packets in it */
	T(read(p[0], page, PAGE));
	T(fcntl(p[1], F_SETPIPE_SZ, PAGE));
	T(write(p[1], page, 1)); /* the only slot is taken */
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	T(write(p[1], page, 1)); /* nor is a packet added to */
	T(read(p[0], page, PAGE));
	T(fcntl(p[1], F_SETPIPE_SZ, 4 * PAGE));
	T(write(p[1], page, 5));
	fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT);
	for (int i = 0; i < 4; i++)
		T(write(p[1], page, 2));
	T(fcntl(p[1], F_SETPIPE_SZ, 2 * PAGE)); /* too many */
	T(read(p[0], page, 6));
	T(read(p[0], page, PAGE));
	T(fcntl(p[1], F_SETPIPE_SZ, 2 * PAGE));
	T(write(p[1], page, 2));
	for (int i = 0; i < 3; i++)
		T(read(p[0], page, PAGE));
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	refusals();
	both_ways();
	waits();
	packets();
	everywhere(all);
	return 0;
}
