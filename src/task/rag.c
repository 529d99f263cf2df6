/*
 * rag.c
 *	  Questions answered from passages that were found for them: retrieval-augmented generation
 *	  (Lewis et al. 2020) with a table as its index.
 *
 * Passages become inputs as RagRetriever.postprocess_docs of Transformers makes them.  An
 * encoder-decoder answers from each passage by itself; of these answers the one that is most
 * probable over all passages is taken (RAG-Sequence with the paper's fast decoding: an answer that
 * was not found from a passage has no chance there).  A model for text generation sees all passages.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "base/compare.h"
#include "runtime/loaded.h"
#include "task/pipeline_generation.h"
#include "text/unicode.h"

#define MAX_PASSAGES 1024

/* Transformers' max_combined_length. */
#define USUAL_LENGTH 300

#define INSTRUCTION "Answer the question from the passages."

static const char *const own_parameters[] = {"passages", "titles", "scores", NULL};

/* A question, and what was found for it. */
typedef struct rag_input
{
	tfm_text question;
	tfm_text *passages; /* [count] */
	tfm_text *titles;	/* [count], or NULL */
	double *weights;	/* [count] log probability of each passage */
	size_t count;
} rag_input;

/* What stands between the parts of an input. */
typedef struct rag_format
{
	tfm_text prefix, title_sep, doc_sep;
	int32_t max_length;
} rag_format;

/* ---- Inputs ---- */

static tfm_text
text_of(const char *string)
{
	return (tfm_text) {string, strlen(string)};
}

static bool
read_texts(tfm_context *context, json list, const char *name, size_t count, tfm_text *texts)
{
	if (!json_is_array(list) || json_size(list) != count)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\" is no list of %zu texts", name,
						count);
	for (json v = json_first(list); json_present(v); v = json_next(v))
	{
		if (!json_is_string(v))
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\" has something that is no text",
							name);
		*texts++ = text_of(json_as_string(v));
	}
	return true;
}

/* How probable each passage is: the softmax of its score. */
static bool
read_weights(tfm_context *context, json scores, rag_input *input)
{
	double most = -INFINITY, sum = 0;
	json score = json_first(scores);

	if (json_present(scores) && json_size(scores) != input->count)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"scores\" is no list of %zu numbers",
						input->count);
	for (size_t i = 0; i < input->count; i++, score = json_next(score))
	{
		if (json_present(scores) && !json_is_number(score))
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"\"scores\" has something that is no number");
		input->weights[i] = json_present(scores) ? json_as_number(score) : 0;
		most = fmax(most, input->weights[i]);
	}
	for (size_t i = 0; i < input->count; i++)
		sum += exp(input->weights[i] - most);
	for (size_t i = 0; i < input->count; i++)
		input->weights[i] -= most + log(sum);
	return true;
}

/* A member of the input, or the parameter. */
static json
find_part(const pipeline_call *call, const pipeline_input *from, const char *name)
{
	json member = json_member(from->value, name);

	return json_present(member) ? member : task_parameter(call, name);
}

static bool
read_input(tfm_context *context, const pipeline_call *call, const pipeline_input *from,
		   rag_input *input)
{
	json passages = find_part(call, from, "passages"), titles = find_part(call, from, "titles");

	*input = (rag_input) {.count = json_is_array(passages) ? json_size(passages) : 0};
	if (!task_input_text(context, from, "question", &input->question))
		return false;
	if (input->count == 0 || input->count > MAX_PASSAGES)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"passages\" is no list of 1 to %d texts",
						MAX_PASSAGES);
	input->passages = tfm_alloc_array(context, input->count, sizeof(tfm_text));
	input->weights = tfm_alloc_array(context, input->count, sizeof(double));
	if (json_present(titles))
		input->titles = tfm_alloc_array(context, input->count, sizeof(tfm_text));
	return !tfm_failed(context) &&
		   read_texts(context, passages, "passages", input->count, input->passages) &&
		   (input->titles == NULL ||
			read_texts(context, titles, "titles", input->count, input->titles)) &&
		   read_weights(context, find_part(call, from, "scores"), input);
}

/* ---- Prompts ---- */

static bool
read_format(tfm_context *context, const run_model *model, rag_format *format)
{
	json config = run_model_json(context, model, "config.json");
	const char *prefix = json_string(context, json_member(config, "generator"), "prefix",
									 json_string(context, config, "prefix", ""));

	format->prefix = text_of(prefix);
	format->title_sep = text_of(json_string(context, config, "title_sep", " / "));
	format->doc_sep = text_of(json_string(context, config, "doc_sep", " // "));
	format->max_length =
		(int32_t) json_int(context, config, "max_combined_length", USUAL_LENGTH, 1, 1 << 20);
	return !tfm_failed(context);
}

static tfm_text
strip_quotes(tfm_text title)
{
	if (title.length > 0 && title.data[0] == '"')
		title = (tfm_text) {title.data + 1, title.length - 1};
	if (title.length > 0 && title.data[title.length - 1] == '"')
		title.length--;
	return title;
}

/* Append a text; of two spaces that meet one is left out, from the left to the right. */
static void
append_single_spaced(tfm_context *context, buffer *b, tfm_text text)
{
	for (size_t i = 0; i < text.length; i++)
	{
		if (i + 1 < text.length && text.data[i] == ' ' && text.data[i + 1] == ' ')
			i++;
		buffer_append(context, b, text.data + i, 1);
	}
}

/* prefix, title / passage // question */
static bool
join_input(tfm_context *context, const rag_format *format, const rag_input *input, size_t i,
		   tfm_text *text)
{
	buffer *joined = buffer_create(context), *b = buffer_create(context);
	tfm_text title = input->titles == NULL ? (tfm_text) {"", 0} : strip_quotes(input->titles[i]);

	if (joined == NULL || b == NULL)
		return false;
	buffer_append(context, joined, format->prefix.data, format->prefix.length);
	buffer_append(context, joined, title.data, title.length);
	buffer_append(context, joined, format->title_sep.data, format->title_sep.length);
	buffer_append(context, joined, input->passages[i].data, input->passages[i].length);
	buffer_append(context, joined, format->doc_sep.data, format->doc_sep.length);
	buffer_append(context, joined, input->question.data, input->question.length);
	append_single_spaced(context, b, (tfm_text) {joined->data, joined->length});
	*text = (tfm_text) {b->data, b->length};
	return !tfm_failed(context);
}

/* All passages and the question, for a model that is told what to do. */
static bool
join_all(tfm_context *context, const rag_input *input, tfm_text *text)
{
	buffer *b = buffer_create(context);

	for (size_t i = 0; b != NULL && i < input->count; i++)
	{
		if (input->titles != NULL)
		{
			buffer_append(context, b, input->titles[i].data, input->titles[i].length);
			buffer_append_string(context, b, "\n");
		}
		buffer_append(context, b, input->passages[i].data, input->passages[i].length);
		buffer_append_string(context, b, "\n\n");
	}
	if (b == NULL)
		return false;
	buffer_append_string(context, b, "Question: ");
	buffer_append(context, b, input->question.data, input->question.length);
	*text = (tfm_text) {b->data, b->length};
	return !tfm_failed(context);
}

/* ---- Answers ---- */

/* The log probability of a sequence. */
static double
sum_scores(const gen_sequence *s)
{
	double sum = 0;

	for (int64_t i = 0; s->scores != NULL && i < s->count; i++)
		sum += (double) s->scores[i];
	return sum;
}

/* The number of the answer that is most probable over all passages. */
static size_t
choose_answer(const tfm_text *answers, const double *scores, size_t count)
{
	double best_chance = -1;
	size_t best = 0;

	for (size_t i = 0; i < count; i++)
	{
		double chance = 0;

		for (size_t j = 0; j < count; j++)
			if (tfm_same_text(answers[i], answers[j]))
				chance += exp(scores[j] - scores[i]);
		chance = log(chance) + scores[i];
		if (i == 0 || chance > best_chance)
		{
			best = i;
			best_chance = chance;
		}
	}
	return best;
}

static bool
generate_answers(tfm_context *context, const generate_plan *plan, const gen_ids *prompts,
				 const rag_input *input, size_t count, tfm_text *answer)
{
	gen_request request = generate_plan_request(plan, prompts, (int64_t) count);
	tfm_text *answers = tfm_alloc_array(context, count, sizeof(tfm_text));
	double *scores = tfm_alloc_array(context, count, sizeof(double));
	gen_sequence *sequences;
	int64_t made;

	if (answers == NULL || scores == NULL || !gen_generate(context, &request, &sequences, &made))
		return false;
	if ((size_t) made != count)
		return tfm_fail(context, TFM_INTERNAL, "%lld answers from %zu prompts", (long long) made,
						count);
	for (size_t i = 0; i < count; i++)
	{
		scores[i] = sum_scores(&sequences[i]) + input->weights[i];
		if (!generate_plan_decode(context, plan, prompts[i], &sequences[i], &answers[i]))
			return false;
	}
	*answer = tok_strip(answers[choose_answer(answers, scores, count)], tok_is_space);
	return true;
}

static bool
answer_input(tfm_context *context, const pipeline_generation *g, const rag_format *format,
			 const rag_input *input, tfm_text *answer)
{
	const generate_plan *plan = &g->plan;
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	gen_ids *prompts = tfm_alloc_array(context, input->count, sizeof(gen_ids));
	tfm_text text;

	if (prompts == NULL)
		return false;
	if (!run_session_has_encoder(plan->session))
		return join_all(context, input, &text) &&
			   generate_plan_prompt(context, plan, text_of(INSTRUCTION), text, prompts) &&
			   generate_answers(context, plan, prompts, input, 1, answer);
	options.max_length = format->max_length;
	for (size_t i = 0; i < input->count; i++)
	{
		tok_encoding encoding;

		if (!join_input(context, format, input, i, &text) ||
			!tok_encode(context, plan->tokenizer, text, NULL, &options, &encoding))
			return false;
		prompts[i] = (gen_ids) {.ids = encoding.ids, .count = encoding.count};
	}
	return generate_answers(context, plan, prompts, input, input->count, answer);
}

static bool
run_rag(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	pipeline_generation g;
	rag_format format;

	if (!task_plan_generation(context, call, own_parameters, false, &g) ||
		!read_format(context, call->models->model, &format))
		return false;
	g.plan.config.num_return_sequences = 1;
	g.plan.config.output_scores = true;
	for (size_t i = 0; i < call->count; i++)
	{
		buffer *b = buffer_create(context);
		rag_input input;
		tfm_text answer;

		if (b == NULL || !read_input(context, call, &call->inputs[i], &input) ||
			!answer_input(context, &g, &format, &input, &answer))
			return false;
		buffer_append_string(context, b, "{\"answer\":");
		json_append_string(context, b, answer.data, answer.length);
		if (!buffer_append_string(context, b, "}"))
			return false;
		results[i] = (tfm_text) {b->data, b->length};
	}
	return true;
}

static const char *const names[] = {"retrieval-augmented-generation", NULL};
static const char *const heads[] = {"text2text-generation", "text-generation", NULL};

const pipeline_task task_rag = {
	.names = names,
	.heads = heads,
	.generates = true,
	.run = run_rag,
};
