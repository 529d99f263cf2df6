/*
 * deberta.c
 *	  DeBERTa's encoder.
 *	  Follows transformers/models/deberta_v2/modeling_deberta_v2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/deberta.h"

#include <math.h>
#include <string.h>

#include "nn/position_bias.h"

/* ---- Configuration ---- */

/* Whether "pos_att_type", a list or "c2p|p2c", has a name. */
static bool
has_position_type(json file, const char *name)
{
	json types = json_member(file, "pos_att_type");

	if (json_is_string(types))
		return strstr(json_as_string(types), name) != NULL;
	for (json type = json_first(types); json_present(type); type = json_next(type))
		if (json_is_string(type) && strcmp(json_as_string(type), name) == 0)
			return true;
	return false;
}

static void
read_positions(tfm_context *context, json file, deberta_config *c)
{
	int64_t positions = c->encoder.embedding.position_count;

	c->relative = json_bool(context, file, "relative_attention", false);
	c->looks_at_position = has_position_type(file, "c2p");
	c->position_looks = has_position_type(file, "p2c");
	c->farthest = json_int(context, file, "max_relative_positions", -1, -1, NN_MAX_SIZE);
	if (c->farthest < 1)
		c->farthest = positions;
	c->span = c->buckets > 0 ? c->buckets : c->farthest;
	if (!json_bool(context, file, "position_biased_input", true))
	{
		c->encoder.embedding.positions = NULL;
		c->encoder.common.any_position = true;
	}
}

static const lm_head new_head = {
	.dense = "lm_predictions.lm_head.dense",
	.norm = "lm_predictions.lm_head.LayerNorm",
	.decoder = "lm_predictions.lm_head.decoder",
	.decoder_bias = "lm_predictions.lm_head.bias",
};

void
deberta_read_config(tfm_context *context, json file, deberta_config *c)
{
	encoder_config *e = &c->encoder;
	bool legacy = json_bool(context, file, "legacy", true);

	if (!legacy)
		e->lm_head = new_head;
	e->hidden_states = deberta_hidden_states;
	e->embedding.norm = NULL; /* it comes after the projection */
	e->embedding.hidden_size = json_int(context, file, "embedding_size", 0, 1, NN_MAX_SIZE);
	e->norm_eps = 1e-7;
	encoder_read_config(context, file, e, 0);
	e->attention.causal = false;
	/* the new head scores words by their table, whatever is said of ties */
	if (!legacy)
		e->common.tie_word_embeddings = true;
	e->embedding.type_count = json_int(context, file, "type_vocab_size", 0, 0, NN_MAX_SIZE);
	if (e->embedding.type_count == 0)
		e->embedding.types = NULL;
	if (e->embedding.hidden_size != e->common.hidden_size)
		e->projection = "embeddings.embed_proj";
	e->pooler_activation =
		nn_activation(context, json_string(context, file, "pooler_hidden_act", "gelu"));
	if (e->common.hidden_size % e->attention.heads != 0)
		tfm_fail(context, TFM_CORRUPTED,
				 "%s: \"hidden_size\" is not a multiple of \"num_attention_heads\"", file.source);
	read_positions(context, file, c);
}

/* ---- Distances ---- */

/* The row, from -span on, of a distance; those within the middle half have one of their own. */
static int64_t
distance_bucket(const deberta_config *c, int64_t distance)
{
	int64_t middle = c->buckets / 2, size = distance < 0 ? -distance : distance;
	float steps;

	if (c->buckets <= 0 || size <= middle)
		return distance;
	/* in f32 as Transformers does it: a bucket's border may fall on a whole distance */
	steps =
		ceilf(logf((float) size / (float) middle) /
			  logf((float) ((double) (c->farthest - 1) / (double) middle)) * (float) (middle - 1));
	if (!(fabsf(steps) < (float) NN_MAX_SIZE))
		return distance < 0 ? -c->span : c->span;
	return ((int64_t) steps + middle) * (distance < 0 ? -1 : 1);
}

static int64_t
table_row(const deberta_config *c, int64_t distance)
{
	int64_t row = distance_bucket(c, distance) + c->span;

	return row < 0 ? 0 : row > 2 * c->span - 1 ? 2 * c->span - 1 : row;
}

/* The rows first .. last of the table, normed. */
static tensor
take_distances(nn_model *m, const deberta_config *c, int64_t first, int64_t last)
{
	int64_t hidden = c->encoder.common.hidden_size;
	const weight *table =
		nn_weight(m, "encoder.rel_embeddings.weight", LAYOUT_PLAIN, 2 * c->span, hidden);
	tensor x = nn_matrix(m, last - first + 1, hidden);

	if (nn_live(m))
		memcpy(x.data, (const float *) table->data + first * hidden,
			   (size_t) tensor_count(&x) * sizeof(float));
	if (c->norms_distances)
		normalize_in_place(m, x, "encoder.LayerNorm",
						   &(normalization) {.eps = c->encoder.norm_eps});
	return x;
}

/* Find the rows that distances within the batch's longest row have. */
static void
reach_distances(nn_model *m, deberta_config *c)
{
	int64_t longest = position_span(m->batch), limit = 2 * (c->span + c->farthest);
	int64_t first = 2 * c->span - 1, last = 0;
	int32_t *rows;

	/* what is farther has the last row */
	c->reach = longest < limit ? longest : limit;
	rows = tfm_alloc_array(m->context, (size_t) (2 * c->reach - 1), sizeof(int32_t));
	if (rows == NULL)
		return;
	for (int64_t d = 1 - c->reach; d < c->reach; d++)
	{
		int64_t row = table_row(c, d);

		rows[d + c->reach - 1] = (int32_t) row;
		first = row < first ? row : first;
		last = row > last ? row : last;
	}
	for (int64_t i = 0; i < 2 * c->reach - 1; i++)
		rows[i] -= (int32_t) first;
	c->rows = rows;
	c->distances = take_distances(m, c, first, last);
}

/* ---- Layers ---- */

static tensor
attend_by_content_and_position(nn_model *m, const void *config, const attention *a, tensor x,
							   const tensor qkv[3])
{
	const deberta_config *c = config;
	int parts = 1 + c->looks_at_position + c->position_looks;
	int64_t width = c->encoder.common.hidden_size;
	relative_attention how = {.heads = a->heads,
							  .scale = 1.0 / sqrt((double) (width / a->heads) * parts),
							  .any_type = -1,
							  .rows = c->rows,
							  .span = c->relative ? c->reach : 0};
	tensor own[3] = {qkv[0], qkv[1], qkv[2]};

	if (c->project != NULL)
		c->project(m, x, c, own);
	if (c->relative && c->looks_at_position)
		how.position_keys = linear(m, c->distances, c->position_keys);
	if (c->relative && c->position_looks)
		how.position_queries = linear(m, c->distances, c->position_queries);
	return attend_relative(m, own[0], own[1], own[2], &how);
}

static tensor
copy_of(nn_model *m, tensor x)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);

	if (nn_live(m))
		memcpy(y.data, x.data, (size_t) tensor_count(&x) * sizeof(float));
	return y;
}

/* What the first layer and the convolution have made of the embeddings. */
static tensor
add_convolution(nn_model *m, tensor x, tensor embeddings, const deberta_config *c)
{
	tensor y = convolve_around(m, embeddings, "encoder.conv.conv", &c->convolution);

	activate(m, y, c->convolution_activation);
	y = add(m, y, x, 1.0);
	normalize_in_place(m, y, "encoder.conv.LayerNorm",
					   &(normalization) {.eps = c->encoder.norm_eps});
	return y;
}

static tensor
run_layer(nn_model *m, tensor x, const deberta_config *c, int number)
{
	bool convolves = number == 0 && c->convolution.width > 0;
	tensor embeddings = convolves ? copy_of(m, x) : x;
	nn_scope layer = nn_enter(m, c->encoder.names->layer, number);

	x = nn_leave(m, layer, x, encoder_layer(m, x, &c->encoder, &c->encoder.attention));
	if (!convolves)
		return x;
	layer = nn_begin(m);
	return nn_leave(m, layer, x, add_convolution(m, x, embeddings, c));
}

tensor
deberta_hidden_states(nn_model *m, const void *config)
{
	deberta_config c = *(const deberta_config *) config;
	tensor x = encoder_embed(m, &c.encoder);

	c.encoder.attend = attend_by_content_and_position;
	normalize_in_place(m, x, "embeddings.LayerNorm", &(normalization) {.eps = c.encoder.norm_eps});
	clear_tokens(m, x, m->batch->hidden);
	if (c.relative)
		reach_distances(m, &c);
	for (int i = 0; i < c.encoder.layers && !tfm_failed(m->context); i++)
	{
		nn_emit_hidden_state(m, i, x);
		x = run_layer(m, x, &c, i);
	}
	nn_emit_hidden_state(m, c.encoder.layers, x);
	return x;
}

/* ---- Heads ---- */

/* The classifiers' pooler is no part of it. */
static void
base_model(nn_model *m, const void *config)
{
	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, deberta_hidden_states(m, config));
}

const nn_head deberta_heads[] = {
	{"Model", "feature-extraction", base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};
