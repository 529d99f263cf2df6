/*
 * luke.c
 *	  LUKE (Yamada et al. 2020) and mLUKE: RoBERTa with entities beside the words of a text, whose place
 *	  is where they are mentioned.  Words and entities look at each other by queries of their own.
 *	  Follows transformers/models/luke/modeling_luke.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/inputs.h"

typedef struct luke_config
{
	encoder_config encoder;
	int64_t entity_count, entity_size; /* of the entities' table */
	bool entity_aware;				   /* there are queries for each pair of kinds */
	const struct luke_pass *pass;
} luke_config;

/* Words of all texts, then entities of all texts, as the states have them. */
typedef struct luke_pass
{
	int64_t words, entities, of_each; /* entities of a text */
	nn_batch batch;					  /* of both, text by text */
	int32_t *rows;					  /* [words + entities] in the states, of the batch's tokens */
} luke_pass;

enum
{
	ENTITY_IDS,
	ENTITY_MASK,
	ENTITY_TYPES,
	ENTITY_POSITIONS,
	SPAN_STARTS,
	SPAN_ENDS
};

static const nn_input_kind inputs[] = {
	[ENTITY_IDS] = {"entity_ids", false, 0, false},
	[ENTITY_MASK] = {"entity_attention_mask", false, 0, false},
	[ENTITY_TYPES] = {"entity_token_type_ids", false, 0, false},
	[ENTITY_POSITIONS] = {"entity_position_ids", false, 0, false},
	[SPAN_STARTS] = {"entity_start_positions", false, 0, false},
	[SPAN_ENDS] = {"entity_end_positions", false, 0, false},
	{0},
};

/* ---- Entities ---- */

static int64_t
count_elements(const nn_input *input)
{
	int64_t count = 1;

	for (int i = 0; i < input->rank; i++)
		count *= input->shape[i];
	return count;
}

/* The whole numbers of an input, as many as wanted; NULL where it is not given, or after an error. */
static const int32_t *
numbers_of(nn_model *m, int index, int64_t wanted)
{
	const nn_input *input = given_input(m, index);

	if (input == NULL)
		return NULL;
	if (input->ints != NULL && count_elements(input) == wanted)
		return input->ints;
	tfm_fail(m->context, TFM_INVALID_ARGUMENT, "\"%s\" must have %lld whole numbers",
			 inputs[index].name, (long long) wanted);
	return NULL;
}

/* The batch of words and entities. */
static bool
join_batch(nn_model *m, luke_pass *p)
{
	const nn_batch *words = m->batch;
	const int32_t *mask = numbers_of(m, ENTITY_MASK, p->entities);
	int64_t tokens = p->words + p->entities, at = 0;
	int32_t *offsets = tfm_alloc_array(m->context, (size_t) words->sequences + 1, sizeof(int32_t));
	uint8_t *hidden = tfm_alloc_zero(m->context, (size_t) tokens);

	p->rows = tfm_alloc_array(m->context, (size_t) tokens, sizeof(int32_t));
	if (tfm_failed(m->context))
		return false;
	for (int64_t i = 0; i < words->sequences; i++)
	{
		offsets[i] = (int32_t) at;
		for (int64_t t = words->offsets[i]; t < words->offsets[i + 1]; t++)
		{
			hidden[at] = words->hidden != NULL && words->hidden[t] != 0;
			p->rows[at++] = (int32_t) t;
		}
		for (int64_t e = i * p->of_each; e < (i + 1) * p->of_each; e++)
		{
			hidden[at] = mask != NULL && mask[e] == 0;
			p->rows[at++] = (int32_t) (p->words + e);
		}
	}
	offsets[words->sequences] = (int32_t) at;
	p->batch.offsets = offsets;
	p->batch.hidden = hidden;
	return true;
}

static bool
begin_pass(nn_model *m, luke_pass *p)
{
	const nn_input *ids = given_input(m, ENTITY_IDS);

	*p = (luke_pass) {.words = m->batch->tokens, .batch = *m->batch};
	if (m->dry)
		p->entities = p->of_each = 1;
	else if (ids != NULL && m->batch->sequences > 0)
	{
		p->entities = count_elements(ids);
		p->of_each = p->entities / m->batch->sequences;
		if (p->of_each * m->batch->sequences != p->entities)
			return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
							"\"entity_ids\" must have as many for each row");
	}
	if (p->entities == 0)
		return true;
	p->batch.tokens = p->words + p->entities;
	return m->dry || (!tfm_failed(m->context) && join_batch(m, p));
}

/* Add to x the mean of the positions' rows of each entity's mention; -1 stands for none. */
static void
add_mentions(nn_model *m, tensor x, const luke_config *c)
{
	int64_t count = c->encoder.embedding.position_count, n = x.shape[1];
	const weight *table =
		nn_weight(m, "entity_embeddings.position_embeddings.weight", LAYOUT_PLAIN, count, n);
	const nn_input *given = given_input(m, ENTITY_POSITIONS);
	int64_t length = given == NULL || x.shape[0] == 0 ? 0 : count_elements(given) / x.shape[0];
	const int32_t *positions = numbers_of(m, ENTITY_POSITIONS, x.shape[0] * length);

	if (nn_live(m) && positions == NULL)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT, "\"entity_position_ids\" must be given");
	for (int64_t e = 0; nn_live(m) && e < x.shape[0]; e++)
	{
		int64_t places = 0;

		for (int64_t i = 0; i < length; i++)
			places += positions[e * length + i] != -1;
		for (int64_t i = 0; i < length; i++)
		{
			int32_t place = positions[e * length + i];

			if (place >= count || place < -1)
			{
				tfm_fail(m->context, TFM_INVALID_ARGUMENT,
						 "entity position %d is outside the table of %lld", place,
						 (long long) count);
				return;
			}
			for (int64_t j = 0; place >= 0 && j < n; j++)
				((float *) x.data)[e * n + j] +=
					((const float *) table->data)[place * n + j] / (float) places;
		}
	}
}

/* The rows of a table for each entity, as look_up has them of tokens. */
static tensor
look_up_entities(nn_model *m, const luke_pass *p, const char *name, int64_t count, int64_t columns,
				 int index)
{
	const nn_batch *batch = m->batch;
	const int32_t *ids = numbers_of(m, index, p->entities);
	nn_batch entities = {.sequences = 1, .tokens = p->entities, .choices = 1};
	tensor x;

	m->batch = &entities;
	x = look_up(m, name, count, columns, ids);
	m->batch = batch;
	return x;
}

static tensor
embed_entities(nn_model *m, const luke_config *c, const luke_pass *p)
{
	const encoder_config *e = &c->encoder;
	int64_t hidden = e->common.hidden_size;
	tensor x = look_up_entities(m, p, "entity_embeddings.entity_embeddings", c->entity_count,
								c->entity_size, ENTITY_IDS);

	if (c->entity_size != hidden)
		x = linear(m, x, "entity_embeddings.entity_embedding_dense", .columns = hidden);
	add_mentions(m, x, c);
	x = add(m, x,
			look_up_entities(m, p, "entity_embeddings.token_type_embeddings",
							 e->embedding.type_count, hidden, ENTITY_TYPES),
			1.0);
	return layer_norm(m, x, "entity_embeddings.LayerNorm", e->norm_eps);
}

/* ---- Attention ---- */

/*
 * Queries or keys with two halves a head, text by text: a query's are for words and for entities, a key
 * has one and zeros, so that their product is of the half that is meant.
 */
static tensor
join_halves(nn_model *m, const luke_pass *p, int heads, tensor to_words, tensor to_entities)
{
	int64_t n = to_words.shape[1], size = n / heads, tokens = p->words + p->entities;
	tensor y = nn_matrix(m, tokens, 2 * n);

	for (int64_t t = 0; nn_live(m) && t < tokens; t++)
		for (int h = 0; h < heads; h++)
		{
			float *to = (float *) y.data + t * 2 * n + h * 2 * size;
			int64_t from = p->rows[t] * n + h * size;

			memcpy(to, (const float *) to_words.data + from, (size_t) size * sizeof(float));
			memcpy(to + size, (const float *) to_entities.data + from,
				   (size_t) size * sizeof(float));
		}
	return y;
}

/* A copy of x with zeros in place of the words, or of the entities. */
static tensor
without(nn_model *m, const luke_pass *p, tensor x, bool words)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);
	size_t n = (size_t) x.shape[1] * sizeof(float);

	if (!nn_live(m))
		return y;
	memcpy(y.data, x.data, (size_t) x.shape[0] * n);
	if (words)
		memset(y.data, 0, (size_t) p->words * n);
	else
		memset((char *) y.data + (size_t) p->words * n, 0, (size_t) p->entities * n);
	return y;
}

/* Rows of the states' order from those of the batch's. */
static tensor
sort_back(nn_model *m, const luke_pass *p, tensor x)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);

	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
		memcpy((float *) y.data + p->rows[t] * x.shape[1], (const float *) x.data + t * x.shape[1],
			   (size_t) x.shape[1] * sizeof(float));
	return y;
}

static void
copy_rows(nn_model *m, tensor to, tensor from)
{
	if (nn_live(m))
		memcpy(to.data, from.data, (size_t) tensor_count(&from) * sizeof(float));
}

/* What words and entities ask words, and what they ask entities. */
static void
make_queries(nn_model *m, const luke_config *c, tensor x, tensor query, tensor queries[2])
{
	const luke_pass *p = c->pass;
	tensor words = some_rows(x, 0, p->words), entities = some_rows(x, p->words, p->entities);

	queries[0] = query;
	queries[1] = query;
	if (!c->entity_aware)
		return;
	queries[1] = nn_matrix(m, x.shape[0], x.shape[1]);
	copy_rows(m, some_rows(queries[0], p->words, p->entities),
			  linear(m, entities, "attention.self.e2w_query"));
	copy_rows(m, queries[1], linear(m, words, "attention.self.w2e_query"));
	copy_rows(m, some_rows(queries[1], p->words, p->entities),
			  linear(m, entities, "attention.self.e2e_query"));
}

static tensor
attend_to_both(nn_model *m, const void *config, const attention *how, tensor x, const tensor qkv[3])
{
	const luke_config *c = config;
	const luke_pass *p = c->pass;
	const nn_batch *batch = m->batch;
	attention a = *how;
	tensor queries[2], q, k, v;

	if (p->entities == 0)
		return attend(m, qkv[0], qkv[1], qkv[2], how);
	make_queries(m, c, x, qkv[0], queries);
	q = join_halves(m, p, a.heads, queries[0], queries[1]);
	k = join_halves(m, p, a.heads, without(m, p, qkv[1], false), without(m, p, qkv[1], true));
	v = nn_matrix(m, x.shape[0], x.shape[1]);
	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
		memcpy((float *) v.data + t * x.shape[1],
			   (const float *) qkv[2].data + p->rows[t] * x.shape[1],
			   (size_t) x.shape[1] * sizeof(float));
	a.scale = 1.0 / sqrt((double) x.shape[1] / a.heads);
	m->batch = &p->batch;
	q = attend(m, q, k, v, &a);
	m->batch = batch;
	return sort_back(m, p, q);
}

/* ---- The pass ---- */

static void
emit_states(nn_model *m, const luke_pass *p, int number, tensor x)
{
	const char *part = m->part;

	nn_emit_hidden_state(m, number, some_rows(x, 0, p->words));
	if (p->entities == 0 || !m->batch->output_hidden_states)
		return;
	m->part = "entity";
	nn_emit_other_state(m, number, some_rows(x, p->words, p->entities));
	m->part = part;
}

/* States of the words, then of the entities. */
static tensor
encode_both(nn_model *m, const luke_config *config, luke_pass *p)
{
	luke_config c = *config;
	tensor words, x;

	if (!begin_pass(m, p))
		return (tensor) {0};
	c.pass = p;
	words = encoder_embed(m, &c.encoder);
	x = nn_matrix(m, p->words + p->entities, c.encoder.common.hidden_size);
	copy_rows(m, x, words);
	if (p->entities > 0)
		copy_rows(m, some_rows(x, p->words, p->entities), embed_entities(m, &c, p));
	for (int i = 0; i < c.encoder.layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		emit_states(m, p, i, x);
		layer = nn_enter(m, c.encoder.names->layer, i);
		x = nn_leave(m, layer, x, encoder_layer(m, x, &c.encoder, &c.encoder.attention));
	}
	emit_states(m, p, c.encoder.layers, x);
	return x;
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	luke_pass p;
	tensor x = encode_both(m, config, &p);

	return some_rows(x, 0, p.words);
}

/* ---- Configuration ---- */

static void
read_config(tfm_context *context, json file, void *config)
{
	luke_config *c = config;
	encoder_config *e = &c->encoder;

	*c = (luke_config) {
		.encoder = encoder_roberta,
		.entity_count = json_int(context, file, "entity_vocab_size", 500000, 1, NN_MAX_SIZE),
		.entity_size = json_int(context, file, "entity_emb_size", 256, 1, NN_MAX_SIZE),
		.entity_aware = json_bool(context, file, "use_entity_aware_attention", true),
	};
	e->common.vocab_size = 50267;
	e->attend = attend_to_both;
	e->hidden_states = hidden_states;
	encoder_read_roberta_config(context, file, e);
	e->attention.causal = false;
	if (e->common.hidden_size % e->attention.heads != 0)
		tfm_fail(context, TFM_CORRUPTED,
				 "%s: \"hidden_size\" is not a multiple of \"num_attention_heads\"", file.source);
}

/* ---- Heads ---- */

/* The states of the entities, which must be given, at least so many of each text. */
static tensor
entity_states(nn_model *m, const luke_config *c, luke_pass *p, int64_t least, tensor *words)
{
	tensor x = encode_both(m, c, p);

	if (nn_live(m) && p->of_each < least)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT,
				 "\"entity_ids\" must have %lld or more for each row", (long long) least);
	*words = some_rows(x, 0, p->words);
	return some_rows(x, p->words, p->entities);
}

static void
base_model(nn_model *m, const void *config)
{
	luke_pass p;
	tensor words, entities = entity_states(m, config, &p, 0, &words);

	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, words);
	if (nn_has_weight(m, "pooler.dense.weight"))
		nn_emit(m, "pooler_output", NN_PER_SEQUENCE, encoder_pool(m, words));
	if (p.entities > 0)
		nn_emit_other_tokens(m, "entity_last_hidden_state", entities);
}

static void
masked_lm(nn_model *m, const void *config)
{
	const luke_config *c = config;
	luke_pass p;
	tensor words, x = entity_states(m, c, &p, 0, &words);

	nn_emit(m, "logits", NN_PER_TOKEN, encoder_predict_words(m, &c->encoder, words));
	if (p.entities == 0)
		return;
	x = linear(m, x, "entity_predictions.transform.dense", .columns = c->entity_size,
			   .activation = c->encoder.activation);
	x = layer_norm(m, x, "entity_predictions.transform.LayerNorm", c->encoder.norm_eps);
	nn_emit_other_tokens(m, "entity_logits",
						 linear(m, x, "entity_predictions.decoder", .columns = c->entity_count,
								.tied = "entity_embeddings.entity_embeddings",
								.bias = "entity_predictions.bias"));
}

/* The first entities of each text side by side, classified. */
static void
classify_first(nn_model *m, const luke_config *c, int64_t count)
{
	luke_pass p;
	tensor words, x = entity_states(m, c, &p, count, &words);
	int64_t n = c->encoder.common.hidden_size;
	tensor y = nn_matrix(m, m->batch->sequences, count * n);

	for (int64_t i = 0; nn_live(m) && i < m->batch->sequences; i++)
		memcpy((float *) y.data + i * count * n, (const float *) x.data + i * p.of_each * n,
			   (size_t) (count * n) * sizeof(float));
	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, y, "classifier", .columns = c->encoder.common.num_labels));
}

static void
entity_classification(nn_model *m, const void *config)
{
	classify_first(m, config, 1);
}

static void
entity_pair_classification(nn_model *m, const void *config)
{
	classify_first(m, config, 2);
}

/* The states of the words where each entity begins, or ends; kept tokens of a row are in order. */
static tensor
take_words(nn_model *m, const luke_pass *p, tensor words, int index)
{
	const int32_t *places = numbers_of(m, index, p->entities);
	int32_t *rows = NULL;

	if (nn_live(m) && places == NULL)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT, "\"%s\" must be given", inputs[index].name);
	if (nn_live(m))
		rows = tfm_alloc_array(m->context, (size_t) p->entities, sizeof(int32_t));
	for (int64_t e = 0; rows != NULL && e < p->entities; e++)
	{
		int64_t row = e / p->of_each;

		rows[e] = -1;
		for (int32_t t = m->batch->offsets[row]; t < m->batch->offsets[row + 1]; t++)
			if (m->batch->columns[t] == places[e])
				rows[e] = t;
	}
	return take_rows(m, words, rows, p->entities);
}

static void
entity_span_classification(nn_model *m, const void *config)
{
	const luke_config *c = config;
	luke_pass p;
	tensor words, entities = entity_states(m, c, &p, 1, &words);
	int64_t n = c->encoder.common.hidden_size;
	tensor y = nn_matrix(m, p.entities, 3 * n);

	put_columns(m, y, take_words(m, &p, words, SPAN_STARTS), 0);
	put_columns(m, y, take_words(m, &p, words, SPAN_ENDS), n);
	put_columns(m, y, entities, 2 * n);
	nn_emit_other_tokens(m, "logits",
						 linear(m, y, "classifier", .columns = c->encoder.common.num_labels));
}

static const nn_variant variants[] = {{"luke", "Luke", "luke"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"ForMaskedLM", "fill-mask", masked_lm},
	{"ForEntityClassification", "entity-classification", entity_classification},
	{"ForEntityPairClassification", "entity-classification", entity_pair_classification},
	{"ForEntitySpanClassification", "entity-classification", entity_span_classification},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_luke = {
	.name = "luke",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(luke_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.inputs = inputs,
	.hidden_states = hidden_states,
};
