/*
 * squad_head.c
 *	  Answers by a beam of starts and ends.
 *	  Follows XLMSQuADHead in transformers/models/xlm/modeling_xlm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/squad_head.h"

#include <math.h>
#include <string.h>

#include "nn/summary.h"

/* What a score of a token in no answer becomes. */
#define NO_ANSWER -1e30f

void
squad_read_config(tfm_context *context, json file, squad_head *head)
{
	head->starts = json_int(context, file, "start_n_top", 5, 1, NN_MAX_LAYERS);
	head->ends = json_int(context, file, "end_n_top", 5, 1, NN_MAX_LAYERS);
}

/* ---- Scores of a row ---- */

/* Probabilities of count scores that lie stride apart, in their place. */
static void
softmax(float *scores, int64_t count, int64_t stride)
{
	float most = -INFINITY;
	double sum = 0.0;

	for (int64_t i = 0; i < count; i++)
		most = fmaxf(most, scores[i * stride]);
	for (int64_t i = 0; i < count; i++)
		sum += scores[i * stride] = expf(scores[i * stride] - most);
	for (int64_t i = 0; i < count; i++)
		scores[i * stride] = (float) (scores[i * stride] / sum);
}

/* Where the largest score is that is below one that was taken before: in order, of equals the first. */
static int64_t
next_best(const float *scores, int64_t count, int64_t stride, int64_t taken)
{
	int64_t best = -1;

	for (int64_t i = 0; i < count; i++)
	{
		float score = scores[i * stride];

		if (taken >= 0 &&
			(score > scores[taken * stride] || (score == scores[taken * stride] && i <= taken)))
			continue;
		if (best < 0 || score > scores[best * stride])
			best = i;
	}
	return best < 0 ? 0 : best;
}

/* The best of count scores, best first, apart lying so many elements apart. */
static void
take_best(const float *scores, int64_t count, int64_t stride, int64_t kept, float *best,
		  int64_t *places, int64_t apart)
{
	int64_t place = -1;

	for (int64_t i = 0; i < kept; i++)
	{
		place = next_best(scores, count, stride, place);
		best[i * apart] = scores[place * stride];
		places[i * apart] = place;
	}
}

/* ---- The head ---- */

static tensor
new_places(nn_model *m, int64_t rows, int64_t columns)
{
	tensor t = {.dtype = DTYPE_I64, .rank = 2, .shape = {rows, columns}};

	if (nn_live(m))
		t.data = tfm_alloc_array(m->context, (size_t) rows, (size_t) columns * sizeof(int64_t));
	return t;
}

/* Scores [tokens, n] of tokens in no answer. */
static void
exclude(nn_model *m, tensor scores, const nn_input *no_answers)
{
	int64_t n = scores.shape[1];

	if (!nn_live(m) || no_answers == NULL || no_answers->rank == 0)
		return;
	for (int64_t i = 0; i < scores.shape[0] * n; i++)
	{
		float p = no_answers->floats != NULL ? no_answers->floats[i / n]
											 : (float) no_answers->ints[i / n];
		float *score = (float *) scores.data + i;

		*score = *score * (1.0f - p) + NO_ANSWER * p;
	}
}

static bool
check_lengths(nn_model *m, const squad_head *head)
{
	const nn_batch *batch = m->batch;
	int64_t least = head->starts > head->ends ? head->starts : head->ends;

	for (int64_t i = 0; i < batch->sequences; i++)
		if (batch->offsets[i + 1] - batch->offsets[i] < least)
			return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
							"row %lld of the input has fewer than %lld tokens", (long long) i,
							(long long) least);
	return true;
}

/* Probabilities of all starts [tokens, 1]; the best of each row are emitted, and returned. */
static tensor
find_starts(nn_model *m, tensor x, const squad_head *head, const nn_input *no_answers,
			tensor *probabilities)
{
	const nn_batch *batch = m->batch;
	tensor scores = linear(m, x, "start_logits.dense", .columns = 1);
	tensor best = nn_matrix(m, batch->sequences, head->starts);
	tensor places = new_places(m, batch->sequences, head->starts);

	exclude(m, scores, no_answers);
	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
	{
		int64_t first = batch->offsets[i], count = batch->offsets[i + 1] - first;
		float *own = (float *) scores.data + first;

		softmax(own, count, 1);
		take_best(own, count, 1, head->starts, (float *) best.data + i * head->starts,
				  (int64_t *) places.data + i * head->starts, 1);
	}
	nn_emit(m, "start_top_log_probs", NN_PER_SEQUENCE, best);
	nn_emit(m, "start_top_index", NN_PER_SEQUENCE, places);
	*probabilities = scores;
	return places;
}

/* Each token beside each of its row's starts: [tokens * starts, 2 * hidden]. */
static tensor
pair_with_starts(nn_model *m, tensor x, const squad_head *head, tensor starts)
{
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1];
	tensor pairs = nn_matrix(m, x.shape[0] * head->starts, 2 * n);
	float *to = pairs.data;

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			for (int64_t s = 0; s < head->starts; s++, to += 2 * n)
			{
				int64_t start = ((const int64_t *) starts.data)[i * head->starts + s];

				memcpy(to, (const float *) x.data + t * n, (size_t) n * sizeof(float));
				memcpy(to + n, (const float *) x.data + (batch->offsets[i] + start) * n,
					   (size_t) n * sizeof(float));
			}
	return pairs;
}

static void
find_ends(nn_model *m, tensor x, const squad_head *head, tensor starts, const nn_input *no_answers)
{
	const nn_batch *batch = m->batch;
	int64_t n = head->starts, kept = n * head->ends;
	tensor best = nn_matrix(m, batch->sequences, kept);
	tensor places = new_places(m, batch->sequences, kept);
	tensor scores = linear(m, pair_with_starts(m, x, head, starts), "end_logits.dense_0",
						   .columns = x.shape[1], .activation = ACTIVATION_TANH);

	normalize_in_place(m, scores, "end_logits.LayerNorm", &(normalization) {.eps = head->norm_eps});
	scores = linear(m, scores, "end_logits.dense_1", .columns = 1);
	scores.shape[0] = x.shape[0];
	scores.shape[1] = n;
	exclude(m, scores, no_answers);
	for (int64_t i = 0; nn_live(m) && i < batch->sequences * n; i++)
	{
		int64_t row = i / n, first = batch->offsets[row], at = row * kept + i % n;
		int64_t count = batch->offsets[row + 1] - first;
		float *own = (float *) scores.data + first * n + i % n;

		softmax(own, count, n);
		take_best(own, count, n, head->ends, (float *) best.data + at, (int64_t *) places.data + at,
				  n);
	}
	nn_emit(m, "end_top_log_probs", NN_PER_SEQUENCE, best);
	nn_emit(m, "end_top_index", NN_PER_SEQUENCE, places);
}

/* Where the answer starts on average, beside the token that is chosen. */
static void
judge(nn_model *m, tensor x, tensor probabilities, const nn_input *places)
{
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1];
	tensor chosen = chosen_tokens(m, x, places);
	tensor pairs = nn_matrix(m, batch->sequences, 2 * n), y;

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
	{
		float *to = (float *) pairs.data + i * 2 * n;

		memset(to, 0, (size_t) n * sizeof(float));
		memcpy(to + n, (const float *) chosen.data + i * n, (size_t) n * sizeof(float));
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			for (int64_t j = 0; j < n; j++)
				to[j] +=
					((const float *) probabilities.data)[t] * ((const float *) x.data)[t * n + j];
	}
	y = linear(m, pairs, "answer_class.dense_0", .columns = n, .activation = ACTIVATION_TANH);
	y = linear(m, y, "answer_class.dense_1", .columns = 1);
	y.rank = 1;
	nn_emit(m, "cls_logits", NN_PER_SEQUENCE, y);
}

void
find_answers(nn_model *m, tensor x, const squad_head *head, const nn_input *places,
			 const nn_input *no_answers)
{
	size_t length = strlen(m->scope);
	tensor starts, probabilities;

	if (nn_live(m) && !check_lengths(m, head))
		return;
	/* what is emitted stays: the scope ends without its memory */
	if (head->scope != NULL)
		nn_enter(m, "%s", head->scope);
	starts = find_starts(m, x, head, no_answers, &probabilities);
	find_ends(m, x, head, starts, no_answers);
	judge(m, x, probabilities, places);
	m->scope[length] = '\0';
}
