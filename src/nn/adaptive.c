/*
 * adaptive.c
 *	  A vocabulary in clusters.
 *	  Follows AdaptiveEmbedding and ProjectedAdaptiveLogSoftmax in
 *	  transformers/models/deprecated/transfo_xl/ of Transformers 4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/adaptive.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Embeddings ---- */

static int64_t
cluster_columns(const adaptive_words *c, int cluster)
{
	int64_t columns = c->columns;

	for (int i = 0; i < cluster; i++)
		columns /= c->divisor;
	return columns;
}

/* Words in the table of a cluster, or in the only one. */
static int64_t
table_words(const adaptive_words *c, int cluster)
{
	return c->divisor == 1 ? c->words : c->ends[cluster + 1] - c->ends[cluster];
}

/* The tokens of the batch whose words are in a cluster, as a batch of its own; in a dry run all. */
static nn_batch
select_cluster(nn_model *m, const adaptive_words *c, int cluster, int32_t **places)
{
	const nn_batch *batch = m->batch;
	int64_t first = c->divisor == 1 ? 0 : c->ends[cluster];
	nn_batch own = {.sequences = 1, .tokens = batch->tokens, .choices = 1};
	int32_t *ids;

	*places = NULL;
	if (!nn_live(m))
		return own;
	own.tokens = 0;
	ids = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	*places = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	for (int64_t t = 0; ids != NULL && *places != NULL && t < batch->tokens; t++)
		if (batch->ids[t] >= first && batch->ids[t] < first + table_words(c, cluster))
		{
			(*places)[own.tokens] = (int32_t) t;
			ids[own.tokens++] = batch->ids[t] - (int32_t) first;
		}
	own.ids = ids;
	return own;
}

/* The rows of a cluster's words, projected, go to their places in x [tokens, hidden]. */
static void
embed_cluster(nn_model *m, const adaptive_words *c, int cluster, tensor x)
{
	char table[NN_NAME_MAX], projection[NN_NAME_MAX];
	int64_t n = c->hidden_size, columns = cluster_columns(c, cluster);
	const nn_batch *batch = m->batch;
	int32_t *places;
	nn_batch own = select_cluster(m, c, cluster, &places);
	tensor rows;

	if (own.tokens == 0 || tfm_failed(m->context))
		return;
	snprintf(table, sizeof(table), "word_emb.emb_layers.%d", cluster);
	snprintf(projection, sizeof(projection), "word_emb.emb_projs.%d[0/1]", cluster);
	m->batch = &own;
	rows = embed(m, &(embedding) {.hidden_size = columns,
								  .words = table,
								  .tied = c->tied,
								  .word_count = table_words(c, cluster)});
	m->batch = batch;
	if (c->divisor != 1 || columns != n)
		rows = linear(m, rows, projection, .columns = n);
	for (int64_t i = 0; nn_live(m) && i < own.tokens; i++)
		memcpy((float *) x.data + places[i] * n, (const float *) rows.data + i * n,
			   (size_t) n * sizeof(float));
}

tensor
adaptive_embed(nn_model *m, const adaptive_words *c)
{
	int64_t n = c->hidden_size;
	tensor x = nn_matrix(m, m->batch->tokens, n);

	if (nn_live(m) && m->batch->embeds != NULL)
	{
		memcpy(x.data, m->batch->embeds, (size_t) tensor_count(&x) * sizeof(float));
		return x;
	}
	for (int i = 0; i < (c->divisor == 1 ? 1 : c->clusters); i++)
		embed_cluster(m, c, i, x);
	return scale(m, x, sqrt((double) n), 0);
}

/* ---- Probabilities ---- */

/* x [rows, hidden] as a cluster's words take it -> [rows, its columns]. */
static tensor
project_out(nn_model *m, const adaptive_words *c, tensor x, int cluster)
{
	int table = c->divisor == 1 ? 0 : cluster;
	int64_t columns = cluster_columns(c, table);
	bool tied = c->tied_projections && cluster > 0;
	char name[NN_NAME_MAX], own[NN_NAME_MAX];

	if (c->divisor == 1 && columns == c->hidden_size)
		return x;
	snprintf(own, sizeof(own), "crit.out_projs.%d", cluster);
	/* its whole name, as what is called "word_emb..." is not transposed */
	if (tied && !nn_has_weight(m, own))
		snprintf(name, sizeof(name), "transformer.word_emb.emb_projs.%d[0/1]", table);
	else
		snprintf(name, sizeof(name), "crit.out_projs.%d[0/1]", cluster);
	return linear(m, x, name, .columns = columns, .transposed = true);
}

/* Scores of a cluster's table by x [rows, its columns] -> [rows, words of the table]. */
static tensor
score_table(nn_model *m, const adaptive_words *c, tensor x, int cluster)
{
	int table = c->divisor == 1 ? 0 : cluster;
	char name[NN_NAME_MAX], tied[NN_NAME_MAX];

	snprintf(name, sizeof(name), "crit.out_layers.%d", table);
	snprintf(tied, sizeof(tied), "word_emb.emb_layers.%d", table);
	return linear(m, x, name, .columns = table_words(c, table), .tied = c->tied ? tied : NULL);
}

/* row[count] becomes the logarithms of its softmax, plus offset. */
static void
log_softmax(float *row, int64_t count, double offset)
{
	float largest = -INFINITY;
	double sum = 0;

	for (int64_t i = 0; i < count; i++)
		largest = fmaxf(largest, row[i]);
	for (int64_t i = 0; i < count; i++)
		sum += exp((double) row[i] - (double) largest);
	for (int64_t i = 0; i < count; i++)
		row[i] = (float) ((double) row[i] - (double) largest - log(sum) + offset);
}

/*
 * Copy count scores of words to y [rows, vocabulary], and behind them, for a moment, those of the
 * clusters; all are of one softmax.
 */
static void
put_head(const adaptive_words *c, tensor scores, tensor clusters, tensor y, float *shares)
{
	int64_t words = c->ends[1], count = words + c->clusters - 1;
	int64_t others = c->clusters - 1;

	for (int64_t row = 0; row < y.shape[0]; row++)
	{
		float *to = (float *) y.data + row * y.shape[1];

		memcpy(to, (const float *) scores.data + row * scores.shape[1],
			   (size_t) words * sizeof(float));
		for (int64_t i = 0; i < others; i++)
			to[words + i] = ((const float *) clusters.data)[row * others + i];
		log_softmax(to, count, 0);
		for (int64_t i = 0; i < others; i++)
			shares[row * others + i] = to[words + i];
	}
}

static void
put_cluster(const adaptive_words *c, tensor scores, int cluster, tensor y, const float *shares)
{
	int64_t first = c->ends[cluster], count = c->ends[cluster + 1] - first;
	int64_t skipped = c->divisor == 1 ? first : 0;

	for (int64_t row = 0; row < y.shape[0]; row++)
	{
		float *to = (float *) y.data + row * y.shape[1] + first;

		memcpy(to, (const float *) scores.data + row * scores.shape[1] + skipped,
			   (size_t) count * sizeof(float));
		log_softmax(to, count, (double) shares[row * (c->clusters - 1) + cluster - 1]);
	}
}

/* Logarithms of the words' probabilities: x [rows, hidden] -> [rows, vocabulary]. */
tensor
adaptive_predict(nn_model *m, const adaptive_words *c, tensor x)
{
	tensor y = nn_matrix(m, x.shape[0], c->words);
	tensor shares = nn_matrix(m, x.shape[0], c->clusters), clusters = {0};

	for (int i = 0; i < c->clusters && !tfm_failed(m->context); i++)
	{
		tensor own = project_out(m, c, x, i), scores = score_table(m, c, own, i);

		if (i == 0 && c->clusters > 1)
			clusters = linear(m, own, "crit.cluster_weight[0/1]", .columns = c->clusters - 1,
							  .bias = "crit.cluster_bias");
		if (nn_live(m) && i == 0)
			put_head(c, scores, clusters, y, shares.data);
		else if (nn_live(m))
			put_cluster(c, scores, i, y, shares.data);
	}
	return y;
}

/* ---- Configuration ---- */

void
adaptive_read_config(tfm_context *context, json file, const nn_config *common, adaptive_words *c)
{
	static const int64_t usual[] = {20000, 40000, 200000};
	json cutoffs = json_member(file, "cutoffs"), cutoff = json_first(cutoffs);
	size_t count = json_is_array(cutoffs) ? json_size(cutoffs) : 3;

	*c = (adaptive_words) {
		.words = common->vocab_size,
		.hidden_size = common->hidden_size,
		.columns = json_int(context, file, "d_embed", 1024, 1, NN_MAX_SIZE),
		.tied = common->tie_word_embeddings,
		.tied_projections = json_bool(context, file, "proj_share_all_but_first", true),
	};
	if (count + 1 > ADAPTIVE_MAX_CLUSTERS)
		tfm_fail(context, TFM_UNSUPPORTED, "%s: %zu clusters of words are not supported",
				 file.source, count + 1);
	for (size_t i = 0; i < count && !tfm_failed(context); i++, cutoff = json_next(cutoff))
	{
		int64_t end = usual[i < 3 ? i : 2];

		if (json_is_array(cutoffs) && !json_to_int(cutoff, 1, NN_MAX_SIZE, &end))
			end = 0;
		if (end <= c->ends[i] || end >= c->words)
			tfm_fail(context, TFM_CORRUPTED, "%s: \"cutoffs\" are not ascending words",
					 file.source);
		c->ends[i + 1] = end;
	}
	c->clusters = tfm_failed(context) ? 1 : (int) count + 1;
	c->ends[c->clusters] = c->words;
	c->divisor = json_int(context, file, "div_val", 4, 1, NN_MAX_SIZE);
	for (int i = 0; i < c->clusters && !tfm_failed(context); i++)
		if (cluster_columns(c, c->divisor == 1 ? 0 : i) < 1)
			tfm_fail(context, TFM_CORRUPTED, "%s: a cluster of words has no columns", file.source);
}
