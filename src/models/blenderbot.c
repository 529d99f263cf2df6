/*
 * blenderbot.c
 *	  Blenderbot (Roller et al. 2020): as mBART, without the norm of embeddings.  BlenderbotSmall is as
 *	  BART; its decoder norms words, not positions.
 *	  Follows transformers/models/blenderbot/modeling_blenderbot.py and blenderbot_small/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

static const nn_variant variants[] = {
	{"blenderbot", "Blenderbot", "model"},
	{"blenderbot-small", "BlenderbotSmall", "model"},
	{0},
};

static void
set_small(bart_config *c)
{
	c->seq2seq.common.hidden_size = c->seq2seq.common.max_positions = 512;
	c->encoder = (bart_part) {.layers = 8, .heads = 16, .intermediate_size = 2048};
	c->decoder = c->encoder;
	c->embedding_norm = true;
	c->decoder_norms_words = true;
	c->decoder_keeps_words = true;
}

static void
set_large(bart_config *c)
{
	c->seq2seq.common.vocab_size = 8008;
	c->seq2seq.common.hidden_size = 2560;
	c->seq2seq.common.max_positions = 128;
	c->encoder = (bart_part) {.layers = 2, .heads = 32, .intermediate_size = 10240};
	c->decoder = (bart_part) {.layers = 24, .heads = 32, .intermediate_size = 10240};
	c->pre_norm = true;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;

	*c = bart_large;
	c->seq2seq.common.pad_token_id = 0;
	c->seq2seq.decoder_start_token_id = 1;
	if (nn_which_variant(file, variants) == 1)
		set_small(c);
	else
		set_large(c);
	bart_read_config(context, file, "gelu", c);
}

const nn_family family_blenderbot = {
	.name = "blenderbot",
	.variants = variants,
	.heads = bart_generation_heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	BART_FUNCTIONS,
};
