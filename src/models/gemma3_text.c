/*
 * gemma3_text.c
 *	  Gemma 3 (Kamath et al. 2025), the part for texts: other positions where layers have windows.
 *	  Follows transformers/models/gemma3/modeling_gemma3.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/gemma.h"

static const decoder_names names = {GEMMA_NAMES, DECODER_HEAD_NORMS};

static const decoder_defaults defaults = {
	GEMMA_DEFAULTS,
	.vocab_size = 262208,
	.max_positions = 131072,
};

static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return decoder_slides_by_pattern(context, file, layer, 6);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	gemma_read_config(context, file, &names, &defaults, c);
	gemma_read_scores(context, file, 0, c);
	decoder_read_layer_types(context, file, 4096, is_sliding, c);
	decoder_read_two_ropes(context, file, 1e6,
						   json_double(context, file, "rope_local_base_freq", 10000), c);
	c->bidirectional = json_bool(context, file, "use_bidirectional_attention", false);
	for (int i = 0; c->bidirectional && c->each != NULL && i < c->layers; i++)
		if (c->each[i].window > 0)
			((decoder_layer *) c->each)[i].window = c->each[i].window / 2 + 1;
}

static const nn_head heads[] = {
	{"TextModel", "feature-extraction", decoder_base_model},
	{"ForCausalLM", "text-generation", decoder_causal_lm},
	{"TextForSequenceClassification", "text-classification", decoder_sequence_classification},
	{0},
};

static const nn_variant variants[] = {{"gemma3_text", "Gemma3", "model"}, {0}};

const nn_family family_gemma3_text = {
	.name = "gemma3_text",
	.variants = variants,
	.heads = heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
