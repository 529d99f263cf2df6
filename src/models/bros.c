/*
 * bros.c
 *	  BROS (Hong et al. 2021): BERT, whose attention knows how the tokens' boxes lie to each other.
 *	  Follows transformers/models/bros/modeling_bros.py.
 *
 * A score is q_i (k_j + W s(b_j - b_i)), where s are sines and cosines of the coordinates of boxes b.
 * With sin(x - y) = sin x cos y - cos x sin y and its like, (W^T q_i) s(b_j - b_i) is a product of
 * something of i with s(b_j): q and k just get more columns.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/inputs.h"

#define MAX_COORDINATES 64

/* The family's own inputs. */
enum
{
	BOXES,
	FIRST_TOKENS
};

typedef struct bros_config
{
	encoder_config encoder;
	int64_t coordinates; /* of a box */
	int64_t rates;		 /* of the sines of a coordinate */
	double box_scale;
	int64_t relations; /* kinds of them, between two tokens */
} bros_config;

/* ---- Boxes ---- */

/* Coordinate number i of a token's box, of which four may stand for eight. */
static double
coordinate(const nn_input *boxes, int64_t token, int64_t i)
{
	static const int corners[] = {0, 1, 2, 1, 2, 3, 0, 3};

	return (double)
		boxes->floats[token * boxes->shape[1] + (boxes->shape[1] == 4 ? corners[i] : i)];
}

/* The rates of the sines of x, or of y; those of the checkpoint where it has them. */
static void
find_rates(nn_model *m, const bros_config *c, const char *name, double *rates)
{
	const weight *w = nn_has_weight(m, name) ? nn_weight(m, name, LAYOUT_PLAIN, 0, c->rates) : NULL;

	for (int64_t i = 0; rates != NULL && i < c->rates; i++)
	{
		float exponent = (float) (2 * i) / (float) (2 * c->rates);

		rates[i] = w != NULL && nn_live(m) ? (double) ((const float *) w->data)[i]
										   : (double) (1 / powf(10000, exponent));
	}
}

/* s(b) of each token: for each coordinate rates sines, then as many cosines. */
static tensor
make_sinusoids(nn_model *m, const bros_config *c)
{
	const nn_input *boxes = given_input(m, BOXES);
	double *rates = tfm_alloc_array(m->context, (size_t) c->rates, 2 * sizeof(double));
	tensor y = nn_matrix(m, m->batch->tokens, c->coordinates * 2 * c->rates);

	find_rates(m, c, "bbox_embeddings.bbox_sinusoid_emb.x_pos_emb.inv_freq", rates);
	find_rates(m, c, "bbox_embeddings.bbox_sinusoid_emb.y_pos_emb.inv_freq",
			   rates == NULL ? NULL : rates + c->rates);
	if (!nn_live(m))
		return y;
	if (boxes == NULL || (boxes->shape[1] == 4 ? 8 : boxes->shape[1]) < c->coordinates)
	{
		tfm_fail(m->context, TFM_INVALID_ARGUMENT,
				 "argument \"bbox\" must have %lld numbers for each token",
				 (long long) c->coordinates);
		return y;
	}
	for (int64_t i = 0; i < y.shape[0] * c->coordinates; i++)
	{
		int64_t part = i % c->coordinates;
		double place = coordinate(boxes, i / c->coordinates, part) * c->box_scale;
		float *row = (float *) y.data + i * 2 * c->rates;

		for (int64_t j = 0; j < c->rates; j++)
		{
			row[j] = (float) sin(place * rates[part % 2 * c->rates + j]);
			row[c->rates + j] = (float) cos(place * rates[part % 2 * c->rates + j]);
		}
	}
	return y;
}

/* ---- Attention ---- */

/* Of a head u = W^T q, turned by the token's own s: u s(b_j - b) = turned s(b_j). */
static void
turn(const bros_config *c, const float *u, const float *own, float *turned)
{
	for (int64_t i = 0; i < c->coordinates; i++)
		for (int64_t j = 0; j < c->rates; j++)
		{
			int64_t sine = i * 2 * c->rates + j, cosine = sine + c->rates;

			turned[sine] = u[sine] * own[cosine] + u[cosine] * own[sine];
			turned[cosine] = u[cosine] * own[cosine] - u[sine] * own[sine];
		}
}

/* W^T of each head of q, [tokens * heads, columns of s]; W is beside the layers. */
static tensor
project_queries(nn_model *m, tensor q, int heads, int64_t columns)
{
	char scope[NN_NAME_MAX];
	tensor u;

	strcpy(scope, m->scope);
	m->scope[0] = '\0';
	q.shape[0] *= heads;
	q.shape[1] /= heads;
	u = linear(m, q, "bbox_embeddings.bbox_projection", .columns = columns, .transposed = true);
	strcpy(m->scope, scope);
	return u;
}

/* Queries, or keys, with what is known of boxes after each head. */
static tensor
widen_heads(nn_model *m, const bros_config *c, tensor x, tensor u, tensor sinusoids)
{
	int heads = c->encoder.attention.heads;
	int64_t size = x.shape[1] / heads, columns = sinusoids.shape[1];
	tensor y = nn_matrix(m, x.shape[0], x.shape[1] + heads * columns);

	for (int64_t i = 0; nn_live(m) && i < x.shape[0] * heads; i++)
	{
		const float *own = (const float *) sinusoids.data + i / heads * columns;
		float *to = (float *) y.data + i * (size + columns);

		memcpy(to, (const float *) x.data + i * size, (size_t) size * sizeof(float));
		if (u.rank != 0)
			turn(c, (const float *) u.data + i * columns, own, to + size);
		else
			memcpy(to + size, own, (size_t) columns * sizeof(float));
	}
	return y;
}

/* In the place of attend: see encoder_config. */
static tensor
attend_boxes(nn_model *m, const void *config, const attention *how, tensor x, const tensor qkv[3])
{
	const bros_config *c = config;
	tensor sinusoids = make_sinusoids(m, c);
	tensor u = project_queries(m, qkv[0], how->heads, sinusoids.shape[1]);
	attention scaled = *how;

	(void) x;
	scaled.scale = 1 / sqrt((double) (qkv[0].shape[1] / how->heads));
	return attend(m, widen_heads(m, c, qkv[0], u, sinusoids),
				  widen_heads(m, c, qkv[1], (tensor) {0}, sinusoids), qkv[2], &scaled);
}

/* ---- Configuration ---- */

static void
read_config(tfm_context *context, json file, void *config)
{
	bros_config *c = config;
	encoder_config *e = &c->encoder;
	int64_t columns;

	*c = (bros_config) {.encoder = encoder_bert};
	e->attend = attend_boxes;
	encoder_read_config(context, file, e, 0);
	e->attention.causal = false;
	c->coordinates = json_int(context, file, "dim_bbox", 8, 1, MAX_COORDINATES);
	c->box_scale = json_double(context, file, "bbox_scale", 100.0);
	c->relations = json_int(context, file, "n_relations", 1, 1, 4096);
	columns = e->common.hidden_size / 4;
	c->rates = columns / c->coordinates / 2;
	if (c->rates * c->coordinates * 2 != columns || e->common.hidden_size % e->attention.heads != 0)
		tfm_fail(context, TFM_CORRUPTED,
				 "\"%s\": key \"hidden_size\" does not fit the heads and the boxes", file.source);
}

/* ---- Relations ---- */

/* x [tokens, hidden] and, after them, a row that stands for no token. */
static tensor
add_nobody(nn_model *m, tensor x, const char *name)
{
	const weight *w = nn_weight(m, name, LAYOUT_PLAIN, 1, x.shape[1]);
	tensor y = nn_matrix(m, x.shape[0] + 1, x.shape[1]);
	size_t bytes = (size_t) tensor_count(&x) * sizeof(float);

	if (w != NULL && nn_live(m))
	{
		memcpy(y.data, x.data, bytes);
		memcpy((char *) y.data + bytes, w->data, (size_t) x.shape[1] * sizeof(float));
	}
	return y;
}

static float
multiply(const float *a, const float *b, int64_t n)
{
	float sums[8] = {0}, sum = 0;
	int64_t i = 0;

	for (; i + 8 <= n; i += 8)
		for (int j = 0; j < 8; j++)
			sums[j] += a[i + j] * b[i + j];
	for (; i < n; i++)
		sum += a[i] * b[i];
	for (int j = 0; j < 8; j++)
		sum += sums[j];
	return sum;
}

/*
 * Scores of each pair of tokens of a row, and of each with nobody -> [relations, sequences, columns,
 * columns + 1], where all rows have as many columns.  Zeros for masked tokens.
 */
static tensor
relate(nn_model *m, const bros_config *c, tensor x, const char *name)
{
	const nn_batch *batch = m->batch;
	int64_t hidden = x.shape[1], width = c->relations * hidden;
	int64_t columns = batch->sequences == 0 ? 0 : batch->tokens / batch->sequences;
	tensor q, k, y;
	nn_scope scope = nn_enter(m, "%s", name);

	q = linear(m, x, "query", .columns = width);
	k = linear(m, add_nobody(m, x, "dummy_node"), "key", .columns = width);
	m->scope[scope.length] = '\0';
	y = nn_matrix(m, c->relations * batch->sequences * columns, columns + 1);
	for (int64_t i = 0; nn_live(m) && i < y.shape[0]; i++)
	{
		int64_t relation = i / batch->tokens, token = i % batch->tokens;
		bool seen = batch->hidden == NULL || batch->hidden[token] == 0;

		for (int64_t j = 0; j <= columns && !tfm_stopped(m->context); j++)
		{
			int64_t key = j == columns ? batch->tokens : token / columns * columns + j;

			((float *) y.data)[i * (columns + 1) + j] =
				!seen ? 0.0f
					  : multiply((const float *) q.data + token * width + relation * hidden,
								 (const float *) k.data + key * width + relation * hidden, hidden);
		}
	}
	y.rank = 4;
	y.shape[0] = c->relations;
	y.shape[1] = batch->sequences;
	y.shape[2] = columns;
	y.shape[3] = columns + 1;
	return y;
}

/* One kind of relation has no dimension of its own. */
static void
emit_relations(nn_model *m, const char *name, tensor y)
{
	if (y.shape[0] == 1)
	{
		memmove(y.shape, y.shape + 1, 3 * sizeof(y.shape[0]));
		y.rank = 3;
	}
	nn_emit(m, name, NN_AS_SHAPED, y);
}

/* ---- Heads ---- */

/* The tokens that entities begin with, and for each token which one comes next. */
static void
entity_extraction(nn_model *m, const void *config)
{
	const bros_config *c = config;
	const encoder_config *e = &c->encoder;
	tensor x = encoder_hidden_states(m, config);
	tensor first = linear(m, x, "initial_token_classifier.1");
	tensor next = relate(m, c, x, "subsequent_token_classifier");
	const uint8_t *hidden = m->batch->hidden;
	int64_t columns = next.shape[2];

	nn_emit(m, "initial_token_logits", NN_PER_TOKEN,
			linear(m, first, "initial_token_classifier.3", .columns = e->common.num_labels));
	for (int64_t i = 0; nn_live(m) && i < tensor_count(&next); i++)
	{
		int64_t token = i / (columns + 1), key = i % (columns + 1);
		int64_t row = token / columns % m->batch->sequences;

		if (hidden != NULL && hidden[row * columns + token % columns] != 0)
			continue;
		if (key == token % columns ||
			(hidden != NULL && key < columns && hidden[row * columns + key] != 0))
			((float *) next.data)[i] = -FLT_MAX;
	}
	emit_relations(m, "subsequent_token_logits", next);
}

static void
entity_linking(nn_model *m, const void *config)
{
	emit_relations(m, "logits",
				   relate(m, config, encoder_hidden_states(m, config), "entity_linker"));
}

static const nn_variant variants[] = {{"bros", "Bros", "bros"}, {0}};

static const nn_input_kind inputs[] = {
	[BOXES] = {"bbox", .per_token = true, .is_float = true},
	[FIRST_TOKENS] = {"bbox_first_token_mask", .per_token = true, .width = 1},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"SpadeEEForTokenClassification", "token-classification", entity_extraction},
	{"SpadeELForTokenClassification", "token-classification", entity_linking},
	{0},
};

const nn_family family_bros = {
	.name = "bros",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bros_config),
	.read_config = read_config,
	.inputs = inputs,
	.keeps_masked = true, /* links lead to masked tokens, too */
	.hidden_states = encoder_hidden_states,
};
