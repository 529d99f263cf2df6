/*
 * roberta.c
 *	  RoBERTa (Liu et al. 2019) and those that are the same under other names: as BERT, but positions
 *	  count from padding_idx + 1 over the tokens that are not padding, and the heads differ.  With norms
 *	  before the parts and after the last layer as fairseq trains it with encoder-normalize-before (Ott
 *	  et al. 2019), and, without one of the embeddings, XLM-RoBERTa-XL (Goyal et al. 2021).
 *	  Follows transformers/models/roberta/modeling_roberta.py, roberta_prelayernorm/ and
 *	  xlm_roberta_xl/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

enum
{
	ROBERTA,
	XLM_ROBERTA,
	CAMEMBERT,
	DATA2VEC,
	PRE_LAYER_NORM,
	XLM_ROBERTA_XL
};

static const nn_variant variants[] = {
	[ROBERTA] = {"roberta", "Roberta", "roberta"},
	[XLM_ROBERTA] = {"xlm-roberta", "XLMRoberta", "roberta"},
	[CAMEMBERT] = {"camembert", "Camembert", "roberta"},
	[DATA2VEC] = {"data2vec-text", "Data2VecText", "data2vec_text"},
	[PRE_LAYER_NORM] = {"roberta-prelayernorm", "RobertaPreLayerNorm", "roberta_prelayernorm"},
	[XLM_ROBERTA_XL] = {"xlm-roberta-xl", "XLMRobertaXL", "roberta"},
	{0},
};

static void
set_pre_layer_norm(encoder_config *c)
{
	c->pre_norm = true;
	c->attention_norm = "attention.LayerNorm";
	c->output_norm = "intermediate.LayerNorm";
	c->final_norm = "LayerNorm";
}

static void
set_xl(encoder_config *c)
{
	c->common.vocab_size = 250880;
	c->common.hidden_size = 2560;
	c->layers = 36;
	c->attention.heads = 32;
	c->intermediate_size = 10240;
	c->norm_eps = 1e-5;
	c->embedding.position_count = 514;
	c->embedding.type_count = 1;
	c->embedding.norm = NULL;
	c->pre_norm = true;
	c->attention_norm = "attention.self_attn_layer_norm";
	c->output_norm = "LayerNorm";
	c->final_norm = "encoder.LayerNorm";
}

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	encoder_config *c = config;

	*c = encoder_roberta;
	if (which == PRE_LAYER_NORM)
		set_pre_layer_norm(c);
	if (which == XLM_ROBERTA_XL)
		set_xl(c);
	encoder_read_roberta_config(context, file, c);
}

const nn_family family_roberta = {
	.name = "roberta",
	.variants = variants,
	.heads = encoder_roberta_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	ENCODER_FUNCTIONS,
};
