/*
 * roberta.c
 *	  RoBERTa (Liu et al. 2019) and those that are the same under other names: as
 *	  BERT, but positions count from padding_idx + 1 over the tokens that are not
 *	  padding, and the heads differ.
 *	  Follows transformers/models/roberta/modeling_roberta.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_roberta;
	encoder_read_roberta_config(context, file, c);
}

static const nn_variant variants[] = {
	{"roberta", "Roberta", "roberta"},
	{"xlm-roberta", "XLMRoberta", "roberta"},
	{"camembert", "Camembert", "roberta"},
	{"data2vec-text", "Data2VecText", "data2vec_text"},
	{0},
};

const nn_family family_roberta = {
	.name = "roberta",
	.variants = variants,
	.heads = encoder_roberta_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.inputs = encoder_memory_inputs,
	.cache_layers = encoder_cache_layers,
	.remember = encoder_remember,
	.hidden_states = encoder_hidden_states,
};
