/*
 * ibert.c
 *	  I-BERT (Kim et al. 2021): RoBERTa, in floating point or, with quant_mode, in what whole
 *	  numbers can do: polynomials for GELU and softmax, roots for norms, products of bytes.
 *	  Follows transformers/models/ibert/modeling_ibert.py and quant_modules.py.
 *
 * With quant_mode a value is a whole number times a scale, kept as their product.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/fake_quantize.h"
#include "nn/heads.h"

typedef struct ibert_config
{
	encoder_config encoder;
	bool quantized;
	bool exact_gelu, exact_softmax, exact_norm; /* force_dequant */
} ibert_config;

/* Whole numbers times their scale. */
typedef struct scaled
{
	tensor x;	   /* [rows, columns] */
	float *scales; /* NULL: they are not whole numbers */
	int64_t count; /* of scales: 1, or columns */
} scaled;

/* The largest whole number of so many bits. */
static float
largest_number(int bits)
{
	return (float) ((1LL << (bits - 1)) - 1);
}

/* "<name>.<part>", of count numbers; NULL in a dry run, too. */
static const float *
find_numbers(nn_model *m, const char *name, const char *part, int64_t count)
{
	char text[NN_NAME_MAX];
	const weight *w;

	snprintf(text, sizeof(text), "%s.%s", name, part);
	w = nn_weight(m, text, LAYOUT_PLAIN, 0, count);
	return w == NULL || !nn_live(m) ? NULL : w->data;
}

static float *
one_scale(nn_model *m, float scale)
{
	float *scales = tfm_alloc(m->context, sizeof(float));

	if (scales != NULL)
		*scales = scale;
	return scales;
}

/* ---- Activations: QuantAct ---- */

/* What calibration found, as the scale of whole numbers of so many bits. */
static float
find_scale(nn_model *m, const char *name, int bits)
{
	const float *least = find_numbers(m, name, "x_min", 1);
	const float *most = find_numbers(m, name, "x_max", 1);

	if (least == NULL || most == NULL)
		return 1;
	return fmaxf(fmaxf(fabsf(*least), fabsf(*most)), 1e-8f) / largest_number(bits);
}

/* A factor as 31 bits and a power of two, as hardware would have it. */
static double
to_fixed_point(double factor, int *exponent)
{
	double mantissa = frexp(factor, exponent);

	*exponent -= 31;
	return floor(mantissa * 0x1p31 + 0.5);
}

/* A whole number of one scale as one of another. */
static double
rescale(float x, float from, float to)
{
	int exponent;
	double mantissa = to_fixed_point((double) from / (double) to, &exponent);

	return rint(ldexp((double) rintf(x / from) * mantissa, exponent));
}

/* s, plus identity unless that is NULL, in whole numbers of bits bits. */
static scaled
requantize(nn_model *m, scaled s, const char *name, int bits, const scaled *identity)
{
	float scale = find_scale(m, name, bits), most = largest_number(bits);
	int64_t n = s.x.shape[1];
	scaled y = {.x = nn_matrix(m, s.x.shape[0], n), .count = 1};

	if (!nn_live(m))
		return y;
	y.scales = one_scale(m, scale);
	for (int64_t i = 0; i < s.x.shape[0] * n; i++)
	{
		float x = ((const float *) s.x.data)[i], number;
		double sum;

		if (s.scales == NULL)
			number = fmaxf(-most, fminf(most - 1, rintf(1.0f / scale * x)));
		else
		{
			sum = rescale(x, s.scales[s.count == 1 ? 0 : i % n], scale);
			if (identity != NULL)
				sum += rescale(((const float *) identity->x.data)[i], identity->scales[0], scale);
			number = fmaxf(-most - 1, fminf(most, (float) sum));
		}
		((float *) y.x.data)[i] = number * scale;
	}
	return y;
}

/* ---- Products: QuantLinear ---- */

/* Whole numbers of bytes that stand for x, count of them; returns their scale. */
static float
to_bytes(const float *x, int64_t count, float *to)
{
	float scale = fmaxf(largest_magnitude(x, count), 1e-8f) / 127.0f;

	for (int64_t i = 0; i < count; i++)
		to[i] = fmaxf(-127.0f, fminf(126.0f, rintf(1.0f / scale * x[i])));
	return scale;
}

static scaled
multiply(nn_model *m, scaled s, const char *name, int64_t columns)
{
	int64_t k = s.x.shape[1];
	char text[NN_NAME_MAX];
	const weight *w;
	const float *bias = find_numbers(m, name, "bias", columns);
	scaled y = {.count = columns};
	float *rows, *whole_bias, *x;

	snprintf(text, sizeof(text), "%s.weight", name);
	w = nn_weight(m, text, LAYOUT_PLAIN, columns, k);
	if (!nn_live(m))
	{
		y.x = multiply_made(m, s.x, NULL, columns, NULL, ACTIVATION_NONE);
		return y;
	}
	rows = tfm_alloc_array(m->context, (size_t) (columns * k), sizeof(float));
	whole_bias = tfm_alloc_array(m->context, (size_t) columns, sizeof(float));
	y.scales = tfm_alloc_array(m->context, (size_t) columns, sizeof(float));
	if (tfm_failed(m->context))
		return y;
	for (int64_t j = 0; j < columns; j++)
	{
		y.scales[j] = to_bytes((const float *) w->data + j * k, k, rows + j * k) * s.scales[0];
		whole_bias[j] = rintf(1.0f / y.scales[j] * bias[j]);
	}
	x = s.x.data;
	for (int64_t i = 0; i < s.x.shape[0] * k; i++)
		x[i] /= s.scales[0];
	y.x = multiply_made(m, s.x, rows, columns, whole_bias, ACTIVATION_NONE);
	for (int64_t i = 0; i < s.x.shape[0] * k; i++)
		x[i] *= s.scales[0];
	for (int64_t i = 0; nn_live(m) && i < y.x.shape[0] * columns; i++)
		((float *) y.x.data)[i] *= y.scales[i % columns];
	return y;
}

/* ---- GELU ---- */

/* torch's a // b */
static float
divide_down(float a, float b)
{
	float rest = fmodf(a, b), quotient = (a - rest) / b, whole;

	if (rest != 0 && (b < 0) != (rest < 0))
		quotient -= 1;
	whole = floorf(quotient);
	return quotient - whole > 0.5f ? whole + 1 : whole;
}

/* x of a scale, which becomes that of the result: x times a polynomial's sign(x) erf. */
static float
gelu_in_numbers(float x, float from, float *to)
{
	float number = x / from, scale = from / 1.4142f;
	float b = floorf(-1.769f / scale), c = floorf((float) (1.0 / -0.2888) / (scale * scale));
	float magnitude = fminf(fabsf(number), -b);
	float sign = number > 0 ? 1.0f : number < 0 ? -1.0f : 0.0f;
	float erf_scale = scale * scale * -0.2888f * 0x1p14f;
	float value = floorf(sign * ((magnitude + b) * (magnitude + b) + c) / 0x1p14f);

	*to = from * erf_scale / 2;
	return number * (value + divide_down(1.0f, erf_scale)) * *to;
}

static scaled
apply_gelu(nn_model *m, scaled s, const ibert_config *c)
{
	float *x = s.x.data;
	int64_t n = s.x.shape[1];

	if (c->exact_gelu)
	{
		activate(m, s.x, ACTIVATION_GELU);
		return (scaled) {.x = s.x};
	}
	for (int64_t j = 0; nn_live(m) && j < n; j++)
	{
		float from = s.scales[j];

		for (int64_t i = 0; i < s.x.shape[0]; i++)
			x[i * n + j] = gelu_in_numbers(x[i * n + j], from, &s.scales[j]);
	}
	return s;
}

/* ---- Norms ---- */

/* A row of n numbers of a scale; weights are over. */
static void
norm_in_numbers(float *x, int64_t n, float scale, float shift, const float *weights,
				const float *biases)
{
	float unit = sqrtf((float) n) / 0x1p30f, deviation, factor;
	double mean = 0, variance = 0;

	for (int64_t i = 0; i < n; i++)
		mean += x[i] /= scale;
	mean = rintf((float) (mean / (double) n));
	for (int64_t i = 0; i < n; i++)
	{
		float shifted;

		x[i] -= (float) mean;
		shifted = floorf(x[i] / exp2f(shift));
		variance += (double) shifted * (double) shifted;
	}
	deviation = floorf(sqrtf((float) variance)) * exp2f(shift);
	factor = floorf(0x1p31f / deviation);
	for (int64_t i = 0; i < n; i++)
		x[i] = (floorf(x[i] * factor / 2) + floorf(biases[i] / weights[i] / unit)) *
			   (unit * weights[i]);
}

static scaled
apply_norm(nn_model *m, scaled s, const ibert_config *c, const char *name)
{
	int64_t n = s.x.shape[1];
	const float *weights, *biases, *shift;

	if (c->exact_norm)
	{
		normalize_in_place(m, s.x, name, &(normalization) {.eps = c->encoder.norm_eps});
		return (scaled) {.x = s.x};
	}
	weights = find_numbers(m, name, "weight", n);
	biases = find_numbers(m, name, "bias", n);
	shift = find_numbers(m, name, "shift", 1);
	for (int64_t i = 0; nn_live(m) && i < s.x.shape[0]; i++)
		norm_in_numbers((float *) s.x.data + i * n, n, s.scales[0], *shift, weights, biases);
	s.count = n;
	s.scales = tfm_alloc_array(m->context, (size_t) n, sizeof(float));
	for (int64_t j = 0; nn_live(m) && j < n; j++)
		s.scales[j] = sqrtf((float) n) / 0x1p30f * weights[j];
	return s;
}

/* ---- Attention ---- */

typedef struct softmax
{
	bool exact;
	float scale;	 /* of scores */
	float act_scale; /* of what is summed */
} softmax;

/* e^(number * scale) of a number that is not above 0, as a whole number. */
static float
exp_in_numbers(float number, float scale)
{
	float ln2 = floorf(-0.6931f / scale), halvings, rest, value;
	float b = floorf((float) (0.96963238 / 0.35815147) / scale);
	float c = floorf((float) (1.0 / 0.35815147) / (scale * scale));

	number = fmaxf(number, 30 * ln2);
	halvings = floorf(number / ln2);
	rest = number - ln2 * halvings;
	value = (rest + b) * rest + c;
	return fmaxf(0, floorf(value * exp2f(30 - halvings)));
}

/* A row of scores becomes shares. */
static void
take_shares_in_numbers(const softmax *c, float *scores, int64_t n)
{
	float most = -INFINITY, factor;
	float exp_scale = (float) 0.35815147 * (c->scale * c->scale) / 0x1p30f;
	double sum = 0;

	for (int64_t j = 0; j < n; j++)
		most = fmaxf(most, scores[j] /= c->scale);
	for (int64_t j = 0; j < n; j++)
	{
		float number = exp_in_numbers(scores[j] - most, c->scale);
		double kept = rescale(number, exp_scale, c->act_scale);

		scores[j] = fmaxf(-0x1p15f, fminf(0x1p15f - 1, (float) kept)) * c->act_scale / c->act_scale;
		sum += (double) scores[j];
	}
	factor = floorf(0x1p32f / (float) sum);
	for (int64_t j = 0; j < n; j++)
		scores[j] = floorf(scores[j] * factor / 0x1p24f) / 256;
}

static bool
take_shares(const head *h, int64_t first, int64_t count, float *scores)
{
	const softmax *c = h->config;
	float root = sqrtf((float) h->size);

	(void) first;
	for (int64_t i = 0; i < count * h->tokens; i++)
		scores[i] =
			h->hidden != NULL && h->hidden[i % h->tokens] != 0 ? -FLT_MAX : scores[i] / root;
	for (int64_t i = 0; i < count; i++)
		if (c->exact)
			head_soften(scores + i * h->tokens, h->tokens);
		else
			take_shares_in_numbers(c, scores + i * h->tokens, h->tokens);
	return true;
}

static void
run_head(const head *h)
{
	head_attend(h, take_shares);
}

static scaled
attend_to_self(nn_model *m, scaled s, const ibert_config *c)
{
	static const char *const names[3][2] = {
		{"attention.self.query", "attention.self.query_activation"},
		{"attention.self.key", "attention.self.key_activation"},
		{"attention.self.value", "attention.self.value_activation"},
	};
	int64_t hidden = c->encoder.common.hidden_size;
	int heads = c->encoder.attention.heads;
	softmax how = {.exact = c->exact_softmax};
	scaled qkv[3], y = {.count = 1};

	for (int i = 0; i < 3; i++)
		qkv[i] = requantize(m, multiply(m, s, names[i][0], hidden), names[i][1], 8, NULL);
	if (!how.exact)
		how.act_scale = find_scale(m, "attention.self.softmax.act", 16);
	if (nn_live(m))
		how.scale = qkv[0].scales[0] * qkv[1].scales[0] / sqrtf((float) (hidden / heads));
	y.x = run_heads(
		m, (tensor[]) {qkv[0].x, qkv[1].x, qkv[2].x},
		&(head_plan) {
			.heads = heads, .config = &how, .run = run_head, .scratch = head_scratch_of_queries});
	if (nn_live(m) && !how.exact)
		y.scales = one_scale(m, qkv[2].scales[0] / 256);
	return requantize(m, y, "attention.self.output_activation", 8, NULL);
}

/* ---- Layers ---- */

/* "<part>.dense", the residual connection, and "<part>.LayerNorm". */
static scaled
finish_part(nn_model *m, scaled a, const scaled *residual, const ibert_config *c, const char *part)
{
	char dense[NN_NAME_MAX], act[NN_NAME_MAX], norm[NN_NAME_MAX], out[NN_NAME_MAX];
	scaled y;

	snprintf(dense, sizeof(dense), "%s.dense", part);
	snprintf(act, sizeof(act), "%s.ln_input_act", part);
	snprintf(norm, sizeof(norm), "%s.LayerNorm", part);
	snprintf(out, sizeof(out), "%s.output_activation", part);
	y = multiply(m, a, dense, c->encoder.common.hidden_size);
	y = apply_norm(m, requantize(m, y, act, 22, residual), c, norm);
	return requantize(m, y, out, 8, NULL);
}

static scaled
run_layer(nn_model *m, scaled s, const ibert_config *c)
{
	scaled a = finish_part(m, attend_to_self(m, s, c), &s, c, "attention.output"), h;

	a = requantize(m, a, "pre_intermediate_act", 8, NULL);
	h = multiply(m, a, "intermediate.dense", c->encoder.intermediate_size);
	h = requantize(m, apply_gelu(m, h, c), "intermediate.output_activation", 8, NULL);
	h = requantize(m, h, "pre_output_act", 8, NULL);
	return finish_part(m, h, &a, c, "output");
}

/* The rows of a table of bytes. */
static scaled
look_up_bytes(nn_model *m, const char *name, int64_t rows, int64_t columns, const int32_t *ids)
{
	char text[NN_NAME_MAX];
	scaled y = {.x = nn_matrix(m, m->batch->tokens, columns), .count = 1};
	const weight *w;
	float scale;

	snprintf(text, sizeof(text), "%s.weight", name);
	w = nn_weight(m, text, LAYOUT_PLAIN, rows, columns);
	if (!nn_live(m))
		return y;
	scale = fmaxf(largest_magnitude(w->data, rows * columns), 1e-8f) / 127.0f;
	y.scales = one_scale(m, scale);
	for (int64_t t = 0; nn_live(m) && t < m->batch->tokens; t++)
	{
		int64_t id = ids == NULL ? 0 : ids[t];

		if (id < 0 || id >= rows)
			tfm_fail(m->context, TFM_INVALID_ARGUMENT, "id %lld is outside of the %lld of \"%s\"",
					 (long long) id, (long long) rows, name);
		else
			for (int64_t j = 0; j < columns; j++)
				((float *) y.x.data)[t * columns + j] =
					fmaxf(-127.0f,
						  fminf(126.0f, rintf(1.0f / scale *
											  ((const float *) w->data)[id * columns + j]))) *
					scale;
	}
	return y;
}

static scaled
embed_in_numbers(nn_model *m, const ibert_config *c)
{
	const embedding *e = &c->encoder.embedding;
	int64_t n = e->hidden_size;
	scaled types = look_up_bytes(m, e->types, e->type_count, n, m->batch->types);
	scaled positions = look_up_bytes(m, e->positions, e->position_count, n, m->batch->positions);
	scaled x = {.count = 1};

	if (m->batch->embeds == NULL)
		x = look_up_bytes(m, e->words, e->word_count, n, m->batch->ids);
	else
		x.x = embed(m, &(embedding) {.hidden_size = n, .words = e->words});
	x = requantize(m, x, "embeddings.embeddings_act1", 16, &types);
	x = requantize(m, x, "embeddings.embeddings_act1", 16, &positions);
	x = apply_norm(m, x, c, e->norm);
	return requantize(m, x, "embeddings.output_activation", 8, NULL);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const ibert_config *c = config;
	scaled s;

	if (!c->quantized)
		return encoder_hidden_states(m, config);
	s = embed_in_numbers(m, c);
	for (int i = 0; i < c->encoder.layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, s.x);
		layer = nn_enter(m, c->encoder.names->layer, i);
		/* all layers take the embeddings' scale for that of their input */
		s.x = nn_leave(m, layer, s.x, run_layer(m, s, c).x);
	}
	nn_emit_hidden_state(m, c->encoder.layers, s.x);
	return s.x;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	ibert_config *c = config;
	encoder_config *e = &c->encoder;
	const char *exact = json_string(context, file, "force_dequant", "none");
	bool all = strcmp(exact, "nonlinear") == 0;

	*e = encoder_roberta;
	e->common.vocab_size = 30522;
	e->hidden_states = hidden_states;
	encoder_read_roberta_config(context, file, e);
	e->attention.causal = false; /* there is no decoder, whatever is_decoder says */
	c->quantized = json_bool(context, file, "quant_mode", false);
	c->exact_gelu = all || strcmp(exact, "gelu") == 0;
	c->exact_softmax = all || strcmp(exact, "softmax") == 0;
	c->exact_norm = all || strcmp(exact, "layernorm") == 0;
}

static const nn_variant variants[] = {{"ibert", "IBert", "ibert"}, {0}};

const nn_family family_ibert = {
	.name = "ibert",
	.variants = variants,
	.heads = encoder_roberta_heads,
	.config_size = sizeof(ibert_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.hidden_states = hidden_states,
};
