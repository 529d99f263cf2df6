/*
 * constraint.c
 *	  Constraints of grammars, and choices.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/constraint.h"

#include <string.h>

#include "base/utf8.h"
#include "generate/grammar.h"

gen_constraint *
gen_constraint_finish(gen_grammar *g, gen_expression root,
					  const char *(*name)(void *argument, gen_expression rule), void *argument)
{
	tfm_context *context = g->context;
	gen_expression culprit;

	if (!gen_grammar_check(g, root, &culprit))
		return NULL;
	if (culprit != 0 && name != NULL && name(argument, culprit) != NULL)
		tfm_fail(context, TFM_INVALID_ARGUMENT, "rule \"%s\" may begin with itself",
				 name(argument, culprit));
	else if (culprit != 0)
		tfm_fail(context, TFM_INVALID_ARGUMENT, "the constraint refers to itself without end");
	else if (!g->nodes[root].productive)
		tfm_fail(context, TFM_INVALID_ARGUMENT, "no text matches the constraint");
	return tfm_failed(context) ? NULL : gen_constraint_create(context, g);
}

gen_constraint *
gen_constrain_choices(tfm_context *context, const tfm_text *choices, size_t count)
{
	gen_grammar *g = gen_grammar_create(context);
	tfm_text *texts = tfm_alloc_array(context, count, sizeof(tfm_text));

	if (g == NULL || texts == NULL)
		return NULL;
	if (count == 0)
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT, "there are no choices");
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		if (!utf8_valid(choices[i].data, choices[i].length))
		{
			tfm_fail(context, TFM_INVALID_ARGUMENT, "choice %zu is not valid UTF-8", i + 1);
			return NULL;
		}
	memcpy(texts, choices, count * sizeof(tfm_text));
	return gen_constraint_finish(g, gen_choice(g, texts, count), NULL, NULL);
}
