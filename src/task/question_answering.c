/*
 * question_answering.c
 *	  Answers to questions that stand in a context, by a model for question answering.
 *	  Follows transformers/pipelines/question_answering.py of Transformers 4.57, the last with it.
 *
 * A context that is too long for the model is several pieces, each with the question; the answers
 * of all of them are compared (answer_spans.c).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "runtime/loaded.h"
#include "task/answer_spans.h"
#include "task/tokenizing.h"

#define LONGEST_SEQUENCE 384
#define LONGEST_STRIDE 128

typedef struct plan
{
	answer_rules rules;
	tokenize_plan tokens;
	bool types; /* the model is given type ids */
} plan;

/* Questions and their contexts: those of input i are first[i] to first[i + 1] - 1. */
typedef struct examples
{
	tfm_text *questions, *contexts;
	size_t *first;
	size_t count;
} examples;

/* What the model gives for the tokens of all pieces. */
typedef struct logits
{
	task_pieces pieces;
	float *starts, *ends; /* [tokens] */
} logits;

/* ---- Parameters ---- */

/* The longest piece, question and special tokens included, and how much pieces overlap. */
static bool
plan_pieces(tfm_context *context, const pipeline_call *call, plan *p)
{
	const tok_tokenizer *tokenizer = call->models->model->tokenizer;
	int64_t longest = task_longest_input(call->models->model), stride;

	if (longest == 0 || longest > LONGEST_SEQUENCE)
		longest = LONGEST_SEQUENCE;
	longest = task_int_parameter(context, call, "max_seq_len", longest, 1, INT32_MAX);
	stride = longest / 2 < LONGEST_STRIDE ? longest / 2 : LONGEST_STRIDE;
	stride = task_int_parameter(context, call, "doc_stride", stride, 0, INT32_MAX);
	if (!tfm_failed(context) && stride > longest)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"doc_stride (%lld) is larger than max_seq_len (%lld)", (long long) stride,
						(long long) longest);
	p->tokens = (tokenize_plan) {
		.encode = {
			.add_special_tokens = true,
			.max_length = (int32_t) longest,
			.stride = (int32_t) stride,
			.truncation = p->rules.context_first ? TOK_ONLY_FIRST : TOK_ONLY_SECOND,
			.direction = tok_truncates_left(tokenizer) ? TOK_TRUNCATE_LEFT : TOK_TRUNCATE_RIGHT,
			.want = TOK_WANT_TYPE_IDS | TOK_WANT_OFFSETS | TOK_WANT_WORDS | TOK_WANT_SEQUENCES |
					TOK_WANT_OVERFLOWING,
		}};
	return !tfm_failed(context);
}

static bool
read_plan(tfm_context *context, const pipeline_call *call, plan *p)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, call->models->model);
	int64_t most = task_int_parameter(context, call, "topk", 1, 1, INT32_MAX / 4);

	if (tokenizer == NULL)
		return false;
	*p = (plan) {
		.rules =
			{
				.most = task_int_parameter(context, call, "top_k", most, 1, INT32_MAX / 4),
				.longest = task_int_parameter(context, call, "max_answer_len", 15, 1, INT32_MAX),
				.may_be_none =
					task_bool_parameter(context, call, "handle_impossible_answer", false),
				.aligns = task_bool_parameter(context, call, "align_to_words", true),
				.context_first = tok_pads_left(tokenizer),
				.cls_id = tok_special_id(tokenizer, TOK_CLS),
			},
		.types = tok_gave_type_ids(tokenizer),
	};
	return !tfm_failed(context) && plan_pieces(context, call, p);
}

/* ---- Inputs ---- */

/* The result of a list of one is as that of what is in it. */
static pipeline_shape
find_shape(const pipeline_call *call, json inputs)
{
	(void) call;
	return json_is_array(inputs) ? PIPELINE_LIST_BUT_FOR_ONE : PIPELINE_ONE;
}

static bool
fail_input(tfm_context *context)
{
	return tfm_fail(context, TFM_INVALID_ARGUMENT,
					"an input is not an object with the texts \"question\" and \"context\"");
}

static bool
add_example(tfm_context *context, examples *e, json question, json passage)
{
	if (!json_is_string(question) || !json_is_string(passage))
		return fail_input(context);
	if (*json_as_string(question) == '\0' || *json_as_string(passage) == '\0')
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "a question or a context is empty");
	e->questions[e->count] =
		(tfm_text) {json_as_string(question), strlen(json_as_string(question))};
	e->contexts[e->count] = (tfm_text) {json_as_string(passage), strlen(json_as_string(passage))};
	e->count++;
	return true;
}

/*
 * Questions may be a list, with a context for all or one for each.  Of texts that are no JSON the
 * first is the context, so that many of them can go with one question.
 */
static bool
add_input(tfm_context *context, examples *e, const pipeline_input *input)
{
	json question = json_member(input->value, "question");
	json passage = json_member(input->value, "context");
	bool many = json_is_array(passage);

	if (!json_present(input->value))
	{
		e->contexts[e->count] = input->text;
		e->questions[e->count++] = input->second;
		return input->has_second || fail_input(context);
	}
	if (!json_is_array(question))
		return add_example(context, e, question, passage);
	if (many && json_size(passage) != json_size(question))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"there are not as many contexts as questions");
	if (many)
		passage = json_first(passage);
	for (json q = json_first(question); json_present(q); q = json_next(q))
	{
		if (!add_example(context, e, q, passage))
			return false;
		if (many)
			passage = json_next(passage);
	}
	return true;
}

static bool
read_examples(tfm_context *context, const pipeline_call *call, examples *e)
{
	size_t most = 0;

	for (size_t i = 0; i < call->count; i++)
	{
		json question = json_member(call->inputs[i].value, "question");

		most += json_is_array(question) ? json_size(question) : 1;
	}
	*e = (examples) {
		.questions = tfm_alloc_array(context, most + 1, sizeof(tfm_text)),
		.contexts = tfm_alloc_array(context, most + 1, sizeof(tfm_text)),
		.first = tfm_alloc_array(context, call->count + 1, sizeof(size_t)),
	};
	if (tfm_failed(context))
		return false;
	for (size_t i = 0; i < call->count; i++)
	{
		e->first[i] = e->count;
		if (!add_input(context, e, &call->inputs[i]))
			return false;
	}
	e->first[call->count] = e->count;
	return true;
}

/* ---- Passes ---- */

static bool
take_logits(tfm_context *context, void *argument, size_t place, const task_rows *outputs)
{
	logits *l = argument;
	size_t first = l->pieces.rows[place], tokens = l->pieces.encodings[place].count;

	for (int i = 0; i < 2; i++)
		if (outputs[i].data == NULL || (size_t) outputs[i].count != tokens ||
			outputs[i].columns != 1)
			return tfm_fail(context, TFM_UNSUPPORTED,
							"the model does not tell where answers start and end");
	memcpy(l->starts + first, outputs[0].data, tokens * sizeof(float));
	memcpy(l->ends + first, outputs[1].data, tokens * sizeof(float));
	return true;
}

static bool
run_examples(tfm_context *context, const run_model *model, const plan *p, const examples *e,
			 logits *l)
{
	static const char *const outputs[] = {"start_logits", "end_logits", NULL};
	tokenize_input *inputs = tfm_alloc_array(context, e->count + 1, sizeof(tokenize_input));
	bool swaps = p->rules.context_first;
	tok_encoding *encodings;
	task_item *items;

	if (inputs == NULL)
		return false;
	for (size_t i = 0; i < e->count; i++)
		inputs[i] = (tokenize_input) {
			.text = swaps ? e->contexts[i] : e->questions[i],
			.pair = swaps ? e->questions[i] : e->contexts[i],
			.has_pair = true,
		};
	if (!task_tokenize(context, model, inputs, e->count, &p->tokens, &encodings) ||
		!task_list_pieces(context, encodings, e->count, &l->pieces))
		return false;
	l->starts = tfm_alloc_array(context, l->pieces.rows[l->pieces.count] + 1, sizeof(float));
	l->ends = tfm_alloc_array(context, l->pieces.rows[l->pieces.count] + 1, sizeof(float));
	items = task_order_encodings(context, l->pieces.encodings, l->pieces.count, p->types);
	return items != NULL && l->starts != NULL && l->ends != NULL &&
		   task_run_items(context, model, items, l->pieces.count, outputs, take_logits, l);
}

/* ---- Results ---- */

static bool
append_answers(tfm_context *context, buffer *b, const plan *p, const examples *e, const logits *l,
			   size_t example)
{
	const task_pieces *pieces = &l->pieces;
	size_t first = pieces->first[example], count = pieces->first[example + 1] - first;
	answer_piece *parts = tfm_alloc_array(context, count, sizeof(answer_piece));

	for (size_t i = 0; parts != NULL && i < count; i++)
		parts[i] = (answer_piece) {
			.encoding = &pieces->encodings[first + i],
			.starts = l->starts + pieces->rows[first + i],
			.ends = l->ends + pieces->rows[first + i],
		};
	return parts != NULL &&
		   task_append_answers(context, b, &p->rules, e->contexts[example], parts, count);
}

/* What there is to say of an input: of each of its examples, if they are several. */
static bool
append_result(tfm_context *context, buffer *b, const plan *p, const examples *e, const logits *l,
			  size_t input)
{
	bool many = e->first[input + 1] - e->first[input] != 1;

	buffer_append_string(context, b, many ? "[" : "");
	for (size_t i = e->first[input]; i < e->first[input + 1]; i++)
	{
		arena_mark mark = arena_save(context->arena);
		bool appended;

		buffer_append_string(context, b, i > e->first[input] ? "," : "");
		appended = append_answers(context, b, p, e, l, i);
		arena_restore(context->arena, mark);
		if (!appended)
			return false;
	}
	return buffer_append_string(context, b, many ? "]" : "") && !tfm_failed(context);
}

static bool
run(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	logits l = {0};
	examples e;
	plan p;

	if (!read_plan(context, call, &p) || !read_examples(context, call, &e) ||
		!run_examples(context, call->models->model, &p, &e, &l))
		return false;
	for (size_t i = 0; i < call->count; i++)
	{
		buffer *b = buffer_create(context);

		if (b == NULL || !append_result(context, b, &p, &e, &l, i))
			return false;
		results[i] = (tfm_text) {b->data, b->length};
	}
	return true;
}

const pipeline_task task_question_answering = {
	.names = (const char *const[]) {"question-answering", NULL},
	.heads = (const char *const[]) {"question-answering", NULL},
	.parameters =
		(const char *const[]) {"top_k", "topk", "doc_stride", "max_answer_len", "max_seq_len",
							   "max_question_len", "handle_impossible_answer", "align_to_words",
							   "padding", TASK_PIPELINE_PARAMETERS, NULL},
	.shape = find_shape,
	.run = run,
};
