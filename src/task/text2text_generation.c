/*
 * text2text_generation.c
 *	  The pipelines "text2text-generation", "summarization" and "translation".
 *	  Follow pipelines/text2text_generation.py of Transformers 4.57.
 *
 * Where Transformers takes an encoder-decoder alone, a model for text generation is asked for a
 * summary or a translation in words.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "runtime/loaded.h"
#include "task/languages.h"
#include "task/pipeline_generation.h"

#define SUMMARIZE "Summarize the following text."

typedef enum text2text_kind
{
	TEXT2TEXT,
	SUMMARIZATION,
	TRANSLATION
} text2text_kind;

/* What results are called: "summary_text", "summary_token_ids". */
static const char *const result_names[] = {
	[TEXT2TEXT] = "generated", [SUMMARIZATION] = "summary", [TRANSLATION] = "translation"};

static const char *const own_parameters[] = {"return_tensors",
											 "return_text",
											 "clean_up_tokenization_spaces",
											 "truncation",
											 "stop_sequence",
											 "src_lang",
											 "tgt_lang",
											 NULL};

/* A call, planned. */
typedef struct text2text
{
	const pipeline_call *call;
	text2text_kind kind;
	pipeline_generation generation;
	task_languages languages;
	tfm_text instruction; /* of a model for text generation */
	bool has_encoder;
	bool truncates;
	bool returns_tensors;
	tok_cleaning cleaning;
} text2text;

/* ---- Languages ---- */

/* The languages in "translation_en_to_fr"; false if the name has none. */
static bool
split_task(tfm_context *context, const char *task, const char **source, const char **target)
{
	const char *first = strchr(task, '_');
	const char *middle = first == NULL ? NULL : strchr(first + 1, '_');
	const char *last = middle == NULL ? NULL : strchr(middle + 1, '_');

	if (last == NULL || strchr(last + 1, '_') != NULL)
		return false;
	*source = tfm_strndup(context, first + 1, (size_t) (middle - first) - 1);
	*target = tfm_strdup(context, last + 1);
	return *source != NULL && *target != NULL;
}

/* Whether the inputs came through a function of ours, whose languages are for any model. */
static bool
is_ours(const pipeline_call *call)
{
	return call->count > 0 && !json_present(call->inputs[0].value);
}

/*
 * The task whose parameters config.json may have: with languages that were given to a function of
 * ours the one that names them.
 */
static const char *
find_task(tfm_context *context, const pipeline_call *call, const char *source, const char *target)
{
	const char *named;

	if (!is_ours(call) || source == NULL || target == NULL)
		return call->task;
	named = tfm_sprintf(context, "translation_%s_to_%s", source, target);
	return named != NULL && json_present(task_specific_params(context, call->models->model, named))
			   ? named
			   : call->task;
}

/* Marian's models for many languages are told the target by a token before the text. */
static bool
put_target(tfm_context *context, text2text *t, const char *target)
{
	const char *token;

	if (!is_ours(t->call) || target == NULL || t->languages.by_tokens)
		return true;
	token = tfm_sprintf(context, ">>%s<<", target);
	if (token == NULL)
		return false;
	if (tok_token_to_id(t->generation.plan.tokenizer, (tfm_text) {token, strlen(token)}) < 0)
		return true;
	token = tfm_sprintf(context, "%s ", token);
	t->generation.prefix = (tfm_text) {token, token == NULL ? 0 : strlen(token)};
	return token != NULL;
}

static bool
instruct_translation(tfm_context *context, const char *source, const char *target,
					 tfm_text *instruction)
{
	char *text;

	if (target == NULL)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the model translates as it is told, and \"tgt_lang\" is not given");
	text = tfm_sprintf(context,
					   "Translate the following text%s%s to %s. Answer with the translation only.",
					   source == NULL ? "" : " from ", source == NULL ? "" : source, target);
	*instruction = (tfm_text) {text, text == NULL ? 0 : strlen(text)};
	return text != NULL;
}

/* ---- Plan ---- */

/* Text2text's only way to stop at a text is its first token. */
static bool
set_stop(tfm_context *context, const pipeline_call *call, gen_config *config,
		 const tok_tokenizer *tokenizer)
{
	const char *stop = task_string_parameter(context, call, "stop_sequence", NULL);
	tok_encoding encoding;

	if (stop == NULL)
		return !tfm_failed(context);
	if (!tok_encode(context, tokenizer, (tfm_text) {stop, strlen(stop)}, NULL,
					&(tok_encode_options) {0}, &encoding))
		return false;
	if (encoding.count == 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"stop_sequence\" has no tokens");
	config->eos_token_id = (gen_ids) {.ids = encoding.ids, .count = 1};
	return true;
}

/* What a model for text generation is asked, by the rules of its own files. */
static bool
plan_instruction(tfm_context *context, text2text *t, const char *source, const char *target)
{
	t->instruction = (tfm_text) {SUMMARIZE, strlen(SUMMARIZE)};
	if (t->kind == TRANSLATION && !instruct_translation(context, source, target, &t->instruction))
		return false;
	return task_plan_generation(context, t->call, own_parameters, false, &t->generation);
}

static bool
plan_encoder(tfm_context *context, text2text *t, const char *source, const char *target)
{
	const pipeline_call *call = t->call;
	const char *task =
		t->kind == TRANSLATION ? find_task(context, call, source, target) : call->task;
	gen_config *config = &t->generation.plan.config;

	if (!task_plan_text2text(context, call, own_parameters, task, &t->generation))
		return false;
	if (t->kind == TRANSLATION &&
		(!task_read_languages(context, call->models->model, source, target, &t->languages) ||
		 !put_target(context, t, target)))
		return false;
	if (t->languages.by_tokens)
	{
		t->generation.prefix = (tfm_text) {"", 0};
		config->forced_bos_token_id = t->languages.target;
	}
	return set_stop(context, call, config, t->generation.plan.tokenizer);
}

static bool
plan_call(tfm_context *context, const pipeline_call *call, text2text_kind kind, text2text *t)
{
	const char *source = task_string_parameter(context, call, "src_lang", NULL);
	const char *target = task_string_parameter(context, call, "tgt_lang", NULL);

	*t = (text2text) {.call = call, .kind = kind};
	if (kind == TRANSLATION && source == NULL && target == NULL)
		split_task(context, call->task, &source, &target);
	t->has_encoder = run_has_encoder(call->models->model);
	t->returns_tensors = task_bool_parameter(context, call, "return_tensors", false);
	t->truncates = task_truncates(context, task_parameter(call, "truncation"));
	t->cleaning = task_cleaning(context, call, TOK_CLEAN_NEVER);
	if (tfm_failed(context))
		return false;
	return t->has_encoder ? plan_encoder(context, t, source, target)
						  : plan_instruction(context, t, source, target);
}

/* ---- Inputs and results ---- */

static gen_ids *
encode_inputs(tfm_context *context, const text2text *t)
{
	gen_ids *ids = tfm_alloc_array(context, t->call->count, sizeof(gen_ids));
	const generate_plan *plan = &t->generation.plan;

	for (size_t i = 0; ids != NULL && i < t->call->count; i++)
	{
		tfm_text text;

		if (!task_input_text(context, &t->call->inputs[i], "text", &text))
			return NULL;
		if (!t->has_encoder)
		{
			if (!generate_plan_prompt(context, plan, t->instruction, text, &ids[i]))
				return NULL;
		}
		else if (!generate_plan_join(context, t->generation.prefix, text, &text) ||
				 !task_encode_language(context, plan->model, &t->languages, text, t->truncates,
									   &ids[i]))
			return NULL;
	}
	return ids;
}

static tfm_text
trim(tfm_text text)
{
	while (text.length > 0 && strchr(" \t\r\n", text.data[0]) != NULL)
		text = (tfm_text) {text.data + 1, text.length - 1};
	while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]) != NULL)
		text.length--;
	return text;
}

/* {"summary_text": "..."}, or with tensors {"summary_token_ids": ...}. */
static bool
append_record(tfm_context *context, const text2text *t, const pipeline_row *row, buffer *b)
{
	const char *name = result_names[t->kind];
	const tok_tokenizer *tokenizer = t->generation.plan.tokenizer;
	size_t first = t->has_encoder ? 0 : row->prompt;
	tfm_text text;

	if (t->returns_tensors)
	{
		buffer_printf(context, b,
					  "{\"%s_token_ids\":{\"dtype\":\"int64\",\"shape\":[%zu],\"data\":", name,
					  row->count);
		task_append_ids(context, b, row->ids, row->count);
		return buffer_append_string(context, b, "}}");
	}
	if (!tok_decode_cleaned(context, tokenizer, row->ids + first, row->count - first, true,
							t->cleaning, &text))
		return false;
	if (!t->has_encoder)
		text = trim(text);
	buffer_printf(context, b, "{\"%s_text\":", name);
	json_append_string(context, b, text.data, text.length);
	return buffer_append_string(context, b, "}");
}

/* A list of records; of a list of inputs, if each has but one, that alone. */
static bool
write_result(tfm_context *context, const text2text *t, const pipeline_row *rows, size_t count,
			 bool in_list, tfm_text *result)
{
	bool alone = in_list && count == 1;
	buffer *b = buffer_create(context);

	if (b == NULL)
		return false;
	if (!alone)
		buffer_append_string(context, b, "[");
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_append_string(context, b, ",");
		if (!append_record(context, t, &rows[i], b))
			return false;
	}
	if (!alone)
		buffer_append_string(context, b, "]");
	*result = (tfm_text) {b->data, b->length};
	return !tfm_failed(context);
}

static bool
run_kind(tfm_context *context, const pipeline_call *call, text2text_kind kind, tfm_text *results)
{
	size_t each;
	pipeline_row *rows;
	gen_ids *prompts;
	text2text t;

	if (!plan_call(context, call, kind, &t))
		return false;
	prompts = encode_inputs(context, &t);
	if (prompts == NULL)
		return false;
	rows = task_generate_rows(context, &t.generation, prompts, call->count);
	each = (size_t) t.generation.plan.config.num_return_sequences;
	for (size_t i = 0; rows != NULL && i < call->count; i++)
		if (!write_result(context, &t, rows + i * each, each, call->inputs[i].in_list, &results[i]))
			return false;
	return rows != NULL;
}

static bool
run_text2text(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	return run_kind(context, call, TEXT2TEXT, results);
}

static bool
run_summarization(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	return run_kind(context, call, SUMMARIZATION, results);
}

static bool
run_translation(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	return run_kind(context, call, TRANSLATION, results);
}

/* ---- Many texts ---- */

bool
task_summarize_over(tfm_context *context, const task_models *models, tfm_text options,
					const tfm_text *texts, size_t count, tfm_text *summary)
{
	pipeline_call call = {.models = models, .task = "summarization"};
	generate_request request = {.generator = models->generator, .options = options};
	text2text t;

	if (!run_has_encoder(models->model))
		return task_generate_over(context, &request, (tfm_text) {SUMMARIZE, strlen(SUMMARIZE)},
								  texts, count, summary);
	call.options = generate_plan_parse(context, options, "options");
	return !tfm_failed(context) && plan_call(context, &call, SUMMARIZATION, &t) &&
		   generate_plan_over(context, &t.generation.plan, t.generation.prefix, texts, count,
							  summary);
}

/* ---- The pipelines ---- */

static const char *const text2text_names[] = {"text2text-generation", NULL};
static const char *const summarization_names[] = {"summarization", NULL};
static const char *const translation_names[] = {"translation", "translation_*", NULL};
static const char *const encoder_heads[] = {"text2text-generation", NULL};
static const char *const any_heads[] = {"text2text-generation", "text-generation", NULL};

const pipeline_task task_text2text_generation = {
	.names = text2text_names,
	.heads = encoder_heads,
	.generates = true,
	.run = run_text2text,
};

const pipeline_task task_summarization = {
	.names = summarization_names,
	.heads = any_heads,
	.generates = true,
	.run = run_summarization,
};

const pipeline_task task_translation = {
	.names = translation_names,
	.heads = any_heads,
	.generates = true,
	.run = run_translation,
};
