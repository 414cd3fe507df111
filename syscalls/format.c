/* SPDX-License-Identifier: Apache-2.0 */
/* A call as text, by the argument formats of table.def. */
#include "syscalls/syscalls.h"

#include "mm/guest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

enum { STRING_SHOWN = 128 };

static size_t put(char *buf, size_t size, size_t at, int n)
{
	(void)buf;
	if (n < 0)
		return at;
	return at + (size_t)n < size ? at + (size_t)n : size - 1;
}

static int format_string(struct task *t, uint64_t addr, char *buf, size_t size)
{
	char s[STRING_SHOWN + 1];
	ssize_t n;

	if (!addr)
		return snprintf(buf, size, "NULL");
	n = guest_read_some(t->mm, s, addr, STRING_SHOWN);
	if (n <= 0)
		return snprintf(buf, size, "0x%" PRIx64, addr);
	s[n] = 0;
	return snprintf(buf, size, "\"%s\"", s);
}

static int format_argument(struct task *t, char format, uint64_t v, char *buf, size_t size)
{
	switch (format) {
	case 'd':
	case 't':
	case 'f':
		return snprintf(buf, size, "%d", (int)v);
	case 'F':
		if ((int)v == AT_FDCWD)
			return snprintf(buf, size, "AT_FDCWD");
		return snprintf(buf, size, "%d", (int)v);
	case 'i':
		return snprintf(buf, size, "SIG%d", (int)v);
	case 'u':
		return snprintf(buf, size, "%u", (unsigned)v);
	case 'l':
	case 'O':
		return snprintf(buf, size, "%" PRId64, (int64_t)v);
	case 'z':
		return snprintf(buf, size, "%" PRIu64, v);
	case 'o':
		return snprintf(buf, size, "0%o", (unsigned)v);
	case 's':
		return format_string(t, v, buf, size);
	case 'p':
		if (!v)
			return snprintf(buf, size, "NULL");
		return snprintf(buf, size, "0x%" PRIx64, v);
	default:
		return snprintf(buf, size, "0x%" PRIx64, v);
	}
}

void syscall_format(struct task *t, uint64_t nr, const uint64_t args[6], char *buf, size_t size)
{
	const struct syscall_entry *e = syscall_entry(nr);
	const char *formats = e ? e->args : "xxxxxx";
	size_t at = 0;

	if (e)
		at = put(buf, size, at, snprintf(buf, size, "%s(", e->name));
	else
		at = put(buf, size, at, snprintf(buf, size, "syscall_0x%" PRIx64 "(", nr));
	for (int i = 0; i < 6 && formats[i]; i++) {
		if (i)
			at = put(buf, size, at, snprintf(buf + at, size - at, ", "));
		at = put(buf, size, at, format_argument(t, formats[i], args[i], buf + at, size - at));
	}
	snprintf(buf + at, size - at, ")");
}
