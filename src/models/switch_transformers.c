/*
 * switch_transformers.c
 *	  Switch Transformers (Fedus et al. 2021): T5 in which some layers give each token to one of many
 *	  experts.
 *	  Follows transformers/models/switch_transformers/modeling_switch_transformers.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/t5.h"

static const moe_names expert_names[] = {
	{.up = "mlp.experts.expert_%.wi", .down = "mlp.experts.expert_%.wo"},
	{0},
};

/* Of so many layers one is sparse: as the file says, or as many as it wants sparse ones. */
static int
read_step(tfm_context *context, json file, const char *key, const char *count_key, int layers)
{
	int count = (int) json_int(context, file, count_key, 3, INT32_MIN, INT32_MAX);

	return (int) json_int(context, file, key, count > 0 ? layers / count : layers, INT32_MIN,
						  INT32_MAX);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	t5_config *c = config;

	*c = (t5_config) {
		.seq2seq = {.common = {.vocab_size = 32128, .hidden_size = 768},
					.eos_token_id = 1,
					.decoder_start_token_id = 0},
		.layers = 12,
		.heads = 12,
		.intermediate_size = 2048,
		.feed_forward = "mlp",
		.scale_outputs = json_bool(context, file, "tie_word_embeddings", true),
	};
	t5_read_config(context, file, NULL, c);
	c->sparse_step =
		read_step(context, file, "encoder_sparse_step", "num_sparse_encoder_layers", c->layers);
	c->decoder_sparse_step = read_step(context, file, "decoder_sparse_step",
									   "num_sparse_decoder_layers", c->decoder_layers);
	c->experts =
		(moe) {.experts = (int) json_int(context, file, "num_experts", 8, 1, MOE_MAX_EXPERTS),
			   .chosen = 1,
			   .capacity = json_int(context, file, "expert_capacity", 64, 0, NN_MAX_SIZE),
			   .router = "mlp.router.classifier",
			   .names = expert_names,
			   .activation = c->activation,
			   .intermediate_size = c->intermediate_size};
}

static const nn_variant variants[] = {
	{"switch_transformers", "SwitchTransformers", "transformer"},
	{0},
};

const nn_family family_switch_transformers = {
	.name = "switch_transformers",
	.variants = variants,
	.heads = t5_heads,
	.config_size = sizeof(t5_config),
	.read_config = read_config,
	T5_FUNCTIONS,
};
