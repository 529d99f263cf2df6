/*
 * tapas.c
 *	  A question and a table as tokens, each with the types that tell its place and what its number
 *	  is beside others.
 *	  Follows tokenization_tapas.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/loaded.h"
#include "task/table.h"
#include "task/tapas_numbers.h"

/* model_max_length where the files do not say it. */
#define USUAL_LENGTH 512

/* How the value of a question relates to a cell's, as bits of a type. */
enum
{
	RELATION_EQUAL = 1,
	RELATION_LESS = 2,
	RELATION_GREATER = 4
};

/* The tokens of a cell. */
typedef struct cell_tokens
{
	const int32_t *ids;		   /* [count] */
	const size_t *word_begins; /* [count] the token that begins the word of each */
	size_t count;
} cell_tokens;

/* The number of a cell beside those of its column. */
typedef struct cell_number
{
	const tapas_value *value; /* NULL: none */
	int32_t rank, inverse_rank;
} cell_number;

struct tapas_table
{
	const run_model *model;
	const task_table *table;
	cell_tokens *tokens;  /* [rows + 1, columns], the names first */
	cell_number *numbers; /* [columns, rows] */
	size_t most_tokens;	  /* of a cell, or name */
	int64_t max_length;
	int64_t max_row_id, max_column_id;
	int64_t cell_trim_length;			/* -1: as long as there is room */
	int64_t min_question, max_question; /* -1: any */
};

/* ---- Tokens of the table ---- */

static bool
is_inner(const tok_tokenizer *tokenizer, int32_t id)
{
	const char *token = tok_id_to_token(tokenizer, id);

	return token != NULL && token[0] == '#' && token[1] == '#';
}

static bool
tokenize(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text text, cell_tokens *cell)
{
	tok_encoding encoding;
	size_t *begins;

	if (!tok_encode(context, tokenizer, text, NULL, &(tok_encode_options) {0}, &encoding))
		return false;
	begins = tfm_alloc_array(context, encoding.count, sizeof(size_t));
	if (begins == NULL)
		return false;
	for (size_t i = 0; i < encoding.count; i++)
		begins[i] = i > 0 && is_inner(tokenizer, encoding.ids[i]) ? begins[i - 1] : i;
	*cell = (cell_tokens) {.ids = encoding.ids, .word_begins = begins, .count = encoding.count};
	return true;
}

static bool
tokenize_table(tfm_context *context, tapas_table *t, bool strips_names)
{
	const task_table *table = t->table;
	size_t count = (table->rows + 1) * table->columns;

	t->tokens = tfm_alloc_array(context, count, sizeof(cell_tokens));
	for (size_t i = 0; t->tokens != NULL && i < count; i++)
	{
		tfm_text text = i < table->columns ? table->names[i] : table->cells[i - table->columns];

		if (i < table->columns && strips_names)
			text.length = 0;
		if (tfm_stopped(context) || !tokenize(context, t->model->tokenizer, text, &t->tokens[i]))
			return false;
		if (t->tokens[i].count > t->most_tokens)
			t->most_tokens = t->tokens[i].count;
	}
	return t->tokens != NULL;
}

/* ---- Numbers of the table ---- */

/* A number of a column, to be ordered. */
typedef struct ranked
{
	const tapas_value *value;
	int parts; /* of the column */
	size_t row;
} ranked;

static int
compare_ranked(const void *a, const void *b)
{
	const ranked *x = a, *y = b;

	return tapas_compare(x->value, y->value, x->parts);
}

/* Equal numbers have one rank, from 1. */
static void
rank_numbers(ranked *order, size_t count, cell_number *numbers)
{
	int32_t rank = 0;

	qsort(order, count, sizeof(ranked), compare_ranked);
	for (size_t i = 0; i < count; i++)
	{
		if (i == 0 || compare_ranked(&order[i - 1], &order[i]) != 0)
			rank++;
		numbers[order[i].row].rank = rank;
	}
	for (size_t i = 0; i < count; i++)
		numbers[order[i].row].inverse_rank = rank + 1 - numbers[order[i].row].rank;
}

/* The values of a column's cells, and their ranks where they can be compared. */
static bool
read_numbers(tfm_context *context, const task_table *table, size_t column, cell_number *numbers)
{
	size_t rows = table->rows, count = 0;
	const tapas_value **values = tfm_alloc_array(context, rows, sizeof(tapas_value *));
	const tapas_value **chosen = tfm_alloc_array(context, rows, sizeof(tapas_value *));
	size_t *counts = tfm_alloc_array(context, rows, sizeof(size_t));
	ranked *order = tfm_alloc_array(context, rows, sizeof(ranked));
	int parts;

	if (values == NULL || chosen == NULL || counts == NULL || order == NULL)
		return false;
	for (size_t i = 0; i < rows; i++)
	{
		tapas_value *found;

		if (tfm_stopped(context) ||
			!tapas_parse(context, task_table_cell(table, i, column), &found, &counts[i]))
			return false;
		values[i] = found;
	}
	tapas_consolidate(values, counts, rows, chosen);
	for (size_t i = 0; i < rows; i++)
	{
		numbers[i].value = chosen[i];
		if (chosen[i] != NULL)
			values[count++] = chosen[i];
	}
	if (!tapas_comparable(values, count, &parts))
		return true;
	count = 0;
	for (size_t i = 0; i < rows; i++)
		if (chosen[i] != NULL)
			order[count++] = (ranked) {.value = chosen[i], .parts = parts, .row = i};
	rank_numbers(order, count, numbers);
	return true;
}

/* ---- The table ---- */

static bool
read_settings(tfm_context *context, tapas_table *t, bool *strips_names)
{
	json file = run_model_json(context, t->model, "tokenizer_config.json");
	int64_t length = tok_model_max_length(t->model->tokenizer);

	t->max_length = length > 0 ? length : USUAL_LENGTH;
	t->max_row_id = json_int(context, file, "max_row_id", t->max_length, 1, INT32_MAX);
	t->max_column_id = json_int(context, file, "max_column_id", t->max_length, 1, INT32_MAX);
	t->cell_trim_length = json_int(context, file, "cell_trim_length", -1, -1, INT32_MAX);
	t->min_question = json_int(context, file, "min_question_length", -1, 0, INT32_MAX);
	t->max_question = json_int(context, file, "max_question_length", -1, 0, INT32_MAX);
	*strips_names = json_bool(context, file, "strip_column_names", false);
	return !tfm_failed(context);
}

tapas_table *
tapas_table_create(tfm_context *context, const run_model *model, const task_table *table)
{
	tapas_table *t = tfm_alloc_zero(context, sizeof(tapas_table));
	bool strips_names;

	if (t == NULL || run_tokenizer(context, model) == NULL)
		return NULL;
	t->model = model;
	t->table = table;
	if (!read_settings(context, t, &strips_names))
		return NULL;
	if (table->columns >= (size_t) t->max_column_id)
	{
		tfm_fail(context, TFM_LIMIT_EXCEEDED,
				 "the table has %zu columns, but the model takes fewer than %lld", table->columns,
				 (long long) t->max_column_id);
		return NULL;
	}
	t->numbers = tfm_alloc_zero(context, table->columns * table->rows * sizeof(cell_number));
	if (t->numbers == NULL || !tokenize_table(context, t, strips_names))
		return NULL;
	for (size_t c = 0; c < table->columns; c++)
		if (!read_numbers(context, table, c, t->numbers + c * table->rows))
			return NULL;
	return t;
}

/* ---- What there is room for ---- */

/* How many rows of the table, and tokens of each cell, are taken. */
typedef struct extent
{
	size_t rows, tokens;
} extent;

/*
 * How many tokens of a cell fit into a budget; words are not cut.  -1: not even one, or not as many as
 * cells are trimmed to.
 */
static int64_t
count_fitting(const tapas_table *t, const size_t *beginning, int64_t budget)
{
	int64_t most = (int64_t) t->most_tokens, tokens, cost = 0;

	if (t->cell_trim_length >= 0 && most > t->cell_trim_length)
		most = t->cell_trim_length;
	for (tokens = 0; tokens <= most; tokens++)
	{
		/* what is added by tokens of words that begin at this one */
		if ((size_t) tokens < t->most_tokens)
			cost += (int64_t) beginning[tokens];
		if (cost > budget)
			break;
	}
	if (tokens > most)
		return most;
	return tokens < most && (t->cell_trim_length >= 0 || tokens == 0) ? -1 : tokens;
}

/* Add the tokens of a row of cells, by the place in the cell at which their words begin. */
static void
count_row(const tapas_table *t, size_t row, size_t *beginning, int sign)
{
	for (size_t c = 0; c < t->table->columns; c++)
	{
		const cell_tokens *cell = &t->tokens[row * t->table->columns + c];

		for (size_t i = 0; i < cell->count; i++)
			beginning[cell->word_begins[i]] += (size_t) sign;
	}
}

/* Leave out the last rows until the rest has room. */
static bool
fit_table(tfm_context *context, const tapas_table *t, size_t question, extent *e)
{
	int64_t budget = t->max_length - (int64_t) question - 2, tokens = -1;
	size_t *beginning = tfm_alloc_zero(context, (t->most_tokens + 1) * sizeof(size_t));

	if (beginning == NULL)
		return false;
	for (size_t row = 0; row <= e->rows; row++)
		count_row(t, row, beginning, 1);
	for (;;)
	{
		tokens = count_fitting(t, beginning, budget);
		if (tokens >= 0)
			break;
		if (tfm_stopped(context))
			return false;
		count_row(t, e->rows, beginning, -1);
		if (--e->rows < 1)
			break;
	}
	e->tokens = tokens > 0 ? (size_t) tokens : 1;
	return true;
}

/* ---- Encoding ---- */

/* How a value of the question relates to a cell's. */
static int32_t
find_relation(const tapas_value *value, const cell_number *number, int parts)
{
	int order;

	if (number->value == NULL)
		return 0;
	order = tapas_compare(value, number->value, parts);
	return order == 0 ? RELATION_EQUAL : order < 0 ? RELATION_LESS : RELATION_GREATER;
}

/* relations[columns, rows] of a question. */
static bool
relate(tfm_context *context, const tapas_table *t, tfm_text query, int32_t *relations)
{
	size_t rows = t->table->rows, count;
	const tapas_value **all = tfm_alloc_array(context, rows + 1, sizeof(tapas_value *));
	tapas_value *values;

	if (all == NULL || !tapas_parse(context, query, &values, &count))
		return false;
	for (size_t v = 0; v < count; v++)
		for (size_t c = 0; c < t->table->columns; c++)
		{
			const cell_number *numbers = t->numbers + c * rows;
			size_t used = 0;
			int parts;

			if (tfm_stopped(context))
				return false;
			for (size_t r = 0; r < rows; r++)
				if (numbers[r].value != NULL)
					all[used++] = numbers[r].value;
			all[used++] = &values[v];
			if (used < 2 || !tapas_comparable(all, used, &parts))
				continue;
			for (size_t r = 0; r < rows; r++)
				relations[c * rows + r] |= find_relation(&values[v], &numbers[r], parts);
		}
	return true;
}

/* A sequence in the making. */
typedef struct writer
{
	int32_t *ids, *types;
	size_t count;
} writer;

static void
put_token(writer *w, int32_t id)
{
	memset(w->types + w->count * TAPAS_TYPES, 0, TAPAS_TYPES * sizeof(int32_t));
	w->ids[w->count++] = id;
}

static void
put_cell(writer *w, const tapas_table *t, size_t row, size_t column, const int32_t *relations,
		 size_t most)
{
	const cell_tokens *cell = &t->tokens[row * t->table->columns + column];
	size_t place = column * t->table->rows + row - 1;

	for (size_t i = 0; i < cell->count; i++)
	{
		int32_t *types = w->types + w->count * TAPAS_TYPES;

		if (cell->word_begins[i] >= most)
			continue;
		put_token(w, cell->ids[i]);
		types[TAPAS_SEGMENT] = 1;
		types[TAPAS_COLUMN] = (int32_t) column + 1;
		types[TAPAS_ROW] = (int32_t) row;
		if (row == 0)
			continue;
		types[TAPAS_RANK] = t->numbers[place].rank;
		types[TAPAS_INVERSE_RANK] = t->numbers[place].inverse_rank;
		types[TAPAS_RELATION] = relations[place];
	}
}

/* The tokens of a question; none where it is shorter or longer than it may be. */
static bool
tokenize_query(tfm_context *context, const tapas_table *t, tfm_text *query, cell_tokens *tokens)
{
	int64_t count;

	if (!tokenize(context, t->model->tokenizer, *query, tokens))
		return false;
	count = (int64_t) tokens->count;
	if ((t->max_question >= 0 && count > t->max_question) || count < t->min_question)
	{
		tokens->count = 0;
		query->length = 0;
	}
	return true;
}

static bool
find_extent(tfm_context *context, const tapas_table *t, size_t question, bool truncates, extent *e)
{
	*e = (extent) {.rows = t->table->rows, .tokens = t->most_tokens};
	if (!truncates && e->rows >= (size_t) t->max_row_id)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED,
						"the table has %zu rows, but the model takes fewer than %lld", e->rows,
						(long long) t->max_row_id);
	if (e->rows >= (size_t) t->max_row_id)
		e->rows = (size_t) t->max_row_id - 1;
	return !truncates || fit_table(context, t, question, e);
}

static size_t
count_tokens(const tapas_table *t, const extent *e)
{
	size_t count = 0;

	for (size_t i = 0; i < (e->rows + 1) * t->table->columns; i++)
		count += t->tokens[i].count;
	return count;
}

bool
tapas_encode(tfm_context *context, const tapas_table *t, tfm_text query, bool truncates,
			 run_sequence *sequence, int32_t **types)
{
	const task_table *table = t->table;
	int32_t *relations = tfm_alloc_zero(context, table->columns * table->rows * sizeof(int32_t));
	size_t room;
	cell_tokens tokens;
	writer w = {0};
	extent e;

	if (relations == NULL || !tokenize_query(context, t, &query, &tokens) ||
		!find_extent(context, t, tokens.count, truncates, &e) ||
		!relate(context, t, query, relations))
		return false;
	room = tokens.count + 2 + count_tokens(t, &e);
	w.ids = tfm_alloc_array(context, room, sizeof(int32_t));
	w.types = tfm_alloc_array(context, room, TAPAS_TYPES * sizeof(int32_t));
	if (w.ids == NULL || w.types == NULL)
		return false;
	put_token(&w, tok_special_id(t->model->tokenizer, TOK_CLS));
	for (size_t i = 0; i < tokens.count; i++)
		put_token(&w, tokens.ids[i]);
	put_token(&w, tok_special_id(t->model->tokenizer, TOK_SEP));
	for (size_t row = 0; row <= e.rows; row++)
		for (size_t column = 0; column < table->columns; column++)
			put_cell(&w, t, row, column, relations, e.tokens);
	*sequence = (run_sequence) {.ids = w.ids, .count = (int64_t) w.count};
	*types = w.types;
	return true;
}
