/*
 * mpnet.c
 *	  MPNet (Song et al. 2020): as RoBERTa, without token types, and with T5's
 *	  relative position bias, shared by all layers.
 *	  Follows transformers/models/mpnet/modeling_mpnet.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

#include "nn/position_bias.h"

/* Fixed in MPNetEmbeddings, whatever the configuration says. */
#define PADDING_ID 1

/* Fixed in MPNetEncoder.compute_position_bias, whatever relative_attention_num_buckets says. */
#define BUCKETS 32
#define MAX_DISTANCE 128

static const encoder_names names = {
	.layer = "encoder.layer.%d",
	.query = "attention.attn.q",
	.key = "attention.attn.k",
	.value = "attention.attn.v",
	.attention_output = "attention.attn.o",
	.attention_norm = "attention.LayerNorm",
	.intermediate = "intermediate.dense",
	.output = "output.dense",
	.output_norm = "output.LayerNorm",
};

static tensor
hidden_states(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	attention a = c->attention;

	a.position_bias = position_bias(m, "encoder.relative_attention_bias",
									&(position_buckets) {.heads = a.heads,
														 .buckets = BUCKETS,
														 .max_distance = MAX_DISTANCE,
														 .bidirectional = true});
	return encode(m, embed(m, &c->embedding), c, &a);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_roberta;
	c->common.vocab_size = 30527;
	c->common.pad_token_id = PADDING_ID;
	c->names = &names;
	c->embedding.types = NULL;
	c->hidden_states = hidden_states;
	encoder_read_config(context, file, c, PADDING_ID + 1);
	c->attention.causal = false; /* there is no decoder, whatever is_decoder says */
}

static const nn_variant variants[] = {{"mpnet", "MPNet", "mpnet"}, {0}};

const nn_family family_mpnet = {
	.name = "mpnet",
	.variants = variants,
	.heads = encoder_roberta_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.hidden_states = hidden_states,
};
