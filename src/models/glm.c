/*
 * glm.c
 *	  GLM-4 (Zhipu 2024), of 2025 with norms after the parts, and other decoders with LLaMA's layout
 *	  whose heads turn by pairs that lie side by side: Helium (Kyutai 2025) and ERNIE 4.5 (Baidu 2025).
 *	  Follows transformers/models/glm/modeling_glm.py, glm4/, helium/ and ernie4_5/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"glm", "Glm", "model"},
	{"glm4", "Glm4", "model"},
	{"helium", "Helium", "model"},
	{"ernie4_5", "Ernie4_5", "model"},
	{0},
};

#define GLM_NAMES                                                                                  \
	DECODER_LLAMA_ATTENTION, DECODER_LLAMA_NORMS, .gate_up = "mlp.gate_up_proj",                   \
												  .down = "mlp.down_proj"

static const decoder_names glm_names = {GLM_NAMES};
static const decoder_names glm4_names = {
	GLM_NAMES,
	.attention_post_norm = "post_self_attn_layernorm",
	.mlp_post_norm = "post_mlp_layernorm",
};

static const decoder_names *const names[] = {
	&glm_names,
	&glm4_names,
	&decoder_llama_names,
	&decoder_llama_names,
};

#define GLM_DEFAULTS                                                                               \
	.vocab_size = 151552,                                                                          \
	.sizes = {.hidden = 4096, .intermediate = 13696, .layers = 40, .heads = 32, .kv_heads = 2},    \
	.head_dim = 128, .max_positions = 131072, .norm_eps = 1.5625e-7, .pad_token_id = 151329

static const decoder_defaults defaults[] = {
	{GLM_DEFAULTS},
	{GLM_DEFAULTS},
	{
		.vocab_size = 48000,
		.sizes = {.hidden = 2560, .intermediate = 7040, .layers = 24, .heads = 20, .kv_heads = 20},
		.head_dim = 128,
		.max_positions = 4096,
		.norm_eps = 1e-8,
		.pad_token_id = 3,
	},
	{
		.vocab_size = 103424,
		.sizes = {.hidden = 1024, .intermediate = 3072, .layers = 18, .heads = 16, .kv_heads = 2},
		.head_dim = 128,
		.max_positions = 131072,
		.norm_eps = 1e-5,
		.pad_token_id = 0,
		.tie_word_embeddings = true,
	},
};

static const rope_defaults ropes[] = {
	{.partial_factor = 0.5, .interleaved = true},
	{.partial_factor = 0.5, .interleaved = true},
	{.theta = 100000, .interleaved = true},
	{.theta = 500000, .interleaved = true},
};

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	decoder_config *c = config;

	decoder_read_llama(context, file, names[which], &defaults[which], c);
	decoder_read_rope(context, file, &ropes[which], c);
}

const nn_family family_glm = {
	.name = "glm",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
