/*
 * pipeline_generation.c
 *	  Decoding as the pipelines that generate ask for it.
 *
 * Follows _prepare_generate_kwargs of Transformers 5 and, for the pipelines that ended with
 * Transformers 4, Pipeline.__init__ and _prepare_generation_config of 4.57.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/pipeline_generation.h"

#include <stdio.h>
#include <string.h>

#include "runtime/loaded.h"

/* Prompts that are decoded together where they are not padded: caches are kept for all of them. */
#define PROMPTS_AT_ONCE 64

#define MAX_BATCH 4096

/* The temperature of the pipeline "text-generation" where nobody says another. */
#define SAMPLED_TEMPERATURE 0.7

/* What max_length is in Transformers 4 where nobody says it. */
#define MAX_LENGTH_BEFORE 20

/* ---- Parameters ---- */

/* Parameters that all pipelines have. */
static const char *const common[] = {"batch_size", "num_workers", "generation_config", NULL};

static bool
is_among(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* Add the members of an object that decoding knows, but those that before has. */
static bool
append_keywords(tfm_context *context, buffer *b, json object, json before, const char *const *own)
{
	for (json member = json_first(object); json_present(member); member = json_next(member))
	{
		const char *key = json_key(member);

		if (is_among(own, key) || is_among(common, key))
			continue;
		if (!gen_config_knows(key))
		{
			tfm_fail(context, TFM_INVALID_ARGUMENT, "the parameter \"%.64s\" is not known", key);
			return tfm_hint(context,
							"Parameters have the names of the pipeline's in Transformers, and of "
							"GenerationConfig's.");
		}
		if (json_present(json_member(before, key)))
			continue;
		buffer_append_string(context, b, b->length == 0 ? "{" : ",");
		json_append_string(context, b, key, strlen(key));
		buffer_append_string(context, b, ":");
		json_append(context, b, member);
	}
	return !tfm_failed(context);
}

/* The call's parameters that are GenerationConfig's, as one object. */
static bool
read_keywords(tfm_context *context, const pipeline_call *call, const char *const *own,
			  json *keywords)
{
	buffer *b = buffer_create(context);

	*keywords = (json) {.source = "options"};
	if (b == NULL || !append_keywords(context, b, call->arguments, (json) {0}, own) ||
		!append_keywords(context, b, call->options, call->arguments, own))
		return false;
	if (b->length == 0)
		return true;
	buffer_append_string(context, b, "}");
	*keywords = json_parse(context, b->data, b->length, "options");
	return !tfm_failed(context);
}

static bool
lay(tfm_context *context, json object, bool strict, gen_config *config)
{
	return !json_is_object(object) || gen_config_read(context, object, strict, config);
}

/* Whether an object has a member of that name, be it null. */
static bool
has_key(json object, const char *key)
{
	for (json member = json_first(object); json_present(member); member = json_next(member))
		if (strcmp(json_key(member), key) == 0)
			return true;
	return false;
}

/* Whether a value of a configuration is what Transformers has without it. */
static bool
is_default(tfm_context *context, json member)
{
	buffer *b = buffer_create(context);
	gen_config config, defaults;
	json single;

	if (b == NULL)
		return false;
	memset(&config, 0, sizeof(config));
	memset(&defaults, 0, sizeof(defaults));
	gen_config_init(&config);
	gen_config_init(&defaults);
	if (strcmp(json_key(member), "max_length") == 0)
		return json_is_number(member) && json_as_number(member) == MAX_LENGTH_BEFORE;
	buffer_append_string(context, b, "{");
	json_append_string(context, b, json_key(member), strlen(json_key(member)));
	buffer_append_string(context, b, ":");
	json_append(context, b, member);
	buffer_append_string(context, b, "}");
	if (tfm_failed(context))
		return false;
	single = json_parse(context, b->data, b->length, "config.json");
	return lay(context, single, false, &config) && memcmp(&config, &defaults, sizeof(config)) == 0;
}

/* ---- Plans ---- */

static bool
start(tfm_context *context, const pipeline_call *call, pipeline_generation *g)
{
	generate_request request = {
		.generator = call->models->generator,
		.assistant = call->models->assistant,
	};
	const char *prefix;
	json config;

	*g = (pipeline_generation) {.prefix = {"", 0}};
	if (request.generator == NULL)
		return tfm_fail(context, TFM_UNSUPPORTED, "the model does not generate");
	if (!generate_plan_start(context, &request, true, &g->plan))
		return false;
	config = run_model_json(context, g->plan.model, "config.json");
	prefix = json_string(context, config, "prefix", "");
	g->prefix = (tfm_text) {prefix, strlen(prefix)};
	g->batch_size = task_int_parameter(context, call, "batch_size", 1, 1, MAX_BATCH);
	return !tfm_failed(context);
}

static bool
finish(tfm_context *context, pipeline_generation *g, json keywords)
{
	gen_config *config = &g->plan.config;

	g->plan.says_length = config->max_new_tokens != GENERATE_NEW_TOKENS ||
						  json_present(json_member(keywords, "max_new_tokens"));
	if (config->pad_token_id < 0)
		config->pad_token_id = tok_special_id(g->plan.tokenizer, TOK_PAD);
	return gen_config_check(context, config);
}

/* Where options of decoding come from; later ones count first. */
typedef struct sources
{
	json file, given, keywords;
} sources;

static bool
is_set(const sources *s, const char *key)
{
	return json_present(json_member(s->file, key)) || json_present(json_member(s->given, key)) ||
		   has_key(s->keywords, key);
}

bool
task_plan_generation(tfm_context *context, const pipeline_call *call, const char *const *own,
					 bool samples, pipeline_generation *g)
{
	gen_config *config = &g->plan.config;
	bool is_own;
	sources s;

	if (!start(context, call, g) || !read_keywords(context, call, own, &s.keywords))
		return false;
	s.given = task_parameter(call, "generation_config");
	s.file = generate_plan_read_file(context, &g->plan, &is_own);
	if (tfm_failed(context) || !lay(context, s.given, false, config) ||
		!lay(context, s.keywords, true, config))
		return false;
	if (!is_set(&s, "max_new_tokens") && !is_set(&s, "max_length"))
		config->max_new_tokens = GENERATE_NEW_TOKENS;
	if (samples && !is_set(&s, "do_sample"))
		config->do_sample = true;
	if (samples && config->do_sample && !is_set(&s, "temperature"))
		config->temperature = SAMPLED_TEMPERATURE;
	return finish(context, g, s.keywords);
}

json
task_specific_params(tfm_context *context, const run_model *model, const char *task)
{
	json config = run_model_json(context, model, "config.json");

	return json_member(json_member(config, "task_specific_params"), task);
}

/* Whether the file is of a Transformers that lays the model's values over defaults of the caller's. */
static bool
fills_defaults(json file, bool is_own)
{
	json version = json_member(file, "transformers_version");
	int major, minor;

	if (!is_own || !json_is_string(version) ||
		sscanf(json_as_string(version), "%d.%d", &major, &minor) != 2)
		return true;
	return major > 4 || (major == 4 && minor >= 50);
}

/* The parameters of the task, but the prefix and those that the model's file overrules. */
static bool
lay_task(tfm_context *context, json params, json file, bool fills, pipeline_generation *g)
{
	buffer *b = buffer_create(context);
	json prefix = json_member(params, "prefix");

	if (b == NULL)
		return false;
	if (json_is_string(prefix))
		g->prefix = (tfm_text) {json_as_string(prefix), strlen(json_as_string(prefix))};
	for (json member = json_first(params); json_present(member); member = json_next(member))
	{
		const char *key = json_key(member);

		if (!gen_config_knows(key) ||
			(fills && json_present(json_member(file, key)) && is_default(context, member)))
			continue;
		buffer_append_string(context, b, b->length == 0 ? "{" : ",");
		json_append_string(context, b, key, strlen(key));
		buffer_append_string(context, b, ":");
		json_append(context, b, member);
	}
	if (tfm_failed(context) || b->length == 0)
		return !tfm_failed(context);
	buffer_append_string(context, b, "}");
	params = json_parse(context, b->data, b->length, "config.json");
	return !tfm_failed(context) && lay(context, params, false, &g->plan.config);
}

bool
task_plan_text2text(tfm_context *context, const pipeline_call *call, const char *const *own,
					const char *task, pipeline_generation *g)
{
	gen_config *config = &g->plan.config;
	json keywords, file, length, fresh;
	bool is_own, fills;

	if (!start(context, call, g) || !read_keywords(context, call, own, &keywords))
		return false;
	file = generate_plan_read_file(context, &g->plan, &is_own);
	fills = fills_defaults(file, is_own);
	if (tfm_failed(context))
		return false;
	config->num_beams = 4;
	config->max_new_tokens = GENERATE_NEW_TOKENS;
	length = json_member(file, "max_length");
	fresh = json_member(file, "max_new_tokens");
	if (json_is_number(length) && json_as_number(length) != MAX_LENGTH_BEFORE)
	{
		config->max_new_tokens = 0;
		if (fills && json_is_number(fresh))
			json_to_int(fresh, 1, GEN_MAX_TOKENS, &config->max_new_tokens);
	}
	return lay_task(context, task_specific_params(context, g->plan.model, task), file, fills, g) &&
		   lay(context, task_parameter(call, "generation_config"), false, config) &&
		   lay(context, keywords, true, config) && finish(context, g, keywords);
}

/* ---- Rows ---- */

static bool
make_row(tfm_context *context, const generate_plan *plan, const gen_sequence *s, size_t longest,
		 size_t longest_new, pipeline_row *row)
{
	size_t begin = s->begin.count, made = (size_t) s->count, left = longest - begin;
	int32_t *ids = tfm_alloc_array(context, longest + longest_new, sizeof(int32_t));

	if (ids == NULL)
		return false;
	for (size_t i = 0; i < left; i++)
		ids[i] = gen_config_pad(&plan->config);
	if (begin > 0)
		memcpy(ids + left, s->begin.ids, begin * sizeof(int32_t));
	if (made > 0)
		memcpy(ids + longest, s->ids, made * sizeof(int32_t));
	for (size_t i = made; i < longest_new; i++)
		ids[longest + i] = gen_config_fill(&plan->config);
	*row = (pipeline_row) {.ids = ids, .count = longest + longest_new, .prompt = longest};
	return true;
}

/* The rows of sequences that generate() returns together. */
static bool
make_rows(tfm_context *context, const generate_plan *plan, const gen_sequence *sequences,
		  size_t count, pipeline_row *rows)
{
	size_t longest = 0, longest_new = 0;

	for (size_t i = 0; i < count; i++)
	{
		if (sequences[i].begin.count > longest)
			longest = sequences[i].begin.count;
		if ((size_t) sequences[i].count > longest_new)
			longest_new = (size_t) sequences[i].count;
	}
	for (size_t i = 0; i < count; i++)
		if (!make_row(context, plan, &sequences[i], longest, longest_new, &rows[i]))
			return false;
	return true;
}

/* Prompts that are decoded together; each, or all of them where they are padded, make a batch. */
static bool
generate_portion(tfm_context *context, const pipeline_generation *g, const gen_ids *prompts,
				 size_t count, pipeline_row *rows)
{
	gen_request what = generate_plan_request(&g->plan, prompts, (int64_t) count);
	size_t each = (size_t) g->plan.config.num_return_sequences, together;
	gen_sequence *sequences;
	int64_t made;

	what.padded = g->batch_size > 1;
	if (!gen_generate(context, &what, &sequences, &made))
		return false;
	if ((size_t) made != count * each)
		return tfm_fail(context, TFM_INTERNAL, "%lld sequences for %zu prompts", (long long) made,
						count);
	together = what.padded ? count * each : each;
	for (size_t i = 0; i < count * each; i += together)
		if (!make_rows(context, &g->plan, sequences + i, together, rows + i))
			return false;
	for (size_t i = 0; i < count * each; i++)
		if (prompts[i / each].count == 0 && !run_session_has_encoder(g->plan.session))
			rows[i].prompt = 0;
	return true;
}

pipeline_row *
task_generate_rows(tfm_context *context, const pipeline_generation *g, const gen_ids *prompts,
				   size_t count)
{
	size_t each = (size_t) g->plan.config.num_return_sequences;
	size_t most = g->batch_size > 1 ? (size_t) g->batch_size : PROMPTS_AT_ONCE;
	pipeline_row *rows = tfm_alloc_array(context, count * each, sizeof(pipeline_row));

	for (size_t done = 0, n; rows != NULL && done < count; done += n)
	{
		n = count - done < most ? count - done : most;
		if (!generate_portion(context, g, prompts + done, n, rows + done * each))
			return NULL;
	}
	return rows;
}

/* ---- Small things ---- */

tok_cleaning
task_cleaning(tfm_context *context, const pipeline_call *call, tok_cleaning fallback)
{
	if (!json_present(task_parameter(call, "clean_up_tokenization_spaces")))
		return fallback;
	return task_bool_parameter(context, call, "clean_up_tokenization_spaces", false)
			   ? TOK_CLEAN_ALWAYS
			   : TOK_CLEAN_NEVER;
}

bool
task_truncates(tfm_context *context, json truncation)
{
	static const char *const names[] = {"longest_first", "only_first", "only_second", NULL};

	if (!json_present(truncation))
		return false;
	if (json_is_bool(truncation))
		return json_as_bool(truncation);
	if (json_is_string(truncation) && is_among(names, json_as_string(truncation)))
		return true;
	if (!json_is_string(truncation) || strcmp(json_as_string(truncation), "do_not_truncate") != 0)
		tfm_fail(context, TFM_INVALID_ARGUMENT,
				 "the parameter \"truncation\" is not one of true, false, longest_first, "
				 "only_first, only_second, do_not_truncate");
	return false;
}

void
task_append_ids(tfm_context *context, buffer *b, const int32_t *ids, size_t count)
{
	buffer_append_string(context, b, "[");
	for (size_t i = 0; i < count; i++)
		buffer_printf(context, b, "%s%d", i > 0 ? "," : "", ids[i]);
	buffer_append_string(context, b, "]");
}
