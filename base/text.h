/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text buffer: what generated files are written into. Append never fails visibly; `failed` is checked once at
 * the end. Zero-initialise; text_free() when done. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/compiler.h"

#include <stdbool.h>

struct text {
	char *data; /* NUL-terminated once something was appended */
	size_t len, cap;
	bool failed; /* memory ran out: contents are incomplete */
};

void text_printf(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_append(struct text *t, const void *data, size_t len);
/* Pads with spaces up to `column` bytes after the last newline. */
void text_pad(struct text *t, size_t column);
void text_free(struct text *t);

#endif
