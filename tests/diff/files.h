/* SPDX-License-Identifier: Apache-2.0 */
/* A player of file system steps and what it holds; see files.c. */
#ifndef DIFF_FILES_H
#define DIFF_FILES_H

#include "play.h"

#include <fcntl.h>
#include <sys/types.h>

enum { SLOTS = 5, MAPS = 2, PATH_ROOM = 320, PAGE = 4096 };

struct mapping {
	char *start; /* NULL: none */
	size_t size;
	off_t offset;
	bool shared, writable;
	int file; /* an O_PATH descriptor of what is mapped, to ask for its size: closing one gives up no POSIX lock */
};

struct player {
	char name;      /* 'A', or 'B' for the one that A forks */
	int root;       /* the tree's directory */
	pid_t pid[2];   /* of A and B */
	bool holes;     /* ask where they are, and allocate none: whether what is allocated but not written is one is left open */
	bool no_xattrs; /* the oracle's file system has none */
	int fd[SLOTS];  /* -1: closed */
	struct mapping map[MAPS];
	struct text out;
};

/* One kind of step. All that it does follows from the choices of r, never from what earlier steps gave. */
struct op {
	const char *name;
	unsigned weight;
	void (*play)(struct player *p, struct rng *r);
};

/* Closed by an entry without a name. */
extern const struct op name_ops[], data_ops[], attribute_ops[], map_ops[], lock_ops[];

/* files_tree.c: dir, with the tree that sequences start from in it; its text and removal at the end. 0, or -1 with errno. */
#define TREE_ROOT "up/root"
int tree_make(const char *dir, bool no_xattrs);
void tree_show(struct text *out, const char *dir, bool no_xattrs);
int tree_remove(int parent, const char *name);

/* Choices. The text of what was chosen is added to p->out. */
const char *choose_path(struct player *p, struct rng *r, char buf[static PATH_ROOM]);
mode_t choose_mode(struct player *p, struct rng *r, const mode_t *modes, size_t count);
int choose_dir(struct player *p, struct rng *r); /* AT_FDCWD, or a slot's descriptor */
int choose_slot(struct player *p, struct rng *r);
int choose_fd(struct player *p, struct rng *r);

/* Puts fd, if it is one, in a slot chosen anew, and tells the result. */
void keep_fd(struct player *p, struct rng *r, int fd);
void unmap(struct mapping *m);

#endif
