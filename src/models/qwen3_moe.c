/*
 * qwen3_moe.c
 *	  Qwen3-MoE (Yang et al. 2025): Qwen3 with experts.
 *	  Follows transformers/models/qwen3_moe/modeling_qwen3_moe.py.
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
		.head_norm = {.rms = true},
		.moe = {.router = "mlp.gate",
				.scoring = MOE_SOFTMAX,
				.names = moe_llama_names,
				.gated = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 151936,
											 .hidden_size = 2048,
											 .intermediate_size = 6144,
											 .layers = 24,
											 .heads = 32,
											 .kv_heads = 4,
											 .max_positions = 32768,
											 .activation = "silu",
											 .norm_eps = 1e-6,
											 .pad_token_id = -1},
						c);
	c->head_norm.eps = c->norm.eps;
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	if (json_bool(context, file, "use_sliding_window", false))
		decoder_read_window(context, file, 4096, c);
	c->moe.intermediate_size =
		json_int(context, file, "moe_intermediate_size", 768, 1, NN_MAX_SIZE);
	c->moe.norm_power = json_bool(context, file, "norm_topk_prob", false);
	decoder_read_experts(context, file, "num_experts", 128, "num_experts_per_tok", 8, c);
	decoder_read_dense_layers(context, file, c);
}

static const nn_variant variants[] = {{"qwen3_moe", "Qwen3Moe", "model"}, {0}};

const nn_family family_qwen3_moe = {
	.name = "qwen3_moe",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
