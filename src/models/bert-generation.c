/*
 * bert-generation.c
 *	  BertGeneration (Rothe et al. 2020): BERT without token types and pooler, as an
 *	  encoder and as a decoder.
 *	  Follows transformers/models/bert_generation/modeling_bert_generation.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_bert;
	c->common.vocab_size = 50358;
	c->common.hidden_size = 1024;
	c->layers = 24;
	c->attention.heads = 16;
	c->intermediate_size = 4096;
	c->embedding.types = NULL;
	c->lm_head = (lm_head) {.decoder = "lm_head.decoder", .decoder_bias = "lm_head.bias"};
	encoder_read_config(context, file, c, 0);
}

static const nn_variant variants[] = {{"bert-generation", "BertGeneration", "bert"}, {0}};

static const nn_head heads[] = {
	{"Encoder", "feature-extraction", encoder_base_model},
	{"Decoder", "text-generation", encoder_masked_lm},
	{0},
};

const nn_family family_bert_generation = {
	.name = "bert-generation",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	ENCODER_FUNCTIONS,
};
