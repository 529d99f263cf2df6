/*
 * rembert.c
 *	  RemBERT (Chung et al. 2020): as BERT, with embeddings of their own widths at the
 *	  input and at the output.
 *	  Follows transformers/models/rembert/modeling_rembert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_bert;
	c->common.vocab_size = 250300;
	c->common.hidden_size = 1152;
	c->layers = 32;
	c->attention.heads = 18;
	c->intermediate_size = 4608;
	c->embedding.hidden_size = json_int(context, file, "input_embedding_size", 256, 1, NN_MAX_SIZE);
	c->projection = "encoder.embedding_hidden_mapping_in";
	c->lm_head = (lm_head) {
		.dense = "cls.predictions.dense",
		.columns = json_int(context, file, "output_embedding_size", 1664, 1, NN_MAX_SIZE),
		.norm = "cls.predictions.LayerNorm",
		.decoder = "cls.predictions.decoder",
	};
	encoder_read_config(context, file, c, 0);
	c->common.tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", false);
}

static const nn_variant variants[] = {{"rembert", "RemBert", "rembert"}, {0}};

const nn_family family_rembert = {
	.name = "rembert",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.inputs = encoder_memory_inputs,
	.cache_layers = encoder_cache_layers,
	.remember = encoder_remember,
	.hidden_states = encoder_hidden_states,
};
