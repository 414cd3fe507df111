/* SPDX-License-Identifier: Apache-2.0 */
/* uthash as everything here uses it: where there is no memory for a larger table the element is not added, and its hh.tbl is NULL. By
 * itself it would end the process. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
