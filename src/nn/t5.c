/*
 * t5.c
 *	  T5's encoder and decoder: embeddings, layers, scores of words.
 *	  Follows transformers/models/t5/modeling_t5.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/t5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/position_bias.h"

const nn_head t5_heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"EncoderModel", "feature-extraction", seq2seq_encoder_model},
	{0},
};

/* ---- Configuration ---- */

/*
 * "relu", "gated-gelu": which GELU that is, only the gated one says.  What Transformers makes of it
 * when it writes a config.json counts more than the name.
 */
static void
read_projection(tfm_context *context, json file, const char *fallback, t5_config *c)
{
	const char *name = json_string(context, file, "feed_forward_proj", fallback);
	bool gated = name != NULL && strncmp(name, "gated-", strlen("gated-")) == 0;

	if (name == NULL)
		return;
	if (strcmp(name, "gated-gelu") == 0)
		name = "gelu_new";
	else if (gated)
		name += strlen("gated-");
	name = json_string(context, file, "dense_act_fn", name);
	c->gated = json_bool(context, file, "is_gated_act", gated);
	c->activation = name == NULL ? ACTIVATION_NONE : nn_activation(context, name);
}

static tensor encode_batch(nn_model *m, const void *config);
static tensor decode_batch(nn_model *m, const void *config);
static tensor predict_words(nn_model *m, const void *config, tensor x);

void
t5_read_config(tfm_context *context, json file, const char *projection, t5_config *c)
{
	nn_config *common = &c->seq2seq.common;
	int64_t layers;

	common->vocab_size = json_int(context, file, "vocab_size", common->vocab_size, 1, NN_MAX_SIZE);
	common->hidden_size = json_int(context, file, "d_model", common->hidden_size, 1, NN_MAX_SIZE);
	common->max_positions = json_int(context, file, "n_positions", 512, 1, NN_MAX_SIZE);
	common->any_position = true;
	c->layers = (int) json_int(context, file, "num_layers", c->layers, 0, NN_MAX_LAYERS);
	layers = json_int(context, file, "num_decoder_layers", c->layers, 0, NN_MAX_LAYERS);
	c->decoder_layers = (int) layers;
	c->heads = (int) json_int(context, file, "num_heads", c->heads, 1, NN_MAX_HEADS);
	c->head_size = json_int(context, file, "d_kv", 64, 1, NN_MAX_SIZE);
	c->intermediate_size = json_int(context, file, "d_ff", c->intermediate_size, 1, NN_MAX_SIZE);
	c->norm_eps = json_double(context, file, "layer_norm_epsilon", 1e-6);
	c->buckets =
		(int) json_int(context, file, "relative_attention_num_buckets", 32, 4, NN_MAX_SIZE);
	c->max_distance = (int) json_int(context, file, "relative_attention_max_distance", 128,
									 c->buckets / 2 + 1, NN_MAX_SIZE);
	if (projection != NULL)
		read_projection(context, file, projection, c);
	else
		c->activation = nn_activation(context, json_string(context, file, "dense_act_fn", "relu"));
	seq2seq_read_config(context, file, &c->seq2seq);
	c->seq2seq.encode = encode_batch;
	c->seq2seq.decode = decode_batch;
	c->seq2seq.predict_words = predict_words;
}

/* ---- Parts of a layer ---- */

tensor
t5_norm(nn_model *m, tensor x, const t5_config *c, const char *name)
{
	return normalize(m, x, name, &(normalization) {.rms = true, .eps = c->norm_eps});
}

/* Queries, keys or values. */
static tensor
project(nn_model *m, tensor x, const t5_config *c, const char *name)
{
	return linear(m, x, name, .columns = c->heads * c->head_size);
}

static tensor
attend_to_self(nn_model *m, tensor x, const t5_config *c, const attention *how)
{
	tensor h = t5_norm(m, x, c, "layer_norm");
	int64_t size = c->heads * c->head_size;
	tensor qkv = linear_side_by_side(
		m, h,
		&(linear_row) {.count = 3,
					   .names = {"SelfAttention.q", "SelfAttention.k", "SelfAttention.v"},
					   .columns = {size, size, size}});
	tensor a = attend(m, take_columns(qkv, 0, size), take_columns(qkv, size, size),
					  take_columns(qkv, 2 * size, size), how);

	return linear(m, a, "SelfAttention.o", .columns = c->seq2seq.common.hidden_size, .residual = x,
				  .replace = true);
}

static tensor
attend_to_memory(nn_model *m, tensor x, const t5_config *c, int layer)
{
	const nn_memory *memory = m->batch->memory;
	tensor q = project(m, t5_norm(m, x, c, "layer_norm"), c, "EncDecAttention.q");
	tensor k = {0}, v = {0}, a;

	if (memory->states.rank != 0)
	{
		k = project(m, memory->states, c, "EncDecAttention.k");
		v = project(m, memory->states, c, "EncDecAttention.v");
	}
	a = attend(m, q, k, v,
			   &(attention) {.heads = c->heads, .layer = layer, .scale = 1.0, .cross = true});
	return linear(m, a, "EncDecAttention.o", .columns = c->seq2seq.common.hidden_size,
				  .residual = x, .replace = true);
}

/* x plus what the part makes of h, both [tokens, hidden], in the place of x. */
static tensor
feed_densely(nn_model *m, tensor x, tensor h, const t5_config *c)
{
	char names[3][NN_NAME_MAX];
	tensor inner;

	snprintf(names[0], sizeof(names[0]), "%s.%s", c->feed_forward, c->gated ? "wi_0" : "wi");
	snprintf(names[1], sizeof(names[1]), "%s.wi_1", c->feed_forward);
	snprintf(names[2], sizeof(names[2]), "%s.wo", c->feed_forward);
	if (c->gated)
	{
		tensor up = linear(m, h, names[1], .columns = c->intermediate_size);

		inner = linear(m, h, names[0], .columns = c->intermediate_size);
		gate(m, inner, up, c->intermediate_size, 0, c->activation);
	}
	else
		inner =
			linear(m, h, names[0], .columns = c->intermediate_size, .activation = c->activation);
	return linear(m, inner, names[2], .columns = c->seq2seq.common.hidden_size, .residual = x,
				  .replace = true);
}

tensor
t5_feed_forward(nn_model *m, tensor x, const t5_config *c, int layer, int sparse_step)
{
	tensor h = t5_norm(m, x, c, "layer_norm");

	if (sparse_step > 0 && layer % sparse_step == 1 % sparse_step)
		return add(m, x, mixture(m, h, &c->experts), 1.0);
	return feed_densely(m, x, h, c);
}

/* ---- Encoder and decoder ---- */

static tensor
run_layer(nn_model *m, tensor x, const t5_config *c, const attention *how)
{
	bool has_memory = m->batch->memory != NULL;
	nn_scope part = nn_enter(m, "layer.0");

	x = nn_leave(m, part, x, attend_to_self(m, x, c, how));
	if (has_memory)
	{
		part = nn_enter(m, "layer.1");
		x = nn_leave(m, part, x, attend_to_memory(m, x, c, how->layer));
	}
	part = nn_enter(m, "layer.%d", how->causal ? 2 : 1);
	return nn_leave(m, part, x,
					t5_feed_forward(m, x, c, how->layer,
									how->causal ? c->decoder_sparse_step : c->sparse_step));
}

static tensor
find_bias(nn_model *m, const t5_config *c, const char *part, int layer, bool causal)
{
	char name[NN_NAME_MAX];

	snprintf(name, sizeof(name), "%s.block.%d.layer.0.SelfAttention.relative_attention_bias", part,
			 layer);
	return position_bias(m, name,
						 &(position_buckets) {.heads = c->heads,
											  .buckets = c->buckets,
											  .max_distance = c->max_distance,
											  .bidirectional = !causal});
}

tensor
t5_embed(nn_model *m, const t5_config *c, const char *part)
{
	static const char *const words[] = {"encoder.embed_tokens", "shared", "decoder.embed_tokens",
										NULL};
	static const char *const decoder_words[] = {"decoder.embed_tokens", "shared",
												"encoder.embed_tokens", NULL};
	bool decoder = strcmp(part, "decoder") == 0;

	return embed(m, &(embedding) {.hidden_size = c->seq2seq.common.hidden_size,
								  .words = seq2seq_find_words(m, decoder ? decoder_words : words),
								  .word_count = c->seq2seq.common.vocab_size});
}

/* A part over the embeddings of its words. */
static tensor
run_part(nn_model *m, const t5_config *c, const char *name, int layers)
{
	bool causal = strcmp(name, "decoder") == 0;
	attention how = {
		.heads = c->heads, .scale = 1.0, .causal = causal, .stride = 3 * c->heads * c->head_size};
	char final[NN_NAME_MAX];
	tensor x = t5_embed(m, c, name);

	for (int i = 0; i < layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		if (i == 0 || c->bias_in_each_layer)
			how.position_bias = find_bias(m, c, name, i, causal);
		how.layer = i;
		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, "%s.block.%d", name, i);
		x = nn_leave(m, layer, x, run_layer(m, x, c, &how));
	}
	snprintf(final, sizeof(final), "%s.final_layer_norm", name);
	x = t5_norm(m, x, c, final);
	nn_emit_hidden_state(m, layers, x);
	return x;
}

static tensor
encode_batch(nn_model *m, const void *config)
{
	const t5_config *c = config;

	return run_part(m, c, "encoder", c->layers);
}

static tensor
decode_batch(nn_model *m, const void *config)
{
	const t5_config *c = config;

	return run_part(m, c, "decoder", c->decoder_layers);
}

static tensor
predict_words(nn_model *m, const void *config, tensor x)
{
	static const char *const words[] = {"lm_head", "shared", "decoder.embed_tokens",
										"encoder.embed_tokens", NULL};
	const t5_config *c = config;
	double factor = 1.0 / sqrt((double) c->seq2seq.common.hidden_size);

	/* not in place: the caller may want the hidden states */
	if (c->scale_outputs)
	{
		tensor scaled = nn_matrix(m, x.shape[0], x.shape[1]);

		if (nn_live(m))
			memcpy(scaled.data, x.data, (size_t) tensor_count(&x) * sizeof(float));
		x = scale(m, scaled, factor, 0.0);
	}
	return linear(m, x, seq2seq_find_words(m, words), .columns = c->seq2seq.common.vocab_size);
}

/* ---- Caches ---- */

int
t5_cache_layers(const void *config, kv_layer *layers)
{
	const t5_config *c = config;

	for (int i = 0; layers != NULL && i < c->decoder_layers; i++)
		layers[i] = (kv_layer) {
			.heads = c->heads, .key_dim = (int) c->head_size, .value_dim = (int) c->head_size};
	return c->decoder_layers;
}

void
t5_remember(nn_model *m, const void *config)
{
	const t5_config *c = config;

	for (int i = 0; i < c->decoder_layers && !tfm_failed(m->context); i++)
	{
		tensor states = m->batch->memory->states;
		tensor nothing = {.dtype = DTYPE_F32, .rank = 2, .shape = {0, c->heads * c->head_size}};
		nn_scope layer = nn_enter(m, "decoder.block.%d.layer.1.EncDecAttention", i);
		tensor k = project(m, states, c, "k"), v = project(m, states, c, "v");

		/* of no queries at all */
		attend(m, nothing, k, v, &(attention) {.heads = c->heads, .layer = i, .cross = true});
		nn_leave(m, layer, states, states);
	}
}
