/*
 * openai-gpt.c
 *	  GPT (Radford et al. 2018): as GPT-2, but normed after each part and not at the end.
 *	  Follows transformers/models/openai/modeling_openai.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/gpt.h"

static const decoder_names names = {GPT_LAYER, GPT_ATTENTION, GPT_MLP};

/* Files of the class with two heads have the tied table under the head's name alone. */
static tensor
embed_tied(nn_model *m, const decoder_config *c)
{
	decoder_config own = *c;

	if (!nn_has_weight(m, "tokens_embed.weight"))
		own.embedding.words = names.lm_head;
	return decoder_embed(m, &own);
}

static const decoder_defaults defaults = {
	GPT_DEFAULTS,
	.intermediate_size_key = "",
	.activation_key = "afn",
	.vocab_size = 40478,
	.sizes = {.hidden = 768, .layers = 12, .heads = 12},
	.max_positions = 512,
	.activation = "gelu",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	gpt_read_config(context, file, &names, &defaults, c);
	c->embedding.words = "tokens_embed";
	c->embedding.positions = "positions_embed";
	c->embed = embed_tied;
	c->transposed = true;
	c->norm_after = true;
	decoder_read_choice(context, file, c);
	if (c->activation == ACTIVATION_GELU)
		c->activation = ACTIVATION_GELU_TANH; /* what "gelu" means here */
}

static const nn_variant variants[] = {{"openai-gpt", "OpenAIGPT", "transformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"LMHeadModel", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"DoubleHeadsModel", "multiple-choice", decoder_double_heads},
	{0},
};

const nn_family family_openai_gpt = {
	.name = "openai-gpt",
	.variants = variants,
	.heads = heads,
	.read_config = read_config,
	.inputs = decoder_choice_inputs,
	.keeps_last = true,
	DECODER_FAMILY,
};
