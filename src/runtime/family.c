/*
 * family.c
 *	  From config.json to the family, the variant and the head that run it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/family.h"

#include <stdio.h>
#include <string.h>

#include "base/near.h"

/* The variant whose class an architecture is, with its head; NULL: none. */
static const nn_variant *
find_architecture(const char *name)
{
	for (const nn_family *const *family = nn_families; *family != NULL; family++)
		for (const nn_variant *v = (*family)->variants; v->model_type != NULL; v++)
		{
			size_t prefix = strlen(v->class_prefix);

			if (strncmp(name, v->class_prefix, prefix) != 0)
				continue;
			for (const nn_head *head = (*family)->heads; head->suffix != NULL; head++)
				if (strcmp(head->suffix, name + prefix) == 0)
					return v;
		}
	return NULL;
}

/* Whose architecture it is, and the model types near to name, nearest first. */
static void
hint_near_types(tfm_context *context, json config, const char *name)
{
	const char *architecture = json_as_string(json_first(json_member(config, "architectures")));
	const nn_variant *owner = find_architecture(architecture);
	near_names near = {.wanted = name};
	char text[256] = "";

	for (const nn_family *const *family = nn_families; *family != NULL; family++)
		for (const nn_variant *v = (*family)->variants; v->model_type != NULL; v++)
			near_offer(&near, v->model_type);
	for (int i = 0; i < near.count; i++)
		near_append(text, sizeof(text), near.names[i]);
	if (owner != NULL)
		tfm_hint(context, "Its architecture \"%.64s\" is that of model type \"%s\".", architecture,
				 owner->model_type);
	else if (text[0] != '\0')
		tfm_hint(context, "Supported model types nearest in name: %s.", text);
}

static bool
find_variant(tfm_context *context, json config, run_class *class)
{
	const char *type = json_require_string(context, config, "model_type");

	if (tfm_failed(context))
		return false;
	for (const nn_family *const *family = nn_families; *family != NULL; family++)
		for (const nn_variant *v = (*family)->variants; v->model_type != NULL; v++)
			if (strcmp(v->model_type, type) == 0)
			{
				class->family = *family;
				class->variant = v;
				return true;
			}
	tfm_fail(context, TFM_UNSUPPORTED, "model type \"%.64s\" is not supported", type);
	tfm_detail(context, "It is the \"model_type\" of \"%s\".", config.source);
	hint_near_types(context, config, type);
	return false;
}

static void
hint_heads(tfm_context *context, const run_class *class)
{
	char text[400] = "";
	char name[128];

	for (const nn_head *head = class->family->heads; head->suffix != NULL; head++)
	{
		snprintf(name, sizeof(name), "%s%s", class->variant->class_prefix, head->suffix);
		near_append(text, sizeof(text), name);
	}
	tfm_hint(context, "Supported architectures: %s.", text);
}

static bool
find_head(tfm_context *context, json config, run_class *class)
{
	json architectures = json_member(config, "architectures");
	const char *name = json_as_string(json_first(architectures));
	size_t prefix = strlen(class->variant->class_prefix);

	class->head = &class->family->heads[0];
	if (!json_present(json_first(architectures)))
		return true;
	if (strncmp(name, class->variant->class_prefix, prefix) == 0)
		for (const nn_head *head = class->family->heads; head->suffix != NULL; head++)
			if (strcmp(head->suffix, name + prefix) == 0)
			{
				class->head = head;
				return true;
			}
	tfm_fail(context, TFM_UNSUPPORTED,
			 "architecture \"%.64s\" of model type \"%s\" is not supported", name,
			 class->variant->model_type);
	hint_heads(context, class);
	return false;
}

bool
run_find_class(tfm_context *context, json config, run_class *class)
{
	if (find_variant(context, config, class) && find_head(context, config, class))
		return true;
	*class = (run_class) {.family = NULL};
	return false;
}

const char *
run_class_name(tfm_context *context, const run_class *class)
{
	return tfm_sprintf(context, "%s%s", class->variant->class_prefix, class->head->suffix);
}
