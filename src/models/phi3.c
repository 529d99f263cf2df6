/*
 * phi3.c
 *	  Phi-3 (Abdin et al. 2024): as LLaMA, with fused projections and long positions.
 *	  Follows transformers/models/phi3/modeling_phi3.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "input_layernorm",
	.qkv = "self_attn.qkv_proj",
	.attention_output = "self_attn.o_proj",
	.mlp_norm = "post_attention_layernorm",
	.gate_up = "mlp.gate_up_proj",
	.down = "mlp.down_proj",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

static const decoder_defaults defaults = {
	.vocab_size = 32064,
	.sizes = {.hidden = 3072, .intermediate = 8192, .layers = 32, .heads = 32},
	.max_positions = 4096,
	.norm_eps = 1e-5,
	.pad_token_id = 32000,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	decoder_read_llama(context, file, &names, &defaults, c);
	decoder_read_rope(context, file,
					  &(rope_defaults) {.partial_factor = 1, .original_positions = 4096}, c);
	decoder_read_window(context, file, 0, c);
}

static const nn_variant variants[] = {{"phi3", "Phi3", "model"}, {0}};

const nn_family family_phi3 = {
	.name = "phi3",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
