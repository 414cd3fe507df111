/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/map_name.h"

#include "fs/vfs_internal.h"

#include <assert.h>

void map_name_init(struct map_name *n)
{
	mutex_init(&n->lock);
	n->users = 0;
	n->path = (struct path){ 0 };
}

void map_name_fini(struct map_name *n)
{
	assert(!n->users);
	mutex_destroy(&n->lock);
}

void map_name_get(struct map_name *n, const struct path *via)
{
	mutex_lock(&n->lock);
	n->users++;
	if (via && !n->path.mount) {
		path_get(via);
		n->path = *via;
	}
	mutex_unlock(&n->lock);
}

void map_name_put(struct map_name *n)
{
	struct path last = { 0 };

	mutex_lock(&n->lock);
	if (!--n->users) {
		last = n->path;
		n->path = (struct path){ 0 };
	}
	mutex_unlock(&n->lock);
	if (last.mount)
		path_put(&last);
}

void map_name_print(struct map_name *n, char *buf, size_t size)
{
	struct mount *top = vfs_root_mount();
	struct path root = { top, top ? top->root : NULL }, p;

	mutex_lock(&n->lock);
	p = n->path;
	if (p.mount)
		path_get(&p);
	mutex_unlock(&n->lock);
	if (!p.mount || vfs_path_name(&p, &root, buf, size) < 0)
		buf[0] = 0;
	if (p.mount)
		path_put(&p);
}
