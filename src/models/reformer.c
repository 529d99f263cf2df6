/*
 * reformer.c
 *	  Reformer (Kitaev et al. 2020): layers of two streams that could be undone, attention in chunks,
 *	  of tokens in their order or sorted by hashes, and positions as places in a rectangle.
 *	  Follows transformers/models/reformer/modeling_reformer.py.
 *
 * Hashes are drawn by hash_seed, as torch draws them; without, by 0, where Transformers draws others
 * in each pass.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/chunks.h"
#include "nn/family.h"
#include "nn/layers.h"

#define MAX_CHUNK 65536
#define MAX_BESIDE 16
#define MAX_ROUNDS 64
#define MAX_BUCKETS 65536

typedef struct reformer_config
{
	nn_config common;
	int64_t hidden;		/* of a stream; common.hidden_size is of both */
	int64_t head_width; /* of all heads together */
	int layers;
	bool *hashed; /* [layers] */
	bool any[2];  /* there are layers that are not hashed, that are */
	chunks local, sorted;
	int64_t feed_forward;
	op_activation activation;
	double norm_eps;
	bool axial;
	int64_t axial_shape[2], axial_columns[2];
} reformer_config;

/* ---- Configuration ---- */

static void
read_pair(tfm_context *context, json file, const char *key, const int64_t fallback[2],
		  int64_t pair[2])
{
	json item = json_first(json_member(file, key));

	for (int i = 0; i < 2; i++, item = json_next(item))
	{
		pair[i] = fallback[i];
		if (json_is_array(json_member(file, key)) && (json_size(json_member(file, key)) != 2 ||
													  !json_to_int(item, 1, NN_MAX_SIZE, &pair[i])))
			tfm_fail(context, TFM_CORRUPTED, "\"%s\" is no pair of sizes", key);
	}
}

/* Whether a name of attn_layers is that of hashed attention. */
static bool
is_hashed(tfm_context *context, const char *kind)
{
	if (kind != NULL && strcmp(kind, "lsh") == 0)
		return true;
	if (kind == NULL || strcmp(kind, "local") != 0)
		tfm_fail(context, TFM_UNSUPPORTED, "\"attn_layers\" has a layer of another kind");
	return false;
}

/* "local" or "lsh" for each layer; where all are alike, layers may be more than the list has. */
static void
read_layers(tfm_context *context, json file, reformer_config *c)
{
	json kinds = json_member(file, "attn_layers");
	bool given = json_is_array(kinds);
	int count = given ? (int) json_size(kinds) : 6;
	json item = json_first(kinds);

	c->layers = (int) json_int(context, file, "num_hidden_layers", count, 1, NN_MAX_LAYERS);
	c->hashed = tfm_alloc_zero(context, (size_t) c->layers * sizeof(bool));
	for (int i = 0; c->hashed != NULL && i < count; i++, item = json_next(item))
	{
		bool hashed = given ? is_hashed(context, json_as_string(item)) : i % 2 != 0;

		c->any[hashed] = true;
		if (i < c->layers)
			c->hashed[i] = hashed;
	}
	if (c->any[0] == c->any[1] && c->layers > count)
		tfm_fail(context, TFM_CORRUPTED, "\"attn_layers\" has %d layers instead of %d", count,
				 c->layers);
	for (int i = count; c->hashed != NULL && i < c->layers; i++)
		c->hashed[i] = c->any[1];
}

static void
read_buckets(tfm_context *context, json file, chunks *c)
{
	json value = json_member(file, "num_buckets");
	bool list = json_is_array(value);
	json item = list ? json_first(value) : value;

	if (!json_present(value) || nn_is_null(file, "num_buckets"))
		return;
	c->factors = list ? (int) json_size(value) : 1;
	if (c->factors < 1 || c->factors > CHUNKS_MAX_FACTORS)
		tfm_fail(context, TFM_CORRUPTED, "\"num_buckets\" has %d factors", c->factors);
	for (int i = 0; !tfm_failed(context) && i < c->factors; i++, item = json_next(item))
		if (!json_to_int(item, 2, MAX_BUCKETS, &c->buckets[i]) || c->buckets[i] % 2 != 0)
			tfm_fail(context, TFM_CORRUPTED, "\"num_buckets\" must be even");
}

static int64_t
common_multiple(int64_t a, int64_t b)
{
	int64_t x = a, y = b;

	while (y != 0)
	{
		int64_t rest = x % y;

		x = y;
		y = rest;
	}
	return a / x * b;
}

/* Rows are padded to whole chunks of all kinds that the layers have. */
static void
set_padding(reformer_config *c)
{
	int64_t a = c->local.length, b = c->sorted.length;

	a = c->any[0] ? a : b;
	b = c->any[1] ? b : a;
	c->local.padded_to = c->sorted.padded_to = common_multiple(a, b);
	c->local.unpadded = c->sorted.unpadded = a < b ? a : b;
}

static void
read_chunks(tfm_context *context, json file, reformer_config *c)
{
	int heads = (int) json_int(context, file, "num_attention_heads", 12, 1, NN_MAX_HEADS);
	bool causal = json_bool(context, file, "is_decoder", false);

	c->local = (chunks) {
		.heads = heads,
		.causal = causal,
		.max_positions = c->common.max_positions,
		.rounds = 1,
		.length = json_int(context, file, "local_attn_chunk_length", 64, 1, MAX_CHUNK),
		.before = json_int(context, file, "local_num_chunks_before", 1, 0, MAX_BESIDE),
		.after = json_int(context, file, "local_num_chunks_after", 0, 0, MAX_BESIDE),
	};
	c->sorted = (chunks) {
		.heads = heads,
		.causal = causal,
		.hashed = true,
		.rounds = (int) json_int(context, file, "num_hashes", 1, 1, MAX_ROUNDS),
		.length = json_int(context, file, "lsh_attn_chunk_length", 64, 1, MAX_CHUNK),
		.before = json_int(context, file, "lsh_num_chunks_before", 1, 0, MAX_BESIDE),
		.after = json_int(context, file, "lsh_num_chunks_after", 0, 0, MAX_BESIDE),
		.max_positions = c->common.max_positions,
	};
	if (!nn_is_null(file, "hash_seed"))
		c->sorted.seed = (uint64_t) json_int(context, file, "hash_seed", 0, 0, INT64_MAX);
	read_buckets(context, file, &c->sorted);
	set_padding(c);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	static const int64_t shape[2] = {64, 64}, columns[2] = {64, 192};
	reformer_config *c = config;

	*c = (reformer_config) {
		.common = {.vocab_size = json_int(context, file, "vocab_size", 320, 1, NN_MAX_SIZE),
				   .max_positions =
					   json_int(context, file, "max_position_embeddings", 4096, 1, NN_MAX_SIZE),
				   .num_labels = nn_read_num_labels(context, file),
				   .pad_token_id = -1},
		.hidden = json_int(context, file, "hidden_size", 256, 1, NN_MAX_SIZE / 2),
		.feed_forward = json_int(context, file, "feed_forward_size", 512, 1, NN_MAX_SIZE),
		.activation = nn_activation(context, json_string(context, file, "hidden_act", "relu")),
		.norm_eps = json_double(context, file, "layer_norm_eps", 1e-12),
		.axial = json_bool(context, file, "axial_pos_embds", true),
	};
	c->common.hidden_size = 2 * c->hidden;
	c->common.embedding_size = c->hidden;
	read_layers(context, file, c);
	read_chunks(context, file, c);
	c->head_width = c->local.heads * json_int(context, file, "attention_head_size", 64, 1, 4096);
	read_pair(context, file, "axial_pos_shape", shape, c->axial_shape);
	read_pair(context, file, "axial_pos_embds_dim", columns, c->axial_columns);
	if (!tfm_failed(context) && c->axial && c->axial_columns[0] + c->axial_columns[1] != c->hidden)
		tfm_fail(context, TFM_CORRUPTED, "\"axial_pos_embds_dim\" does not sum to \"hidden_size\"");
}

/* ---- Embeddings ---- */

/* Rows of the rectangle's first side and of its second, side by side. */
static tensor
add_axial_positions(nn_model *m, tensor x, const reformer_config *c)
{
	const int64_t *shape = c->axial_shape, *columns = c->axial_columns;
	const weight *first = nn_weight(m, "embeddings.position_embeddings.weights.0", LAYOUT_PLAIN,
									shape[0], columns[0]);
	const weight *second = nn_weight(m, "embeddings.position_embeddings.weights.1", LAYOUT_PLAIN, 1,
									 shape[1] * columns[1]);

	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
	{
		int64_t position = m->batch->positions[t];
		float *row = (float *) x.data + t * c->hidden;
		const float *a = first->data, *b = second->data;

		if (position < 0 || position >= shape[0] * shape[1])
		{
			tfm_fail(m->context, TFM_INVALID_ARGUMENT, "position %lld is beyond the model's %lld",
					 (long long) position, (long long) (shape[0] * shape[1]));
			break;
		}
		a += position / shape[1] * columns[0];
		b += position % shape[1] * columns[1];
		for (int64_t i = 0; i < columns[0]; i++)
			row[i] += a[i];
		for (int64_t i = 0; i < columns[1]; i++)
			row[columns[0] + i] += b[i];
	}
	return x;
}

static tensor
embed_tokens(nn_model *m, const reformer_config *c)
{
	embedding e = {.hidden_size = c->hidden,
				   .words = "embeddings.word_embeddings",
				   .word_count = c->common.vocab_size};

	if (c->axial)
		return add_axial_positions(m, embed(m, &e), c);
	e.positions = "embeddings.position_embeddings.embedding";
	e.position_count = c->common.max_positions;
	return embed(m, &e);
}

/* ---- Layers ---- */

static tensor
attend_to_self(nn_model *m, tensor x, const reformer_config *c, bool hashed)
{
	static const char *const local_names[] = {"attention.self_attention.query",
											  "attention.self_attention.key",
											  "attention.self_attention.value"};
	tensor h = layer_norm(m, x, "attention.layer_norm", c->norm_eps), qkv[3];

	for (int i = 0; i < 3; i++)
		if (hashed && i < 2)
			qkv[i] = i == 1 ? qkv[0]
							: linear(m, h, "attention.self_attention.query_key",
									 .columns = c->head_width);
		else
			qkv[i] = linear(m, h, local_names[i], .columns = c->head_width);
	return linear(m, attend_in_chunks(m, qkv, hashed ? &c->sorted : &c->local),
				  "attention.output.dense", .columns = c->hidden);
}

static tensor
feed_forward(nn_model *m, tensor x, tensor residual, const reformer_config *c)
{
	tensor h = layer_norm(m, x, "feed_forward.layer_norm", c->norm_eps);

	h = linear(m, h, "feed_forward.dense.dense", .columns = c->feed_forward,
			   .activation = c->activation);
	return linear(m, h, "feed_forward.output.dense", .columns = c->hidden, .residual = residual,
				  .replace = true);
}

/* Both streams side by side. */
static tensor
join(nn_model *m, tensor first, tensor second, int64_t columns)
{
	tensor y = nn_matrix(m, first.shape[0], 2 * columns);
	size_t bytes = (size_t) columns * sizeof(float);

	for (int64_t t = 0; nn_live(m) && t < y.shape[0]; t++)
	{
		memcpy((float *) y.data + 2 * t * columns, (const float *) first.data + t * columns, bytes);
		memcpy((float *) y.data + (2 * t + 1) * columns, (const float *) second.data + t * columns,
			   bytes);
	}
	return y;
}

/* One stream gets what attention makes of the other, this what the feed-forward part makes of it. */
static tensor
hidden_states(nn_model *m, const void *config)
{
	const reformer_config *c = config;
	tensor x = embed_tokens(m, c);
	tensor other = nn_matrix(m, x.shape[0], x.shape[1]);

	if (nn_live(m))
		memcpy(other.data, x.data, (size_t) tensor_count(&x) * sizeof(float));
	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, "encoder.layers.%d", i);
		other = add(m, other, attend_to_self(m, x, c, c->hashed[i]), 1.0);
		x = nn_leave(m, layer, x, feed_forward(m, other, x, c));
	}
	nn_emit_hidden_state(m, c->layers, x);
	return layer_norm(m, join(m, other, x, c->hidden), "encoder.layer_norm", c->norm_eps);
}

/* ---- Heads ---- */

static void
base_model(nn_model *m, const void *config)
{
	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, hidden_states(m, config));
}

static void
language_model(nn_model *m, const void *config)
{
	const reformer_config *c = config;
	tensor x = hidden_states(m, config);

	nn_emit(m, "logits", NN_PER_TOKEN,
			linear(m, x, "lm_head.decoder", .columns = c->common.vocab_size));
}

static void
sequence_classification(nn_model *m, const void *config)
{
	const reformer_config *c = config;
	tensor x = first_tokens(m, hidden_states(m, config));

	x = linear(m, x, "classifier.dense", .columns = c->hidden, .activation = ACTIVATION_TANH);
	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, x, "classifier.out_proj", .columns = c->common.num_labels));
}

static void
question_answering(nn_model *m, const void *config)
{
	const reformer_config *c = config;
	tensor logits =
		linear(m, hidden_states(m, config), "qa_outputs", .columns = c->common.num_labels);

	emit_spans(m, NN_PER_TOKEN, logits);
}

static const nn_variant variants[] = {{"reformer", "Reformer", "reformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"ModelWithLMHead", "fill-mask", language_model},
	{"ForMaskedLM", "fill-mask", language_model},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForQuestionAnswering", "question-answering", question_answering},
	{0},
};

const nn_family family_reformer = {
	.name = "reformer",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(reformer_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
