/*
 * deberta.c
 *	  DeBERTa (He et al. 2020), the first version: one projection makes queries, keys and values, keys
 *	  have no bias, and each distance has a vector of its own.
 *	  Follows transformers/models/deberta/modeling_deberta.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/deberta.h"

/* Columns first .. first + size - 1 of each head of x [tokens, heads * 3 * size], plus a bias. */
static tensor
take_part(nn_model *m, tensor x, const deberta_config *c, int part, const char *bias_name)
{
	int64_t width = x.shape[1] / 3, size = width / c->encoder.attention.heads;
	const weight *bias = bias_name == NULL ? NULL : nn_weight(m, bias_name, LAYOUT_PLAIN, 0, width);
	tensor y = nn_matrix(m, x.shape[0], width);

	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
	{
		const float *from = (const float *) x.data + t * x.shape[1] + part * size;
		float *to = (float *) y.data + t * width;

		for (int64_t i = 0; i < width; i++)
			to[i] = from[i / size * 3 * size + i % size] +
					(bias == NULL ? 0.0f : ((const float *) bias->data)[i]);
	}
	return y;
}

static void
project(nn_model *m, tensor x, const deberta_config *c, tensor qkv[3])
{
	tensor all = linear(m, x, "attention.self.in_proj", .columns = 3 * x.shape[1]);

	qkv[0] = take_part(m, all, c, 0, "attention.self.q_bias");
	qkv[1] = take_part(m, all, c, 1, NULL);
	qkv[2] = take_part(m, all, c, 2, "attention.self.v_bias");
}

static void
read_config(tfm_context *context, json file, void *config)
{
	deberta_config *c = config;

	*c = (deberta_config) {.encoder = encoder_bert,
						   .project = project,
						   .position_keys = "attention.self.pos_proj",
						   .position_queries = "attention.self.pos_q_proj"};
	c->encoder.attends_alone = true;
	c->encoder.common.vocab_size = 50265;
	deberta_read_config(context, file, c);
	if (json_bool(context, file, "talking_head", false))
		tfm_fail(context, TFM_UNSUPPORTED, "%s: \"talking_head\" is not supported", file.source);
}

static const nn_variant variants[] = {{"deberta", "Deberta", "deberta"}, {0}};

const nn_family family_deberta = {
	.name = "deberta",
	.variants = variants,
	.heads = deberta_heads,
	.config_size = sizeof(deberta_config),
	.read_config = read_config,
	.hidden_states = deberta_hidden_states,
};
