/*
 * gpt2.c
 *	  GPT-2 (Radford et al. 2019): learned positions, and weights stored as [k, n].
 *	  Follows transformers/models/gpt2/modeling_gpt2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/gpt.h"

typedef struct gpt2_config
{
	decoder_config decoder;
	bool scale_by_layer;
} gpt2_config;

static const decoder_names names = {GPT_LAYER, GPT_ATTENTION, GPT_MLP, GPT_END};

/* Scores of deeper layers are smaller, if the configuration says so. */
static tensor
attend_by_layer(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	decoder_config scaled = *c;

	if (((const gpt2_config *) c)->scale_by_layer)
		scaled.attention.scale /= layer + 1;
	return decoder_attend(m, x, &scaled, layer);
}

/* ---- Attention to an encoder's states ---- */

/* Keys and values side by side; empty where the cache has them. */
static tensor
project_memory(nn_model *m, const decoder_config *c)
{
	tensor states = m->batch->memory->states;

	if (states.rank == 0)
		return states;
	return linear(m, states, "crossattention.c_attn", .columns = 2 * c->common.hidden_size,
				  .transposed = true);
}

static tensor
attend_to_memory(nn_model *m, tensor q, const decoder_config *c, int layer)
{
	int64_t hidden = c->common.hidden_size;
	tensor kv = project_memory(m, c);
	attention how = {.heads = c->attention.heads,
					 .layer = layer,
					 .scale = c->attention.scale,
					 .stride = 2 * hidden,
					 .q_stride = hidden,
					 .cross = true};

	if (((const gpt2_config *) c)->scale_by_layer)
		how.scale /= layer + 1;
	if (kv.rank == 0)
		return attend(m, q, kv, kv, &how);
	return attend(m, q, take_columns(kv, 0, hidden), take_columns(kv, hidden, hidden), &how);
}

static tensor
look_back(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	nn_scope part = nn_begin(m);
	tensor q;

	if (m->batch->memory == NULL)
		return x;
	q = linear(m, layer_norm(m, x, "ln_cross_attn", c->norm.eps), "crossattention.q_attn",
			   .transposed = true);
	return nn_leave(m, part, x,
					linear(m, attend_to_memory(m, q, c, layer), "crossattention.c_proj",
						   .transposed = true, .residual = x, .replace = true));
}

static void
remember(nn_model *m, const void *config)
{
	const decoder_config *c = config;
	tensor states = m->batch->memory->states;
	tensor nothing = {.dtype = DTYPE_F32, .rank = 2, .shape = {0, c->common.hidden_size}};

	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer = nn_enter(m, c->names->layer, i);

		/* of no queries at all */
		attend_to_memory(m, nothing, c, i);
		nn_leave(m, layer, states, states);
	}
}

static const decoder_defaults defaults = {
	GPT_DEFAULTS,
	.vocab_size = 50257,
	.sizes = {.hidden = 768, .layers = 12, .heads = 12},
	.max_positions = 1024,
	.activation = "gelu_new",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	gpt2_config *c = config;
	decoder_config *d = &c->decoder;

	gpt_read_config(context, file, &names, &defaults, d);
	d->transposed = true;
	d->attend = attend_by_layer;
	d->look_back = look_back;
	d->attention.scale =
		json_bool(context, file, "scale_attn_weights", true) ? 1 / sqrt(d->head_dim) : 1;
	c->scale_by_layer = json_bool(context, file, "scale_attn_by_inverse_layer_idx", false);
	decoder_read_choice(context, file, d);
}

static const nn_variant variants[] = {{"gpt2", "GPT2", "transformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"LMHeadModel", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"ForTokenClassification", "token-classification", decoder_token_classification},
	{"ForQuestionAnswering", "question-answering", decoder_question_answering},
	{"DoubleHeadsModel", "multiple-choice", decoder_double_heads},
	{0},
};

const nn_family family_gpt2 = {
	.name = "gpt2",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(gpt2_config),
	.read_config = read_config,
	.inputs = decoder_choice_inputs,
	.keeps_last = true,
	.cache_layers = decoder_cache_layers,
	.remember = remember,
	.hidden_states = decoder_hidden_states,
};
