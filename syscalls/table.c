/* SPDX-License-Identifier: Apache-2.0 */
/* The table in memory. Handlers are referenced weakly, so a family that is not linked leaves its rows empty: such a call
 * answers ENOSYS and shows in the report. */
#include "syscalls/syscalls.h"

#include "base/compiler.h"

#define SYSCALL(number, name, formats, how, gap) extern __typeof__(sys_##name) sys_##name __attribute__((weak));
#include "syscalls/table.def"
#undef SYSCALL

#define SYSCALL(number, entry_name, formats, how, gap)                                                                         \
	[number] = { .name = #entry_name, .args = formats, .fn = sys_##entry_name, .level = how, .note = gap },
static const struct syscall_entry table[SYSCALL_MAX] = {
#include "syscalls/table.def"
};
#undef SYSCALL

const struct syscall_entry *syscall_entry(uint64_t nr)
{
	if (nr >= ARRAY_SIZE(table) || !table[nr].name)
		return NULL;
	return &table[nr];
}
