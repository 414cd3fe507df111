/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-terminals as files and as controlling terminals: opening, names, hangup, packet mode, window size, job control. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void say(const char *what, long r)
{
	printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
}

static void polled(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLPRI, 0 };
	int n = poll(&p, 1, 50);

	printf("%s: poll %d%s%s%s%s%s\n", what, n, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "",
	       p.revents & POLLPRI ? " PRI" : "", p.revents & POLLERR ? " ERR" : "", p.revents & POLLHUP ? " HUP" : "");
}

static void settle(void)
{
	usleep(30000);
}

static void opening(void)
{
	char name[64], *n;
	struct stat st, st2;
	int m, s, s2, lock, v;

	m = posix_openpt(O_RDWR | O_NOCTTY);
	say("TIOCGPTN", ioctl(m, TIOCGPTN, &v));
	printf("named %d\n", !strncmp(ptsname(m), "/dev/pts/", 9));
	strcpy(name, ptsname(m));
	say("locked", open(name, O_RDWR | O_NOCTTY));
	say("TIOCGPTLCK", ioctl(m, TIOCGPTLCK, &lock));
	printf("lock %d\n", lock);
	say("grantpt", grantpt(m));
	say("unlockpt", unlockpt(m));
	s = open(name, O_RDWR | O_NOCTTY);
	printf("open %d tty %d %d\n", s >= 0, isatty(s), isatty(m));
	n = ttyname(s);
	printf("ttyname %d\n", n && !strcmp(n, name));
	fstat(s, &st);
	stat(name, &st2);
	printf("char %d major %d same %d %d mode %o\n", S_ISCHR(st.st_mode), major(st.st_rdev), st.st_ino == st2.st_ino,
	       st.st_rdev == st2.st_rdev, st.st_mode & 0700);
	printf("mine %d\n", st.st_uid == getuid());
	say("chmod", chmod(name, 0600));
	stat(name, &st2);
	printf("mode %o\n", st2.st_mode & 0777);
	s2 = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	printf("peer %d tty %d\n", s2 >= 0, isatty(s2));
	close(s2);
	say("TIOCEXCL", ioctl(s, TIOCEXCL));
	if (getuid())
		say("exclusive", open(name, O_RDWR | O_NOCTTY));
	say("TIOCNXCL", ioctl(s, TIOCNXCL));
	say("TIOCGPTN on a slave", ioctl(s, TIOCGPTN, &v));
	say("TIOCGETD", ioctl(s, TIOCGETD, &v));
	say("unknown", ioctl(s, 0x1234, &v));
	say("seek", lseek(s, 0, SEEK_SET));
	say("write", write(s, "out", 3));
	settle();
	say("FIONREAD", ioctl(m, FIONREAD, &v));
	printf("%d\n", v);
	close(s);
	polled("slave closed", m);
	char buf[16];
	say("what was left", read(m, buf, sizeof(buf)));
	say("then", read(m, buf, sizeof(buf)));
	say("write", write(m, "in\n", 3));
	s = open(name, O_RDWR | O_NOCTTY);
	settle();
	polled("open again", m);
	say("read", read(s, buf, sizeof(buf)));
	read(m, buf, sizeof(buf));
	close(m);
	polled("master closed", s);
	say("read", read(s, buf, sizeof(buf)));
	say("write", write(s, "x", 1));
	say("ioctl", ioctl(s, TIOCGWINSZ, buf));
	say("gone", open(name, O_RDWR | O_NOCTTY));
	close(s);
}

static void packets(void)
{
	int m, s, on = 1;
	struct termios t;
	char buf[16];
	long n;

	openpty(&m, &s, NULL, NULL, NULL);
	say("TIOCSIG of a key", ioctl(m, TIOCSIG, SIGQUIT));
	say("TIOCSIG of none", ioctl(m, TIOCSIG, SIGKILL));
	say("TIOCSIG of no signal", ioctl(m, TIOCSIG, 0));
	say("TIOCPKT", ioctl(m, TIOCPKT, &on));
	write(s, "data", 4);
	settle();
	n = read(m, buf, sizeof(buf));
	printf("%ld bytes, first %d\n", n, buf[0]);
	tcflush(s, TCIFLUSH);
	polled("flushed", m);
	n = read(m, buf, sizeof(buf));
	printf("%ld bytes, first %d\n", n, buf[0]);
	tcflow(s, TCOOFF);
	n = read(m, buf, sizeof(buf));
	printf("%ld bytes, first %d\n", n, buf[0]);
	tcflow(s, TCOON);
	n = read(m, buf, sizeof(buf));
	printf("%ld bytes, first %d\n", n, buf[0]);
	tcgetattr(s, &t);
	t.c_iflag &= ~IXON;
	tcsetattr(s, TCSANOW, &t);
	n = read(m, buf, sizeof(buf));
	printf("%ld bytes, first %d\n", n, buf[0]);
	close(m);
	close(s);
}

static volatile int winch;

static void on_winch(int sig)
{
	winch++;
}

/* The rest happens in a child that leads a session of its own. */
static void leader(int m, int s, const char *name)
{
	struct winsize ws = { 24, 80, 0, 0 };
	char buf[64];
	int status, fd;
	pid_t pid;

	say("no terminal yet", open("/dev/tty", O_RDWR));
	printf("setsid %d\n", setsid() == getpid());
	say("TIOCGPGRP before", tcgetpgrp(s));
	say("TIOCSCTTY", ioctl(s, TIOCSCTTY, 0));
	say("TIOCSCTTY again", ioctl(s, TIOCSCTTY, 0));
	printf("foreground %d session %d\n", tcgetpgrp(s) == getpid(), tcgetsid(s) == getpid());
	printf("master says %d\n", tcgetpgrp(m) == getpid());
	fd = open("/dev/tty", O_RDWR);
	printf("/dev/tty %d %d\n", fd >= 0, isatty(fd));
	printf("its foreground %d\n", tcgetpgrp(fd) == getpid());
	close(fd);
	signal(SIGWINCH, on_winch);
	say("TIOCSWINSZ", ioctl(m, TIOCSWINSZ, &ws));
	settle();
	printf("SIGWINCH %d\n", winch);
	say("TIOCSWINSZ, the same", ioctl(m, TIOCSWINSZ, &ws));
	printf("SIGWINCH %d\n", winch);
	memset(&ws, 0, sizeof(ws));
	say("TIOCGWINSZ", ioctl(s, TIOCGWINSZ, &ws));
	printf("%d x %d\n", ws.ws_row, ws.ws_col);
	say("TIOCSPGRP nobody", tcsetpgrp(s, 999999));
	/* A foreground child is interrupted, quit, stopped from the keyboard. */
	const char *keys[] = { "\003", "\034", "\032" };
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (!pid) {
			setpgid(0, 0);
			signal(SIGTTOU, SIG_IGN);
			tcsetpgrp(s, getpid());
			write(m, keys[i], 1);
			for (;;)
				pause();
		}
		waitpid(pid, &status, WUNTRACED);
		printf("key %d: status %#x\n", keys[i][0], status & ~0x80);
		kill(pid, SIGKILL);
		if (WIFSTOPPED(status))
			waitpid(pid, &status, 0);
		signal(SIGTTOU, SIG_IGN);
		say("back", tcsetpgrp(s, getpgrp()));
		signal(SIGTTOU, SIG_DFL);
	}
	/* In the background: reading stops, writing does so with TOSTOP, changing settings too. */
	for (int i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			struct termios t;
			setpgid(0, 0);
			tcgetattr(s, &t);
			if (i == 3)
				signal(SIGTTIN, SIG_IGN);
			if (i == 0 || i == 3)
				_exit(read(s, buf, 1) < 0 ? errno : 0);
			if (i == 1)
				_exit(write(s, "w", 1) == 1 ? 0 : errno);
			if (i == 2)
				_exit(tcsetattr(s, TCSANOW, &t) ? errno : 0);
			t.c_lflag |= TOSTOP;
			signal(SIGTTOU, SIG_IGN);
			tcsetattr(s, TCSANOW, &t);
			signal(SIGTTOU, SIG_DFL);
			_exit(write(s, "w", 1) == 1 ? 0 : errno);
		}
		waitpid(pid, &status, WUNTRACED);
		if (WIFSTOPPED(status)) {
			printf("background %d: stopped by %d\n", i, WSTOPSIG(status));
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		} else {
			printf("background %d: exit %d\n", i, WEXITSTATUS(status));
		}
	}
	_exit(0);
}

static void session(void)
{
	int m, s, status;
	char name[64];

	openpty(&m, &s, name, NULL, NULL);
	pid_t pid = fork();
	if (!pid)
		leader(m, s, name);
	waitpid(pid, &status, 0);
	printf("leader %#x\n", status);
	close(m);
	close(s);
}

/* A line typed at a program that forkpty() started; its end, and what a closed master does to it. */
static void programs(void)
{
	char buf[256];
	struct pollfd p;
	int m, status, k;
	long n = 0;
	pid_t pid = forkpty(&m, NULL, NULL, NULL);

	if (!pid) {
		k = read(0, buf, sizeof(buf));
		printf("got %.*s", k, buf);
		fflush(stdout);
		_exit(isatty(0) + isatty(1) + isatty(2));
	}
	write(m, "typed\n", 6);
	p.fd = m;
	p.events = POLLIN;
	while (poll(&p, 1, 200000) == 1 && (k = read(m, buf + n, sizeof(buf) - n)) > 0)
		n += k;
	say("end", k);
	printf("<%.*s>\n", (int)n, buf);
	waitpid(pid, &status, 0);
	printf("status %#x\n", status);
	close(m);

	pid = forkpty(&m, NULL, NULL, NULL);
	if (!pid)
		for (;;)
			pause();
	settle();
	close(m);
	waitpid(pid, &status, 0);
	printf("hung up: %#x\n", status);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	opening();
	printf("-- packets\n");
	packets();
	printf("-- session\n");
	session();
	printf("-- programs\n");
	programs();
	return 0;
}
