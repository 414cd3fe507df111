/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/process.h"
#include "tests/support/asserts.h"

#include <linux/capability.h>
#include <linux/securebits.h>

static const gid_t groups[] = { 30, 10, 20 };

Test(cred, groups_are_found_in_any_order)
{
	struct cred *c = cred_new(1000, 5, groups, 3);

	cr_assert(cred_in_group(c, 5));
	cr_assert(cred_in_group(c, 10) && cred_in_group(c, 20) && cred_in_group(c, 30));
	cr_assert(!cred_in_group(c, 15));
	cred_put(c);
}

Test(cred, copy_is_private_and_counted_apart)
{
	struct cred *c = cred_new(1, 2, groups, 3), *d;

	cred_get(c);
	d = cred_copy(c);
	d->uid = 7;
	cr_assert_eq(c->uid, 1);
	cr_assert_eq(ref_count(&d->ref), 1);
	cr_assert(cred_in_group(d, 20));
	cred_put(c);
	cred_put(c);
	cred_put(d);
}

Test(cred, giving_up_root_gives_up_capabilities)
{
	struct cred *old = cred_new(0, 0, NULL, 0), *c;

	old->cap_permitted = old->cap_effective = old->cap_ambient = 0xff;
	c = cred_copy(old);
	c->uid = c->euid = c->suid = c->fsuid = 1000;
	cred_fix_caps(c, old, false);
	cr_assert_eq(c->cap_permitted | c->cap_effective | c->cap_ambient, 0);
	cred_put(c);
	cred_put(old);
}

Test(cred, keepcaps_keeps_the_permitted_ones_only)
{
	struct cred *old = cred_new(0, 0, NULL, 0), *c;

	old->cap_permitted = old->cap_effective = 0xff;
	c = cred_copy(old);
	c->uid = c->euid = c->suid = c->fsuid = 1000;
	cred_fix_caps(c, old, true);
	cr_assert_eq(c->cap_permitted, 0xff);
	cr_assert_eq(c->cap_effective, 0);
	cred_put(c);
	cred_put(old);
}

Test(cred, fsuid_carries_the_file_capabilities)
{
	struct cred *old = cred_new(0, 0, NULL, 0), *c;

	old->cap_permitted = old->cap_effective = 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_KILL;
	c = cred_copy(old);
	c->fsuid = 1000;
	cred_fix_caps(c, old, false);
	cr_assert(!cred_capable(c, CAP_DAC_OVERRIDE));
	cr_assert(cred_capable(c, CAP_KILL));
	cred_put(c);
	cred_put(old);
}

Test(cred, exec_never_adds_a_capability_to_a_sandboxed_root)
{
	struct cred *c = cred_new(0, 0, NULL, 0);
	struct cred *n = cred_exec(c, true);

	cr_assert_eq(n->cap_permitted | n->cap_effective, 0);
	cred_put(n);
	c->cap_bounding = ~0ULL;
	n = cred_exec(c, true);
	cr_assert_eq(n->cap_permitted | n->cap_effective, 0, "no_new_privs");
	cred_put(n);
	cred_put(c);
}

Test(cred, exec_saves_the_effective_id)
{
	struct cred *c = cred_new(1000, 1000, NULL, 0), *n;

	c->euid = 5;
	c->securebits = SECBIT_KEEP_CAPS;
	n = cred_exec(c, false);
	cr_assert_eq(n->suid, 5);
	cr_assert_eq(n->fsuid, 5);
	cr_assert_eq(n->uid, 1000);
	cr_assert_eq(n->securebits, 0);
	cred_put(n);
	cred_put(c);
}
