/*
 * pegasus.c
 *	  PEGASUS (Zhang et al. 2020): as mBART, with sinusoids for positions.
 *	  Follows transformers/models/pegasus/modeling_pegasus.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;

	*c = bart_large;
	c->seq2seq.common.pad_token_id = 0;
	c->seq2seq.eos_token_id = 1;
	c->seq2seq.decoder_start_token_id = 0;
	c->positions = BART_SINUSOIDS;
	c->pre_norm = true;
	c->decoder_scales_input = true;
	bart_read_config(context, file, "gelu", c);
}

static const nn_variant variants[] = {{"pegasus", "Pegasus", "model"}, {0}};

const nn_family family_pegasus = {
	.name = "pegasus",
	.variants = variants,
	.heads = bart_generation_heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	BART_FUNCTIONS,
};
