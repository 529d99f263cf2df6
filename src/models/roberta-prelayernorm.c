/*
 * roberta-prelayernorm.c
 *	  RoBERTa with norms before the parts, as fairseq trains it with
 *	  encoder-normalize-before (Ott et al. 2019).
 *	  Follows transformers/models/roberta_prelayernorm/modeling_roberta_prelayernorm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_roberta;
	c->attention_norm = "attention.LayerNorm";
	c->output_norm = "intermediate.LayerNorm";
	c->pre_norm = true;
	c->final_norm = "LayerNorm";
	encoder_read_roberta_config(context, file, c);
}

static const nn_variant variants[] = {
	{"roberta-prelayernorm", "RobertaPreLayerNorm", "roberta_prelayernorm"}, {0}};

const nn_family family_roberta_prelayernorm = {
	.name = "roberta-prelayernorm",
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
