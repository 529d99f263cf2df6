/*
 * layers.c
 *	  The layers of which blocks and families are made: names and shapes around the ops.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/layers.h"

#include <stdio.h>
#include <string.h>

#include "tensor/attend.h"
#include "tensor/elementwise.h"
#include "tensor/embed.h"
#include "tensor/float16.h"
#include "tensor/norm.h"

/* "<name>.<part>" in text; what is too long is cut, and not found. */
static const char *
part_name(char text[NN_NAME_MAX], const char *name, const char *part)
{
	size_t length = 0;

	text[0] = '\0';
	if (nn_append_name(text, &length, name) && nn_append_name(text, &length, "."))
		nn_append_name(text, &length, part);
	return text;
}

/* Record an error of the family's own code. */
static tensor
fail_shape(nn_model *m, const char *layer)
{
	tfm_fail(m->context, TFM_CORRUPTED, "the sizes of \"%s%s\" do not fit each other", m->scope,
			 layer);
	tfm_hint(m->context, "The tensors of the checkpoint do not fit its config.json.");
	return (tensor) {0};
}

/* "<name>.weight", or the whole name given instead of it. */
static const weight *
linear_weight(nn_model *m, const char *name, const linear_options *options, int64_t n, int64_t k)
{
	char own[NN_NAME_MAX], other[NN_NAME_MAX];
	weight_layout layout = options->transposed ? LAYOUT_PANELS_OF_COLUMNS : LAYOUT_PANELS;

	part_name(own, name, "weight");
	if (options->tied != NULL && !nn_has_weight(m, own))
		return nn_weight(m, part_name(other, options->tied, "weight"), LAYOUT_PANELS, n, k);
	return nn_weight(m, own, layout, n, k);
}

/* "<name>.bias", or the whole name given instead of it, or none. */
static const float *
linear_bias(nn_model *m, const char *name, const char *other, int64_t n)
{
	char own[NN_NAME_MAX];
	const weight *bias = NULL;

	if (nn_has_weight(m, part_name(own, name, "bias")))
		bias = nn_weight(m, own, LAYOUT_PLAIN, 0, n);
	else if (other != NULL && nn_has_weight(m, other))
		bias = nn_weight(m, other, LAYOUT_PLAIN, 0, n);
	return bias == NULL ? NULL : bias->data;
}

static const float *norm_part(nn_model *m, const char *name, const char *part, int64_t rows,
							  int64_t n);

/* The part of a product with the weight called name; *y is its result, empty after an error. */
static op_linear_part
make_part(nn_model *m, tensor x, const char *name, const linear_options *options, tensor *y)
{
	int64_t columns = options->columns == 0 ? x.shape[1] : options->columns;
	const weight *w = linear_weight(m, name, options, columns, x.shape[1]);
	op_linear_part part = {0};

	*y = (tensor) {0};
	if (w == NULL)
		return part;
	part.panels = w->data;
	part.dtype = w->dtype;
	part.n = w->shape[0];
	part.bias = linear_bias(m, name, options->bias, part.n);
	*y = options->replace ? options->residual : nn_matrix(m, x.shape[0], part.n);
	part.y = y->data;
	return part;
}

tensor
nn_linear(nn_model *m, tensor x, const char *name, const linear_options *options)
{
	op_linear_options o = {
		.x = x.data,
		.x_stride = options->x_stride,
		.rows = x.shape[0],
		.k = x.shape[1],
		.compute = m->compute,
		.coarse = options->coarse,
		.activation = options->activation,
		.residual = options->residual.data,
		.norm_eps = (float) options->norm_eps,
	};
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	o.parts[0] = make_part(m, x, name, options, &y);
	if (options->residual.rank != 0 && !tfm_failed(m->context) &&
		(options->residual.shape[0] != x.shape[0] || options->residual.shape[1] != o.parts[0].n))
		return fail_shape(m, name);
	if (options->norm != NULL)
	{
		o.norm_weight = norm_part(m, options->norm, "weight", 0, y.shape[1]);
		o.norm_bias = norm_part(m, options->norm, "bias", 0, y.shape[1]);
	}
	if (nn_live(m))
		op_linear(m->context, &o);
	return y;
}

tensor
nn_linear_groups(nn_model *m, tensor x, const char *name, int groups, const linear_options *options)
{
	int64_t k = x.shape[1] / groups, n = options->columns / groups;
	char part[NN_NAME_MAX];
	tensor y;

	if (groups == 1 || tfm_failed(m->context))
		return nn_linear(m, x, name, options);
	if (x.shape[1] % groups != 0 || options->columns % groups != 0)
		return fail_shape(m, name);
	y = nn_matrix(m, x.shape[0], options->columns);
	for (int i = 0; i < groups && !tfm_failed(m->context); i++)
	{
		tensor one;

		snprintf(part, sizeof(part), "%s[%d/%d]", name, i, groups);
		one = linear(m, take_columns(x, i * k, k), part, .x_stride = x.shape[1], .columns = n,
					 .activation = options->activation, .transposed = options->transposed);
		for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
			memcpy((float *) y.data + t * options->columns + i * n,
				   (const float *) one.data + t * n, (size_t) n * sizeof(float));
	}
	return y;
}

void
linear_parts(nn_model *m, tensor x, int count, const char *const *names, tensor *results)
{
	op_linear_options o = {
		.x = x.data,
		.rows = x.shape[0],
		.k = x.shape[1],
		.compute = m->compute,
	};

	for (int i = 0; i < count; i++)
		o.parts[i] = make_part(m, x, names[i], &(linear_options) {0}, &results[i]);
	if (nn_live(m))
		op_linear(m->context, &o);
}

tensor
linear_side_by_side(nn_model *m, tensor x, const linear_row *row)
{
	op_linear_options o = {
		.x = x.data,
		.x_stride = row->x_stride,
		.rows = x.shape[0],
		.k = x.shape[1],
		.compute = m->compute,
		.coarse = row->coarse,
	};
	int64_t width = 0, first = 0;
	tensor y;

	for (int i = 0; i < row->count; i++)
	{
		if (row->columns[i] < 1)
			return fail_shape(m, row->names[i]);
		width += row->columns[i];
	}
	y = row->into.rank == 0 ? nn_matrix(m, x.shape[0], width) : row->into;
	for (int i = 0; i < row->count && !tfm_failed(m->context); i++)
	{
		linear_options options = {.columns = row->columns[i],
								  .transposed = row->transposed,
								  .residual = take_columns(y, first, row->columns[i]),
								  .replace = true};
		tensor part;

		o.parts[i] = make_part(m, x, row->names[i], &options, &part);
		o.parts[i].y_stride = width;
		first += row->columns[i];
	}
	if (nn_live(m))
		op_linear(m->context, &o);
	return y;
}

tensor
linear_gated(nn_model *m, tensor x, const linear_row *row, op_activation activation)
{
	op_linear_options o = {
		.x = x.data,
		.x_stride = row->x_stride,
		.rows = x.shape[0],
		.k = x.shape[1],
		.compute = m->compute,
		.coarse = row->coarse,
		.activation = activation,
		.gate = true,
	};
	tensor y[2] = {{0}};

	for (int i = 0; i < 2 && !tfm_failed(m->context); i++)
		o.parts[i] = make_part(
			m, x, row->names[i],
			&(linear_options) {.columns = row->columns[i], .transposed = row->transposed}, &y[i]);
	if (nn_live(m))
		op_linear(m->context, &o);
	return y[0];
}

tensor
take_columns(tensor x, int64_t first, int64_t count)
{
	if (x.data != NULL)
		x.data = (float *) x.data + first;
	x.shape[1] = count;
	return x;
}

/* ---- Norms ---- */

/* "<name>.<part>" [n], or [rows, n]; NULL after an error. */
static const float *
norm_part(nn_model *m, const char *name, const char *part, int64_t rows, int64_t n)
{
	char text[NN_NAME_MAX];
	const weight *w = nn_weight(m, part_name(text, name, part), LAYOUT_PLAIN, rows, n);

	return w == NULL ? NULL : w->data;
}

static void
find_norm_parts(nn_model *m, const char *name, const normalization *how, int64_t rows, int64_t n,
				op_norm_options *o)
{
	if (how->bare)
		return;
	o->weight = norm_part(m, name, "weight", rows, n);
	if (!how->rms && !how->no_bias)
		o->bias = norm_part(m, name, "bias", rows, n);
}

static void
run_norm(nn_model *m, const op_norm_options *o, bool rms)
{
	if (!nn_live(m))
		return;
	if (rms)
		op_rms_norm(m->context, o);
	else
		op_layer_norm(m->context, o);
}

static op_norm_options
norm_options(const normalization *how, tensor x)
{
	return (op_norm_options) {
		.x = x.data,
		.rows = x.shape[0],
		.n = x.shape[1],
		.weight_offset = (float) how->weight_offset,
		.eps = (float) how->eps,
		.y = x.data,
	};
}

tensor
normalize(nn_model *m, tensor x, const char *name, const normalization *how)
{
	op_norm_options o = norm_options(how, x);
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	find_norm_parts(m, name, how, 0, o.n, &o);
	y = nn_matrix(m, o.rows, o.n);
	o.y = y.data;
	run_norm(m, &o, how->rms);
	return y;
}

void
normalize_in_place(nn_model *m, tensor x, const char *name, const normalization *how)
{
	op_norm_options o = norm_options(how, x);

	if (tfm_failed(m->context))
		return;
	find_norm_parts(m, name, how, 0, o.n, &o);
	run_norm(m, &o, how->rms);
}

void
normalize_heads(nn_model *m, tensor x, int64_t stride, int heads, bool own, const char *name,
				const normalization *how)
{
	op_norm_options o = norm_options(how, x);

	if (tfm_failed(m->context))
		return;
	o.n = x.shape[1] / heads;
	o.rows = x.shape[0] * heads;
	o.group = heads;
	o.stride = stride == 0 ? x.shape[1] : stride;
	o.own_weights = own;
	find_norm_parts(m, name, how, own ? heads : 0, o.n, &o);
	run_norm(m, &o, how->rms);
}

tensor
layer_norm(nn_model *m, tensor x, const char *name, double eps)
{
	return normalize(m, x, name, &(normalization) {.eps = eps});
}

/* ---- Elements ---- */

void
gate(nn_model *m, tensor gates, tensor up, int64_t n, int64_t stride, op_activation activation)
{
	if (nn_live(m))
		op_gate(m->context, &(op_gate_options) {.activation = activation,
												.gate = gates.data,
												.up = up.data,
												.rows = gates.shape[0],
												.n = n,
												.stride = stride});
}

void
activate(nn_model *m, tensor x, op_activation activation)
{
	if (nn_live(m))
		op_activate(m->context, activation, x.data, x.data, tensor_count(&x));
}

tensor
add(nn_model *m, tensor x, tensor y, double factor)
{
	if (nn_live(m))
		op_add(m->context, x.data, y.data, (float) factor, tensor_count(&x));
	return x;
}

tensor
scale(nn_model *m, tensor x, double factor, double cap)
{
	if (nn_live(m) && (factor != 1.0 || cap != 0.0))
		op_scale(m->context, x.data, (float) factor, (float) cap, tensor_count(&x));
	return x;
}

/* ---- Attention ---- */

/* What the tokens look at: their own sequences, or the memory. */
static void
set_keys(const nn_model *m, const attention *a, op_attend_options *o)
{
	const nn_batch *batch = m->batch;
	const nn_memory *memory = batch->memory;

	o->offsets = batch->offsets;
	if (a->cross)
	{
		o->key_offsets = memory->offsets;
		o->hidden = memory->hidden;
		o->cache = memory->cache;
		o->cached = memory->cached;
		return;
	}
	o->hidden = batch->hidden;
	o->cache = batch->cache;
	o->cached = batch->cached;
	if (o->cache == NULL)
		o->positions = batch->columns;
}

/* Sizes of heads, which the cache's are where k and v are empty. */
static bool
set_sizes(nn_model *m, tensor q, tensor k, tensor v, const attention *a, op_attend_options *o)
{
	const nn_memory *memory = m->batch->memory;
	bool stored = a->cross && k.rank == 0;
	int64_t kv_heads = a->kv_heads == 0 ? a->heads : a->kv_heads, value_dim = 0;

	if (a->heads < 1 || kv_heads < 1 || a->heads % kv_heads != 0 || q.shape[1] % a->heads != 0 ||
		(a->cross && memory == NULL) || (stored && memory->cache == NULL))
		return false;
	if (stored)
		value_dim = kv_value_dim(memory->cache, a->layer);
	else if (k.shape[1] == q.shape[1] / a->heads * kv_heads && v.shape[1] % kv_heads == 0)
		value_dim = v.shape[1] / kv_heads;
	if (value_dim < 1 || value_dim > INT32_MAX)
		return false;
	o->heads = a->heads;
	o->kv_heads = (int) kv_heads;
	o->head_dim = (int) (q.shape[1] / a->heads);
	o->value_dim = (int) value_dim;
	return true;
}

tensor
attend(nn_model *m, tensor q, tensor k, tensor v, const attention *a)
{
	op_attend_options o = {
		.q = q.data,
		.k = k.data,
		.v = v.data,
		.q_stride = a->q_stride == 0 ? a->stride : a->q_stride,
		.k_stride = a->stride,
		.v_stride = a->stride,
		.batch = m->batch->sequences,
		.layer = a->layer,
		.compute = m->compute,
		.scale = (float) a->scale,
		.causal = a->causal,
		.window = a->window,
		.soft_cap = (float) a->soft_cap,
		.slopes = a->slopes,
		.sinks = a->sinks,
		.bias = a->position_bias.data,
		.span = (int32_t) ((a->position_bias.shape[1] + 1) / 2),
	};
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	if (!set_sizes(m, q, k, v, a, &o))
		return fail_shape(m, "attention");
	if (o.head_dim > ATTEND_MAX_HEAD_DIM || o.value_dim > ATTEND_MAX_HEAD_DIM)
	{
		tfm_fail(m->context, TFM_UNSUPPORTED, "attention heads of %d columns are not supported",
				 o.head_dim > o.value_dim ? o.head_dim : o.value_dim);
		return (tensor) {0};
	}
	set_keys(m, a, &o);
	y = nn_matrix(m, q.shape[0], (int64_t) o.heads * o.value_dim);
	o.y = y.data;
	if (nn_live(m))
		op_attend(m->context, &o);
	return y;
}

/* ---- Embeddings ---- */

/* The rows that the caller gives in place of the words' embeddings. */
static void
add_embeds(nn_model *m, op_embed_options *options, int *count)
{
	int32_t *rows =
		m->dry ? NULL : tfm_alloc_array(m->context, (size_t) m->batch->tokens, sizeof(int32_t));

	for (int64_t t = 0; rows != NULL && t < m->batch->tokens; t++)
		rows[t] = (int32_t) t;
	options->tables[(*count)++] = (op_embed_table) {
		.table = m->batch->embeds,
		.count = m->batch->tokens,
		.ids = rows,
	};
}

/* A factor in the type of what it multiplies, as Transformers has it. */
static float
round_scale(float factor, tfm_dtype dtype)
{
	if (dtype == DTYPE_BF16)
		return bf16_to_f32(f32_to_bf16(factor));
	return dtype == DTYPE_F16 ? f16_to_f32(f32_to_f16(factor)) : factor;
}

/* The table "<name>.weight" [rows, hidden] as one of the sum; name NULL is none. */
static void
add_table_of(nn_model *m, op_embed_options *options, int *count, const char *name,
			 weight_layout layout, int64_t rows, const int32_t *ids, double factor)
{
	char weight_name[NN_NAME_MAX];
	const weight *w;

	if (name == NULL)
		return;
	part_name(weight_name, name, "weight");
	w = nn_weight(m, weight_name, layout, rows, options->n);
	if (w == NULL)
		return;
	options->tables[(*count)++] = (op_embed_table) {
		.table = w->data,
		.dtype = w->dtype,
		.layout = layout,
		.count = w->shape[0],
		.ids = ids,
		.scale = round_scale((float) factor, w->dtype),
	};
}

static void
add_table(nn_model *m, op_embed_options *options, int *count, const char *name, int64_t rows,
		  const int32_t *ids, double factor)
{
	add_table_of(m, options, count, name, LAYOUT_ROWS, rows, ids, factor);
}

/* The words' rows, in the layout that a head has of the same weight. */
static void
add_words(nn_model *m, op_embed_options *options, int *count, const embedding *e,
		  const int32_t *ids, double factor)
{
	add_table_of(m, options, count, e->words, e->tied ? LAYOUT_PANELS : LAYOUT_ROWS, e->word_count,
				 ids, factor);
}

/* The rows of positions in a table that begins with others. */
static const int32_t *
shift_positions(nn_model *m, int64_t first)
{
	const int32_t *positions = m->batch->positions;
	int32_t *shifted;

	if (first == 0 || !nn_live(m) || positions == NULL)
		return positions;
	shifted = tfm_alloc_array(m->context, (size_t) m->batch->tokens, sizeof(int32_t));
	for (int64_t i = 0; shifted != NULL && i < m->batch->tokens; i++)
		if (__builtin_add_overflow(positions[i], first, &shifted[i]))
			shifted[i] = -1;
	return shifted;
}

tensor
embed(nn_model *m, const embedding *e)
{
	op_embed_options options = {
		.tokens = m->batch->tokens,
		.n = e->hidden_size,
		.norm_eps = (float) e->norm_eps,
	};
	int count = 0;
	tensor y;

	/* In the order in which Transformers adds them, so that rounding is the same. */
	if (m->batch->embeds != NULL)
		add_embeds(m, &options, &count);
	else
		add_words(m, &options, &count, e, m->batch->ids, e->word_scale);
	add_table(m, &options, &count, e->types, e->type_count, m->batch->types, 0);
	if (e->types_are_words && m->batch->types != NULL)
		add_words(m, &options, &count, e, m->batch->types, 0);
	add_table(m, &options, &count, e->positions, e->position_count,
			  shift_positions(m, e->first_position), 0);
	if (e->norm != NULL)
	{
		options.norm_weight = norm_part(m, e->norm, "weight", 0, options.n);
		options.norm_bias = norm_part(m, e->norm, "bias", 0, options.n);
	}
	y = nn_matrix(m, m->batch->tokens, options.n);
	options.y = y.data;
	if (nn_live(m))
		op_embed(m->context, &options);
	return y;
}

tensor
take_rows(nn_model *m, tensor x, const int32_t *rows, int64_t count)
{
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	y = nn_matrix(m, count, x.shape[1]);
	if (nn_live(m))
		op_gather_rows(m->context, x.data, x.shape[0], 0, x.shape[1], rows, count, y.data);
	return y;
}

tensor
some_rows(tensor x, int64_t first, int64_t count)
{
	if (x.data != NULL)
		x.data = (float *) x.data + first * x.shape[1];
	x.shape[0] = count;
	return x;
}

tensor
first_tokens(nn_model *m, tensor x)
{
	return take_rows(m, x, m->batch->offsets, m->batch->sequences);
}

void
clear_tokens(nn_model *m, tensor x, const uint8_t *hidden)
{
	for (int64_t t = 0; nn_live(m) && hidden != NULL && t < x.shape[0]; t++)
		if (hidden[t])
			memset((float *) x.data + t * x.shape[1], 0, (size_t) x.shape[1] * sizeof(float));
}

tensor
take_column(nn_model *m, tensor x, int64_t column)
{
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	if (column >= x.shape[1])
		return fail_shape(m, "a column of the result");
	y = nn_matrix(m, x.shape[0], 1);
	y.rank = 1;
	if (nn_live(m))
		for (int64_t i = 0; i < x.shape[0]; i++)
			((float *) y.data)[i] = ((const float *) x.data)[i * x.shape[1] + column];
	return y;
}

void
emit_spans(nn_model *m, nn_axis per, tensor logits)
{
	nn_emit(m, "start_logits", per, take_column(m, logits, 0));
	nn_emit(m, "end_logits", per, take_column(m, logits, 1));
}

op_activation
nn_activation(tfm_context *context, const char *name)
{
	op_activation activation = ACTIVATION_NONE;

	if (!op_activation_from_name(name, &activation))
		tfm_fail(context, TFM_UNSUPPORTED, "activation function \"%s\" is not supported", name);
	return activation;
}
