/*
 * part.c
 *	  The configuration and the weights of a part that is a model of another family.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/part.h"

#include <string.h>

/* ---- Configuration ---- */

static bool
find_family(tfm_context *context, json file, nn_part *part)
{
	const char *type = json_require_string(context, file, "model_type");

	for (const nn_family *const *f = nn_families; !tfm_failed(context) && *f != NULL; f++)
		for (const nn_variant *v = (*f)->variants; v->model_type != NULL; v++)
			if (strcmp(v->model_type, type) == 0)
			{
				part->family = *f;
				part->variant = v;
				return true;
			}
	return tfm_fail(context, TFM_UNSUPPORTED, "model type \"%.64s\" of \"%s\" is not supported",
					type == NULL ? "" : type, part->name);
}

bool
part_read(tfm_context *context, json file, nn_part *part)
{
	json own = json_member(file, part->name);

	if (!json_is_object(own))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"%s\" must be an object", file.source,
						part->name);
	if (!find_family(context, own, part))
		return false;
	part->config = tfm_alloc_zero(context, part->family->config_size);
	if (part->config != NULL)
		part->family->read_config(context, own, part->config);
	return !tfm_failed(context);
}

const nn_head *
part_find_head(const nn_part *part, const char *const *suffixes)
{
	for (; *suffixes != NULL; suffixes++)
		for (const nn_head *head = part->family->heads; head->suffix != NULL; head++)
			if (strcmp(head->suffix, *suffixes) == 0)
				return head;
	return NULL;
}

/* ---- Weights ---- */

/*
 * The name in the whole model of a part's weight: as the base model has it, or behind the prefix that
 * heads have before it.  The last one tried where there is none.
 */
static const char *
find_name(const part_pass *pass, const char *name, char text[NN_NAME_MAX])
{
	const char *const prefixes[] = {"", pass->part->variant->base_prefix};

	for (int i = 0; i < 2; i++)
	{
		size_t length = 0;

		text[0] = '\0';
		if (!nn_append_name(text, &length, pass->scope) ||
			!nn_append_name(text, &length, pass->part->name) ||
			!nn_append_name(text, &length, ".") || !nn_append_name(text, &length, prefixes[i]) ||
			(i > 0 && !nn_append_name(text, &length, ".")) || !nn_append_name(text, &length, name))
			return name;
		if (pass->weights.has(pass->weights.source, text))
			break;
	}
	return text;
}

static bool
has_weight(void *source, const char *name)
{
	const part_pass *pass = source;
	char text[NN_NAME_MAX];

	return pass->weights.has(pass->weights.source, find_name(pass, name, text));
}

static const weight *
find_weight(void *source, const char *name, weight_layout layout)
{
	const part_pass *pass = source;
	char text[NN_NAME_MAX];

	return pass->weights.find(pass->weights.source, find_name(pass, name, text), layout);
}

void
part_enter(nn_model *m, const nn_part *part, part_pass *pass)
{
	pass->part = part;
	pass->weights = m->weights;
	strcpy(pass->scope, m->scope);
	m->scope[0] = '\0';
	m->weights = (nn_weights) {.has = has_weight, .find = find_weight, .source = pass};
	pass->around = m->batch;
	pass->batch = *m->batch;
	pass->batch.inputs = NULL;
	m->batch = &pass->batch;
}

void
part_leave(nn_model *m, const part_pass *pass)
{
	m->weights = pass->weights;
	m->batch = pass->around;
	strcpy(m->scope, pass->scope);
}

tensor
part_hidden_states(nn_model *m, const nn_part *part)
{
	part_pass pass;
	tensor x;

	part_enter(m, part, &pass);
	x = part->family->hidden_states(m, part->config);
	part_leave(m, &pass);
	return x;
}

void
part_remember(nn_model *m, const nn_part *part)
{
	part_pass pass;

	part_enter(m, part, &pass);
	part->family->remember(m, part->config);
	part_leave(m, &pass);
}

int
part_cache_layers(const nn_part *part, kv_layer *layers)
{
	return part->family->cache_layers(part->config, layers);
}

int
part_memory_layers(const nn_part *part, kv_layer *layers)
{
	return part->family->memory_layers != NULL ? part->family->memory_layers(part->config, layers)
											   : part_cache_layers(part, layers);
}
