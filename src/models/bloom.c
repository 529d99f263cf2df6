/*
 * bloom.c
 *	  BLOOM (Le Scao et al. 2022): ALiBi, and a norm of the embeddings.
 *	  Follows transformers/models/bloom/modeling_bloom.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/alibi.h"
#include "nn/gpt.h"

static const decoder_names names = {
	.layer = "h.%d",
	.attention_norm = "input_layernorm",
	.qkv = "self_attention.query_key_value",
	.attention_output = "self_attention.dense",
	.mlp_norm = "post_attention_layernorm",
	.up = "mlp.dense_h_to_4h",
	.down = "mlp.dense_4h_to_h",
	.final_norm = "ln_f",
	.lm_head = "lm_head",
	.token_score = "classifier",
};

static const decoder_defaults defaults = {
	GPT_DEFAULTS,
	.intermediate_size_key = "",
	.hidden_size_key = "n_embed",
	.max_positions_key = "seq_length",
	.vocab_size = 250880,
	.sizes = {.hidden = 64, .layers = 2, .heads = 8},
	.max_positions = 2048,
	.activation = "gelu_new",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "word_embeddings", .norm = "word_embeddings_layernorm"},
	};
	gpt_read_sizes(context, file, &defaults, c);
	if (json_bool(context, file, "apply_residual_connection_post_layernorm", false))
		tfm_fail(context, TFM_UNSUPPORTED,
				 "%s: \"apply_residual_connection_post_layernorm\" is not supported", file.source);
	c->common.any_position = true;
	c->embedding.norm_eps = c->norm.eps;
	c->activation = ACTIVATION_GELU_TANH;
	c->attention.kv_heads = c->qkv_groups = c->attention.heads;
	c->attention.slopes = alibi_slopes(context, c->attention.heads);
}

static const nn_variant variants[] = {{"bloom", "Bloom", "transformer"}, {0}};

const nn_family family_bloom = {
	.name = "bloom",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
