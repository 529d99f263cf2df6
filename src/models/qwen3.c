/*
 * qwen3.c
 *	  Qwen3 (Yang et al. 2025): as Qwen2, with norms of queries and keys.
 *	  Follows transformers/models/qwen3/modeling_qwen3.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

/* The last layers slide, from max_window_layers on. */
static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return layer >= json_int(context, file, "max_window_layers", 28, 0, INT32_MAX);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &decoder_normed_names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.head_norm = {.rms = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 151936,
											 .hidden_size = 4096,
											 .intermediate_size = 22016,
											 .layers = 32,
											 .heads = 32,
											 .kv_heads = 32,
											 .head_dim = 128,
											 .max_positions = 32768,
											 .activation = "silu",
											 .norm_eps = 1e-6,
											 .pad_token_id = -1},
						c);
	c->head_norm.eps = c->norm.eps;
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	if (json_bool(context, file, "use_sliding_window", false))
		decoder_read_layer_types(context, file, 4096, is_sliding, c);
}

static const nn_variant variants[] = {{"qwen3", "Qwen3", "model"}, {0}};

const nn_family family_qwen3 = {
	.name = "qwen3",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
