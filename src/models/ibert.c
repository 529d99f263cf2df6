/*
 * ibert.c
 *	  I-BERT (Kim et al. 2021): RoBERTa, made to be run in whole numbers, as it is run in
 *	  floating point (quant_mode false), which is how checkpoints come.
 *	  Follows transformers/models/ibert/modeling_ibert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_roberta;
	c->common.vocab_size = 30522;
	encoder_read_roberta_config(context, file, c);
	c->attention.causal = false; /* there is no decoder, whatever is_decoder says */
	if (json_bool(context, file, "quant_mode", false))
		tfm_fail(context, TFM_UNSUPPORTED, "\"quant_mode\" true of I-BERT is not supported");
}

static const nn_variant variants[] = {{"ibert", "IBert", "ibert"}, {0}};

const nn_family family_ibert = {
	.name = "ibert",
	.variants = variants,
	.heads = encoder_roberta_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.hidden_states = encoder_hidden_states,
};
