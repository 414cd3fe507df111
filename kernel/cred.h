/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: immutable once published; a change makes a new object. Ids are the guest's. */
#ifndef KERNEL_CRED_H
#define KERNEL_CRED_H

#include "base/compiler.h"
#include "base/ref.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cred {
	struct ref ref;
	uid_t uid, euid, suid, fsuid;
	gid_t gid, egid, sgid, fsgid;
	uint64_t cap_permitted, cap_effective, cap_inheritable, cap_bounding, cap_ambient;
	uint32_t securebits;
	size_t group_count;
	gid_t groups[]; /* sorted */
};

struct cred *cred_new(uid_t uid, gid_t gid, const gid_t *groups, size_t count);
/* A private copy to change before it is published. NULL: no memory. */
struct cred *cred_copy(const struct cred *c) MUST_CHECK;
void cred_get(struct cred *c);
void cred_put(struct cred *c);
bool cred_in_group(const struct cred *c, gid_t gid); /* fsgid or supplementary */
bool cred_capable(const struct cred *c, int cap);

#endif
