/*
 * part.h
 *	  A part of a model that is a whole model of some family, as an object of config.json says.
 *
 * Its weights are called as in a checkpoint of its own, behind the part's name; its family knows
 * nothing of that.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_PART_H
#define TFM_NN_PART_H

#include "nn/family.h"

typedef struct nn_part
{
	const char *name; /* "decoder": of the object, and what its weights' names begin with */
	const nn_family *family;
	const nn_variant *variant;
	void *config; /* the family's, which starts with an nn_config */
} nn_part;

/*
 * Read the part called part->name of a config.json; its memory is the context's.  UNSUPPORTED for a
 * model type that no family has, CORRUPTED if there is no such object.
 */
extern bool part_read(tfm_context *context, json file, nn_part *part);

static inline const nn_config *
part_config(const nn_part *part)
{
	return part->config;
}

/* The head of one of these suffixes, the first that the family has; NULL if it has none. */
extern const nn_head *part_find_head(const nn_part *part, const char *const *suffixes);

/* What is around a part while it runs. */
typedef struct part_pass
{
	const nn_part *part;
	nn_weights weights;
	char scope[NN_NAME_MAX];
	const nn_batch *around;
	nn_batch batch;
} part_pass;

/*
 * From now on names are the part's, and the batch has none of the inputs that are the whole model's
 * own; until part_leave, which has the same pass.
 */
extern void part_enter(nn_model *m, const nn_part *part, part_pass *pass);
extern void part_leave(nn_model *m, const part_pass *pass);

/* The part's functions of nn_family, run so. */
extern tensor part_hidden_states(nn_model *m, const nn_part *part);
extern void part_remember(nn_model *m, const nn_part *part);

/*
 * What a part that is a decoder has in its caches, for cache_layers and memory_layers of nn_family; a
 * family that can be one after another's encoder has as many layers of the memory as of its own.
 */
extern int part_cache_layers(const nn_part *part, kv_layer *layers);
extern int part_memory_layers(const nn_part *part, kv_layer *layers);

#endif
