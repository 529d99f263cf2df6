/*
 * token_classification.c
 *	  Entities in texts, by a model for token classification.
 *	  Follows transformers/pipelines/token_classification.py.
 *
 * A text is one chunk, or with stride as many as it takes.  What the model says of the tokens is
 * made entities, chunk by chunk, in token_entities.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "runtime/loaded.h"
#include "task/classes.h"
#include "task/token_entities.h"
#include "task/tokenizing.h"

typedef struct plan
{
	entity_rules rules;
	bool strides; /* long texts are several chunks */
	int32_t stride;
	bool splits; /* inputs are lists of words */
	const char *delimiter;
	int64_t columns; /* labels */
} plan;

/* An input: its text, and the first character of each of its words. */
typedef struct sentence
{
	tfm_text text;
	const int32_t *word_starts; /* NULL: it is not split */
} sentence;

/* The pieces of all inputs, and what the model gives for their tokens. */
typedef struct chunks
{
	task_pieces pieces;
	float *logits;	 /* [tokens, columns] */
	int64_t columns; /* labels */
} chunks;

/* ---- Parameters ---- */

static bool
read_strategy(tfm_context *context, const pipeline_call *call, const tok_tokenizer *tokenizer,
			  entity_strategy *strategy)
{
	static const char *const names[] = {
		[ENTITY_NONE] = "none",		  [ENTITY_SIMPLE] = "simple", [ENTITY_FIRST] = "first",
		[ENTITY_AVERAGE] = "average", [ENTITY_MAX] = "max",
	};
	const char *name = task_string_parameter(context, call, "aggregation_strategy", "none");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
		{
			*strategy = (entity_strategy) i;
			return *strategy <= ENTITY_SIMPLE || !tok_is_python(tokenizer) ||
				   tfm_fail(context, TFM_UNSUPPORTED,
							"the tokenizer does not tell which tokens make a word, as "
							"aggregation_strategy \"%s\" wants",
							names[i]);
		}
	tfm_fail(context, TFM_INVALID_ARGUMENT, "aggregation_strategy \"%.64s\" is not known", name);
	return tfm_hint(context, "Use none, simple, first, average or max.");
}

static bool
read_stride(tfm_context *context, const pipeline_call *call, const tok_tokenizer *tokenizer,
			plan *p)
{
	int64_t longest = task_longest_input(call->models->model);

	p->strides = json_present(task_parameter(call, "stride"));
	p->stride = (int32_t) task_int_parameter(context, call, "stride", 0, 0, INT32_MAX);
	if (!p->strides || tfm_failed(context))
		return !tfm_failed(context);
	if (longest > 0 && p->stride >= longest)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"stride must be less than the longest input, %lld tokens",
						(long long) longest);
	if (p->rules.strategy == ENTITY_NONE &&
		json_present(task_parameter(call, "aggregation_strategy")))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"stride takes an aggregation_strategy other than \"none\"");
	return !tok_is_python(tokenizer) ||
		   tfm_fail(context, TFM_UNSUPPORTED, "the tokenizer does not cut texts into chunks");
}

/* "O" if they are not given. */
static bool
read_ignored(tfm_context *context, const pipeline_call *call, entity_rules *rules)
{
	json list = task_parameter(call, "ignore_labels");
	tfm_text *ignored = tfm_alloc_array(context, json_size(list) + 1, sizeof(tfm_text));

	rules->ignored = ignored;
	rules->ignored_count = 0;
	if (ignored == NULL)
		return false;
	if (!json_present(list))
		ignored[rules->ignored_count++] = (tfm_text) {"O", 1};
	else if (!json_is_array(list))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the parameter \"ignore_labels\" is not a list");
	for (json label = json_first(list); json_present(label); label = json_next(label))
		if (json_is_string(label))
			ignored[rules->ignored_count++] =
				(tfm_text) {json_as_string(label), strlen(json_as_string(label))};
	return true;
}

static bool
read_plan(tfm_context *context, const pipeline_call *call, plan *p)
{
	const run_model *model = call->models->model;
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);

	*p = (plan) {
		.splits = task_bool_parameter(context, call, "is_split_into_words", false),
		.delimiter = task_string_parameter(context, call, "delimiter", " "),
		.columns = run_config(model)->num_labels,
	};
	p->rules.tokenizer = tokenizer;
	p->rules.labels = task_read_labels(context, model, p->columns);
	if (tokenizer == NULL || tfm_failed(context))
		return false;
	if (p->splits && tok_is_python(tokenizer))
		return tfm_fail(context, TFM_UNSUPPORTED, "the tokenizer does not take words");
	return read_strategy(context, call, tokenizer, &p->rules.strategy) &&
		   read_stride(context, call, tokenizer, p) && read_ignored(context, call, &p->rules);
}

/* ---- Inputs ---- */

/* With is_split_into_words, a list of words is one input of a list. */
static pipeline_shape
find_shape(const pipeline_call *call, json inputs)
{
	json splits = task_parameter(call, "is_split_into_words");

	if (!json_is_array(inputs))
		return PIPELINE_ONE;
	if (json_is_bool(splits) && json_as_bool(splits))
		for (json input = json_first(inputs); json_present(input); input = json_next(input))
			if (!json_is_array(input))
				return PIPELINE_ONE_IN_LIST;
	return PIPELINE_LIST;
}

/* The words of an input, put together again, and where in that text each begins. */
static bool
read_words(tfm_context *context, const plan *p, json input, tok_words *words, sentence *s)
{
	size_t count = json_size(input), i = 0;
	tfm_text *items = tfm_alloc_array(context, count + 1, sizeof(tfm_text));
	int32_t *starts = tfm_alloc_array(context, count + 1, sizeof(int32_t));
	buffer *b = buffer_create(context);
	size_t at = 0, between = utf8_count(p->delimiter, strlen(p->delimiter));

	if (items == NULL || starts == NULL || b == NULL)
		return false;
	if (!json_is_array(input))
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "an input is not a list of words");
	for (json word = json_first(input); json_present(word); word = json_next(word), i++)
	{
		const char *text = json_as_string(word);

		if (!json_is_string(word))
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "a word is not a string");
		items[i] = (tfm_text) {text, strlen(text)};
		starts[i] = (int32_t) at;
		at += utf8_count(text, items[i].length) + between;
		if (at > INT32_MAX)
			return tfm_fail(context, TFM_LIMIT_EXCEEDED, "an input is too long");
		buffer_append_string(context, b, i > 0 ? p->delimiter : "");
		buffer_append(context, b, text, items[i].length);
	}
	*words = (tok_words) {.items = items, .count = count};
	*s = (sentence) {.text = {b->data, b->length}, .word_starts = starts};
	return !tfm_failed(context);
}

static tokenize_plan
plan_tokens(const plan *p, const run_model *model)
{
	const tok_tokenizer *tokenizer = p->rules.tokenizer;
	tok_direction side = tok_truncates_left(tokenizer) ? TOK_TRUNCATE_LEFT : TOK_TRUNCATE_RIGHT;

	return (tokenize_plan) {.encode = {
								.add_special_tokens = true,
								.max_length = task_longest_input(model),
								.stride = p->stride,
								.direction = side,
								.want = TOK_WANT_TYPE_IDS | TOK_WANT_OFFSETS |
										TOK_WANT_SPECIAL_MASK | (p->splits ? TOK_WANT_WORDS : 0) |
										(p->strides ? TOK_WANT_OVERFLOWING : 0),
							}};
}

/* The tokens of all inputs, and their texts. */
static tok_encoding *
tokenize_sentences(tfm_context *context, const pipeline_call *call, const plan *p,
				   sentence *sentences)
{
	const run_model *model = call->models->model;
	const tokenize_plan tokens = plan_tokens(p, model);
	tokenize_input *inputs = tfm_alloc_zero(context, (call->count + 1) * sizeof(tokenize_input));
	tok_encoding *encodings = tfm_alloc_array(context, call->count + 1, sizeof(tok_encoding));
	tok_words words;

	if (inputs == NULL || encodings == NULL)
		return NULL;
	for (size_t i = 0; i < call->count; i++)
	{
		if (p->splits)
		{
			if (!read_words(context, p, call->inputs[i].value, &words, &sentences[i]) ||
				!task_tokenize_words(context, model, words, NULL, &tokens, &encodings[i]))
				return NULL;
			continue;
		}
		if (!task_input_text(context, &call->inputs[i], "inputs", &inputs[i].text))
			return NULL;
		sentences[i] = (sentence) {.text = inputs[i].text};
	}
	if (!p->splits && !task_tokenize(context, model, inputs, call->count, &tokens, &encodings))
		return NULL;
	return encodings;
}

/* ---- The pipeline ---- */

static bool
take_logits(tfm_context *context, void *argument, size_t place, const task_rows *outputs)
{
	chunks *c = argument;
	size_t tokens = c->pieces.encodings[place].count;

	if (outputs[0].data == NULL || (size_t) outputs[0].count != tokens ||
		outputs[0].columns != c->columns)
		return tfm_fail(context, TFM_UNSUPPORTED,
						"the model does not give each token a score for each label");
	memcpy(c->logits + c->pieces.rows[place] * (size_t) c->columns, outputs[0].data,
		   tokens * (size_t) c->columns * sizeof(float));
	return true;
}

/* The entities of text i. */
static bool
append_entities(tfm_context *context, buffer *b, const plan *p, const chunks *c, const sentence *s,
				size_t i)
{
	const task_pieces *pieces = &c->pieces;
	size_t first = pieces->first[i], count = pieces->first[i + 1] - first;
	entity_chunk *parts = tfm_alloc_array(context, count, sizeof(entity_chunk));

	for (size_t k = 0; parts != NULL && k < count; k++)
		parts[k] = (entity_chunk) {
			.encoding = &pieces->encodings[first + k],
			.logits = c->logits + pieces->rows[first + k] * (size_t) c->columns,
			.columns = c->columns,
		};
	return parts != NULL &&
		   task_append_entities(context, b, &p->rules, s->text, s->word_starts, parts, count);
}

static bool
write_results(tfm_context *context, const plan *p, const chunks *c, const sentence *sentences,
			  size_t count, tfm_text *results)
{
	buffer *b = buffer_create(context);
	size_t *ends = tfm_alloc_array(context, count + 1, sizeof(size_t));

	for (size_t i = 0; b != NULL && ends != NULL && i < count; i++)
	{
		arena_mark mark = arena_save(context->arena);
		bool appended = append_entities(context, b, p, c, &sentences[i], i);

		arena_restore(context->arena, mark);
		if (!appended || ((i & 15) == 0 && tfm_stopped(context)))
			return false;
		ends[i] = b->length;
	}
	if (tfm_failed(context))
		return false;
	for (size_t i = 0; i < count; i++)
		results[i] =
			(tfm_text) {b->data + (i > 0 ? ends[i - 1] : 0), ends[i] - (i > 0 ? ends[i - 1] : 0)};
	return true;
}

static bool
run(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	static const char *const outputs[] = {"logits", NULL};
	const run_model *model = call->models->model;
	sentence *sentences = tfm_alloc_array(context, call->count + 1, sizeof(sentence));
	tok_encoding *encodings;
	task_item *items;
	chunks c = {0};
	plan p;

	if (sentences == NULL || !read_plan(context, call, &p))
		return false;
	c.columns = p.columns;
	encodings = tokenize_sentences(context, call, &p, sentences);
	if (encodings == NULL || !task_list_pieces(context, encodings, call->count, &c.pieces))
		return false;
	c.logits = tfm_alloc_array(context, c.pieces.rows[c.pieces.count] + 1,
							   (size_t) c.columns * sizeof(float));
	items = task_order_encodings(context, c.pieces.encodings, c.pieces.count,
								 tok_gives_type_ids(p.rules.tokenizer));
	return c.logits != NULL && items != NULL &&
		   task_run_items(context, model, items, c.pieces.count, outputs, take_logits, &c) &&
		   write_results(context, &p, &c, sentences, call->count, results);
}

const pipeline_task task_token_classification = {
	.names = (const char *const[]) {"token-classification", "ner", NULL},
	.heads = (const char *const[]) {"token-classification", NULL},
	.parameters =
		(const char *const[]) {"aggregation_strategy", "ignore_labels", "stride",
							   "is_split_into_words", "delimiter", TASK_PIPELINE_PARAMETERS, NULL},
	.shape = find_shape,
	.run = run,
};
