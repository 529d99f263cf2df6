/*
 * rope.c
 *	  Rotary position embeddings (Su et al. 2021) and their scalings.
 *	  Follows transformers/modeling_rope_utils.py.
 *
 * Linear, yarn and llama3 change the frequencies once; dynamic and longrope take others for long
 * sequences.  Arithmetic is in float where Transformers has it so.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/rope.h"

#include <math.h>
#include <string.h>

#include "nn/family.h"
#include "tensor/rope.h"

/* The parameters while they are read. */
typedef struct rope_reader
{
	tfm_context *context;
	json parameters;
	rope *r;
	float *frequencies; /* [dim / 2] */
} rope_reader;

static double
read_double(rope_reader *reader, const char *key, double fallback)
{
	return json_double(reader->context, reader->parameters, key, fallback);
}

static bool
fail_parameter(rope_reader *reader, const char *key)
{
	return tfm_fail(reader->context, TFM_CORRUPTED, "%s: rope parameter \"%s\" is missing or wrong",
					reader->parameters.source, key);
}

static double
require_positive(rope_reader *reader, const char *key)
{
	double value = read_double(reader, key, 0);

	if (!(value > 0) || !isfinite(value))
		fail_parameter(reader, key);
	return value;
}

/* 1 / theta^(2 i / dim) */
static void
fill_frequencies(float *frequencies, const rope *r, double theta)
{
	for (int i = 0; i < r->dim / 2; i++)
	{
		float exponent = (float) (2 * i) / (float) r->exponent_dim;

		frequencies[i] = 1.0f / (float) pow((double) (float) theta, (double) exponent);
	}
}

/* ---- Scalings ---- */

static void
scale_linear(rope_reader *reader)
{
	float factor = (float) require_positive(reader, "factor");

	for (int i = 0; i < reader->r->dim / 2; i++)
		reader->frequencies[i] /= factor;
}

static void
scale_dynamic(rope_reader *reader)
{
	reader->r->factor = require_positive(reader, "factor");
	reader->r->kind = ROPE_DYNAMIC;
	if (reader->r->exponent_dim <= 2)
		fail_parameter(reader, "rope_type");
}

/* The base at a length, as _compute_dynamic_ntk_parameters has it. */
static double
dynamic_theta(const rope *r, int64_t length)
{
	double dim = r->exponent_dim;
	double grown = r->factor * (double) length / (double) r->max_positions - (r->factor - 1);

	return r->theta * pow(grown, dim / (dim - 2));
}

static void
scale_llama3(rope_reader *reader)
{
	double factor = require_positive(reader, "factor");
	double low = require_positive(reader, "low_freq_factor");
	double high = require_positive(reader, "high_freq_factor");
	double original = (double) reader->r->original_positions;

	for (int i = 0; i < reader->r->dim / 2; i++)
	{
		float *f = &reader->frequencies[i];
		double wavelength = 2 * M_PI / (double) *f;
		double smooth = (original / wavelength - low) / (high - low);

		if (wavelength > original / low)
			*f = (float) ((double) *f / factor);
		else if (wavelength >= original / high)
			*f = (float) ((1 - smooth) * (double) *f / factor + smooth * (double) *f);
	}
}

/* The dimension in which rotations turns are made within the original length. */
static double
correction_dim(const rope *r, double rotations)
{
	return r->exponent_dim * log((double) r->original_positions / (rotations * 2 * M_PI)) /
		   (2 * log(r->theta));
}

static double
yarn_scale(double factor, double mscale)
{
	return factor <= 1 ? 1.0 : 0.1 * mscale * log(factor) + 1.0;
}

/* Peng et al. 2023 */
static void
scale_yarn(rope_reader *reader)
{
	rope *r = reader->r;
	double fallback = (double) r->max_positions / (double) r->original_positions;
	double factor = read_double(reader, "factor", fallback);
	double mscale = read_double(reader, "mscale", 0),
		   all = read_double(reader, "mscale_all_dim", 0);
	double fast = read_double(reader, "beta_fast", 0), slow = read_double(reader, "beta_slow", 0);
	double low = correction_dim(r, fast == 0 ? 32 : fast);
	double high = correction_dim(r, slow == 0 ? 1 : slow);
	double attention = mscale != 0 && all != 0
						   ? yarn_scale(factor, mscale) / yarn_scale(factor, all)
						   : yarn_scale(factor, 1);

	if (!(factor > 0) || !isfinite(low) || !isfinite(high))
		fail_parameter(reader, "factor");
	if (json_bool(reader->context, reader->parameters, "truncate", true))
	{
		low = floor(low);
		high = ceil(high);
	}
	low = fmax(low, 0);
	high = fmin(high, r->exponent_dim - 1);
	if (low == high)
		high += 0.001;
	for (int i = 0; i < r->dim / 2; i++)
	{
		double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
		double f = (double) reader->frequencies[i];

		reader->frequencies[i] = (float) (f / factor * ramp + f * (1 - ramp));
	}
	r->attention_factor = read_double(reader, "attention_factor", attention);
}

/* Divide frequencies by the list of factors called key. */
static void
divide_frequencies(rope_reader *reader, const char *key, float *frequencies)
{
	json list = json_member(reader->parameters, key);
	int i = 0;

	if ((int64_t) json_size(list) != reader->r->dim / 2)
		fail_parameter(reader, key);
	for (json e = json_first(list); json_present(e) && i < reader->r->dim / 2; e = json_next(e))
	{
		if (!json_is_number(e) || !(json_as_number(e) > 0))
			fail_parameter(reader, key);
		else
			frequencies[i] /= (float) json_as_number(e);
		i++;
	}
}

/* Ding et al. 2024 */
static void
scale_long(rope_reader *reader)
{
	rope *r = reader->r;
	double original = (double) r->original_positions;
	double factor = read_double(reader, "factor", (double) r->max_positions / original);
	double attention = factor <= 1 ? 1.0 : sqrt(1 + log(factor) / log(original));
	size_t count = (size_t) r->dim / 2;
	float *longer = tfm_alloc_array(reader->context, count, sizeof(float));

	if (longer == NULL)
		return;
	memcpy(longer, reader->frequencies, count * sizeof(float));
	divide_frequencies(reader, "short_factor", reader->frequencies);
	divide_frequencies(reader, "long_factor", longer);
	r->long_frequencies = longer;
	r->attention_factor = read_double(reader, "attention_factor", attention);
	r->kind = ROPE_LONG;
}

static const struct
{
	const char *type;
	void (*scale)(rope_reader *reader);
	bool has_original; /* "original_max_position_embeddings" counts */
} scalings[] = {
	{"linear", scale_linear, false}, {"dynamic", scale_dynamic, false}, {"yarn", scale_yarn, true},
	{"longrope", scale_long, true},	 {"llama3", scale_llama3, true},	{"su", scale_long, true},
};

#define SCALINGS (sizeof(scalings) / sizeof(scalings[0]))

/* ---- Reading ---- */

/* Number of the scaling; SCALINGS for none. */
static size_t
find_scaling(rope_reader *reader)
{
	const char *type = json_string(reader->context, reader->parameters, "type", "default");
	size_t i = 0;

	type = json_string(reader->context, reader->parameters, "rope_type", type);
	if (strcmp(type, "default") == 0)
		return SCALINGS;
	while (i < SCALINGS && strcmp(scalings[i].type, type) != 0)
		i++;
	if (i == SCALINGS)
		tfm_fail(reader->context, TFM_UNSUPPORTED, "rope type \"%.64s\" is not supported", type);
	return i;
}

/* The part of a head that turns: even, and all of it where nothing is said. */
static void
set_dim(rope_reader *reader, json file, const rope_defaults *defaults, bool scaled)
{
	rope *r = reader->r;
	double part = defaults->partial_factor;

	if (part != 0 || scaled)
	{
		part = json_double(reader->context, file, "partial_rotary_factor", part == 0 ? 1 : part);
		part = read_double(reader, "partial_rotary_factor", part);
	}
	else
		part = 1;
	if (!(part > 0) || part > 1)
		fail_parameter(reader, "partial_rotary_factor");
	else
		r->exponent_dim = (int) ((double) r->head_dim * part);
	r->dim = r->exponent_dim + r->exponent_dim % 2;
	if (r->dim > r->head_dim || r->dim < 2)
		fail_parameter(reader, "partial_rotary_factor");
}

static void
set_original_positions(rope_reader *reader, json file, const rope_defaults *defaults)
{
	static const char *const key = "original_max_position_embeddings";
	tfm_context *context = reader->context;
	rope *r = reader->r;
	int64_t positions = json_int(context, reader->parameters, key, r->max_positions, 1, INT32_MAX);

	/* What the family has beside the parameters goes before what they say. */
	if (defaults->original_positions != 0)
		positions = defaults->original_positions;
	r->original_positions = json_int(context, file, key, positions, 1, INT32_MAX);
}

void
rope_read_parameters(tfm_context *context, json file, json parameters,
					 const rope_defaults *defaults, rope *r)
{
	rope_reader reader = {.context = context, .parameters = parameters, .r = r};
	size_t scaling;

	*r = (rope) {
		.kind = ROPE_FIXED,
		.head_dim = (int) defaults->head_dim,
		.interleaved = defaults->interleaved,
		.max_positions = defaults->max_positions,
		.attention_factor = 1,
	};
	reader.parameters.source = file.source;
	r->theta = json_double(context, file, "rope_theta", defaults->theta);
	r->theta = json_double(context, parameters, "rope_theta", r->theta);
	if (!(r->theta > 1) || !isfinite(r->theta))
		fail_parameter(&reader, "rope_theta");
	scaling = find_scaling(&reader);
	set_dim(&reader, file, defaults, scaling < SCALINGS);
	if (scaling < SCALINGS && scalings[scaling].has_original)
		set_original_positions(&reader, file, defaults);
	if (tfm_failed(context))
		return;
	reader.frequencies = tfm_alloc_array(context, (size_t) r->dim / 2, sizeof(float));
	if (reader.frequencies == NULL)
		return;
	fill_frequencies(reader.frequencies, r, r->theta);
	r->frequencies = reader.frequencies;
	if (scaling < SCALINGS)
		scalings[scaling].scale(&reader);
}

void
rope_read(tfm_context *context, json file, const char *layer_type, const rope_defaults *defaults,
		  rope *r)
{
	json parameters = json_member(file, "rope_scaling"), part;

	if (!json_is_object(parameters))
		parameters = json_member(file, "rope_parameters");
	part = layer_type == NULL ? parameters : json_member(parameters, layer_type);
	if (json_is_object(part))
		parameters = part;
	rope_read_parameters(context, file, parameters, defaults, r);
}

/* ---- Turning ---- */

/* The position after the last of tokens first .. end - 1. */
static int64_t
find_length(const nn_batch *batch, int64_t first, int64_t end)
{
	int64_t length = 0;

	for (int64_t i = first; i < end; i++)
		if (batch->positions[i] >= length)
			length = (int64_t) batch->positions[i] + 1;
	return length;
}

/* The frequencies for sequences of that length; dynamic ones are made anew in scratch [dim / 2]. */
static const float *
choose_frequencies(const rope *r, int64_t length, float *scratch)
{
	if (r->kind == ROPE_LONG && length > r->original_positions)
		return r->long_frequencies;
	if (r->kind != ROPE_DYNAMIC || length <= r->max_positions)
		return r->frequencies;
	fill_frequencies(scratch, r, dynamic_theta(r, length));
	return scratch;
}

static void
rotate_tokens(nn_model *m, const op_rope_options *all, int64_t first, int64_t end)
{
	op_rope_options o = *all;

	o.x += first * o.x_stride;
	o.positions += first;
	o.tokens = end - first;
	op_rope(m->context, &o);
}

/* Each sequence by the frequencies of its own length; those of a batch without cache by one. */
static void
rotate_by_length(nn_model *m, const rope *r, op_rope_options *o)
{
	const nn_batch *batch = m->batch;
	arena_mark mark = arena_save(m->context->arena);
	float *scratch = tfm_alloc_array(m->context, (size_t) r->dim / 2, sizeof(float));
	int64_t sequences = batch->cache == NULL ? 1 : batch->sequences;

	for (int64_t i = 0; scratch != NULL && i < sequences; i++)
	{
		int64_t first = batch->cache == NULL ? 0 : batch->offsets[i];
		int64_t end = batch->cache == NULL ? batch->tokens : batch->offsets[i + 1];

		o->frequencies = choose_frequencies(r, find_length(batch, first, end), scratch);
		rotate_tokens(m, o, first, end);
	}
	arena_restore(m->context->arena, mark);
}

void
rotate(nn_model *m, const rope *r, tensor x, int64_t stride, int heads)
{
	op_rope_options o = {
		.x = x.data,
		.x_stride = stride == 0 ? x.shape[1] : stride,
		.tokens = x.shape[0],
		.heads = heads,
		.head_dim = r->head_dim,
		.rotary_dim = r->dim,
		.interleaved = r->interleaved,
		.positions = m->batch->positions,
		.frequencies = r->frequencies,
		.factor = (float) r->attention_factor,
	};

	if (!nn_live(m) || r->kind == ROPE_NONE)
		return;
	if (r->kind == ROPE_FIXED)
		op_rope(m->context, &o);
	else
		rotate_by_length(m, r, &o);
}
