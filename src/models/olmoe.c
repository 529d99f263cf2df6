/*
 * olmoe.c
 *	  OLMoE (Muennighoff et al. 2024): OLMo with experts, RMS norms, and norms of whole queries and keys.
 *	  Follows transformers/models/olmoe/modeling_olmoe.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &decoder_normed_names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.head_norm_of = HEADS_WHOLE,
		.head_norm = {.rms = true},
		.moe = {.router = "mlp.gate",
				.scoring = MOE_SOFTMAX,
				.names = moe_llama_names,
				.gated = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 50304,
											 .hidden_size = 2048,
											 .intermediate_size = 2048,
											 .layers = 16,
											 .heads = 16,
											 .max_positions = 4096,
											 .activation = "silu",
											 .norm_eps = 1e-5,
											 .pad_token_id = 1},
						c);
	c->head_norm.eps = c->norm.eps;
	c->clip_qkv = json_double(context, file, "clip_qkv", 0);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	c->moe.norm_power = json_bool(context, file, "norm_topk_prob", false);
	decoder_read_experts(context, file, "num_experts", 64, "num_experts_per_tok", 8, c);
}

static const nn_variant variants[] = {{"olmoe", "Olmoe", "model"}, {0}};

const nn_family family_olmoe = {
	.name = "olmoe",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
