/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 2048, HOOKS_MAX = 8 };

static bool debug_on;
static void (*hooks[HOOKS_MAX])(void);
static int hook_count;

/* One write a line, so that lines of several threads do not mix. Escapes what a terminal would act on. */
static void emit(const char *fmt, va_list ap)
{
	char text[LINE_SIZE], line[4 * LINE_SIZE + 8];
	size_t n = 0;

	vsnprintf(text, sizeof(text), fmt, ap);
	n += (size_t)sprintf(line, "sbx: ");
	for (const unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f || (*p >= 0x80 && *p < 0xa0))
			n += (size_t)sprintf(line + n, "\\x%02x", *p);
		else
			line[n++] = (char)*p;
	}
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nowhere left to complain */
}

void log_user(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!debug_on)
		return;
	va_start(ap, fmt);
	emit(fmt, ap);
	va_end(ap);
}

void log_set_debug(bool on)
{
	debug_on = on;
}

bool log_debug_on(void)
{
	return debug_on;
}

void panic(const char *fmt, ...)
{
	static atomic_flag entered = ATOMIC_FLAG_INIT;
	va_list ap;

	va_start(ap, fmt);
	emit(fmt, ap);
	va_end(ap);
	if (!atomic_flag_test_and_set(&entered))
		for (int i = 0; i < hook_count; i++)
			hooks[i]();
	abort();
}

void panic_add_hook(void (*hook)(void))
{
	if (hook_count < HOOKS_MAX)
		hooks[hook_count++] = hook;
}

static void *check_memory(void *p)
{
	if (!p)
		panic("out of memory at start");
	return p;
}

void *xmalloc(size_t size)
{
	return check_memory(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return check_memory(calloc(count ? count : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return check_memory(strdup(s));
}
