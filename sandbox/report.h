/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a run: one JSON object. */
#ifndef SANDBOX_REPORT_H
#define SANDBOX_REPORT_H

#include "sandbox/options.h"
#include "sandbox/outcome.h"

/* 0 or negative errno. */
int report_write(int fd, const struct options *options, const struct outcome *o) MUST_CHECK;

#endif
