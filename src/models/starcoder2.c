/*
 * starcoder2.c
 *	  StarCoder2 (Lozhkov et al. 2024): as LLaMA, with layer norms, biases and no gate.
 *	  Follows transformers/models/starcoder2/modeling_starcoder2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "input_layernorm",
	.query = "self_attn.q_proj",
	.key = "self_attn.k_proj",
	.value = "self_attn.v_proj",
	.attention_output = "self_attn.o_proj",
	.mlp_norm = "post_attention_layernorm",
	.up = "mlp.c_fc",
	.down = "mlp.c_proj",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.norm_eps_key = "norm_epsilon",
											 .vocab_size = 49152,
											 .hidden_size = 3072,
											 .intermediate_size = 12288,
											 .layers = 30,
											 .heads = 24,
											 .kv_heads = 2,
											 .max_positions = 4096,
											 .activation = "gelu_pytorch_tanh",
											 .norm_eps = 1e-5,
											 .pad_token_id = -1,
											 .tie_word_embeddings = true},
						c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	decoder_read_window(context, file, 0, c);
}

static const nn_variant variants[] = {{"starcoder2", "Starcoder2", "model"}, {0}};

const nn_family family_starcoder2 = {
	.name = "starcoder2",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
