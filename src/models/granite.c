/*
 * granite.c
 *	  Granite (2024): as LLaMA, with multipliers; and Granite-MoE (2024), the same with experts, and
 *	  perhaps one that all tokens pass.
 *	  Follows transformers/models/granite/modeling_granite.py, granitemoe/ and granitemoeshared/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"granite", "Granite", "model"},
	{"granitemoe", "GraniteMoe", "model"},
	{"granitemoeshared", "GraniteMoeShared", "model"},
	{0},
};

static const moe_names expert_names[] = {
	{.gate_up = "block_sparse_moe.input_linear", .down = "block_sparse_moe.output_linear"},
	/* as GGUF files have them */
	{.gate = "block_sparse_moe.experts.%.w1",
	 .up = "block_sparse_moe.experts.%.w3",
	 .down = "block_sparse_moe.experts.%.w2"},
	{0},
};

static const decoder_names shared_names = {
	.gate_up = "shared_mlp.input_linear",
	.down = "shared_mlp.output_linear",
};

static const decoder_defaults defaults = {
	DECODER_LLAMA_SIZES,
	.vocab_size = 32000,
	.norm_eps = 1e-6,
	.pad_token_id = -1,
};

static void
read_experts(tfm_context *context, json file, decoder_config *c)
{
	c->moe = (moe) {
		.router = "block_sparse_moe.router.layer",
		.scoring = MOE_SOFTMAX_OF_BEST,
		.names = expert_names,
		.gated = true,
	};
	decoder_read_experts(context, file, "num_local_experts", 8, "num_experts_per_tok", 2, c);
	c->shared_intermediate_size =
		json_int(context, file, "shared_intermediate_size", 0, 0, NN_MAX_SIZE);
	if (c->shared_intermediate_size > 0)
		c->shared_expert = &shared_names;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	decoder_read_llama(context, file, &decoder_llama_names, &defaults, c);
	c->embedding_scale = json_double(context, file, "embedding_multiplier", 1);
	c->residual_scale = json_double(context, file, "residual_multiplier", 1);
	c->attention.scale = json_double(context, file, "attention_multiplier", 1);
	c->logit_scale = 1 / json_double(context, file, "logits_scaling", 1);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	if (nn_which_variant(file, variants) > 0)
		read_experts(context, file, c);
}

const nn_family family_granite = {
	.name = "granite",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
