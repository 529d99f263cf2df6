/*
 * mega.c
 *	  MEGA (Ma et al. 2022): a moving average of each column along the sequence, then attention of one
 *	  head, gated, by queries and keys that are made of one projection.
 *	  Follows transformers/models/deprecated/mega/modeling_mega.py of Transformers 4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/heads.h"
#include "nn/sparse.h"

#define NORM_EPS 1e-5
#define MAX_AVERAGES 4096

typedef enum mega_norm
{
	MEGA_LAYER_NORM,
	MEGA_SCALE_NORM, /* RMS norm with one factor */
	MEGA_RMS_NORM,	 /* a factor for each column and, in Transformers, no norm at all */
	MEGA_BATCH_NORM
} mega_norm;

typedef struct mega_config
{
	encoder_config encoder; /* of it: sizes, activation, heads */
	int64_t averages;		/* of each column */
	int64_t shared;			/* columns of queries and keys */
	int64_t chunk_size;		/* of attention; 0: none */
	int64_t truncation;		/* tokens that an average is of; 0: all */
	int64_t feed_forward;	/* 0: none */
	int64_t bias_positions; /* of a bias by distance that is a table */
	bool bidirectional, simple_bias, softmax;
	bool norm_first, feed_forward_norm_first, affine, dense;
	mega_norm norm;
	op_activation attention; /* in the place of softmax, or: */
	bool laplace;
} mega_config;

static tensor hidden_states(nn_model *m, const void *config);

/* ---- Configuration ---- */

static void
read_kinds(tfm_context *context, json file, mega_config *c)
{
	static const char *const norms[] = {"layernorm", "scalenorm", "rmsnorm", "batchnorm",
										"syncbatchnorm"};
	const char *norm = json_string(context, file, "normalization_type", "scalenorm");
	const char *bias = json_string(context, file, "relative_positional_bias", "rotary");
	const char *weighing = json_string(context, file, "attention_activation", "softmax");
	int number = 0;

	if (tfm_failed(context) || norm == NULL || bias == NULL || weighing == NULL)
		return;
	while (number < 5 && strcmp(norm, norms[number]) != 0)
		number++;
	c->norm = number < 4 ? (mega_norm) number : MEGA_BATCH_NORM;
	c->simple_bias = strcmp(bias, "simple") == 0;
	if (number == 5 || (!c->simple_bias && strcmp(bias, "rotary") != 0))
		tfm_fail(context, TFM_UNSUPPORTED, "a norm \"%s\" with a bias \"%s\" is not supported",
				 norm, bias);
	c->softmax = strcmp(weighing, "softmax") == 0;
	c->laplace = strcmp(weighing, "laplace") == 0;
	if (!c->softmax && !c->laplace)
		c->attention = nn_activation(context, weighing);
}

static void
read_sizes(tfm_context *context, json file, mega_config *c)
{
	bool causal = c->encoder.attention.causal;
	int64_t chunk = json_int(context, file, "chunk_size", -1, -1, NN_MAX_SIZE);

	c->averages = json_int(context, file, "ema_projection_size", 16, 1, MAX_AVERAGES);
	c->shared = json_int(context, file, "shared_representation_size", 64, 2, NN_MAX_SIZE);
	c->bias_positions = chunk > 0 ? chunk : c->encoder.common.max_positions;
	if (!tfm_failed(context) && c->bias_positions > c->encoder.common.max_positions)
		tfm_fail(context, TFM_CORRUPTED, "\"chunk_size\" is more than \"max_positions\"");
	if (json_bool(context, file, "use_chunking", false))
		c->chunk_size = chunk;
	if (!tfm_failed(context) && c->chunk_size < 0)
		tfm_fail(context, TFM_CORRUPTED, "\"use_chunking\" needs a \"chunk_size\"");
	/* what goes on by steps averages all that was */
	if (!nn_is_null(file, "truncation") && !(causal && json_bool(context, file, "use_cache", true)))
		c->truncation = json_int(context, file, "truncation", 0, 0, NN_MAX_SIZE);
	if (json_bool(context, file, "use_normalized_ffn", true))
		c->feed_forward = json_int(context, file, "nffn_hidden_size", 256, 1, NN_MAX_SIZE);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	mega_config *c = config;
	encoder_config *e = &c->encoder;

	*c = (mega_config) {
		.encoder = {.common = {.vocab_size = 30522, .hidden_size = 128},
					.embedding = {.words = "embedding_layer.word_embeddings"},
					.layers = 4,
					.intermediate_size = 256,
					.hidden_states = hidden_states},
	};
	if (json_bool(context, file, "add_token_type_embeddings", false))
		e->embedding.types = "embedding_layer.token_type_embeddings";
	encoder_read_config(context, file, e, 0);
	e->common.max_positions = json_int(context, file, "max_positions", 2048, 1, NN_MAX_SIZE);
	e->activation = nn_activation(context, json_string(context, file, "activation", "silu"));
	c->bidirectional = json_bool(context, file, "bidirectional", true);
	c->norm_first = json_bool(context, file, "normalize_before_mega", true);
	c->feed_forward_norm_first = json_bool(context, file, "normalize_before_ffn", true);
	c->affine = json_bool(context, file, "norm_affine", true);
	c->dense = json_bool(context, file, "add_lm_hidden_dense_layer", true);
	read_kinds(context, file, c);
	read_sizes(context, file, c);
	e->common.any_position = !c->simple_bias;
}

/* ---- Norms ---- */

/* A vector "norm.norm.<part>" within the scope; NULL in a dry run and after an error. */
static const float *
find_vector(nn_model *m, const char *name, int64_t count)
{
	const weight *w = nn_weight(m, name, LAYOUT_PLAIN, 0, count);

	return w == NULL || !nn_live(m) ? NULL : w->data;
}

/* Columns of x times a factor each, plus a number. */
static void
scale_columns(tensor x, const float *factors, const float *numbers)
{
	int64_t n = x.shape[1];

	for (int64_t i = 0; i < tensor_count(&x); i++)
		((float *) x.data)[i] = ((float *) x.data)[i] * (factors == NULL ? 1 : factors[i % n]) +
								(numbers == NULL ? 0 : numbers[i % n]);
}

/* What training has seen of each column. */
static void
norm_by_batches(nn_model *m, tensor x, const mega_config *c)
{
	int64_t n = x.shape[1];
	const float *mean = find_vector(m, "norm.norm.running_mean", n);
	const float *variance = find_vector(m, "norm.norm.running_var", n);
	const float *factors = c->affine ? find_vector(m, "norm.norm.weight", n) : NULL;
	const float *numbers = c->affine ? find_vector(m, "norm.norm.bias", n) : NULL;

	for (int64_t i = 0; nn_live(m) && i < tensor_count(&x); i++)
		((float *) x.data)[i] =
			(((float *) x.data)[i] - mean[i % n]) / sqrtf(variance[i % n] + (float) NORM_EPS);
	if (nn_live(m))
		scale_columns(x, factors, numbers);
}

static tensor
norm(nn_model *m, tensor x, const mega_config *c)
{
	const normalization how = {.rms = c->norm == MEGA_SCALE_NORM,
							   .bare = c->norm == MEGA_SCALE_NORM || !c->affine,
							   .eps = NORM_EPS};
	const float *factor;
	tensor y;

	if (c->norm == MEGA_LAYER_NORM || c->norm == MEGA_SCALE_NORM)
		y = normalize(m, x, "norm.norm", &how);
	else
	{
		y = nn_matrix(m, x.shape[0], x.shape[1]);
		if (nn_live(m))
			memcpy(y.data, x.data, (size_t) tensor_count(&x) * sizeof(float));
	}
	if (c->norm == MEGA_BATCH_NORM)
		norm_by_batches(m, y, c);
	else if (c->norm == MEGA_SCALE_NORM && c->affine)
	{
		factor = find_vector(m, "norm.norm.scalar", 1);
		y = scale(m, y, factor == NULL ? 1 : (double) *factor, 0);
	}
	else if (c->norm == MEGA_RMS_NORM && c->affine)
	{
		factor = find_vector(m, "norm.norm.weight", x.shape[1]);
		if (factor != NULL)
			scale_columns(y, factor, NULL);
	}
	return y;
}

/* ---- Moving averages ---- */

typedef struct moving_average
{
	const nn_batch *batch;
	const mega_config *c;
	int64_t columns;
	const float *damping, *decay, *expansion, *projection; /* [columns or twice, averages] */
	const float *residual;								   /* [columns] */
	const float *x;
	float *y;
} moving_average;

static double
sigmoid(float x)
{
	return 1 / (1 + exp(-(double) x));
}

static double
value_at(const moving_average *a, int64_t token, int64_t column)
{
	if (a->batch->hidden != NULL && a->batch->hidden[token] != 0)
		return 0;
	return (double) a->x[token * a->columns + column];
}

/* One average of a column along a sequence, by step 1 or -1, added to y. */
static void
add_average(const moving_average *a, int64_t parameter, int64_t column, int64_t first,
			int64_t count, int64_t step)
{
	double damping = sigmoid(a->damping[parameter]);
	double keep = 1 - damping * sigmoid(a->decay[parameter]), state = 0;
	double gain = damping * (double) a->expansion[parameter];
	double share = (double) a->projection[parameter] * sqrt(1 / (double) a->c->averages);
	int64_t length = a->c->truncation;
	double forget = length > 0 ? pow(keep, (double) length) : 0;

	for (int64_t i = 0; i < count; i++)
	{
		int64_t token = first + i * step;

		state = keep * state + gain * value_at(a, token, column);
		if (length > 0 && i >= length)
			state -= forget * gain * value_at(a, token - length * step, column);
		a->y[token * a->columns + column] += (float) (share * state);
	}
}

/* A column of a sequence. */
static void
average_column(void *argument, int64_t item, int thread)
{
	const moving_average *a = argument;
	int64_t column = item % a->columns, sequence = item / a->columns, n = a->c->averages;
	int64_t first = a->batch->offsets[sequence], end = a->batch->offsets[sequence + 1];

	(void) thread;
	for (int64_t i = 0; i < n; i++)
	{
		add_average(a, column * n + i, column, first, end - first, 1);
		if (a->c->bidirectional)
			add_average(a, (a->columns + column) * n + i, column, end - 1, end - first, -1);
	}
	for (int64_t t = first; t < end; t++)
	{
		float *y = &a->y[t * a->columns + column];

		*y += a->x[t * a->columns + column] * a->residual[column];
		*y /= 1 + expf(-*y);
	}
}

static tensor
average(nn_model *m, tensor x, const mega_config *c)
{
	static const char *const names[] = {"ema_gate.damping_factor", "ema_gate.decay_factor",
										"ema_gate.ema_expansion_matrix",
										"ema_gate.kernel_projection_matrix"};
	moving_average a = {.batch = m->batch, .c = c, .columns = x.shape[1], .x = x.data};
	const float **const parts[] = {&a.damping, &a.decay, &a.expansion, &a.projection};
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);

	for (int i = 0; i < 4; i++)
	{
		const weight *w = nn_weight(m, names[i], LAYOUT_PLAIN,
									(c->bidirectional ? 2 : 1) * a.columns, c->averages);

		*parts[i] = w == NULL ? NULL : w->data;
	}
	a.residual = find_vector(m, "ema_gate.residual_weight", a.columns);
	a.y = y.data;
	if (!nn_live(m))
		return y;
	memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	threads_run(m->context, average_column, &a, m->batch->sequences * a.columns);
	return y;
}

/* ---- Attention ---- */

typedef struct mega_attention
{
	const mega_config *c;
	const float *bias; /* [2 * span - 1] by distance */
	int64_t span;
} mega_attention;

/* The product of two vectors that are turned, one by its place and one by its own. */
static float
rotary_bias(const float *alpha, const float *beta, int64_t n, int64_t distance)
{
	int64_t half = n / 2;
	double sum = 0;

	for (int64_t i = 0; i < half; i++)
	{
		double angle = (double) distance * exp(-(double) i * log(10000) / (double) half);
		double same = (double) alpha[i] * (double) beta[i] +
					  (double) alpha[half + i] * (double) beta[half + i];
		double cross = (double) alpha[i] * (double) beta[half + i] -
					   (double) alpha[half + i] * (double) beta[i];

		sum += same * cos(angle) - cross * sin(angle);
	}
	return (float) sum;
}

/* The bias of all distances in the batch. */
static bool
find_bias(nn_model *m, mega_attention *a)
{
	const mega_config *c = a->c;
	const float *alpha = NULL, *beta = NULL, *table = NULL;
	float *bias;

	if (c->simple_bias)
		table =
			find_vector(m, "rel_pos_bias.rel_pos_bias", 2 * c->encoder.common.max_positions - 1);
	else
	{
		alpha = find_vector(m, "rel_pos_bias.alpha", c->shared);
		beta = find_vector(m, "rel_pos_bias.b_param", c->shared);
	}
	if (!nn_live(m))
		return false;
	a->span = sparse_longest(m->batch);
	a->span = a->span > 0 ? a->span : 1;
	if (c->simple_bias && a->span > c->bias_positions)
		return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
						"a row of %lld tokens is longer than the model's %lld", (long long) a->span,
						(long long) c->bias_positions);
	bias = tfm_alloc_array(m->context, (size_t) (2 * a->span - 1), sizeof(float));
	for (int64_t d = 1 - a->span; bias != NULL && d < a->span; d++)
		bias[d + a->span - 1] = table != NULL ? table[c->bias_positions - 1 + d]
											  : rotary_bias(alpha, beta, c->shared, d);
	a->bias = bias;
	return bias != NULL;
}

static bool
is_seen(const head *h, int64_t query, int64_t key)
{
	const mega_attention *a = h->config;

	return !(h->hidden != NULL && h->hidden[key] != 0) &&
		   !(a->c->encoder.attention.causal && key > query);
}

/* Scores of a query become weights that sum to 1. */
static void
soften(const head *h, int64_t query, float *scores)
{
	const mega_attention *a = h->config;
	float scale = 1 / sqrtf((float) a->c->shared);

	for (int64_t k = 0; k < h->tokens; k++)
		scores[k] =
			is_seen(h, query, k) ? scores[k] * scale + a->bias[k - query + a->span - 1] : -INFINITY;
	head_soften(scores, h->tokens);
}

/* Or each for itself, of scores that are divided by how many keys there are. */
static void
activate_scores(const head *h, int64_t query, float *scores)
{
	const mega_attention *a = h->config;
	int64_t keys = 0;

	for (int64_t k = 0; k < h->tokens; k++)
		keys +=
			a->c->encoder.attention.causal ? k <= query : h->hidden == NULL || h->hidden[k] == 0;
	for (int64_t k = 0; k < h->tokens; k++)
		scores[k] = scores[k] / (float) (keys > 0 ? keys : 1) + a->bias[k - query + a->span - 1];
	for (int64_t k = 0; a->c->laplace && k < h->tokens; k++)
		scores[k] = 0.5f * (1 + erff((scores[k] - 0.707107f) / (0.282095f * (float) M_SQRT2)));
	if (!a->c->laplace)
		h->table->activate(a->c->attention, scores, scores, h->tokens);
	for (int64_t k = 0; k < h->tokens; k++)
		scores[k] = is_seen(h, query, k) ? scores[k] : 0;
}

static bool
take_weights(const head *h, int64_t first, int64_t count, float *scores)
{
	const mega_attention *a = h->config;

	for (int64_t i = 0; i < count; i++)
		if (a->c->softmax)
			soften(h, first + i, scores + i * h->tokens);
		else
			activate_scores(h, first + i, scores + i * h->tokens);
	return true;
}

static void
run_head(const head *h)
{
	head_attend(h, take_weights);
}

/* The batch with each chunk as a sequence; false if there are none, or after an error. */
static bool
cut_chunks(nn_model *m, const mega_config *c, nn_batch *cut)
{
	const nn_batch *batch = m->batch;
	int32_t *offsets;

	if (!nn_live(m) || c->chunk_size == 0)
		return false;
	offsets = tfm_alloc_array(m->context, (size_t) (batch->tokens + batch->sequences) + 1,
							  sizeof(int32_t));
	*cut = *batch;
	cut->sequences = 0;
	for (int64_t i = 0; offsets != NULL && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t += c->chunk_size)
			offsets[cut->sequences++] = (int32_t) t;
	if (offsets != NULL)
		offsets[cut->sequences] = (int32_t) batch->tokens;
	cut->offsets = offsets;
	return offsets != NULL;
}

/* qk [tokens, stride] times a row of the weights, plus one of the biases; further columns are 0. */
static tensor
make_query(nn_model *m, tensor qk, const mega_config *c, int row, int64_t stride, int64_t columns)
{
	const weight *factors = nn_weight(m, "qk_weight", LAYOUT_PLAIN, 2, c->shared);
	const weight *numbers = nn_weight(m, "qk_bias", LAYOUT_PLAIN, 2, c->shared);
	tensor y = nn_matrix(m, qk.shape[0], columns);

	for (int64_t t = 0; nn_live(m) && t < y.shape[0]; t++)
		for (int64_t i = 0; i < columns; i++)
			((float *) y.data)[t * columns + i] =
				i < c->shared ? ((const float *) qk.data)[t * stride + i] *
										((const float *) factors->data)[row * c->shared + i] +
									((const float *) numbers->data)[row * c->shared + i]
							  : 0;
	return y;
}

/* Some columns of x, whose rows are stride apart, as a matrix of columns columns. */
static tensor
copy_columns(nn_model *m, tensor x, int64_t first, int64_t count, int64_t columns)
{
	tensor y = nn_matrix(m, x.shape[0], columns);

	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
		for (int64_t i = 0; i < columns; i++)
			((float *) y.data)[t * columns + i] =
				i < count ? ((const float *) x.data)[t * x.shape[1] + first + i] : 0;
	return y;
}

/* What base's queries and keys see of the values, [tokens, values' columns]. */
static tensor
attend_to_values(nn_model *m, tensor qk, tensor values, const mega_config *c)
{
	const nn_batch *batch = m->batch;
	int64_t n = values.shape[1], width = n > c->shared ? n : c->shared;
	mega_attention a = {.c = c};
	tensor qkv[3] = {make_query(m, qk, c, 0, qk.shape[1], width),
					 make_query(m, qk, c, 1, qk.shape[1], width),
					 copy_columns(m, values, 0, n, width)};
	nn_batch cut;
	tensor y;

	if (cut_chunks(m, c, &cut))
		m->batch = &cut;
	find_bias(m, &a);
	y = run_heads(
		m, qkv,
		&(head_plan) {
			.heads = 1, .config = &a, .run = run_head, .scratch = head_scratch_of_queries});
	m->batch = batch;
	return copy_columns(m, y, 0, n, n);
}

/* ---- Layers ---- */

/* x + weights (y - x) in the place of x. */
static tensor
blend(nn_model *m, tensor x, tensor weights, tensor y)
{
	float *to = x.data;

	for (int64_t i = 0; nn_live(m) && i < tensor_count(&x); i++)
		to[i] += ((const float *) weights.data)[i] * (((const float *) y.data)[i] - to[i]);
	return x;
}

static tensor
attend_by_averages(nn_model *m, tensor x, const mega_config *c)
{
	int64_t hidden = x.shape[1], inner = c->encoder.intermediate_size;
	tensor h = c->norm_first ? norm(m, x, c) : x;
	tensor values = linear(m, h, "v_proj", .columns = inner, .activation = c->encoder.activation);
	tensor base = linear(m, average(m, h, c), "mx_proj", .columns = c->shared + inner + 2 * hidden);
	tensor weights = copy_columns(m, base, 0, hidden, hidden);
	tensor gates = copy_columns(m, base, hidden, c->shared + inner, c->shared + inner);
	tensor state = copy_columns(m, base, hidden + c->shared + inner, hidden, hidden);
	tensor seen;

	activate(m, weights, ACTIVATION_SIGMOID);
	activate(m, gates, ACTIVATION_SILU);
	seen = attend_to_values(m, gates, values, c);
	for (int64_t i = 0; nn_live(m) && i < tensor_count(&seen); i++)
		((float *) seen.data)[i] *=
			((const float *) gates.data)[i / inner * (c->shared + inner) + c->shared + i % inner];
	state = linear(m, seen, "h_proj", .columns = hidden, .residual = state, .replace = true);
	activate(m, state, c->encoder.activation);
	x = blend(m, x, weights, state);
	return c->norm_first ? x : norm(m, x, c);
}

static tensor
feed_forward(nn_model *m, tensor x, const mega_config *c)
{
	tensor h = c->feed_forward_norm_first ? norm(m, x, c) : x;

	h = linear(m, h, "fc1", .columns = c->feed_forward, .activation = c->encoder.activation);
	x = linear(m, h, "fc2", .columns = x.shape[1], .residual = x, .replace = true);
	return c->feed_forward_norm_first ? x : norm(m, x, c);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const mega_config *c = config;
	tensor x = encoder_embed(m, &c->encoder);

	nn_emit_hidden_state(m, 0, x);
	for (int i = 0; i < c->encoder.layers && !tfm_failed(m->context); i++)
	{
		nn_scope part = nn_enter(m, "layers.%d.mega_layer", i);

		x = nn_leave(m, part, x, attend_by_averages(m, x, c));
		if (c->feed_forward > 0)
		{
			part = nn_enter(m, "layers.%d.nffn", i);
			x = nn_leave(m, part, x, feed_forward(m, x, c));
		}
		nn_emit_hidden_state(m, i + 1, x);
	}
	return x;
}

/* ---- Heads ---- */

static void
predict_words(nn_model *m, const mega_config *c, const char *name)
{
	tensor x = hidden_states(m, c);

	if (c->dense)
		x = linear(m, x, "dense", .activation = ACTIVATION_TANH);
	nn_emit(
		m, "logits", NN_PER_TOKEN,
		linear(m, x, name, .columns = c->encoder.common.vocab_size,
			   .tied = c->encoder.common.tie_word_embeddings ? c->encoder.embedding.words : NULL));
}

static void
masked_lm(nn_model *m, const void *config)
{
	predict_words(m, config, "mlm_head");
}

static void
causal_lm(nn_model *m, const void *config)
{
	predict_words(m, config, "lm_head");
}

static const nn_variant variants[] = {{"mega", "Mega", "mega"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", masked_lm},
	{"ForCausalLM", "text-generation", causal_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_mega = {
	.name = "mega",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(mega_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
