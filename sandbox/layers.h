/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of confinement and how each fared in one run. A layer that could not be put up is always named: in the
 * report, in `sbx doctor`, and on standard error where the user would count on it. */
#ifndef SANDBOX_LAYERS_H
#define SANDBOX_LAYERS_H

#include <stdbool.h>

enum layer {
#define LAYER(id, name, what, advice) LAYER_##id,
#include "sandbox/layers.def"
#undef LAYER
	LAYER_COUNT
};

enum layer_state {
	LAYER_UNUSED, /* not asked for: another layer does the same, or there is no need */
	LAYER_ACTIVE,
	LAYER_REFUSED, /* by the host: see error */
};

struct layers {
	struct {
		enum layer_state state;
		int error; /* REFUSED: positive errno */
	} layer[LAYER_COUNT];
};

const char *layer_name(enum layer l);
const char *layer_purpose(enum layer l);
const char *layer_advice(enum layer l);
void layer_set_active(struct layers *s, enum layer l);
void layer_set_refused(struct layers *s, enum layer l, int error);
/* Names on standard error the refused layers for which no other stands in. */
void layers_warn(const struct layers *s);

#endif
