/*
 * bart.c
 *	  BART (Lewis et al. 2019), and those that are the same but for sizes: MVP (Tang et al. 2022)
 *	  without prompts, PLBart (Ahmad et al. 2021); mBART (Liu et al. 2020) has norms before the parts of
 *	  a layer.
 *	  Follows transformers/models/bart/modeling_bart.py, mvp/, plbart/ and mbart/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

enum
{
	BART,
	MVP,
	PLBART,
	MBART
};

static const nn_variant variants[] = {
	[BART] = {"bart", "Bart", "model"},
	[MVP] = {"mvp", "Mvp", "model"},
	[PLBART] = {"plbart", "PLBart", "model"},
	[MBART] = {"mbart", "MBart", "model"},
	{0},
};

static void
set_plbart(bart_config *c)
{
	c->seq2seq.common.vocab_size = 50005;
	c->seq2seq.common.hidden_size = 768;
	c->encoder = c->decoder = (bart_part) {.layers = 6, .heads = 12, .intermediate_size = 3072};
	c->scale_embedding = true;
}

/* Texts of these begin with a language. */
static void
set_multilingual(bart_config *c)
{
	c->seq2seq.decoder_start_token_id = -1;
	c->last_comes_first = true;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	bart_config *c = config;

	*c = bart_large;
	c->position_offset = 2;
	c->embedding_norm = true;
	c->pre_norm = which == MBART;
	if (which == BART)
		c->seq2seq.common.num_labels = 3;
	if (which == MVP)
		c->seq2seq.common.vocab_size = 50267;
	if (which == PLBART)
		set_plbart(c);
	if (which == PLBART || which == MBART)
		set_multilingual(c);
	if (which == MVP && json_bool(context, file, "use_prompt", false))
		tfm_fail(context, TFM_UNSUPPORTED, "\"%s\": MVP's prompts are not supported", file.source);
	bart_read_config(context, file, "gelu", c);
}

const nn_family family_bart = {
	.name = "bart",
	.variants = variants,
	.heads = bart_heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	.make_decoder_ids = bart_make_decoder_ids,
	BART_FUNCTIONS,
};
