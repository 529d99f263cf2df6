/*
 * bert.c
 *	  BERT (Devlin et al. 2018); as Megatron-LM trains it (Shoeybi et al. 2019), with norms before the
 *	  parts and after the last layer; and RemBERT (Chung et al. 2020), with embeddings of their own
 *	  widths at the input and at the output.
 *	  Follows transformers/models/bert/modeling_bert.py, megatron_bert/ and rembert/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

enum
{
	BERT,
	MEGATRON_BERT,
	REMBERT
};

static const nn_variant variants[] = {
	[BERT] = {"bert", "Bert", "bert"},
	[MEGATRON_BERT] = {"megatron-bert", "MegatronBert", "bert"},
	[REMBERT] = {"rembert", "RemBert", "rembert"},
	{0},
};

static void
set_megatron(encoder_config *c)
{
	c->common.vocab_size = 29056;
	c->common.hidden_size = 1024;
	c->layers = 24;
	c->attention.heads = 16;
	c->intermediate_size = 4096;
	c->embedding.norm = NULL;
	c->pre_norm = true;
	c->attention_norm = "attention.ln";
	c->output_norm = "ln";
	c->final_norm = "encoder.ln";
}

static void
set_rembert(tfm_context *context, json file, encoder_config *c)
{
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
}

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	encoder_config *c = config;

	*c = encoder_bert;
	if (which == MEGATRON_BERT)
		set_megatron(c);
	if (which == REMBERT)
		set_rembert(context, file, c);
	encoder_read_config(context, file, c, 0);
	if (which == REMBERT)
		c->common.tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", false);
}

const nn_family family_bert = {
	.name = "bert",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	ENCODER_FUNCTIONS,
};
