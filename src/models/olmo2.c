/*
 * olmo2.c
 *	  OLMo 2 (Walsh et al. 2024): norms after the parts of a layer, and of whole queries and keys; and
 *	  OLMo 3 (2025), three of four of whose layers have windows, and EXAONE 4.0 (LG 2025), whose others
 *	  have no positions.
 *	  Follows transformers/models/olmo2/modeling_olmo2.py, olmo3/ and exaone4/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	DECODER_LLAMA_ATTENTION,
	DECODER_LLAMA_MLP,
	DECODER_HEAD_NORMS,
	.attention_post_norm = "post_attention_layernorm",
	.mlp_post_norm = "post_feedforward_layernorm",
};

static const nn_variant variants[] = {
	{"olmo2", "Olmo2", "model"},
	{"olmo3", "Olmo3", "model"},
	{"exaone4", "Exaone4", "model"},
	{0},
};

enum
{
	OLMO2,
	OLMO3,
	EXAONE4
};

#define OLMO_DEFAULTS DECODER_LLAMA_SIZES, .vocab_size = 50304, .norm_eps = 1e-5, .pad_token_id = 1

static const decoder_defaults defaults[] = {
	[OLMO2] = {OLMO_DEFAULTS},
	[OLMO3] = {OLMO_DEFAULTS},
	[EXAONE4] =
		{
			.vocab_size = 102400,
			.sizes =
				{.hidden = 4096, .intermediate = 16384, .layers = 32, .heads = 32, .kv_heads = 32},
			.max_positions = 2048,
			.norm_eps = 1e-5,
			.pad_token_id = -1,
		},
};

static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return decoder_slides_by_pattern(context, file, layer, 4);
}

/* EXAONE's layers without windows do not turn, unless all are without. */
static void
read_exaone_layers(tfm_context *context, json file, decoder_config *c)
{
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	if (nn_is_null(file, "sliding_window"))
		return;
	decoder_read_layer_types(context, file, 4096, is_sliding, c);
	decoder_turn_with_windows(c);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	decoder_config *c = config;

	decoder_read_llama(context, file, &names, &defaults[which], c);
	c->head_norm_of = which == EXAONE4 ? HEADS_SHARE : HEADS_WHOLE;
	if (which == OLMO2)
		decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	else if (which == OLMO3)
	{
		decoder_read_layer_types(context, file, 4096, is_sliding, c);
		decoder_read_two_ropes(context, file, 500000, 500000, c);
	}
	else
		read_exaone_layers(context, file, c);
}

const nn_family family_olmo2 = {
	.name = "olmo2",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
