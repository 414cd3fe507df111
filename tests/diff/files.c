// SPDX-License-Identifier: Apache-2.0
/*
 * Plays seeded random sequences of file system calls and tells what came of them, so that one kernel can be held against another:
 * natively on a tmpfs it is the oracle, and tests/run-diff compares with it what the sandbox does on each kind of file system.
 *
 *   files make DIR COUNT                  makes the trees DIR/0 ... that sequences start from
 *   files play DIR SEED FIRST COUNT [OPTIONS]  plays COUNT sequences; a line for each, with its number and the hash of all it told
 *     prepared    the trees are there; otherwise each is made before its sequence
 *     say         tell everything instead of hashes
 *     no-xattrs   leave out extended attributes
 *
 * A sequence is a number of steps in a fresh tree. A step is an operation and a seed for its choices, and depends on nothing else: not
 * on results, so that a wrong one cannot change what follows. There are two players. A forks B somewhere in the sequence, which
 * inherits descriptors, mappings and locks, and from there to its end steps go to either in turn, over a socket on which they hand
 * each other descriptors too. What a player holds are slots for descriptors and mappings; numbers of neither are ever told.
 *
 * Nothing is told that Linux leaves open: inode numbers (but whether two are equal), sizes and link counts of directories, times but
 * those set, blocks.
 */
#include "../guest/file.h"
#include "files.h"

#include <sys/mman.h>
#include <sys/socket.h>

enum { STEPS_MIN = 10, STEPS_MAX = 60 };

static const struct op *const families[] = { name_ops, data_ops, attribute_ops, map_ops, lock_ops };
static const unsigned family_weights[] = { 10, 10, 4, 4, 2 };

static const struct op *choose_op(struct rng *r)
{
	unsigned total = 0, n;
	size_t f = 0;
	const struct op *o;

	for (size_t i = 0; i < COUNT(families); i++)
		total += family_weights[i];
	for (n = rng_below(r, total); n >= family_weights[f]; f++)
		n -= family_weights[f];
	total = 0;
	for (o = families[f]; o->name; o++)
		total += o->weight;
	for (n = rng_below(r, total), o = families[f]; n >= o->weight; o++)
		n -= o->weight;
	return o;
}

static void play_step(struct player *p, uint64_t seed)
{
	struct rng r = { seed };
	const struct op *o = choose_op(&r);

	text_add(&p->out, "%c %s", p->name, o->name);
	errno = 0;
	o->play(p, &r);
	text_add(&p->out, "\n");
}

/* What goes over the wire: to B what to do, back what came of it. */
struct message {
	enum { PLAY, GIVE, TAKE, LEAVE, DONE } what;
	unsigned slot;
	uint64_t seed;
};

/* Sends a message, then text if any, with a descriptor if fd is one. */
static void send_message(int wire, const struct message *m, const struct text *t, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v[2] = { { (void *)m, sizeof(*m) }, { t ? (void *)t->buf : NULL, t ? t->len : 0 } };
	struct msghdr h = { .msg_iov = v, .msg_iovlen = 2 };

	if (fd >= 0) {
		h.msg_control = control;
		h.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	if (sendmsg(wire, &h, 0) != (ssize_t)(v[0].iov_len + v[1].iov_len))
		perror("send");
}

/* Receives one; the text is added to t. Returns the descriptor that came with it, -1 if none, -2 at the end. */
static int receive_message(int wire, struct message *m, struct text *t)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec v[2] = { { m, sizeof(*m) }, { t->buf + t->len, sizeof(t->buf) - t->len } };
	struct msghdr h = { .msg_iov = v, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(wire, &h, 0);
	struct cmsghdr *c;
	int fd = -1;

	if (n < (ssize_t)sizeof(*m))
		return -2;
	t->len += (size_t)n - sizeof(*m);
	c = CMSG_FIRSTHDR(&h);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

static void put_in_slot(struct player *p, unsigned slot, int fd)
{
	if (p->fd[slot] >= 0)
		close(p->fd[slot]);
	p->fd[slot] = fd;
}

/* B's life. */
static void serve(struct player *p, int wire)
{
	struct message m, done = { .what = DONE };

	p->name = 'B';
	p->pid[1] = getpid();
	for (;;) {
		p->out.len = 0;
		int fd = receive_message(wire, &m, &p->out), give = -1;

		if (fd == -2 || m.what == LEAVE)
			_exit(0);
		if (m.what == PLAY)
			play_step(p, m.seed);
		else if (m.what == TAKE)
			put_in_slot(p, m.slot, fd);
		else if (m.what == GIVE)
			give = p->fd[m.slot];
		send_message(wire, &done, &p->out, give);
	}
}

static void ask(struct player *p, int wire, const struct message *m, int fd)
{
	struct message done;

	send_message(wire, m, NULL, fd);
	fd = receive_message(wire, &done, &p->out);
	if (fd == -2)
		text_add(&p->out, "B is gone\n");
	else if (m->what == GIVE)
		put_in_slot(p, (m->slot + 1) % SLOTS, fd);
}

static void play_with_other(struct player *p, int wire, struct rng *r, uint64_t seed)
{
	struct message m = { .slot = rng_below(r, SLOTS), .seed = seed };

	if (one_in(r, 12)) {
		m.what = one_in(r, 2) ? GIVE : TAKE;
		text_add(&p->out, "%s slot %u\n", m.what == GIVE ? "B gives A" : "A gives B", m.slot);
		ask(p, wire, &m, m.what == TAKE ? p->fd[(m.slot + 1) % SLOTS] : -1);
	} else if (one_in(r, 2)) {
		ask(p, wire, &m, -1);
	} else {
		play_step(p, seed);
	}
}

static pid_t fork_other(struct player *p, int *wire)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	p->pid[1] = fork();
	if (!p->pid[1]) {
		close(pair[0]);
		p->pid[1] = getpid();
		serve(p, pair[1]);
	}
	close(pair[1]);
	*wire = pair[0];
	return p->pid[1];
}

static void dismiss_other(struct player *p, int wire)
{
	send_message(wire, &(struct message){ .what = LEAVE }, NULL, -1);
	close(wire);
	if (waitpid(p->pid[1], NULL, 0) != p->pid[1])
		text_add(&p->out, "B cannot be waited for\n");
	p->pid[1] = 0;
}

/* Hash of all text, or the text itself. */
struct teller {
	bool say;
	uint64_t hash;
};

static void tell(struct teller *t, struct text *out)
{
	t->hash = fnv(t->hash, out->buf, out->len);
	if (t->say)
		fwrite(out->buf, 1, out->len, stdout);
	out->len = 0;
}

static void play_steps(struct player *p, struct teller *t, struct rng *r)
{
	unsigned steps = STEPS_MIN + rng_below(r, STEPS_MAX - STEPS_MIN);
	unsigned from = one_in(r, 3) ? rng_below(r, steps) : steps, to = from + 1 + rng_below(r, steps);
	int wire = -1;

	for (unsigned i = 0; i < steps; i++) {
		uint64_t seed = rng_next(r);

		if (i == from && fork_other(p, &wire) < 0)
			text_add(&p->out, "no B\n");
		if (i == to && wire >= 0) {
			dismiss_other(p, wire);
			wire = -1;
		}
		if (t->say)
			text_add(&p->out, "%u: ", i);
		if (wire >= 0)
			play_with_other(p, wire, r, seed);
		else
			play_step(p, seed);
		tell(t, &p->out);
	}
	if (wire >= 0)
		dismiss_other(p, wire);
}

/* One sequence in the tree that is p->root. It starts with some descriptors, as most steps want one. */
static void play(struct player *p, struct teller *t, uint64_t seed)
{
	struct rng r = { seed };

	p->fd[0] = open("b", O_RDWR);
	p->fd[1] = open(one_in(&r, 2) ? "f" : "c", O_RDWR);
	p->fd[2] = open("a/a", O_RDWR | O_APPEND);
	p->fd[3] = open(one_in(&r, 2) ? "a" : "a/b/c", O_RDONLY);
	p->fd[4] = -1;
	p->holes = one_in(&r, 2);
	memset(p->map, 0, sizeof(p->map));
	umask(022);
	play_steps(p, t, &r);
	umask(0);
	for (size_t i = 0; i < SLOTS; i++)
		put_in_slot(p, (unsigned)i, -1);
	for (size_t i = 0; i < MAPS; i++)
		unmap(&p->map[i]);
}

static bool has(char **words, const char *word)
{
	while (*words && strcmp(*words, word))
		words++;
	return *words;
}

static int play_all(char **argv)
{
	static struct player p;
	uint64_t seed = strtoull(argv[3], NULL, 10), first = strtoull(argv[4], NULL, 10), count = strtoull(argv[5], NULL, 10);
	bool prepared = has(argv + 6, "prepared");
	int home = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (home < 0 || fchdir(home))
		return perror(argv[2]), 1;
	p.name = 'A';
	p.pid[0] = getpid();
	p.no_xattrs = has(argv + 6, "no-xattrs");
	for (uint64_t i = first; i < first + count; i++) {
		struct rng r = { seed };
		struct teller t = { .say = has(argv + 6, "say"), .hash = FNV_START };
		char name[24], root[64];

		snprintf(name, sizeof(name), "%llu", (unsigned long long)(prepared ? i - first : 0));
		if (!prepared && tree_make(name, p.no_xattrs))
			return perror("cannot make a tree"), 1;
		snprintf(root, sizeof(root), "%s/" TREE_ROOT, name);
		p.root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (p.root < 0 || fchdir(p.root))
			return perror(name), 1;
		play(&p, &t, rng_next(&r) + i * 0x2545f4914f6cdd1du);
		if (fchdir(home) || close(p.root))
			return perror("home"), 1;
		text_add(&p.out, "the tree:\n");
		tree_show(&p.out, name, p.no_xattrs);
		tell(&t, &p.out);
		if ( tree_remove(home, name))
			return perror("cannot remove the tree"), 1;
		printf("%llu %016llx\n", (unsigned long long)i, (unsigned long long)t.hash);
	}
	return fflush(stdout) ? 1 : 0;
}

static int make_all(char **argv)
{
	int count = atoi(argv[3]);

	if (chdir(argv[2]))
		return perror(argv[2]), 1;
	for (int i = 0; i < count; i++) {
		char name[24];

		snprintf(name, sizeof(name), "%d", i);
		if (tree_make(name, has(argv + 4, "no-xattrs")))
			return perror("cannot make a tree"), 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	umask(0);
	signal(SIGPIPE, SIG_IGN);
	no_caps();
	if (argc >= 6 && !strcmp(argv[1], "play"))
		return play_all(argv);
	if (argc >= 4 && !strcmp(argv[1], "make"))
		return make_all(argv);
	fprintf(stderr, "usage: files make DIR COUNT | files play DIR SEED FIRST COUNT [prepared] [say] [no-xattrs]\n");
	return 2;
}
