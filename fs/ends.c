/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/ends.h"

#include <stdbool.h>
#include <stddef.h>

static bool next(struct ends *e)
{
	struct ended *what = e->due;
	void (*then)(void) = e->then;

	if (what) {
		e->due = what->next;
		e->end(what);
	} else if (then) {
		e->then = NULL;
		then();
	}
	return what || then;
}

void ends_hold(struct ends *e)
{
	e->held++;
}

void ends_release(struct ends *e)
{
	while (e->held == 1 && next(e))
		;
	e->held--;
}

void ends_queue(struct ends *e, struct ended *what)
{
	what->next = e->due;
	e->due = what;
	ends_hold(e);
	ends_release(e);
}
