/*
 * gpt_bigcode.c
 *	  GPT-BigCode (SantaCoder, StarCoder; Allal et al. 2023): GPT-2 whose heads share one key and
 *	  value.
 *	  Follows transformers/models/gpt_bigcode/modeling_gpt_bigcode.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/gpt.h"

static const decoder_names names = {GPT_LAYER, GPT_ATTENTION, GPT_MLP, GPT_END};

static const decoder_defaults defaults = {
	GPT_DEFAULTS,		   .kv_heads_key = "",
	.vocab_size = 50257,   .sizes = {.hidden = 768, .layers = 12, .heads = 12},
	.max_positions = 1024, .activation = "gelu_pytorch_tanh",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	gpt_read_config(context, file, &names, &defaults, c);
	if (!json_bool(context, file, "scale_attn_weights", true))
		c->attention.scale = 1;
	c->attention.kv_heads = 1;
	if (!json_bool(context, file, "multi_query", true))
		c->attention.kv_heads = c->qkv_groups = c->attention.heads;
}

static const nn_variant variants[] = {{"gpt_bigcode", "GPTBigCode", "transformer"}, {0}};

const nn_family family_gpt_bigcode = {
	.name = "gpt_bigcode",
	.variants = variants,
	.heads = decoder_heads_of_tokens,
	.read_config = read_config,
	DECODER_FAMILY,
};
