/*
 * deberta-v2.c
 *	  DeBERTa-v2 and v3 (He et al. 2021): distances far apart share vectors, which the projections of
 *	  tokens may serve, too; the first layer has a convolution beside it.
 *	  Follows transformers/models/deberta_v2/modeling_deberta_v2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/deberta.h"

#include <string.h>
#include <strings.h>

static const encoder_names names = {
	.layer = "encoder.layer.%d",
	.query = "attention.self.query_proj",
	.key = "attention.self.key_proj",
	.value = "attention.self.value_proj",
	.attention_output = "attention.output.dense",
	.attention_norm = "attention.output.LayerNorm",
	.intermediate = "intermediate.dense",
	.output = "output.dense",
	.output_norm = "output.LayerNorm",
};

/* Whether a list, "none|layer_norm", has a layer norm. */
static bool
has_layer_norm(const char *list)
{
	for (; *list != '\0'; list++)
		if (strncasecmp(list, "layer_norm", strlen("layer_norm")) == 0)
			return true;
	return false;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	deberta_config *c = config;
	encoder_config *e = &c->encoder;
	bool shared = json_bool(context, file, "share_att_key", false);

	*c = (deberta_config) {
		.encoder = encoder_bert,
		.position_keys = shared ? names.key : "attention.self.pos_key_proj",
		.position_queries = shared ? names.query : "attention.self.pos_query_proj",
		.buckets = json_int(context, file, "position_buckets", -1, -1, NN_MAX_SIZE),
		.norms_distances = has_layer_norm(json_string(context, file, "norm_rel_ebd", "none")),
		.convolution = {.width = json_int(context, file, "conv_kernel_size", 0, 0, NN_MAX_SIZE),
						.groups = json_int(context, file, "conv_groups", 1, 1, NN_MAX_SIZE)},
		.convolution_activation =
			nn_activation(context, json_string(context, file, "conv_act", "tanh")),
	};
	e->names = &names;
	e->common.vocab_size = 128100;
	e->common.hidden_size = 1536;
	e->layers = 24;
	e->attention.heads = 24;
	e->intermediate_size = 6144;
	deberta_read_config(context, file, c);
	c->convolution.channels = e->common.hidden_size;
}

static const nn_variant variants[] = {{"deberta-v2", "DebertaV2", "deberta"}, {0}};

const nn_family family_deberta_v2 = {
	.name = "deberta-v2",
	.variants = variants,
	.heads = deberta_heads,
	.config_size = sizeof(deberta_config),
	.read_config = read_config,
	.hidden_states = deberta_hidden_states,
};
