/*
 * family.h
 *	  From config.json to the family, the variant and the head that run it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_FAMILY_H
#define TFM_RUNTIME_FAMILY_H

#include "nn/family.h"

typedef struct run_class
{
	const nn_family *family;
	const nn_variant *variant;
	const nn_head *head; /* of architectures[0]; the base model where config.json names none */
} run_class;

/*
 * Find what runs a checkpoint by model_type and architectures of its config.json.  UNSUPPORTED for
 * what is not here, with the nearest names as a hint; *class is empty then.
 */
extern bool run_find_class(tfm_context *context, json config, run_class *class);

/* The class's name in Transformers, "BertForMaskedLM", in the context's arena. */
extern const char *run_class_name(tfm_context *context, const run_class *class);

#endif
