/* SPDX-License-Identifier: Apache-2.0 */
/* What CLONE_FS shares: root, working directory and umask. */
#include "fs/vfs_internal.h"

#include <errno.h>
#include <stdlib.h>

struct fs_context {
	struct ref ref;
	struct mutex lock;
	struct path root, cwd; /* protected by lock */
	_Atomic uint32_t umask;
};

int fs_context_new(const struct path *root, const struct path *cwd, uint32_t umask, struct fs_context **out)
{
	struct fs_context *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	ref_init(&c->ref);
	mutex_init(&c->lock);
	mutex_lock(&c->lock);
	path_get(root);
	path_get(cwd);
	c->root = *root;
	c->cwd = *cwd;
	mutex_unlock(&c->lock);
	c->umask = umask & 0777;
	*out = c;
	return 0;
}

struct fs_context *fs_context_get(struct fs_context *c)
{
	ref_get(&c->ref);
	return c;
}

void fs_context_put(struct fs_context *c) NO_THREAD_SAFETY_ANALYSIS
{
	if (!c || !ref_put(&c->ref))
		return;
	path_put(&c->root);
	path_put(&c->cwd);
	mutex_destroy(&c->lock);
	free(c);
}

int fs_context_copy(struct fs_context *c, struct fs_context **out)
{
	struct path root, cwd;
	int r;

	fs_context_root(c, &root);
	fs_context_cwd(c, &cwd);
	r = fs_context_new(&root, &cwd, c->umask, out);
	path_put(&root);
	path_put(&cwd);
	return r;
}

void fs_context_root(struct fs_context *c, struct path *out)
{
	mutex_lock(&c->lock);
	*out = c->root;
	path_get(out);
	mutex_unlock(&c->lock);
}

void fs_context_cwd(struct fs_context *c, struct path *out)
{
	mutex_lock(&c->lock);
	*out = c->cwd;
	path_get(out);
	mutex_unlock(&c->lock);
}

static void replace(struct fs_context *c, struct path *which, const struct path *p)
{
	struct path old;

	path_get(p);
	mutex_lock(&c->lock);
	old = *which;
	*which = *p;
	mutex_unlock(&c->lock);
	path_put(&old);
}

void fs_context_set_cwd(struct fs_context *c, const struct path *p) NO_THREAD_SAFETY_ANALYSIS
{
	replace(c, &c->cwd, p);
}

void fs_context_set_root(struct fs_context *c, const struct path *p) NO_THREAD_SAFETY_ANALYSIS
{
	replace(c, &c->root, p);
}

uint32_t fs_context_umask(struct fs_context *c)
{
	return c->umask;
}

uint32_t fs_context_set_umask(struct fs_context *c, uint32_t mask)
{
	return atomic_exchange(&c->umask, mask & 0777);
}
