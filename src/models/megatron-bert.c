/*
 * megatron-bert.c
 *	  BERT as Megatron-LM trains it (Shoeybi et al. 2019): norms before the parts, and
 *	  after the last layer.
 *	  Follows transformers/models/megatron_bert/modeling_megatron_bert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_bert;
	c->common.vocab_size = 29056;
	c->common.hidden_size = 1024;
	c->attention_norm = "attention.ln";
	c->output_norm = "ln";
	c->layers = 24;
	c->attention.heads = 16;
	c->intermediate_size = 4096;
	c->embedding.norm = NULL;
	c->pre_norm = true;
	c->final_norm = "encoder.ln";
	encoder_read_config(context, file, c, 0);
}

static const nn_variant variants[] = {{"megatron-bert", "MegatronBert", "bert"}, {0}};

const nn_family family_megatron_bert = {
	.name = "megatron-bert",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.inputs = encoder_memory_inputs,
	.cache_layers = encoder_cache_layers,
	.remember = encoder_remember,
	.hidden_states = encoder_hidden_states,
};
