/*
 * stablelm.c
 *	  StableLM (Bellagente et al. 2024): as LLaMA, with layer norms and partly turned heads.
 *	  Follows transformers/models/stablelm/modeling_stablelm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

/* By whether queries and keys are normed, and whether both parts of a layer are of one norm. */
#define NAMES(first, second, third)                                                                \
	{                                                                                              \
		.layer = "layers.%d", .attention_norm = "input_layernorm", .query = "self_attn.q_proj",    \
		.key = "self_attn.k_proj", .value = "self_attn.v_proj", .query_norm = first,               \
		.key_norm = second, .attention_output = "self_attn.o_proj", .mlp_norm = third,             \
		.gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj",                     \
		.final_norm = "norm", .lm_head = "lm_head",                                                \
	}

#define QUERY_NORM "self_attn.q_layernorm"
#define KEY_NORM "self_attn.k_layernorm"

static const decoder_names names[2][2] = {
	{NAMES(NULL, NULL, "post_attention_layernorm"),
	 NAMES(QUERY_NORM, KEY_NORM, "post_attention_layernorm")},
	{NAMES(NULL, NULL, NULL), NAMES(QUERY_NORM, KEY_NORM, NULL)},
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.embedding = {.words = "embed_tokens"},
		.head_norm_of = HEADS_LISTED,
		.head_norm = {.no_bias = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.norm_eps_key = "layer_norm_eps",
											 .vocab_size = 50304,
											 .hidden_size = 2560,
											 .intermediate_size = 6912,
											 .layers = 32,
											 .heads = 32,
											 .kv_heads = 32,
											 .max_positions = 4096,
											 .activation = "silu",
											 .norm_eps = 1e-5,
											 .pad_token_id = -1},
						c);
	c->head_norm.eps = c->norm.eps;
	decoder_read_rope(context, file, &(rope_defaults) {.partial_factor = 0.25}, c);
	c->parallel = json_bool(context, file, "use_parallel_residual", false);
	c->names = &names[c->parallel][json_bool(context, file, "qk_layernorm", false)];
}

static const nn_variant variants[] = {{"stablelm", "StableLm", "model"}, {0}};

const nn_family family_stablelm = {
	.name = "stablelm",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
