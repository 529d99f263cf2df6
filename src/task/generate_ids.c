/*
 * generate_ids.c
 *	  generate() itself: arrays of ids in, arrays of ids out.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate.h"

#include <math.h>
#include <string.h>

#include "runtime/loaded.h"
#include "task/generate_plan.h"

#define MAX_PROMPTS 4096

static bool
fail_prompts(tfm_context *context)
{
	return tfm_fail(context, TFM_INVALID_ARGUMENT,
					"prompts must be a JSON array of arrays of token ids");
}

static bool
read_prompt(tfm_context *context, json list, gen_ids *prompt)
{
	int32_t *ids = tfm_alloc_array(context, json_size(list), sizeof(int32_t));

	if (ids == NULL)
		return false;
	*prompt = (gen_ids) {.ids = ids};
	if (!json_is_array(list) || json_size(list) == 0)
		return fail_prompts(context);
	for (json e = json_first(list); json_present(e); e = json_next(e))
	{
		int64_t id;

		if (!json_to_int(e, 0, INT32_MAX, &id))
			return fail_prompts(context);
		ids[prompt->count++] = (int32_t) id;
	}
	return true;
}

static gen_ids *
read_prompts(tfm_context *context, tfm_text text, size_t *count)
{
	json list = json_parse(context, text.data, text.length, "prompts");
	gen_ids *prompts;

	if (tfm_failed(context) && context->error.kind == TFM_CORRUPTED)
		context->error.kind = TFM_INVALID_ARGUMENT;
	if (tfm_failed(context))
		return NULL;
	if (!json_is_array(list) || json_size(list) == 0 || json_size(list) > MAX_PROMPTS)
	{
		fail_prompts(context);
		return NULL;
	}
	prompts = tfm_alloc_array(context, json_size(list), sizeof(gen_ids));
	*count = 0;
	for (json e = json_first(list); prompts != NULL && json_present(e); e = json_next(e))
		if (!read_prompt(context, e, &prompts[(*count)++]))
			return NULL;
	return prompts;
}

/* What the rows of the result are made of. */
typedef struct rows
{
	const generate_plan *plan;
	const gen_sequence *sequences;
	int64_t count;
	int64_t longest_prompt, longest;
	int32_t pad, fill; /* on the left, on the right */
} rows;

static rows
make_rows(const generate_plan *plan, const gen_sequence *sequences, int64_t count)
{
	rows r = {.plan = plan,
			  .sequences = sequences,
			  .count = count,
			  .pad = gen_config_pad(&plan->config),
			  .fill = gen_config_fill(&plan->config)};

	for (int64_t i = 0; i < count; i++)
	{
		if ((int64_t) sequences[i].begin.count > r.longest_prompt)
			r.longest_prompt = (int64_t) sequences[i].begin.count;
		if (sequences[i].count > r.longest)
			r.longest = sequences[i].count;
	}
	return r;
}

static void
write_ids(tfm_context *context, buffer *b, const int32_t *ids, int64_t count, int32_t repeated)
{
	for (int64_t i = 0; i < count; i++)
		buffer_printf(context, b, "%d,", ids == NULL ? repeated : ids[i]);
}

/* A row as Transformers has it, with a comma after each id but the last. */
static void
write_row(tfm_context *context, buffer *b, const rows *r, const gen_sequence *s)
{
	buffer_append_string(context, b, "[");
	write_ids(context, b, NULL, r->longest_prompt - (int64_t) s->begin.count, r->pad);
	write_ids(context, b, s->begin.ids, (int64_t) s->begin.count, 0);
	write_ids(context, b, s->ids, s->count, 0);
	write_ids(context, b, NULL, r->longest - s->count, r->fill);
	if (b->length > 0 && b->data[b->length - 1] == ',')
		b->length--;
	buffer_append_string(context, b, "]");
}

static void
write_sequences(tfm_context *context, buffer *b, const rows *r)
{
	buffer_append_string(context, b, "[");
	for (int64_t i = 0; i < r->count && !tfm_stopped(context); i++)
	{
		if (i > 0)
			buffer_append_string(context, b, ",");
		write_row(context, b, r, &r->sequences[i]);
	}
	buffer_append_string(context, b, "]");
}

/* JSON has no infinities: the least and the greatest float stand for them. */
static void
write_number(tfm_context *context, buffer *b, double value)
{
	if (isnan(value))
		buffer_append_string(context, b, "null");
	else
		buffer_printf(context, b, "%.9g", isinf(value) ? copysign(3.4e38, value) : value);
}

static void
write_numbers(tfm_context *context, buffer *b, const float *values, int64_t count)
{
	buffer_append_string(context, b, "[");
	for (int64_t i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_append_string(context, b, ",");
		write_number(context, b, (double) values[i]);
	}
	buffer_append_string(context, b, "]");
}

static void
write_scores(tfm_context *context, buffer *b, const rows *r)
{
	buffer_append_string(context, b, ",\"sequences_scores\":[");
	for (int64_t i = 0; i < r->count; i++)
	{
		if (i > 0)
			buffer_append_string(context, b, ",");
		write_number(context, b, r->sequences[i].score);
	}
	buffer_append_string(context, b, "]");
	if (!r->plan->config.output_scores)
		return;
	buffer_append_string(context, b, ",\"transition_scores\":[");
	for (int64_t i = 0; i < r->count; i++)
	{
		if (i > 0)
			buffer_append_string(context, b, ",");
		write_numbers(context, b, r->sequences[i].scores,
					  r->sequences[i].scores == NULL ? 0 : r->sequences[i].count);
	}
	buffer_append_string(context, b, "]");
}

/* The raw scores of each step of each sequence. */
static void
write_logits(tfm_context *context, buffer *b, const rows *r)
{
	int64_t columns = run_session_vocabulary(r->plan->session);

	buffer_append_string(context, b, ",\"logits\":[");
	for (int64_t i = 0; i < r->count; i++)
	{
		const gen_sequence *s = &r->sequences[i];

		buffer_append_string(context, b, i == 0 ? "[" : ",[");
		for (int64_t j = 0; s->logits != NULL && j < s->count && !tfm_stopped(context); j++)
		{
			if (j > 0)
				buffer_append_string(context, b, ",");
			write_numbers(context, b, s->logits + j * columns, columns);
		}
		buffer_append_string(context, b, "]");
	}
	buffer_append_string(context, b, "]");
}

bool
task_generate_ids(tfm_context *context, const generate_request *request, tfm_text prompts_text,
				  buffer *output)
{
	size_t count = 0;
	gen_ids *prompts = read_prompts(context, prompts_text, &count);
	gen_sequence *sequences;
	generate_plan plan;
	gen_request what;
	int64_t made;
	rows r;

	if (prompts == NULL || !generate_plan_make(context, request, false, &plan))
		return false;
	what = generate_plan_request(&plan, prompts, (int64_t) count);
	what.padded = true;
	if (!gen_generate(context, &what, &sequences, &made))
		return false;
	r = make_rows(&plan, sequences, made);
	if (plan.return_dict)
		buffer_append_string(context, output, "{\"sequences\":");
	write_sequences(context, output, &r);
	if (plan.return_dict)
	{
		write_scores(context, output, &r);
		if (plan.config.output_logits)
			write_logits(context, output, &r);
		buffer_append_string(context, output, "}");
	}
	return !tfm_failed(context);
}
