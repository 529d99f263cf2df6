/*
 * cohere.c
 *	  Command R (Cohere 2024): both parts of a layer of one norm, turned in pairs; and Command R7B
 *	  (2024), with windows, whose layers without have no positions.
 *	  Follows transformers/models/cohere/modeling_cohere.py and cohere2/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"cohere", "Cohere", "model"},
	{"cohere2", "Cohere2", "model"},
	{0},
};

#define NAMES DECODER_LLAMA_ATTENTION, DECODER_LLAMA_MLP, .attention_norm = "input_layernorm"

/* Without and with norms of queries and keys. */
static const decoder_names names[] = {{NAMES}, {NAMES, DECODER_HEAD_NORMS}};

static const decoder_defaults defaults = {
	.norm_eps_key = "layer_norm_eps",
	.vocab_size = 256000,
	.sizes = {.hidden = 8192, .intermediate = 22528, .layers = 40, .heads = 64},
	.max_positions = 8192,
	.norm_eps = 1e-5,
	.pad_token_id = 0,
	.tie_word_embeddings = true,
};

static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return decoder_slides_by_pattern(context, file, layer, 4);
}

static void
read_layers(tfm_context *context, json file, decoder_config *c)
{
	decoder_read_rope(context, file, &(rope_defaults) {.interleaved = true}, c);
	decoder_read_layer_types(context, file, 4096, is_sliding, c);
	decoder_turn_with_windows(c);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	bool windows = nn_which_variant(file, variants) == 1;
	bool head_norms = !windows && json_bool(context, file, "use_qk_norm", false);
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names[head_norms],
		.embedding = {.words = "embed_tokens"},
		.norm = {.no_bias = true},
		.parallel = true,
		.head_norm_of = HEADS_OWN,
		.head_norm = {.no_bias = true},
	};
	decoder_read_config(context, file, &defaults, c);
	c->head_norm.eps = c->norm.eps;
	c->logit_scale = json_double(context, file, "logit_scale", 0.0625);
	if (windows)
		read_layers(context, file, c);
	else
		decoder_read_rope(context, file, &(rope_defaults) {.theta = 500000, .interleaved = true},
						  c);
}

const nn_family family_cohere = {
	.name = "cohere",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
