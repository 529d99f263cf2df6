/*
 * squeezebert.c
 *	  SqueezeBERT (Iandola et al. 2020): as BERT, with products in groups: a part of the
 *	  columns is multiplied with weights of its own.
 *	  Follows transformers/models/squeezebert/modeling_squeezebert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

/* Of the norms in the layers, whatever layer_norm_eps says. */
#define NORM_EPS 1e-12

typedef struct squeezebert_config
{
	encoder_config encoder;
	int query_groups, key_groups, value_groups;
	int post_attention_groups, intermediate_groups, output_groups;
} squeezebert_config;

static tensor
attend_to_self(nn_model *m, tensor x, const void *config)
{
	const squeezebert_config *c = config;
	int64_t hidden = c->encoder.common.hidden_size;
	tensor q = linear_groups(m, x, "attention.query", c->query_groups, .columns = hidden);
	tensor k = linear_groups(m, x, "attention.key", c->key_groups, .columns = hidden);
	tensor v = linear_groups(m, x, "attention.value", c->value_groups, .columns = hidden);
	tensor a = attend(m, q, k, v, &c->encoder.attention);

	a = linear_groups(m, a, "post_attention.conv1d", c->post_attention_groups, .columns = hidden);
	return layer_norm(m, add(m, a, x, 1), "post_attention.layernorm", NORM_EPS);
}

static tensor
feed_forward(nn_model *m, tensor x, const void *config)
{
	const squeezebert_config *c = config;
	const encoder_config *e = &c->encoder;
	tensor a = linear_groups(m, x, "intermediate.conv1d", c->intermediate_groups,
							 .columns = e->intermediate_size, .activation = e->activation);

	a = linear_groups(m, a, "output.conv1d", c->output_groups, .columns = e->common.hidden_size);
	return layer_norm(m, add(m, a, x, 1), "output.layernorm", NORM_EPS);
}

static const encoder_names names = {.layer = "encoder.layers.%d"};

static int
read_groups(tfm_context *context, json file, const char *key, int fallback)
{
	return (int) json_int(context, file, key, fallback, 1, NN_MAX_HEADS);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	squeezebert_config *c = config;
	encoder_config *e = &c->encoder;

	*e = encoder_bert;
	e->names = &names;
	e->self_attention = attend_to_self;
	e->feed_forward = feed_forward;
	encoder_read_config(context, file, e, 0);
	e->attention.causal = e->crosses = false; /* there is no decoder, whatever is_decoder says */
	c->query_groups = read_groups(context, file, "q_groups", 4);
	c->key_groups = read_groups(context, file, "k_groups", 4);
	c->value_groups = read_groups(context, file, "v_groups", 4);
	c->post_attention_groups = read_groups(context, file, "post_attention_groups", 1);
	c->intermediate_groups = read_groups(context, file, "intermediate_groups", 4);
	c->output_groups = read_groups(context, file, "output_groups", 4);
}

static const nn_variant variants[] = {{"squeezebert", "SqueezeBert", "transformer"}, {0}};

const nn_family family_squeezebert = {
	.name = "squeezebert",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(squeezebert_config),
	.read_config = read_config,
	.hidden_states = encoder_hidden_states,
};
