/*
 * mistral.c
 *	  Mistral (Jiang et al. 2023): as LLaMA, with a window; and Mixtral (Jiang et al. 2024), the same
 *	  with a mixture of experts.
 *	  Follows transformers/models/mistral/modeling_mistral.py and mixtral/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"mistral", "Mistral", "model"},
	{"mixtral", "Mixtral", "model"},
	{0},
};

static const moe_names expert_names[] = {
	{.gate = "block_sparse_moe.experts.%.w1",
	 .up = "block_sparse_moe.experts.%.w3",
	 .down = "block_sparse_moe.experts.%.w2"},
	{.gate_up = "mlp.experts.gate_up_proj", .down = "mlp.experts.down_proj"},
	{0},
};

static void
read_config(tfm_context *context, json file, void *config)
{
	bool mixtral = nn_which_variant(file, variants) == 1;
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &decoder_llama_names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.moe = {.router = "block_sparse_moe.gate",
				.scoring = MOE_SOFTMAX,
				.norm_power = 1,
				.names = expert_names,
				.gated = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 32000,
											 .hidden_size = 4096,
											 .intermediate_size = 14336,
											 .layers = 32,
											 .heads = 32,
											 .kv_heads = 8,
											 .max_positions = 4096 * 32,
											 .activation = "silu",
											 .norm_eps = mixtral ? 1e-5 : 1e-6,
											 .pad_token_id = -1},
						c);
	decoder_read_rope(context, file, &(rope_defaults) {.theta = mixtral ? 1e6 : 1e4}, c);
	decoder_read_window(context, file, mixtral ? 0 : 4096, c);
	if (mixtral)
		decoder_read_experts(context, file, "num_local_experts", 8, "num_experts_per_tok", 2, c);
}

const nn_family family_mistral = {
	.name = "mistral",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
