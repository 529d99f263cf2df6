/*
 * transfo-xl.c
 *	  Transformer-XL (Dai et al. 2019): attention by content and distance, that begins with a memory of
 *	  zeros, and a vocabulary in clusters, of which rarer ones have smaller embeddings.
 *	  Follows transformers/models/deprecated/transfo_xl/ of Transformers 4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/family.h"
#include "nn/layers.h"
#include "nn/relative_attention.h"
#include "nn/sinusoid.h"
#include "tensor/elementwise.h"

#define MAX_CLUSTERS 16
#define UNSEEN -1e30f

typedef struct transfo_xl_config
{
	nn_config common;
	int layers, heads;
	int64_t head_dim, inner, embedding;
	double norm_eps;
	bool norm_first; /* of what a part is given; else of its sum */
	bool same_length;
	bool own_biases; /* each layer has its own */
	bool tied_projections;
	int64_t memory; /* tokens that there are before the first, all zeros */
	int64_t clamp;	/* farther ones are as far as this; 0: none is */

	int clusters;
	int64_t ends[MAX_CLUSTERS + 1]; /* cluster i has the words ends[i] .. ends[i + 1] - 1 */
	int64_t divisor; /* of a cluster's columns, for the next one; 1: all in one table */
} transfo_xl_config;

/* ---- Words ---- */

static int64_t
cluster_columns(const transfo_xl_config *c, int cluster)
{
	int64_t columns = c->embedding;

	for (int i = 0; i < cluster; i++)
		columns /= c->divisor;
	return columns;
}

/* Words in the table of a cluster, or in the only one. */
static int64_t
table_words(const transfo_xl_config *c, int cluster)
{
	return c->divisor == 1 ? c->common.vocab_size : c->ends[cluster + 1] - c->ends[cluster];
}

/* The tokens of the batch whose words are in a cluster, as a batch of its own; in a dry run all. */
static nn_batch
select_cluster(nn_model *m, const transfo_xl_config *c, int cluster, int32_t **places)
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
embed_cluster(nn_model *m, const transfo_xl_config *c, int cluster, tensor x)
{
	char table[NN_NAME_MAX], projection[NN_NAME_MAX];
	int64_t n = c->common.hidden_size, columns = cluster_columns(c, cluster);
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
								  .tied = c->common.tie_word_embeddings,
								  .word_count = table_words(c, cluster)});
	m->batch = batch;
	if (c->divisor != 1 || columns != n)
		rows = linear(m, rows, projection, .columns = n);
	for (int64_t i = 0; nn_live(m) && i < own.tokens; i++)
		memcpy((float *) x.data + places[i] * n, (const float *) rows.data + i * n,
			   (size_t) n * sizeof(float));
}

static tensor
embed_words(nn_model *m, const transfo_xl_config *c)
{
	int64_t n = c->common.hidden_size;
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

/* ---- Attention ---- */

/* What the layers of a pass share: the keys' side begins with the memory. */
typedef struct pass
{
	const transfo_xl_config *config;
	relative_attention how;
	tensor distances;
} pass;

static void
hide_unseen(const void *argument, int64_t query, int queries, int64_t key, float *scores)
{
	const pass *p = argument;
	const transfo_xl_config *c = p->config;

	for (int i = 0; i < queries; i++)
	{
		int64_t distance = (int64_t) p->how.queries.places[query + i] - p->how.keys.places[key];

		if (distance < 0 || (c->same_length && distance >= c->memory))
			scores[i] += UNSEEN;
	}
}

/* Places of the tokens, after those of the memory, of which each sequence has one. */
static bool
place_tokens(nn_model *m, pass *p, int64_t *longest)
{
	const nn_batch *batch = m->batch;
	int64_t memory = p->config->memory, keys = batch->tokens + batch->sequences * memory, at = 0;
	int32_t *offsets, *places, *own;

	*longest = batch->tokens + memory;
	if (!nn_live(m))
		return false;
	if (keys > INT32_MAX)
		return tfm_fail(m->context, TFM_LIMIT_EXCEEDED, "a batch has too many tokens");
	offsets = tfm_alloc_array(m->context, (size_t) batch->sequences + 1, sizeof(int32_t));
	places = tfm_alloc_array(m->context, (size_t) keys, sizeof(int32_t));
	own = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	if (offsets == NULL || places == NULL || own == NULL)
		return false;
	for (int64_t i = 0; i < batch->sequences; i++)
	{
		int64_t first = batch->offsets[i], count = batch->offsets[i + 1] - first;

		offsets[i] = (int32_t) at;
		for (int64_t t = 0; t < memory + count; t++)
			places[at++] = (int32_t) t;
		for (int64_t t = 0; t < count; t++)
			own[first + t] = (int32_t) (memory + t);
	}
	offsets[batch->sequences] = (int32_t) at;
	p->how.keys = (relative_tokens) {.offsets = offsets, .places = places};
	p->how.queries = (relative_tokens) {.offsets = batch->offsets, .places = own};
	return true;
}

static pass
begin_pass(nn_model *m, const transfo_xl_config *c)
{
	pass p = {.config = c, .how = {.heads = c->heads, .any_type = -1, .more = hide_unseen}};
	int64_t span, count;
	int32_t *rows;
	bool placed = place_tokens(m, &p, &span);

	for (int64_t i = 0; placed && i < m->batch->sequences; i++)
		if (i == 0 || p.how.keys.offsets[i + 1] - p.how.keys.offsets[i] > span)
			span = p.how.keys.offsets[i + 1] - p.how.keys.offsets[i];
	count = c->clamp > 0 && span > c->clamp + 1 ? c->clamp + 1 : span;
	p.distances = make_sinusoids(m, 0, count, c->common.hidden_size);
	rows = placed ? tfm_alloc_array(m->context, (size_t) (2 * span), sizeof(int32_t)) : NULL;
	/* Keys that come after their query are not seen, whatever they have. */
	for (int64_t i = 0; rows != NULL && i < 2 * span; i++)
	{
		int64_t distance = i - (span - 1);

		rows[i] = (int32_t) (distance < 0 ? 0 : distance < count ? distance : count - 1);
	}
	p.how.rows = rows;
	p.how.span = span;
	return p;
}

/* Rows of x [tokens, n] after the memory's, which are all as the one row of memory [1, n]. */
static tensor
put_after_memory(nn_model *m, const pass *p, tensor x, tensor memory)
{
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1], count = p->config->memory;
	tensor y = nn_matrix(m, batch->tokens + batch->sequences * count, n);
	float *to = y.data;

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
	{
		int64_t own = (batch->offsets[i + 1] - batch->offsets[i]) * n;

		for (int64_t t = 0; t < count; t++, to += n)
			memcpy(to, memory.data, (size_t) n * sizeof(float));
		memcpy(to, (const float *) x.data + batch->offsets[i] * n, (size_t) own * sizeof(float));
		to += own;
	}
	return y;
}

/* Queries, keys and values of x [rows, hidden], normed first if the model does -> three of [rows, n]. */
static void
project(nn_model *m, const pass *p, tensor x, tensor *q, tensor *k, tensor *v)
{
	int64_t n = p->config->heads * p->config->head_dim;
	tensor *results[] = {q, k, v};
	static const char *const names[] = {"dec_attn.qkv_net[0/3]", "dec_attn.qkv_net[1/3]",
										"dec_attn.qkv_net[2/3]"};

	if (p->config->norm_first)
		x = layer_norm(m, x, "dec_attn.layer_norm", p->config->norm_eps);
	for (int i = 0; i < 3; i++)
		if (results[i] != NULL)
			*results[i] = linear(m, x, names[i], .columns = n);
}

/* The bias of queries called name, the layer's or that of all: a copy of q with it. */
static tensor
add_bias(nn_model *m, const pass *p, tensor q, const char *name)
{
	char own[NN_NAME_MAX], scope[NN_NAME_MAX];
	tensor y;

	snprintf(own, sizeof(own), "dec_attn.%s", name);
	if (p->config->own_biases || nn_has_weight(m, own))
		return add_head_bias(m, q, own, p->config->heads);
	strcpy(scope, m->scope);
	m->scope[0] = '\0';
	y = add_head_bias(m, q, name, p->config->heads);
	strcpy(m->scope, scope);
	return y;
}

static tensor
attend_memory(nn_model *m, const pass *p, tensor x)
{
	int64_t n = p->config->heads * p->config->head_dim;
	relative_attention how = p->how;
	tensor nothing = nn_matrix(m, 1, x.shape[1]);
	tensor q = {0}, k = {0}, v = {0}, memory_k = {0}, memory_v = {0};

	if (nn_live(m))
		memset(nothing.data, 0, (size_t) tensor_count(&nothing) * sizeof(float));
	project(m, p, x, &q, &k, &v);
	project(m, p, nothing, NULL, &memory_k, &memory_v);
	if (tfm_failed(m->context))
		return (tensor) {0};
	how.position_keys = linear(m, p->distances, "dec_attn.r_net", .columns = n);
	how.position_x = add_bias(m, p, q, "r_r_bias");
	how.more_argument = p;
	return attend_relative(m, add_bias(m, p, q, "r_w_bias"), put_after_memory(m, p, k, memory_k),
						   put_after_memory(m, p, v, memory_v), &how);
}

/* ---- Layers ---- */

/* A part's last product, added to x, and normed unless x was: y [tokens, k] -> [tokens, hidden]. */
static tensor
end_part(nn_model *m, const transfo_xl_config *c, tensor x, tensor y, const char *name,
		 const char *norm)
{
	return linear(m, y, name, .columns = c->common.hidden_size, .residual = x,
				  .norm = c->norm_first ? NULL : norm, .norm_eps = c->norm_eps);
}

static tensor
run_layer(nn_model *m, const pass *p, tensor x)
{
	const transfo_xl_config *c = p->config;
	tensor y = end_part(m, c, x, attend_memory(m, p, x), "dec_attn.o_net", "dec_attn.layer_norm");
	tensor inner = c->norm_first ? layer_norm(m, y, "pos_ff.layer_norm", c->norm_eps) : y;

	inner =
		linear(m, inner, "pos_ff.CoreNet.0", .columns = c->inner, .activation = ACTIVATION_RELU);
	return end_part(m, c, y, inner, "pos_ff.CoreNet.3", "pos_ff.layer_norm");
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const transfo_xl_config *c = config;
	pass p = begin_pass(m, c);
	tensor x = embed_words(m, c);

	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, "layers.%d", i);
		x = nn_leave(m, layer, x, run_layer(m, &p, x));
	}
	nn_emit_hidden_state(m, c->layers, x);
	return x;
}

/* ---- Heads ---- */

static void
base_model(nn_model *m, const void *config)
{
	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, hidden_states(m, config));
}

/* x [rows, hidden] as a cluster's words take it -> [rows, its columns]. */
static tensor
project_out(nn_model *m, const transfo_xl_config *c, tensor x, int cluster)
{
	int table = c->divisor == 1 ? 0 : cluster;
	int64_t columns = cluster_columns(c, table);
	bool tied = c->tied_projections && cluster > 0;
	char name[NN_NAME_MAX], own[NN_NAME_MAX];

	if (c->divisor == 1 && columns == c->common.hidden_size)
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
score_table(nn_model *m, const transfo_xl_config *c, tensor x, int cluster)
{
	int table = c->divisor == 1 ? 0 : cluster;
	char name[NN_NAME_MAX], tied[NN_NAME_MAX];

	snprintf(name, sizeof(name), "crit.out_layers.%d", table);
	snprintf(tied, sizeof(tied), "word_emb.emb_layers.%d", table);
	return linear(m, x, name, .columns = table_words(c, table),
				  .tied = c->common.tie_word_embeddings ? tied : NULL);
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
put_head(const transfo_xl_config *c, tensor scores, tensor clusters, tensor y, float *shares)
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
put_cluster(const transfo_xl_config *c, tensor scores, int cluster, tensor y, const float *shares)
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
static tensor
predict_words(nn_model *m, const transfo_xl_config *c, tensor x)
{
	tensor y = nn_matrix(m, x.shape[0], c->common.vocab_size);
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

static void
language_model(nn_model *m, const void *config)
{
	nn_emit(m, "prediction_scores", NN_PER_TOKEN,
			predict_words(m, config, hidden_states(m, config)));
}

/* The token before the first padding, or the last one -> [sequences, hidden]. */
static tensor
last_tokens(nn_model *m, const transfo_xl_config *c, tensor x)
{
	const nn_batch *batch = m->batch;
	int32_t *last =
		nn_live(m) ? tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(int32_t)) : NULL;

	for (int64_t i = 0; last != NULL && i < batch->sequences; i++)
	{
		int32_t first = batch->offsets[i], end = batch->offsets[i + 1], t = first;

		while (t < end && (batch->embeds != NULL || batch->ids[t] != c->common.pad_token_id))
			t++;
		last[i] = (t == first ? end : t) - 1;
	}
	return take_rows(m, x, last, batch->sequences);
}

static void
sequence_classification(nn_model *m, const void *config)
{
	const transfo_xl_config *c = config;

	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, last_tokens(m, c, hidden_states(m, config)), "score",
				   .columns = c->common.num_labels));
}

/* ---- Configuration ---- */

static void
read_clusters(tfm_context *context, json file, transfo_xl_config *c)
{
	static const int64_t usual[] = {20000, 40000, 200000};
	json cutoffs = json_member(file, "cutoffs"), cutoff = json_first(cutoffs);
	size_t count = json_is_array(cutoffs) ? json_size(cutoffs) : 3;

	if (count + 1 > MAX_CLUSTERS)
		tfm_fail(context, TFM_UNSUPPORTED, "%s: %zu clusters of words are not supported",
				 file.source, count + 1);
	for (size_t i = 0; i < count && !tfm_failed(context); i++, cutoff = json_next(cutoff))
	{
		int64_t end = usual[i < 3 ? i : 2];

		if (json_is_array(cutoffs) && !json_to_int(cutoff, 1, NN_MAX_SIZE, &end))
			end = 0;
		if (end <= c->ends[i] || end >= c->common.vocab_size)
			tfm_fail(context, TFM_CORRUPTED, "%s: \"cutoffs\" are not ascending words",
					 file.source);
		c->ends[i + 1] = end;
	}
	c->clusters = tfm_failed(context) ? 1 : (int) count + 1;
	c->ends[c->clusters] = c->common.vocab_size;
	c->divisor = json_int(context, file, "div_val", 4, 1, NN_MAX_SIZE);
	for (int i = 0; i < c->clusters && !tfm_failed(context); i++)
		if (cluster_columns(c, c->divisor == 1 ? 0 : i) < 1)
			tfm_fail(context, TFM_CORRUPTED, "%s: a cluster of words has no columns", file.source);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	transfo_xl_config *c = config;

	c->common = (nn_config) {
		.vocab_size = json_int(context, file, "vocab_size", 267735, 1, NN_MAX_SIZE),
		.hidden_size = json_int(context, file, "d_model", 1024, 2, NN_MAX_SIZE),
		.max_positions = 1 << 20,
		.any_position = true,
		.num_labels = nn_read_num_labels(context, file),
		.pad_token_id = json_int(context, file, "pad_token_id", -1, -1, NN_MAX_SIZE),
		.tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true),
	};
	c->layers = (int) json_int(context, file, "n_layer", 18, 0, NN_MAX_LAYERS);
	c->heads = (int) json_int(context, file, "n_head", 16, 1, NN_MAX_HEADS);
	c->head_dim = json_int(context, file, "d_head", 64, 1, 1 << 16);
	c->inner = json_int(context, file, "d_inner", 4096, 1, NN_MAX_SIZE);
	c->embedding = json_int(context, file, "d_embed", 1024, 1, NN_MAX_SIZE);
	c->norm_eps = json_double(context, file, "layer_norm_epsilon", 1e-5);
	c->norm_first = json_bool(context, file, "pre_lnorm", false);
	c->same_length = json_bool(context, file, "same_length", true);
	c->own_biases = json_bool(context, file, "untie_r", true);
	c->tied_projections = json_bool(context, file, "proj_share_all_but_first", true);
	c->memory = json_int(context, file, "mem_len", 1600, 0, 1 << 16);
	c->clamp = json_int(context, file, "clamp_len", 1000, INT32_MIN, INT32_MAX);
	if (json_int(context, file, "attn_type", 0, 0, 3) != 0 || (c->memory == 0 && c->same_length))
		tfm_fail(context, TFM_UNSUPPORTED, "%s: such attention is not supported", file.source);
	read_clusters(context, file, c);
}

static const nn_variant variants[] = {{"transfo-xl", "TransfoXL", "transformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"LMHeadModel", "text-generation", language_model},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{0},
};

const nn_family family_transfo_xl = {
	.name = "transfo-xl",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(transfo_xl_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
