/*
 * llama.c
 *	  LLaMA (Touvron et al. 2023), and decoders with its layout and other sizes: Seed-OSS (ByteDance
 *	  2025), and Arcee's (2025), whose feed-forward part has no gate.
 *	  Follows transformers/models/llama/modeling_llama.py, seed_oss/ and arcee/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"llama", "Llama", "model"},
	{"seed_oss", "SeedOss", "model"},
	{"arcee", "Arcee", "model"},
	{0},
};

static const decoder_defaults defaults[] = {
	{.vocab_size = 32000,
	 .hidden_size = 4096,
	 .intermediate_size = 11008,
	 .layers = 32,
	 .heads = 32,
	 .max_positions = 2048,
	 .activation = "silu",
	 .norm_eps = 1e-6,
	 .pad_token_id = -1},
	{.vocab_size = 155136,
	 .hidden_size = 4096,
	 .intermediate_size = 27648,
	 .layers = 64,
	 .heads = 80,
	 .kv_heads = 8,
	 .head_dim = 128,
	 .max_positions = 524288,
	 .activation = "silu",
	 .norm_eps = 1e-6,
	 .pad_token_id = 1},
	{.vocab_size = 32000,
	 .hidden_size = 2560,
	 .intermediate_size = 18432,
	 .layers = 32,
	 .heads = 32,
	 .max_positions = 4096,
	 .activation = "relu2",
	 .norm_eps = 1e-5,
	 .pad_token_id = -1},
};

/* LLaMA's, without a gate. */
static const decoder_names arcee_names = {
	.layer = "layers.%d",
	.attention_norm = "input_layernorm",
	.query = "self_attn.q_proj",
	.key = "self_attn.k_proj",
	.value = "self_attn.v_proj",
	.attention_output = "self_attn.o_proj",
	.mlp_norm = "post_attention_layernorm",
	.up = "mlp.up_proj",
	.down = "mlp.down_proj",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = which == 2 ? &arcee_names : &decoder_llama_names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
	};
	decoder_read_config(context, file, &defaults[which], c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

const nn_family family_llama = {
	.name = "llama",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
