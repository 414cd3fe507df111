/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/layers.h"

#include "base/log.h"
#include "base/text.h"

#include <string.h>

static const struct {
	const char *name, *purpose, *advice;
} rows[LAYER_COUNT] = {
#define LAYER(id, name, what, advice) [LAYER_##id] = { name, what, advice },
#include "sandbox/layers.def"
#undef LAYER
};

const char *layer_name(enum layer l)
{
	return rows[l].name;
}

const char *layer_purpose(enum layer l)
{
	return rows[l].purpose;
}

const char *layer_advice(enum layer l)
{
	return rows[l].advice;
}

void layer_set_active(struct layers *s, enum layer l)
{
	s->layer[l].state = LAYER_ACTIVE;
	s->layer[l].error = 0;
}

void layer_set_refused(struct layers *s, enum layer l, int error)
{
	s->layer[l].state = LAYER_REFUSED;
	s->layer[l].error = error;
}

static bool active(const struct layers *s, enum layer l)
{
	return s->layer[l].state == LAYER_ACTIVE;
}

/* Whether the user loses something that no other layer gives. */
static bool missed(const struct layers *s, enum layer l)
{
	if (s->layer[l].state != LAYER_REFUSED)
		return false;
	switch (l) {
	case LAYER_USER_NS: /* what it would have allowed is named by itself */
	case LAYER_IPC_NS: /* the sentry's filter allows no System V call */
	case LAYER_UTS_NS: /* the guest's host name is the sentry's own */
	case LAYER_PROC:
		return false;
	case LAYER_PID_NS: /* the parent-death signal and ptrace's exit-kill end the processes */
		return !active(s, LAYER_STUB_FILTER);
	case LAYER_MOUNT_NS:
	case LAYER_MOUNTS:
	case LAYER_LANDLOCK:
		return !active(s, LAYER_MOUNTS) && !active(s, LAYER_LANDLOCK) && l != LAYER_MOUNT_NS;
	default:
		return true;
	}
}

void layers_warn(const struct layers *s)
{
	struct text t = { 0 };

	for (int l = 0; l < LAYER_COUNT; l++)
		if (missed(s, (enum layer)l))
			text_printf(&t, "%s%s (%s)", t.len ? ", " : "", layer_name((enum layer)l),
				    strerror(s->layer[l].error));
	if (t.len && !t.failed)
		log_user("this host refuses %s; see `sbx doctor`", t.data);
	text_free(&t);
}
