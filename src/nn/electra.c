/*
 * electra.c
 *	  Configuration and heads of ELECTRA, RoFormer and ConvBERT.
 *	  Follows transformers/models/electra/modeling_electra.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/electra.h"

const lm_head electra_lm_head = {
	.dense = "generator_predictions.dense",
	.norm = "generator_predictions.LayerNorm",
	.decoder = "generator_lm_head",
	.activation = ACTIVATION_GELU,
};

void
electra_read_config(tfm_context *context, json file, int64_t width, const summary_defaults *summed,
					electra_config *c)
{
	encoder_config *e = &c->encoder;

	e->embedding.hidden_size = json_int(context, file, "embedding_size", width, 1, NN_MAX_SIZE);
	encoder_read_config(context, file, e, 0);
	if (e->embedding.hidden_size != e->common.hidden_size)
		e->projection = "embeddings_project";
	if (e->classifier_activation == ACTIVATION_NONE)
		e->classifier_activation = e->activation;
	summary_read_config(context, file, &e->common, summed, &c->summary);
}

void
electra_multiple_choice(nn_model *m, const void *config)
{
	const electra_config *c = config;

	choose_by_summary(m, encoder_hidden_states(m, config), &c->summary);
}

void
electra_discriminate(nn_model *m, tensor x, op_activation activation)
{
	x = linear(m, x, "discriminator_predictions.dense", .activation = activation);
	x = linear(m, x, "discriminator_predictions.dense_prediction", .columns = 1);
	nn_emit(m, "logits", NN_PER_TOKEN, take_column(m, x, 0));
}
