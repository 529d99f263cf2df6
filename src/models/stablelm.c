/*
 * stablelm.c
 *	  StableLM (Bellagente et al. 2024): as LLaMA, with layer norms and partly turned heads.
 *	  Follows transformers/models/stablelm/modeling_stablelm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

#define NAMES DECODER_LLAMA_ATTENTION, DECODER_LLAMA_MLP, .attention_norm = "input_layernorm"
#define SECOND_NORM .mlp_norm = "post_attention_layernorm"
#define HEAD_NORMS .query_norm = "self_attn.q_layernorm", .key_norm = "self_attn.k_layernorm"

/* By whether both parts of a layer are of one norm, and whether queries and keys are normed. */
static const decoder_names names[2][2] = {
	{{NAMES, SECOND_NORM}, {NAMES, SECOND_NORM, HEAD_NORMS}},
	{{NAMES}, {NAMES, HEAD_NORMS}},
};

static const decoder_defaults defaults = {
	.norm_eps_key = "layer_norm_eps",
	.vocab_size = 50304,
	.sizes = {.hidden = 2560, .intermediate = 6912, .layers = 32, .heads = 32, .kv_heads = 32},
	.max_positions = 4096,
	.norm_eps = 1e-5,
	.pad_token_id = -1,
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
	decoder_read_config(context, file, &defaults, c);
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
	.read_config = read_config,
	DECODER_FAMILY,
};
