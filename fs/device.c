/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/device.h"

#include <errno.h>
#include <sys/sysmacros.h>

enum { DEVICES_MAX = 64 };

static struct {
	unsigned major, first, count;
	device_open_fn open;
} devices[DEVICES_MAX]; /* written at boot */
static int device_count;

int device_register(unsigned major, unsigned first, unsigned count, device_open_fn open)
{
	if (device_count == DEVICES_MAX)
		return -ENOSPC;
	devices[device_count].major = major;
	devices[device_count].first = first;
	devices[device_count].count = count;
	devices[device_count].open = open;
	device_count++;
	return 0;
}

int device_open(struct inode *i, struct path *path, int flags, dev_t rdev, struct file **out)
{
	unsigned maj = major(rdev), min = minor(rdev);

	if (i->type != S_IFCHR)
		return -ENXIO;
	for (int n = 0; n < device_count; n++)
		if (devices[n].major == maj && min >= devices[n].first && min - devices[n].first < devices[n].count)
			return devices[n].open(i, path, flags, rdev, out);
	return -ENXIO;
}
