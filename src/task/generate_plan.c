/*
 * generate_plan.c
 *	  The options of a generation: generation_config.json or config.json, then the caller's.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate_plan.h"

#include <string.h>

#include "runtime/loaded.h"
#include "task/tokenize.h"

static void
release_generator(void *argument)
{
	generate_plan_forget(argument);
}

generator *
task_generator_create(tfm_context *context, const run_model *model,
					  const run_session_options *options)
{
	run_session *session = run_session_create(context, model, options);
	generator *g = session == NULL ? NULL : tfm_alloc_zero(context, sizeof(generator));

	if (g == NULL)
		return NULL;
	g->session = session;
	g->owner = g;
	g->arena = context->arena;
	if (arena_on_release(context->arena, release_generator, g))
		return g;
	tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	return NULL;
}

void
task_generator_set_limits(generator *g, const run_session_options *options)
{
	run_session_set_limits(g->session, options->cache_limit, options->keep_limit);
}

size_t
task_generator_bytes(const generator *g)
{
	return run_session_bytes(g->session);
}

generator *
task_generator_share(tfm_context *context, generator *g, const gen_decoder *decoder)
{
	generator *shared = tfm_alloc_zero(context, sizeof(generator));

	if (shared == NULL)
		return NULL;
	shared->session = g->session;
	shared->decoder = decoder;
	shared->owner = g->owner;
	return shared;
}

run_session *
task_generator_session(const generator *g)
{
	return g->session;
}

/* ---- Options ---- */

/* The keys that are ours; GenerationConfig's go to gen_config_read. */
static const char *const own_keys[] = {
	"json_schema",
	"grammar",
	"regex",
	"choices",
	"seed",
	"truncation",
	"add_special_tokens",
	"skip_special_tokens",
	"return_full_text",
	"return_dict_in_generate",
};

static bool
is_own_key(const char *key)
{
	for (size_t i = 0; i < sizeof(own_keys) / sizeof(own_keys[0]); i++)
		if (strcmp(key, own_keys[i]) == 0)
			return true;
	return false;
}

json
generate_plan_parse(tfm_context *context, tfm_text text, const char *name)
{
	json object = {.node = NULL, .source = name};

	if (text.length == 0 || tfm_failed(context))
		return object;
	object = json_parse(context, text.data, text.length, name);
	if (context->error.kind == TFM_CORRUPTED)
		context->error.kind = TFM_INVALID_ARGUMENT;
	else if (!tfm_failed(context) && !json_is_object(object))
		tfm_fail(context, TFM_INVALID_ARGUMENT, "%s must be a JSON object", name);
	return object;
}

static bool
check_keys(tfm_context *context, json object)
{
	for (json value = json_first(object); json_present(value); value = json_next(value))
		if (!is_own_key(json_key(value)) && !gen_config_knows(json_key(value)))
		{
			tfm_fail(context, TFM_INVALID_ARGUMENT, "option \"%.64s\" is not known",
					 json_key(value));
			return tfm_hint(context, "Options have the names of Transformers' GenerationConfig.");
		}
	return true;
}

json
generate_plan_option(const generate_sources *sources, const char *key)
{
	json value = json_member(sources->arguments, key);

	return json_present(value) ? value : json_member(sources->options, key);
}

static bool
bool_option(tfm_context *context, const generate_sources *sources, const char *key, bool fallback)
{
	json value = generate_plan_option(sources, key);

	if (!json_present(value))
		return fallback;
	if (!json_is_bool(value))
		tfm_fail(context, TFM_INVALID_ARGUMENT, "option \"%s\" must be true or false", key);
	return json_is_bool(value) && json_as_bool(value);
}

static bool
says_length(json object)
{
	return json_present(json_member(object, "max_length")) ||
		   json_present(json_member(object, "max_new_tokens"));
}

json
generate_plan_read_file(tfm_context *context, generate_plan *plan, bool *is_own)
{
	static const char *const parts[] = {"decoder", "generator", "text_config"};
	json file = run_model_json(context, plan->model, "generation_config.json");

	*is_own = json_present(file);
	if (!*is_own && !tfm_failed(context))
		file = run_model_json(context, plan->model, "config.json");
	for (size_t i = 0; !*is_own && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (json_is_object(json_member(file, parts[i])) && !tfm_failed(context))
			gen_config_read(context, json_member(file, parts[i]), false, &plan->config);
	if (json_present(file) && !tfm_failed(context))
		gen_config_read(context, file, false, &plan->config);
	return file;
}

/* What the model's own files say. */
static bool
read_defaults(tfm_context *context, generate_plan *plan)
{
	bool is_own;
	json file = generate_plan_read_file(context, plan, &is_own);

	plan->says_length = says_length(file);
	return !tfm_failed(context);
}

/* The caller's options over the defaults. */
static bool
read_options(tfm_context *context, const generate_sources *sources, generate_plan *plan)
{
	const json objects[] = {sources->options, sources->arguments};
	json seed = generate_plan_option(sources, "seed");
	int64_t number = 0;

	for (size_t i = 0; i < 2; i++)
	{
		if (!json_present(objects[i]))
			continue;
		if (!check_keys(context, objects[i]) ||
			!gen_config_read(context, objects[i], false, &plan->config))
			return false;
		plan->says_length |= says_length(objects[i]);
	}
	if (json_present(seed) && !json_to_int(seed, INT64_MIN, INT64_MAX, &number))
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "option \"seed\" must be a whole number");
	plan->config.seed = (uint64_t) number;
	plan->truncates = bool_option(context, sources, "truncation", false);
	plan->add_special_tokens = bool_option(context, sources, "add_special_tokens", true);
	plan->skip_special_tokens = bool_option(context, sources, "skip_special_tokens", true);
	plan->return_full_text = bool_option(context, sources, "return_full_text", false);
	plan->return_dict = bool_option(context, sources, "return_dict_in_generate", false);
	return !tfm_failed(context);
}

bool
generate_plan_start(tfm_context *context, const generate_request *request, bool texts,
					generate_plan *plan)
{
	*plan = (generate_plan) {
		.session = request->generator->session,
		.assistant = request->assistant == NULL ? NULL : request->assistant->session,
		.decoder = request->generator->decoder,
		.draft_decoder = request->assistant == NULL ? NULL : request->assistant->decoder,
		.model = run_session_model(request->generator->session),
		.add_special_tokens = true,
		.skip_special_tokens = true,
	};
	plan->tokenizer = plan->model->tokenizer;
	gen_config_init(&plan->config);
	return !texts || run_tokenizer(context, plan->model) != NULL;
}

bool
generate_plan_make(tfm_context *context, const generate_request *request, bool texts,
				   generate_plan *plan)
{
	generate_sources sources;

	if (!generate_plan_start(context, request, texts, plan))
		return false;
	sources.arguments = generate_plan_parse(context, request->arguments, "arguments");
	sources.options = generate_plan_parse(context, request->options, "options");
	if (tfm_failed(context) || !read_defaults(context, plan) ||
		!read_options(context, &sources, plan) ||
		!generate_plan_constrain(context, request, &sources, plan))
		return false;
	if (texts && !plan->says_length)
		plan->config.max_new_tokens = GENERATE_NEW_TOKENS;
	return gen_config_check(context, &plan->config);
}

/* ---- Prompts and results ---- */

/* New tokens that are asked for after a prompt of count tokens. */
static int64_t
count_new_tokens(const generate_plan *plan, int64_t count)
{
	if (plan->config.max_new_tokens > 0)
		return plan->config.max_new_tokens;
	return plan->config.max_length > count ? plan->config.max_length - count : 1;
}

/* Leave out first tokens of a prompt for which there are no positions, if the caller wants that. */
static bool
fit_prompt(tfm_context *context, const generate_plan *plan, gen_ids *ids)
{
	int64_t most = run_session_max_length(plan->session), count = (int64_t) ids->count;
	int64_t fresh = plan->says_length ? count_new_tokens(plan, count) : 1;

	if (run_session_has_encoder(plan->session) || count <= most - fresh)
		return true;
	if (plan->truncates && fresh < most)
	{
		ids->ids += count - (most - fresh);
		ids->count = (size_t) (most - fresh);
		return true;
	}
	tfm_fail(context, TFM_LIMIT_EXCEEDED,
			 "the prompt has %lld tokens and up to %lld are to follow, but the model has positions "
			 "for %lld",
			 (long long) count, (long long) fresh, (long long) most);
	return tfm_hint(context, "Shorten the prompt, lower max_new_tokens, or set \"truncation\" to "
							 "true in options.");
}

bool
generate_plan_encode(tfm_context *context, const generate_plan *plan, tfm_text text, bool special,
					 gen_ids *ids)
{
	tok_encode_options options = {.add_special_tokens = special && plan->add_special_tokens};
	tok_encoding encoding;

	if (!tok_encode(context, plan->tokenizer, text, NULL, &options, &encoding))
		return false;
	*ids = (gen_ids) {.ids = encoding.ids, .count = encoding.count};
	if (ids->count == 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "the prompt has no tokens");
	return fit_prompt(context, plan, ids);
}

gen_decoder
generate_plan_decoder(const generate_plan *plan)
{
	return plan->decoder != NULL ? *plan->decoder : gen_decoder_of(plan->session);
}

gen_request
generate_plan_request(const generate_plan *plan, const gen_ids *prompts, int64_t count)
{
	return (gen_request) {
		.session = plan->session,
		.assistant = plan->assistant,
		.decoder = plan->decoder,
		.draft_decoder = plan->draft_decoder,
		.tokenizer = plan->tokenizer,
		.config = &plan->config,
		.prompts = prompts,
		.prompt_count = count,
		.fits = !plan->says_length,
		.constraint = plan->constraint,
		.vocabulary = plan->vocabulary,
	};
}

/* The text of a prompt's ids and those of its sequence. */
static bool
decode_both(tfm_context *context, const generate_plan *plan, gen_ids prompt,
			const gen_sequence *sequence, tfm_text *text)
{
	size_t count = prompt.count + (size_t) sequence->count;
	int32_t *ids = tfm_alloc_array(context, count, sizeof(int32_t));

	if (ids == NULL)
		return false;
	memcpy(ids, prompt.ids, prompt.count * sizeof(int32_t));
	if (sequence->count > 0)
		memcpy(ids + prompt.count, sequence->ids, (size_t) sequence->count * sizeof(int32_t));
	return tok_decode(context, plan->tokenizer, ids, count, plan->skip_special_tokens, text);
}

/* A decoder may drop a space at a text's beginning: so the new text is what both have more. */
bool
generate_plan_decode(tfm_context *context, const generate_plan *plan, gen_ids prompt,
					 const gen_sequence *sequence, tfm_text *text)
{
	tfm_text before;

	if (run_session_has_encoder(plan->session))
		return tok_decode(context, plan->tokenizer, sequence->ids, (size_t) sequence->count,
						  plan->skip_special_tokens, text);
	if (!decode_both(context, plan, prompt, sequence, text))
		return false;
	if (plan->return_full_text)
		return true;
	if (!tok_decode(context, plan->tokenizer, prompt.ids, prompt.count, plan->skip_special_tokens,
					&before))
		return false;
	if (before.length <= text->length && memcmp(before.data, text->data, before.length) == 0)
	{
		text->data += before.length;
		text->length -= before.length;
		return true;
	}
	return tok_decode(context, plan->tokenizer, sequence->ids, (size_t) sequence->count,
					  plan->skip_special_tokens, text);
}
