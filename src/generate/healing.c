/*
 * healing.c
 *	  Token healing: a prompt's last token is chosen anew among the tokens that begin with it.
 *
 * "http:" ends with a token that the model has seldom seen before "//", as its tokenizer would have
 * taken "://".  As in Transformers' heal_tokens the prompt is stripped and tokenized again, its last token taken
 * off, and the model asked for the best token with a bias to those that begin as that one does.
 * What stands at the beginning of texts is not shown to the model here.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "generate/run.h"

#define EXTENSION_BIAS 10.0f
#define OWN_BIAS 1.0f /* beside it, of the token as it was */

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static tfm_text
strip(tfm_text text)
{
	while (text.length > 0 && is_space(text.data[0]))
	{
		text.data++;
		text.length--;
	}
	while (text.length > 0 && is_space(text.data[text.length - 1]))
		text.length--;
	return text;
}

/* Add the bias to all that begin as id does; how many they are, id among them. */
static int64_t
favor_extensions(const gen_run *run, int32_t id, float *scores)
{
	const tok_tokenizer *tokenizer = run->request.tokenizer;
	const char *own = tok_id_to_token(tokenizer, id);
	size_t length = own == NULL ? 0 : strlen(own);
	int64_t limit = tok_id_limit(tokenizer), found = 0;

	limit = limit < run->decoder.vocabulary ? limit : run->decoder.vocabulary;
	for (int64_t i = 0; length > 0 && i < limit; i++)
	{
		const char *token = tok_id_to_token(tokenizer, (int32_t) i);

		if (token == NULL || strncmp(token, own, length) != 0)
			continue;
		found++;
		if (scores != NULL)
			scores[i] += i == id ? EXTENSION_BIAS + OWN_BIAS : EXTENSION_BIAS;
	}
	return found;
}

/* The best token after ids[count] among the extensions of last. */
static bool
choose_extension(tfm_context *context, gen_run *run, const int32_t *ids, int64_t count,
				 int32_t *last)
{
	int32_t sequence = run->decoder.open(context, run->decoder.argument, NULL, 0, NULL);
	run_step step = {.sequence = sequence, .ids = ids, .count = count, .wanted = 1};
	float *scores;
	bool good;

	if (sequence < 0)
		return false;
	good = run->decoder.step(context, run->decoder.argument, &step, 1, &scores, NULL);
	run->decoder.close(run->decoder.argument, sequence, false);
	if (!good)
		return false;
	favor_extensions(run, *last, scores);
	*last = (int32_t) gen_argmax(scores, run->decoder.vocabulary);
	return true;
}

/* Heal ids[count] in their place. */
static bool
heal_ids(tfm_context *context, gen_run *run, int32_t *ids, int64_t count)
{
	int32_t bos = tok_special_id(run->request.tokenizer, TOK_BOS);
	int64_t first = bos >= 0 && count > 0 && ids[0] == bos ? 1 : 0;

	if (count - first < 1 || count < 2 || favor_extensions(run, ids[count - 1], NULL) < 2)
		return true;
	/* One token alone is chosen after the beginning of a text. */
	if (count - first == 1)
		first = 0;
	return choose_extension(context, run, ids + first, count - 1 - first, &ids[count - 1]);
}

static bool
heal_prompt(tfm_context *context, tfm_context *work, gen_run *run, gen_ids prompt, gen_ids *healed)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_encoding encoding;
	int32_t *ids;
	tfm_text text;

	if (!tok_decode(work, run->request.tokenizer, prompt.ids, prompt.count, true, &text))
		return false;
	text = strip(text);
	if (!tok_encode(work, run->request.tokenizer, text, NULL, &options, &encoding))
		return false;
	if (encoding.count == 0)
	{
		*healed = prompt;
		return true;
	}
	ids = tfm_alloc_array(context, encoding.count, sizeof(int32_t));
	if (ids == NULL)
		return false;
	memcpy(ids, encoding.ids, encoding.count * sizeof(int32_t));
	*healed = (gen_ids) {.count = encoding.count, .ids = ids};
	return heal_ids(work, run, ids, (int64_t) encoding.count);
}

bool
gen_heal_prompts(tfm_context *context, gen_run *run, const gen_ids *prompts, int64_t count,
				 gen_ids *healed)
{
	tfm_context work = *context;

	work.arena = arena_scratch(context->arena);
	if (work.arena == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	for (int64_t i = 0; i < count && !tfm_failed(context); i++)
	{
		arena_mark mark = arena_save(work.arena);

		heal_prompt(context, &work, run, prompts[i], &healed[i]);
		arena_restore(work.arena, mark);
		if (tfm_failed(&work) && !tfm_failed(context))
			context->error = work.error;
	}
	return !tfm_failed(context);
}
