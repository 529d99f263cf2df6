/*
 * gemma.c
 *	  Gemma (Mesnard et al. 2024): as LLaMA, with norms about 1 and scaled embeddings; and Gemma 2
 *	  (Riviere et al. 2024): windows in every other layer, soft caps, norms after the parts.
 *	  Follows transformers/models/gemma/modeling_gemma.py and gemma2/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/gemma.h"

static const nn_variant variants[] = {
	{"gemma", "Gemma", "model"},
	{"gemma2", "Gemma2", "model"},
	{0},
};

static const decoder_names names = {GEMMA_NAMES};

static const decoder_defaults gemma_defaults = {
	.vocab_size = 256000,
	.sizes = {.hidden = 3072, .intermediate = 24576, .layers = 28, .heads = 16, .kv_heads = 16},
	.head_dim = 256,
	.max_positions = 8192,
	.activation = "gelu_pytorch_tanh",
	.norm_eps = 1e-6,
	.pad_token_id = 0,
	.tie_word_embeddings = true,
};

static const decoder_defaults gemma2_defaults = {
	GEMMA_DEFAULTS,
	.vocab_size = 256000,
	.max_positions = 8192,
};

static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return decoder_slides_by_pattern(context, file, layer, 2);
}

static void
read_gemma2(tfm_context *context, json file, decoder_config *c)
{
	gemma_read_config(context, file, &names, &gemma2_defaults, c);
	gemma_read_scores(context, file, 30, c);
	c->attention.soft_cap = gemma_read_cap(context, file, "attn_logit_softcapping", 50);
	decoder_read_layer_types(context, file, 4096, is_sliding, c);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	if (nn_which_variant(file, variants) == 1)
		read_gemma2(context, file, c);
	else
	{
		gemma_read_config(context, file, &decoder_llama_names, &gemma_defaults, c);
		if (c->activation == ACTIVATION_GELU)
			c->activation = ACTIVATION_GELU_TANH; /* what old files mean by it */
	}
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

const nn_family family_gemma = {
	.name = "gemma",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
