/* SPDX-License-Identifier: Apache-2.0 */
/* epoll(7): edges of timers that are read once an event, epolls in epolls and what is refused, many items on one file. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { LAYERS = 4, WIDTH = 12 };

static void say(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

static int add(int ep, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

/* Each event is followed by one read, which takes all there is: the next edge is the next expiration. */
static void timer_edges(void)
{
	const struct itimerspec often = { { 0, 10000000 }, { 0, 10000000 } }, late = { { INT64_MAX / 1000000000, 0 }, { 0, 1 } };
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), ep = epoll_create1(0), good = 0;
	struct epoll_event e;
	uint64_t n;

	say("edge", add(ep, t, EPOLLIN | EPOLLET));
	timerfd_settime(t, 0, &often, NULL);
	for (int i = 0; i < 5; i++)
		good += epoll_wait(ep, &e, 1, 20000) == 1 && read(t, &n, sizeof(n)) == sizeof(n) && n > 0;
	printf("%d edges of a timer\n", good);
	say("the longest interval", timerfd_settime(t, 0, &late, NULL));
	while (read(t, &n, sizeof(n)) < 0 && errno == EAGAIN)
		usleep(1000);
	printf("expired %d times\n", (int)n);
	say("and never again", read(t, &n, sizeof(n)));
	close(ep);
	close(t);
}

/* Every epoll of a layer watches every one of the layer below. */
static void layers(int width)
{
	int ep[LAYERS][WIDTH], fd = eventfd(1, 0), refused = 0, err = 0;

	for (int l = 0; l < LAYERS; l++)
		for (int i = 0; i < width; i++)
			ep[l][i] = epoll_create1(0);
	for (int l = 1; l < LAYERS; l++)
		for (int i = 0; i < width * width; i++)
			refused += add(ep[l][i / width], ep[l - 1][i % width], EPOLLIN) != 0;
	printf("%d wide: %d refused, ", width, refused);
	refused = 0;
	for (int i = 0; i < width; i++)
		if (add(ep[0][i], fd, EPOLLIN))
			refused++, err = errno;
	printf("of a file %d %s\n", refused, err ? strerrorname_np(err) : "");
	close(fd);
	for (int l = 0; l < LAYERS; l++)
		for (int i = 0; i < width; i++)
			close(ep[l][i]);
}

/* Too many ways come to be by a change further up. */
static void ways_above(void)
{
	int inner = epoll_create1(0), fd = eventfd(1, 0), outer[WIDTH], top[WIDTH], done = 0;

	say("below", add(inner, fd, EPOLLIN));
	for (int i = 0; i < WIDTH; i++) {
		outer[i] = epoll_create1(0);
		top[i] = epoll_create1(0);
		if (add(outer[i], inner, EPOLLIN))
			say("outer", -1);
	}
	for (int i = 0; i < WIDTH; i++)
		for (int k = 0; k < WIDTH; k++)
			done += !add(top[i], outer[k], EPOLLIN);
	printf("%d links above, %s\n", done, strerrorname_np(errno));
	for (int i = 0; i < WIDTH; i++) {
		close(outer[i]);
		close(top[i]);
	}
	close(inner);
	close(fd);
}

static void circles(void)
{
	int a = epoll_create1(0), b = epoll_create1(0), chain[8];

	say("b in a", add(a, b, EPOLLIN));
	say("a in b", add(b, a, EPOLLIN));
	say("a in a", add(a, a, EPOLLIN));
	for (int i = 0; i < 8; i++) {
		chain[i] = epoll_create1(0);
		if (i)
			say("one more around", add(chain[i], chain[i - 1], EPOLLIN));
	}
	for (int i = 0; i < 8; i++)
		close(chain[i]);
	close(a);
	close(b);
}

/* The items leave in the order they came: the file's list is not searched for each. */
static void many_items(void)
{
	int ep = epoll_create1(0), fd = eventfd(1, 0), n = 0, max;
	struct epoll_event e[16];

	for (max = 3; max < 1000 && dup2(fd, max + 10) >= 0; max++)
		n += !add(ep, max + 10, EPOLLIN);
	printf("%d items, %d events at once\n", n, epoll_wait(ep, e, 16, 0));
	close(ep);
	while (max-- > 3)
		close(max + 10);
	close(fd);
}

static void show(const char *what, int ep, const int *fds, int count)
{
	struct epoll_event e[8];
	int n = epoll_wait(ep, e, 8, 0);

	printf("%s: %d", what, n);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < count; k++)
			if (e[i].data.fd == fds[k])
				printf(" %d:%x", k, e[i].events);
	printf("\n");
}

/* Who polls an epoll does not change whose turn it is. */
static void turns(void)
{
	int ep = epoll_create1(0), fds[3];

	for (int i = 0; i < 3; i++) {
		fds[i] = eventfd(1, 0);
		add(ep, fds[i], EPOLLIN);
	}
	for (int i = 0; i < 2; i++) {
		struct pollfd p = { ep, POLLIN, 0 };

		say("polled", poll(&p, 1, 0));
		show("in turn", ep, fds, 3);
	}
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(ep);
}

/* What is written to a pipe is news to its reader alone, whatever the writer asks for. */
static void writers_edges(void)
{
	int ep = epoll_create1(0), p[2], other;
	char name[64];

	pipe2(p, O_NONBLOCK);
	add(ep, p[0], EPOLLIN | EPOLLOUT | EPOLLET);
	add(ep, p[1], EPOLLIN | EPOLLOUT | EPOLLET);
	show("at first", ep, p, 2);
	write(p[1], "a", 1);
	show("written", ep, p, 2);
	write(p[1], "b", 1);
	show("again", ep, p, 2);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
	other = open(name, O_RDONLY | O_NONBLOCK);
	show("another reader", ep, p, 2);
	close(other);
	close(p[0]);
	show("unread", ep, p, 2);
	close(p[1]);
	close(ep);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	timer_edges();
	layers(3);
	layers(WIDTH);
	ways_above();
	circles();
	many_items();
	turns();
	writers_edges();
	return 0;
}
