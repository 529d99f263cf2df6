/*
 * prompts.c
 *	  Prompts: how long they are and may become, and their sequences in the decoder.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "generate/run.h"

#define DEFAULT_NEW_TOKENS 20

/* The longest prompt of the request; an empty one is going to be one token. */
static int64_t
find_longest(const gen_ids *prompts, int64_t count)
{
	size_t longest = 1;

	for (int64_t i = 0; i < count; i++)
		if (prompts[i].count > longest)
			longest = prompts[i].count;
	return (int64_t) longest;
}

static bool
check_ids(tfm_context *context, gen_ids ids, int64_t number)
{
	for (size_t i = 0; i < ids.count; i++)
		if (ids.ids[i] < 0)
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "prompt %lld has a token %d",
							(long long) number, ids.ids[i]);
	return true;
}

static bool
fail_empty(tfm_context *context, int64_t number)
{
	return tfm_fail(context, TFM_INVALID_ARGUMENT,
					"prompt %lld is empty and there is no \"bos_token_id\" to begin with",
					(long long) number);
}

/* Copy a prompt behind padding, or for an encoder before it, as seq2seq's tokenizers have it. */
static bool
copy_padded(tfm_context *context, const gen_run *run, gen_ids from, int64_t padding,
			gen_prompt *prompt)
{
	size_t count = from.count + (size_t) padding;
	int32_t *ids = tfm_alloc_array(context, count + 1, sizeof(int32_t));
	int32_t *own = ids + (run->decoder.has_encoder ? 0 : padding),
			pad = gen_config_pad(run->config);

	if (ids == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		ids[i] = pad;
	memcpy(own, from.ids, from.count * sizeof(int32_t));
	prompt->inputs = (gen_ids) {.count = count, .ids = ids};
	prompt->source = (gen_ids) {.count = from.count, .ids = own};
	return true;
}

/* The first id of an encoder-decoder's sequences. */
static bool
begin_decoder(tfm_context *context, const gen_run *run, gen_prompt *prompt)
{
	const gen_config *config = run->config;

	if (config->decoder_start_token_id < 0 && config->bos_token_id < 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"an encoder-decoder needs a \"decoder_start_token_id\" or a "
						"\"bos_token_id\" to begin with");
	prompt->ids =
		(gen_ids) {.count = 1,
				   .ids = config->decoder_start_token_id >= 0 ? &config->decoder_start_token_id
															  : &config->bos_token_id};
	return true;
}

static bool
set_lengths(tfm_context *context, const gen_run *run, gen_prompt *prompt)
{
	const gen_config *config = run->config;
	int64_t length = (int64_t) prompt->ids.count, limit = run->decoder.max_length;

	if (length - prompt->padding > limit)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED,
						"the prompt has %lld tokens, but the model has positions for %lld",
						(long long) (length - prompt->padding), (long long) limit);
	prompt->min_length =
		config->min_new_tokens > 0 ? length + config->min_new_tokens : config->min_length;
	if (config->max_new_tokens > 0)
	{
		prompt->max_length = length + config->max_new_tokens;
		if (run->request.fits && prompt->max_length > limit && limit > length)
			prompt->max_length = limit;
	}
	else if (config->max_length > 0)
		prompt->max_length = config->max_length;
	else
	{
		prompt->max_length = length + DEFAULT_NEW_TOKENS;
		if (prompt->max_length > limit && limit > length)
			prompt->max_length = limit;
	}
	if (length >= prompt->max_length)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the prompt has %lld tokens, but \"max_length\" is %lld",
						(long long) length, (long long) prompt->max_length);
	return true;
}

static bool
prepare_prompt(tfm_context *context, gen_run *run, gen_ids from, int64_t longest,
			   gen_prompt *prompt)
{
	int64_t padding = run->request.padded ? longest - (int64_t) from.count : 0;
	bool encoded = run->decoder.has_encoder;

	if (!copy_padded(context, run, from, padding, prompt))
		return false;
	prompt->ids = prompt->inputs;
	prompt->padding = encoded ? 0 : padding;
	if (encoded && !begin_decoder(context, run, prompt))
		return false;
	return set_lengths(context, run, prompt);
}

bool
gen_prepare_prompts(tfm_context *context, gen_run *run)
{
	int64_t count = run->request.prompt_count, longest;
	gen_ids *prompts = tfm_alloc_array(context, (size_t) count + 1, sizeof(gen_ids));
	int32_t bos = run->config->bos_token_id;

	run->prompts = tfm_alloc_zero(context, ((size_t) count + 1) * sizeof(gen_prompt));
	if (prompts == NULL || run->prompts == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
	{
		prompts[i] = run->request.prompts[i];
		if (prompts[i].count == 0 && bos < 0)
			return fail_empty(context, i);
		if (prompts[i].count == 0)
			prompts[i] = (gen_ids) {.count = 1, .ids = &run->config->bos_token_id};
		if (!check_ids(context, prompts[i], i))
			return false;
	}
	if (run->config->token_healing && !run->decoder.has_encoder &&
		!gen_heal_prompts(context, run, prompts, count, prompts))
		return false;
	longest = find_longest(prompts, count);
	for (int64_t i = 0; i < count; i++)
		if (!prepare_prompt(context, run, prompts[i], longest, &run->prompts[i]))
			return false;
	return true;
}

int64_t
gen_find_room(const gen_run *run, int64_t least, int64_t limit)
{
	int64_t longest = 0;

	for (int64_t i = 0; i < run->request.prompt_count; i++)
	{
		int64_t length = run->prompts[i].max_length - run->prompts[i].padding;

		length = length < run->decoder.max_length ? length : run->decoder.max_length;
		longest = length > longest ? length : longest;
	}
	while (limit > least && !run->decoder.has_room(run->decoder.argument, limit, longest))
		limit = limit / 2 > least ? limit / 2 : least;
	return limit;
}

static bool
encode_prompts(tfm_context *context, gen_run *run, const int64_t *numbers, int64_t count,
			   int32_t *sequences)
{
	gen_ids *inputs = tfm_alloc_array(context, (size_t) count, sizeof(gen_ids));

	if (inputs == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
		inputs[i] = run->prompts[numbers[i]].source;
	return run->decoder.encode(context, run->decoder.argument, inputs, count, sequences);
}

bool
gen_open_prompts(tfm_context *context, gen_run *run, const int64_t *prompts, int64_t count,
				 int32_t *sequences, int64_t *given)
{
	for (int64_t i = 0; i < count; i++)
	{
		sequences[i] = -1;
		given[i] = 0;
	}
	if (run->decoder.has_encoder)
		return encode_prompts(context, run, prompts, count, sequences);
	for (int64_t i = 0; i < count; i++)
	{
		const gen_prompt *prompt = &run->prompts[prompts[i]];

		sequences[i] =
			run->decoder.open(context, run->decoder.argument, prompt->ids.ids + prompt->padding,
							  (int64_t) prompt->ids.count - prompt->padding, &given[i]);
		if (sequences[i] < 0)
			return false;
	}
	return true;
}
