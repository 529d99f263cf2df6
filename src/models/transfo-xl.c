/*
 * transfo-xl.c
 *	  Transformer-XL (Dai et al. 2019): attention by content and distance, that begins with a memory of
 *	  zeros, and a vocabulary in clusters, of which rarer ones have smaller embeddings.
 *	  Follows transformers/models/deprecated/transfo_xl/ of Transformers 4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "nn/adaptive.h"
#include "nn/family.h"
#include "nn/layers.h"
#include "nn/relative_attention.h"
#include "nn/sinusoid.h"

#define UNSEEN -1e30f

typedef struct transfo_xl_config
{
	nn_config common;
	int layers, heads;
	int64_t head_dim, inner;
	double norm_eps;
	bool norm_first; /* of what a part is given; else of its sum */
	bool same_length;
	bool own_biases; /* each layer has its own */
	int64_t memory;	 /* tokens that there are before the first, all zeros */
	int64_t clamp;	 /* farther ones are as far as this; 0: none is */

	adaptive_words words;
} transfo_xl_config;

/* ---- Attention ---- */

/* What the layers of a pass share: the keys' side begins with the memory. */
typedef struct pass
{
	const transfo_xl_config *config;
	relative_attention how;
	tensor distances;
} pass;

static void
hide_unseen(const void *argument, int64_t query, int queries, int64_t key, float *scores)
{
	const pass *p = argument;
	const transfo_xl_config *c = p->config;

	for (int i = 0; i < queries; i++)
	{
		int64_t distance = (int64_t) p->how.queries.places[query + i] - p->how.keys.places[key];

		if (distance < 0 || (c->same_length && distance >= c->memory))
			scores[i] += UNSEEN;
	}
}

/* Places of the tokens, after those of the memory, of which each sequence has one. */
static bool
place_tokens(nn_model *m, pass *p, int64_t *longest)
{
	const nn_batch *batch = m->batch;
	int64_t memory = p->config->memory, keys = batch->tokens + batch->sequences * memory, at = 0;
	int32_t *offsets, *places, *own;

	*longest = batch->tokens + memory;
	if (!nn_live(m))
		return false;
	if (keys > INT32_MAX)
		return tfm_fail(m->context, TFM_LIMIT_EXCEEDED, "a batch has too many tokens");
	offsets = tfm_alloc_array(m->context, (size_t) batch->sequences + 1, sizeof(int32_t));
	places = tfm_alloc_array(m->context, (size_t) keys, sizeof(int32_t));
	own = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	if (offsets == NULL || places == NULL || own == NULL)
		return false;
	for (int64_t i = 0; i < batch->sequences; i++)
	{
		int64_t first = batch->offsets[i], count = batch->offsets[i + 1] - first;

		offsets[i] = (int32_t) at;
		for (int64_t t = 0; t < memory + count; t++)
			places[at++] = (int32_t) t;
		for (int64_t t = 0; t < count; t++)
			own[first + t] = (int32_t) (memory + t);
	}
	offsets[batch->sequences] = (int32_t) at;
	p->how.keys = (relative_tokens) {.offsets = offsets, .places = places};
	p->how.queries = (relative_tokens) {.offsets = batch->offsets, .places = own};
	return true;
}

static pass
begin_pass(nn_model *m, const transfo_xl_config *c)
{
	pass p = {.config = c, .how = {.heads = c->heads, .any_type = -1, .more = hide_unseen}};
	int64_t span, count;
	int32_t *rows;
	bool placed = place_tokens(m, &p, &span);

	for (int64_t i = 0; placed && i < m->batch->sequences; i++)
		if (i == 0 || p.how.keys.offsets[i + 1] - p.how.keys.offsets[i] > span)
			span = p.how.keys.offsets[i + 1] - p.how.keys.offsets[i];
	count = c->clamp > 0 && span > c->clamp + 1 ? c->clamp + 1 : span;
	p.distances = make_sinusoids(m, 0, count, c->common.hidden_size);
	rows = placed ? tfm_alloc_array(m->context, (size_t) (2 * span), sizeof(int32_t)) : NULL;
	/* Keys that come after their query are not seen, whatever they have. */
	for (int64_t i = 0; rows != NULL && i < 2 * span; i++)
	{
		int64_t distance = i - (span - 1);

		rows[i] = (int32_t) (distance < 0 ? 0 : distance < count ? distance : count - 1);
	}
	p.how.rows = rows;
	p.how.span = span;
	return p;
}

/* Rows of x [tokens, n] after the memory's, which are all as the one row of memory [1, n]. */
static tensor
put_after_memory(nn_model *m, const pass *p, tensor x, tensor memory)
{
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1], count = p->config->memory;
	tensor y = nn_matrix(m, batch->tokens + batch->sequences * count, n);
	float *to = y.data;

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
	{
		int64_t own = (batch->offsets[i + 1] - batch->offsets[i]) * n;

		for (int64_t t = 0; t < count; t++, to += n)
			memcpy(to, memory.data, (size_t) n * sizeof(float));
		memcpy(to, (const float *) x.data + batch->offsets[i] * n, (size_t) own * sizeof(float));
		to += own;
	}
	return y;
}

/* Queries, keys and values of x [rows, hidden], normed first if the model does -> three of [rows, n]. */
static void
project(nn_model *m, const pass *p, tensor x, tensor *q, tensor *k, tensor *v)
{
	int64_t n = p->config->heads * p->config->head_dim;
	tensor *results[] = {q, k, v};
	static const char *const names[] = {"dec_attn.qkv_net[0/3]", "dec_attn.qkv_net[1/3]",
										"dec_attn.qkv_net[2/3]"};

	if (p->config->norm_first)
		x = layer_norm(m, x, "dec_attn.layer_norm", p->config->norm_eps);
	for (int i = 0; i < 3; i++)
		if (results[i] != NULL)
			*results[i] = linear(m, x, names[i], .columns = n);
}

/* The bias of queries called name, the layer's or that of all: a copy of q with it. */
static tensor
add_bias(nn_model *m, const pass *p, tensor q, const char *name)
{
	char own[NN_NAME_MAX], scope[NN_NAME_MAX];
	tensor y;

	snprintf(own, sizeof(own), "dec_attn.%s", name);
	if (p->config->own_biases || nn_has_weight(m, own))
		return add_head_bias(m, q, own, p->config->heads);
	strcpy(scope, m->scope);
	m->scope[0] = '\0';
	y = add_head_bias(m, q, name, p->config->heads);
	strcpy(m->scope, scope);
	return y;
}

static tensor
attend_memory(nn_model *m, const pass *p, tensor x)
{
	int64_t n = p->config->heads * p->config->head_dim;
	relative_attention how = p->how;
	tensor nothing = nn_matrix(m, 1, x.shape[1]);
	tensor q = {0}, k = {0}, v = {0}, memory_k = {0}, memory_v = {0};

	if (nn_live(m))
		memset(nothing.data, 0, (size_t) tensor_count(&nothing) * sizeof(float));
	project(m, p, x, &q, &k, &v);
	project(m, p, nothing, NULL, &memory_k, &memory_v);
	if (tfm_failed(m->context))
		return (tensor) {0};
	how.position_keys = linear(m, p->distances, "dec_attn.r_net", .columns = n);
	how.position_x = add_bias(m, p, q, "r_r_bias");
	how.more_argument = p;
	return attend_relative(m, add_bias(m, p, q, "r_w_bias"), put_after_memory(m, p, k, memory_k),
						   put_after_memory(m, p, v, memory_v), &how);
}

/* ---- Layers ---- */

/* A part's last product, added to x, and normed unless x was: y [tokens, k] -> [tokens, hidden]. */
static tensor
end_part(nn_model *m, const transfo_xl_config *c, tensor x, tensor y, const char *name,
		 const char *norm)
{
	return linear(m, y, name, .columns = c->common.hidden_size, .residual = x,
				  .norm = c->norm_first ? NULL : norm, .norm_eps = c->norm_eps);
}

static tensor
run_layer(nn_model *m, const pass *p, tensor x)
{
	const transfo_xl_config *c = p->config;
	tensor y = end_part(m, c, x, attend_memory(m, p, x), "dec_attn.o_net", "dec_attn.layer_norm");
	tensor inner = c->norm_first ? layer_norm(m, y, "pos_ff.layer_norm", c->norm_eps) : y;

	inner =
		linear(m, inner, "pos_ff.CoreNet.0", .columns = c->inner, .activation = ACTIVATION_RELU);
	return end_part(m, c, y, inner, "pos_ff.CoreNet.3", "pos_ff.layer_norm");
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const transfo_xl_config *c = config;
	pass p = begin_pass(m, c);
	tensor x = adaptive_embed(m, &c->words);

	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, "layers.%d", i);
		x = nn_leave(m, layer, x, run_layer(m, &p, x));
	}
	nn_emit_hidden_state(m, c->layers, x);
	return x;
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
	const transfo_xl_config *c = config;

	nn_emit(m, "prediction_scores", NN_PER_TOKEN,
			adaptive_predict(m, &c->words, hidden_states(m, config)));
}

/* The token before the first padding, or the last one -> [sequences, hidden]. */
static tensor
last_tokens(nn_model *m, const transfo_xl_config *c, tensor x)
{
	const nn_batch *batch = m->batch;
	int32_t *last =
		nn_live(m) ? tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(int32_t)) : NULL;

	for (int64_t i = 0; last != NULL && i < batch->sequences; i++)
	{
		int32_t first = batch->offsets[i], end = batch->offsets[i + 1], t = first;

		while (t < end && (batch->embeds != NULL || batch->ids[t] != c->common.pad_token_id))
			t++;
		last[i] = (t == first ? end : t) - 1;
	}
	return take_rows(m, x, last, batch->sequences);
}

static void
sequence_classification(nn_model *m, const void *config)
{
	const transfo_xl_config *c = config;

	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, last_tokens(m, c, hidden_states(m, config)), "score",
				   .columns = c->common.num_labels));
}

/* ---- Configuration ---- */

static void
read_config(tfm_context *context, json file, void *config)
{
	transfo_xl_config *c = config;

	c->common = (nn_config) {
		.vocab_size = json_int(context, file, "vocab_size", 267735, 1, NN_MAX_SIZE),
		.hidden_size = json_int(context, file, "d_model", 1024, 2, NN_MAX_SIZE),
		.max_positions = 1 << 20,
		.any_position = true,
		.num_labels = nn_read_num_labels(context, file),
		.pad_token_id = json_int(context, file, "pad_token_id", -1, -1, NN_MAX_SIZE),
		.tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true),
	};
	c->layers = (int) json_int(context, file, "n_layer", 18, 0, NN_MAX_LAYERS);
	c->heads = (int) json_int(context, file, "n_head", 16, 1, NN_MAX_HEADS);
	c->head_dim = json_int(context, file, "d_head", 64, 1, 1 << 16);
	c->inner = json_int(context, file, "d_inner", 4096, 1, NN_MAX_SIZE);
	c->norm_eps = json_double(context, file, "layer_norm_epsilon", 1e-5);
	c->norm_first = json_bool(context, file, "pre_lnorm", false);
	c->same_length = json_bool(context, file, "same_length", true);
	c->own_biases = json_bool(context, file, "untie_r", true);
	c->memory = json_int(context, file, "mem_len", 1600, 0, 1 << 16);
	c->clamp = json_int(context, file, "clamp_len", 1000, INT32_MIN, INT32_MAX);
	if (json_int(context, file, "attn_type", 0, 0, 3) != 0 || (c->memory == 0 && c->same_length))
		tfm_fail(context, TFM_UNSUPPORTED, "%s: such attention is not supported", file.source);
	adaptive_read_config(context, file, &c->common, &c->words);
}

static const nn_variant variants[] = {{"transfo-xl", "TransfoXL", "transformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"LMHeadModel", "text-generation", language_model},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{0},
};

const nn_family family_transfo_xl = {
	.name = "transfo-xl",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(transfo_xl_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
