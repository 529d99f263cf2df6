/*
 * olmo.c
 *	  OLMo (Groeneveld et al. 2024): as LLaMA, with layer norms that have no weights; and OLMoE
 *	  (Muennighoff et al. 2024), with experts, RMS norms, and norms of whole queries and keys.
 *	  Follows transformers/models/olmo/modeling_olmo.py and olmoe/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"olmo", "Olmo", "model"},
	{"olmoe", "Olmoe", "model"},
	{0},
};

static const decoder_defaults olmo_defaults = {
	DECODER_LLAMA_SIZES,
	.vocab_size = 50304,
	.pad_token_id = 1,
};

static const decoder_defaults olmoe_defaults = {
	.vocab_size = 50304,
	.sizes = {.hidden = 2048, .intermediate = 2048, .layers = 16, .heads = 16},
	.max_positions = 4096,
	.norm_eps = 1e-5,
	.pad_token_id = 1,
};

static void
read_olmoe(tfm_context *context, json file, decoder_config *c)
{
	decoder_read_llama(context, file, &decoder_normed_names, &olmoe_defaults, c);
	c->head_norm_of = HEADS_WHOLE;
	c->moe =
		(moe) {MOE_LLAMA_EXPERTS, .norm_power = json_bool(context, file, "norm_topk_prob", false)};
	decoder_read_experts(context, file, "num_experts", 64, "num_experts_per_tok", 8, c);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	if (nn_which_variant(file, variants) == 1)
		read_olmoe(context, file, c);
	else
	{
		decoder_read_llama(context, file, &decoder_llama_names, &olmo_defaults, c);
		c->norm = (normalization) {.bare = true, .eps = 1e-5}; /* fixed in OlmoLayerNorm */
	}
	c->clip_qkv = json_double(context, file, "clip_qkv", 0);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

const nn_family family_olmo = {
	.name = "olmo",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
