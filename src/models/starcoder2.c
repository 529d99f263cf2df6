/*
 * starcoder2.c
 *	  StarCoder2 (Lozhkov et al. 2024): as LLaMA, with layer norms, biases and no gate.
 *	  Follows transformers/models/starcoder2/modeling_starcoder2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	DECODER_LLAMA_ATTENTION,
	DECODER_LLAMA_NORMS,
	.up = "mlp.c_fc",
	.down = "mlp.c_proj",
};

static const decoder_defaults defaults = {
	.norm_eps_key = "norm_epsilon",
	.vocab_size = 49152,
	.sizes = {.hidden = 3072, .intermediate = 12288, .layers = 30, .heads = 24, .kv_heads = 2},
	.max_positions = 4096,
	.activation = "gelu_pytorch_tanh",
	.norm_eps = 1e-5,
	.pad_token_id = -1,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
	};
	decoder_read_config(context, file, &defaults, c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	decoder_read_window(context, file, 0, c);
}

static const nn_variant variants[] = {{"starcoder2", "Starcoder2", "model"}, {0}};

const nn_family family_starcoder2 = {
	.name = "starcoder2",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
