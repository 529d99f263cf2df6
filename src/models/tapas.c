/*
 * tapas.c
 *	  TAPAS (Herzig et al. 2020): BERT over a question and a table, whose tokens have seven types:
 *	  segment, column, row, and what is known of the cell.
 *	  Follows transformers/models/tapas/modeling_tapas.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/inputs.h"

#define TYPES 7

/* Added to the score of what is not to be selected. */
#define NEVER (-10000.0)

/* The family's own inputs, and columns of the first. */
enum
{
	TOKEN_TYPES,
	POSITIONS
};
enum
{
	COLUMN = 1,
	ROW = 2
};

typedef struct tapas_config
{
	encoder_config encoder;
	int64_t type_counts[TYPES];
	bool positions_in_cells; /* they begin anew in each cell */
	double temperature;
	bool one_column;		 /* an answer is of cells of one column */
	bool may_select_nothing; /* else one of the table's columns is taken in any case */
	int32_t rows, columns;	 /* cells beyond these count as the last */
	int64_t aggregations;	 /* 0: there is no head for them */
} tapas_config;

static tensor hidden_states(nn_model *m, const void *config);

static void
read_type_counts(tfm_context *context, json file, int64_t counts[TYPES])
{
	static const int64_t defaults[TYPES] = {3, 256, 256, 2, 256, 256, 10};
	json given = json_member(file, "type_vocab_sizes");
	json size;

	given = json_present(given) ? given : json_member(file, "type_vocab_size");
	size = json_first(given);
	for (int i = 0; i < TYPES; i++, size = json_next(size))
	{
		counts[i] = defaults[i];
		if (json_is_array(given) && !json_to_int(size, 1, NN_MAX_SIZE, &counts[i]))
			tfm_fail(context, TFM_CORRUPTED,
					 "\"%s\": key \"type_vocab_sizes\" must have %d positive whole numbers",
					 file.source, TYPES);
	}
}

static void
read_config(tfm_context *context, json file, void *config)
{
	tapas_config *c = config;

	*c = (tapas_config) {
		.encoder = {.common = {.vocab_size = 30522},
					.names = &encoder_bert_names,
					.embedding = {.words = "embeddings.word_embeddings", .position_count = 1024},
					.lm_head = {.dense = "cls.predictions.transform.dense",
								.norm = "cls.predictions.transform.LayerNorm",
								.decoder = "cls.predictions.decoder",
								.decoder_bias = "cls.predictions.bias"},
					.hidden_states = hidden_states},
	};
	encoder_read_config(context, file, &c->encoder, 0);
	c->encoder.lm_head.activation = c->encoder.activation;
	c->positions_in_cells = json_bool(context, file, "reset_position_index_per_cell", true);
	c->encoder.common.any_position = c->positions_in_cells;
	c->temperature = json_double(context, file, "temperature", 1.0);
	c->one_column = json_bool(context, file, "select_one_column", true);
	c->may_select_nothing = json_bool(context, file, "allow_empty_column_selection", false);
	c->rows = (int32_t) json_int(context, file, "max_num_rows", 64, 1, NN_MAX_SIZE);
	c->columns = (int32_t) json_int(context, file, "max_num_columns", 32, 1, 1 << 16);
	c->aggregations = json_int(context, file, "num_aggregation_labels", 0, 0, NN_MAX_SIZE);
	read_type_counts(context, file, c->type_counts);
}

static int32_t
lesser(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

/*
 * The first token of a sequence that is in the same cell, where cells beyond a row and a column are
 * one.
 */
static int64_t
find_cell(const nn_batch *batch, const int32_t *types, int64_t sequence, int64_t token,
		  int32_t last_row, int32_t last_column)
{
	const int32_t row = lesser(types[token * TYPES + ROW], last_row);
	const int32_t column = lesser(types[token * TYPES + COLUMN], last_column);

	for (int64_t t = batch->offsets[sequence]; t < token; t++)
		if (lesser(types[t * TYPES + COLUMN], last_column) == column &&
			lesser(types[t * TYPES + ROW], last_row) == row)
			return t;
	return token;
}

/* Places in the cell, unless the caller tells positions. */
static const int32_t *
find_positions(nn_model *m, const tapas_config *c)
{
	const nn_batch *batch = m->batch;
	const nn_input *types = given_input(m, TOKEN_TYPES), *given = given_input(m, POSITIONS);
	int64_t last = c->encoder.embedding.position_count - 1;
	int32_t *positions;

	if (given != NULL || !c->positions_in_cells || !nn_live(m))
		return given != NULL ? given->ints : batch->positions;
	positions = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	for (int64_t i = 0; positions != NULL && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
		{
			int64_t first = types == NULL
								? batch->offsets[i]
								: find_cell(batch, types->ints, i, t, INT32_MAX, INT32_MAX);
			int64_t place = batch->columns[t] - batch->columns[first];

			positions[t] = (int32_t) (place < last ? place : last);
		}
	return positions;
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const tapas_config *c = config;
	const encoder_config *e = &c->encoder;
	tensor x = embed(m, &e->embedding);

	x = add_looked_up(m, x, "embeddings.position_embeddings", e->embedding.position_count,
					  find_positions(m, c));
	for (int i = 0; i < TYPES; i++)
	{
		char name[NN_NAME_MAX];

		snprintf(name, sizeof(name), "embeddings.token_type_embeddings_%d", i);
		x = add_looked_up(m, x, name, c->type_counts[i], input_column(m, TOKEN_TYPES, i));
	}
	return encode(m, layer_norm(m, x, "embeddings.LayerNorm", e->norm_eps), e, &e->attention);
}

/* ---- Selection of cells ---- */

/* Products of x [tokens, hidden] with a vector, and a bias -> [tokens]. */
static tensor
score_tokens(nn_model *m, tensor x, const char *vector, const char *bias_name, double temperature)
{
	const weight *w = nn_weight(m, vector, LAYOUT_PLAIN, 0, x.shape[1]);
	const weight *bias = nn_weight(m, bias_name, LAYOUT_PLAIN, 0, 1);
	tensor y = nn_matrix(m, x.shape[0], 1);

	y.rank = 1;
	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
	{
		const float *row = (const float *) x.data + t * x.shape[1];
		double sum = *(const float *) bias->data;

		for (int64_t i = 0; i < x.shape[1]; i++)
			sum += row[i] * ((const float *) w->data)[i];
		((float *) y.data)[t] = (float) (sum / temperature);
	}
	return y;
}

/* What the tokens of a cell have in common; it stands at the first of them. */
typedef struct cell
{
	int64_t first;				/* of any token */
	double score, column_score; /* sums */
	double tokens, seen;
} cell;

/* The same of the cells of a column. */
typedef struct column_sum
{
	double score, weight;
} column_sum;

static int32_t
column_of(const nn_model *m, const tapas_config *c, int64_t token)
{
	return lesser(m->batch->inputs[TOKEN_TYPES].ints[token * TYPES + COLUMN], c->columns - 1);
}

static void
sum_cells(const nn_model *m, const tapas_config *c, int64_t sequence, const float *scores,
		  const float *column_scores, cell *cells)
{
	const nn_batch *batch = m->batch;

	for (int64_t t = batch->offsets[sequence]; t < batch->offsets[sequence + 1]; t++)
	{
		int64_t first = find_cell(batch, batch->inputs[TOKEN_TYPES].ints, sequence, t, c->rows - 1,
								  c->columns - 1);

		cells[t].first = first;
		cells[first].score += scores[t];
		cells[first].column_score += column_scores[t];
		cells[first].tokens += 1;
		cells[first].seen += batch->hidden == NULL || batch->hidden[t] == 0;
	}
}

/* The column whose cells have the best mean; 0, which is no column, only where it may be none. */
static int32_t
choose_column(const nn_model *m, const tapas_config *c, int64_t sequence, const cell *cells,
			  column_sum *columns)
{
	const nn_batch *batch = m->batch;
	int32_t best = 0;
	double best_score = 0;

	memset(columns, 0, (size_t) c->columns * sizeof(column_sum));
	for (int64_t t = batch->offsets[sequence]; t < batch->offsets[sequence + 1]; t++)
		if (cells[t].first == t)
		{
			column_sum *column = &columns[column_of(m, c, t)];
			double share = cells[t].seen / cells[t].tokens;

			column->score += cells[t].column_score / cells[t].tokens * share;
			column->weight += share;
		}
	for (int32_t i = 0; i < c->columns; i++)
	{
		double score = columns[i].score / (columns[i].weight + 1e-10);

		if (i == 0 ? !c->may_select_nothing : columns[i].weight < 0.5)
			score += NEVER;
		if (i == 0 || score > best_score)
		{
			best = i;
			best_score = score;
		}
	}
	return best;
}

/* Each token gets the mean of its cell, and those that are not of the best column no chance. */
static void
select_cells(nn_model *m, const tapas_config *c, tensor scores, tensor column_scores)
{
	const nn_batch *batch = m->batch;
	cell *cells;
	column_sum *columns;

	if (given_input(m, TOKEN_TYPES) == NULL)
		return;
	cells = tfm_alloc_zero(m->context, (size_t) batch->tokens * sizeof(cell));
	columns = tfm_alloc_array(m->context, (size_t) c->columns, sizeof(column_sum));
	for (int64_t i = 0; cells != NULL && columns != NULL && i < batch->sequences; i++)
	{
		int32_t best;

		sum_cells(m, c, i, scores.data, column_scores.data, cells);
		best = choose_column(m, c, i, cells, columns);
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
		{
			const cell *own = &cells[cells[t].first];
			bool selected = best != 0 && column_of(m, c, t) == best;
			double chance = selected ? own->seen / own->tokens : 0.0;

			((float *) scores.data)[t] = (float) (own->score / own->tokens + NEVER * (1 - chance));
		}
	}
}

static void
question_answering(nn_model *m, const void *config)
{
	const tapas_config *c = config;
	tensor x = hidden_states(m, config);
	tensor scores = score_tokens(m, x, "output_weights", "output_bias", c->temperature);

	if (c->one_column)
		select_cells(m, c, scores,
					 score_tokens(m, x, "column_output_weights", "column_output_bias", 1.0));
	nn_emit(m, "logits", NN_PER_TOKEN, scores);
	if (c->aggregations > 0)
		nn_emit(
			m, "logits_aggregation", NN_PER_SEQUENCE,
			linear(m, encoder_pool(m, x), "aggregation_classifier", .columns = c->aggregations));
}

/* ---- Heads ---- */

static const nn_variant variants[] = {{"tapas", "Tapas", "tapas"}, {0}};

static const nn_input_kind inputs[] = {
	[TOKEN_TYPES] = {"token_type_ids", .per_token = true, .width = TYPES},
	[POSITIONS] = {"position_ids", .per_token = true, .width = 1},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForQuestionAnswering", "table-question-answering", question_answering},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{0},
};

const nn_family family_tapas = {
	.name = "tapas",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(tapas_config),
	.read_config = read_config,
	.inputs = inputs,
	.keeps_masked = true, /* the mean of a cell has all of its tokens */
	.hidden_states = hidden_states,
};
