/*
 * perceiver.c
 *	  Perceiver IO (Jaegle et al. 2021) over texts, pixels, or any rows of numbers: a few latents look
 *	  at the input once, then at each other; what is asked of them looks at the latents.
 *	  Follows transformers/models/perceiver/modeling_perceiver.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/family.h"
#include "nn/inputs.h"
#include "nn/layers.h"

#define NORM_EPS 1e-5

/* Of pictures whose places are learned: colours of a pixel, columns of a pixel and of its place. */
#define COLOURS 3
#define PIXEL_COLUMNS 256

typedef struct perceiver_config
{
	nn_config common; /* hidden_size is that of latents, embedding_size that of the input */
	int64_t inputs;	  /* columns of what the latents look at */
	int64_t pixels;	  /* of a picture; 0: the input is none */
	int64_t latents;
	int blocks, layers; /* times that the layers are run, and how many they are */
	int heads, cross_heads;
	int64_t key_columns, value_columns; /* of keys and of values; 0: as what they are made of */
	int64_t widening, cross_widening;	/* columns inside of mlp, times those outside */
	op_activation activation;
	bool keys_as_queries; /* the cross attention's keys have as many columns as its queries */
	bool residual;		  /* it keeps its queries */
} perceiver_config;

/* A layer: attention, to the batch's memory or among x's own rows, and mlp. */
typedef struct perceiver_layer
{
	int heads;
	int64_t key_columns, value_columns;
	int64_t widening;
	bool cross;
	bool residual;
} perceiver_layer;

/* ---- Configuration ---- */

static int64_t
read_size(tfm_context *context, json file, const char *key, int64_t fallback)
{
	return json_int(context, file, key, fallback, 1, NN_MAX_SIZE);
}

static int
read_count(tfm_context *context, json file, const char *key, int64_t fallback)
{
	return (int) json_int(context, file, key, fallback, 1, NN_MAX_HEADS);
}

/* Pictures are rows of pixels. */
static void
read_pictures(tfm_context *context, json file, perceiver_config *c)
{
	const char *class = json_as_string(json_first(json_member(file, "architectures")));
	int64_t side;

	if (class == NULL || strstr(class, "ForImageClassificationLearned") == NULL)
		return;
	side = json_int(context, file, "image_size", 56, 1, 1 << 15);
	c->pixels = side * side;
	c->inputs = 2 * PIXEL_COLUMNS;
	c->common.embedding_size = COLOURS;
	c->common.max_positions = c->pixels;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	perceiver_config *c = config;
	const char *shape = json_string(context, file, "cross_attention_shape_for_attention", "kv");

	*c = (perceiver_config) {
		.common = {.vocab_size = read_size(context, file, "vocab_size", 262),
				   .hidden_size = read_size(context, file, "d_latents", 1280),
				   .embedding_size = read_size(context, file, "d_model", 768),
				   .max_positions = read_size(context, file, "max_position_embeddings", 2048),
				   .num_labels = nn_read_num_labels(context, file),
				   .pad_token_id = -1},
		.latents = read_size(context, file, "num_latents", 256),
		.blocks = read_count(context, file, "num_blocks", 1),
		.layers = read_count(context, file, "num_self_attends_per_block", 26),
		.heads = read_count(context, file, "num_self_attention_heads", 8),
		.cross_heads = read_count(context, file, "num_cross_attention_heads", 8),
		.key_columns = json_int(context, file, "qk_channels", 0, 1, NN_MAX_SIZE),
		.value_columns = json_int(context, file, "v_channels", 0, 1, NN_MAX_SIZE),
		.widening = read_count(context, file, "self_attention_widening_factor", 1),
		.cross_widening = read_count(context, file, "cross_attention_widening_factor", 1),
		.activation = nn_activation(context, json_string(context, file, "hidden_act", "gelu")),
		.keys_as_queries = shape != NULL && strcmp(shape, "q") == 0,
		.residual = json_bool(context, file, "use_query_residual", true),
	};
	c->inputs = c->common.embedding_size;
	read_pictures(context, file, c);
}

/* ---- Layers ---- */

static tensor
run_layer(nn_model *m, tensor x, const perceiver_config *c, const perceiver_layer *layer)
{
	const attention how = {.heads = layer->heads, .cross = layer->cross};
	tensor h = layer_norm(m, x, "attention.self.layernorm1", NORM_EPS), seen = h;
	tensor q, k, v, a;

	if (layer->cross)
		seen = layer_norm(m, m->batch->memory->states, "attention.self.layernorm2", NORM_EPS);
	q = linear(m, h, "attention.self.query", .columns = layer->key_columns);
	k = linear(m, seen, "attention.self.key", .columns = layer->key_columns);
	v = linear(m, seen, "attention.self.value", .columns = layer->value_columns);
	a = linear(m, attend(m, q, k, v, &how), "attention.output.dense", .columns = x.shape[1],
			   .residual = layer->residual ? x : (tensor) {0});
	h = linear(m, layer_norm(m, a, "layernorm", NORM_EPS), "mlp.dense1",
			   .columns = layer->widening * x.shape[1], .activation = c->activation);
	return linear(m, h, "mlp.dense2", .columns = x.shape[1], .residual = a);
}

static int64_t
either(int64_t value, int64_t fallback)
{
	return value != 0 ? value : fallback;
}

/* The latents look at the memory, then block after block at each other. */
static tensor
run_latents(nn_model *m, tensor x, const perceiver_config *c)
{
	int64_t latents = c->common.hidden_size;
	perceiver_layer layer = {.heads = c->cross_heads,
							 .key_columns =
								 either(c->key_columns, c->keys_as_queries ? latents : c->inputs),
							 .widening = c->cross_widening,
							 .cross = true,
							 .residual = c->residual};
	nn_scope scope = nn_enter(m, "encoder.cross_attention");

	layer.value_columns = either(c->value_columns, layer.key_columns);
	x = nn_leave(m, scope, x, run_layer(m, x, c, &layer));
	layer = (perceiver_layer) {.heads = c->heads,
							   .key_columns = either(c->key_columns, latents),
							   .widening = c->widening,
							   .residual = true};
	layer.value_columns = either(c->value_columns, layer.key_columns);
	for (int i = 0; i < c->blocks * c->layers && !tfm_failed(m->context); i++)
	{
		nn_emit_hidden_state(m, i, x);
		scope = nn_enter(m, "encoder.self_attends.%d", i % c->layers);
		x = nn_leave(m, scope, x, run_layer(m, x, c, &layer));
	}
	return x;
}

/* ---- Rows that each sequence has ---- */

/* A batch of count rows for each sequence, which look at other rows of the same. */
static nn_batch
make_batch(nn_model *m, int64_t count, const nn_memory *memory)
{
	nn_batch batch = {.sequences = m->batch->sequences,
					  .tokens = m->batch->sequences * count,
					  .choices = 1,
					  .memory = memory};
	int32_t *offsets = tfm_alloc_array(m->context, (size_t) batch.sequences + 1, sizeof(int32_t));

	if (batch.tokens > INT32_MAX)
		tfm_fail(m->context, TFM_LIMIT_EXCEEDED, "a batch has too many tokens");
	for (int64_t i = 0; !tfm_failed(m->context) && i <= batch.sequences; i++)
		offsets[i] = (int32_t) (i * count);
	batch.offsets = offsets;
	return batch;
}

/* The tensor called name [count, columns], for each sequence -> [sequences * count, columns]. */
static tensor
repeat_rows(nn_model *m, const char *name, int64_t count, int64_t columns)
{
	const weight *w = nn_weight(m, name, LAYOUT_PLAIN, count, columns);
	tensor y = nn_matrix(m, m->batch->sequences * count, columns);
	size_t bytes = (size_t) (count * columns) * sizeof(float);

	for (int64_t i = 0; w != NULL && nn_live(m) && i < m->batch->sequences; i++)
		memcpy((char *) y.data + (size_t) i * bytes, w->data, bytes);
	return y;
}

/* A convolution of single pixels: x [pixels, colours] -> [pixels, PIXEL_COLUMNS]. */
static tensor
mix_colours(nn_model *m, tensor x)
{
	const weight *w =
		nn_weight(m, "input_preprocessor.convnet_1x1.weight", LAYOUT_PLAIN, PIXEL_COLUMNS, COLOURS);
	const weight *bias =
		nn_weight(m, "input_preprocessor.convnet_1x1.bias", LAYOUT_PLAIN, 0, PIXEL_COLUMNS);
	tensor y = nn_matrix(m, x.shape[0], PIXEL_COLUMNS);

	for (int64_t i = 0; nn_live(m) && i < x.shape[0] * PIXEL_COLUMNS; i++)
	{
		const float *pixel = (const float *) x.data + i / PIXEL_COLUMNS * COLOURS;
		const float *row = (const float *) w->data + i % PIXEL_COLUMNS * COLOURS;
		float sum = ((const float *) bias->data)[i % PIXEL_COLUMNS];

		for (int j = 0; j < COLOURS; j++)
			sum += row[j] * pixel[j];
		((float *) y.data)[i] = sum;
	}
	return y;
}

/* Pixels x [tokens, colours] and their places -> [tokens, 2 * PIXEL_COLUMNS]. */
static tensor
embed_pixels(nn_model *m, const perceiver_config *c, tensor x)
{
	tensor y = nn_matrix(m, x.shape[0], 2 * PIXEL_COLUMNS), places;

	if (nn_live(m) && m->batch->tokens != m->batch->sequences * c->pixels)
	{
		tfm_fail(m->context, TFM_INVALID_ARGUMENT, "pictures must have %lld pixels",
				 (long long) c->pixels);
		return y;
	}
	places = repeat_rows(m, "input_preprocessor.position_embeddings.position_embeddings", c->pixels,
						 PIXEL_COLUMNS);
	put_columns(m, y, mix_colours(m, x), 0);
	put_columns(m, y, linear(m, places, "input_preprocessor.positions_projection"), PIXEL_COLUMNS);
	return y;
}

/* Texts have words and positions; else rows are what the caller gives. */
static tensor
embed_inputs(nn_model *m, const perceiver_config *c)
{
	const nn_config *common = &c->common;
	bool texts = nn_has_weight(m, "input_preprocessor.embeddings.weight");
	tensor x;

	if (texts && (m->dry || m->batch->embeds == NULL))
		return embed(m, &(embedding) {.hidden_size = common->embedding_size,
									  .words = "input_preprocessor.embeddings",
									  .word_count = common->vocab_size,
									  .positions = "input_preprocessor.position_embeddings",
									  .position_count = common->max_positions});
	x = nn_matrix(m, m->batch->tokens, common->embedding_size);
	if (nn_live(m) && m->batch->embeds == NULL)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT,
				 "argument \"inputs\" must have rows of %lld numbers: the model has no words",
				 (long long) common->embedding_size);
	if (nn_live(m))
		memcpy(x.data, m->batch->embeds, (size_t) tensor_count(&x) * sizeof(float));
	return c->pixels == 0 ? x : embed_pixels(m, c, x);
}

/* -> [sequences * latents, hidden] */
static tensor
make_latents(nn_model *m, const perceiver_config *c)
{
	const nn_batch *batch = m->batch;
	nn_memory memory = {
		.states = embed_inputs(m, c), .offsets = batch->offsets, .hidden = batch->hidden};
	nn_batch latents = make_batch(m, c->latents, &memory);
	tensor x = repeat_rows(m, "embeddings.latents", c->latents, c->common.hidden_size);

	latents.output_hidden_states = batch->output_hidden_states;
	m->batch = &latents;
	x = run_latents(m, x, c);
	m->batch = batch;
	return x;
}

/* Queries that the decoder called name has, count for each sequence, look at the latents. */
static tensor
ask_latents(nn_model *m, const perceiver_config *c, tensor latents, const char *name, int64_t count,
			int64_t columns, const perceiver_layer *layer)
{
	const nn_batch *batch = m->batch, of_latents = make_batch(m, c->latents, NULL);
	nn_memory memory = {.states = latents, .offsets = of_latents.offsets};
	nn_batch asking = make_batch(m, count, &memory);
	nn_scope scope = nn_enter(m, "%s", name);
	tensor x = repeat_rows(m, "output_position_encodings.position_embeddings", count, columns);
	nn_scope inner = nn_enter(m, "decoding_cross_attention");

	m->batch = &asking;
	x = run_layer(m, x, c, layer);
	m->batch = batch;
	m->scope[inner.length] = '\0';
	m->scope[scope.length] = '\0';
	return x;
}

/* ---- Heads ---- */

/* Latents are no tokens: each token has the mean of its text's. */
static tensor
hidden_states(nn_model *m, const void *config)
{
	const perceiver_config *c = config;
	const nn_batch *batch = m->batch;
	tensor latents = make_latents(m, c);
	int64_t n = c->common.hidden_size;
	tensor y = nn_matrix(m, batch->tokens, n);

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		for (int64_t column = 0; column < n; column++)
		{
			double sum = 0;

			for (int64_t j = 0; j < c->latents; j++)
				sum += ((const float *) latents.data)[(i * c->latents + j) * n + column];
			for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
				((float *) y.data)[t * n + column] = (float) (sum / (double) c->latents);
		}
	return y;
}

/* x [sequences * rows, n] as [sequences, rows, n]. */
static void
emit_rows(nn_model *m, const char *name, tensor x, int64_t rows)
{
	x.shape[2] = x.shape[1];
	x.shape[1] = rows;
	x.shape[0] = m->batch->sequences;
	x.rank = 3;
	nn_emit(m, name, NN_AS_SHAPED, x);
}

static void
base_model(nn_model *m, const void *config)
{
	const perceiver_config *c = config;

	emit_rows(m, "last_hidden_state", make_latents(m, c), c->latents);
}

/* Scores of all positions that there are, however long the text is. */
static void
masked_lm(nn_model *m, const void *config)
{
	const perceiver_config *c = config;
	int64_t columns = c->common.embedding_size;
	perceiver_layer layer = {
		.heads = 8, .key_columns = 256, .value_columns = columns, .widening = 1, .cross = true};
	tensor x =
		ask_latents(m, c, make_latents(m, c), "decoder", c->common.max_positions, columns, &layer);

	x = linear(m, x, "embedding_decoder", .columns = c->common.vocab_size,
			   .tied = "input_preprocessor.embeddings");
	emit_rows(m, "logits", x, c->common.max_positions);
}

static void
classification(nn_model *m, const void *config)
{
	const perceiver_config *c = config;
	int64_t columns = c->common.hidden_size;
	perceiver_layer layer = {.heads = 1,
							 .key_columns = columns,
							 .value_columns = columns,
							 .widening = 1,
							 .cross = true,
							 .residual = true};
	tensor x = ask_latents(m, c, make_latents(m, c), "decoder.decoder", 1, columns, &layer);

	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, x, "decoder.decoder.final_layer", .columns = c->common.num_labels));
}

static const nn_variant variants[] = {{"perceiver", "Perceiver", "perceiver"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"ForMaskedLM", "fill-mask", masked_lm},
	{"ForSequenceClassification", "text-classification", classification},
	{"ForImageClassificationLearned", "image-classification", classification},
	{0},
};

const nn_family family_perceiver = {
	.name = "perceiver",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(perceiver_config),
	.read_config = read_config,
	.main_input = "inputs",
	.hidden_states = hidden_states,
};
