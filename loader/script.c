/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of scripts, as execve(2) ("Interpreter scripts") and the kernel's binfmt_script read it: one interpreter,
 * at most one argument which is the rest of the line, blanks around both dropped. */
#include "loader/loader_internal.h"

#include <errno.h>
#include <string.h>

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

bool script_is(const char *head, size_t len)
{
	return len >= 2 && head[0] == '#' && head[1] == '!';
}

int script_parse(const char *head, size_t len, struct script *out)
{
	char *p = out->line, *end;
	const char *newline;
	bool cut = false;

	len = MIN(len, (size_t)HEAD_SIZE - 1);
	memcpy(out->line, head, len);
	out->line[len] = '\0';
	newline = memchr(out->line, '\n', len);
	if (newline)
		len = (size_t)(newline - out->line);
	else
		cut = len == HEAD_SIZE - 1;
	end = out->line + len;
	while (end > p + 2 && blank(end[-1]))
		end--;
	*end = '\0';
	for (p += 2; blank(*p); p++)
		;
	if (!*p)
		return -ENOEXEC;
	out->interp = p;
	while (*p && !blank(*p))
		p++;
	if (!*p && cut)
		return -ENOEXEC; /* the name may go on beyond what was read */
	while (blank(*p))
		*p++ = '\0';
	out->arg = *p ? p : NULL;
	return 0;
}
