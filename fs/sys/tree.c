/* SPDX-License-Identifier: Apache-2.0 */
/* /sys: as much as programs read to count processors and to find page sizes; see sysfs(5). All of it is static. */
#include "fs/pseudo.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { SYSFS_MAGIC_NUMBER = 0x62656572 };

static int cpu_list_show(struct pseudo_node *n, struct text *out)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	(void)n;
	text_printf(out, count > 1 ? "0-%ld\n" : "%ld\n", count - 1);
	return 0;
}

static int constant_show(struct pseudo_node *n, struct text *out)
{
	text_printf(out, "%s\n", (const char *)n->data);
	return 0;
}

static const struct pseudo_ops cpu_list_ops = { .show = cpu_list_show };
static const struct pseudo_ops constant_ops = { .show = constant_show };

static struct pseudo_node *add_constant(struct pseudo_node *dir, const char *name, const char *value)
{
	return pseudo_file(dir, name, 0444, &constant_ops, (void *)value);
}

static int add_cpus(struct pseudo_node *cpu)
{
	for (long i = 0, count = sysconf(_SC_NPROCESSORS_ONLN); i < count; i++) {
		struct pseudo_node *dir, *topology;
		char name[32];

		snprintf(name, sizeof(name), "cpu%ld", i);
		dir = pseudo_dir(cpu, name, 0755, NULL, NULL);
		topology = dir ? pseudo_dir(dir, "topology", 0755, NULL, NULL) : NULL;
		if (!topology || !add_constant(topology, "physical_package_id", "0"))
			return -ENOMEM;
	}
	if (!pseudo_file(cpu, "online", 0444, &cpu_list_ops, NULL) ||
	    !pseudo_file(cpu, "possible", 0444, &cpu_list_ops, NULL) ||
	    !pseudo_file(cpu, "present", 0444, &cpu_list_ops, NULL))
		return -ENOMEM;
	return 0;
}

int sysfs_new(struct filesystem **out)
{
	struct pseudo_node *root, *devices, *system, *cpu, *node, *kernel, *mm, *thp, *fs;
	int err = pseudo_fs_new("sysfs", SYSFS_MAGIC_NUMBER, false, out);

	if (err)
		return err;
	root = pseudo_root(*out);
	devices = pseudo_dir(root, "devices", 0755, NULL, NULL);
	system = devices ? pseudo_dir(devices, "system", 0755, NULL, NULL) : NULL;
	cpu = system ? pseudo_dir(system, "cpu", 0755, NULL, NULL) : NULL;
	node = system ? pseudo_dir(system, "node", 0755, NULL, NULL) : NULL;
	kernel = pseudo_dir(root, "kernel", 0755, NULL, NULL);
	mm = kernel ? pseudo_dir(kernel, "mm", 0755, NULL, NULL) : NULL;
	thp = mm ? pseudo_dir(mm, "transparent_hugepage", 0755, NULL, NULL) : NULL;
	fs = pseudo_dir(root, "fs", 0755, NULL, NULL);
	if (!cpu || !node || !thp || !fs || !pseudo_dir(fs, "cgroup", 0755, NULL, NULL))
		return -ENOMEM;
	if (!add_constant(thp, "enabled", "always [madvise] never") || !add_constant(thp, "hpage_pmd_size", "2097152") ||
	    !add_constant(node, "online", "0") || !add_constant(node, "possible", "0"))
		return -ENOMEM;
	return add_cpus(cpu);
}
