/*
 * cohere2.c
 *	  Command R7B (Cohere 2024): as Command R, with windows; layers without have no positions.
 *	  Follows transformers/models/cohere2/modeling_cohere2.py.
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
	.gate = "mlp.gate_proj",
	.up = "mlp.up_proj",
	.down = "mlp.down_proj",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return decoder_slides_by_pattern(context, file, layer, 4);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.no_bias = true},
		.parallel = true,
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.norm_eps_key = "layer_norm_eps",
											 .vocab_size = 256000,
											 .hidden_size = 8192,
											 .intermediate_size = 22528,
											 .layers = 40,
											 .heads = 64,
											 .max_positions = 8192,
											 .activation = "silu",
											 .norm_eps = 1e-5,
											 .pad_token_id = 0,
											 .tie_word_embeddings = true},
						c);
	c->logit_scale = json_double(context, file, "logit_scale", 0.0625);
	decoder_read_rope(context, file, &(rope_defaults) {.interleaved = true}, c);
	decoder_read_layer_types(context, file, 4096, is_sliding, c);
	for (int i = 0; c->each != NULL && i < c->layers; i++)
		if (c->each[i].window == 0)
			((decoder_layer *) c->each)[i].rope = -1;
}

static const nn_variant variants[] = {{"cohere2", "Cohere2", "model"}, {0}};

const nn_family family_cohere2 = {
	.name = "cohere2",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
