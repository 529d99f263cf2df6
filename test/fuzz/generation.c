/*
 * generation.c
 *	  Any JSON as options of generate(), over a model whose scores are a hash of the last token.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/generate.h"

#include <stdlib.h>
#include <string.h>

#define WORDS 30
#define STATES 4
#define MOST 8 /* beams, sequences, tokens; more are no other code */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int open_count;

static int32_t
open_any(tfm_context *context, void *argument, const int32_t *ids, int64_t count, int64_t *reused)
{
	(void) argument, (void) ids, (void) count;
	if (reused != NULL)
		*reused = 0;
	return tfm_failed(context) ? -1 : open_count++;
}

static int32_t
fork_any(tfm_context *context, void *argument, int32_t sequence)
{
	(void) argument, (void) sequence;
	return tfm_failed(context) ? -1 : open_count++;
}

static bool
truncate_any(tfm_context *context, void *argument, int32_t sequence, int64_t length)
{
	(void) argument, (void) sequence, (void) length;
	return !tfm_failed(context);
}

static void
close_any(void *argument, int32_t sequence, bool keep)
{
	(void) argument, (void) sequence, (void) keep;
	open_count--;
}

static bool
has_room(void *argument, int64_t count, int64_t tokens)
{
	(void) argument, (void) count, (void) tokens;
	return true;
}

static bool
step_all(tfm_context *context, void *argument, const run_step *steps, int64_t count, float **logits,
		 float **states)
{
	size_t wanted = 0;
	float *to, *hidden;

	(void) argument;
	for (int64_t i = 0; i < count; i++)
		wanted += (size_t) steps[i].wanted;
	*logits = to = tfm_alloc_array(context, wanted * WORDS + 1, sizeof(float));
	hidden = tfm_alloc_array(context, wanted * STATES + 1, sizeof(float));
	if (to == NULL || hidden == NULL)
		return false;
	if (states != NULL)
		*states = hidden;
	for (int64_t i = 0; i < count; i++)
		for (int64_t t = steps[i].count - steps[i].wanted; t < steps[i].count; t++)
		{
			uint32_t hash = (uint32_t) steps[i].ids[t] * 2654435761u + 12345;

			for (int k = 0; k < WORDS; k++, hash = hash * 1664525 + 1013904223)
				*to++ = (float) (hash >> 8) / (1 << 22) - 2;
			for (int k = 0; k < STATES; k++, hash = hash * 1664525 + 1013904223)
				*hidden++ = (float) (hash >> 8) / (1 << 23) - 1;
		}
	return true;
}

static void
generate(tfm_context *context, gen_config *config)
{
	static const int32_t first[] = {1, 5, 9, 5}, second[] = {4};
	const gen_ids prompts[] = {{4, first}, {1, second}};
	const gen_decoder decoder = {.vocabulary = WORDS,
								 .max_length = 24,
								 .open = open_any,
								 .fork = fork_any,
								 .truncate = truncate_any,
								 .step = step_all,
								 .close = close_any,
								 .has_room = has_room,
								 .state_size = STATES};
	gen_request request = {.decoder = &decoder,
						   .draft_decoder = config->seed % 2 == 1 ? &decoder : NULL,
						   .config = config,
						   .prompts = prompts,
						   .prompt_count = 2,
						   .padded = config->seed % 3 == 1};
	gen_sequence *sequences;
	int64_t count;

	if (gen_generate(context, &request, &sequences, &count))
		for (int64_t i = 0; i < count; i++)
			for (int64_t j = 0; j < sequences[i].count; j++)
				if (sequences[i].ids[j] < 0 || sequences[i].ids[j] >= WORDS)
					abort();
	if (open_count != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(1 << 26)};
	char *text = malloc(length + 1);
	gen_config config;

	if (length > 0)
		memcpy(text, bytes, length);
	gen_config_init(&config);
	config.max_new_tokens = MOST;
	gen_config_read(&context, json_parse(&context, text, length, "options"), true, &config);
	if (!tfm_failed(&context) && config.num_beams <= MOST && config.num_return_sequences <= MOST &&
		config.eos_token_id.count <= MOST)
		generate(&context, &config);
	if (context.error.kind == TFM_INTERNAL || context.error.kind == TFM_CANCELLED)
		abort();
	arena_destroy(context.arena);
	free(text);
	return 0;
}
