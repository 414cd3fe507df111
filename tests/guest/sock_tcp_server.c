/* SPDX-License-Identifier: Apache-2.0 */
// again: --network host
/* TCP servers with many clients: epoll, threads, a backlog that is longer than it was asked to be. */
#include "sock_inet.h"

/* An echo server with epoll, several clients that send much. */
enum { CLIENTS = 4, ROUNDS = 30, CHUNK = 50000 };

static void *client(void *arg)
{
	static __thread char out[CHUNK], in[CHUNK];
	long bad = 0;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	bad += connect4(fd, "127.0.0.1", *(int *)arg) != 0;
	for (int i = 0; i < ROUNDS && !bad; i++) {
		memset(out, i, sizeof(out));
		bad += write(fd, out, sizeof(out)) != sizeof(out);
		bad += recv(fd, in, sizeof(in), MSG_WAITALL) != sizeof(in);
		bad += memcmp(in, out, sizeof(in)) != 0;
	}
	shutdown(fd, SHUT_WR);
	bad += read(fd, in, 1) != 0;
	close(fd);
	return (void *)bad;
}

static void echo_server(void)
{
	static char buf[200000];
	int s = listener(10), ep = epoll_create1(0), port = port_of(s), open = 0, seen = 0;
	struct epoll_event ev = { EPOLLIN, { .fd = s } }, got[8];
	pthread_t t[CLIENTS];
	long bad = 0;
	void *r;

	fcntl(s, F_SETFL, O_NONBLOCK);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&t[i], NULL, client, &port);
	while (seen < CLIENTS || open) {
		int n = epoll_wait(ep, got, 8, 10000);
		if (n <= 0) {
			say("epoll_wait", n);
			break;
		}
		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;
			if (fd == s) {
				while ((fd = accept(s, NULL, NULL)) >= 0) {
					ev.data.fd = fd;
					epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
					open++;
					seen++;
				}
				continue;
			}
			long k = read(fd, buf, sizeof(buf));
			if (k > 0) {
				bad += write(fd, buf, k) != k;
			} else {
				close(fd);
				open--;
			}
		}
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(t[i], &r);
		bad += (long)r;
	}
	printf("echo: %d clients, %ld bad\n", seen, bad);
	close(s);
	close(ep);
}

/* Children connect while nobody accepts: all are served in the end. */
static void backlog(void)
{
	int s = listener(1), port = port_of(s), ok = 0, status;

	for (int i = 0; i < 3; i++)
		if (!fork()) {
			int c = socket(AF_INET, SOCK_STREAM, 0);
			char ch = 0;
			_exit(connect4(c, "127.0.0.1", port) || read(c, &ch, 1) != 1 || ch != 'k');
		}
	usleep(50000);
	for (int i = 0; i < 3; i++) {
		int a = accept(s, NULL, NULL);
		write(a, "k", 1);
		close(a);
	}
	while (wait(&status) > 0)
		ok += status == 0;
	printf("backlog: %d served\n", ok);
	close(s);
}
int main(void)
{
	signal(SIGPIPE, on_sigpipe);
	setvbuf(stdout, NULL, _IOLBF, 0);
	echo_server();
	backlog();
	return 0;
}
