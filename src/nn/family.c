/*
 * family.c
 *	  What the configurations of all families have in common.
 *	  Follows transformers/configuration_utils.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/family.h"

#include <string.h>

int64_t
nn_read_num_labels(tfm_context *context, json file)
{
	json labels = json_member(file, "id2label");

	if (json_is_object(labels))
		return (int64_t) json_size(labels);
	return json_int(context, file, "num_labels", 2, 0, NN_MAX_SIZE);
}

int
nn_which_variant(json file, const nn_variant *variants)
{
	const char *type = json_as_string(json_member(file, "model_type"));

	for (int i = 0; variants[i].model_type != NULL; i++)
		if (strcmp(variants[i].model_type, type) == 0)
			return i;
	return 0;
}

bool
nn_is_null(json file, const char *key)
{
	if (json_present(json_member(file, key)) || !json_is_object(file))
		return false;
	for (json member = json_first(file); json_present(member); member = json_next(member))
		if (strcmp(json_key(member), key) == 0)
			return true;
	return false;
}
