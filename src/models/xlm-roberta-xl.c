/*
 * xlm-roberta-xl.c
 *	  XLM-RoBERTa-XL (Goyal et al. 2021): as RoBERTa, with norms before the parts and
 *	  after the last layer, but none of the embeddings.
 *	  Follows transformers/models/xlm_roberta_xl/modeling_xlm_roberta_xl.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_roberta;
	c->common.vocab_size = 250880;
	c->common.hidden_size = 2560;
	c->attention_norm = "attention.self_attn_layer_norm";
	c->output_norm = "LayerNorm";
	c->layers = 36;
	c->attention.heads = 32;
	c->intermediate_size = 10240;
	c->norm_eps = 1e-5;
	c->embedding.position_count = 514;
	c->embedding.type_count = 1;
	c->embedding.norm = NULL;
	c->pre_norm = true;
	c->final_norm = "encoder.LayerNorm";
	encoder_read_roberta_config(context, file, c);
}

static const nn_variant variants[] = {{"xlm-roberta-xl", "XLMRobertaXL", "roberta"}, {0}};

const nn_family family_xlm_roberta_xl = {
	.name = "xlm-roberta-xl",
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
