/*
 * realm.c
 *	  REALM (Guu et al. 2020): BERT as the embedder of texts to be retrieved, as the scorer of
 *	  candidates, as a language model that is given what was retrieved, and as its reader.
 *	  Follows transformers/models/deprecated/realm/modeling_realm.py of Transformers 4.57.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/inputs.h"

typedef struct realm_config
{
	encoder_config encoder;
	int64_t projection; /* columns of what stands for a text */
	int64_t span_size;	/* columns of what stands for a span */
	int64_t span_width; /* tokens of the longest span */
	double span_eps;
} realm_config;

/* In the order of the table. */
enum
{
	CANDIDATE_IDS,
	CANDIDATE_MASK,
	CANDIDATE_TYPES,
	RELEVANCE,
	BLOCK_MASK
};

static const nn_input_kind inputs[] = {
	{"candidate_input_ids", false, 0, false},
	{"candidate_attention_mask", false, 0, false},
	{"candidate_token_type_ids", false, 0, false},
	{"relevance_score", false, 0, true},
	{"block_mask", false, 0, false},
	{0},
};

static void
read_config(tfm_context *context, json file, void *config)
{
	realm_config *c = config;

	c->encoder = encoder_bert;
	c->encoder.activation = ACTIVATION_GELU_TANH;
	encoder_read_config(context, file, &c->encoder, 0);
	c->projection = json_int(context, file, "retriever_proj_size", 128, 1, NN_MAX_SIZE);
	c->span_size = json_int(context, file, "span_hidden_size", 256, 1, NN_MAX_SIZE / 2);
	c->span_width = json_int(context, file, "max_span_width", 10, 1, NN_MAX_LAYERS);
	c->span_eps = json_double(context, file, "reader_layer_norm_eps", 1e-3);
}

/* ---- Texts to be retrieved ---- */

/* Begin what is called as BERT's weights are: those of the scorer are an embedder's. */
static nn_scope
enter_bert(nn_model *m, bool *is_scorer)
{
	*is_scorer = nn_has_weight(m, "embedder.realm.embeddings.word_embeddings.weight");
	return *is_scorer ? nn_enter(m, "embedder.realm") : nn_begin(m);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	tensor x = nn_matrix(m, m->batch->tokens, ((const nn_config *) config)->hidden_size);
	bool is_scorer;
	nn_scope bert = enter_bert(m, &is_scorer);

	return nn_leave(m, bert, x, encoder_hidden_states(m, config));
}

/* What stands for each sequence of a batch -> [sequences, projection] */
static tensor
project_texts(nn_model *m, const realm_config *c, const nn_batch *texts)
{
	const nn_batch *batch = m->batch;
	tensor x = nn_matrix(m, texts->sequences, c->encoder.common.hidden_size);
	bool is_scorer;
	nn_scope bert = enter_bert(m, &is_scorer);

	m->batch = texts;
	x = nn_leave(m, bert, x, encoder_pool(m, encoder_hidden_states(m, c)));
	m->batch = batch;
	x = linear(m, x, is_scorer ? "embedder.cls.dense" : "cls.dense", .columns = c->projection);
	return layer_norm(m, x, is_scorer ? "embedder.cls.LayerNorm" : "cls.LayerNorm",
					  c->encoder.norm_eps);
}

static void
embed_text(nn_model *m, const void *config)
{
	nn_emit(m, "projected_score", NN_PER_SEQUENCE, project_texts(m, config, m->batch));
}

/* Whether what was given beside the candidates has their shape, or was not given. */
static bool
has_shape_of(const nn_input *ids, const nn_input *other)
{
	return other == NULL ||
		   (other->rank == 3 && memcmp(other->shape, ids->shape, 3 * sizeof(int64_t)) == 0);
}

/* The candidates that are given, all of all rows, as a batch. */
static bool
make_candidates(nn_model *m, nn_batch *candidates)
{
	const nn_input *given = given_input(m, CANDIDATE_IDS), *mask = given_input(m, CANDIDATE_MASK),
				   *types = given_input(m, CANDIDATE_TYPES);
	int64_t count, columns;
	int32_t *arrays[4];

	if (given == NULL || given->rank != 3 || given->shape[0] != m->batch->sequences ||
		!has_shape_of(given, mask) || !has_shape_of(given, types))
		return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
						"\"candidate_input_ids\" must have the shape [rows, candidates, columns], "
						"and what belongs to it the same");
	count = given->shape[0] * given->shape[1];
	columns = given->shape[2];
	for (int i = 0; i < 4; i++)
		arrays[i] =
			tfm_alloc_array(m->context, (size_t) (count * columns + count + 1), sizeof(int32_t));
	if (tfm_failed(m->context))
		return false;
	*candidates = (nn_batch) {.sequences = count,
							  .offsets = arrays[0],
							  .ids = arrays[1],
							  .types = types == NULL ? NULL : arrays[2],
							  .positions = arrays[3],
							  .columns = arrays[3],
							  .choices = 1};
	arrays[0][0] = 0;
	for (int64_t i = 0; i < count * columns; i++)
	{
		int64_t t = candidates->tokens;

		if (mask == NULL || mask->ints[i] != 0 || i % columns == 0)
		{
			arrays[1][t] = given->ints[i];
			arrays[2][t] = types == NULL ? 0 : types->ints[i];
			arrays[3][t] = (int32_t) (i % columns);
			candidates->tokens++;
		}
		arrays[0][i / columns + 1] = (int32_t) candidates->tokens;
	}
	return true;
}

/* How relevant each candidate is to the text of its row. */
static void
score_candidates(nn_model *m, const void *config)
{
	const realm_config *c = config;
	nn_batch candidates = *m->batch;
	tensor query = project_texts(m, c, m->batch), text, scores;
	int64_t each;

	if (!m->dry && !make_candidates(m, &candidates))
		return;
	text = project_texts(m, c, &candidates);
	each = candidates.sequences / (m->batch->sequences > 0 ? m->batch->sequences : 1);
	scores = nn_matrix(m, m->batch->sequences, each);
	for (int64_t i = 0; nn_live(m) && i < candidates.sequences; i++)
	{
		const float *a = (const float *) query.data + i / each * c->projection;
		const float *b = (const float *) text.data + i * c->projection;
		float sum = 0;

		for (int64_t j = 0; j < c->projection; j++)
			sum += a[j] * b[j];
		((float *) scores.data)[i] = sum;
	}
	text = (tensor) {.data = text.data,
					 .dtype = text.dtype,
					 .rank = 3,
					 .shape = {m->batch->sequences, each, c->projection}};
	nn_emit(m, "relevance_score", NN_AS_SHAPED, scores);
	nn_emit(m, "query_score", NN_PER_SEQUENCE, query);
	nn_emit(m, "candidate_score", NN_AS_SHAPED, text);
}

/* ---- The language model ---- */

/*
 * Words of texts, or of candidates [rows, candidates, columns], whose masked tokens Transformers does
 * not tell from the others.
 */
static void
predict_words(nn_model *m, const void *config)
{
	const nn_batch *batch = m->batch;
	tensor x = encoder_predict_words(m, config, encoder_hidden_states(m, config));

	if (batch->choices == 1 || tfm_failed(m->context))
	{
		nn_emit(m, "logits", NN_PER_TOKEN, x);
		return;
	}
	x.rank = 3;
	x.shape[2] = x.shape[1];
	x.shape[1] = batch->tokens / batch->sequences; /* rows are equally long */
	x.shape[0] = batch->sequences;
	nn_emit(m, "logits", NN_AS_SHAPED, x);
}

/* ---- The reader ---- */

/* Spans of a row of columns tokens: those of one token first, then those of two, and so on. */
static int64_t
count_spans(const realm_config *c, int64_t columns)
{
	return c->span_width * columns - c->span_width * (c->span_width - 1) / 2;
}

/* Where span number span begins and ends. */
static void
find_span(int64_t columns, int64_t span, int64_t *start, int64_t *end)
{
	int64_t width = 1;

	for (; span >= columns - width + 1; width++)
		span -= columns - width + 1;
	*start = span;
	*end = span + width - 1;
}

/* All rows must be as long as the first, and have a longest span. */
static bool
check_blocks(nn_model *m, const realm_config *c, int64_t columns)
{
	const nn_batch *batch = m->batch;
	const nn_input *relevance = given_input(m, RELEVANCE), *mask = given_input(m, BLOCK_MASK);

	if (relevance == NULL || mask == NULL || relevance->rank != 1 || mask->rank != 2 ||
		relevance->shape[0] < batch->sequences || mask->shape[0] < batch->sequences ||
		mask->shape[1] != columns)
		return tfm_fail(
			m->context, TFM_INVALID_ARGUMENT,
			"\"relevance_score\" must have the shape [rows], and \"block_mask\" that of "
			"\"input_ids\"");
	for (int64_t s = 0; s < batch->sequences; s++)
		if (batch->offsets[s + 1] - batch->offsets[s] != columns)
			return tfm_fail(m->context, TFM_INVALID_ARGUMENT, "all rows must be equally long");
	return columns >= c->span_width ||
		   tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					"rows must have \"max_span_width\" tokens, %lld, at least",
					(long long) c->span_width);
}

/* Scores of all spans of all rows -> [sequences * spans, 1], before masks and relevance. */
static tensor
score_spans(nn_model *m, const realm_config *c, tensor x, int64_t columns)
{
	int64_t spans = count_spans(c, columns), size = c->span_size;
	tensor ends = linear(m, x, "qa_outputs.dense_intermediate", .columns = 2 * size);
	tensor y = nn_matrix(m, m->batch->sequences * spans, size);

	for (int64_t i = 0; nn_live(m) && i < m->batch->sequences * spans; i++)
	{
		int64_t row = i / spans * columns, start, end;
		const float *a, *b;

		find_span(columns, i % spans, &start, &end);
		a = (const float *) ends.data + (row + start) * 2 * size;
		b = (const float *) ends.data + (row + end) * 2 * size + size;
		for (int64_t j = 0; j < size; j++)
			((float *) y.data)[i * size + j] = a[j] + b[j];
	}
	activate(m, y, ACTIVATION_RELU);
	normalize_in_place(m, y, "qa_outputs.layer_normalization",
					   &(normalization) {.eps = c->span_eps});
	return linear(m, y, "qa_outputs.dense_output", .columns = 1);
}

/* What a span outside of the retrieved text is worth, and what the retriever says of the others. */
static float
weigh_span(const nn_model *m, int64_t row, int64_t start, int64_t end, float score)
{
	const nn_input *mask = given_input(m, BLOCK_MASK);
	const int32_t *seen = mask->ints + row * mask->shape[1];

	if (seen[start] == 0 || seen[end] == 0)
		score += -FLT_MAX;
	return score + given_input(m, RELEVANCE)->floats[row];
}

static void
emit_number(nn_model *m, const char *name, int64_t number, int rank)
{
	tensor value = nn_matrix(m, 1, 1);

	value.rank = rank;
	if (nn_live(m))
		*(float *) value.data = (float) number;
	nn_emit(m, name, NN_AS_SHAPED, value);
}

/* The best span and, which need not be its own, the best row; the first of equals. */
static void
read_blocks(nn_model *m, const void *config)
{
	const realm_config *c = config;
	const nn_batch *batch = m->batch;
	int64_t columns = m->dry ? batch->tokens : batch->offsets[1], spans, block = 0, best = 0;
	int64_t start = 0, end = 0;
	float most = -INFINITY;
	tensor scores;

	if (m->dry && columns < c->span_width)
		columns = c->span_width;
	if (!m->dry && !check_blocks(m, c, columns))
		return;
	spans = count_spans(c, columns);
	scores = score_spans(m, c, encoder_hidden_states(m, c), columns);
	for (int64_t span = 0; nn_live(m) && span < spans; span++)
		for (int64_t row = 0; row < batch->sequences; row++)
		{
			float score = ((const float *) scores.data)[row * spans + span];

			find_span(columns, span, &start, &end);
			score = weigh_span(m, row, start, end, score);
			if (score > most)
				best = span;
			if (score > most || (score == most && row < block))
				block = row;
			most = fmaxf(most, score);
		}
	find_span(columns, best, &start, &end);
	emit_number(m, "block_idx", block, 0);
	emit_number(m, "candidate", best, 0);
	emit_number(m, "start_pos", start, 1);
	emit_number(m, "end_pos", end, 1);
}

/* ---- The family ---- */

static const nn_variant variants[] = {{"realm", "Realm", "realm"}, {0}};

static const nn_head heads[] = {
	{"Embedder", "feature-extraction", embed_text},
	{"Scorer", "feature-extraction", score_candidates},
	{"KnowledgeAugEncoder", "fill-mask", predict_words},
	{"Reader", "question-answering", read_blocks},
	{0},
};

const nn_family family_realm = {
	.name = "realm",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(realm_config),
	.read_config = read_config,
	.inputs = inputs,
	.keeps_masked = true, /* spans are counted by the places of their rows */
	.hidden_states = hidden_states,
};
