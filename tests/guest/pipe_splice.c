/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps its bounds on its way through pipes: messages from and to sockets, wherever the pipe's buffer has its end, and packets. */
#include "file.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PAGE = 4096, MESSAGE = 10000 };
static char out[65536], in[65536];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 13 + i / 251);
}

/* A pipe in whose buffer `before` bytes came and went but for the last page. */
static void used_pipe(int p[2], size_t before)
{
	pipe2(p, O_NONBLOCK);
	write(p[1], out, before);
	read(p[0], in, before - PAGE);
}

static void to_pipe(int type, size_t before)
{
	int s[2], p[2];

	socketpair(AF_UNIX, type, 0, s);
	used_pipe(p, before);
	T(write(s[0], out, MESSAGE));
	T(write(s[0], out, 5));
	T(splice(s[1], NULL, p[1], NULL, sizeof(in), SPLICE_F_NONBLOCK));
	T(read(p[0], in, PAGE));
	T(read(p[0], in, sizeof(in)));
	printf("%s\n", memcmp(in, out, MESSAGE) ? "changed" : "as sent");
	T(recv(s[1], in, sizeof(in), MSG_DONTWAIT));
	for (int i = 0; i < 4; i++)
		close(i < 2 ? p[i] : s[i - 2]);
}

static void from_pipe(int type, size_t before)
{
	int s[2], p[2];

	socketpair(AF_UNIX, type, 0, s);
	used_pipe(p, before);
	T(read(p[0], in, PAGE - 1));
	T(write(p[1], out, MESSAGE));
	T(splice(p[0], NULL, s[0], NULL, MESSAGE + 1, SPLICE_F_NONBLOCK));
	T(recv(s[1], in, sizeof(in), MSG_DONTWAIT));
	printf("%s\n", memcmp(in + 1, out, MESSAGE) ? "changed" : "as sent");
	T(recv(s[1], in, sizeof(in), MSG_DONTWAIT));
	for (int i = 0; i < 4; i++)
		close(i < 2 ? p[i] : s[i - 2]);
}

static void messages(void)
{
	static const int types[] = { SOCK_SEQPACKET, SOCK_DGRAM };

	for (int i = 0; i < 2; i++)
		for (size_t pages = 2; pages <= 14; pages += 3) {
			printf("--- %s, %zu pages\n", i ? "datagrams" : "packets of a connection", pages);
			to_pipe(types[i], pages * PAGE);
			from_pipe(types[i], pages * PAGE);
		}
}

static void read_all(int fd)
{
	while (T(read(fd, in, sizeof(in))) > 0)
		continue;
}

/* Packets, with plain bytes before and after them, go to another pipe as what they are; the rest of one is a packet too. */
static void packets(void)
{
	int p[2], q[2];

	printf("--- packets\n");
	pipe2(p, O_NONBLOCK);
	pipe2(q, O_NONBLOCK);
	T(write(p[1], out, 3));
	fcntl(p[1], F_SETFL, O_NONBLOCK | O_DIRECT);
	T(write(p[1], out, PAGE));
	T(write(p[1], out, PAGE + 6));
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	T(write(p[1], out, 4));
	T(tee(p[0], q[1], sizeof(in), SPLICE_F_NONBLOCK));
	read_all(q[0]);
	T(tee(p[0], q[1], PAGE, SPLICE_F_NONBLOCK));
	T(splice(p[0], NULL, q[1], NULL, 2 * PAGE, SPLICE_F_NONBLOCK));
	read_all(q[0]);
	read_all(p[0]);
	for (int i = 0; i < 4; i++)
		close(i < 2 ? p[i] : q[i - 2]);
}

/* A packet takes a place of its own; what fits of many is moved. */
static void little_room(void)
{
	int p[2], q[2];

	printf("--- little room\n");
	pipe2(p, O_NONBLOCK | O_DIRECT);
	pipe2(q, O_NONBLOCK);
	T(fcntl(q[1], F_SETPIPE_SZ, 2 * PAGE));
	for (int i = 1; i <= 3; i++)
		T(write(p[1], out, i));
	T(tee(p[0], q[1], 100, SPLICE_F_NONBLOCK));
	T(splice(p[0], NULL, q[1], NULL, 100, SPLICE_F_NONBLOCK));
	T(read(q[0], in, 100));
	T(splice(p[0], NULL, q[1], NULL, 100, SPLICE_F_NONBLOCK));
	read_all(q[0]);
	read_all(p[0]);
	for (int i = 0; i < 4; i++)
		close(i < 2 ? p[i] : q[i - 2]);
}

/* Pages are never packets, whatever the pipe's mode. */
static void pages(void)
{
	struct iovec two[2] = { { out, PAGE }, { out + PAGE, PAGE } };
	int p[2];

	printf("--- pages\n");
	pipe2(p, O_NONBLOCK | O_DIRECT);
	T(vmsplice(p[1], two, 2, SPLICE_F_NONBLOCK));
	T(write(p[1], out, 9));
	T(vmsplice(p[1], two, 1, SPLICE_F_NONBLOCK));
	T(read(p[0], in, 8));
	read_all(p[0]);
	close(p[0]);
	close(p[1]);
}

/* What sendfile(2) and vmsplice(2) move has no bounds, nor do they heed those that there are; and nothing joins it. */
static void bounds_unheeded(void)
{
	struct iovec v = { in, 100 };
	int p[2], s[2], file = memfd_create("file", 0);

	printf("--- bounds unheeded\n");
	write(file, out, 10);
	pipe2(p, O_NONBLOCK | O_DIRECT);
	for (int i = 0; i < 2; i++) {
		T(lseek(file, 0, SEEK_SET));
		T(i ? splice(file, NULL, p[1], NULL, 5, 0) : sendfile(p[1], file, NULL, 5));
		T(write(p[1], out, 7));
		T(write(p[1], out, 8));
		T(read(p[0], in, 6));
		T(read(p[0], in, 100));
		T(vmsplice(p[0], &v, 1, SPLICE_F_NONBLOCK));
		T(read(p[0], in, 100));
	}
	for (int i = 1; i < 4; i++)
		T(write(p[1], out, i));
	T(vmsplice(p[0], &v, 1, SPLICE_F_NONBLOCK));
	for (int i = 1; i < 4; i++)
		T(write(p[1], out, i));
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	T(splice(p[0], NULL, s[0], NULL, 100, SPLICE_F_NONBLOCK));
	T(recv(s[1], in, 100, MSG_DONTWAIT));
	for (int i = 0; i < 4; i++)
		close(i < 2 ? p[i] : s[i - 2]);
	close(file);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	fill();
	messages();
	packets();
	little_room();
	pages();
	bounds_unheeded();
	return 0;
}
