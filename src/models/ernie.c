/*
 * ernie.c
 *	  ERNIE (Sun et al. 2019, 2020): as BERT, with types of tasks beside those of tokens.
 *	  Follows transformers/models/ernie/modeling_ernie.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"
#include "nn/inputs.h"

typedef struct ernie_config
{
	encoder_config encoder;
	int64_t task_types; /* 0: none */
} ernie_config;

static const nn_input_kind inputs[] = {{"task_type_ids", true, 1, false}, {0}};

static tensor
hidden_states(nn_model *m, const void *config)
{
	const ernie_config *c = config;
	const encoder_config *e = &c->encoder;
	embedding words = e->embedding;
	tensor x;

	if (c->task_types == 0)
		return encoder_hidden_states(m, config);
	words.norm = NULL;
	x = embed(m, &words);
	add_looked_up(m, x, "embeddings.task_type_embeddings", c->task_types, input_column(m, 0, 0));
	normalize_in_place(m, x, e->embedding.norm, &(normalization) {.eps = e->norm_eps});
	return encode(m, x, e, &e->attention);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	ernie_config *c = config;

	c->encoder = encoder_bert;
	c->encoder.hidden_states = hidden_states;
	encoder_read_config(context, file, &c->encoder, 0);
	if (json_bool(context, file, "use_task_id", false))
		c->task_types = json_int(context, file, "task_type_vocab_size", 3, 1, NN_MAX_SIZE);
}

static const nn_variant variants[] = {{"ernie", "Ernie", "ernie"}, {0}};

const nn_family family_ernie = {
	.name = "ernie",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(ernie_config),
	.read_config = read_config,
	.inputs = inputs,
	.cache_layers = encoder_cache_layers,
	.remember = encoder_remember,
	.hidden_states = hidden_states,
};
