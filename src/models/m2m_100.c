/*
 * m2m_100.c
 *	  M2M100 (Fan et al. 2020) and NLLB (2022): as mBART, with fairseq's sinusoids for positions.
 *	  NLLB-MoE has a mixture of experts in every fourth layer.
 *	  Follows transformers/models/m2m_100/modeling_m2m_100.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

static const nn_variant variants[] = {
	{"m2m_100", "M2M100", "model"},
	{"nllb-moe", "NllbMoe", "model"},
	{0},
};

static const moe_names expert_names[] = {
	{.up = "ffn.experts.expert_%.fc1", .down = "ffn.experts.expert_%.fc2"},
	{0},
};

static const bart_names sparse_names = {
	.self = {.projections = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
			 .output = "self_attn.out_proj",
			 .norm = "self_attn_layer_norm"},
	.memory = {.projections = {"cross_attention.q_proj", "cross_attention.k_proj",
							   "cross_attention.v_proj"},
			   .output = "cross_attention.out_proj",
			   .norm = "cross_attention_layer_norm"},
	.fc1 = "ffn.fc1",
	.fc2 = "ffn.fc2",
	.feed_forward_norm = "ff_layer_norm",
};

/*
 * All tokens get their two experts, whatever moe_eval_capacity_token_fraction is: what a text becomes
 * must not depend on those beside it.
 */
static void
read_experts(tfm_context *context, json file, bart_config *c)
{
	int count = (int) json_int(context, file, "num_experts", 128, 2, MOE_MAX_EXPERTS);

	c->names = &sparse_names;
	c->encoder.sparse_step =
		(int) json_int(context, file, "encoder_sparse_step", 4, INT32_MIN, INT32_MAX);
	c->decoder.sparse_step =
		(int) json_int(context, file, "decoder_sparse_step", 4, INT32_MIN, INT32_MAX);
	c->experts = (moe) {.experts = count,
						.chosen = 2,
						.router = "ffn.router.classifier",
						.norm_power = 1,
						.scale = 1 - json_double(context, file, "moe_token_dropout", 0.2),
						.names = expert_names,
						.activation = c->activation};
}

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;

	*c = bart_large;
	c->seq2seq.common.vocab_size = 128112;
	c->seq2seq.common.any_position = true;
	c->scale_embedding = true;
	c->positions = BART_FAIRSEQ;
	c->pre_norm = true;
	bart_read_config(context, file, "relu", c);
	if (nn_which_variant(file, variants) == 1)
		read_experts(context, file, c);
}

const nn_family family_m2m_100 = {
	.name = "m2m_100",
	.variants = variants,
	.heads = seq2seq_heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	.make_positions = bart_make_positions,
	BART_FUNCTIONS,
};
