/*
 * marian.c
 *	  Marian (Junczys-Dowmunt et al. 2018): as BART, with sinusoids for positions.  Encoder and decoder
 *	  may have words of their own.
 *	  Follows transformers/models/marian/modeling_marian.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

static void
read_decoder_words(tfm_context *context, json file, nn_config *common)
{
	if (!json_bool(context, file, "share_encoder_decoder_embeddings", true))
		common->decoder_vocab_size =
			json_int(context, file, "decoder_vocab_size", 0, 0, NN_MAX_SIZE);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;

	*c = bart_large;
	c->seq2seq.common.vocab_size = 58101;
	c->seq2seq.common.pad_token_id = 58100;
	c->seq2seq.decoder_start_token_id = 58100;
	c->seq2seq.eos_token_id = 0;
	c->positions = BART_SINUSOIDS;
	c->decoder_scales_input = true;
	bart_read_config(context, file, "gelu", c);
	read_decoder_words(context, file, &c->seq2seq.common);
}

static const nn_variant variants[] = {{"marian", "Marian", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"MTModel", "text2text-generation", seq2seq_conditional_generation},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

const nn_family family_marian = {
	.name = "marian",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	BART_FUNCTIONS,
};
