/* SPDX-License-Identifier: Apache-2.0 */
/* What pmas refer to: a host file whose bytes can be mapped into guests, the memory file or a file of the host. */
#ifndef MM_FILE_H
#define MM_FILE_H

#include "mm/range.h"

struct mm_file;

struct mm_file_ops {
	/* References to byte ranges: a pma holds one on exactly its range. Whole pages. */
	void (*ref)(struct mm_file *f, struct range r);
	void (*unref)(struct mm_file *f, struct range r);
	/* True if every page of r has exactly one reference, so that its holder may take it over without a copy. */
	bool (*sole_ref)(struct mm_file *f, struct range r);
	/* The sentry's own mapping of f at off: contiguous for *len bytes (at least a page). write says what it will be
	 * used for. Stays valid while a reference to the page is held. NULL: not possible. */
	void *(*map_internal)(struct mm_file *f, uint64_t off, bool write, uint64_t *len);
};

struct mm_file {
	const struct mm_file_ops *ops;
	struct platform_file host;
};

#endif
