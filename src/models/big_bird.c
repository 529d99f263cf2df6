/*
 * big_bird.c
 *	  BigBird (Zaheer et al. 2020): BERT with attention in blocks.
 *	  Follows transformers/models/big_bird/modeling_big_bird.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/block_sparse.h"
#include "nn/encoder.h"

typedef struct big_bird_config
{
	encoder_config encoder;
	block_sparse blocks;
	int32_t sep_token_id;
} big_bird_config;

static void
read_config(tfm_context *context, json file, void *config)
{
	big_bird_config *c = config;

	c->encoder = encoder_bert;
	c->encoder.common.vocab_size = 50358;
	c->encoder.embedding.position_count = 4096;
	c->encoder.activation = ACTIVATION_GELU_TANH;
	c->encoder.pooler = "pooler";
	c->encoder.attend = attend_in_blocks;
	c->encoder.attends_by = &c->blocks;
	encoder_read_config(context, file, &c->encoder, 0);
	c->encoder.classifier_activation = c->encoder.activation;
	if (json_bool(context, file, "rescale_embeddings", false))
		c->encoder.embedding.word_scale = sqrt((double) c->encoder.common.hidden_size);
	c->sep_token_id = (int32_t) json_int(context, file, "sep_token_id", 66, -1, NN_MAX_SIZE);
	read_block_sparse(context, file, &c->blocks);
}

/* ---- Heads ---- */

/* Tokens of a row up to the first separator, or as the caller says; 0: unknown. */
static int64_t
question_length(const nn_batch *batch, const big_bird_config *c, int64_t row)
{
	const nn_input *given = batch->inputs;

	if (given != NULL && given->rank == 2 && row < given->shape[0] && given->shape[1] == 1)
		return given->ints[row];
	if (batch->embeds != NULL)
		return 0;
	for (int64_t t = batch->offsets[row]; t < batch->offsets[row + 1]; t++)
		if (batch->ids[t] == c->sep_token_id)
			return t - batch->offsets[row] + 1;
	return 1;
}

/* Which tokens are the question's, [tokens]; the context's are of type 1 where none is given. */
static uint8_t *
find_questions(nn_model *m, const big_bird_config *c, nn_batch *typed)
{
	const nn_batch *batch = m->batch;
	size_t tokens = (size_t) batch->tokens;
	uint8_t *question = tfm_alloc_zero(m->context, tokens);
	int32_t *types = tfm_alloc_zero(m->context, tokens * sizeof(int32_t));

	for (int64_t i = 0; types != NULL && question != NULL && i < batch->sequences; i++)
	{
		int64_t length = question_length(batch, c, i);

		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
		{
			question[t] = t - batch->offsets[i] < length;
			types[t] = length > 0 && question[t] == 0;
		}
	}
	if (batch->types == NULL)
		typed->types = types;
	return question;
}

/* A feed-forward part of its own, and nothing of the question but its first token. */
static void
question_answering(nn_model *m, const void *config)
{
	const big_bird_config *c = config;
	const nn_batch *batch = m->batch;
	nn_batch typed = *batch;
	const uint8_t *question = nn_live(m) ? find_questions(m, c, &typed) : NULL;
	tensor x, inner, logits;

	m->batch = &typed;
	x = encoder_hidden_states(m, config);
	m->batch = batch;
	inner = linear(m, x, "qa_classifier.intermediate.dense",
				   .columns = c->encoder.intermediate_size, .activation = c->encoder.activation);
	x = linear(m, inner, "qa_classifier.output.dense", .columns = c->encoder.common.hidden_size,
			   .residual = x, .norm = "qa_classifier.output.LayerNorm",
			   .norm_eps = c->encoder.norm_eps);
	logits = linear(m, x, "qa_classifier.qa_outputs", .columns = 2);
	for (int64_t t = 0; nn_live(m) && t < batch->tokens; t++)
		for (int j = 0; question[t] != 0 && batch->columns[t] > 0 && j < 2; j++)
			((float *) logits.data)[2 * t + j] -= 1e6f;
	emit_spans(m, NN_PER_TOKEN, logits);
}

static const nn_variant variants[] = {{"big_bird", "BigBird", "bert"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForPreTraining", "fill-mask", encoder_pre_training},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", question_answering},
	{0},
};

static const nn_input_kind inputs[] = {{.name = "question_lengths"}, {0}};

const nn_family family_big_bird = {
	.name = "big_bird",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(big_bird_config),
	.read_config = read_config,
	.inputs = inputs,
	.keeps_masked = true,
	.cache_layers = encoder_cache_layers,
	.remember = encoder_remember,
	.hidden_states = encoder_hidden_states,
};
