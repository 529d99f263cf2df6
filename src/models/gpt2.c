/*
 * gpt2.c
 *	  GPT-2 (Radford et al. 2019): learned positions, and weights stored as [k, n].
 *	  Follows transformers/models/gpt2/modeling_gpt2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/decoder.h"

typedef struct gpt2_config
{
	decoder_config decoder;
	bool scale_by_layer;

	/* Of the second head of GPT2DoubleHeadsModel. */
	bool summary_is_score; /* the last token's, by one column of weights */
	op_activation summary_activation;
} gpt2_config;

static const decoder_names names = {
	.layer = "h.%d",
	.attention_norm = "ln_1",
	.qkv = "attn.c_attn",
	.attention_output = "attn.c_proj",
	.mlp_norm = "ln_2",
	.up = "mlp.c_fc",
	.down = "mlp.c_proj",
	.final_norm = "ln_f",
	.lm_head = "lm_head",
	.token_score = "classifier",
};

/* Scores of deeper layers are smaller, if the configuration says so. */
static tensor
attend_by_layer(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	decoder_config scaled = *c;

	if (((const gpt2_config *) c)->scale_by_layer)
		scaled.attention.scale /= layer + 1;
	return decoder_attend(m, x, &scaled, layer);
}

/* The last token of each row, as no other is named, and its score as a choice -> [sequences]. */
static tensor
score_choices(nn_model *m, const gpt2_config *c, tensor x)
{
	const nn_batch *batch = m->batch;
	int32_t *last = NULL;

	if (!c->summary_is_score)
		tfm_fail(m->context, TFM_UNSUPPORTED, "such a summary of choices is not supported");
	if (batch->choices > 1)
		tfm_fail(m->context, TFM_UNSUPPORTED, "examples of several choices are not supported");
	if (nn_live(m))
		last = tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(int32_t));
	for (int64_t i = 0; last != NULL && i < batch->sequences; i++)
		last[i] = batch->offsets[i + 1] - 1;
	x = take_rows(m, x, last, batch->sequences);
	x = linear(m, x, "multiple_choice_head.summary", .columns = 1,
			   .activation = c->summary_activation);
	return take_column(m, x, 0);
}

static void
double_heads(nn_model *m, const void *config)
{
	const gpt2_config *c = config;
	tensor x = decoder_hidden_states(m, config);

	nn_emit(m, "logits", NN_PER_TOKEN, decoder_predict_words(m, &c->decoder, x));
	nn_emit(m, "mc_logits", NN_PER_SEQUENCE, score_choices(m, c, x));
}

static void
read_summary(tfm_context *context, json file, gpt2_config *c)
{
	const char *type = json_string(context, file, "summary_type", "cls_index");

	c->summary_is_score = (strcmp(type, "cls_index") == 0 || strcmp(type, "last") == 0) &&
						  json_bool(context, file, "summary_use_proj", true) &&
						  json_bool(context, file, "summary_proj_to_labels", true);
	c->summary_activation =
		nn_activation(context, json_string(context, file, "summary_activation", "linear"));
}

static void
read_config(tfm_context *context, json file, void *config)
{
	static const decoder_defaults defaults = {
		.hidden_size_key = "n_embd",
		.layers_key = "n_layer",
		.heads_key = "n_head",
		.max_positions_key = "n_positions",
		.activation_key = "activation_function",
		.norm_eps_key = "layer_norm_epsilon",
		.vocab_size = 50257,
		.hidden_size = 768,
		.layers = 12,
		.heads = 12,
		.max_positions = 1024,
		.activation = "gelu_new",
		.norm_eps = 1e-5,
		.pad_token_id = -1,
		.tie_word_embeddings = true,
	};
	gpt2_config *c = config;
	decoder_config *d = &c->decoder;

	*d = (decoder_config) {
		.names = &names,
		.embedding = {.words = "wte", .positions = "wpe", .types_are_words = true},
		.transposed = true,
		.attend = attend_by_layer,
	};
	decoder_read_config(context, file, &defaults, d);
	d->intermediate_size =
		json_int(context, file, "n_inner", 4 * d->common.hidden_size, 1, NN_MAX_SIZE);
	d->attention.scale =
		json_bool(context, file, "scale_attn_weights", true) ? 1 / sqrt(d->head_dim) : 1;
	c->scale_by_layer = json_bool(context, file, "scale_attn_by_inverse_layer_idx", false);
	read_summary(context, file, c);
}

static const nn_variant variants[] = {{"gpt2", "GPT2", "transformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"LMHeadModel", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"ForTokenClassification", "token-classification", decoder_token_classification},
	{"ForQuestionAnswering", "question-answering", decoder_question_answering},
	{"DoubleHeadsModel", "multiple-choice", double_heads},
	{0},
};

const nn_family family_gpt2 = {
	.name = "gpt2",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(gpt2_config),
	.read_config = read_config,
	.keeps_last = true,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
