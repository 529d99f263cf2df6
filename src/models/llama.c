/*
 * llama.c
 *	  LLaMA (Touvron et al. 2023), and decoders with its layout and other sizes: Seed-OSS (ByteDance
 *	  2025), Arcee's (2025), whose feed-forward part has no gate, and Open-Llama (2023), which norms its
 *	  words.
 *	  Follows transformers/models/llama/modeling_llama.py, seed_oss/, arcee/ and, of version 4,
 *	  deprecated/open_llama/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"llama", "Llama", "model"},
	{"seed_oss", "SeedOss", "model"},
	{"arcee", "Arcee", "model"},
	{"open-llama", "OpenLlama", "model"},
	{0},
};

enum
{
	LLAMA,
	SEED_OSS,
	ARCEE,
	OPEN_LLAMA
};

static const decoder_defaults defaults[] = {
	[LLAMA] = {DECODER_LLAMA_SIZES, .vocab_size = 32000, .norm_eps = 1e-6, .pad_token_id = -1},
	[SEED_OSS] =
		{
			.vocab_size = 155136,
			.sizes =
				{.hidden = 4096, .intermediate = 27648, .layers = 64, .heads = 80, .kv_heads = 8},
			.head_dim = 128,
			.max_positions = 524288,
			.norm_eps = 1e-6,
			.pad_token_id = 1,
		},
	[ARCEE] =
		{
			.vocab_size = 32000,
			.sizes = {.hidden = 2560, .intermediate = 18432, .layers = 32, .heads = 32},
			.max_positions = 4096,
			.activation = "relu2",
			.norm_eps = 1e-5,
			.pad_token_id = -1,
		},
	[OPEN_LLAMA] = {DECODER_LLAMA_SIZES, .vocab_size = 100000, .norm_eps = 1e-6},
};

/* The words' rows are normed; rows that the caller gives are not. */
static tensor
embed_stable(nn_model *m, const decoder_config *c)
{
	embedding e = c->embedding;

	e.norm = m->batch->embeds == NULL ? "embed_layer_norm" : NULL;
	e.norm_eps = 1e-5;
	return embed(m, &e);
}

/* What Open-Llama has beside LLaMA's keys. */
static void
read_open_llama(tfm_context *context, json file, decoder_config *c)
{
	if (json_bool(context, file, "use_stable_embedding", true))
		c->embed = embed_stable;
	if (json_bool(context, file, "shared_input_output_embedding", true))
		c->common.tie_word_embeddings = c->embedding.tied = true;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	decoder_config *c = config;

	decoder_read_llama(context, file,
					   which == ARCEE ? &decoder_ungated_names : &decoder_llama_names,
					   &defaults[which], c);
	if (which == OPEN_LLAMA)
		read_open_llama(context, file, c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

const nn_family family_llama = {
	.name = "llama",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
