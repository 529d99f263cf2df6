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

#define MISTRAL_DEFAULTS                                                                           \
	.vocab_size = 32000,                                                                           \
	.sizes = {.hidden = 4096, .intermediate = 14336, .layers = 32, .heads = 32, .kv_heads = 8},    \
	.max_positions = 4096 * 32, .pad_token_id = -1

static const decoder_defaults mistral_defaults = {MISTRAL_DEFAULTS, .norm_eps = 1e-6};
static const decoder_defaults mixtral_defaults = {MISTRAL_DEFAULTS, .norm_eps = 1e-5};

static void
read_mixtral(tfm_context *context, json file, decoder_config *c)
{
	decoder_read_llama(context, file, &decoder_llama_names, &mixtral_defaults, c);
	decoder_read_rope(context, file, &(rope_defaults) {.theta = 1e6}, c);
	decoder_read_window(context, file, 0, c);
	c->moe = (moe) {
		.router = "block_sparse_moe.gate",
		.scoring = MOE_SOFTMAX,
		.norm_power = 1,
		.names = expert_names,
		.gated = true,
	};
	decoder_read_experts(context, file, "num_local_experts", 8, "num_experts_per_tok", 2, c);
}

static void
read_mistral(tfm_context *context, json file, decoder_config *c)
{
	decoder_read_llama(context, file, &decoder_llama_names, &mistral_defaults, c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	decoder_read_window(context, file, 4096, c);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	if (nn_which_variant(file, variants) == 1)
		read_mixtral(context, file, config);
	else
		read_mistral(context, file, config);
}

const nn_family family_mistral = {
	.name = "mistral",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
