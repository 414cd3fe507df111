/* SPDX-License-Identifier: Apache-2.0 */
/* sbx's own words. They go to standard error, one line each, prefixed "sbx: ", control characters escaped, so that
 * nothing a guest chose can reach the caller's terminal raw. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/compiler.h"

#include <stdbool.h>

/* A message for the user. Always printed. */
void log_user(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A message for who debugs sbx: printed when the environment of `sbx` had SBX_DEBUG set at start (log_set_debug). */
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_set_debug(bool on);
bool log_debug_on(void);

/* A broken invariant: prints the message and aborts. Every registered dump hook runs first. */
NORETURN void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Registers a function that panic() calls to describe state; at most eight. */
void panic_add_hook(void (*hook)(void));

/* Allocation that cannot fail: for boot-time objects only. What a guest can make the sentry allocate uses malloc and
 * turns failure into ENOMEM. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
char *xstrdup(const char *s);

#endif
