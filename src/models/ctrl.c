/*
 * ctrl.c
 *	  CTRL (Keskar et al. 2019): embeddings that are scaled, sinusoids for positions.
 *	  Follows transformers/models/ctrl/modeling_ctrl.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/gpt.h"
#include "nn/sinusoid.h"

/* The norms within layers have this, whatever the configuration says. */
static const normalization layer_norm_how = {.eps = 1e-6};

/* The parts norm what they are given themselves. */
static const decoder_names names = {
	.layer = "h.%d",
	.query = "multi_head_attention.Wq",
	.key = "multi_head_attention.Wk",
	.value = "multi_head_attention.Wv",
	.attention_output = "multi_head_attention.dense",
	.up = "ffn.0",
	.down = "ffn.2",
	.final_norm = "layernorm",
	.lm_head = "lm_head",
	.score = "classifier",
};

static tensor
attend_normed(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	return decoder_attend(m, normalize(m, x, "layernorm1", &layer_norm_how), c, layer);
}

static tensor
feed_forward_normed(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	tensor y = normalize(m, x, "layernorm2", &layer_norm_how);

	(void) layer;
	return decoder_feed_forward(m, y, c, c->names, c->intermediate_size, (tensor) {0});
}

/* Rows that are given are scaled as the words' are. */
static tensor
embed_scaled(nn_model *m, const decoder_config *c)
{
	tensor x = decoder_embed(m, c);

	x = scale(m, x, sqrt((double) c->common.hidden_size), 0);
	return add_sinusoids(m, x, &(sinusoids) {.base = 10000, .zero = -1});
}

static const decoder_defaults defaults = {
	.intermediate_size_key = "dff",
	.vocab_size = 246534,
	.sizes = {.hidden = 1280, .intermediate = 8192, .layers = 48, .heads = 16},
	.max_positions = 256,
	.activation = "relu",
	.norm_eps = 1e-6,
	.pad_token_id = -1,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	gpt_read_config(context, file, &names, &defaults, c);
	c->embedding.words = "w";
	c->embedding.positions = NULL;
	c->embed = embed_scaled;
	c->attend = attend_normed;
	c->feed_forward = feed_forward_normed;
	c->activation = ACTIVATION_RELU;
}

static const nn_variant variants[] = {{"ctrl", "CTRL", "transformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"LMHeadModel", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{0},
};

const nn_family family_ctrl = {
	.name = "ctrl",
	.variants = variants,
	.heads = heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
