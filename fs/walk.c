/* SPDX-License-Identifier: Apache-2.0 */
/* Walking: from a name to a path, one component at a time.
 *
 * Theory of operation. A walk has a current place, a root that ".." and absolute names cannot leave, and the rest of the
 * name. Each component is looked up in the dentry cache; a miss asks the file system under the directory's lock. A symlink's target is
 * put in front of the rest of the name, at most 40 times (path_resolution(7)). Magic links of /proc jump to a path.
 * With stop_at_last the walk ends before the last component, for calls that make, remove or rename names.
 *
 * The restrictions of openat2(2) are enforced at the steps that they restrict. A root that is not to be left is met on the way up only
 * as long as the walk is below it, and a rename may carry the walk's place elsewhere at any time. So ".." is believed if nothing was
 * renamed since the walk began (else EAGAIN: try again), and where the walk ends must lie below the root then (else EXDEV).
 */
#include "fs/fdtable.h"
#include "fs/vfs_internal.h"
#include "kernel/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SYMLINKS = 40 };

struct walk {
	struct path root, at; /* references */
	const struct cred *cred;
	unsigned flags;
	int links;
	uint64_t moves; /* dentry_moves when the walk began */
	const char *rest;
	char *buf; /* what `rest` points into, after a symlink; owned */
	struct walk_last *last; /* stop before the last component */
};

static bool is_name(const char *s, size_t len, const char *name)
{
	return len == strlen(name) && !memcmp(s, name, len);
}

static bool scoped(const struct walk *w)
{
	return w->flags & (WALK_BENEATH | WALK_IN_ROOT);
}

static bool is_below(const struct path *p, const struct path *root)
{
	struct path at = *p;
	bool yes = true;

	path_get(&at);
	while (yes && at.mount != root->mount)
		yes = path_up_mounts(&at);
	yes = yes && dentry_is_ancestor(root->dentry, at.dentry);
	path_put(&at);
	return yes;
}

static int step_up(struct walk *w)
{
	for (;;) {
		if (path_equal(&w->at, &w->root)) {
			/* Above the root lies the root; openat2's RESOLVE_BENEATH refuses instead. */
			return w->flags & WALK_BENEATH ? -EXDEV : 0;
		}
		if (w->at.dentry != w->at.mount->root)
			break;
		if (w->flags & WALK_NO_XDEV)
			return -EXDEV;
		if (!path_up_mounts(&w->at))
			return 0;
	}
	struct dentry *parent = dentry_parent(w->at.dentry);

	dentry_put(w->at.dentry);
	w->at.dentry = parent;
	if (parent->mounted)
		path_follow_mounts(&w->at);
	return 0;
}

/* The name's remainder after a symlink: target, then what was left. */
static int push_target(struct walk *w, const char *target, size_t len)
{
	size_t rest = strlen(w->rest);
	char *n;

	if (len + rest + 2 > 2 * PATH_MAX)
		return -ENAMETOOLONG;
	n = malloc(len + rest + 2);
	if (!n)
		return -ENOMEM;
	memcpy(n, target, len);
	n[len] = rest ? '/' : 0;
	memcpy(n + len + (rest ? 1 : 0), w->rest, rest + 1);
	free(w->buf);
	w->buf = n;
	w->rest = n;
	return 0;
}

static int go_to_root(struct walk *w)
{
	if (w->flags & WALK_BENEATH)
		return -EXDEV;
	if (w->flags & WALK_NO_XDEV && w->root.mount != w->at.mount)
		return -EXDEV;
	path_put(&w->at);
	path_get(&w->root);
	w->at = w->root;
	return 0;
}

static int follow_magic(struct walk *w, struct inode *i)
{
	struct path p;
	int r;

	if (w->flags & (WALK_NO_MAGICLINKS | WALK_BENEATH | WALK_IN_ROOT))
		return w->flags & WALK_NO_MAGICLINKS ? -ELOOP : -EXDEV;
	r = i->ops->follow(i, &p);
	if (r)
		return r;
	if (w->flags & WALK_NO_XDEV && p.mount != w->at.mount) {
		path_put(&p);
		return -EXDEV;
	}
	path_put(&w->at);
	w->at = p;
	return 0;
}

/* link is a symlink inside w->at. */
static int follow_link(struct walk *w, struct dentry *link)
{
	struct inode *i = link->inode;
	char target[PATH_MAX];
	ssize_t n;

	if (w->flags & WALK_NO_SYMLINKS || ++w->links > MAX_SYMLINKS)
		return -ELOOP;
	if (i->ops->follow)
		return follow_magic(w, i);
	n = i->ops->readlink(i, target, sizeof(target));
	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ENOENT;
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	if (target[0] == '/') {
		int r = go_to_root(w);

		if (r)
			return r;
	}
	return push_target(w, target, (size_t)n);
}

/* The child, from the cache or from the file system. */
static int lookup(struct walk *w, const char *name, size_t len, struct dentry **out)
{
	struct inode *dir = w->at.dentry->inode;
	int r;

	if (LIKELY(!dir->ops->revalidate)) {
		*out = dentry_find(w->at.dentry, name, len);
		if (*out)
			return 0;
	}
	mutex_lock(&dir->lock);
	r = dentry_lookup_locked(w->at.dentry, name, len, out);
	mutex_unlock(&dir->lock);
	return r;
}

static int step_name(struct walk *w, const char *name, size_t len, bool last, bool slash)
{
	struct dentry *d = NULL;
	struct inode *i;
	int r = lookup(w, name, len, &d);

	if (r)
		return r;
	i = d->inode;
	if (!i) {
		dentry_put(d);
		return -ENOENT;
	}
	if (i->type == S_IFLNK && !d->mounted && (!last || slash || w->flags & WALK_FOLLOW)) {
		r = follow_link(w, d);
		dentry_put(d);
		return r;
	}
	dentry_put(w->at.dentry);
	w->at.dentry = d;
	if (UNLIKELY(d->mounted)) {
		if (w->flags & WALK_NO_XDEV)
			return -EXDEV;
		path_follow_mounts(&w->at);
	}
	return 0;
}

static int may_search(struct walk *w)
{
	struct inode *i = w->at.dentry->inode;

	if (i->type != S_IFDIR)
		return -ENOTDIR;
	return inode_permission(i, w->cred, MAY_EXEC);
}

static void save_last(struct walk *w, const char *name, size_t len, bool slash)
{
	struct walk_last *l = w->last;

	/* Linux looks at both parents of a rename before it finds that a name is too long. */
	len = MIN(len, (size_t)NAME_MAX + 1);
	memcpy(l->name, name, len);
	l->name[len] = 0;
	l->len = len;
	l->slash = slash;
	l->kind = is_name(name, len, ".") ? LAST_DOT : is_name(name, len, "..") ? LAST_DOTDOT : LAST_NAME;
}

/* The next component of w->rest is name[len). A trailing slash makes the last component be followed and be a directory. */
static int walk_component(struct walk *w, const char *name, size_t len, bool last)
{
	int r = may_search(w);

	if (r)
		return r;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (is_name(name, len, "."))
		return 0;
	if (is_name(name, len, "..")) {
		r = step_up(w);
		return !r && scoped(w) && w->moves != dentry_moves ? -EAGAIN : r;
	}
	return step_name(w, name, len, last, *w->rest == '/');
}

static int walk_rest(struct walk *w)
{
	if (w->last)
		w->last->kind = LAST_ROOT;
	for (;;) {
		const char *name = w->rest + strspn(w->rest, "/");
		size_t len;
		bool last;
		int r;

		if (!*name) {
			bool slash = name != w->rest;

			return slash && w->at.dentry->inode->type != S_IFDIR ? -ENOTDIR : 0;
		}
		len = strcspn(name, "/");
		w->rest = name + len;
		last = !w->rest[strspn(w->rest, "/")];
		if (last && w->last) {
			r = may_search(w);
			if (!r)
				save_last(w, name, len, *w->rest == '/');
			return r;
		}
		r = walk_component(w, name, len, last);
		if (r)
			return r;
	}
}

/* Takes over w->at; on success *out has it. */
static int walk_run(struct walk *w, const char *name, struct path *out)
{
	int r = 0;

	w->rest = name;
	if (*name == '/')
		r = go_to_root(w);
	if (!r)
		r = walk_rest(w);
	if (!r && w->flags & WALK_DIRECTORY && !w->last && w->at.dentry->inode->type != S_IFDIR)
		r = -ENOTDIR;
	if (!r && scoped(w) && !is_below(&w->at, &w->root))
		r = -EXDEV;
	free(w->buf);
	if (r)
		path_put(&w->at);
	else
		*out = w->at;
	return r;
}

static int start_path(struct task *t, int dirfd, const char *name, unsigned flags, struct path *out)
{
	struct file *f;
	int r;

	if (*name == '/' && !(flags & (WALK_IN_ROOT | WALK_BENEATH))) {
		fs_context_root(t->fs, out);
		return 0;
	}
	if (dirfd == AT_FDCWD) {
		fs_context_cwd(t->fs, out);
		return 0;
	}
	f = fd_lookup_any(t->files, dirfd);
	if (!f)
		return -EBADF;
	if (*name && f->inode->type != S_IFDIR)
		r = -ENOTDIR;
	else
		r = file_path(f, out);
	file_put(f);
	return r;
}

static int walk_start(struct task *t, int dirfd, const char *name, unsigned flags, struct walk *w)
{
	int r;

	if (!*name && !(flags & WALK_EMPTY))
		return -ENOENT;
	r = start_path(t, dirfd, name, flags, &w->at);
	if (r)
		return r;
	w->cred = t->cred;
	w->flags = flags;
	w->moves = dentry_moves;
	if (scoped(w)) {
		path_get(&w->at);
		w->root = w->at;
	} else {
		fs_context_root(t->fs, &w->root);
	}
	return 0;
}

int vfs_walk(struct task *t, int dirfd, const char *name, unsigned flags, struct path *out)
{
	struct walk w = { 0 };
	int r = walk_start(t, dirfd, name, flags, &w);

	if (r)
		return r;
	r = walk_run(&w, name, out);
	path_put(&w.root);
	return r;
}

int vfs_walk_parent(struct task *t, int dirfd, const char *name, unsigned flags, struct walk_last *out)
{
	struct walk w = { .last = out };
	int r;

	memset(out, 0, sizeof(*out));
	if (!*name)
		return -ENOENT;
	r = walk_start(t, dirfd, name, flags & ~(unsigned)WALK_EMPTY, &w);
	if (r)
		return r;
	r = walk_run(&w, name, &out->dir);
	out->links = w.links;
	out->moves = w.moves;
	if (r)
		path_put(&w.root);
	else
		out->root = w.root;
	return r;
}

int vfs_walk_link(const struct cred *c, struct walk_last *l, struct dentry *link, unsigned flags, bool *jumped)
{
	struct walk w = { .last = l, .root = l->root, .at = l->dir, .cred = c, .flags = flags, .links = l->links, .moves = l->moves,
			  .rest = "" };
	int r = follow_link(&w, link);

	*jumped = !w.buf;
	if (!r && w.buf)
		r = walk_rest(&w);
	if (!r && scoped(&w) && !is_below(&w.at, &w.root))
		r = -EXDEV;
	free(w.buf);
	l->links = w.links;
	l->dir = w.at;
	return r;
}

void walk_last_fini(struct walk_last *l)
{
	path_put(&l->dir);
	path_put(&l->root);
}

int vfs_walk_at(const struct path *root, const struct path *start, const struct cred *c, const char *name, unsigned flags,
		struct path *out)
{
	struct walk w = { .root = *root, .at = *start, .cred = c, .flags = flags, .moves = dentry_moves };

	if (!*name && !(flags & WALK_EMPTY))
		return -ENOENT;
	path_get(start);
	return walk_run(&w, name, out);
}

int vfs_walk_setup(const char *name, unsigned flags, struct path *out)
{
	struct mount *m = vfs_root_mount();
	struct path root = { m, m->root };
	int r;

	path_get(&root);
	path_follow_mounts(&root);
	r = vfs_walk_at(&root, &root, NULL, name, flags, out);
	path_put(&root);
	return r;
}
