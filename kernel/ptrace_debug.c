/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2): a tracee's debug registers, with which a debugger stops it at hardware breakpoints and watchpoints.
 *
 * Theory of operation. DR0 to DR3 are addresses; four bits of DR7 for each say what use of how many bytes there counts, two more
 * whether it is to; DR6 tells which one it was. They belong to the task: set in a stop by its tracer, kept when that lets go, lost in an
 * execve. A child gets the values of DR6 and DR7 but none of the places. That is Linux's rule, and so are the checks here: a place is
 * checked whole (address, type, length) whenever it changes, even one that is not enabled, unless it was never used; and DR7 is taken
 * whole or not at all, and reads as it was written.
 *
 * The thread that runs the guest follows when the task goes on from the stop. A hit arrives as the processor's trap, with DR6 of the
 * moment, and is a SIGTRAP like that of a step.
 *
 * Locks: the registers are the task's own, and its tracer's while it sits in a stop, under the tasks lock. */
#include "kernel/ptrace_internal.h"
#include "kernel/task_internal.h"

#include <errno.h>
#include <string.h>

/* Intel's manual, volume 3, "Debug registers". */
enum { DR_STATUS = 6, DR_CONTROL = 7 };
enum { FIELD_SHIFT = 16, FIELD_BITS = 4, FIELD_MASK = 15, ENABLE_BITS = 2, ENABLE_MASK = 3, ENABLE_GLOBAL = 2 };
enum { TYPE_MASK = 3, TYPE_EXECUTE = 0, TYPE_WRITE = 1, TYPE_IO = 2, LENGTH_SHIFT = 2 };
static const uint64_t status_initial = 0xffff0ff0;

void debug_registers_init(struct debug_registers *d)
{
	*d = (struct debug_registers){ .status = status_initial };
}

static unsigned field_of(uint64_t control, unsigned i)
{
	return control >> (FIELD_SHIFT + i * FIELD_BITS) & FIELD_MASK;
}

static int check_place(uint64_t addr, unsigned field)
{
	static const uint8_t sizes[] = { 1, 2, 8, 4 };
	const unsigned type = field & TYPE_MASK, size = sizes[field >> LENGTH_SHIFT];

	if (type == TYPE_IO || (type == TYPE_EXECUTE && size != 1))
		return -EINVAL;
	/* Aligned, it reaches no further than the page that it begins in. */
	return addr % size || addr >= task_size_max ? -EINVAL : 0;
}

static int put_address(struct debug_place *p, uint64_t addr)
{
	const unsigned field = p->used ? p->field : TYPE_WRITE;
	int r = check_place(addr, field);

	if (!r) {
		p->addr = addr;
		p->field = (uint8_t)field;
		p->used = true;
	}
	return r;
}

static int put_field(struct debug_place *p, unsigned field, bool enabled)
{
	int r = p->used || enabled ? check_place(p->addr, field) : 0;

	if (!r && (p->used || enabled)) {
		p->field = (uint8_t)field;
		p->enabled = enabled;
		p->used = true;
	}
	return r;
}

static int put_fields(struct debug_registers *d, uint64_t control)
{
	int r = 0;

	for (unsigned i = 0; !r && i < ARRAY_SIZE(d->place); i++)
		r = put_field(&d->place[i], field_of(control, i), control >> (i * ENABLE_BITS) & ENABLE_MASK);
	return r;
}

/* What DR7 must be for the places that are enabled. */
static uint64_t enabled_fields(const struct debug_registers *d)
{
	uint64_t control = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(d->place); i++) {
		if (d->place[i].enabled)
			control |= (uint64_t)d->place[i].field << (FIELD_SHIFT + i * FIELD_BITS) |
				   (uint64_t)ENABLE_GLOBAL << (i * ENABLE_BITS);
	}
	return control;
}

static int put_control(struct debug_registers *d, uint64_t control)
{
	const uint64_t before = enabled_fields(d);
	int r = put_fields(d, control);

	if (!r)
		d->control = control;
	else
		(void)!put_fields(d, before); /* what is enabled was accepted once, and what is not becomes one byte to execute */
	return r;
}

uint64_t debug_register_get(const struct debug_registers *d, unsigned n)
{
	if (n < ARRAY_SIZE(d->place))
		return d->place[n].addr;
	if (n == DR_STATUS)
		return d->status;
	return n == DR_CONTROL ? d->control : 0;
}

int debug_register_set(struct debug_registers *d, unsigned n, uint64_t value)
{
	if (n < ARRAY_SIZE(d->place))
		return put_address(&d->place[n], value);
	if (n == DR_CONTROL)
		return put_control(d, value);
	if (n != DR_STATUS)
		return -EIO;
	d->status = value;
	return 0;
}

void debug_registers_apply(struct task *t)
{
	uint64_t addr[PLATFORM_DEBUG_PLACES];

	for (unsigned i = 0; i < ARRAY_SIZE(addr); i++)
		addr[i] = t->debug.place[i].addr;
	platform_debug_set(t->ctx, addr, enabled_fields(&t->debug));
}
