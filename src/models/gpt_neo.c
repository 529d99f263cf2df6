/*
 * gpt_neo.c
 *	  GPT-Neo (Black et al. 2021): GPT-2 with scores that are not scaled, and layers that see but the
 *	  last tokens.
 *	  Follows transformers/models/gpt_neo/modeling_gpt_neo.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/gpt.h"

static const decoder_names names = {
	GPT_LAYER,
	GPT_MLP,
	GPT_END,
	.query = "attn.attention.q_proj",
	.key = "attn.attention.k_proj",
	.value = "attn.attention.v_proj",
	.attention_output = "attn.attention.out_proj",
};

/* Set the windows of layers from layer first on by types, ["global", "local"]; the next layer. */
static int
add_windows(tfm_context *context, json types, int64_t window, const decoder_config *c, int first,
			decoder_layer *each)
{
	for (json type = json_first(types); json_present(type); type = json_next(type), first++)
	{
		const char *text = json_is_string(type) ? json_as_string(type) : "";

		if (strcmp(text, "local") != 0 && strcmp(text, "global") != 0)
			tfm_fail(context, TFM_CORRUPTED, "%s: \"attention_types\" has an unknown type",
					 types.source);
		if (first < c->layers && strcmp(text, "local") == 0)
			each[first].window = window;
	}
	return first;
}

/* "attention_types", [[["global", "local"], 12]]; where there are none, every second is local. */
static void
read_windows(tfm_context *context, json file, decoder_config *c)
{
	int64_t window = json_int(context, file, "window_size", 256, 1, INT32_MAX);
	json parts = json_member(file, "attention_types");
	decoder_layer *each = decoder_make_layers(context, c);
	int layer = 0;

	if (each == NULL)
		return;
	if (!json_is_array(parts))
		for (; layer < c->layers; layer++)
			each[layer].window = layer % 2 == 0 ? 0 : window;
	for (json part = json_first(parts); json_present(part); part = json_next(part))
	{
		json types = json_first(part);
		int64_t times = 0;

		json_to_int(json_next(types), 0, NN_MAX_LAYERS, &times);
		types.source = file.source;
		while (times-- > 0 && layer < c->layers && !tfm_failed(context))
			layer = add_windows(context, types, window, c, layer, each);
	}
	if (layer != c->layers)
		tfm_fail(context, TFM_CORRUPTED, "%s: \"attention_types\" does not have %d layers",
				 file.source, c->layers);
}

static const decoder_defaults defaults = {
	GPT_DEFAULTS,
	.layers_key = "num_layers",
	.heads_key = "num_heads",
	.intermediate_size_key = "intermediate_size",
	.vocab_size = 50257,
	.sizes = {.hidden = 2048, .layers = 24, .heads = 16},
	.max_positions = 2048,
	.activation = "gelu_new",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	gpt_read_config(context, file, &names, &defaults, c);
	c->attention.scale = 1;
	read_windows(context, file, c);
}

static const nn_variant variants[] = {{"gpt_neo", "GPTNeo", "transformer"}, {0}};

const nn_family family_gpt_neo = {
	.name = "gpt_neo",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
