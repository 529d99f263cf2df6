/*
 * convbert.c
 *	  ConvBERT (Jiang et al. 2020): half of the heads of BERT's attention are convolutions, whose kernels
 *	  depend on the token in their middle.  These see masked tokens, too.
 *	  Follows transformers/models/convbert/modeling_convbert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/convolution.h"
#include "nn/electra.h"
#include "nn/inputs.h"

typedef struct convbert_config
{
	electra_config electra;
	int heads;	   /* that attend, and as many that convolve */
	int64_t width; /* of kernels */
	int groups;	   /* in which the columns of the feed-forward part are */
} convbert_config;

/* ---- Attention ---- */

/* Scores of those around each token, which become its kernels: [tokens, heads * width]. */
static tensor
score_kernels(nn_model *m, tensor x, tensor query, const convbert_config *c)
{
	int64_t hidden = x.shape[1];
	tensor around =
		convolve_around(m, x, "attention.self.key_conv_attn_layer.depthwise",
						&(convolution) {.width = c->width, .channels = hidden, .groups = hidden});

	around = linear(m, around, "attention.self.key_conv_attn_layer.pointwise",
					.columns = query.shape[1], .bias = "attention.self.key_conv_attn_layer.bias");
	gate(m, around, query, query.shape[1], 0, ACTIVATION_NONE);
	return linear(m, around, "attention.self.conv_kernel_layer", .columns = c->heads * c->width);
}

static tensor
attend_and_convolve(nn_model *m, const void *config, const attention *how, tensor x,
					const tensor qkv[3])
{
	const convbert_config *c = config;
	int64_t half = x.shape[1] / 2;
	tensor q = linear(m, x, "attention.self.query", .columns = half);
	tensor k = linear(m, x, "attention.self.key", .columns = half);
	tensor v = linear(m, x, "attention.self.value", .columns = half);
	tensor y = nn_matrix(m, x.shape[0], 2 * half), around;

	(void) qkv;
	around = linear(m, x, "attention.self.conv_out_layer", .columns = half);
	around = convolve_by_scores(m, around, score_kernels(m, x, q, c), c->heads, c->width);
	put_columns(m, y, attend(m, q, k, v, how), 0);
	put_columns(m, y, around, half);
	return y;
}

static tensor
feed_forward_in_groups(nn_model *m, tensor x, const void *config)
{
	const convbert_config *c = config;
	const encoder_config *e = &c->electra.encoder;
	tensor a = linear_groups(m, x, "intermediate.dense", c->groups, .columns = e->intermediate_size,
							 .activation = e->activation, .transposed = true);

	a = linear_groups(m, a, "output.dense", c->groups, .columns = e->common.hidden_size,
					  .transposed = true);
	a = add(m, a, x, 1.0);
	normalize_in_place(m, a, e->names->output_norm, &(normalization) {.eps = e->norm_eps});
	return a;
}

/* ---- The family ---- */

static void
check_config(tfm_context *context, json file, const convbert_config *c)
{
	const encoder_config *e = &c->electra.encoder;

	if (e->common.hidden_size % (2 * c->heads) != 0)
		tfm_fail(context, TFM_CORRUPTED, "%s: \"hidden_size\" is not a multiple of 2 * %d heads",
				 file.source, c->heads);
	else if (e->common.hidden_size % c->groups != 0 || e->intermediate_size % c->groups != 0)
		tfm_fail(context, TFM_CORRUPTED, "%s: \"num_groups\" does not divide the columns",
				 file.source);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	static const summary_defaults summed = {.type = "last", .bare = true};
	convbert_config *c = config;
	encoder_config *e = &c->electra.encoder;
	int64_t ratio = json_int(context, file, "head_ratio", 2, 1, NN_MAX_HEADS);

	*c = (convbert_config) {
		.electra = {.encoder = encoder_bert},
		.width = json_int(context, file, "conv_kernel_size", 9, 1, NN_MAX_HEADS),
		.groups = (int) json_int(context, file, "num_groups", 1, 1, NN_MAX_HEADS),
	};
	e->attends_alone = true;
	e->attend = attend_and_convolve;
	e->lm_head = electra_lm_head;
	electra_read_config(context, file, 768, &summed, &c->electra);
	if (c->groups > 1)
		e->feed_forward = feed_forward_in_groups;
	c->heads = (int) (e->attention.heads / ratio < 1 ? 1 : e->attention.heads / ratio);
	e->attention = (attention) {.heads = c->heads};
	check_config(context, file, c);
}

static const nn_variant variants[] = {{"convbert", "ConvBert", "convbert"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", electra_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_convbert = {
	.name = "convbert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(convbert_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = encoder_hidden_states,
};
