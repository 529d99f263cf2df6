/*
 * cohere.c
 *	  Command R (Cohere 2024): both parts of a layer of one norm, turned in pairs.
 *	  Follows transformers/models/cohere/modeling_cohere.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

/* Without and with norms of queries and keys. */
#define NAMES(first, second)                                                                       \
	{                                                                                              \
		.layer = "layers.%d", .attention_norm = "input_layernorm", .query = "self_attn.q_proj",    \
		.key = "self_attn.k_proj", .value = "self_attn.v_proj", .query_norm = first,               \
		.key_norm = second, .attention_output = "self_attn.o_proj", .gate = "mlp.gate_proj",       \
		.up = "mlp.up_proj", .down = "mlp.down_proj", .final_norm = "norm", .lm_head = "lm_head",  \
	}

static const decoder_names names[] = {
	NAMES(NULL, NULL),
	NAMES("self_attn.q_norm", "self_attn.k_norm"),
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names[0],
		.embedding = {.words = "embed_tokens"},
		.norm = {.no_bias = true},
		.parallel = true,
		.head_norm_of = HEADS_OWN,
		.head_norm = {.no_bias = true},
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
	c->head_norm.eps = c->norm.eps;
	if (json_bool(context, file, "use_qk_norm", false))
		c->names = &names[1];
	c->logit_scale = json_double(context, file, "logit_scale", 0.0625);
	decoder_read_rope(context, file, &(rope_defaults) {.theta = 500000, .interleaved = true}, c);
}

static const nn_variant variants[] = {{"cohere", "Cohere", "model"}, {0}};

const nn_family family_cohere = {
	.name = "cohere",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
