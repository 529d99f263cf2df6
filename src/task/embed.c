/*
 * embed.c
 *	  Embeddings of texts.
 *	  Follows SentenceTransformer.encode of sentence-transformers.
 *
 * Texts are tokenized, ordered by length and put into batches of about as many
 * tokens as the caches hold; a row's bits do not depend on its batch.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/embed.h"

#include <string.h>

#include "runtime/loaded.h"
#include "task/items.h"

/* What the options and the model's files come to. */
typedef struct plan
{
	op_pooling pooling; /* the only one, if the caller chose it */
	run_embedding_options embedding;
	const char *prompt; /* text to put before; may be empty */
	int32_t skip;		/* tokens of the prompt that pooling leaves out */
	int64_t dimensions; /* of the result */
} plan;

/* ---- Options ---- */

static bool
plan_pooling(tfm_context *context, const run_model *model, const embed_options *options, plan *p)
{
	const run_sentence *s = &model->sentence;

	p->embedding.poolings = s->poolings;
	p->embedding.pooling_count = s->pooling_count;
	p->embedding.normalize_modules = options->normalize != 0;
	p->embedding.normalize = options->normalize == 1;
	if (options->pooling == NULL)
		return true;
	if (!op_pooling_from_name(options->pooling, &p->pooling))
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT, "pooling \"%.64s\" is not known", options->pooling);
		return tfm_hint(context,
						"Use mean, cls, max, mean_sqrt_len_tokens, weightedmean or lasttoken.");
	}
	p->embedding.poolings = &p->pooling;
	p->embedding.pooling_count = 1;
	return true;
}

static bool
plan_dimensions(tfm_context *context, const run_model *model, const embed_options *options, plan *p)
{
	run_sentence pooled = model->sentence;
	int64_t all;

	pooled.pooling_count = p->embedding.pooling_count;
	all = run_sentence_dimensions(&pooled, run_config(model)->hidden_size);
	if (options->dimensions < 0 || options->dimensions > all)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"dimensions must be from 1 to %lld, the size of the model's embeddings",
						(long long) all);
	p->dimensions = options->dimensions == 0 ? all : options->dimensions;
	p->embedding.dimensions = p->dimensions;
	return true;
}

/* A prompt's name or text; its tokens without a special one at the end are what pooling may skip. */
static bool
plan_prompt(tfm_context *context, const run_model *model, const embed_options *options, plan *p)
{
	const run_sentence *s = &model->sentence;
	tok_encode_options encode = TOK_ENCODE_DEFAULTS;
	tok_encoding tokens;

	p->prompt = s->default_prompt;
	if (options->prompt != NULL)
	{
		json named = json_member(s->prompts, options->prompt);

		p->prompt = json_present(named) ? json_as_string(named) : options->prompt;
	}
	if (p->prompt == NULL || p->prompt[0] == '\0')
	{
		p->prompt = "";
		return true;
	}
	if (s->include_prompt)
		return true;
	encode.max_length = model->info.max_tokens;
	if (!tok_encode(context, model->tokenizer, (tfm_text) {p->prompt, strlen(p->prompt)}, NULL,
					&encode, &tokens))
		return false;
	p->skip = (int32_t) tokens.count;
	if (tokens.count > 0 && tok_is_special(model->tokenizer, tokens.ids[tokens.count - 1]))
		p->skip--;
	return true;
}

/* ---- Texts ---- */

/* The prompt and a text, as one. */
static bool
join_prompt(tfm_context *context, const plan *p, tfm_text text, tfm_text *joined)
{
	size_t prompt_length = strlen(p->prompt);
	char *bytes;

	*joined = text;
	if (prompt_length == 0)
		return true;
	bytes = tfm_alloc_array(context, prompt_length + text.length, 1);
	if (bytes == NULL)
		return false;
	memcpy(bytes, p->prompt, prompt_length);
	memcpy(bytes + prompt_length, text.data, text.length);
	*joined = (tfm_text) {bytes, prompt_length + text.length};
	return true;
}

static task_item *
tokenize_texts(tfm_context *context, const run_model *model, const plan *p, const tfm_text *texts,
			   size_t count)
{
	tokenize_input *inputs = tfm_alloc_array(context, count, sizeof(tokenize_input));

	for (size_t i = 0; inputs != NULL && i < count; i++)
	{
		inputs[i] = (tokenize_input) {.has_pair = false};
		if (!join_prompt(context, p, texts[i], &inputs[i].text))
			return NULL;
	}
	return inputs == NULL ? NULL : task_make_items(context, model, inputs, count);
}

/* ---- Batches ---- */

/* Embed the items of one batch and put each row in its place of result [*, dimensions]. */
static bool
embed_batch(tfm_context *context, const run_model *model, const plan *p, const task_item *items,
			size_t count, float *result)
{
	int32_t *skip = tfm_alloc_array(context, count, sizeof(int32_t));
	run_embedding_options options = p->embedding;
	nn_batch batch;
	tensor rows;

	if (skip == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		skip[i] = p->skip;
	if (p->skip > 0)
		options.skip = skip;
	if (!task_make_batch(context, model, items, count, &batch) ||
		!run_embed(context, model, &batch, &options, &rows))
		return false;
	for (size_t i = 0; i < count; i++)
		memcpy(result + items[i].place * (size_t) p->dimensions,
			   (const float *) rows.data + i * (size_t) p->dimensions,
			   (size_t) p->dimensions * sizeof(float));
	return true;
}

bool
task_embed(tfm_context *context, const run_model *model, const tfm_text *texts, size_t count,
		   const embed_options *options, int *dimensions, float **embeddings)
{
	plan p = {0};
	task_item *items;

	if (!run_check_weights(context, model) || run_tokenizer(context, model) == NULL ||
		!plan_pooling(context, model, options, &p) ||
		!plan_dimensions(context, model, options, &p) || !plan_prompt(context, model, options, &p))
		return false;
	*dimensions = (int) p.dimensions;
	*embeddings = tfm_alloc_array(context, count, (size_t) p.dimensions * sizeof(float));
	items = tokenize_texts(context, model, &p, texts, count);
	if (*embeddings == NULL || items == NULL)
		return false;
	for (size_t done = 0; done < count;)
	{
		size_t n = task_batch_items(items + done, count - done);
		arena_mark mark = arena_save(context->arena);
		bool embedded = embed_batch(context, model, &p, items + done, n, *embeddings);

		arena_restore(context->arena, mark);
		if (!embedded || tfm_stopped(context))
			return false;
		done += n;
	}
	return true;
}
