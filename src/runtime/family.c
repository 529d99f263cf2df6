/*
 * family.c
 *	  From config.json to the family, the variant and the head that run it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/family.h"

#include <string.h>

#define HINT_NAMES 5

/* Length of the longest string that stands in both. */
static size_t
longest_common_part(const char *a, const char *b)
{
	size_t best = 0;

	for (const char *p = a; *p != '\0'; p++)
		for (const char *q = b; *q != '\0'; q++)
		{
			size_t n = 0;

			while (p[n] != '\0' && p[n] == q[n])
				n++;
			if (n > best)
				best = n;
		}
	return best;
}

/* Append a name to a list in text[size], as far as it fits. */
static void
append_name(char *text, size_t size, const char *name)
{
	if (text[0] != '\0')
		strncat(text, ", ", size - strlen(text) - 1);
	strncat(text, name, size - strlen(text) - 1);
}

/* The model types nearest to name, nearest first, as a hint. */
static void
hint_near_types(tfm_context *context, const char *name)
{
	const char *nearest[HINT_NAMES] = {NULL};
	size_t scores[HINT_NAMES] = {0};
	char text[256] = "";

	for (const nn_family *const *family = nn_families; *family != NULL; family++)
		for (const nn_variant *v = (*family)->variants; v->model_type != NULL; v++)
		{
			size_t score = longest_common_part(v->model_type, name) + 1;
			const char *type = v->model_type;

			for (int i = 0; i < HINT_NAMES; i++)
				if (score > scores[i])
				{
					size_t score_below = scores[i];
					const char *type_below = nearest[i];

					scores[i] = score;
					nearest[i] = type;
					score = score_below;
					type = type_below;
				}
		}
	for (int i = 0; i < HINT_NAMES && nearest[i] != NULL; i++)
		append_name(text, sizeof(text), nearest[i]);
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
	hint_near_types(context, type);
	return false;
}

static void
hint_heads(tfm_context *context, const run_class *class)
{
	char text[400] = "";

	for (const nn_head *head = class->family->heads; head->suffix != NULL; head++)
	{
		append_name(text, sizeof(text), class->variant->class_prefix);
		strncat(text, head->suffix, sizeof(text) - strlen(text) - 1);
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
