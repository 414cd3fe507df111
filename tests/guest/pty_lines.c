/* SPDX-License-Identifier: Apache-2.0 */
/* The line discipline: canonical input, editing, echo, output processing, raw input with VMIN and VTIME. No job control here: the
 * program has no controlling terminal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int m, s; /* master, slave */

static void say(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

static void show(const char *what, const char *buf, long n)
{
	printf("%s: %ld <", what, n);
	for (long i = 0; i < n; i++) {
		unsigned char c = buf[i];
		if (c >= ' ' && c < 127 && c != '\\')
			putchar(c);
		else
			printf("\\%o", c);
	}
	printf(">%s\n", n < 0 ? strerrorname_np(errno) : "");
}

/* Everything there is to read, until nothing has come for a while. */
static void drain(const char *what, int fd)
{
	char buf[70000];
	long n = 0, k;
	struct pollfd p = { fd, POLLIN, 0 };

	while (n < (long)sizeof(buf) && poll(&p, 1, 60) == 1 && (k = read(fd, buf + n, sizeof(buf) - n)) > 0)
		n += k;
	show(what, buf, n);
}

static void one_read(const char *what, size_t size)
{
	char buf[8192];
	struct pollfd p = { s, POLLIN, 0 };
	long n = -1;

	errno = EAGAIN;
	if (poll(&p, 1, 60) == 1)
		n = read(s, buf, size);
	show(what, buf, n);
}

static void flags(tcflag_t clear_i, tcflag_t set_i, tcflag_t clear_o, tcflag_t set_o, tcflag_t clear_l, tcflag_t set_l)
{
	struct termios t;

	tcgetattr(s, &t);
	t.c_iflag = (t.c_iflag & ~clear_i) | set_i;
	t.c_oflag = (t.c_oflag & ~clear_o) | set_o;
	t.c_lflag = (t.c_lflag & ~clear_l) | set_l;
	say("tcsetattr", tcsetattr(s, TCSANOW, &t));
}

static void type(const char *text)
{
	long n = strlen(text);

	if (write(m, text, n) != n)
		say("write to master", -1);
}

static void fresh(void)
{
	if (m)
		close(m), close(s);
	if (openpty(&m, &s, NULL, NULL, NULL)) {
		perror("openpty");
		exit(1);
	}
}

static void defaults(void)
{
	struct termios t;

	fresh();
	tcgetattr(s, &t);
	printf("i %#o o %#o c %#o l %#o line %d\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, t.c_line);
	for (int i = 0; i < 19; i++)
		printf("%d ", t.c_cc[i]);
	printf("\nspeed %d %d\n", cfgetispeed(&t), cfgetospeed(&t));
	tcgetattr(m, &t);
	printf("master: l %#o\n", t.c_lflag);
}

static void canonical(void)
{
	fresh();
	type("hello");
	one_read("no line yet", 100);
	drain("echo", m);
	type(" world\nsecond\nthi");
	one_read("part of a line", 5);
	one_read("rest of it", 100);
	one_read("next", 100);
	one_read("nothing", 100);
	type("rd\r");
	one_read("return is newline", 100);
	drain("echo", m);
	type("abc\177\177X\177\177\177\177Y\n");
	one_read("erased", 100);
	drain("echo", m);
	type("one two  \027three\027\027four\n");
	one_read("words erased", 100);
	drain("echo", m);
	type("kill this\025that\n");
	one_read("line killed", 100);
	drain("echo", m);
	type("a\tb\t\177\177\177c\001\177\n");
	one_read("tabs and controls erased", 100);
	drain("echo", m);
	type("lit\026\003\026\177\026\n\n");
	one_read("quoted", 100);
	drain("echo", m);
	type("reprint\022ed\n");
	one_read("reprinted", 100);
	drain("echo", m);
	type("before eof\004");
	one_read("eof after text", 100);
	type("\004");
	one_read("eof alone", 100);
	type("line\n\004more\004");
	one_read("line", 100);
	one_read("eof", 100);
	one_read("more", 2);
	one_read("more", 2);
	one_read("left", 2);
	drain("echo", m);
}

static void controls(void)
{
	int n;

	fresh();
	type("gone\003after\n");
	one_read("interrupt flushes", 100);
	drain("echo", m);
	type("kept?\034\n");
	one_read("quit flushes", 100);
	drain("echo", m);
	flags(0, 0, 0, 0, 0, NOFLSH);
	type("kept\003after\n");
	one_read("NOFLSH", 100);
	drain("echo", m);
	flags(0, 0, 0, 0, ISIG, 0);
	type("a\003b\n");
	one_read("no ISIG", 100);
	drain("echo", m);
	type("\023");
	usleep(20000);
	fcntl(s, F_SETFL, O_NONBLOCK);
	say("stopped output", write(s, "y", 1));
	fcntl(s, F_SETFL, 0);
	type("\021");
	usleep(20000);
	say("started", write(s, "z", 1));
	drain("output", m);
	type("before");
	drain("echo", m);
	type("a\023b");
	type("c");
	drain("stopped echo", m);
	say("FIONREAD", ioctl(m, FIONREAD, &n));
	printf("%d\n", n);
	type("\021");
	drain("started", m);
	type("\023d");
	type("\003e\n");
	drain("interrupted", m);
	one_read("line", 100);
	flags(ICRNL | IXON, IGNCR, 0, 0, 0, 0);
	type("cr\rgone\n");
	one_read("IGNCR", 100);
	flags(IGNCR, INLCR, 0, 0, 0, 0);
	type("x\023\n\ry\004");
	one_read("INLCR", 100);
	flags(INLCR, ISTRIP, 0, 0, 0, 0);
	type("\341\n");
	one_read("ISTRIP", 100);
	flags(ISTRIP, IUCLC, 0, 0, 0, 0);
	type("ABC\n");
	one_read("IUCLC", 100);
	flags(IUCLC, PARMRK, 0, 0, 0, 0);
	type("\377\n");
	one_read("PARMRK", 100);
	drain("echo", m);
	flags(PARMRK, 0, 0, 0, 0, 0);
	type("abc\ndef\n");
	usleep(20000);
	say("FIONREAD", ioctl(s, FIONREAD, &n));
	printf("%d\n", n);
	say("flush", tcflush(s, TCIFLUSH));
	ioctl(s, FIONREAD, &n);
	printf("%d\n", n);
}

static void echoes(void)
{
	fresh();
	flags(0, 0, 0, 0, ECHO, 0);
	type("secret\n");
	one_read("no echo", 100);
	drain("echo", m);
	flags(0, 0, 0, 0, 0, ECHONL);
	type("secret\n");
	one_read("no echo", 100);
	drain("ECHONL", m);
	flags(0, 0, 0, 0, ECHOCTL, ECHO);
	type("a\001b\n");
	one_read("line", 100);
	drain("no ECHOCTL", m);
	flags(0, 0, 0, 0, ECHOE, 0);
	type("ab\177c\n");
	one_read("line", 100);
	drain("no ECHOE", m);
	flags(0, 0, 0, 0, 0, ECHOE | ECHOPRT);
	type("abc\177\177d\n");
	one_read("line", 100);
	drain("ECHOPRT", m);
	flags(0, 0, 0, 0, ECHOPRT | ECHOKE, 0);
	type("abc\025d\n");
	one_read("line", 100);
	drain("no ECHOKE", m);
	flags(0, IUTF8, 0, 0, 0, ECHOKE);
	type("a\303\244\342\202\254\177\177b\n");
	one_read("UTF-8", 100);
	drain("erased by characters", m);
}

static void output(void)
{
	fresh();
	write(s, "a\nb\r\tc", 6);
	drain("ONLCR", m);
	flags(0, 0, ONLCR, OCRNL | XTABS, 0, 0);
	write(s, "\na\r\tb\bc\td", 10);
	drain("OCRNL, XTABS", m);
	flags(0, 0, OCRNL | XTABS, ONOCR, 0, 0);
	write(s, "\rab\r\rc", 6);
	drain("ONOCR", m);
	flags(0, 0, ONOCR, OLCUC, 0, 0);
	write(s, "abcXYZ1", 7);
	drain("OLCUC", m);
	flags(0, 0, OPOST, 0, 0, 0);
	write(s, "a\nb\tc", 5);
	drain("no OPOST", m);
}

static long elapsed(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (b.tv_sec - a->tv_sec) * 1000 + (b.tv_nsec - a->tv_nsec) / 1000000;
}

static void raw_mode(int min, int time)
{
	struct termios t;

	tcgetattr(s, &t);
	cfmakeraw(&t);
	t.c_cc[VMIN] = min;
	t.c_cc[VTIME] = time;
	tcsetattr(s, TCSANOW, &t);
}

static void raw(void)
{
	struct timespec a;
	struct pollfd p = { s, POLLIN, 0 };
	char buf[100];
	long n, ms;

	fresh();
	p.fd = s;
	type("line\npart");
	usleep(20000);
	raw_mode(1, 0);
	one_read("what was there", 100);
	type("\003\n\r\177");
	one_read("raw", 100);
	drain("echo", m);
	raw_mode(3, 0);
	type("ab");
	printf("two of three: %d\n", poll(&p, 1, 30));
	type("cde");
	printf("five: %d\n", poll(&p, 1, 30));
	show("five", buf, read(s, buf, 100));
	type("xy");
	show("a short read needs fewer", buf, read(s, buf, 2));
	raw_mode(0, 0);
	show("at once", buf, read(s, buf, 100));
	type("z");
	usleep(20000);
	show("at once", buf, read(s, buf, 100));
	raw_mode(0, 2);
	clock_gettime(CLOCK_MONOTONIC, &a);
	show("timed", buf, read(s, buf, 100));
	ms = elapsed(&a);
	printf("in time %d\n", ms >= 150 && ms < 1500);
	raw_mode(5, 2);
	type("ab");
	clock_gettime(CLOCK_MONOTONIC, &a);
	show("between bytes", buf, read(s, buf, 100));
	ms = elapsed(&a);
	printf("in time %d\n", ms >= 150 && ms < 1500);
	type("abcde");
	show("all five", buf, read(s, buf, 100));
	raw_mode(5, 0);
	fcntl(s, F_SETFL, O_NONBLOCK);
	show("nonblocking", buf, read(s, buf, 100));
	type("q");
	usleep(20000);
	n = read(s, buf, 100);
	show("nonblocking", buf, n);
	fcntl(s, F_SETFL, 0);
}

static void long_lines(void)
{
	char big[6000];
	int n;

	fresh();
	flags(0, 0, 0, 0, ECHO, 0);
	memset(big, 'x', sizeof(big));
	write(m, big, 4090);
	type("\n");
	one_read("", 0);
	usleep(20000);
	ioctl(s, FIONREAD, &n);
	printf("line of %d\n", n);
	n = read(s, big, sizeof(big));
	printf("read %d\n", n);
	/* More than a line can hold: the rest is lost, but a newline still ends it. */
	write(m, big, 2000);
	write(m, big, 2000);
	write(m, big, 2000);
	type("\n");
	n = read(s, big, sizeof(big));
	printf("read %d, ends %d\n", n, big[n - 1]);
}

static void switching(void)
{
	fresh();
	flags(0, 0, 0, 0, ECHO, 0);
	type("half");
	one_read("canonical", 100);
	flags(0, 0, 0, 0, ICANON, 0);
	one_read("not any more", 2);
	flags(0, 0, 0, 0, 0, ICANON);
	one_read("canonical again", 100);
	type("eol;");
	usleep(20000);
	struct termios t;
	tcgetattr(s, &t);
	t.c_cc[VEOL] = ';';
	tcsetattr(s, TCSAFLUSH, &t);
	type("one;two;");
	one_read("VEOL", 100);
	one_read("VEOL", 100);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	defaults();
	printf("-- canonical\n");
	canonical();
	printf("-- controls\n");
	controls();
	printf("-- echo\n");
	echoes();
	printf("-- output\n");
	output();
	printf("-- raw\n");
	raw();
	printf("-- long\n");
	long_lines();
	switching();
	return 0;
}
