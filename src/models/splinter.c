/*
 * splinter.c
 *	  Splinter (Ram et al. 2021): BERT without pooler, whose head selects the span that
 *	  answers each question token of a text.
 *	  Follows transformers/models/splinter/modeling_splinter.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"
#include "nn/inputs.h"

#include <float.h>
#include <stdio.h>

/* PyTorch's, whatever layer_norm_eps says. */
#define HEAD_EPS 1e-5

typedef struct splinter_config
{
	encoder_config encoder;
	int64_t question_token_id;
} splinter_config;

static const nn_input_kind inputs[] = {{"question_positions", false, 0, false}, {0}};

static void
read_config(tfm_context *context, json file, void *config)
{
	splinter_config *c = config;

	c->encoder = encoder_bert;
	encoder_read_config(context, file, &c->encoder, 0);
	c->encoder.attention.causal = false; /* there is no decoder, whatever is_decoder says */
	c->encoder.common.pad_token_id = json_int(context, file, "pad_token_id", 0, 0, NN_MAX_SIZE);
	c->question_token_id = json_int(context, file, "question_token_id", 104, 0, NN_MAX_SIZE);
}

/* The tokens of questions: count for each sequence. */
typedef struct questions
{
	int64_t count;
	int32_t *tokens; /* [sequences, count] of the batch; NULL in a dry run */
} questions;

/* The next question token at or after t; end if there is none. */
static int32_t
next_question(const nn_batch *batch, const splinter_config *c, int32_t t, int32_t end)
{
	while (t < end && (batch->embeds != NULL || batch->ids[t] != c->question_token_id))
		t++;
	return t;
}

static int64_t
most_questions(const nn_batch *batch, const splinter_config *c)
{
	int64_t most = 1;

	for (int64_t s = 0; s < batch->sequences; s++)
	{
		int32_t end = batch->offsets[s + 1];
		int64_t count = 0;

		for (int32_t t = next_question(batch, c, batch->offsets[s], end); t < end;
			 t = next_question(batch, c, t + 1, end))
			count++;
		most = count > most ? count : most;
	}
	return most;
}

/* Where the text has question tokens, count of them; the others are the token at place fill. */
static void
find_questions(const nn_batch *batch, const splinter_config *c, int64_t fill, questions *q)
{
	for (int64_t s = 0; s < batch->sequences; s++)
	{
		int32_t first = batch->offsets[s], end = batch->offsets[s + 1], t = first;

		for (int64_t i = 0; i < q->count; i++, t++)
		{
			t = next_question(batch, c, t, end);
			q->tokens[s * q->count + i] =
				t < end ? t : first + (int32_t) (fill < end - first ? fill : 0);
			t = t < end ? t : end - 1;
		}
	}
}

/* Those that the caller gives, [sequences, count]. */
static void
read_questions(nn_model *m, const nn_input *given, questions *q)
{
	const nn_batch *batch = m->batch;

	if (given->rank != 2 || given->shape[0] != batch->sequences)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT,
				 "\"question_positions\" must have a row for each row of \"input_ids\"");
	for (int64_t i = 0; nn_live(m) && i < batch->sequences * q->count; i++)
	{
		const int32_t *range = batch->offsets + i / q->count;

		if (given->ints[i] < 0 || given->ints[i] >= range[1] - range[0])
			tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					 "\"question_positions\" has %d, which is no place in its row", given->ints[i]);
		else
			q->tokens[i] = range[0] + given->ints[i];
	}
}

/* all: every question token of the text; else its first one. */
static questions
choose_questions(nn_model *m, const splinter_config *c, const nn_input *given, bool all)
{
	questions q = {.count = 1};

	if (!nn_live(m))
		return q;
	if (given != NULL)
		q.count = given->rank == 2 ? given->shape[1] : 1;
	else if (all)
		q.count = most_questions(m->batch, c);
	q.tokens =
		tfm_alloc_array(m->context, (size_t) (m->batch->sequences * q.count), sizeof(int32_t));
	if (q.tokens != NULL && given != NULL)
		read_questions(m, given, &q);
	else if (q.tokens != NULL)
		find_questions(m->batch, c, all ? c->encoder.common.pad_token_id : 0, &q);
	return q;
}

static tensor
transform(nn_model *m, tensor x, const char *name)
{
	char dense[NN_NAME_MAX], norm[NN_NAME_MAX];

	snprintf(dense, sizeof(dense), "splinter_qass.%s_transform.dense", name);
	snprintf(norm, sizeof(norm), "splinter_qass.%s_transform.LayerNorm", name);
	return layer_norm(m, linear(m, x, dense, .activation = ACTIVATION_GELU), norm, HEAD_EPS);
}

/* One question's scores of a sequence's tokens, those that are masked far below all others. */
static void
score_tokens(const nn_batch *batch, int64_t sequence, const float *question, tensor tokens,
			 float *scores)
{
	for (int32_t t = batch->offsets[sequence]; t < batch->offsets[sequence + 1]; t++)
	{
		const float *row = (const float *) tokens.data + t * tokens.shape[1];
		float sum = 0;

		for (int64_t i = 0; i < tokens.shape[1]; i++)
			sum += question[i] * row[i];
		*scores++ = batch->hidden != NULL && batch->hidden[t] != 0 ? -FLT_MAX : sum;
	}
}

/* Scores as starts or ends of spans -> [sequences, questions, longest sequence]. */
static tensor
score_spans(nn_model *m, tensor x, const questions *q, const char *query, const char *side,
			const char *classifier)
{
	const nn_batch *batch = m->batch;
	tensor asked = take_rows(m, x, q->tokens, batch->sequences * q->count), tokens, y;
	int64_t columns = 1;

	asked = linear(m, transform(m, asked, query), classifier);
	tokens = transform(m, x, side);
	for (int64_t s = 0; nn_live(m) && s < batch->sequences; s++)
		if (batch->offsets[s + 1] - batch->offsets[s] > columns)
			columns = batch->offsets[s + 1] - batch->offsets[s];
	y = nn_matrix(m, batch->sequences * q->count, columns);
	for (int64_t i = 0; nn_live(m) && i < y.shape[0]; i++)
	{
		float *scores = (float *) y.data + i * columns;

		for (int64_t t = 0; t < columns; t++)
			scores[t] = -FLT_MAX;
		score_tokens(batch, i / q->count, (const float *) asked.data + i * asked.shape[1], tokens,
					 scores);
	}
	y.rank = 3;
	y.shape[0] = batch->sequences;
	y.shape[1] = q->count;
	y.shape[2] = columns;
	return y;
}

/* The scores of one question a sequence, token by token. */
static tensor
by_token(nn_model *m, tensor scores)
{
	const nn_batch *batch = m->batch;
	tensor y = nn_matrix(m, batch->tokens, 1);
	float *to = y.data;

	for (int64_t s = 0; nn_live(m) && s < batch->sequences; s++)
		for (int32_t t = 0; t < batch->offsets[s + 1] - batch->offsets[s]; t++)
			*to++ = ((const float *) scores.data)[s * scores.shape[2] + t];
	y.rank = 1;
	return y;
}

static void
answer(nn_model *m, const void *config, bool all)
{
	const nn_input *given = given_input(m, 0);
	tensor x = encoder_hidden_states(m, config), start, end;
	questions q;

	q = choose_questions(m, config, given, all);
	start = score_spans(m, x, &q, "query_start", "start", "splinter_qass.start_classifier");
	end = score_spans(m, x, &q, "query_end", "end", "splinter_qass.end_classifier");
	if (given == NULL && !all)
	{
		nn_emit(m, "start_logits", NN_PER_TOKEN, by_token(m, start));
		nn_emit(m, "end_logits", NN_PER_TOKEN, by_token(m, end));
		return;
	}
	nn_emit(m, "start_logits", NN_AS_SHAPED, start);
	nn_emit(m, "end_logits", NN_AS_SHAPED, end);
}

static void
question_answering(nn_model *m, const void *config)
{
	answer(m, config, false);
}

static void
pre_training(nn_model *m, const void *config)
{
	answer(m, config, true);
}

static const nn_variant variants[] = {{"splinter", "Splinter", "splinter"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForQuestionAnswering", "question-answering", question_answering},
	{"ForPreTraining", "feature-extraction", pre_training},
	{0},
};

const nn_family family_splinter = {
	.name = "splinter",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(splinter_config),
	.read_config = read_config,
	.inputs = inputs,
	.keeps_masked = true, /* scores stand at the places of their rows */
	.hidden_states = encoder_hidden_states,
};
