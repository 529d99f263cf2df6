/*
 * bert.c
 *	  BERT (Devlin et al. 2018).
 *	  Follows transformers/models/bert/modeling_bert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_bert;
	encoder_read_config(context, file, c, 0);
}

static const nn_variant variants[] = {{"bert", "Bert", "bert"}, {0}};

const nn_family family_bert = {
	.name = "bert",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.inputs = encoder_memory_inputs,
	.cache_layers = encoder_cache_layers,
	.remember = encoder_remember,
	.hidden_states = encoder_hidden_states,
};
