/*
 * table_question_answering.c
 *	  The pipeline "table-question-answering": questions to tables, by TAPAS, which chooses cells, or
 *	  TAPEX and others of its kind, which write the answer.
 *	  Follows pipelines/table_question_answering.py of Transformers 5.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "runtime/loaded.h"
#include "task/items.h"
#include "task/pipeline_generation.h"
#include "task/table.h"

/* Probability from which on a cell is part of the answer. */
#define THRESHOLD 0.5

/* The least logit, below which Transformers' exponential would overflow. */
#define LEAST_LOGIT -88.7f

#define MAX_AGGREGATIONS 4096

static const char *const own_parameters[] = {"sequential", "padding", "truncation",
											 "table",	   "query",	  NULL};

static const char *const tapas_parameters[] = {"sequential", "padding",	   "truncation",  "table",
											   "query",		 "batch_size", "num_workers", NULL};

/* A call, read. */
typedef struct table_call
{
	const pipeline_call *call;
	const run_model *model;
	bool truncates;
	bool sequential;
	int type_input; /* number of the family's input token_type_ids */
	int64_t aggregations;
	json aggregation_labels;
	int64_t no_aggregation; /* the label that is not told; -1: all are */
} table_call;

/* A question to be answered. */
typedef struct question
{
	const tapas_table *tokens;
	const task_table *table;
	run_sequence sequence;
	int32_t *types; /* [sequence.count, TAPAS_TYPES] */
	float *chances; /* [sequence.count] */
	int64_t aggregation;
} question;

/* One input: a table, and a query or several. */
typedef struct table_input
{
	task_table table;
	const tfm_text *queries; /* [count] */
	size_t count;
	bool in_list; /* the queries came in a list */
} table_input;

/* ---- Inputs ---- */

static bool
read_query(tfm_context *context, json value, tfm_text *query)
{
	if (!json_is_string(value) || json_as_string(value)[0] == '\0')
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "the query is empty");
	*query = (tfm_text) {json_as_string(value), strlen(json_as_string(value))};
	return true;
}

static bool
read_queries(tfm_context *context, json value, table_input *input)
{
	size_t count = json_is_array(value) ? json_size(value) : 1;
	tfm_text *queries = tfm_alloc_array(context, count, sizeof(tfm_text));

	input->in_list = json_is_array(value);
	input->queries = queries;
	if (queries == NULL || count == 0 || !json_is_array(value))
	{
		input->count = 1;
		return queries != NULL && read_query(context, value, queries);
	}
	for (json q = json_first(value); json_present(q); q = json_next(q))
		if (!read_query(context, q, &queries[input->count++]))
			return false;
	return true;
}

/* An object of table and query; from a function of ours the query as text, the table a parameter. */
static bool
read_input(tfm_context *context, const pipeline_call *call, const pipeline_input *from,
		   table_input *input)
{
	json value = from->value, table = json_member(value, "table");
	tfm_text *query;

	*input = (table_input) {.count = 0};
	if (!json_present(value))
	{
		query = tfm_alloc(context, sizeof(tfm_text));
		if (query == NULL)
			return false;
		*query = from->text;
		input->queries = query;
		input->count = 1;
		if (query->length == 0)
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "the query is empty");
		table = task_parameter(call, "table");
	}
	else if (!read_queries(context, json_member(value, "query"), input))
		return false;
	if (!json_present(table))
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "an input has no \"table\"");
	if (!json_present(value) && json_is_string(table))
	{
		const char *text = json_as_string(table);

		table = json_parse(context, text, strlen(text), "table");
		if (context->error.kind == TFM_CORRUPTED)
			context->error.kind = TFM_INVALID_ARGUMENT;
		if (tfm_failed(context))
			return false;
	}
	return task_read_table(context, table, &input->table);
}

static table_input *
read_inputs(tfm_context *context, const pipeline_call *call, size_t *questions)
{
	table_input *inputs = tfm_alloc_array(context, call->count, sizeof(table_input));

	*questions = 0;
	for (size_t i = 0; inputs != NULL && i < call->count; i++)
	{
		/* rows of one call have the table in common */
		if (i > 0 && !json_present(call->inputs[i].value))
		{
			inputs[i] = inputs[0];
			inputs[i].queries = &call->inputs[i].text;
			if (call->inputs[i].text.length == 0)
			{
				tfm_fail(context, TFM_INVALID_ARGUMENT, "the query is empty");
				return NULL;
			}
		}
		else if (!read_input(context, call, &call->inputs[i], &inputs[i]))
			return NULL;
		*questions += inputs[i].count;
	}
	return inputs;
}

/* Whether rows are to be left out where the model has no place; fallback where nobody says. */
static bool
read_truncation(tfm_context *context, const pipeline_call *call, bool fallback)
{
	json truncation = task_parameter(call, "truncation");

	if (!json_present(truncation))
		return fallback;
	if (json_is_string(truncation) && strcmp(json_as_string(truncation), "drop_rows_to_fit") == 0)
		return true;
	return task_truncates(context, truncation);
}

/* ---- TAPAS: cells ---- */

static bool
check_parameters(tfm_context *context, json object)
{
	for (json member = json_first(object); json_present(member); member = json_next(member))
	{
		const char *const *name = tapas_parameters;

		while (*name != NULL && strcmp(*name, json_key(member)) != 0)
			name++;
		if (*name == NULL)
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "the parameter \"%.64s\" is not known",
							json_key(member));
	}
	return true;
}

static bool
plan_tapas(tfm_context *context, const pipeline_call *call, table_call *t)
{
	const nn_family *family = call->models->model->class.family;
	json config = run_model_json(context, call->models->model, "config.json");

	*t = (table_call) {.call = call, .model = call->models->model, .type_input = -1};
	for (int i = 0; family->inputs != NULL && family->inputs[i].name != NULL; i++)
		if (strcmp(family->inputs[i].name, "token_type_ids") == 0 &&
			family->inputs[i].width == TAPAS_TYPES)
			t->type_input = i;
	if (t->type_input < 0)
		return tfm_fail(context, TFM_UNSUPPORTED, "the model does not see tables");
	t->aggregation_labels = json_member(config, "aggregation_labels");
	t->aggregations = json_int(context, config, "num_aggregation_labels", 0, 0, MAX_AGGREGATIONS);
	t->no_aggregation =
		json_int(context, config, "no_aggregation_label_index", -1, -1, MAX_AGGREGATIONS);
	t->truncates = read_truncation(context, call, true);
	t->sequential = task_bool_parameter(context, call, "sequential", false);
	return !tfm_failed(context) && check_parameters(context, call->arguments) &&
		   check_parameters(context, call->options);
}

/* The pass over some questions. */
static bool
make_batch(tfm_context *context, const table_call *t, const question *questions, size_t count,
		   nn_batch *batch)
{
	run_sequence *sequences = tfm_alloc_array(context, count, sizeof(run_sequence));
	size_t inputs = 0, tokens = 0;
	nn_input *given;
	int32_t *types;

	while (t->model->class.family->inputs[inputs].name != NULL)
		inputs++;
	given = tfm_alloc_zero(context, inputs * sizeof(nn_input));
	for (size_t i = 0; i < count; i++)
		tokens += (size_t) questions[i].sequence.count;
	types = tfm_alloc_array(context, tokens, TAPAS_TYPES * sizeof(int32_t));
	if (sequences == NULL || given == NULL || types == NULL)
		return false;
	tokens = 0;
	for (size_t i = 0; i < count; i++)
	{
		size_t n = (size_t) questions[i].sequence.count;

		sequences[i] = questions[i].sequence;
		memcpy(types + tokens * TAPAS_TYPES, questions[i].types, n * TAPAS_TYPES * sizeof(int32_t));
		tokens += n;
	}
	given[t->type_input] =
		(nn_input) {.rank = 2, .shape = {(int64_t) tokens, TAPAS_TYPES}, .ints = types};
	return run_make_batch(context, t->model, sequences, (int64_t) count, batch) &&
		   run_add_inputs(context, t->model, sequences, given, batch);
}

static const nn_output *
find_output(const nn_output *outputs, const char *name)
{
	while (outputs != NULL && strcmp(outputs->name, name) != 0)
		outputs = outputs->next;
	return outputs;
}

static int64_t
find_best(const float *values, int64_t count)
{
	int64_t best = 0;

	for (int64_t i = 1; i < count; i++)
		if (values[i] > values[best])
			best = i;
	return best;
}

/* Chances of tokens, and the aggregation, of some questions. */
static bool
run_questions(tfm_context *context, const table_call *t, question *questions, size_t count)
{
	const nn_output *outputs, *logits, *aggregation;
	nn_batch batch;

	if (!make_batch(context, t, questions, count, &batch) ||
		!run_forward(context, t->model, &batch, &outputs))
		return false;
	logits = find_output(outputs, "logits");
	aggregation = find_output(outputs, "logits_aggregation");
	if (logits == NULL || logits->axis != NN_PER_TOKEN)
		return tfm_fail(context, TFM_INTERNAL, "a model for tables gave no scores of tokens");
	for (size_t i = 0; i < count; i++)
	{
		const float *scores = (const float *) logits->value.data + batch.offsets[i];

		for (int64_t j = 0; j < questions[i].sequence.count; j++)
			questions[i].chances[j] = 1 / (1 + expf(-fmaxf(scores[j], LEAST_LOGIT)));
		questions[i].aggregation = -1;
		if (aggregation != NULL && t->aggregations > 0)
			questions[i].aggregation =
				find_best((const float *) aggregation->value.data + (int64_t) i * t->aggregations,
						  t->aggregations);
	}
	return true;
}

/* The mean chance of each cell's tokens: chances[rows, columns], -1 for a cell without tokens. */
static double *
average_cells(tfm_context *context, const question *q)
{
	size_t columns = q->table->columns, cells = q->table->rows * columns;
	double *sums = tfm_alloc_zero(context, cells * sizeof(double));
	size_t *counts = tfm_alloc_zero(context, cells * sizeof(size_t));

	if (sums == NULL || counts == NULL)
		return NULL;
	for (int64_t i = 0; i < q->sequence.count; i++)
	{
		const int32_t *types = q->types + i * TAPAS_TYPES;
		size_t cell;

		if (types[TAPAS_SEGMENT] != 1 || types[TAPAS_ROW] < 1 || types[TAPAS_COLUMN] < 1)
			continue;
		cell = (size_t) (types[TAPAS_ROW] - 1) * columns + (size_t) types[TAPAS_COLUMN] - 1;
		sums[cell] += q->chances[i];
		counts[cell]++;
	}
	for (size_t i = 0; i < cells; i++)
		sums[i] = counts[i] == 0 ? -1 : sums[i] / (double) counts[i];
	return sums;
}

/* What was answered before, as a type of the tokens. */
static bool
add_previous(tfm_context *context, const question *before, question *q)
{
	double *chances = average_cells(context, before);

	if (chances == NULL)
		return false;
	for (int64_t i = 0; i < q->sequence.count; i++)
	{
		int32_t *types = q->types + i * TAPAS_TYPES;
		size_t cell;

		if (types[TAPAS_SEGMENT] != 1 || types[TAPAS_ROW] < 1 || types[TAPAS_COLUMN] < 1)
			continue;
		cell =
			(size_t) (types[TAPAS_ROW] - 1) * q->table->columns + (size_t) types[TAPAS_COLUMN] - 1;
		types[TAPAS_PREVIOUS] = chances[cell] > THRESHOLD;
	}
	return true;
}

static bool
encode_questions(tfm_context *context, const table_call *t, const table_input *input,
				 question *questions)
{
	const tapas_table *tokens = tapas_table_create(context, t->model, &input->table);

	for (size_t i = 0; tokens != NULL && i < input->count; i++)
	{
		question *q = &questions[i];

		*q = (question) {.tokens = tokens, .table = &input->table};
		if (!tapas_encode(context, tokens, input->queries[i], t->truncates, &q->sequence,
						  &q->types))
			return false;
		q->chances = tfm_alloc_array(context, (size_t) q->sequence.count, sizeof(float));
		if (q->chances == NULL)
			return false;
	}
	return tokens != NULL;
}

/* Questions that follow each other: each sees the answer to the one before. */
static bool
run_in_turn(tfm_context *context, const table_call *t, question *questions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((i > 0 && !add_previous(context, &questions[i - 1], &questions[i])) ||
			!run_questions(context, t, &questions[i], 1) || tfm_stopped(context))
			return false;
	return true;
}

static bool
run_together(tfm_context *context, const table_call *t, question *questions, size_t count)
{
	task_item *items = tfm_alloc_array(context, count, sizeof(task_item));

	if (items == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		items[i] = (task_item) {.place = i, .sequence = questions[i].sequence};
	for (size_t done = 0, n; done < count; done += n)
	{
		arena_mark mark = arena_save(context->arena);
		bool run;

		n = task_batch_items(items + done, count - done);
		run = run_questions(context, t, questions + done, n);
		arena_restore(context->arena, mark);
		if (!run || tfm_stopped(context))
			return false;
	}
	return true;
}

/* ---- TAPAS: answers ---- */

/* The name of the aggregation; empty if there is none. */
static tfm_text
aggregation_name(tfm_context *context, const table_call *t, int64_t aggregation)
{
	const char *key = tfm_sprintf(context, "%lld", (long long) aggregation);
	json label;

	if (aggregation < 0 || key == NULL || !json_present(t->aggregation_labels))
		return (tfm_text) {"", 0};
	label = json_member(t->aggregation_labels, key);
	return json_is_string(label) ? (tfm_text) {json_as_string(label), strlen(json_as_string(label))}
								 : (tfm_text) {"", 0};
}

/* Chosen cells, with what stands between them; as coordinates, as texts, or joined. */
typedef enum cell_form
{
	CELL_COORDINATES,
	CELL_STRINGS,
	CELL_TEXT
} cell_form;

static void
append_cells(tfm_context *context, const question *q, const double *chances, cell_form form,
			 buffer *b)
{
	size_t columns = q->table->columns;
	const char *between = "";

	for (size_t cell = 0; cell < q->table->rows * columns; cell++)
	{
		tfm_text text = q->table->cells[cell];

		if (chances[cell] <= THRESHOLD)
			continue;
		buffer_append_string(context, b, between);
		between = form == CELL_TEXT ? ", " : ",";
		if (form == CELL_COORDINATES)
			buffer_printf(context, b, "[%zu,%zu]", cell / columns, cell % columns);
		else if (form == CELL_STRINGS)
			json_append_string(context, b, text.data, text.length);
		else
			buffer_append(context, b, text.data, text.length);
	}
}

static bool
append_answer(tfm_context *context, const table_call *t, const question *q, buffer *b)
{
	double *chances = average_cells(context, q);
	tfm_text aggregator = aggregation_name(context, t, q->aggregation);
	buffer *answer = buffer_create(context);

	if (chances == NULL || answer == NULL)
		return false;
	if (aggregator.length > 0 && q->aggregation != t->no_aggregation)
	{
		buffer_append(context, answer, aggregator.data, aggregator.length);
		buffer_append_string(context, answer, " > ");
	}
	append_cells(context, q, chances, CELL_TEXT, answer);
	buffer_append_string(context, b, "{\"answer\":");
	json_append_string(context, b, answer->data == NULL ? "" : answer->data, answer->length);
	buffer_append_string(context, b, ",\"coordinates\":[");
	append_cells(context, q, chances, CELL_COORDINATES, b);
	buffer_append_string(context, b, "],\"cells\":[");
	append_cells(context, q, chances, CELL_STRINGS, b);
	buffer_append_string(context, b, "]");
	if (aggregator.length > 0)
	{
		buffer_append_string(context, b, ",\"aggregator\":");
		json_append_string(context, b, aggregator.data, aggregator.length);
	}
	return buffer_append_string(context, b, "}");
}

static bool
write_answers(tfm_context *context, const table_call *t, const question *questions, size_t count,
			  tfm_text *result)
{
	buffer *b = buffer_create(context);

	if (b == NULL)
		return false;
	buffer_append_string(context, b, count > 1 ? "[" : "");
	for (size_t i = 0; i < count; i++)
	{
		buffer_append_string(context, b, i > 0 ? "," : "");
		if (!append_answer(context, t, &questions[i], b))
			return false;
	}
	buffer_append_string(context, b, count > 1 ? "]" : "");
	*result = (tfm_text) {b->data, b->length};
	return !tfm_failed(context);
}

static bool
run_tapas(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	size_t count, first = 0;
	table_input *inputs = read_inputs(context, call, &count);
	question *questions = tfm_alloc_array(context, count, sizeof(question));
	table_call t;

	if (inputs == NULL || questions == NULL || !plan_tapas(context, call, &t))
		return false;
	for (size_t i = 0; i < call->count; first += inputs[i++].count)
		if (!encode_questions(context, &t, &inputs[i], questions + first) ||
			(t.sequential && !run_in_turn(context, &t, questions + first, inputs[i].count)))
			return false;
	if (!t.sequential && !run_together(context, &t, questions, count))
		return false;
	first = 0;
	for (size_t i = 0; i < call->count; first += inputs[i++].count)
		if (!write_answers(context, &t, questions + first, inputs[i].count, &results[i]))
			return false;
	return true;
}

/* ---- TAPEX ---- */

static bool
encode_tapex(tfm_context *context, const run_model *model, const table_input *input, bool truncates,
			 gen_ids *prompts)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	int64_t longest = truncates ? tok_model_max_length(model->tokenizer) : 0;

	if (longest > 0 && longest < INT32_MAX)
		options.max_length = (int32_t) longest;
	for (size_t i = 0; i < input->count; i++)
	{
		tok_encoding encoding;
		tfm_text text;

		if (!tapex_flatten(context, model, &input->table, input->queries[i], &text) ||
			!tok_encode(context, model->tokenizer, text, NULL, &options, &encoding))
			return false;
		prompts[i] = (gen_ids) {.ids = encoding.ids, .count = encoding.count};
	}
	return true;
}

static bool
write_texts(tfm_context *context, const pipeline_generation *g, const pipeline_row *rows,
			size_t count, tfm_text *result)
{
	buffer *b = buffer_create(context);

	if (b == NULL)
		return false;
	buffer_append_string(context, b, count > 1 ? "[" : "");
	for (size_t i = 0; i < count; i++)
	{
		tfm_text text;

		if (!tok_decode(context, g->plan.tokenizer, rows[i].ids, rows[i].count, true, &text))
			return false;
		buffer_append_string(context, b, i > 0 ? ",{\"answer\":" : "{\"answer\":");
		json_append_string(context, b, text.data, text.length);
		buffer_append_string(context, b, "}");
	}
	buffer_append_string(context, b, count > 1 ? "]" : "");
	*result = (tfm_text) {b->data, b->length};
	return !tfm_failed(context);
}

static bool
run_tapex(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	size_t count, first = 0, each;
	table_input *inputs = read_inputs(context, call, &count);
	gen_ids *prompts = tfm_alloc_array(context, count, sizeof(gen_ids));
	bool truncates = read_truncation(context, call, false);
	pipeline_generation g;
	pipeline_row *rows;

	if (inputs == NULL || prompts == NULL || tfm_failed(context) ||
		!task_plan_generation(context, call, own_parameters, false, &g))
		return false;
	for (size_t i = 0; i < call->count; first += inputs[i++].count)
		if (!encode_tapex(context, call->models->model, &inputs[i], truncates, prompts + first))
			return false;
	rows = task_generate_rows(context, &g, prompts, count);
	each = (size_t) g.plan.config.num_return_sequences;
	first = 0;
	for (size_t i = 0; rows != NULL && i < call->count; first += inputs[i++].count)
		if (!write_texts(context, &g, rows + first * each, inputs[i].count * each, &results[i]))
			return false;
	return rows != NULL;
}

/* ---- The pipeline ---- */

static bool
run_table_question_answering(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	return call->models->generator != NULL ? run_tapex(context, call, results)
										   : run_tapas(context, call, results);
}

static pipeline_shape
find_shape(const pipeline_call *call, json inputs)
{
	(void) call;
	return json_is_array(inputs) ? PIPELINE_LIST_BUT_FOR_ONE : PIPELINE_ONE;
}

static const char *const names[] = {"table-question-answering", NULL};
static const char *const heads[] = {"table-question-answering", "text2text-generation", NULL};

const pipeline_task task_table_question_answering = {
	.names = names,
	.heads = heads,
	.generates = true,
	.may_do_without = true,
	.shape = find_shape,
	.run = run_table_question_answering,
};
