/*
 * smollm3.c
 *	  SmolLM3 (Hugging Face 2025): as LLaMA, but every fourth layer has no positions.
 *	  Follows transformers/models/smollm3/modeling_smollm3.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

/* A number for each layer, of those without positions 0; or every so manieth is without. */
static bool
has_rope(tfm_context *context, json file, int layer)
{
	int64_t interval = json_int(context, file, "no_rope_layer_interval", 4, 1, NN_MAX_LAYERS);
	json with = json_member(file, "no_rope_layers");

	if (!json_is_array(with))
		return (layer + 1) % interval != 0;
	with = json_first(with);
	for (int i = 0; i < layer; i++)
		with = json_next(with);
	return json_as_number(with) != 0;
}

static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return json_bool(context, file, "use_sliding_window", false) && !has_rope(context, file, layer);
}

static const decoder_defaults defaults = {
	.vocab_size = 128256,
	.sizes = {.hidden = 2048, .intermediate = 11008, .layers = 36, .heads = 16, .kv_heads = 4},
	.max_positions = 32768,
	.norm_eps = 1e-6,
	.pad_token_id = 128004,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	decoder_read_llama(context, file, &decoder_llama_names, &defaults, c);
	decoder_read_rope(context, file, &(rope_defaults) {.theta = 2000000}, c);
	decoder_read_layer_types(context, file, 0, is_sliding, c);
	for (int i = 0; c->each != NULL && i < c->layers; i++)
		((decoder_layer *) c->each)[i].rope = has_rope(context, file, i) ? 0 : -1;
}

static const nn_variant variants[] = {{"smollm3", "SmolLM3", "model"}, {0}};

const nn_family family_smollm3 = {
	.name = "smollm3",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
