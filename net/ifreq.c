/* SPDX-License-Identifier: Apache-2.0 */
/* ioctls of all sockets: netdevice(7), socket(7). The sandbox has one interface, the loopback, up since ever; it cannot be changed. With
 * --network host the questions go to the host. */
#include "net/ifreq.h"

#include "fs/async.h"
#include "kernel/task.h"
#include "net/host_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { TX_QUEUE_LENGTH = 1000, LIST_MAX = 64 << 10 };

static void set_address(struct ifreq *r, uint32_t address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };

	memcpy(&r->ifr_addr, &in, sizeof(in));
}

/* The answer to a question about lo. */
static int fill(struct ifreq *r, unsigned cmd)
{
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
		break;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
		set_address(r, INADDR_LOOPBACK);
		break;
	case SIOCGIFBRDADDR:
		set_address(r, 0);
		break;
	case SIOCGIFNETMASK:
		set_address(r, 0xff000000);
		break;
	case SIOCGIFINDEX:
		r->ifr_ifindex = LOOPBACK_INDEX;
		break;
	case SIOCGIFMTU:
		r->ifr_mtu = LOOPBACK_MTU;
		break;
	case SIOCGIFMETRIC:
		r->ifr_metric = 0;
		break;
	case SIOCGIFTXQLEN:
		r->ifr_qlen = TX_QUEUE_LENGTH;
		break;
	case SIOCGIFHWADDR:
		memset(&r->ifr_hwaddr, 0, sizeof(r->ifr_hwaddr));
		r->ifr_hwaddr.sa_family = ARPHRD_LOOPBACK;
		break;
	default:
		return -ENOTTY;
	}
	return 0;
}

static int64_t about_interface(struct task *t, unsigned cmd, uint64_t arg)
{
	struct ifreq r;
	int err = guest_read(t->mm, &r, arg, sizeof(r));

	if (err)
		return err;
	r.ifr_name[IFNAMSIZ - 1] = 0;
	if (host_network_enabled())
		err = host_route_ioctl(cmd, &r);
	else
		err = strcmp(r.ifr_name, LOOPBACK_NAME) ? -ENODEV : fill(&r, cmd);
	return err ? err : guest_write(t->mm, arg, &r, sizeof(r));
}

static int64_t name_of_index(struct task *t, uint64_t arg)
{
	struct ifreq r;
	int err = guest_read(t->mm, &r, arg, sizeof(r));

	if (err)
		return err;
	if (host_network_enabled()) {
		err = host_route_ioctl(SIOCGIFNAME, &r);
		return err ? err : guest_write(t->mm, arg, &r, sizeof(r));
	}
	if (r.ifr_ifindex != LOOPBACK_INDEX)
		return -ENODEV;
	memset(r.ifr_name, 0, sizeof(r.ifr_name));
	memcpy(r.ifr_name, LOOPBACK_NAME, sizeof(LOOPBACK_NAME));
	return guest_write(t->mm, arg, &r, sizeof(r));
}

/* The host's list, by way of a buffer of the sentry's. */
static int64_t list_host(struct task *t, uint64_t arg, struct ifconf *c)
{
	uint64_t to = (uint64_t)(uintptr_t)c->ifc_buf;
	char *buf = NULL;
	int err;

	if (to) {
		c->ifc_len = MIN(MAX(c->ifc_len, 0), LIST_MAX);
		buf = calloc(1, (size_t)c->ifc_len + 1);
		if (!buf)
			return -ENOMEM;
	}
	c->ifc_buf = buf;
	err = host_route_ioctl(SIOCGIFCONF, c);
	if (!err && buf && c->ifc_len > 0)
		err = guest_write(t->mm, to, buf, (size_t)c->ifc_len);
	free(buf);
	c->ifc_buf = (char *)(uintptr_t)to;
	return err ? err : guest_write(t->mm, arg, c, sizeof(*c));
}

/* SIOCGIFCONF: interfaces with an IPv4 address; without a buffer, how large one must be. */
static int64_t list(struct task *t, uint64_t arg)
{
	struct ifconf c;
	struct ifreq r;
	int err = guest_read(t->mm, &c, arg, sizeof(c));

	if (err)
		return err;
	if (host_network_enabled())
		return list_host(t, arg, &c);
	if (!c.ifc_buf) {
		c.ifc_len = sizeof(r);
	} else if (c.ifc_len < (int)sizeof(r)) {
		c.ifc_len = 0;
	} else {
		memset(&r, 0, sizeof(r));
		memcpy(r.ifr_name, LOOPBACK_NAME, sizeof(LOOPBACK_NAME));
		set_address(&r, INADDR_LOOPBACK);
		err = guest_write(t->mm, (uint64_t)(uintptr_t)c.ifc_buf, &r, sizeof(r));
		if (err)
			return err;
		c.ifc_len = sizeof(r);
	}
	return guest_write(t->mm, arg, &c, sizeof(c));
}

static int64_t get_owner(struct file *f, struct task *t, uint64_t arg)
{
	int owner = async_get_owner_signed(f);

	return guest_write(t->mm, arg, &owner, sizeof(owner));
}

static int64_t set_owner(struct file *f, struct task *t, uint64_t arg)
{
	int owner, err = guest_read(t->mm, &owner, arg, sizeof(owner));

	return err ? err : async_set_owner_signed(t, f, owner);
}

int64_t ifreq_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case FIOSETOWN:
	case SIOCSPGRP:
		return set_owner(f, t, arg);
	case FIOGETOWN:
	case SIOCGPGRP:
		return get_owner(f, t, arg);
	case SIOCGIFCONF:
		return list(t, arg);
	case SIOCGIFNAME:
		return name_of_index(t, arg);
	case SIOCGIFFLAGS:
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFINDEX:
	case SIOCGIFMTU:
	case SIOCGIFMETRIC:
	case SIOCGIFTXQLEN:
	case SIOCGIFHWADDR:
		return about_interface(t, cmd, arg);
	case SIOCSIFFLAGS:
	case SIOCSIFADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFMTU:
		return -EPERM;
	default:
		return -ENOTTY;
	}
}
