/*
 * fill_mask.c
 *	  Words in place of the mask tokens of a text, by a masked language model.
 *	  Follows transformers/pipelines/fill_mask.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "runtime/loaded.h"
#include "task/classes.h"
#include "task/tokenizing.h"

#define USUAL_MOST 5

/* A token in place of a mask; id -1: there are no more. */
typedef struct proposal
{
	int32_t id;
	float score;
} proposal;

/* A text, and which of all masks are in it. */
typedef struct masked_text
{
	const tok_encoding *tokens;
	size_t first, count; /* masks */
} masked_text;

typedef struct plan
{
	const tok_tokenizer *tokenizer;
	tokenizing how;
	int64_t most;
	const int32_t *targets; /* [target_count]; NULL: all tokens */
	int64_t target_count;
	int32_t mask;
	masked_text *texts;
	proposal *proposals; /* [masks, most] */
} plan;

/* ---- Parameters ---- */

/* The id of a target: a token's, or the first of its tokens; -1: it has none. */
static bool
find_target(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text target, int32_t *id)
{
	const tok_encode_options first = {.max_length = 1};
	tok_encoding encoding;

	*id = tok_token_to_id(tokenizer, target);
	if (*id >= 0)
		return true;
	if (!tok_encode(context, tokenizer, target, NULL, &first, &encoding))
		return false;
	if (encoding.count > 0)
		*id = encoding.ids[0];
	return true;
}

static bool
add_target(tfm_context *context, plan *p, int32_t *targets, json target)
{
	int32_t id;

	if (!json_is_string(target))
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "a target is not a string");
	if (tfm_stopped(context) ||
		!find_target(context, p->tokenizer,
					 (tfm_text) {json_as_string(target), strlen(json_as_string(target))}, &id))
		return false;
	for (int64_t i = 0; i < p->target_count; i++)
		if (targets[i] == id)
			return true;
	if (id >= 0)
		targets[p->target_count++] = id;
	return true;
}

/* A target or a list of them. */
static bool
read_targets(tfm_context *context, const pipeline_call *call, plan *p)
{
	json list = task_parameter(call, "targets");
	int32_t *targets;

	if (!json_present(list))
		return true;
	targets = tfm_alloc_array(context, json_size(list) + 1, sizeof(int32_t));
	p->targets = targets;
	if (targets == NULL)
		return false;
	if (json_is_string(list) && !add_target(context, p, targets, list))
		return false;
	for (json target = json_first(list); json_present(target); target = json_next(target))
		if (!add_target(context, p, targets, target))
			return false;
	if (p->target_count == 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "none of the targets is a token");
	if (p->most > p->target_count)
		p->most = p->target_count;
	return true;
}

static bool
read_plan(tfm_context *context, const pipeline_call *call, plan *p)
{
	const run_model *model = call->models->model;
	pipeline_call tokenizer_call = {.models = call->models,
									.options = task_parameter(call, "tokenizer_kwargs")};

	*p = (plan) {
		.tokenizer = run_tokenizer(context, model),
		.most = task_int_parameter(context, call, "top_k", USUAL_MOST, 1, INT32_MAX),
	};
	if (p->tokenizer == NULL || !task_read_tokenizing(context, &tokenizer_call, 0, &p->how))
		return false;
	p->mask = tok_special_id(p->tokenizer, TOK_MASK);
	if (p->mask < 0)
		return tfm_fail(context, TFM_UNSUPPORTED, "the tokenizer has no mask token");
	if (p->most > run_config(model)->vocab_size)
		p->most = run_config(model)->vocab_size;
	return read_targets(context, call, p);
}

/* ---- Inputs ---- */

static pipeline_shape
find_shape(const pipeline_call *call, json inputs)
{
	(void) call;
	return json_is_array(inputs) ? PIPELINE_LIST_BUT_FOR_ONE : PIPELINE_ONE;
}

/* Which masks are in which text; a text must have one. */
static bool
find_masks(tfm_context *context, plan *p, const tok_encoding *encodings, size_t count)
{
	size_t masks = 0;

	p->texts = tfm_alloc_array(context, count + 1, sizeof(masked_text));
	for (size_t i = 0; p->texts != NULL && i < count; i++)
	{
		const tok_encoding *e = &encodings[i];

		p->texts[i] = (masked_text) {.tokens = e, .first = masks};
		for (size_t t = 0; t < e->count; t++)
			masks += e->ids[t] == p->mask;
		p->texts[i].count = masks - p->texts[i].first;
		if (p->texts[i].count == 0)
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"there is no mask token (%s) in the input",
							tok_id_to_token(p->tokenizer, p->mask));
	}
	p->proposals = tfm_alloc_array(context, masks + 1, (size_t) p->most * sizeof(proposal));
	return p->texts != NULL && p->proposals != NULL;
}

/* ---- Passes ---- */

/* The best tokens for a mask, of all or of the targets; row is that of its logits. */
static bool
propose(tfm_context *context, const plan *p, const float *row, int64_t columns, proposal *to)
{
	float *scores = tfm_alloc_array(context, (size_t) columns, sizeof(float)), *of = scores;
	int64_t count = p->targets == NULL ? columns : p->target_count;
	int32_t *best;

	if (scores == NULL)
		return false;
	memcpy(scores, row, (size_t) columns * sizeof(float));
	task_softmax(scores, columns);
	if (p->targets != NULL)
		of = tfm_alloc_array(context, (size_t) count, sizeof(float));
	for (int64_t i = 0; of != NULL && p->targets != NULL && i < count; i++)
		of[i] = p->targets[i] < columns ? scores[p->targets[i]] : 0;
	best = of == NULL ? NULL : task_best(context, of, count, p->most, false);
	for (int64_t i = 0; best != NULL && i < p->most; i++)
		to[i] = i < count ? (proposal) {.id = p->targets == NULL ? best[i] : p->targets[best[i]],
										.score = of[best[i]]}
						  : (proposal) {.id = -1};
	return best != NULL;
}

static bool
take_logits(tfm_context *context, void *argument, size_t place, const task_rows *outputs)
{
	const plan *p = argument;
	const masked_text *text = &p->texts[place];
	const task_rows *logits = outputs[0].data != NULL ? &outputs[0] : &outputs[1];
	size_t mask = text->first;

	if (logits->data == NULL || (size_t) logits->count != text->tokens->count)
		return tfm_fail(context, TFM_UNSUPPORTED, "the model does not give each token its words");
	for (size_t t = 0; t < text->tokens->count; t++)
		if (text->tokens->ids[t] == p->mask &&
			(tfm_stopped(context) ||
			 !propose(context, p, logits->data + (int64_t) t * logits->columns, logits->columns,
					  p->proposals + (int64_t) mask++ * p->most)))
			return false;
	return true;
}

/* ---- Results ---- */

/* The text with a token in place of one mask; the others, if there are any, stay to be seen. */
static bool
decode_text(tfm_context *context, const plan *p, const masked_text *text, size_t mask, int32_t id,
			tfm_text *decoded)
{
	const tok_encoding *tokens = text->tokens;
	int32_t pad = tok_special_id(p->tokenizer, TOK_PAD);
	int32_t *ids = tfm_alloc_array(context, tokens->count, sizeof(int32_t));
	size_t count = 0, masks = 0;

	for (size_t t = 0; ids != NULL && t < tokens->count; t++)
	{
		int32_t token = tokens->ids[t];

		if (token == p->mask && masks++ == mask)
			token = id;
		if (token != pad)
			ids[count++] = token;
	}
	return ids != NULL && tok_decode(context, p->tokenizer, ids, count, text->count == 1, decoded);
}

static bool
append_proposal(tfm_context *context, buffer *b, const plan *p, const masked_text *text,
				size_t mask, const proposal *found, bool numbered)
{
	tfm_text token, sequence;

	if (!tok_decode(context, p->tokenizer, &found->id, 1, false, &token) ||
		!decode_text(context, p, text, mask, found->id, &sequence))
		return false;
	buffer_append_string(context, b, "{\"score\":");
	task_append_float(context, b, found->score);
	buffer_printf(context, b, ",\"token\":%d,\"token_str\":", found->id);
	json_append_string(context, b, token.data, token.length);
	buffer_append_string(context, b, ",\"sequence\":");
	json_append_string(context, b, sequence.data, sequence.length);
	if (numbered)
		buffer_printf(context, b, ",\"mask\":%zu", mask + 1);
	return buffer_append_string(context, b, "}");
}

/* A list of proposals; where there are several masks a list of such lists, or with flat all in one. */
static bool
append_result(tfm_context *context, buffer *b, const plan *p, const masked_text *text, bool flat)
{
	bool nested = text->count > 1 && !flat;

	buffer_append_string(context, b, nested ? "[[" : "[");
	for (size_t mask = 0; mask < text->count; mask++)
	{
		const proposal *proposals = p->proposals + (int64_t) (text->first + mask) * p->most;

		if (mask > 0)
			buffer_append_string(context, b, nested ? "],[" : ",");
		for (int64_t i = 0; i < p->most && proposals[i].id >= 0; i++)
		{
			arena_mark mark = arena_save(context->arena);
			bool appended;

			buffer_append_string(context, b, i > 0 ? "," : "");
			appended = append_proposal(context, b, p, text, mask, &proposals[i], flat);
			arena_restore(context->arena, mark);
			if (!appended || tfm_stopped(context))
				return false;
		}
	}
	return buffer_append_string(context, b, nested ? "]]" : "]") && !tfm_failed(context);
}

static bool
run(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	static const char *const outputs[] = {"logits", "prediction_logits", NULL};
	const run_model *model = call->models->model;
	tokenize_input *inputs = tfm_alloc_zero(context, (call->count + 1) * sizeof(tokenize_input));
	tok_encoding *encodings;
	task_item *items;
	plan p;

	if (inputs == NULL || !read_plan(context, call, &p))
		return false;
	for (size_t i = 0; i < call->count; i++)
		if (!task_input_text(context, &call->inputs[i], "inputs", &inputs[i].text))
			return false;
	if (!task_tokenize(context, model, inputs, call->count, &p.how.plan, &encodings) ||
		!find_masks(context, &p, encodings, call->count))
		return false;
	items = task_order_encodings(context, encodings, call->count, p.how.types);
	if (items == NULL ||
		!task_run_items(context, model, items, call->count, outputs, take_logits, &p))
		return false;
	for (size_t i = 0; i < call->count; i++)
	{
		buffer *b = buffer_create(context);

		if (b == NULL ||
			!append_result(context, b, &p, &p.texts[i], !json_present(call->inputs[i].value)))
			return false;
		results[i] = (tfm_text) {b->data, b->length};
	}
	return true;
}

const pipeline_task task_fill_mask = {
	.names = (const char *const[]) {"fill-mask", NULL},
	.heads = (const char *const[]) {"fill-mask", "text2text-generation", NULL},
	.parameters = (const char *const[]) {"targets", "top_k", "tokenizer_kwargs",
										 TASK_PIPELINE_PARAMETERS, NULL},
	.shape = find_shape,
	.run = run,
};
