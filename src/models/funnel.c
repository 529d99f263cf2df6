/*
 * funnel.c
 *	  Funnel Transformer (Dai et al. 2020): after each block of layers pairs of tokens become one, whose
 *	  first token is left alone; at the end each token is given the state of what it became a part of,
 *	  and decoded.  Attention is Transformer-XL's, both of its forms being the same sums.
 *	  Follows transformers/models/funnel/modeling_funnel.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/electra.h"
#include "nn/encoder.h"
#include "nn/position_bias.h"
#include "nn/relative_attention.h"

#define MAX_BLOCKS 16
#define CLS_TYPE 2 /* tokens of this type are of each other's */

typedef struct funnel_config
{
	nn_config common;
	embedding embedding;
	int blocks, sizes[MAX_BLOCKS], repeats[MAX_BLOCKS];
	int decoder_layers;
	int heads;
	int64_t head_size, inner;
	op_activation activation;
	double norm_eps;
	bool takes_most;	/* of a pair's values the larger ones; else their mean */
	bool separate_cls;	/* the first token is alone */
	bool drops_last;	/* and the last one makes room for it */
	bool pools_queries; /* at first, queries alone are pairs */
} funnel_config;

/* The tokens between two poolings. */
typedef struct level
{
	int64_t tokens;
	int32_t *offsets; /* [sequences + 1] */
	int32_t *types;	  /* [tokens] */
	uint8_t *hidden;
	int32_t *places; /* of tokens within their sequence */
} level;

/* ---- Levels ---- */

static bool
allocate_level(nn_model *m, level *l)
{
	size_t n = (size_t) l->tokens;

	l->offsets = tfm_alloc_array(m->context, (size_t) m->batch->sequences + 1, sizeof(int32_t));
	l->types = tfm_alloc_zero(m->context, n * sizeof(int32_t));
	l->hidden = tfm_alloc_zero(m->context, n);
	l->places = tfm_alloc_array(m->context, n, sizeof(int32_t));
	return !tfm_failed(m->context);
}

static level
first_level(nn_model *m)
{
	const nn_batch *batch = m->batch;
	level l = {.tokens = batch->tokens};

	if (!nn_live(m) || !allocate_level(m, &l))
		return l;
	memcpy(l.offsets, batch->offsets, ((size_t) batch->sequences + 1) * sizeof(int32_t));
	if (batch->types != NULL)
		memcpy(l.types, batch->types, (size_t) l.tokens * sizeof(int32_t));
	if (batch->hidden != NULL)
		memcpy(l.hidden, batch->hidden, (size_t) l.tokens);
	for (int64_t i = 0; i < batch->sequences; i++)
		for (int32_t t = l.offsets[i]; t < l.offsets[i + 1]; t++)
			l.places[t] = t - l.offsets[i];
	return l;
}

/* Whether a sequence of so many tokens has pairs. */
static bool
has_pairs(const funnel_config *c, int64_t count)
{
	return count > (c->separate_cls ? 2 : 1);
}

/* Pairs of a sequence of count tokens. */
static int64_t
count_pairs(const funnel_config *c, int64_t count)
{
	if (!has_pairs(c, count))
		return count;
	return (count + (c->separate_cls && !c->drops_last ? 2 : 1)) / 2;
}

/* The first and the last token of pair k of count tokens; the first of all are a pair of their own. */
static void
find_pair(const funnel_config *c, int64_t count, int64_t k, int64_t *first, int64_t *last)
{
	int64_t shift = c->separate_cls ? 1 : 0, end = count - (c->separate_cls && c->drops_last);

	if (!has_pairs(c, count))
	{
		*first = *last = k;
		return;
	}
	*first = 2 * k - shift < 0 ? 0 : 2 * k - shift;
	*last = 2 * k + 1 - shift < end ? 2 * k + 1 - shift : *first;
}

/* The level of a level's pairs; x [tokens, n], unless it is empty, becomes theirs. */
static level
pool(nn_model *m, const level *from, const funnel_config *c, tensor x, tensor *pooled)
{
	int64_t n = x.shape[1];
	level l = {.tokens = 0};

	for (int64_t i = 0; nn_live(m) && i < m->batch->sequences; i++)
		l.tokens += count_pairs(c, from->offsets[i + 1] - from->offsets[i]);
	if (m->dry)
		l.tokens = from->tokens;
	*pooled = nn_matrix(m, l.tokens, n);
	if (!nn_live(m) || !allocate_level(m, &l))
		return l;
	l.offsets[0] = 0;
	for (int64_t i = 0; i < m->batch->sequences; i++)
	{
		int64_t start = from->offsets[i], count = from->offsets[i + 1] - start;
		int64_t pairs = count_pairs(c, count);

		l.offsets[i + 1] = l.offsets[i] + (int32_t) pairs;
		for (int64_t k = 0; k < pairs; k++)
		{
			int64_t to = l.offsets[i] + k, first, last;

			find_pair(c, count, k, &first, &last);
			l.places[to] = (int32_t) k;
			l.types[to] = from->types[start + first];
			l.hidden[to] = from->hidden[start + first] || from->hidden[start + last];
			for (int64_t j = 0; j < n; j++)
			{
				float a = ((const float *) x.data)[(start + first) * n + j];
				float b = ((const float *) x.data)[(start + last) * n + j];

				((float *) pooled->data)[to * n + j] = c->takes_most   ? fmaxf(a, b)
													   : first == last ? a
																	   : (a + b) / 2;
			}
		}
	}
	return l;
}

/* ---- Distances ---- */

/* Sines and cosines of the distances -(span - 1) .. span - 1, in steps of unit. */
typedef struct distances
{
	tensor rows; /* [2 * span - 1, d_model] */
	int32_t *numbers;
	int64_t span;
} distances;

static distances
make_distances(nn_model *m, int64_t columns, int64_t unit)
{
	distances d = {.span = 2 * position_span(m->batch) + 2};
	int64_t half = columns / 2;

	d.rows = nn_matrix(m, 2 * d.span - 1, columns);
	if (!nn_live(m))
		return d;
	d.numbers = tfm_alloc_array(m->context, (size_t) d.rows.shape[0], sizeof(int32_t));
	for (int64_t row = 0; d.numbers != NULL && row < d.rows.shape[0]; row++)
	{
		float *to = (float *) d.rows.data + row * columns;

		d.numbers[row] = (int32_t) row;
		for (int64_t i = 0; i < half; i++)
		{
			float rate = 1 / powf(10000, (float) i / (float) half);
			float angle = (float) ((row - d.span + 1) * unit) * rate;

			to[i] = sinf(angle);
			to[half + i] = cosf(angle);
		}
	}
	return d;
}

/* ---- Layers ---- */

/* The keys of tokens of the same type, then of others: the checkpoint has them the other way round. */
static tensor
type_keys(nn_model *m, const funnel_config *c)
{
	int64_t n = c->heads * c->head_size;
	const weight *w = nn_weight(m, "attention.seg_embed", LAYOUT_PLAIN, 2, n);
	tensor y = nn_matrix(m, 2, n);

	for (int64_t i = 0; nn_live(m) && i < 2 * n; i++)
		((float *) y.data)[i] = ((const float *) w->data)[(i + n) % (2 * n)];
	return y;
}

/* Queries x of one level look at keys y of another, places of both being in the distances' unit. */
static tensor
run_layer(nn_model *m, tensor x, const relative_tokens *queries, tensor y,
		  const relative_tokens *keys, const distances *d, const funnel_config *c)
{
	int64_t n = c->heads * c->head_size;
	tensor q = linear(m, x, "attention.q_head", .columns = n);
	tensor k = linear(m, y, "attention.k_head", .columns = n);
	tensor v = linear(m, y, "attention.v_head", .columns = n), a;
	relative_attention how = {
		.heads = c->heads,
		.rows = d->numbers,
		.span = d->span,
		.position_keys =
			linear(m, d->rows, "attention.r_kernel[0/1]", .columns = n, .transposed = true),
		.position_x = add_head_bias(m, q, "attention.r_r_bias", c->heads),
		.type_keys = type_keys(m, c),
		.type_x = add_head_bias(m, q, "attention.r_s_bias", c->heads),
		.any_type = CLS_TYPE,
		.first_apart = c->separate_cls,
		.queries = *queries,
		.keys = *keys,
	};

	a = attend_relative(m, add_head_bias(m, q, "attention.r_w_bias", c->heads), k, v, &how);
	a = linear(m, a, "attention.post_proj", .columns = c->common.hidden_size, .residual = x,
			   .norm = "attention.layer_norm", .norm_eps = c->norm_eps);
	y = linear(m, a, "ffn.linear_1", .columns = c->inner, .activation = c->activation);
	return linear(m, y, "ffn.linear_2", .columns = c->common.hidden_size, .residual = a,
				  .norm = "ffn.layer_norm", .norm_eps = c->norm_eps);
}

static relative_tokens
tokens_of(const level *l)
{
	return (relative_tokens) {l->offsets, l->places, l->types, l->hidden};
}

static tensor
run_level_layer(nn_model *m, tensor x, const level *l, const distances *d, const funnel_config *c)
{
	relative_tokens tokens = tokens_of(l);
	nn_scope layer = nn_begin(m);

	return nn_leave(m, layer, x, run_layer(m, x, &tokens, x, &tokens, d, c));
}

/*
 * The first layer of a block: pairs look at what they are pairs of.  Pair k is between tokens 2 k - 1
 * and 2 k, or begins with 2 k where the first token is no pair.
 */
static tensor
run_pooling_layer(nn_model *m, tensor pairs, const level *l, tensor x, const level *before,
				  int64_t unit, const funnel_config *c)
{
	distances d = make_distances(m, c->common.hidden_size, unit);
	relative_tokens queries = tokens_of(l), keys = tokens_of(before);
	int32_t *query_places = NULL, *key_places = NULL;

	if (nn_live(m))
	{
		query_places = tfm_alloc_array(m->context, (size_t) l->tokens, sizeof(int32_t));
		key_places = tfm_alloc_array(m->context, (size_t) before->tokens, sizeof(int32_t));
	}
	for (int64_t i = 0; query_places != NULL && key_places != NULL && i < m->batch->sequences; i++)
	{
		bool pooled = has_pairs(c, before->offsets[i + 1] - before->offsets[i]);

		for (int64_t t = l->offsets[i]; t < l->offsets[i + 1]; t++)
			query_places[t] = 2 * l->places[t] - (pooled && c->separate_cls ? 1 : 0);
		for (int64_t t = before->offsets[i]; t < before->offsets[i + 1]; t++)
			key_places[t] = (pooled ? 1 : 2) * before->places[t];
	}
	queries.places = query_places;
	keys.places = key_places;
	return run_layer(m, pairs, &queries, x, &keys, &d, c);
}

/* ---- The pass ---- */

static tensor
copy_of(nn_model *m, tensor x)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);

	if (nn_live(m))
		memcpy(y.data, x.data, (size_t) tensor_count(&x) * sizeof(float));
	return y;
}

/* A pass through the encoder. */
typedef struct encoding
{
	level first, last;	/* before the first block, and after the last */
	tensor first_block; /* the states that the decoder goes on from */
	int states;			/* that were emitted */
} encoding;

/* A layer of block b, before whose first the tokens become pairs; x's tokens are e->last. */
static tensor
run_block_layer(nn_model *m, tensor x, encoding *e, bool pools, int b, const distances *d,
				const funnel_config *c)
{
	level before = e->last;
	tensor pairs;

	if (!pools)
		return run_level_layer(m, x, &e->last, d, c);
	e->last = pool(m, &before, c, x, &pairs);
	if (!c->pools_queries)
		return run_level_layer(m, pairs, &e->last, d, c);
	return run_pooling_layer(m, pairs, &e->last, x, &before, (int64_t) 1 << (b - 1), c);
}

static tensor
run_block(nn_model *m, tensor x, encoding *e, int b, const funnel_config *c)
{
	distances d = make_distances(m, c->common.hidden_size, (int64_t) 1 << b);

	for (int i = 0; i < c->sizes[b] * c->repeats[b] && !tfm_failed(m->context); i++)
	{
		size_t length = strlen(m->scope);

		nn_enter(m, "encoder.blocks.%d.%d", b, i / c->repeats[b]);
		x = run_block_layer(m, x, e, b > 0 && i == 0, b, &d, c);
		m->scope[length] = '\0'; /* what the layer has made stays */
		if (b == 0)
			nn_emit_hidden_state(m, ++e->states, x);
		else
			nn_emit_other_state(m, ++e->states, x);
		if (b == 0 && e->states == c->sizes[0])
			e->first_block = copy_of(m, x);
	}
	return x;
}

/* All blocks: the states of the last level's tokens. */
static tensor
run_encoder(nn_model *m, const funnel_config *c, encoding *e)
{
	tensor x = embed(m, &c->embedding);

	*e = (encoding) {.first = first_level(m)};
	e->last = e->first;
	nn_emit_hidden_state(m, 0, x);
	for (int b = 0; b < c->blocks; b++)
		x = run_block(m, x, e, b, c);
	return x;
}

/* Each token has the state of what it has become a part of, and its own after the first block. */
static tensor
upsample(nn_model *m, const funnel_config *c, const encoding *e, tensor x)
{
	int64_t n = c->common.hidden_size, stride = (int64_t) 1 << (c->blocks - 1);
	tensor y = copy_of(m, e->first_block);

	for (int64_t i = 0; nn_live(m) && i < m->batch->sequences; i++)
	{
		int64_t first = e->last.offsets[i], count = e->last.offsets[i + 1] - first;
		int64_t start = e->first.offsets[i];

		for (int64_t t = 0; t < e->first.offsets[i + 1] - start; t++)
		{
			int64_t part = !c->separate_cls ? t / stride : t == 0 ? 0 : (t - 1) / stride + 1;

			for (int64_t j = 0; part < count && j < n; j++)
				((float *) y.data)[(start + t) * n + j] +=
					((const float *) x.data)[(first + part) * n + j];
		}
	}
	return y;
}

/* Without a decoder, which classifiers of whole texts do not have, it is left out. */
static tensor
hidden_states(nn_model *m, const void *config)
{
	const funnel_config *c = config;
	distances d;
	encoding e;
	tensor x = run_encoder(m, c, &e);

	if (c->blocks > 1)
		x = upsample(m, c, &e, x);
	if (!nn_has_weight(m, "decoder.layers.0.attention.q_head.weight"))
		return x;
	d = make_distances(m, c->common.hidden_size, 1);
	nn_emit_hidden_state(m, ++e.states, x);
	for (int i = 0; i < c->decoder_layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer = nn_enter(m, "decoder.layers.%d", i);

		x = nn_leave(m, layer, x, run_level_layer(m, x, &e.first, &d, c));
		nn_emit_hidden_state(m, ++e.states, x);
	}
	return x;
}

/* ---- Configuration ---- */

static int
read_block_list(tfm_context *context, json file, const char *key, int fallback, int *list)
{
	json values = json_member(file, key), value = json_first(values);
	int count = 0;

	for (; json_present(value) && count < MAX_BLOCKS; value = json_next(value))
	{
		int64_t number = 0;

		if (!json_to_int(value, 1, NN_MAX_LAYERS, &number))
			tfm_fail(context, TFM_CORRUPTED, "%s: \"%s\" has no positive numbers", file.source,
					 key);
		list[count++] = (int) number;
	}
	if (json_present(value))
		tfm_fail(context, TFM_UNSUPPORTED, "%s: \"%s\" has more than %d entries", file.source, key,
				 MAX_BLOCKS);
	for (int i = 0; count == 0 && i < MAX_BLOCKS; i++)
		list[i] = fallback;
	return count == 0 ? 3 : count;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	funnel_config *c = config;
	int64_t size = json_int(context, file, "hidden_size", 768, 1, NN_MAX_SIZE);
	int64_t heads = json_int(context, file, "num_attention_heads", 12, 1, NN_MAX_HEADS);

	*c = (funnel_config) {
		.common = {.vocab_size = json_int(context, file, "vocab_size", 30522, 1, NN_MAX_SIZE),
				   .hidden_size = json_int(context, file, "d_model", size, 1, NN_MAX_SIZE),
				   .max_positions = 512,
				   .any_position = true,
				   .num_labels = nn_read_num_labels(context, file),
				   .tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true)},
		.decoder_layers = (int) json_int(context, file, "num_decoder_layers", 2, 0, NN_MAX_LAYERS),
		.heads = (int) json_int(context, file, "n_head", heads, 1, NN_MAX_HEADS),
		.head_size = json_int(context, file, "d_head", 64, 1, NN_MAX_SIZE),
		.inner = json_int(context, file, "d_inner", 3072, 1, NN_MAX_SIZE),
		.activation = nn_activation(context, json_string(context, file, "hidden_act", "gelu_new")),
		.norm_eps = json_double(context, file, "layer_norm_eps", 1e-9),
		.takes_most = strcmp(json_string(context, file, "pooling_type", "mean"), "max") == 0,
		.separate_cls = json_bool(context, file, "separate_cls", true),
		.drops_last = json_bool(context, file, "truncate_seq", true),
		.pools_queries = json_bool(context, file, "pool_q_only", true),
	};
	c->blocks = read_block_list(context, file, "block_sizes", 4, c->sizes);
	read_block_list(context, file, "block_repeats", 1, c->repeats);
	for (int i = 0; i < c->blocks; i++)
		c->repeats[i] = c->repeats[i] < 1 ? 1 : c->repeats[i];
	c->common.embedding_size = c->common.hidden_size;
	c->embedding = (embedding) {.hidden_size = c->common.hidden_size,
								.words = "embeddings.word_embeddings",
								.word_count = c->common.vocab_size,
								.norm = "embeddings.layer_norm",
								.norm_eps = c->norm_eps};
	if (c->common.hidden_size % 2 != 0)
		tfm_fail(context, TFM_CORRUPTED, "%s: \"d_model\" is not even", file.source);
}

/* ---- Heads ---- */

static void
model(nn_model *m, const void *config)
{
	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, hidden_states(m, config));
}

static void
base_model(nn_model *m, const void *config)
{
	encoding e;

	nn_emit_other_tokens(m, "last_hidden_state", run_encoder(m, config, &e));
}

static void
pre_training(nn_model *m, const void *config)
{
	const funnel_config *c = config;

	electra_discriminate(m, hidden_states(m, config), c->activation);
}

static void
masked_lm(nn_model *m, const void *config)
{
	const nn_config *c = config;

	nn_emit(m, "logits", NN_PER_TOKEN,
			linear(m, hidden_states(m, config), "lm_head", .columns = c->vocab_size,
				   .tied = c->tie_word_embeddings ? "embeddings.word_embeddings" : NULL));
}

/* Of the first token of the encoder's last level. */
static tensor
classify(nn_model *m, const void *config, int64_t columns)
{
	encoding e;
	tensor x = run_encoder(m, config, &e);

	x = take_rows(m, x, e.last.offsets, m->batch->sequences);
	x = linear(m, x, "classifier.linear_hidden", .activation = ACTIVATION_TANH);
	return linear(m, x, "classifier.linear_out", .columns = columns);
}

static void
sequence_classification(nn_model *m, const void *config)
{
	const nn_config *c = config;

	nn_emit(m, "logits", NN_PER_SEQUENCE, classify(m, config, c->num_labels));
}

static void
multiple_choice(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_CHOICE, classify(m, config, 1));
}

static void
token_classification(nn_model *m, const void *config)
{
	const nn_config *c = config;

	nn_emit(m, "logits", NN_PER_TOKEN,
			linear(m, hidden_states(m, config), "classifier", .columns = c->num_labels));
}

static void
question_answering(nn_model *m, const void *config)
{
	const nn_config *c = config;
	tensor logits = linear(m, hidden_states(m, config), "qa_outputs", .columns = c->num_labels);

	emit_spans(m, NN_PER_TOKEN, logits);
}

static const nn_variant variants[] = {{"funnel", "Funnel", "funnel"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", model},
	{"BaseModel", "feature-extraction", base_model},
	{"ForPreTraining", "fill-mask", pre_training},
	{"ForMaskedLM", "fill-mask", masked_lm},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForMultipleChoice", "multiple-choice", multiple_choice},
	{"ForTokenClassification", "token-classification", token_classification},
	{"ForQuestionAnswering", "question-answering", question_answering},
	{0},
};

const nn_family family_funnel = {
	.name = "funnel",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(funnel_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
