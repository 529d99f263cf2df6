/*
 * phi.c
 *	  Phi (Gunasekar et al. 2023; Phi-1, 1.5 and 2): rotary positions in half of each head, attention
 *	  and feed-forward part of one norm side by side; and Persimmon (Adept 2023), whose parts follow
 *	  each other.
 *	  Follows transformers/models/phi/modeling_phi.py and persimmon/modeling_persimmon.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"phi", "Phi", "model"},
	{"persimmon", "Persimmon", "model"},
	{0},
};

#define PHI_NAMES                                                                                  \
	.layer = "layers.%d", .attention_norm = "input_layernorm", .query = "self_attn.q_proj",        \
	.key = "self_attn.k_proj", .value = "self_attn.v_proj", .attention_output = "self_attn.dense", \
	.up = "mlp.fc1", .down = "mlp.fc2", .final_norm = "final_layernorm", .lm_head = "lm_head"

#define PERSIMMON_NAMES                                                                            \
	.layer = "layers.%d", .attention_norm = "input_layernorm", .qkv = "self_attn.query_key_value", \
	.attention_output = "self_attn.dense", .mlp_norm = "post_attention_layernorm",                 \
	.up = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h", .final_norm = "final_layernorm",       \
	.lm_head = "lm_head"

#define HEAD_NORMS .query_norm = "self_attn.q_layernorm", .key_norm = "self_attn.k_layernorm"

/* Each without and with norms of queries and keys. */
static const decoder_names phi_names[] = {{PHI_NAMES}, {PHI_NAMES, HEAD_NORMS}};
static const decoder_names persimmon_names[] = {{PERSIMMON_NAMES}, {PERSIMMON_NAMES, HEAD_NORMS}};

#define DEFAULTS .norm_eps_key = "layer_norm_eps", .norm_eps = 1e-5, .pad_token_id = -1

static const decoder_defaults phi_defaults = {
	DEFAULTS,
	.vocab_size = 51200,
	.sizes = {.hidden = 2048, .intermediate = 8192, .layers = 24, .heads = 32},
	.max_positions = 2048,
	.activation = "gelu_new",
};

static const decoder_defaults persimmon_defaults = {
	DEFAULTS,
	.vocab_size = 262144,
	.sizes = {.hidden = 4096, .intermediate = 16384, .layers = 36, .heads = 64},
	.max_positions = 16384,
	.activation = "relu2",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	bool persimmon = nn_which_variant(file, variants) == 1;
	bool head_norms = json_bool(context, file, "qk_layernorm", persimmon);
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = persimmon ? &persimmon_names[head_norms] : &phi_names[head_norms],
		.embedding = {.words = "embed_tokens"},
		.parallel = !persimmon,
	};
	decoder_read_config(context, file, persimmon ? &persimmon_defaults : &phi_defaults, c);
	c->head_norm.eps = c->norm.eps;
	if (persimmon)
		c->attention.kv_heads = c->qkv_groups = c->attention.heads;
	decoder_read_rope(context, file, &(rope_defaults) {.partial_factor = 0.5}, c);
}

const nn_family family_phi = {
	.name = "phi",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
