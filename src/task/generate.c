/*
 * generate.c
 *	  Prompts to generated texts, in one batch.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate.h"

#include <string.h>

#include "runtime/loaded.h"
#include "task/generate_plan.h"

static bool
encode_prompt(tfm_context *context, const generate_plan *plan, tfm_text instruction, tfm_text text,
			  gen_ids *ids)
{
	if (instruction.length > 0)
		return generate_plan_prompt(context, plan, instruction, text, ids);
	return generate_plan_encode(context, plan, text, true, ids);
}

bool
task_generate(tfm_context *context, const generate_request *request, const tfm_text *prompts,
			  size_t count, generate_result **results, size_t *result_count)
{
	gen_ids *ids = tfm_alloc_array(context, count, sizeof(gen_ids));
	gen_sequence *sequences;
	generate_plan plan;
	gen_request what;
	int64_t made;

	*result_count = 0;
	if (ids == NULL || !generate_plan_make(context, request, true, &plan))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!encode_prompt(context, &plan, request->instruction, prompts[i], &ids[i]))
			return false;
	what = generate_plan_request(&plan, ids, (int64_t) count);
	if (!gen_generate(context, &what, &sequences, &made))
		return false;
	*results = tfm_alloc_array(context, (size_t) made, sizeof(generate_result));
	if (*results == NULL)
		return false;
	for (int64_t i = 0; i < made; i++)
	{
		generate_result *r = &(*results)[i];

		*r = (generate_result) {.prompt = sequences[i].prompt, .sequence = sequences[i]};
		if (!generate_plan_decode(context, &plan, ids[r->prompt], &sequences[i], &r->text))
			return false;
	}
	*result_count = (size_t) made;
	return true;
}
